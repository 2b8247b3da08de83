//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// maxBinary is the size that the stripped plugin may have: 60 MB.
const maxBinary = 60_000_000

func TestBinarySize(t *testing.T) {
	info, err := os.Stat(tool(t, "kubectl-lab"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("kubectl-lab: %.1f MB", float64(info.Size())/1e6)
	if info.Size() > maxBinary {
		t.Errorf("kubectl-lab has %d bytes, more than %d", info.Size(), maxBinary)
	}
}

// TestStartup prints how the plugin's start compares with kubectl's of the same release. It asserts
// nothing about time: what else a machine does at the moment is no property of the program.
func TestStartup(t *testing.T) {
	const pairs = 21
	var ratios []float64
	var ours, theirs time.Duration
	for range pairs {
		a := timed(t, tool(t, "kubectl-lab"))
		b := timed(t, tool(t, "kubectl"))
		ours += a
		theirs += b
		ratios = append(ratios, float64(a)/float64(b))
	}
	slices.Sort(ratios)
	t.Logf("version --client: kubectl-lab %v, kubectl %v, median ratio %.2f", ours/pairs, theirs/pairs, ratios[pairs/2])
}

func timed(t *testing.T, program string) time.Duration {
	t.Helper()
	start := time.Now()
	if out, err := exec.CommandContext(t.Context(), program, "version", "--client").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return time.Since(start)
}

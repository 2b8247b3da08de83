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

// TestStartup holds the plugin's start against kubectl's of the same release. The two run in pairs, so
// that what else the machine does at the moment slows both; the median leaves out the odd pair.
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
	median := ratios[pairs/2]
	t.Logf("version --client: kubectl-lab %v, kubectl %v, median ratio %.2f", ours/pairs, theirs/pairs, median)
	if median > 1 {
		t.Errorf("kubectl-lab takes %.2f of the time that kubectl takes, want at most 1", median)
	}
}

func timed(t *testing.T, program string) time.Duration {
	t.Helper()
	start := time.Now()
	if out, err := exec.CommandContext(t.Context(), program, "version", "--client").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return time.Since(start)
}

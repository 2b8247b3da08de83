//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-lab/kubectl-lab/manifests"
	"github.com/kubectl-lab/kubectl-lab/pkg/exercises"
)

// TestManual works through the manual on the manual's own cluster, real kubelets in network namespaces
// of this machine: it checks the installation, compares it with the inventory, spreads traffic, and
// runs every exercise. Set LAB_REAL=skip where that cannot be, such as without root.
func TestManual(t *testing.T) {
	lab := upReal(t)
	t.Run("status", lab.status)
	t.Run("inventory", lab.inventory)
	t.Run("traffic", lab.traffic)
	files, err := manifests.Exercises()
	if err != nil {
		t.Fatal(err)
	}
	set, err := exercises.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range set.Exercises {
		t.Run("exercise "+e.Name, func(t *testing.T) { lab.exercise(t, e.Name) })
	}
	t.Run("from Slack", lab.fromSlack)
	t.Run("more control planes", lab.moreControlPlanes)
}

// fromSlack runs some of them again through the bot, whose package has the fake Slack's stage.
func (l *realLab) fromSlack(t *testing.T) {
	sh := newShell(t)
	sh.env = append(os.Environ(), "LAB_REAL_KUBECONFIG="+l.kubeconfig)
	sh.must("go", "-C", root(t), "test", "./internal/slackbot", "-run", "TestExercisesThroughSlack", "-count=1", "-v")
}

// realLab is the manual's cluster.
type realLab struct {
	dataDir, kubeconfig string
}

// upReal starts the cluster, or uses the one that LAB_REAL_KUBECONFIG and LAB_REAL_DATA_DIR name.
func upReal(t *testing.T) *realLab {
	t.Helper()
	if os.Getenv("LAB_REAL") == "skip" {
		t.Skip("LAB_REAL=skip: the real cluster was declined")
	}
	if kubeconfig := os.Getenv("LAB_REAL_KUBECONFIG"); kubeconfig != "" {
		return &realLab{dataDir: os.Getenv("LAB_REAL_DATA_DIR"), kubeconfig: kubeconfig}
	}
	if os.Geteuid() != 0 {
		t.Fatal("the manual's own cluster needs root; without it, set LAB_REAL=skip")
	}
	dir := t.TempDir()
	lab := &realLab{dataDir: filepath.Join(dir, "cluster"), kubeconfig: filepath.Join(dir, "kubeconfig")}
	sh := newShell(t)
	t.Cleanup(func() { sh.must(tool(t, "labcluster"), "down", "--data-dir", lab.dataDir) })
	started := time.Now()
	sh.must(tool(t, "labcluster"), "up", "--real", "--data-dir", lab.dataDir, "--kubeconfig", lab.kubeconfig)
	t.Logf("up --real took %s", time.Since(started).Round(time.Second))
	return lab
}

// exercise runs one exercise to its end, and does with the machines what it asks for.
func (l *realLab) exercise(t *testing.T, name string) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool(t, "kubectl-lab"), "exercise", "run", name, "--clean", "--operator", "--kubeconfig", l.kubeconfig)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stdout strings.Builder
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.operate(t, stderr)
	err = cmd.Wait()
	t.Logf("%s", stdout.String())
	if err != nil {
		t.Errorf("exercise %s: %v", name, err)
	}
	if !strings.Contains(stdout.String(), " passed, 0 failed, 0 skipped") {
		t.Errorf("exercise %s did not say that all of it passed", name)
	}
}

// operate does what the exercise asks the operator for, until its stderr ends.
func (l *realLab) operate(t *testing.T, stderr io.Reader) {
	t.Helper()
	wish := regexp.MustCompile(`\(labcluster (node \w+ \S+)\)`)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		t.Log(lines.Text())
		if m := wish.FindStringSubmatch(lines.Text()); m != nil {
			args := append(strings.Fields(m[1]), "--data-dir", l.dataDir)
			newShell(t).must(tool(t, "labcluster"), args...)
		}
	}
}

// Package test runs the labcluster binary as its users do: $LABCLUSTER_BIN, or bin/labcluster at the
// root of the repository.
package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/lifecycle"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

const patience = 60 * time.Second

// lab is a place for one cluster.
type lab struct {
	testing.TB
	binary     string
	name       string
	dataDir    string
	kubeconfig string
}

// newLab returns a place, and sees to it that nothing stays there after the test.
func newLab(t testing.TB, name, dataDir, kubeconfig string) *lab {
	t.Helper()
	binary := os.Getenv("LABCLUSTER_BIN")
	if binary == "" {
		binary = "../../../bin/labcluster"
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("no labcluster binary: %v; build it with hack/build-labcluster.sh", err)
	}
	l := &lab{TB: t, binary: binary, name: name, dataDir: dataDir, kubeconfig: kubeconfig}
	t.Cleanup(func() {
		_, _ = l.try("down")
	})
	return l
}

// in returns l for the use of a subtest.
func (l *lab) in(t testing.TB) *lab {
	sub := *l
	sub.TB = t
	return &sub
}

// shortDir is a temporary folder with a short path.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lab-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (l *lab) command(args ...string) *exec.Cmd {
	args = append(args, "--name", l.name, "--data-dir", l.dataDir)
	if args[0] == "up" {
		args = append(args, "--kubeconfig", l.kubeconfig)
	}
	return exec.Command(l.binary, args...)
}

// result is what a command said and how it ended.
type result struct {
	out, err string
	code     int
}

func (l *lab) try(args ...string) (result, error) {
	var out, errOut bytes.Buffer
	cmd := l.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	return result{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}, err
}

// run runs labcluster, which has to succeed, and returns its output.
func (l *lab) run(args ...string) string {
	l.Helper()
	r, err := l.try(args...)
	if err != nil || r.code != 0 {
		l.Fatalf("labcluster %s: exit code %d, %v\n%s%s", strings.Join(args, " "), r.code, err, r.out, r.err)
	}
	return r.out
}

// fail runs labcluster, which has to fail with that exit code and a message with text in it.
func (l *lab) fail(code int, text string, args ...string) {
	l.Helper()
	r, err := l.try(args...)
	if err != nil || r.code != code || !strings.Contains(r.err, text) {
		l.Errorf("labcluster %s: exit code %d (%v), message %q; want %d and %q",
			strings.Join(args, " "), r.code, err, r.err, code, text)
	}
}

func (l *lab) status() lifecycle.Status {
	l.Helper()
	r, err := l.try("status", "-o", "json")
	if err != nil {
		l.Fatal(err)
	}
	var status lifecycle.Status
	if err := json.Unmarshal([]byte(r.out), &status); err != nil {
		l.Fatalf("read the status: %v\n%s%s", err, r.out, r.err)
	}
	return status
}

func (l *lab) component(name string) supervisor.ComponentStatus {
	l.Helper()
	for _, component := range l.status().Components {
		if component.Name == name {
			return component
		}
	}
	l.Fatalf("no component %s", name)
	return supervisor.ComponentStatus{}
}

// processes are all that the cluster runs, the supervisor first.
func (l *lab) processes() []supervisor.Process {
	l.Helper()
	status := l.status()
	all := []supervisor.Process{status.Supervisor}
	for _, component := range status.Components {
		if component.Process != nil {
			all = append(all, *component.Process)
		}
	}
	return all
}

func (l *lab) config() *rest.Config {
	l.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(l.dataDir, "kubeconfig", "admin.conf"))
	if err != nil {
		l.Fatal(err)
	}
	return config
}

func (l *lab) client() kubernetes.Interface {
	l.Helper()
	client, err := kubernetes.NewForConfig(l.config())
	if err != nil {
		l.Fatal(err)
	}
	return client
}

// await waits until condition holds.
func (l *lab) await(what string, condition func() bool) {
	l.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if condition() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	l.Fatalf("waited in vain for %s", what)
}

func (l *lab) awaitEnd(processes []supervisor.Process) {
	l.Helper()
	for _, process := range processes {
		l.await("the end of a process", func() bool { return !process.Alive() })
	}
}

// isGone checks that nothing is left of the cluster.
func (l *lab) isGone(processes []supervisor.Process) {
	l.Helper()
	for _, process := range processes {
		if process.Alive() {
			l.Errorf("process %d is still there", process.PID)
		}
	}
	if _, err := os.Stat(l.dataDir); !errors.Is(err, os.ErrNotExist) {
		entries, _ := os.ReadDir(l.dataDir)
		l.Errorf("the folder is still there: %v", entries)
	}
	for _, process := range processesOf(l, l.dataDir) {
		l.Errorf("a process of it is still there: %s", process)
	}
}

// processesOf finds processes by their command line.
func processesOf(t testing.TB, text string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it ended
		}
		line := string(bytes.ReplaceAll(data, []byte{0}, []byte{' '}))
		if strings.Contains(line, text) && !strings.Contains(line, "test.") {
			found = append(found, line)
		}
	}
	return found
}

func (l *lab) kill(process supervisor.Process) {
	l.Helper()
	if err := process.Signal(syscall.SIGKILL); err != nil {
		l.Fatal(err)
	}
}

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

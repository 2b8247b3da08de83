//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// report is what "status -o json" says, as far as these tests read it.
type report struct {
	Checks []struct {
		ID          string       `json:"id"`
		Status      string       `json:"status"`
		Message     string       `json:"message"`
		Comparisons []comparison `json:"comparisons"`
	} `json:"checks"`
}

type comparison struct {
	Subject  string `json:"subject"`
	Declared string `json:"declared"`
	Live     string `json:"live"`
	Verdict  string `json:"verdict"`
}

// status finds a fresh cluster of the manual healthy, DNS answers included.
func (l *realLab) status(t *testing.T) {
	found, err := l.report(t)
	if err != nil {
		t.Errorf("status of a fresh cluster: %v", err)
	}
	for _, check := range found.Checks {
		if check.Status == "failed" { // warnings too
			t.Errorf("%s is %s: %s", check.ID, check.Status, check.Message)
		}
		if check.ID == "dns-lookup" && check.Status != "ok" {
			t.Errorf("the lookup at the real CoreDNS is %s: %s", check.Status, check.Message)
		}
	}
}

// inventory compares the cluster with the manual's own inventory. What differs is what the lab leaves
// out: Calico, which comes as images from registries, and the dashboard.
func (l *realLab) inventory(t *testing.T) {
	found, err := l.report(t, "--inventory", manualInventory(t))
	if err == nil {
		t.Error("status --inventory found differences and exited with 0")
	}
	var differ []comparison
	matches, helm := 0, ""
	for _, check := range found.Checks {
		for _, c := range check.Comparisons {
			if c.Subject == "helm_enabled" {
				helm = c.Verdict
			}
			switch c.Verdict {
			case "differs":
				differ = append(differ, c)
			case "match":
				matches++
			}
		}
	}
	want := []comparison{
		{"kube_network_plugin", "calico", "none", "differs"},
		{"dashboard_enabled", "true", "absent", "differs"},
	}
	if diff := cmp.Diff(want, differ); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	if helm != "unknown" {
		t.Errorf("helm_enabled is called %q; the cluster does not show it", helm)
	}
	if matches < 10 {
		t.Errorf("%d declarations match, want the hosts, their roles and the CIDRs at least", matches)
	}
}

// moreControlPlanes adds a second and a third one, and asks status what it thinks of two and of three
// members of etcd: the check's severity is a warning, so the exit code stays 0. Every control plane has to
// run its static pods.
func (l *realLab) moreControlPlanes(t *testing.T) {
	for _, step := range []struct{ node, members string }{{"k8s05", "failed"}, {"k8s06", "ok"}} {
		newShell(t).must(tool(t, "labcluster"), "node", "add", step.node, "--control-plane", "--data-dir", l.dataDir)
		found, err := l.report(t, "--category", "control-plane", "--wait", "--timeout", "60s")
		if err != nil {
			t.Errorf("status with %s: %v", step.node, err)
		}
		got := map[string]string{}
		for _, check := range found.Checks {
			got[check.ID] = check.Status
		}
		for id, want := range map[string]string{"control-plane-etcd-members": step.members, "control-plane-pods": "ok", "control-plane-etcd": "ok"} {
			if got[id] != want {
				t.Errorf("with %s, %s is %q, want %q", step.node, id, got[id], want)
			}
		}
	}
}

// report runs status and reads its JSON. The error is the program's exit code.
func (l *realLab) report(t *testing.T, args ...string) (report, error) {
	t.Helper()
	args = append([]string{"status", "-o", "json", "--kubeconfig", l.kubeconfig}, args...)
	out, failed := exec.CommandContext(t.Context(), tool(t, "kubectl-lab"), args...).Output()
	var found report
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatalf("status -o json: %v: %s", err, out)
	}
	return found, failed
}

// manualInventory writes the manual's inventory and returns the path of its file.
func manualInventory(t *testing.T) string {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join(root(t), "pkg/inventory/testdata/corpus/manual.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, file := range archive.Files {
		path := filepath.Join(dir, file.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, file.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "inventory.ini")
}

// spread is what "traffic -o json" says, as far as these tests read it.
type spread struct {
	Requests int            `json:"requests"`
	Failures map[string]int `json:"failures"`
	Shares   []struct {
		Pod      string `json:"pod"`
		Known    bool   `json:"known"`
		Requests int    `json:"requests"`
		Node     string `json:"node"`
	} `json:"shares"`
	P50Seconds float64 `json:"p50Seconds"`
	P99Seconds float64 `json:"p99Seconds"`
	Even       *struct {
		P float64 `json:"p"`
	} `json:"even"`
}

// traffic sends requests through a service in each way, with the verbs of the manual alone.
func (l *realLab) traffic(t *testing.T) {
	const namespace = "e2e-traffic"
	l.lab(t, "create", "namespace", namespace)
	defer l.lab(t, "delete", "namespace", namespace)
	l.createPods(t, namespace, "web", "--count=3")
	l.lab(t, "create", "service", "web", "-n", namespace, "--selector=app=nt", "--type=LoadBalancer", "--external-ip=192.168.0.113", "--port=8000:80")

	for _, via := range []string{"cluster-ip", "dns", "node-port", "external-ip"} {
		t.Run(via, func(t *testing.T) { l.spreads(t, namespace, via) })
	}
	t.Run("watch", func(t *testing.T) { l.watchesTraffic(t, namespace) })
	if pods := l.lab(t, "get", "pods", "-n", namespace, "-o", "name"); strings.Count(pods, "pod/") != 3 {
		t.Errorf("want the three pods of the service and no sender, got %s", pods)
	}
}

func (l *realLab) createPods(t *testing.T, namespace, name string, more ...string) {
	t.Helper()
	l.lab(t, append([]string{"create", "pod", name, "-n", namespace, "--image=nginx:1.15", "--labels=app=nt", "--port=80", "--serve-hostname", "--wait"}, more...)...)
}

func (l *realLab) spreads(t *testing.T, namespace, via string) {
	var s spread
	if err := json.Unmarshal([]byte(l.lab(t, "traffic", "web", "-n", namespace, "--via", via, "-o", "json")), &s); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, share := range s.Shares {
		if !share.Known || share.Requests == 0 || share.Node == "" {
			t.Errorf("share %+v: want requests at a known pod on a known node", share)
		}
		total += share.Requests
	}
	if len(s.Shares) != 3 || total != 100 || s.Requests != 100 || len(s.Failures) != 0 {
		t.Errorf("want 100 answers from three pods: %+v", s)
	}
	if s.P50Seconds <= 0 || s.P99Seconds < s.P50Seconds {
		t.Errorf("latencies p50 %v s, p99 %v s", s.P50Seconds, s.P99Seconds)
	}
	// kube-proxy chooses at random: a fair spread is this uneven once in a hundred thousand runs.
	if s.Even == nil || s.Even.P < 1e-5 {
		t.Errorf("spread %+v is not what kube-proxy's random choice gives", s)
	}
}

// watchesTraffic looks on while a pod enters and another leaves, and ends as a person does.
func (l *realLab) watchesTraffic(t *testing.T, namespace string) {
	cmd := exec.CommandContext(t.Context(), tool(t, "kubectl-lab"), "traffic", "web", "-n", namespace, "--watch", "--kubeconfig", l.kubeconfig)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stdout strings.Builder
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := follow(stderr)
	await(t, lines, "starting the pod")
	l.createPods(t, namespace, "late")
	await(t, lines, "pod/late entered after ")
	l.lab(t, "delete", "pod", "late", "-n", namespace)
	await(t, lines, "pod/late left after ")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its exit code follows
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d after Ctrl-C, want 130", code)
	}
	for _, want := range []string{"pod/late entered after ", "pod/late left after "} {
		contains(t, stdout.String(), want)
	}
}

// follow reads lines until r ends.
func follow(r io.Reader) <-chan string {
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(r); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	return lines
}

func await(t *testing.T, lines <-chan string, part string) {
	t.Helper()
	for timeout := time.After(time.Minute); ; {
		select {
		case line, more := <-lines:
			if !more {
				t.Fatalf("it ended before it said %q", part)
			}
			if strings.Contains(line, part) {
				return
			}
		case <-timeout:
			t.Fatalf("it did not say %q", part)
		}
	}
}

// lab runs a verb that has to succeed, and returns its result.
func (l *realLab) lab(t *testing.T, args ...string) string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // also in a defer
	cmd := exec.CommandContext(ctx, tool(t, "kubectl-lab"), append(args, "--kubeconfig", l.kubeconfig)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kubectl lab %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

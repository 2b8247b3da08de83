//go:build linux

package scalefixture_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/kubectl-lab/kubectl-lab/internal/render"
	"github.com/kubectl-lab/kubectl-lab/internal/scalefixture"
	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

var update = flag.Bool("update", false, "write the golden file anew")

// The screen that a description of any cluster fits on.
const (
	screenLines   = 45
	screenColumns = 120
)

// TestDescribe describes a cluster of 500 nodes and 5,000 pods, whose numbers are known.
func TestDescribe(t *testing.T) {
	size := scalefixture.Size{Nodes: 500, Pods: 5_000, Namespaces: 200, Services: 200, Deployments: 500, Warnings: 1_500}
	cluster := start(t, size)
	result := describe(t, cluster, size)
	c := result.Cluster

	if c.Nodes.Ready != 495 || len(c.Nodes.NotReady) != 5 || c.Nodes.Roles["control-plane"] != 3 || c.Nodes.Zones["zone-b"] != 167 {
		t.Errorf("nodes %+v", c.Nodes)
	}
	if got, want := c.Nodes.Allocatable.CPU.Value(), int64(500*16); got != want {
		t.Errorf("%d CPUs, want %d", got, want)
	}
	want := actions.Tally{"Running": 4_850, "Pending": 50, "CrashLoopBackOff": 50, "Completed": 50}
	if diff := cmp.Diff(want, c.Pods.ByStatus); diff != "" {
		t.Errorf("pods by status: -want +got:\n%s", diff)
	}
	if c.Pods.Containers != 10_000 || c.Pods.Restarts != 50*2*7 || c.Pods.BusiestNodePods != 10 {
		t.Errorf("pods %+v", c.Pods)
	}
	if len(c.PodsByNamespace) != 200 || c.PodsByNamespace["scale-007"] != 25 {
		t.Errorf("%d namespaces with pods, %d pods in one", len(c.PodsByNamespace), c.PodsByNamespace["scale-007"])
	}
	if w := c.Workloads[0]; w.Total != 500 || w.Short != 5 {
		t.Errorf("deployments %+v", w)
	}
	if *c.Services.WithoutBackends != 4 {
		t.Errorf("services %+v", c.Services)
	}
	// Two pages of warnings; the Normal events are left out.
	if c.Warnings.Total != 1_500 || len(c.Warnings.Groups) != 1 || c.Warnings.Groups[0].Count != 4_500 || c.Warnings.Truncated {
		t.Errorf("warnings %+v", c.Warnings)
	}
	golden(t, screen(t, result))
}

// TestDescribeAtTheLimits measures "describe" at the sizes that Kubernetes is designed for, and prints
// how it compares with kubectl. It takes 10 GB of memory and some ten minutes, so it is asked for:
//
//	KUBECTL_LAB_SCALE=1 go test ./internal/scalefixture -run AtTheLimits -v -timeout 40m
func TestDescribeAtTheLimits(t *testing.T) {
	if os.Getenv("KUBECTL_LAB_SCALE") == "" {
		t.Skip("set KUBECTL_LAB_SCALE=1 to run it")
	}
	size := scalefixture.Limits()
	cluster := start(t, size)
	result := describe(t, cluster, size)
	t.Logf("\n%s", screen(t, result))

	ours := build(t)
	describing := best(t, 5, ours, "--kubeconfig", cluster.Kubeconfig, "describe")
	t.Logf("kubectl lab describe: %s", describing)
	kubectl := filepath.Join("..", "..", "bin", "kubectl")
	if _, err := os.Stat(kubectl); err != nil {
		t.Logf("no comparison: %v; build it with: make bin/kubectl", err)
		return
	}
	for _, args := range [][]string{{"get", "pods", "-A", "--chunk-size=0"}, {"describe", "nodes"}} {
		theirs := best(t, 1, kubectl, append([]string{"--kubeconfig", cluster.Kubeconfig}, args...)...)
		t.Logf("kubectl %s: %s; ratio %.3f of the time, %.3f of the memory", strings.Join(args, " "), theirs,
			describing.wall.Seconds()/theirs.wall.Seconds(), float64(describing.memory)/float64(theirs.memory))
	}
}

// start makes a cluster that holds the fixture and nothing that reconciles it.
func start(t *testing.T, size scalefixture.Size) *testcluster.Cluster {
	t.Helper()
	cluster := testcluster.New(t, testcluster.Options{NoNodes: true, NoAddons: true})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	for _, component := range []string{testcluster.NodeSimulator, testcluster.Scheduler, testcluster.ControllerManager, testcluster.APIServer} {
		if err := cluster.StopComponent(ctx, component); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if err := scalefixture.Fill(ctx, etcdOf(t, cluster), size); err != nil {
		t.Fatal(err)
	}
	t.Logf("filled in %s", time.Since(began).Round(time.Second))
	if err := cluster.StartComponent(ctx, testcluster.APIServer); err != nil {
		t.Fatal(err)
	}
	return cluster
}

// etcdOf reaches the etcd of a cluster with the API server's certificate.
func etcdOf(t *testing.T, cluster *testcluster.Cluster) *scalefixture.Etcd {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(cluster.DataDir, "cluster.json"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct{ Ports struct{ Etcd int } }
	if err := json.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	pki := filepath.Join(cluster.DataDir, "pki")
	certificate, err := tls.LoadX509KeyPair(filepath.Join(pki, "apiserver-etcd-client.crt"), filepath.Join(pki, "apiserver-etcd-client.key"))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(filepath.Join(pki, "etcd-ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		t.Fatal("etcd's certificate authority is no PEM")
	}
	address := net.JoinHostPort("127.0.0.1", fmt.Sprint(config.Ports.Etcd))
	return scalefixture.NewEtcd("https://"+address, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
}

// describe runs the action until the API server's caches hold the whole fixture.
func describe(t *testing.T, cluster *testcluster.Cluster, size scalefixture.Size) *actions.DescribeResult {
	t.Helper()
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig = &cluster.Kubeconfig
	env := &actions.Env{
		Cluster: actions.NewCluster(connection{flags}),
		Now:     func() time.Time { return time.Date(2026, time.January, 2, 6, 0, 0, 0, time.UTC) },
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for {
		began := time.Now()
		result, err := (&actions.DescribeOptions{}).Run(ctx, env)
		if err != nil {
			t.Fatal(err)
		}
		d := result.(*actions.DescribeResult)
		if len(d.Cluster.Unread) > 0 {
			t.Fatalf("not read: %+v", d.Cluster.Unread)
		}
		c := d.Cluster
		if c.Nodes.Total == size.Nodes && c.Pods.Total == size.Pods && c.Services.Total >= size.Services && c.Workloads[0].Total == size.Deployments {
			t.Logf("described in %s", time.Since(began).Round(time.Millisecond))
			return d
		}
		t.Logf("the caches hold %d nodes and %d pods so far", c.Nodes.Total, c.Pods.Total)
	}
}

type connection struct{ *genericclioptions.ConfigFlags }

func (connection) Namespace() (string, bool, error) { return "default", false, nil }

// screen is the description as a terminal shows it. It fails the test if it needs more than a screen.
func screen(t *testing.T, result actions.Result) string {
	t.Helper()
	var out bytes.Buffer
	if err := render.Text(&out, result.Document(), render.TextOptions{Width: screenColumns}); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if lines := strings.Count(text, "\n"); lines > screenLines {
		t.Errorf("%d lines, more than %d", lines, screenLines)
	}
	for line := range strings.Lines(text) {
		if width := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); width > screenColumns {
			t.Errorf("%d columns, more than %d: %s", width, screenColumns, line)
		}
	}
	return text
}

// golden compares with testdata/describe.golden; what differs from run to run is blotted out.
func golden(t *testing.T, got string) {
	t.Helper()
	got = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(got, "127.0.0.1:PORT")
	got = regexp.MustCompile(`Version: .*`).ReplaceAllString(got, "Version: VERSION")
	name := filepath.Join("testdata", "describe.golden")
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got (go test -update writes it anew):\n%s", diff)
	}
}

// build makes the plugin as a release does.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "kubectl-lab")
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "../../cmd/kubectl-lab")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// cost is what a run of a program took.
type cost struct {
	wall time.Duration
	cpu  time.Duration
	// memory is the greatest resident size, in bytes.
	memory int64
}

func (c cost) String() string {
	return fmt.Sprintf("%.2f s, %.2f s CPU, %d MB", c.wall.Seconds(), c.cpu.Seconds(), c.memory>>20)
}

// best is the quickest of so many runs: others work on the machine too.
func best(t *testing.T, runs int, program string, args ...string) cost {
	t.Helper()
	var least cost
	for i := range runs {
		c, _, problems := measure(t, program, args...)
		if problems != "" {
			t.Fatalf("%s: %s", strings.Join(args, " "), problems)
		}
		if i == 0 || c.wall < least.wall {
			least = c
		}
	}
	return least
}

// measure runs a program. problems is how it failed, if it did, and what it says about that.
func measure(t *testing.T, program string, args ...string) (spent cost, output []byte, problems string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, args...)
	var out, errOut bytes.Buffer
	command.Stdout, command.Stderr = &out, &errOut
	began := time.Now()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	memory := peakOf(command.Process.Pid, ended)
	err := command.Wait()
	wall := time.Since(began)
	close(ended)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err != nil {
		problems = fmt.Sprintf("%v\n%s", err, errOut.String())
	}
	spent = cost{wall: wall, cpu: command.ProcessState.UserTime() + command.ProcessState.SystemTime(), memory: <-memory}
	if spent.memory == 0 {
		t.Fatal("its memory could not be read")
	}
	return spent, out.Bytes(), problems
}

// peakOf follows a process's greatest resident size until it has ended. The kernel's own account for
// the parent (getrusage(2), ru_maxrss) begins with what the parent had when it started the process,
// which is more than the process ever has if the parent runs under the race detector.
func peakOf(pid int, ended <-chan struct{}) <-chan int64 {
	peak := make(chan int64, 1)
	go func() {
		var most int64
		for ticker := time.NewTicker(2 * time.Millisecond); ; {
			most = max(most, highWater(pid))
			select {
			case <-ended:
				ticker.Stop()
				peak <- most
				return
			case <-ticker.C:
			}
		}
	}()
	return peak
}

// highWater reads VmHWM (proc_pid_status(5)), in bytes; zero if the process is gone.
func highWater(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}

package test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/lifecycle"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

// TestCluster goes through the life of one cluster, which is costly to start.
func TestCluster(t *testing.T) {
	dir := shortDir(t)
	l := newLab(t, "lab", filepath.Join(dir, "data"), filepath.Join(dir, "kubeconfig"))
	l.run("up", "--audit-log")

	t.Run("nodes", func(t *testing.T) { testNodes(t, l.in(t)) })
	t.Run("add-ons", func(t *testing.T) { testAddons(t, l.in(t)) })
	t.Run("loopback only", func(t *testing.T) { testLoopbackOnly(t, l.in(t)) })
	t.Run("files are closed", func(t *testing.T) { testFilesClosed(t, l.in(t)) })
	t.Run("who may do what", func(t *testing.T) { testAccess(t, l.in(t)) })
	t.Run("pods", func(t *testing.T) { testPods(t, l.in(t)) })
	t.Run("audit log", func(t *testing.T) { testAuditLog(t, l.in(t)) })
	t.Run("logs", func(t *testing.T) { testLogs(t, l.in(t)) })
	t.Run("up again", func(t *testing.T) { testUpAgain(t, l.in(t)) })
	t.Run("crash", func(t *testing.T) { testCrash(t, l.in(t)) })
	t.Run("stop and start", func(t *testing.T) { testStopStart(t, l.in(t)) })
	t.Run("supervisor killed", func(t *testing.T) { testSupervisorKilled(t, l.in(t)) })
	t.Run("down", func(t *testing.T) { testDown(t, l.in(t)) })
}

func testUpAgain(t *testing.T, l *lab) {
	before := l.processes()
	l.run("up")
	out := l.run("up", "--nodes", "k8s01,k8s02,k8s03,k8s04")
	if !strings.Contains(out, "was up already") {
		t.Errorf("got %s", out)
	}
	if diff := cmp.Diff(before, l.processes()); diff != "" {
		t.Errorf("the processes changed: %s", diff)
	}
	nodes, err := l.client().CoreV1().Nodes().List(deadline(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes.Items) != 4 {
		t.Errorf("there are %d nodes, want the three and the new one", len(nodes.Items))
	}
	l.fail(1, "labcluster down", "up", "--audit-log=false")
	l.fail(1, "64 nodes", "up", "--nodes", "65")
	other := *l
	other.name = "other"
	other.fail(1, `name "lab"`, "up")
}

func testCrash(t *testing.T, l *lab) {
	before := map[string]supervisor.ComponentStatus{}
	for _, component := range l.status().Components {
		before[component.Name] = component
	}
	for _, name := range []string{"kwok", "kube-scheduler", "etcd"} {
		l.kill(*before[name].Process)
	}
	for _, name := range []string{"kwok", "kube-scheduler", "etcd"} {
		l.await("the restart of "+name, func() bool {
			now := l.component(name)
			return now.State == supervisor.Ready && now.Restarts > before[name].Restarts && now.LastExit == "signal: killed"
		})
	}
	l.await("the cluster", func() bool { return l.status().State == lifecycle.StateRunning })
	l.await("the API", func() bool {
		_, err := l.client().CoreV1().Nodes().Get(deadline(t), "k8s01", metav1.GetOptions{})
		return err == nil
	})
	r, err := l.try("status")
	if err != nil || r.code != 0 || !strings.Contains(r.out, "signal: killed") {
		t.Errorf("the status does not report it (%v): %s", err, r.out)
	}
}

func testStopStart(t *testing.T, l *lab) {
	l.run("component", "stop", "kube-apiserver")
	if got := l.component("kube-apiserver").State; got != supervisor.Stopped {
		t.Errorf("stopped, the API server is %s", got)
	}
	if r, err := l.try("status"); err != nil || r.code != 1 || !strings.Contains(r.out, "degraded") {
		t.Errorf("status: exit code %d (%v), %s", r.code, err, r.out)
	}
	if _, err := l.client().Discovery().ServerVersion(); err == nil {
		t.Error("the stopped API server answers")
	}
	l.fail(1, "is not running", "component", "kill", "kube-apiserver")
	l.fail(1, "there are: etcd", "component", "stop", "nobody")
	l.run("component", "start", "kube-apiserver")
	if _, err := l.client().Discovery().ServerVersion(); err != nil {
		t.Errorf("the API server does not answer once it is started: %v", err)
	}
	l.await("all others to come back", func() bool { return l.status().State == lifecycle.StateRunning })
	before := l.component("kube-controller-manager").Restarts
	l.run("component", "kill", "kube-controller-manager")
	l.await("the controller manager", func() bool {
		now := l.component("kube-controller-manager")
		return now.State == supervisor.Ready && now.Restarts > before
	})
}

func testSupervisorKilled(t *testing.T, l *lab) {
	node, err := l.client().CoreV1().Nodes().Get(deadline(t), "k8s01", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	processes := l.processes()
	l.kill(processes[0])
	l.awaitEnd(processes)
	if status := l.status(); status.State != lifecycle.StateStopped || !strings.Contains(status.Problem, "labcluster up") {
		t.Errorf("the status is %s: %s", status.State, status.Problem)
	}

	l.run("up")
	again, err := l.client().CoreV1().Nodes().Get(deadline(t), "k8s01", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if node.UID != again.UID {
		t.Error("the cluster did not keep its objects")
	}
}

// testDown also has the supervisor killed and a component stuck.
func testDown(t *testing.T, l *lab) {
	processes := l.processes()
	l.kill(processes[0])
	l.run("down")
	l.isGone(processes)
	if _, err := os.Stat(l.kubeconfig); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the kubeconfig that up made is still there: %v", err)
	}
	if out := l.run("down"); !strings.Contains(out, "No cluster") {
		t.Errorf("the second time: %s", out)
	}
	l.fail(1, "labcluster up", "status")
}

const workKubeconfig = `apiVersion: v1
clusters:
- cluster:
    server: https://work.example:6443
  name: work
contexts:
- context:
    cluster: work
    user: me
  name: work
current-context: work
kind: Config
users:
- name: me
  user:
    token: secret
`

// TestTwoClusters also has a path that is too long for sockets, and a kubeconfig with other things
// in it; one of the clusters ends with its owner.
func TestTwoClusters(t *testing.T) {
	dir := shortDir(t)
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(workKubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	owner := exec.Command("sleep", "600")
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = owner.Process.Kill() }()
	ended := make(chan error, 1)
	go func() { ended <- owner.Wait() }()

	long := filepath.Join(dir, strings.Repeat("long", 30), "data")
	one := newLab(t, "one", long, kubeconfig)
	two := newLab(t, "two", filepath.Join(dir, "two"), kubeconfig)
	one.run("up", "--nodes", "", "--addons=false")
	two.run("up", "--nodes", "only", "--addons=false", "--owner-pid", itoa(owner.Process.Pid))

	names := map[*lab]string{}
	for _, l := range []*lab{one, two} {
		config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
			&clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig},
			&clientcmd.ConfigOverrides{CurrentContext: l.name}).ClientConfig()
		if err != nil {
			t.Fatal(err)
		}
		nodes, err := kubernetes.NewForConfigOrDie(config).CoreV1().Nodes().List(deadline(t), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, node := range nodes.Items {
			names[l] += node.Name
		}
	}
	if names[one] != "" || names[two] != "only" {
		t.Errorf("the nodes are %q and %q", names[one], names[two])
	}

	processes := one.processes()
	sockets := filepath.Dir(socketOf(t, one))
	one.run("down")
	one.isGone(processes)
	if _, err := os.Stat(sockets); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of the sockets is still there: %v", err)
	}
	if state := two.status().State; state != lifecycle.StateRunning {
		t.Errorf("the other cluster is %s", state)
	}

	processes = two.processes()
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	two.awaitEnd(processes)
	two.isGone(processes)
	after, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	// one was made current first, then two; with both gone, the first choice is back.
	if diff := cmp.Diff(workKubeconfig, strings.ReplaceAll(string(after), "current-context: \"\"", "current-context: work")); diff != "" {
		t.Errorf("the kubeconfig is not as it was: %s", diff)
	}
}

func TestInterrupted(t *testing.T) {
	for name, wait := range map[string]string{
		"while the API server starts": "kube-apiserver.log",
		"at once":                     "",
	} {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			l := newLab(t, "lab", filepath.Join(dir, "state", "data"), filepath.Join(dir, "kubeconfig"))
			cmd := l.command("up")
			var message strings.Builder
			cmd.Stderr = &message
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			l.await("the start", func() bool {
				_, err := os.Stat(filepath.Join(l.dataDir, "logs", wait))
				return err == nil
			})
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 130 {
				t.Errorf("exit code %d (%v), want 130: %s", cmd.ProcessState.ExitCode(), err, message.String())
			}
			l.isGone(nil)
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) > 0 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	dir := shortDir(t)
	l := newLab(t, "lab", filepath.Join(dir, "data"), filepath.Join(dir, "kubeconfig"))
	l.fail(1, "--timeout 500ms", "up", "--timeout", "500ms")
	l.isGone(nil)
}

// testAccess checks what kubeadm's defaults give: strangers may ask for the version only.
func testAccess(t *testing.T, l *lab) {
	stranger := rest.AnonymousClientConfig(l.config())
	client, err := kubernetes.NewForConfig(stranger)
	if err != nil {
		t.Fatal(err)
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		t.Fatalf("a stranger may not ask for the version: %v", err)
	}
	if want := l.status().Version; version.GitVersion != want || version.Major+"."+version.Minor != "1.37" {
		t.Errorf("the version is %+v, want %s", version, want)
	}
	if _, err := client.CoreV1().Secrets("").List(deadline(t), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a stranger lists secrets: %v", err)
	}

	// The nodes' own API is for the API server only, and the control plane's ports want credentials.
	status := l.status()
	if !strings.HasPrefix(status.Server, "https://127.0.0.1:") {
		t.Errorf("the server is at %s", status.Server)
	}
	printed := l.run("kubeconfig")
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(printed))
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get(config.Host + "/api/v1/secrets")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the administrator's printed kubeconfig: %s", response.Status)
	}
}

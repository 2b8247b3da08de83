package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	utilexec "k8s.io/client-go/util/exec"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

func itoa(n int) string { return strconv.Itoa(n) }

func socketOf(t *testing.T, l *lab) string {
	t.Helper()
	config, err := cluster.Load(cluster.Dir(l.dataDir))
	if err != nil {
		t.Fatal(err)
	}
	return config.ControlSocket()
}

func testNodes(t *testing.T, l *lab) {
	nodes, err := l.client().CoreV1().Nodes().List(deadline(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, node := range nodes.Items {
		_, controlPlane := node.Labels["node-role.kubernetes.io/control-plane"]
		ready := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		})
		got = append(got, fmt.Sprintf("%s %s %s control-plane=%t ready=%t %s %s", node.Name, node.Status.Addresses[0].Address,
			node.Spec.PodCIDR, controlPlane, ready, node.Status.NodeInfo.KubeletVersion,
			strings.Split(node.Status.NodeInfo.ContainerRuntimeVersion, ":")[0]))
	}
	want := []string{
		"k8s01 192.168.0.104 10.233.64.0/24 control-plane=true ready=true v1.37.2 containerd",
		"k8s02 192.168.0.105 10.233.65.0/24 control-plane=false ready=true v1.37.2 containerd",
		"k8s03 192.168.0.106 10.233.66.0/24 control-plane=false ready=true v1.37.2 containerd",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func testAddons(t *testing.T, l *lab) {
	ctx, client := deadline(t), l.client()
	deployment, err := client.AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if deployment.Status.ReadyReplicas != 2 {
		t.Errorf("CoreDNS has %d ready replicas after up", deployment.Status.ReadyReplicas)
	}
	proxies, err := client.AppsV1().DaemonSets("kube-system").Get(ctx, "kube-proxy", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if proxies.Status.NumberReady != 3 {
		t.Errorf("kube-proxy is ready on %d nodes", proxies.Status.NumberReady)
	}
	dns, err := client.CoreV1().Services("kube-system").Get(ctx, "kube-dns", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if dns.Spec.ClusterIP != cluster.DNSServiceIP {
		t.Errorf("DNS is at %s", dns.Spec.ClusterIP)
	}
	for _, lease := range []string{"kube-controller-manager", "kube-scheduler"} {
		if _, err := client.CoordinationV1().Leases("kube-system").Get(ctx, lease, metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
	}
}

// testLoopbackOnly reads the kernel's tables of listening sockets.
func testLoopbackOnly(t *testing.T, l *lab) {
	sockets := map[string]bool{} // inodes
	for _, process := range l.processes() {
		links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", process.PID))
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			target, err := os.Readlink(link)
			if err != nil {
				continue // closed meanwhile
			}
			if inode, ok := strings.CutPrefix(target, "socket:["); ok {
				sockets[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	const listen, loopback = "0A", "0100007F" // tcp(7): state, 127.0.0.1
	found := 0
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			fields := strings.Fields(line)
			if len(fields) < 10 || fields[3] != listen || !sockets[fields[9]] {
				continue
			}
			found++
			if !strings.HasPrefix(fields[1], loopback+":") {
				t.Errorf("somebody listens on %s (%s)", fields[1], table)
			}
		}
	}
	if found != 5 { // etcd twice, API server, controller manager, scheduler
		t.Errorf("found %d listeners, want 5", found)
	}
}

func testFilesClosed(t *testing.T, l *lab) {
	err := filepath.Walk(l.dataDir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		inClosedDir := info.Mode()&os.ModeSocket != 0
		if info.Mode().Perm()&0o077 != 0 && !inClosedDir {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testPods(t *testing.T, l *lab) {
	ctx, client := deadline(t), l.client()
	pods := client.CoreV1().Pods("default")
	for name, image := range map[string]string{"web": "nginx", "missing": "registry.invalid/nginx"} {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}},
		}
		if _, err := pods.Create(ctx, pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	l.await("the pod to run", func() bool {
		pod, err := pods.Get(ctx, "web", metav1.GetOptions{})
		return err == nil && pod.Status.Phase == corev1.PodRunning && strings.HasPrefix(pod.Status.PodIP, "10.233.6")
	})
	l.await("the other to fail", func() bool {
		pod, err := pods.Get(ctx, "missing", metav1.GetOptions{})
		return err == nil && len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].State.Waiting != nil &&
			pod.Status.ContainerStatuses[0].State.Waiting.Reason == "ImagePullBackOff"
	})

	t.Run("logs", func(t *testing.T) {
		text, err := pods.GetLogs("web", &corev1.PodLogOptions{TailLines: new(int64(1)), Timestamps: true}).DoRaw(ctx)
		if err != nil || !strings.HasSuffix(string(text), "these lines are made up\n") || text[4] != '-' {
			t.Errorf("got %q, %v", text, err)
		}
		if _, err := pods.GetLogs("missing", &corev1.PodLogOptions{}).Stream(ctx); err == nil || !strings.Contains(err.Error(), "pull image") {
			t.Errorf("a pod without image: got %v", err)
		}
		stream, err := pods.GetLogs("web", &corev1.PodLogOptions{Follow: true}).Stream(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		lines := bufio.NewScanner(stream)
		for lines.Scan() && !strings.Contains(lines.Text(), "still simulated") {
		}
		if lines.Err() != nil || !strings.Contains(lines.Text(), "still simulated") {
			t.Errorf("following: %q, %v", lines.Text(), lines.Err())
		}
	})
	t.Run("exec", func(t *testing.T) { testExec(t, l.in(t)) })
	t.Run("port-forward", func(t *testing.T) { testPortForward(t, l.in(t)) })
	t.Run("through a service", func(t *testing.T) {
		service := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "web"},
			Spec: corev1.ServiceSpec{
				Selector: map[string]string{"app": "web"},
				Ports:    []corev1.ServicePort{{Port: 8000, TargetPort: intstr.FromInt32(80)}},
			},
		}
		if _, err := client.CoreV1().Services("default").Create(ctx, service, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		l.await("the service to answer", func() bool {
			body, err := client.CoreV1().Services("default").ProxyGet("http", "web", "8000", "/", nil).DoRaw(ctx)
			return err == nil && string(body) == "web\n"
		})
		body, err := client.CoreV1().Services("default").ProxyGet("https", "web", "8000", "/", nil).DoRaw(ctx)
		if err != nil || string(body) != "web\n" {
			t.Errorf("by HTTPS: %q, %v", body, err)
		}
	})
	t.Run("kubelet", func(t *testing.T) {
		body, err := client.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes/k8s02/proxy/healthz").DoRaw(ctx)
		if err != nil || string(body) != "ok" {
			t.Errorf("%q, %v", body, err)
		}
	})
}

// testExec makes sure, too, that a command does not run on this machine.
func testExec(t *testing.T, l *lab) {
	trace := filepath.Join(shortDir(t), "trace")
	tests := map[string]struct {
		command  []string
		out, err string
		code     int
	}{
		"hostname": {[]string{"hostname"}, "web\n", "", 0},
		"shell":    {[]string{"sh", "-c", "echo x > " + trace}, "", "was not run", 126},
	}
	for name, test := range tests {
		for protocol, executor := range executors(t, l, test.command) {
			t.Run(name+" "+protocol, func(t *testing.T) {
				var out, errOut bytes.Buffer
				err := executor.StreamWithContext(deadline(t), remotecommand.StreamOptions{Stdout: &out, Stderr: &errOut})
				code := 0
				var exit utilexec.CodeExitError
				if errors.As(err, &exit) {
					code = exit.Code
				} else if err != nil {
					t.Fatal(err)
				}
				if out.String() != test.out || !strings.Contains(errOut.String(), test.err) || code != test.code {
					t.Errorf("got %q, %q, exit code %d", out.String(), errOut.String(), code)
				}
			})
		}
	}
	if _, err := os.Stat(trace); err == nil {
		t.Error("the command ran on this machine")
	}
}

func executors(t *testing.T, l *lab, command []string) map[string]remotecommand.Executor {
	t.Helper()
	url := l.client().CoreV1().RESTClient().Post().Resource("pods").Namespace("default").Name("web").SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	viaSPDY, err := remotecommand.NewSPDYExecutor(l.config(), http.MethodPost, url)
	if err != nil {
		t.Fatal(err)
	}
	viaWebSocket, err := remotecommand.NewWebSocketExecutor(l.config(), http.MethodGet, url.String())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]remotecommand.Executor{"SPDY": viaSPDY, "WebSocket": viaWebSocket}
}

func testPortForward(t *testing.T, l *lab) {
	transport, upgrader, err := spdy.RoundTripperFor(l.config())
	if err != nil {
		t.Fatal(err)
	}
	url := l.client().CoreV1().RESTClient().Post().Resource("pods").Namespace("default").Name("web").SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	stop, ready := make(chan struct{}), make(chan struct{})
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{"0:80"}, stop, ready, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "web\n" {
		t.Errorf("got %q, %v", body, err)
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// testAuditLog looks for a person who was impersonated, as a bot would.
func testAuditLog(t *testing.T, l *lab) {
	config := l.config()
	config.Impersonate = rest.ImpersonationConfig{UserName: "slack:T1:U1", Groups: []string{"system:masters"}}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "audited"}, StringData: map[string]string{"k": "hush-hush"}}
	if _, err := client.CoreV1().Secrets("default").Create(deadline(t), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(l.status().AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("hush-hush")) {
		t.Error("the audit log has the secret's content")
	}
	found := false
	for line := range bytes.Lines(data) {
		var event struct {
			Verb             string
			ObjectRef        struct{ Resource, Name string }
			ImpersonatedUser struct{ Username string }
		}
		if err := json.Unmarshal(line, &event); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if event.Verb == "create" && event.ObjectRef.Name == "audited" && event.ImpersonatedUser.Username == "slack:T1:U1" {
			found = true
		}
	}
	if !found {
		t.Error("the audit log does not tell who created the secret")
	}
}

func testLogs(t *testing.T, l *lab) {
	if out := l.run("logs", "kube-apiserver", "--tail", "3"); strings.Count(out, "\n") != 3 {
		t.Errorf("got %q", out)
	}
	for _, component := range l.status().Components {
		if component.Name != "kwok" && l.run("logs", component.Name) == "" {
			t.Errorf("%s has an empty log", component.Name)
		}
	}
	l.fail(1, "there are: etcd", "logs", "nobody")
}

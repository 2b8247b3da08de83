//go:build e2e && linux

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRealCluster makes the manual's cluster, uses it as the manual does, breaks it, and checks that
// nothing is left of it.
func TestRealCluster(t *testing.T) {
	if os.Getenv("LAB_REAL") == "skip" {
		t.Skip("LAB_REAL=skip: the real cluster was declined")
	}
	if os.Geteuid() != 0 {
		t.Fatal("the manual's own cluster needs root; without it, set LAB_REAL=skip")
	}
	before := lookAround(t)
	c := newRealCluster(t)
	c.up()
	c.checkNodes("k8s01", "k8s02", "k8s03")

	c.kubectlApply(realWorkload)
	c.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=90s")
	t.Run("pods talk across nodes", c.testPodToPod)
	t.Run("services spread", c.testService)
	t.Run("names resolve", c.testDNS)
	t.Run("logs and exec", c.testLogsAndExec)
	t.Run("port-forward", c.testPortForward)
	t.Run("claims", c.testClaim)
	t.Run("memory limit", c.testOutOfMemory)
	t.Run("unknown image", c.testUnknownImage)
	t.Run("metrics", c.testMetrics)
	t.Run("no way out", c.testNoWayOut)
	t.Run("a refused cluster of the same name", c.testRefused)
	t.Run("power off, on, and one more", c.testPower)
	t.Run("up again after the supervisor was killed", c.testUpAgain)

	left := c.breakHalf()
	c.lab("down")
	checkNothingLeft(t, c, left, before)
}

// realWorkload is the manual's, on two nodes.
const realWorkload = `
apiVersion: v1
kind: Service
metadata: {name: nginx-test-svc}
spec:
  type: LoadBalancer
  externalIPs: [192.168.0.111]
  selector: {app: nt}
  ports: [{port: 8000, targetPort: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: nt}}
  template:
    metadata: {labels: {app: nt}}
    spec:
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, nodeTaintsPolicy: Honor, labelSelector: {matchLabels: {app: nt}}}
      initContainers:
      - name: init
        image: docker.io/library/alpine:latest
        command: [sh, -c, hostname > /temp/index.html]
        volumeMounts: [{name: workdir, mountPath: /temp}]
      containers:
      - name: nginx
        image: docker.io/library/nginx:1.15
        ports: [{containerPort: 80}]
        volumeMounts: [{name: workdir, mountPath: /usr/share/nginx/html/}]
      volumes: [{name: workdir, emptyDir: {}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec:
  containers:
  - name: shell
    image: docker.io/library/alpine:latest
    command: [sh, -c, echo started; exec sleep 3600]
    volumeMounts: [{name: claim, mountPath: /data}]
  volumes: [{name: claim, persistentVolumeClaim: {claimName: claim}}]
`

// realCluster is a cluster under test.
type realCluster struct {
	t          *testing.T
	sh         *shell
	name       string
	dataDir    string
	kubeconfig string
}

func newRealCluster(t *testing.T) *realCluster {
	dir := t.TempDir()
	c := &realCluster{
		t:          t,
		sh:         newShell(t),
		name:       "lab-e2e",
		dataDir:    filepath.Join(dir, "cluster"),
		kubeconfig: filepath.Join(dir, "kubeconfig"),
	}
	c.sh.set("KUBECONFIG", c.kubeconfig)
	t.Cleanup(func() {
		if t.Failed() {
			c.showLogs()
		}
		c.lab("down") // no harm if it is down
	})
	return c
}

func (c *realCluster) showLogs() {
	files, _ := filepath.Glob(filepath.Join(c.dataDir, "logs", "*.log"))
	for _, file := range files {
		data, _ := os.ReadFile(file)
		c.t.Logf("%s:\n%s", filepath.Base(file), data[max(0, len(data)-4000):])
	}
}

// lab runs labcluster on this cluster.
func (c *realCluster) lab(args ...string) string {
	c.t.Helper()
	at := []string{"--real", "--name", c.name, "--data-dir", c.dataDir}
	if args[0] == "node" {
		at = at[1:]
	}
	end := slices.Index(args, "--")
	if end < 0 {
		end = len(args)
	}
	return c.sh.must(tool(c.t, "labcluster"), slices.Concat(args[:end], at, args[end:])...)
}

func (c *realCluster) up() {
	c.t.Helper()
	started := time.Now()
	c.lab("up", "--timeout", "4m")
	c.t.Logf("up --real took %s", time.Since(started).Round(100*time.Millisecond))
}

func (c *realCluster) kubectl(args ...string) string {
	c.t.Helper()
	return strings.TrimSpace(c.sh.must(tool(c.t, "kubectl"), args...))
}

func (c *realCluster) kubectlApply(manifest string) {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.kubectl("apply", "-f", file)
}

// await asks until the answer is wanted.
func (c *realCluster) await(what string, ok func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			c.t.Fatalf("gave up waiting: %s", what)
		}
		time.Sleep(time.Second)
	}
}

func (c *realCluster) checkNodes(want ...string) {
	c.t.Helper()
	got := strings.Fields(c.kubectl("get", "nodes", "-o",
		`jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}`))
	for i := range want {
		want[i] += "=True"
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Fatalf("nodes (-want +got):\n%s", diff)
	}
}

// backends are the web pods' names and addresses.
func (c *realCluster) backends() map[string]string {
	text := c.kubectl("get", "pods", "-l", "app=nt", "-o", `jsonpath={range .items[*]}{.metadata.name}={.status.podIP} {end}`)
	pods := map[string]string{}
	for _, pair := range strings.Fields(text) {
		name, ip, _ := strings.Cut(pair, "=")
		pods[name] = ip
	}
	return pods
}

func (c *realCluster) testPodToPod(t *testing.T) {
	nodes := map[string]bool{}
	for _, node := range strings.Fields(c.kubectl("get", "pods", "-l", "app=nt", "-o", "jsonpath={.items[*].spec.nodeName}")) {
		nodes[node] = true
	}
	if len(nodes) != 2 {
		t.Fatalf("the web pods are on %v; want two nodes", nodes)
	}
	for name, ip := range c.backends() {
		if got := c.kubectl("exec", "shell", "--", "wget", "-q", "-T", "5", "-O-", "http://"+ip); got != name {
			t.Errorf("pod %s answered as %q", name, got)
		}
		if got := strings.TrimSpace(c.lab("node", "exec", "k8s01", "--", "curl", "-s", "-m", "5", "http://"+ip)); got != name {
			t.Errorf("pod %s answered node k8s01 as %q", name, got)
		}
	}
}

// testService asks every address of the service from a pod and from a node. 60 requests miss one of
// four pods once in 30 million times.
func (c *realCluster) testService(t *testing.T) {
	get := func(path string) string { return c.kubectl("get", "service", "nginx-test-svc", "-o", "jsonpath="+path) }
	clusterIP, nodePort := get("{.spec.clusterIP}"), get("{.spec.ports[0].nodePort}")
	for _, address := range []string{clusterIP + ":8000", "192.168.0.111:8000", "192.168.0.106:" + nodePort} {
		const script = "for i in $(seq 60); do wget -q -T 5 -O- http://%s; done"
		c.checkSpread(t, "from a pod to "+address, c.kubectl("exec", "shell", "--", "sh", "-c", fmt.Sprintf(script, address)))
		c.checkSpread(t, "from a node to "+address, c.lab("node", "exec", "k8s02", "--", "sh", "-c", fmt.Sprintf(script, address)))
	}
}

func (c *realCluster) checkSpread(t *testing.T, what, answers string) {
	counts := map[string]int{}
	for _, name := range strings.Fields(answers) {
		counts[name]++
	}
	t.Logf("%s: %v", what, counts)
	want := slices.Sorted(maps.Keys(c.backends()))
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(counts))); diff != "" {
		t.Errorf("%s: pods that answered (-want +got):\n%s", what, diff)
	}
}

func (c *realCluster) testDNS(t *testing.T) {
	for _, name := range []string{"nginx-test-svc", "nginx-test-svc.default.svc.cluster.local"} {
		answer := c.kubectl("exec", "shell", "--", "wget", "-q", "-T", "5", "-O-", "http://"+name+":8000")
		if _, ok := c.backends()[answer]; !ok {
			t.Errorf("%s was answered by %q", name, answer)
		}
	}
}

func (c *realCluster) testLogsAndExec(t *testing.T) {
	contains(t, c.kubectl("logs", "shell"), "started")
	if got := c.kubectl("exec", "shell", "--", "hostname"); got != "shell" {
		t.Errorf("hostname in pod shell is %q", got)
	}
	if got := c.kubectl("exec", "deploy/web", "-c", "nginx", "--", "/bin/bash", "-c", "echo $NGINX_TAG"); got != "1.15" {
		t.Errorf("the nginx image's tag is %q", got)
	}
}

func (c *realCluster) testPortForward(t *testing.T) {
	cmd := exec.Command(tool(t, "kubectl"), "port-forward", "deploy/web", ":80")
	cmd.Env = c.sh.env
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	port := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindStringSubmatch(line)
	if err != nil || port == nil {
		t.Fatalf("port-forward said %q (%v)", line, err)
	}
	response, err := http.Get("http://127.0.0.1:" + port[1])
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.backends()[strings.TrimSpace(string(body))]; !ok {
		t.Errorf("the forwarded port answered %q", body)
	}
}

func (c *realCluster) testClaim(t *testing.T) {
	c.kubectl("exec", "shell", "--", "sh", "-c", "echo kept > /data/file")
	if got := c.kubectl("get", "pvc", "claim", "-o", "jsonpath={.status.phase}"); got != "Bound" {
		t.Errorf("the claim is %s", got)
	}
}

func (c *realCluster) testOutOfMemory(t *testing.T) {
	c.kubectl("run", "eater", "--image=docker.io/library/alpine:latest", "--restart=Never",
		`--overrides={"spec":{"containers":[{"name":"eater","image":"docker.io/library/alpine:latest",`+
			`"command":["sh","-c","x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo survived"],`+
			`"resources":{"limits":{"memory":"32Mi"}}}]}}`)
	const reason = "jsonpath={.status.containerStatuses[0].state.terminated.reason}"
	c.await("the container over its memory limit ends", func() bool {
		return c.kubectl("get", "pod", "eater", "-o", reason) != ""
	})
	if got := c.kubectl("get", "pod", "eater", "-o", reason); got != "OOMKilled" {
		t.Errorf("the container over its memory limit ended with %q", got)
	}
}

func (c *realCluster) testUnknownImage(t *testing.T) {
	c.kubectl("run", "unknown", "--image=docker.io/library/nginx:9.99", "--restart=Never")
	var message string
	c.await("the pull fails", func() bool {
		message = c.kubectl("get", "pod", "unknown", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.message}")
		return message != ""
	})
	contains(t, message, "not found")
}

func (c *realCluster) testMetrics(t *testing.T) {
	c.await("metrics of all nodes", func() bool {
		out, err := c.sh.run(tool(t, "kubectl"), "top", "nodes", "--no-headers")
		return err == nil && strings.Count(out, "k8s0") == 3
	})
}

// testNoWayOut checks that a node has no route to this machine's own addresses or further.
func (c *realCluster) testNoWayOut(t *testing.T) {
	for _, address := range []string{"192.0.2.1", "198.51.100.1"} { // of RFC 5737: nobody's
		out, err := c.sh.run(tool(t, "labcluster"), "node", "exec", "k8s02", "--name", c.name, "--data-dir", c.dataDir,
			"--", "curl", "-sS", "-m", "5", "http://"+address)
		if err == nil || !strings.Contains(out, "unreachable") && !strings.Contains(out, "No route") &&
			!strings.Contains(out, "Couldn't connect") && !strings.Contains(out, "Failed to connect") {
			t.Errorf("%s from a node: %v %s; want an answer that there is no way", address, err, out)
		}
	}
	links := c.lab("node", "exec", "k8s02", "--", "ip", "-o", "link", "show", "type", "veth")
	if n := strings.Count(links, "eth0@"); n != 1 {
		t.Errorf("node k8s02 has %d cables, want 1:\n%s", n, links)
	}
}

func (c *realCluster) testPower(t *testing.T) {
	ready := func(node string) string {
		return c.kubectl("get", "node", node, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	}
	c.lab("node", "stop", "k8s03")
	c.await("k8s03 is NotReady", func() bool { return ready("k8s03") == "Unknown" })
	c.lab("node", "start", "k8s03")
	if got := ready("k8s03"); got != "True" {
		t.Errorf("k8s03 is Ready: %s, after node start", got)
	}
	c.lab("node", "add", "k8s04")
	c.checkNodes("k8s01", "k8s02", "k8s03", "k8s04")
}

func (c *realCluster) testUpAgain(t *testing.T) {
	kill(t, c.status().Supervisor.PID)
	c.up()
	c.checkNodes("k8s01", "k8s02", "k8s03", "k8s04")
	contains(t, c.kubectl("get", "pods", "-A", "-o", "name"), "pod/shell")
}

// testRefused asks for a cluster of the same name in another folder, which can't be had, and checks that
// this one goes on undisturbed.
func (c *realCluster) testRefused(t *testing.T) {
	before := c.status()
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	out, err := c.sh.run(tool(t, "labcluster"), "up", "--real", "--name", c.name, "--nodes", "99",
		"--data-dir", other, "--kubeconfig", filepath.Join(dir, "kubeconfig"))
	if err == nil {
		t.Error("99 nodes were not refused")
	}
	contains(t, out, "there are addresses for 7")
	if _, err := os.Stat(other); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of the refused cluster is left: %v", err)
	}
	if diff := cmp.Diff(before, c.status()); diff != "" {
		t.Errorf("its nodes before and after (-before +after):\n%s", diff)
	}
}

// status is what labcluster status tells, as far as is needed here.
type realStatus struct {
	Supervisor process
	Components []struct {
		Name    string
		Process *process
	}
}

type process struct{ PID int }

func (c *realCluster) status() realStatus {
	var status realStatus
	if err := json.Unmarshal([]byte(c.lab("status", "-o", "json")), &status); err != nil {
		c.t.Fatal(err)
	}
	return status
}

// breakHalf kills half of the cluster, at different levels, and returns the namespaces it was in. They
// are held open until the test ends: the kernel gives a free one's number to the next program's.
func (c *realCluster) breakHalf() map[string]bool {
	namespaces := map[string]bool{}
	inside := c.processes()
	for _, pid := range inside {
		for _, ns := range namespacesOf(pid) {
			namespaces[ns] = true
		}
		c.hold(pid)
	}
	for _, ns := range namespacesOf(os.Getpid()) {
		delete(namespaces, ns)
	}
	if len(namespaces) < 4*len(namespaceKinds()) {
		c.t.Fatalf("found only %d namespaces of 4 nodes", len(namespaces))
	}
	status := c.status()
	kill(c.t, status.Supervisor.PID)
	for i, pid := range inside {
		if i%2 == 0 {
			kill(c.t, pid)
		}
	}
	return namespaces
}

// processes are those in the cluster's control groups.
func (c *realCluster) processes() []int {
	var pids []int
	for _, pid := range allProcesses() {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if err == nil && strings.Contains(string(data), "/labcluster-"+c.name+"-") {
			pids = append(pids, pid)
		}
	}
	return pids
}

func allProcesses() []int {
	entries, _ := filepath.Glob("/proc/[0-9]*")
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(filepath.Base(entry)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// hold keeps a process's namespaces until the test ends.
func (c *realCluster) hold(pid int) {
	for _, kind := range namespaceKinds() {
		if file, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, kind)); err == nil {
			c.t.Cleanup(func() { _ = file.Close() })
		}
	}
}

// namespaceKinds leaves out networks and mounts, which would not go away while a test holds them.
func namespaceKinds() []string { return []string{"pid", "uts", "ipc", "cgroup"} }

func namespacesOf(pid int) []string {
	var list []string
	for _, kind := range namespaceKinds() {
		if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind)); err == nil {
			list = append(list, ns)
		}
	}
	return list
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatalf("kill -9 %d: %v", pid, err)
	}
}

// surroundings are what a cluster could leave behind on this machine.
type surroundings struct {
	Mounts, Links, Rules []string
	Settings             map[string]string
}

func lookAround(t *testing.T) surroundings {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var s surroundings
	for line := range strings.Lines(string(mounts)) {
		s.Mounts = append(s.Mounts, strings.Fields(line)[4])
	}
	links, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		s.Links = append(s.Links, link.Name())
	}
	rules, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
	if err != nil {
		t.Fatalf("nft: %v: %s", err, rules)
	}
	s.Rules = strings.Split(string(rules), "\n")
	s.Settings = map[string]string{}
	for _, name := range []string{
		"fs/inotify/max_user_instances", "vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic",
		"kernel/panic_on_oops", "net/ipv4/ip_forward", "net/netfilter/nf_conntrack_max",
	} {
		if value, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			s.Settings[name] = string(value)
		}
	}
	return s
}

func checkNothingLeft(t *testing.T, c *realCluster, namespaces map[string]bool, before surroundings) {
	t.Helper()
	if diff := cmp.Diff(before, lookAround(t)); diff != "" {
		t.Errorf("the machine before and after (-before +after):\n%s", diff)
	}
	if pids := c.processes(); len(pids) > 0 {
		t.Errorf("processes are left: %v", pids)
	}
	checkNobodyIn(t, namespaces)
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/labcluster-" + c.name + "-*")
	more, _ := filepath.Glob("/sys/fs/cgroup/labcluster-" + c.name + "-*")
	if groups = append(groups, more...); len(groups) > 0 {
		t.Errorf("control groups are left: %v", groups)
	}
	if _, err := os.Stat(c.dataDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data folder is left: %v", err)
	}
	if _, err := os.Stat(c.kubeconfig); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the kubeconfig is left: %v", err)
	}
}

// checkNobodyIn waits until the namespaces have no process. Killed ones that lost their parent stay
// until the machine's first process has reaped them.
func checkNobodyIn(t *testing.T, namespaces map[string]bool) {
	t.Helper()
	var left []string
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		left = left[:0]
		for _, pid := range allProcesses() {
			if slices.ContainsFunc(namespacesOf(pid), func(ns string) bool { return namespaces[ns] }) {
				cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				left = append(left, fmt.Sprintf("%d (%q)", pid, cmdline))
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("processes are left in the cluster's namespaces: %v", left)
			return
		}
	}
}

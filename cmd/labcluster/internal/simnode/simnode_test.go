package simnode

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilexec "k8s.io/utils/exec"
)

// onePod is a cluster with one pod.
type onePod struct{ pod *corev1.Pod }

func (p onePod) byName(_ context.Context, namespace, name string) (*corev1.Pod, error) {
	if p.pod.Namespace != namespace || p.pod.Name != name {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, name)
	}
	return p.pod, nil
}

func (p onePod) byIP(_ context.Context, ip string) (*corev1.Pod, error) {
	if p.pod.Status.PodIP != ip {
		return nil, errors.New("no running pod has that address")
	}
	return p.pod, nil
}

func newPod() *corev1.Pod {
	started := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "1"},
		Spec: corev1.PodSpec{
			NodeName:       "k8s02",
			InitContainers: []corev1.Container{{Name: "init", Image: "busybox"}},
			Containers: []corev1.Container{{Name: "nginx", Image: "nginx", Env: []corev1.EnvVar{
				{Name: "COLOR", Value: "blue"},
				{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "k"}}},
			}}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning,
			PodIP: "10.233.65.1",
			InitContainerStatuses: []corev1.ContainerStatus{{Name: "init", State: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{StartedAt: started, FinishedAt: started},
			}}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "nginx", State: corev1.ContainerState{
				Running: &corev1.ContainerStateRunning{StartedAt: started},
			}}},
		},
	}
}

func newServer(pod *corev1.Pod) *Server {
	return &Server{pods: onePod{pod}, kubelet: newQueue(), web: newQueue()}
}

func TestExecAnswers(t *testing.T) {
	pod := newPod()
	tests := map[string]struct {
		command []string
		out     string
		err     string
		code    int
	}{
		"hostname":      {command: []string{"hostname"}, out: "web\n"},
		"cat hostname":  {command: []string{"cat", "/etc/hostname"}, out: "web\n"},
		"echo":          {command: []string{"echo", "a", "b"}, out: "a b\n"},
		"true":          {command: []string{"true"}},
		"false":         {command: []string{"false"}, code: 1},
		"a shell":       {command: []string{"sh", "-c", "touch /tmp/x"}, err: "web: the pod is simulated, so this was not run: sh -c touch /tmp/x\n", code: 126},
		"another file":  {command: []string{"cat", "/etc/passwd"}, err: "web: the pod is simulated, so this was not run: cat /etc/passwd\n", code: 126},
		"an empty name": {command: []string{""}, err: "web: the pod is simulated, so this was not run: \n", code: 126},
		"nothing":       {err: "no command\n", code: 126},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			err := simulation{pod, &pod.Spec.Containers[0]}.answer(test.command).write(&out, &errOut)
			code := 0
			var exit utilexec.CodeExitError
			if errors.As(err, &exit) {
				code = exit.Code
			}
			if diff := cmp.Diff([]any{test.out, test.err, test.code}, []any{out.String(), errOut.String(), code}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEnvironmentHasNoSecrets(t *testing.T) {
	pod := newPod()
	got := simulation{pod, &pod.Spec.Containers[0]}.answer([]string{"env"}).out
	if !strings.Contains(got, "COLOR=blue") || !strings.Contains(got, "HOSTNAME=web") {
		t.Errorf("plain values are missing: %s", got)
	}
	if strings.Contains(got, "PASSWORD") {
		t.Errorf("a value from a Secret is told: %s", got)
	}
}

func TestLogs(t *testing.T) {
	waiting := newPod()
	waiting.Status.ContainerStatuses[0].State = corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"},
	}
	const first = "container nginx of pod default/web started on node k8s02\n"
	const all = first + "image nginx\nthis pod is simulated: nothing runs, and these lines are made up\n"
	tests := map[string]struct {
		pod    *corev1.Pod
		path   string
		status int
		want   string
	}{
		"all":              {newPod(), "default/web/nginx", 200, all},
		"tail":             {newPod(), "default/web/nginx?tailLines=1", 200, "this pod is simulated: nothing runs, and these lines are made up\n"},
		"tail none":        {newPod(), "default/web/nginx?tailLines=0", 200, ""},
		"tail too many":    {newPod(), "default/web/nginx?tailLines=1000", 200, all},
		"limit":            {newPod(), "default/web/nginx?limitBytes=9", 200, "container"},
		"timestamps":       {newPod(), "default/web/nginx?timestamps=true&limitBytes=40", 200, "2026-01-02T03:04:05.000000000Z container"},
		"since":            {newPod(), "default/web/nginx?sinceTime=2026-01-02T03:04:05.001Z", 200, all[len(first):]},
		"since seconds":    {newPod(), "default/web/nginx?sinceSeconds=60", 200, ""},
		"init container":   {newPod(), "default/web/init?tailLines=1", 200, "container ended with exit code 0\n"},
		"previous":         {newPod(), "default/web/nginx?previous=true", 400, "previous terminated container \"nginx\" in pod \"web\" not found\n"},
		"no image":         {waiting, "default/web/nginx", 400, "container \"nginx\" in pod \"web\" is waiting to start: trying and failing to pull image\n"},
		"other container":  {newPod(), "default/web/sidecar", 400, "container \"sidecar\" not found in pod \"web\"\n"},
		"other pod":        {newPod(), "default/db/nginx", 404, "pod does not exist\n"},
		"bad number":       {newPod(), "default/web/nginx?tailLines=x", 400, "unable to decode query: tailLines: strconv.ParseInt: parsing \"x\": invalid syntax\n"},
		"followed and out": {newPod(), "default/web/nginx?follow=true&limitBytes=9", 200, "container"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(newServer(test.pod).kubeletHandler())
			defer server.Close()
			status, body := get(t, server.URL+"/containerLogs/"+test.path)
			if diff := cmp.Diff([]any{test.status, test.want}, []any{status, body}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExecNeedsRunningContainer(t *testing.T) {
	server := httptest.NewServer(newServer(newPod()).kubeletHandler())
	defer server.Close()
	for _, container := range []string{"init", "nobody"} {
		status, body := get(t, server.URL+"/exec/default/web/"+container+"?command=hostname&output=1")
		if status != http.StatusNotFound || !strings.Contains(body, container) {
			t.Errorf("%s: got %d %s", container, status, body)
		}
	}
}

func TestRoute(t *testing.T) {
	local, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	localHost, localPort, _ := net.SplitHostPort(local.Addr().String())
	s := newServer(newPod())
	tests := map[string]struct {
		host, port string
		ok         bool
	}{
		"a kubelet":           {"192.168.0.105", "10250", true},
		"the pod":             {"10.233.65.1", "80", true},
		"no pod":              {"10.233.65.2", "80", false},
		"the world":           {"192.0.2.1", "443", false},
		"a name":              {"example.com", "443", false},
		"this machine":        {localHost, localPort, true},
		"nothing listens":     {"127.0.0.1", "1", false},
		"not quite localhost": {"localhost.example.com", "80", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := s.route(t.Context(), test.host, test.port); (err == nil) != test.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestForwardedPort(t *testing.T) {
	here, there := net.Pipe()
	done := make(chan error)
	go func() { done <- answerHTTP(there, "web") }()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return here, nil }}
	client := &http.Client{Transport: transport}
	for range 2 { // over one connection
		response, err := client.Post("http://web/", "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if string(body) != "web\n" {
			t.Errorf("got %q", body)
		}
	}
	transport.CloseIdleConnections()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func FuzzForwardedPort(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add([]byte("\x16\x03\x01"))
	f.Fuzz(func(_ *testing.T, input []byte) {
		_ = answerHTTP(&script{Reader: bytes.NewReader(input)}, "web") // must return
	})
}

type script struct{ *bytes.Reader }

func (*script) Write(p []byte) (int, error) { return len(p), nil }
func (*script) Close() error                { return nil }

func FuzzLogOptions(f *testing.F) {
	f.Add("follow=true&tailLines=3&sinceSeconds=10")
	f.Add("sinceTime=2026-01-02T03:04:05Z&limitBytes=1")
	f.Fuzz(func(_ *testing.T, text string) {
		query, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		options, err := parseLogOptions(query, time.Now())
		if err != nil {
			return
		}
		pod := newPod()
		out := &logWriter{out: httptest.NewRecorder(), options: options, left: options.limit}
		out.writeAll(logLines(pod, &pod.Spec.Containers[0], &pod.Status.ContainerStatuses[0]))
	})
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

package actions

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

const nginx = "docker.io/library/nginx:1.15"

func (l *lab) pod(t testing.TB, name string) *corev1.Pod {
	t.Helper()
	pod, err := l.client.CoreV1().Pods(l.namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

func TestCreatePod(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	result := l.must(t, "create pod nginx-test01 --port 80 --labels app=nt,step=dev --env A=b --requests cpu=100m,memory=64Mi --limits memory=128Mi --image", nginx)
	wantOutcomes(t, result, "pod/nginx-test01 created")

	pod := l.pod(t, "nginx-test01")
	if diff := cmp.Diff(map[string]string{"app": "nt", "step": "dev", ManagedByLabel: ManagedBy}, pod.Labels); diff != "" {
		t.Errorf("labels: -want +got:\n%s", diff)
	}
	c := pod.Spec.Containers[0]
	if c.Name != "nginx-test01" || c.Image != nginx || c.Ports[0].ContainerPort != 80 || c.Env[0].Value != "b" || pod.Spec.RestartPolicy != corev1.RestartPolicyAlways {
		t.Errorf("container %+v, restart policy %s", c, pod.Spec.RestartPolicy)
	}
	if c.Resources.Requests.Cpu().Cmp(resource.MustParse("100m")) != 0 || c.Resources.Limits.Memory().Cmp(resource.MustParse("128Mi")) != 0 {
		t.Errorf("resources %+v", c.Resources)
	}
	if managers := pod.ManagedFields; len(managers) == 0 || managers[0].Manager != ManagedBy {
		t.Errorf("field managers: %+v", managers)
	}
}

// TestCreatePodLikeTheManual compares with the manual's second pod manifest, which adds an init
// container and an emptyDir to show which pod answers.
func TestCreatePodLikeTheManual(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	result := l.must(t, "create pod nginx-init-test02 --serve-hostname --port 80 --labels app=nt,step=dev --dry-run=client --image", nginx)
	want := map[string]any{
		"apiVersion": "v1",
		"kind":       "Pod",
		"metadata": map[string]any{
			"name": "nginx-init-test02", "namespace": l.namespace,
			"labels": map[string]any{"app": "nt", "step": "dev", ManagedByLabel: ManagedBy},
		},
		"spec": map[string]any{
			"restartPolicy": "Always",
			"containers": []any{map[string]any{
				"image": nginx, "name": "nginx-init-test02", "resources": map[string]any{},
				"ports":                    []any{map[string]any{"containerPort": int64(80), "protocol": "TCP"}},
				"volumeMounts":             []any{map[string]any{"name": "workdir", "mountPath": "/usr/share/nginx/html/"}},
				"terminationMessagePolicy": "FallbackToLogsOnError",
			}},
			"initContainers": []any{map[string]any{
				"name": "init", "image": "docker.io/library/alpine:latest", "resources": map[string]any{},
				"command":                  []any{"sh", "-c", "hostname > /temp/index.html"},
				"volumeMounts":             []any{map[string]any{"name": "workdir", "mountPath": "/temp"}},
				"terminationMessagePolicy": "FallbackToLogsOnError",
			}},
			"volumes": []any{map[string]any{"name": "workdir", "emptyDir": map[string]any{}}},
		},
	}
	got := result.(Objects).Objects().(*unstructured.Unstructured)
	if diff := cmp.Diff(want, got.Object); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCreatePodsAndWait(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	result := l.must(t, "create pod web --count 3 --serve-hostname --wait --image", nginx)
	changes := result.(Changer).Changes()
	for i, want := range []string{"pod/web-1", "pod/web-2", "pod/web-3"} {
		if changes[i].Object.String() != want || !strings.HasPrefix(changes[i].Message, "running on k8s0") {
			t.Errorf("%d: %s: %s", i, changes[i].Object, changes[i].Message)
		}
	}
	progress := l.events.progress()
	if !slices.ContainsFunc(progress, func(line string) bool { return strings.HasPrefix(line, "pod/web-2 running on ") }) {
		t.Errorf("no progress about web-2: %v", progress)
	}
	partial := slices.ContainsFunc(l.events.all(), func(e Event) bool { _, ok := e.(Partial); return ok })
	if !partial {
		t.Error("no partial result was shown")
	}
	if list, ok := result.(Objects).Objects().(*unstructured.UnstructuredList); !ok || len(list.Items) != 3 {
		t.Errorf("objects: %T", result.(Objects).Objects())
	}
}

func TestCreatePodAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	line := []string{"create", "pod", "web", "--image", nginx, "--port", "80", "--labels", "app=nt", "--env", "A=b", "--serve-hostname", "--requests", "cpu=0.1", "--node-selector", "kubernetes.io/os=linux"}
	l.must(t, line...)
	wantOutcomes(t, l.must(t, line...), "pod/web unchanged")
	wantOutcomes(t, l.must(t, append(line, "--wait")...), "pod/web unchanged: running on "+l.pod(t, "web").Spec.NodeName+", "+l.pod(t, "web").Status.PodIP)

	for _, test := range []struct {
		flag, value, want string
	}{
		{"--image", "nginx:1.16", `container web's image "docker.io/library/nginx:1.15" instead of "nginx:1.16"`},
		{"--labels", "app=other", `labels "app=nt" instead of "app=other"`},
		{"--port", "81", `container web's ports "80/TCP" instead of "80/TCP,81/TCP"`},
		{"--env", "C=d", `container web's environment "A=b" instead of "A=b,C=d"`},
		{"--requests", "cpu=200m", `container web's requests cpu "100m" instead of "200m"`},
		{"--restart", "never", `restart policy "Always" instead of "Never"`},
		{"--node-selector", "zone=a", `node selector "kubernetes.io/os=linux" instead of "zone=a"`},
		{"--image-pull-policy", "Always", `container web's image pull policy "IfNotPresent" instead of "Always"`},
	} {
		_, err := l.run(t.Context(), append(slices.Clone(line), test.flag, test.value)...)
		wantError(t, err, ExitFailed, "pod/web already exists with other content: "+test.want+
			"\n→ choose another name, or delete it first: kubectl lab delete pod/web -n "+l.namespace)
	}

	_, err := l.run(t.Context(), "create pod web --image "+nginx+" --labels app=nt -- sleep 1")
	if err == nil || !strings.Contains(explained(err), `arguments none instead of "sleep 1"`) {
		t.Errorf("got %s", explained(err))
	}
}

// TestCreatePodTakesNothingOver checks that a pod which somebody else made stays as it is.
func TestCreatePodTakesNothingOver(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	theirs := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "theirs"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "theirs", Image: nginx}}},
	}
	created, err := l.client.CoreV1().Pods(l.namespace).Create(t.Context(), theirs, metav1.CreateOptions{FieldManager: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, l.must(t, "create pod theirs --image "+nginx), "pod/theirs unchanged: not made by kubectl lab, left as it is")

	_, err = l.run(t.Context(), "create pod theirs --image nginx:1.16")
	wantError(t, err, ExitFailed, `pod/theirs already exists with other content: container theirs's image "docker.io/library/nginx:1.15" instead of "nginx:1.16"`+
		"\n→ it was not made by kubectl lab, so it stays: choose another name")
	if _, ours := l.pod(t, "theirs").Labels[ManagedByLabel]; ours || l.pod(t, "theirs").UID != created.UID {
		t.Error("the pod was touched")
	}
}

func TestCreatePodWhileTheOldOneGoes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	held := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "held", Finalizers: []string{"example.com/hold"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "held", Image: nginx}}},
	}
	pods := l.client.CoreV1().Pods(l.namespace)
	if _, err := pods.Create(t.Context(), held, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := pods.Delete(t.Context(), "held", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := l.run(t.Context(), "create pod held --image "+nginx)
	wantError(t, err, ExitFailed, "pod/held is still being deleted\n→ wait until it is gone, then run the command again")
	l.release(t, "held")
}

// release takes the finalizers off a pod.
func (l *lab) release(t testing.TB, name string) {
	t.Helper()
	_, err := l.client.CoreV1().Pods(l.namespace).Patch(t.Context(), name, "application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// setStatus plays the kubelet of a pod that has no node, which the simulated kubelets leave alone.
func (l *lab) setStatus(t testing.TB, name string, change func(*corev1.PodStatus)) {
	t.Helper()
	eventually(t, "set the status of "+name, func() bool {
		pod, err := l.client.CoreV1().Pods(l.namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return false
		}
		change(&pod.Status)
		_, err = l.client.CoreV1().Pods(l.namespace).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
		return err == nil
	})
}

// waitFor creates a pod and waits for it with a short patience for pods that are stuck.
func (l *lab) waitFor(t testing.TB, ctx context.Context, patience time.Duration, name string) ([]Change, error) {
	t.Helper()
	changes := l.must(t, "create pod "+name+" --node-selector nobody=has --image "+nginx).(Changer).Changes()
	wait := &podWait{env: l.Env, namespace: l.namespace, seen: map[string]*podProgress{}, stuckAfter: patience, items: []*Change{&changes[0]}}
	return changes, wait.run(ctx)
}

func TestWaitSaysWhyAPodIsNotScheduled(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	changes, err := l.waitFor(t, t.Context(), time.Millisecond, "homeless")
	if err != nil {
		t.Fatal(err)
	}
	message := changes[0].Err.Error()
	if !strings.HasPrefix(message, "pod/homeless created, but it is not ready: no node can take it: 0/") || !strings.Contains(message, "didn't match Pod's node affinity/selector") {
		t.Errorf("message: %s", message)
	}
	if want := "no free node has the labels it asks for; label one: kubectl lab label nodes NODE nobody=has"; Explain(changes[0].Err).Hint != want {
		t.Errorf("hint: %s", Explain(changes[0].Err).Hint)
	}
}

// TestWaitEndsWithTheDeadline checks that a wait which is cut off says how far the pod was.
func TestWaitEndsWithTheDeadline(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	result, err := l.run(t.Context(), "create pod homeless --wait --timeout 2s --node-selector nobody=has --image "+nginx)
	if err == nil || !strings.HasPrefix(Explain(err).Message, "pod/homeless created, but it is not ready: no node can take it") || Explain(err).Code != ExitFailed {
		t.Errorf("got %s", explained(err))
	}
	verdict := result.Document().Blocks[0].(document.Verdicts)[0]
	if verdict.Status != document.Failed || !strings.HasPrefix(verdict.Message, "created, but it is not ready: no node") {
		t.Errorf("verdict: %+v", verdict)
	}
}

func TestWaitIsInterrupted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ctx, cancel := context.WithCancel(t.Context())
	l.events.tell = func(e Event) {
		if p, ok := e.(Progress); ok && strings.Contains(p.Message, "no node can take it") {
			cancel()
		}
	}
	changes, err := l.waitFor(t, ctx, time.Hour, "homeless")
	if Explain(err) == nil || Explain(err).Code != ExitInterrupted {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(changes[0].Message, "not ready: no node can take it") {
		t.Errorf("what was done so far: %q", changes[0].Message)
	}
}

// TestWaitFollowsThePod goes through the states of a pod whose image is missing at first.
func TestWaitFollowsThePod(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	waiting := func(reason, message string) func(*corev1.PodStatus) {
		return func(s *corev1.PodStatus) {
			s.ContainerStatuses = []corev1.ContainerStatus{{Name: "p", Image: nginx, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
		}
	}
	pods := l.client.CoreV1().Pods(l.namespace)
	// Bound to a node that does not exist, so that nobody but this test sets its status.
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: corev1.PodSpec{NodeName: "no-such-node", Containers: []corev1.Container{{Name: "p", Image: nginx}}}}
	if _, err := pods.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	changes := []Change{{Object: ObjectRef{APIVersion: "v1", Kind: "Pod", Namespace: l.namespace, Name: "p"}, Outcome: OutcomeCreated}}
	next := map[string]func(*corev1.PodStatus){
		"waiting for no-such-node to start it": waiting("ErrImagePull", "not found"),
		`container "p": image "docker.io/library/nginx:1.15" cannot be pulled: not found`: func(s *corev1.PodStatus) {
			s.Phase, s.PodIP, s.PodIPs = corev1.PodRunning, "10.0.0.9", []corev1.PodIP{{IP: "10.0.0.9"}}
			s.Conditions = append(s.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
			s.ContainerStatuses = []corev1.ContainerStatus{{Name: "p", Image: nginx, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		},
	}
	steps := make(chan string, 10)
	l.events.tell = func(e Event) {
		if p, ok := e.(Progress); ok {
			steps <- p.Message
		}
	}
	done := make(chan error, 1)
	go func() { done <- waitForPods(t.Context(), l.Env, l.namespace, changes) }()
	for {
		select {
		case step := <-steps:
			if change := next[step]; change != nil {
				l.setStatus(t, "p", change)
			}
		case err := <-done:
			if err != nil || changes[0].Err != nil || changes[0].Message != "running on no-such-node, 10.0.0.9" {
				t.Errorf("error %v; change %+v", err, changes[0])
			}
			_ = pods.Delete(context.WithoutCancel(t.Context()), "p", *metav1.NewDeleteOptions(0))
			return
		}
	}
}

func TestWaitNoticesThatThePodIsDeleted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.events.tell = func(e Event) {
		if p, ok := e.(Progress); ok && strings.Contains(p.Message, "no node") {
			_ = l.client.CoreV1().Pods(l.namespace).Delete(t.Context(), "homeless", *metav1.NewDeleteOptions(0))
		}
	}
	changes, err := l.waitFor(t, t.Context(), time.Hour, "homeless")
	if err != nil || changes[0].Message != "not ready: was deleted while waiting" {
		t.Errorf("error %v, change %+v", err, changes[0])
	}
}

func TestCreatePodForbidden(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, err := l.as(t, "nobody").run(t.Context(), "create pod x --image "+nginx)
	wantError(t, err, ExitFailed, `forbidden: "nobody" may not create pods in namespace "`+l.namespace+`"`+
		"\n→ ask an administrator for this permission; check with: kubectl auth can-i create pods -n "+l.namespace)

	creator := "creator-" + l.namespace
	l.allow(t, creator, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"create", "list"}})
	result, err := l.as(t, creator).run(t.Context(), "create pod x --wait --node-selector nobody=has --image "+nginx)
	wantError(t, err, ExitFailed, `forbidden: "`+creator+`" may not watch pods in namespace "`+l.namespace+`"`+
		"\n→ ask an administrator for this permission; check with: kubectl auth can-i watch pods -n "+l.namespace)
	if result.(Changer).Changes()[0].Outcome != OutcomeCreated {
		t.Errorf("the pod that was created is not reported: %v", outcomes(result))
	}
}

func TestCreatePodOverQuota(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "two"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": resource.MustParse("0")}},
	}
	if _, err := l.client.CoreV1().ResourceQuotas(l.namespace).Create(t.Context(), quota, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the quota is in force", func() bool {
		q, err := l.client.CoreV1().ResourceQuotas(l.namespace).Get(t.Context(), "two", metav1.GetOptions{})
		return err == nil && len(q.Status.Hard) > 0
	})
	_, err := l.run(t.Context(), "create pod x --image "+nginx)
	wantError(t, err, ExitFailed, `the API server refused: pods "x" is forbidden: exceeded quota: two, requested: pods=1, used: pods=0, limited: pods=0`+
		"\n→ the namespace's quota is used up: delete something, or ask for more")
}

func TestCreatePodInMissingNamespace(t *testing.T) {
	t.Parallel()
	l := newLab(t).in(t, "no-such-namespace")
	_, err := l.run(t.Context(), "create pod x --image "+nginx)
	wantError(t, err, ExitFailed, `namespace "no-such-namespace" not found`+
		"\n→ create it: kubectl lab create namespace no-such-namespace; or see what there is: kubectl lab get namespaces")
}

func TestCreatePodDryRunServer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	result := l.must(t, "create pod x --wait --dry-run=server --image "+nginx)
	change := result.(Changer).Changes()[0]
	if change.Before != nil || change.After.GetName() != "x" || change.After.GetUID() == "" {
		t.Errorf("preview: %+v", change)
	}
	if _, err := l.client.CoreV1().Pods(l.namespace).Get(t.Context(), "x", metav1.GetOptions{}); err == nil {
		t.Error("the dry run created the pod")
	}
}

func TestCreatePodCommand(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][2][]string{
		"create pod p --image i -- sleep 3600":           {nil, {"sleep", "3600"}},
		"create pod p --image i --command -- sleep 3600": {{"sleep", "3600"}, nil},
		"create pod --image i p":                         {nil, nil},
	} {
		options, err := parse(line)
		if err != nil {
			t.Fatal(err)
		}
		pod, err := options.(*CreatePodOptions).pod("p", "default")
		if err != nil {
			t.Fatal(err)
		}
		c := pod.Spec.Containers[0]
		if diff := cmp.Diff(want, [2][]string{c.Command, c.Args}); diff != "" {
			t.Errorf("%s: -want +got:\n%s", line, diff)
		}
	}
}

func TestCreatePodUsage(t *testing.T) {
	t.Parallel()
	const rfc1123 = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
	long := strings.Repeat("a", 64)
	for line, want := range map[string]string{
		"create pod":                                               "no pod named: create pod NAME --image IMAGE",
		"create pod a b --image i":                                 `unexpected argument "b": name one pod (--count makes several); a command goes behind --`,
		"create pod -- a":                                          "no pod named: create pod NAME --image IMAGE",
		"create pod a":                                             "--image is missing: name an image, such as docker.io/library/nginx:1.15",
		"create pod A --image i":                                   `pod name "A" is not valid: ` + rfc1123,
		"create pod a- --image i --count 2":                        `pod name "a-" is not valid: ` + rfc1123,
		"create pod " + long + " --image i":                        `pod name "` + long + `" is not valid: must be no more than 63 characters`,
		"create pod " + long[:62] + " --image i --count 2":         `pod name "` + long[:62] + `-2" is not valid: must be no more than 63 characters`,
		"create pod a --image NGINX":                               `--image: "NGINX" is not an image reference: invalid reference format: repository name (library/NGINX) must be lowercase`,
		"create pod a --image nginx:":                              `--image: "nginx:" is not an image reference: invalid reference format`,
		"create pod a --image https://nginx":                       `--image: "https://nginx" is not an image reference: invalid reference format`,
		"create pod a --image i --port 0":                          `--port: "0": 0 is no port: ports are 1 to 65535`,
		"create pod a --image i --port 65536":                      `--port: "65536": 65536 is no port: ports are 1 to 65535`,
		"create pod a --image i --labels app":                      `--labels: "app" is not of the form KEY=VALUE`,
		"create pod a --image i --labels app=a/b":                  `--labels: value "a/b" of label "app" is not valid: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
		"create pod a --image i --labels " + ManagedByLabel + "=x": `--labels: the label app.kubernetes.io/managed-by is always "kubectl-lab" on what kubectl lab creates`,
		"create pod a --image i --count 0":                         "--count must be between 1 and 1000, not 0",
		"create pod a --image i --count 1001":                      "--count must be between 1 and 1000, not 1001",
		"create pod a --image i --env A":                           `--env: "A" is not of the form NAME=VALUE`,
		"create pod a --image i --env =b":                          `--env: "" is not the name of an environment variable: environment variable name must be non-empty`,
		"create pod a --image i --env A=1 --env A=2":               `--env: "A" is named twice`,
		"create pod a --image i --requests cpu":                    `--requests: "cpu" is not of the form RESOURCE=QUANTITY, such as cpu=100m`,
		"create pod a --image i --requests cpu=1x":                 `--requests: cpu: "1x" is not a quantity; write for example 100m, 0.5, 64Mi or 1Gi`,
		"create pod a --image i --limits memory=-1":                `--limits: memory must not be negative: -1`,
		"create pod a --image i --limits cpu=1,cpu=2":              `--limits: "cpu" is named twice`,
		"create pod a --image i --requests cpu=2 --limits cpu=1":   `--requests: cpu=2 is more than its limit 1`,
		"create pod a --image i --restart sometimes":               `--restart must be Always, OnFailure or Never, not "sometimes"`,
		"create pod a --image i --image-pull-policy no":            `--image-pull-policy must be Always, IfNotPresent or Never, not "no"`,
		"create pod a --image i --command":                         "--command needs the command behind --, such as: --command -- sleep 3600",
		"create pod a --image i --timeout 0s":                      "--timeout must be more than 0, not 0s",
		"create pod a --image i --dry-run maybe":                   `--dry-run must be none, client or server, not "maybe"`,
		"create pod a --image i --serve-hostname --init-image I":   `--init-image: "I" is not an image reference: invalid reference format: repository name (library/I) must be lowercase`,
	} {
		wantUsageError(t, []string{line}, want)
	}
}

func TestCreatePodSuggest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	o := &CreatePodOptions{}
	for flag, want := range map[string]string{
		"node-selector": "kubernetes.io/hostname=k8s02", "restart": "OnFailure", "image-pull-policy": "IfNotPresent", "dry-run": "server",
	} {
		if got := o.Suggest(t.Context(), l.Env, flag, nil, ""); !slices.Contains(got, want) {
			t.Errorf("--%s: %v", flag, got)
		}
	}
}

// FuzzParseQuantities checks that what is accepted is no less than zero, and never panics.
func FuzzParseQuantities(f *testing.F) {
	for _, seed := range []string{"", "cpu=100m", "cpu=1,memory=1Gi", "cpu=1e9999", "cpu=-1", "a/b=1", "cpu="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseQuantities("--requests", text)
		if err != nil && Explain(err).Code != ExitUsage {
			t.Fatalf("%q: exit code %d", text, Explain(err).Code)
		}
		for name, quantity := range list {
			if quantity.Sign() < 0 {
				t.Fatalf("%q: %s is %s", text, name, quantity.String())
			}
		}
	})
}

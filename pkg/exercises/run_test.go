package exercises_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"

	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/exercises"
)

// shared is the one cluster of this package's tests.
var shared testcluster.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// newRunner reaches the shared cluster. Its nodes are simulated, so that exercises which look inside
// of containers or send requests run on the real one only (make e2e).
func newRunner(t *testing.T, set *exercises.Set) *exercises.Runner {
	t.Helper()
	config, err := shared.Cluster(t).RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1 // as the front ends': waiting for one's turn would hide what was found
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &exercises.Runner{
		Set: set, Config: config, Kubernetes: client, Dynamic: dyn,
		Mapper:       restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery())),
		Lab:          func(context.Context, string, string) error { return nil },
		Labels:       map[string]string{"app.kubernetes.io/managed-by": "kubectl-lab"},
		FieldManager: "kubectl-lab",
		ShellImage:   "docker.io/library/alpine:latest",
	}
}

func runExercise(t *testing.T, r *exercises.Runner, name string) exercises.Report {
	t.Helper()
	e, ok := r.Set.Find(name)
	if !ok {
		t.Fatalf("no exercise %q", name)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := r.Clean(ctx, e); err != nil {
			t.Errorf("cleaning: %v", err)
		}
	})
	report, err := r.Run(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range report.Outcomes {
		t.Logf("%-7s %s: %s", o.Status, o.Expect, o.Message)
	}
	return report
}

// TestReplicaSet runs a whole exercise, which needs nothing that simulated nodes lack.
func TestReplicaSet(t *testing.T) {
	report := runExercise(t, newRunner(t, load(t)), "replicaset")
	if !report.Passed() || report.Count(exercises.Passed) != len(report.Outcomes) {
		t.Errorf("not every step passed: %+v", report)
	}
}

// TestCleanLeavesNothing looks at what a run and its cleaning leave, and that cleaning twice is
// harmless.
func TestCleanLeavesNothing(t *testing.T) {
	r := newRunner(t, load(t))
	e, _ := r.Set.Find("daemonset")
	if report := runExercise(t, r, "daemonset"); report.Count(exercises.Failed) > 0 {
		t.Errorf("failed: %+v", report)
	}
	for range 2 {
		if _, err := r.Clean(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	ns, err := r.Kubernetes.CoreV1().Namespaces().Get(t.Context(), "lab-daemonset", metav1.GetOptions{})
	if err == nil && ns.DeletionTimestamp == nil {
		t.Error("the namespace is still there")
	}
	nodes, err := r.Kubernetes.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes.Items {
		for _, taint := range node.Spec.Taints {
			if taint.Key == "lab-exercise" {
				t.Errorf("node %s is still tainted", node.Name)
			}
		}
	}
}

// TestCleanKeepsOthers leaves a namespace alone that no exercise made.
func TestCleanKeepsOthers(t *testing.T) {
	r := newRunner(t, load(t))
	r.Namespace = "default"
	e, _ := r.Set.Find("pod")
	if _, err := r.Clean(t.Context(), e); err == nil || !strings.Contains(err.Error(), "not made by an exercise") {
		t.Errorf("error is %v", err)
	}
}

// loadSteps is an exercise of these steps and manifests by name, as the only one of its set.
func loadSteps(t *testing.T, name, steps string, manifests map[string]string) *exercises.Set {
	t.Helper()
	text := fmt.Sprintf("apiVersion: kubectl-lab.github.io/v1alpha1\nkind: Exercise\nname: %s\nnumber: 1\nsteps:%s", name, steps)
	files := fstest.MapFS{"01-" + name + "/exercise.yaml": {Data: []byte(text)}}
	for file, manifest := range manifests {
		files["01-"+name+"/"+file] = &fstest.MapFile{Data: []byte(manifest)}
	}
	set, err := exercises.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestExec runs a command in a pod over and over: none of what it prints may get lost, and what it prints is
// looked at while the streams still end.
func TestExec(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: example.com/web}]}\n"
	steps := `
- expect: the pod runs
  apply: [pod.yaml]
  fields: [{kind: pod, name: web, path: .status.phase, equals: Running}]
- expect: its host name is its own
  exec:
` + strings.Repeat("  - {kind: pod, name: web, command: [hostname], contains: web}\n", 20) + `
- expect: what it prints is told if it fails
  timeout: 1s
  exec: [{kind: pod, name: web, command: [sh], contains: web}]
`
	set := loadSteps(t, "exec", steps, map[string]string{"pod.yaml": pod})
	report := runExercise(t, newRunner(t, set), "exec")
	if got := report.Count(exercises.Passed); got != 2 {
		t.Errorf("%d steps passed, want 2", got)
	}
	if last := report.Outcomes[2]; last.Status != exercises.Failed || !strings.Contains(last.Message, "was not run") {
		t.Errorf("the last step: %+v", last)
	}
}

// TestRunAfterClean waits for a namespace that is going away, rather than put into it what goes with it.
func TestRunAfterClean(t *testing.T) {
	set := loadSteps(t, "again", `
- expect: nothing is there
  fields: [{kind: pod, count: "0"}]
`, nil)
	r := newRunner(t, set)
	e, _ := set.Find("again")
	namespaces := r.Kubernetes.CoreV1().Namespaces()
	held := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "lab-again", Labels: r.Labels, Finalizers: []string{"example.com/held"}}}
	if _, err := namespaces.Create(t.Context(), held, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Clean(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	released := time.AfterFunc(time.Second, func() {
		_, err := namespaces.Patch(t.Context(), "lab-again", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		if err != nil {
			t.Errorf("releasing the namespace: %v", err)
		}
	})
	defer released.Stop()
	report := runExercise(t, r, "again")
	if !report.Passed() {
		t.Errorf("not every step passed: %+v", report)
	}
	ns, err := namespaces.Get(t.Context(), "lab-again", metav1.GetOptions{})
	if err != nil || ns.DeletionTimestamp != nil {
		t.Errorf("the exercise ran in a namespace that is going away (%v)", err)
	}
}

// TestFailure shows that an expectation which does not hold fails, says what was found, and ends the
// exercise.
func TestFailure(t *testing.T) {
	set := loadSteps(t, "broken", `
- expect: a pod that nobody made runs
  timeout: 1s
  hint: make it first
  fields: [{kind: pod, name: nobody, path: .status.phase, equals: Running}]
- expect: this is not tried
  fields: [{kind: pod, count: "0"}]
`, nil)
	report := runExercise(t, newRunner(t, set), "broken")
	first, second := report.Outcomes[0], report.Outcomes[1]
	if report.Passed() || first.Status != exercises.Failed || !strings.Contains(first.Message, "pod/nobody: there is none") || first.Hint == "" {
		t.Errorf("first outcome: %+v", first)
	}
	if second.Status != exercises.Skipped {
		t.Errorf("second outcome: %+v", second)
	}
}

// TestInterrupted ends at once with its ctx.
func TestInterrupted(t *testing.T) {
	r := newRunner(t, load(t))
	e, _ := r.Set.Find("pod")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Run(ctx, e); err == nil {
		t.Error("an interrupted run ended without an error")
	}
}

// TestInterruptedWait says how long it waited, not how long it would have.
func TestInterruptedWait(t *testing.T) {
	set := loadSteps(t, "slow", `
- expect: a pod that nobody made runs
  timeout: 10m
  fields: [{kind: pod, name: nobody, path: .status.phase, equals: Running}]
`, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := newRunner(t, set)
	r.Observe = func(exercises.Report) { time.AfterFunc(time.Second, cancel) }
	e, _ := set.Find("slow")
	report, err := r.Run(ctx, e)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := report.Outcomes[0].Message; !strings.HasPrefix(got, "interrupted after ") {
		t.Errorf("message %q", got)
	}
}

// TestManifests has the API server check every manifest that the exercises apply, those that are to
// be refused included.
func TestManifests(t *testing.T) {
	set := load(t)
	r := newRunner(t, set)
	for _, e := range set.Exercises {
		names, err := set.Manifests(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			err := r.Try(t.Context(), e, name)
			refused := strings.HasPrefix(name, "bad-")
			if apierrors.IsInvalid(err) != refused || err != nil && !refused {
				t.Errorf("%s/%s: %v", e.Name, name, err)
			}
		}
	}
}

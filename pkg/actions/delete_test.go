package actions

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (l *lab) hasPod(t testing.TB, name string) bool {
	t.Helper()
	_, err := l.client.CoreV1().Pods(l.namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	return err == nil
}

func TestDelete(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod web --count 3 --labels app=nt --image "+nginx)
	l.must(t, "create service web --port 80 --selector app=nt")

	wantOutcomes(t, l.must(t, "delete pod web-1"), "pod/web-1 deleted")
	if l.hasPod(t, "web-1") {
		t.Error("the pod is still there")
	}
	wantOutcomes(t, l.must(t, "delete po/web-2 svc/web"), "pod/web-2 deleted", "service/web deleted")
	wantOutcomes(t, l.must(t, "delete pods,services -l app=nt"), "pod/web-3 deleted")

	result, err := l.run(t.Context(), "delete pod web-1 --wait=false")
	wantError(t, err, ExitFailed, "pod \"web-1\" not found\n→ see what there is: kubectl lab get pods")
	wantOutcomes(t, result, "pod/web-1 failed")
	wantOutcomes(t, l.must(t, "delete pod web-1 --ignore-not-found"), "pod/web-1 skipped: not there")

	result = l.must(t, "delete pods --all")
	if notes := result.(*ChangeResult).Notes; len(result.(Changer).Changes()) != 0 || !slices.Equal(notes, []string{"nothing to delete: no object of that kind is selected"}) {
		t.Errorf("notes %v", notes)
	}
}

func TestDeleteOneOfSeveralMissing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod a --image "+nginx)
	result, err := l.run(t.Context(), "delete pod nope a")
	wantError(t, err, ExitFailed, "1 of 2 not deleted: pod \"nope\" not found\n→ see what there is: kubectl lab get pods")
	wantOutcomes(t, result, "pod/nope failed", "pod/a deleted")
}

func TestDeleteFromFile(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("m.yml", podManifest+configMap("x", "v"))
	l.must(t, "create -f m.yml")
	wantOutcomes(t, l.must(t, "delete -f m.yml"), "pod/nginx-test02 deleted", "configmap/x deleted")
	l.write("m.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: made-}\n")
	_, err := l.run(t.Context(), "delete -f m.yml")
	wantError(t, err, ExitUsage, "m.yml:1: the API server made up the name of this ConfigMap: delete it by its name")
	l.write("m.yml", "apiVersion: example.com/v1\nkind: Gizmo\nmetadata: {name: x}\n")
	_, err = l.run(t.Context(), "delete -f m.yml")
	wantError(t, err, ExitFailed, "the cluster has no kind \"Gizmo\"\n→ see which there are: kubectl api-resources")
}

func TestDeleteDryRun(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod a --image "+nginx)
	for _, strategy := range []string{"client", "server"} {
		result := l.must(t, "delete pod a --dry-run="+strategy)
		change := result.(Changer).Changes()[0]
		if change.Outcome != OutcomeDeleted || change.Before.GetName() != "a" || change.Before.GetKind() != "Pod" || change.After != nil {
			t.Errorf("%s: %+v", strategy, change)
		}
	}
	if !l.hasPod(t, "a") || l.pod(t, "a").DeletionTimestamp != nil {
		t.Error("a dry run deleted the pod")
	}
	wantOutcomes(t, l.must(t, "delete namespace "+l.namespace+" --dry-run=server"), "namespace/"+l.namespace+" deleted: with everything in it: 1 pod")
}

func TestDeleteGracePeriod(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod a --image "+nginx)
	result := l.must(t, "delete pod a --grace-period=0")
	if notes := result.(*ChangeResult).Notes; len(notes) != 1 || !strings.HasPrefix(notes[0], "with --grace-period=0 ") {
		t.Errorf("notes %v", notes)
	}
}

// TestDeleteWaitsForFinalizers checks that an object which stays is explained, and that one which goes
// meanwhile is noticed.
func TestDeleteWaitsForFinalizers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	hold := func(name string) {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Finalizers: []string{"example.com/hold"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: nginx}}},
		}
		if _, err := l.client.CoreV1().Pods(l.namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	hold("stays")
	result, err := l.run(t.Context(), "delete pod stays --grace-period=1 --timeout 2s")
	wantError(t, err, ExitFailed, "pod/stays deleted, but it is still there after 2s: it waits for the owner of finalizer example.com/hold"+
		"\n→ wait longer with --timeout, or find out why what it waits for is not done")
	if result.(Changer).Changes()[0].Outcome != OutcomeDeleted {
		t.Errorf("outcomes %v", outcomes(result))
	}
	l.release(t, "stays")

	hold("goes")
	l.events.tell = func(e Event) {
		if p, ok := e.(Progress); ok && p.Message == "waiting until it is gone" {
			go func() {
				_, _ = l.client.CoreV1().Pods(l.namespace).Patch(context.Background(), "goes", "application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			}()
		}
	}
	l.must(t, "delete pod goes --grace-period=1")
	if progress := l.events.progress(); progress[len(progress)-1] != "pod/goes gone" {
		t.Errorf("progress %v", progress)
	}
}

func TestDeleteIsInterrupted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "stays", Finalizers: []string{"example.com/hold"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: nginx}}},
	}
	if _, err := l.client.CoreV1().Pods(l.namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	defer l.release(t, "stays")
	ctx, cancel := context.WithCancel(t.Context())
	l.events.tell = func(e Event) {
		if p, ok := e.(Progress); ok && p.Message == "waiting until it is gone" {
			cancel()
		}
	}
	result, err := l.run(ctx, "delete pod stays")
	if Explain(err) == nil || Explain(err).Code != ExitInterrupted {
		t.Errorf("got %v", err)
	}
	if change := result.(Changer).Changes()[0]; change.Outcome != OutcomeDeleted || !strings.HasPrefix(change.Message, "still there: ") {
		t.Errorf("what was done so far: %+v", change)
	}
}

// TestDeleteLab checks that --lab takes what actions made, of any kind, and nothing of others.
func TestDeleteLab(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod mine --image "+nginx)
	l.must(t, "create service mine --port 80 --selector app=nt")
	l.write("m.yml", configMap("mine", "x")+"---\n"+deploymentManifest)
	l.must(t, "create -f m.yml")
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Labels: map[string]string{ManagedByLabel: "Helm"}}}
	if _, err := l.client.CoreV1().ConfigMaps(l.namespace).Create(t.Context(), theirs, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	want := []string{"configmap/mine deleted", "deployment.apps/web deleted", "pod/mine deleted", "service/mine deleted"}
	wantOutcomes(t, l.must(t, "delete --lab --dry-run=server"), want...)
	wantOutcomes(t, l.must(t, "delete --lab"), want...)
	if !l.hasConfigMap(t, "theirs") || l.hasConfigMap(t, "mine") {
		t.Error("the wrong objects were deleted")
	}
	notes := l.must(t, "delete --lab").(*ChangeResult).Notes
	wantNotes := []string{`nothing to delete: kubectl lab made nothing in namespace "` + l.namespace + `", or it is gone already; look everywhere with --all-namespaces`}
	if diff := cmp.Diff(wantNotes, notes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestDeleteLabSparesNamespaces checks that our namespaces go only if nobody else uses them. It has the
// cluster's other namespaces to itself only as a dry run.
func TestDeleteLabSparesNamespaces(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	empty, used := l.namespace+"-empty", l.namespace+"-used"
	for _, name := range []string{empty, used} {
		l.must(t, "create namespace "+name)
		t.Cleanup(func() { _ = l.client.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{}) })
	}
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "theirs"}}
	if _, err := l.client.CoreV1().ConfigMaps(used).Create(t.Context(), theirs, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	l.in(t, empty).must(t, "create pod mine --image "+nginx)
	lines := outcomes(l.must(t, "delete --lab -A --dry-run=client"))
	for _, want := range []string{
		"namespace/" + empty + " deleted: with everything in it: 1 pod",
		"namespace/" + used + " skipped: it holds what kubectl lab did not make: configmap/theirs; to delete it all: kubectl lab delete namespace " + used,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%q is missing in:\n%s", want, strings.Join(lines, "\n"))
		}
	}
}

func TestDeleteLabWithFewPermissions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod mine --image "+nginx)
	user := "cleaner-" + l.namespace
	l.allow(t, user, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "watch", "delete"}})
	result := l.as(t, user).must(t, "delete --lab")
	wantOutcomes(t, result, "pod/mine deleted")
	notes := result.(*ChangeResult).Notes
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "not looked at: ") || !strings.Contains(notes[0], `services (forbidden: "`+user+`" may not list services in namespace "`+l.namespace+`")`) {
		t.Errorf("notes %v", notes)
	}
}

func TestDeleteForbidden(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod a --image "+nginx)
	user := "reader-" + l.namespace
	l.allow(t, user, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}})
	_, err := l.as(t, user).run(t.Context(), "delete pod a")
	wantError(t, err, ExitFailed, `forbidden: "`+user+`" may not delete pods in namespace "`+l.namespace+`"`+
		"\n→ ask an administrator for this permission; check with: kubectl auth can-i delete pods -n "+l.namespace)
	if !l.hasPod(t, "a") {
		t.Error("the pod is gone")
	}
}

// TestDeleteOnlyWhatWasSeen checks that an object which took the name meanwhile survives. No node takes
// these pods: a simulated one that is done with the first deletes by name, and so the second.
func TestDeleteOnlyWhatWasSeen(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const create = "create pod a --node-selector nobody=has --image " + nginx
	l.must(t, create)
	options, err := parse("delete pod a --wait=false")
	if err != nil {
		t.Fatal(err)
	}
	run, err := newDeleteRun(l.Env, options.(*DeleteOptions))
	if err != nil {
		t.Fatal(err)
	}
	if err := run.find(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.must(t, "delete pod a --grace-period=0")
	l.must(t, create)
	run.delete(t.Context())
	wantError(t, run.objects[0].change.Err, ExitFailed, "pod/a has been replaced by another object of this name meanwhile\n→ look at it, then run the command again")
	if !l.hasPod(t, "a") {
		t.Error("the new pod is gone")
	}
}

func TestDeleteUsage(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"delete":                         "no kind named: delete KIND NAME..., such as: delete pod nginx-test01",
		"delete pods":                    "no object named: give names, --selector or --all",
		"delete pods a --all":            "choose the objects by name, by --selector or by --all: only one of them",
		"delete pods --all -l a=b":       "choose the objects by name, by --selector or by --all: only one of them",
		"delete pods a -A":               "objects cannot be named across all namespaces: leave out --all-namespaces, or use --namespace",
		"delete pods -l a=(":             `--selector: "a=(" is not a label selector: unable to parse requirement: found '(', expected: identifier`,
		"delete --lab pods a":            "--lab deletes everything that kubectl lab made: leave out kinds, names, --all and --selector",
		"delete --lab -l a=b":            "--lab deletes everything that kubectl lab made: leave out kinds, names, --all and --selector",
		"delete -f x --lab":              "--filename says what to delete: leave out kinds, names, --lab, --all, --selector and --all-namespaces",
		"delete -f x pod a":              "--filename says what to delete: leave out kinds, names, --lab, --all, --selector and --all-namespaces",
		"delete pod a --grace-period=-2": "--grace-period must be -1 or more, not -2",
		"delete pod a --timeout 0s":      "--timeout must be more than 0, not 0s",
		"delete pod a --dry-run=x":       `--dry-run must be none, client or server, not "x"`,
	} {
		wantUsageError(t, []string{line}, want)
	}
}

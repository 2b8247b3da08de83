package actions

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

const podManifest = `apiVersion: v1
kind: Pod
metadata:
  name: nginx-test02
spec:
  containers:
  - image: docker.io/library/nginx:1.15
    name: nginx-test02
    ports:
    - containerPort: 80
      name: http
      protocol: TCP
`

func (l *lab) configMap(t testing.TB, name string) *corev1.ConfigMap {
	t.Helper()
	object, err := l.client.CoreV1().ConfigMaps(l.namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func (l *lab) hasConfigMap(t testing.TB, name string) bool {
	t.Helper()
	_, err := l.client.CoreV1().ConfigMaps(l.namespace).Get(t.Context(), name, metav1.GetOptions{})
	return err == nil
}

func configMap(name, value string) string {
	return "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {key: " + value + "}\n"
}

func TestCreateFromFile(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("pod.yml", podManifest)
	wantOutcomes(t, l.must(t, "create -f pod.yml"), "pod/nginx-test02 created")
	pod := l.pod(t, "nginx-test02")
	if pod.Labels[ManagedByLabel] != ManagedBy || pod.Spec.Containers[0].Ports[0].Name != "http" {
		t.Errorf("labels %v, ports %v", pod.Labels, pod.Spec.Containers[0].Ports)
	}
	applied := slices.ContainsFunc(pod.ManagedFields, func(f metav1.ManagedFieldsEntry) bool {
		return f.Manager == ManagedBy && f.Operation == metav1.ManagedFieldsOperationApply
	})
	if !applied {
		t.Errorf("not applied: %v", pod.ManagedFields)
	}
	wantOutcomes(t, l.must(t, "create -f pod.yml"), "pod/nginx-test02 unchanged")

	l.write("stdin", strings.ReplaceAll(podManifest, "1.15", "1.16"))
	result := l.must(t, "create -f -")
	wantOutcomes(t, result, "pod/nginx-test02 configured")
	change := result.(Changer).Changes()[0]
	if paths := changedPaths(change.Before, change.After); !slices.Equal(paths, []string{".spec.containers[0].image"}) {
		t.Errorf("preview shows %v", paths)
	}

	l.write("pod.yml", strings.ReplaceAll(podManifest, "80", "81"))
	_, err := l.run(t.Context(), "create -f pod.yml")
	if err == nil || !strings.Contains(explained(err), "pod/nginx-test02 (pod.yml:1): Pod \"nginx-test02\" is invalid: spec: Forbidden: pod updates may not change fields") ||
		!strings.HasSuffix(explained(err), "\n→ if the field cannot be changed: kubectl lab delete pod/nginx-test02 -n "+l.namespace+", then create it again") {
		t.Errorf("got %s", explained(err))
	}
}

// TestCreateAllOrNothing checks that one bad object among good ones keeps all of them out, and that
// each bad one is named.
func TestCreateAllOrNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("m.yml", configMap("good", "x")+`---
apiVersion: v1
kind: Service
metadata: {name: bad-port}
spec: {ports: [{port: 80000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: bad-field}
spec: {replica: 3}
---
apiVersion: example.com/v1
kind: Unknown
metadata: {name: bad-kind}
`+configMap("good", "twice"))
	result, err := l.run(t.Context(), "create -f m.yml")
	wantOutcomes(t, result,
		"configmap/good skipped: not sent, because others are refused",
		"service/bad-port failed", "deployment.apps/bad-field failed", "unknown.example.com/bad-kind failed", "configmap/good failed")
	want := []string{
		`service/bad-port (m.yml:7): Service "bad-port" is invalid: [spec.ports[0].port: Invalid value: 80000: must be between 1 and 65535, inclusive, spec.ports[0].targetPort: Invalid value: 80000: must be between 1 and 65535, inclusive]` +
			"\n→ correct the value and run the command again",
		"deployment.apps/bad-field (m.yml:12): .spec.replica: field not declared in schema\n→ see the kind's fields: kubectl explain deployment",
		"unknown.example.com/bad-kind (m.yml:17): the cluster has no kind Unknown in example.com/v1\n→ see which there are: kubectl api-resources",
		"configmap/good (m.yml:21): defined twice, first at m.yml:2",
	}
	var got []string
	for _, c := range result.(Changer).Changes() {
		if c.Err != nil {
			got = append(got, explained(c.Err))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if Explain(err).Code != ExitFailed || l.hasConfigMap(t, "good") {
		t.Errorf("exit code %d; good was created: %t", Explain(err).Code, l.hasConfigMap(t, "good"))
	}
	if notes := result.(*ChangeResult).Notes; len(notes) != 1 || !strings.HasPrefix(notes[0], "nothing was changed") {
		t.Errorf("notes %v", notes)
	}
}

// TestCreateInNewNamespace creates a namespace, and in it a pod that needs a service account of the
// same manifest, in the least helpful order.
func TestCreateInNewNamespace(t *testing.T) {
	t.Parallel()
	l := newLab(t).in(t, "")
	name := newLab(t).namespace + "-new"
	t.Cleanup(func() {
		_ = l.client.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{})
	})
	l.write("m.yml", strings.ReplaceAll(strings.Replace(podManifest, "spec:\n", "spec:\n  serviceAccountName: runner\n", 1), "  name: nginx-test02\nspec", "  name: nginx-test02\n  namespace: "+name+"\nspec")+`---
apiVersion: v1
kind: ServiceAccount
metadata: {name: runner, namespace: `+name+`}
---
apiVersion: v1
kind: Namespace
metadata: {name: `+name+`}
`)
	result := l.must(t, "create -f m.yml --dry-run=server")
	wantOutcomes(t, result,
		`pod/nginx-test02 created: not checked yet: namespace "`+name+`" not found`,
		`serviceaccount/runner created: not checked yet: namespace "`+name+`" not found`,
		"namespace/"+name+" created")
	result = l.must(t, "create -f m.yml")
	wantOutcomes(t, result, "pod/nginx-test02 created", "serviceaccount/runner created", "namespace/"+name+" created")
	wantOutcomes(t, l.must(t, "create -f m.yml"), "pod/nginx-test02 unchanged", "serviceaccount/runner unchanged", "namespace/"+name+" unchanged")
}

// TestCreateReportsWhatHappenedBeforeARefusal checks the one half-done change there can be.
func TestCreateReportsWhatHappenedBeforeARefusal(t *testing.T) {
	t.Parallel()
	l := newLab(t).in(t, "")
	name := newLab(t).namespace + "-new"
	t.Cleanup(func() {
		_ = l.client.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{})
	})
	l.write("m.yml", `apiVersion: v1
kind: Namespace
metadata: {name: `+name+`}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: good, namespace: `+name+`}
---
apiVersion: v1
kind: Service
metadata: {name: bad, namespace: `+name+`}
spec: {ports: [{port: 0}]}
`)
	result, err := l.run(t.Context(), "create -f m.yml")
	wantOutcomes(t, result, "namespace/"+name+" created", "configmap/good skipped: not sent, because others are refused", "service/bad failed")
	if err == nil || Explain(err).Code != ExitFailed {
		t.Errorf("got %v", err)
	}
}

func TestCreateLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "theirs"}, Data: map[string]string{"key": "x"}}
	created, err := l.client.CoreV1().ConfigMaps(l.namespace).Create(t.Context(), theirs, metav1.CreateOptions{FieldManager: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	l.write("m.yml", configMap("theirs", "x"))
	wantOutcomes(t, l.must(t, "create -f m.yml"), "configmap/theirs unchanged: not made by kubectl lab, left as it is")

	l.write("m.yml", configMap("theirs", "z"))
	_, err = l.run(t.Context(), "create -f m.yml")
	wantError(t, err, ExitFailed, `configmap/theirs (m.yml:2): already exists with other content, and was not made by kubectl lab: somebody else has set .data.key (conflict with "somebody" using v1)`+
		"\n→ it stays as it is: choose another name")

	l.write("m.yml", strings.ReplaceAll(configMap("theirs", "x"), "\ndata: {", "\ndata: {more: m, "))
	_, err = l.run(t.Context(), "create -f m.yml --force-conflicts")
	wantError(t, err, ExitFailed, `configmap/theirs (m.yml:2): already exists with other content, and was not made by kubectl lab: .data.more`+
		"\n→ it stays as it is: choose another name")
	if now := l.configMap(t, "theirs"); now.ResourceVersion != created.ResourceVersion {
		t.Errorf("it was touched: %+v", now)
	}
}

func TestCreateConflict(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("m.yml", configMap("ours", "x"))
	l.must(t, "create -f m.yml")
	patch := []byte(`{"data":{"key":"changed"}}`)
	if _, err := l.client.CoreV1().ConfigMaps(l.namespace).Patch(t.Context(), "ours", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
		t.Fatal(err)
	}
	_, err := l.run(t.Context(), "create -f m.yml")
	wantError(t, err, ExitFailed, `configmap/ours (m.yml:2): somebody else has set .data.key (conflict with "somebody" using v1)`+
		"\n→ let the manifest say the same, leave the field out of it, or take it over with --force-conflicts")
	wantOutcomes(t, l.must(t, "create -f m.yml --force-conflicts"), "configmap/ours configured")
	if got := l.configMap(t, "ours").Data["key"]; got != "x" {
		t.Errorf("data is %q", got)
	}
}

// TestCreateMasksSecrets checks that what previews and results show of a Secret is not the secret.
func TestCreateMasksSecrets(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	secret := func(value string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: " + value + "}\n"
	}
	for _, run := range []struct{ value, flag, want string }{
		{"hunter2", "--dry-run=client", "created"}, {"hunter2", "--dry-run=server", "created"},
		{"hunter2", "", "created"}, {"hunter3", "", "configured"},
	} {
		l.write("s.yml", secret(run.value))
		result := l.must(t, "create -f s.yml "+run.flag)
		wantOutcomes(t, result, "secret/s "+run.want)
		for _, change := range result.(Changer).Changes() {
			for _, object := range []*unstructured.Unstructured{change.Before, change.After} {
				text, err := objectText(object)
				if err != nil || strings.Contains(text, "hunter") || strings.Contains(text, "aHVudGVy") {
					t.Errorf("%+v shows %s (%v)", run, text, err)
				}
			}
		}
	}
	stored, err := l.client.CoreV1().Secrets(l.namespace).Get(t.Context(), "s", metav1.GetOptions{})
	if err != nil || string(stored.Data["password"]) != "hunter3" {
		t.Errorf("stored: %q, %v", stored.Data["password"], err)
	}
}

func objectText(u *unstructured.Unstructured) (string, error) {
	if u == nil {
		return "", nil
	}
	text, err := u.MarshalJSON()
	return string(text), err
}

// TestCreateDoesNotQuoteValues checks that a wrong type does not show a password.
func TestCreateDoesNotQuoteValues(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("s.yml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: 12345}\n")
	_, err := l.run(t.Context(), "create -f s.yml")
	wantError(t, err, ExitFailed, "secret/s (s.yml:1): .stringData.password: expected string\n→ see the kind's fields: kubectl explain secret")
}

func TestCreateGeneratedName(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("m.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: made-}\n")
	result := l.must(t, "create -f m.yml")
	change := result.(Changer).Changes()[0]
	if !strings.HasPrefix(change.Object.Name, "made-") || len(change.Object.Name) <= len("made-") || !l.hasConfigMap(t, change.Object.Name) {
		t.Errorf("name %q", change.Object.Name)
	}
}

func TestCreateNamespaceOfFlagAndManifest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("m.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: elsewhere}\n")
	_, err := l.run(t.Context(), "create -f m.yml")
	wantError(t, err, ExitFailed, `configmap/x (m.yml:1): the manifest puts it into namespace "elsewhere", but --namespace says "`+l.namespace+`": leave out one of them`)
}

func TestCreateForbidden(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	nobody := l.as(t, "nobody")
	nobody.write("m.yml", configMap("x", "y"))
	_, err := nobody.run(t.Context(), "create -f m.yml")
	wantError(t, err, ExitFailed, `configmap/x (m.yml:2): forbidden: "nobody" may not get configmaps in namespace "`+l.namespace+`"`+
		"\n→ ask an administrator for this permission; check with: kubectl auth can-i get configmaps -n "+l.namespace)

	creator := "creator-" + l.namespace
	l.allow(t, creator, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "create"}})
	halfway := l.as(t, creator)
	halfway.write("m.yml", configMap("x", "y"))
	_, err = halfway.run(t.Context(), "create -f m.yml")
	wantError(t, err, ExitFailed, `configmap/x (m.yml:2): forbidden: "`+creator+`" may not patch configmaps in namespace "`+l.namespace+`"`+
		"\n→ ask an administrator for this permission; check with: kubectl auth can-i patch configmaps -n "+l.namespace)
}

func TestCreateUsage(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"create":                         "say what to create: create pod, create service, create namespace, or create -f FILE",
		"create deployment x":            `cannot create "deployment": there are create pod, create service and create namespace; for anything else write a manifest and use create -f FILE`,
		"create -f - -f -":               "--filename: standard input (-) can be read only once",
		"create -f x --dry-run=sometime": `--dry-run must be none, client or server, not "sometime"`,
	} {
		wantUsageError(t, []string{line}, want)
	}
	wantUsageError(t, []string{"create", "-f", " "}, "--filename: the name is empty")
}

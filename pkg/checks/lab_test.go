package checks_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"

	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
)

// lab changes the test cluster, and changes it back.
type lab struct {
	*testing.T
	client  kubernetes.Interface
	dynamic dynamic.Interface
	mapper  meta.RESTMapper
}

func newLab(t *testing.T) *lab {
	t.Helper()
	src := source(t, config(t))
	disco, err := discovery.NewDiscoveryClientForConfig(config(t))
	if err != nil {
		t.Fatal(err)
	}
	return &lab{
		T: t, client: src.Kubernetes, dynamic: src.Dynamic,
		mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco)),
	}
}

// in is the same lab for a subtest.
func (l *lab) in(t *testing.T) *lab {
	sub := *l
	sub.T = t
	return &sub
}

// resource is the client for objects of a kind.
func (l *lab) resource(apiVersion, kind, namespace string) dynamic.ResourceInterface {
	l.Helper()
	gvk := (&unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}).GroupVersionKind()
	mapping, err := l.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		l.Fatal(err)
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return l.dynamic.Resource(mapping.Resource).Namespace(namespace)
	}
	return l.dynamic.Resource(mapping.Resource)
}

// create makes the objects of a manifest, and removes them when the test ends.
func (l *lab) create(manifest string) {
	l.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(manifest)), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			l.Fatal(err)
		}
		l.createObject(object)
	}
}

func (l *lab) createObject(object *unstructured.Unstructured) {
	l.Helper()
	if object.GetNamespace() == "" {
		object.SetNamespace("default")
	}
	client := l.resource(object.GetAPIVersion(), object.GetKind(), object.GetNamespace())
	if _, err := client.Create(l.Context(), object, metav1.CreateOptions{}); err != nil {
		l.Fatalf("create %s %s: %v", object.GetKind(), object.GetName(), err)
	}
	l.Cleanup(func() { l.remove(client, object.GetName()) })
}

// remove deletes an object at once, whatever holds it, and waits until it is gone.
func (l *lab) remove(client dynamic.ResourceInterface, name string) {
	l.Helper()
	ctx := context.Background() // the test's own has ended
	now, foreground := int64(0), metav1.DeletePropagationForeground
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		err := client.Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: &now, PropagationPolicy: &foreground})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		_, err = client.Patch(ctx, name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, nil
	})
	if err != nil {
		l.Errorf("remove %s: %v", name, err)
	}
}

// patch changes an object, and changes it back by the second patch when the test ends. Both are merge
// patches of the object, or of its subresource.
func (l *lab) patch(apiVersion, kind, namespace, name, subresource, do, undo string) {
	l.Helper()
	client := l.resource(apiVersion, kind, namespace)
	change := func(ctx context.Context, patch string) {
		l.Helper()
		var subresources []string
		if subresource != "" {
			subresources = []string{subresource}
		}
		if _, err := client.Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, subresources...); err != nil {
			l.Errorf("patch %s %s: %v", kind, name, err)
		}
	}
	change(l.Context(), do)
	if undo != "" {
		l.Cleanup(func() { change(context.Background(), undo) })
	}
}

// patchConfig sets a key of a ConfigMap in kube-system, and sets it back when the test ends.
func (l *lab) patchConfig(name, key, value string) {
	l.Helper()
	maps := l.client.CoreV1().ConfigMaps("kube-system")
	set := func(ctx context.Context, value string) string {
		l.Helper()
		cm, err := maps.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			l.Fatal(err)
		}
		before := cm.Data[key]
		cm.Data[key] = value
		if _, err := maps.Update(ctx, cm, metav1.UpdateOptions{}); err != nil {
			l.Fatal(err)
		}
		return before
	}
	before := set(l.Context(), value)
	l.Cleanup(func() { set(context.Background(), before) })
}

// setCondition gives a node a condition, and takes it back when the test ends.
func (l *lab) setCondition(node string, kind corev1.NodeConditionType, bad, good corev1.ConditionStatus) {
	l.Helper()
	set := func(ctx context.Context, status corev1.ConditionStatus) {
		l.Helper()
		patch := `{"status":{"conditions":[{"type":"` + string(kind) + `","status":"` + string(status) + `","reason":"Fault","message":"injected","lastTransitionTime":"` + time.Now().UTC().Format(time.RFC3339) + `"}]}}`
		if _, err := l.client.CoreV1().Nodes().Patch(ctx, node, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status"); err != nil {
			l.Errorf("patch node %s: %v", node, err)
		}
	}
	set(l.Context(), bad)
	l.Cleanup(func() { set(context.Background(), good) })
}

// stop stops a component of the control plane, and starts it when the test ends.
func (l *lab) stop(component string) {
	l.Helper()
	if err := shared.Cluster(l.T).StopComponent(l.Context(), component); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		if err := shared.Cluster(l.T).StartComponent(context.Background(), component); err != nil {
			l.Error(err)
		}
	})
}

// stopNodes stops the nodes' simulator. When it is started again, it would wait for the Leases that it
// held to expire, were they not removed.
func (l *lab) stopNodes() {
	l.Helper()
	if err := shared.Cluster(l.T).StopComponent(l.Context(), testcluster.NodeSimulator); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		ctx := context.Background()
		leases := l.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
		if err := leases.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
			l.Error(err)
		}
		if err := shared.Cluster(l.T).StartComponent(ctx, testcluster.NodeSimulator); err != nil {
			l.Error(err)
		}
	})
}

// keepAway removes the endpoints of a service until the test ends: the API server makes its own anew.
func (l *lab) keepAway(namespace, service string) {
	l.Helper()
	endpoints := l.client.DiscoveryV1().EndpointSlices(namespace)
	selector := metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service}
	ctx, stop := context.WithCancel(l.Context())
	var done sync.WaitGroup
	done.Go(func() {
		wait.UntilWithContext(ctx, func(ctx context.Context) {
			_ = endpoints.DeleteCollection(ctx, metav1.DeleteOptions{}, selector) // the finding tells whether it worked
		}, 20*time.Millisecond)
	})
	l.Cleanup(func() {
		stop()
		done.Wait()
	})
}

// running makes a pod and waits until it is Running.
func (l *lab) running(manifest, namespace, name string) {
	l.Helper()
	l.create(manifest)
	l.until("pod "+name+" runs", func(ctx context.Context) (bool, error) {
		pod, err := l.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && pod.Status.Phase == corev1.PodRunning, nil
	})
}

// until waits for a condition.
func (l *lab) until(what string, condition wait.ConditionWithContextFunc) {
	l.Helper()
	l.untilOr(what, condition, func() string { return "" })
}

// untilOr waits for a condition, and says how things stand if it doesn't come.
func (l *lab) untilOr(what string, condition wait.ConditionWithContextFunc, instead func() string) {
	l.Helper()
	if err := wait.PollUntilContextTimeout(l.Context(), 50*time.Millisecond, 30*time.Second, true, condition); err != nil {
		l.Fatalf("waiting until %s: %v\n%s", what, err, instead())
	}
}

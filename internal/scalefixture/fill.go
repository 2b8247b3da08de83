package scalefixture

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

const (
	workers = 4
	// batch is how many objects one transaction writes.
	batch = 100
)

// Size is how much to write.
type Size struct {
	// Nodes are named node-00000 and so on; every hundredth is not ready.
	Nodes int
	// Pods are spread evenly over nodes and namespaces; of a hundred, one is pending, one is in a crash
	// loop and one has completed. Each has two containers.
	Pods int
	// Namespaces are named scale-000 and so on.
	Namespaces int
	// Services, each with one EndpointSlice of four endpoints, are spread over the namespaces; every
	// fiftieth has no ready endpoint.
	Services int
	// Deployments of ten pods, spread over the namespaces; every hundredth lacks one.
	Deployments int
	// Events of type Warning, and twice as many Normal ones.
	Warnings int
	// ManagedFields gives pods the managed fields that a scheduler and a kubelet leave; they double the
	// size of a pod's metadata.
	ManagedFields bool
}

// Limits is the size that Kubernetes is designed for, in 200 namespaces.
func Limits() Size {
	return Size{Nodes: 5_000, Pods: 150_000, Namespaces: 200, Services: 5_000, Deployments: 15_000, Warnings: 2_000}
}

// entry is an object and its key under /registry.
type entry struct {
	key    string
	object runtime.Object
}

// Fill writes the objects.
func Fill(ctx context.Context, etcd *Etcd, size Size) error {
	for _, kind := range []struct {
		name    string
		entries iter.Seq[entry]
	}{
		{"namespaces", namespaces(size)},
		{"nodes", nodes(size)},
		{"pods", pods(size)},
		{"services", services(size)},
		{"endpoint slices", endpointSlices(size)},
		{"deployments", deployments(size)},
		{"events", events(size)},
	} {
		if err := write(ctx, etcd, kind.entries); err != nil {
			return fmt.Errorf("writing %s: %w", kind.name, err)
		}
	}
	return nil
}

func write(ctx context.Context, etcd *Etcd, entries iter.Seq[entry]) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	send := func(some []entry) {
		g.Go(func() error {
			pairs, err := encode(some)
			if err != nil {
				return err
			}
			return etcd.put(ctx, pairs)
		})
	}
	var some []entry
	for e := range entries {
		if some = append(some, e); len(some) == batch {
			send(some)
			some = nil
		}
	}
	if len(some) > 0 {
		send(some)
	}
	return g.Wait()
}

// encode writes objects as the API server stores them.
func encode(entries []entry) ([]pair, error) {
	serializer := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	pairs := make([]pair, 0, len(entries))
	for _, e := range entries {
		kinds, _, err := scheme.Scheme.ObjectKinds(e.object)
		if err != nil {
			return nil, err
		}
		e.object.GetObjectKind().SetGroupVersionKind(kinds[0])
		var data bytes.Buffer
		if err := serializer.Encode(e.object, &data); err != nil {
			return nil, err
		}
		pairs = append(pairs, pair{Key: []byte("/registry/" + e.key), Value: data.Bytes()})
	}
	return pairs, nil
}

func namespaces(size Size) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for i := range size.Namespaces {
			namespace := &corev1.Namespace{
				ObjectMeta: meta("", namespaceName(i)),
				Spec:       corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
				Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
			}
			if !yield(entry{"namespaces/" + namespace.Name, namespace}) {
				return
			}
		}
	}
}

func namespaceName(i int) string { return fmt.Sprintf("scale-%03d", i) }

func meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: uid(namespace, name), CreationTimestamp: created()}
}

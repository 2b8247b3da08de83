// Package addons puts into kube-system what an installed cluster has there, so that tools that look
// for it find it. On simulated nodes its pods are simulated too: no DNS is served.
package addons

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"text/template"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

//go:embed manifests.yaml
var manifests string

const (
	fieldManager = "labcluster"
	namespace    = metav1.NamespaceSystem
	pollInterval = 200 * time.Millisecond
)

// Apply writes the add-ons. Applying them again changes nothing.
func Apply(ctx context.Context, config *rest.Config, settings *cluster.Config) error {
	objects, err := render(settings)
	if err != nil {
		return err
	}
	apply, err := newApplier(config)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := apply.one(ctx, object); err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// render fills in the manifests.
func render(settings *cluster.Config) ([]*unstructured.Unstructured, error) {
	parsed, err := template.New("add-ons").Option("missingkey=error").Parse(manifests)
	if err != nil {
		return nil, fmt.Errorf("read the add-ons' manifests: %w", err)
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, values(settings)); err != nil {
		return nil, fmt.Errorf("fill in the add-ons' manifests: %w", err)
	}
	return decode(&text)
}

func values(settings *cluster.Config) map[string]string {
	return map[string]string{
		"ClusterName": settings.Name,
		"Version":     settings.Version,
		"PodCIDR":     settings.PodCIDR,
		"ServiceCIDR": settings.ServiceCIDR,
		"DNSDomain":   cluster.DNSDomain,
		"DNSIP":       cluster.DNSServiceIP,
	}
}

func decode(text io.Reader) ([]*unstructured.Unstructured, error) {
	const buffer = 4096
	decoder := yaml.NewYAMLOrJSONDecoder(text, buffer)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the add-ons' manifests: %w", err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// applier applies objects of any kind.
type applier struct {
	client dynamic.Interface
	mapper *restmapper.DeferredDiscoveryRESTMapper
}

func newApplier(config *rest.Config) (*applier, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	discovered, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return &applier{client, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovered))}, nil
}

func (a *applier) one(ctx context.Context, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	mapping, err := a.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	options := metav1.ApplyOptions{FieldManager: fieldManager, Force: true}
	_, err = a.client.Resource(mapping.Resource).Namespace(object.GetNamespace()).
		Apply(ctx, object.GetName(), object, options)
	return err
}

// AwaitReady waits until the add-ons' pods are ready.
func AwaitReady(ctx context.Context, client kubernetes.Interface) error {
	var failure error
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		var ready bool
		ready, failure = allReady(ctx, client)
		return ready, nil
	})
	return errors.Join(err, failure)
}

func allReady(ctx context.Context, client kubernetes.Interface) (bool, error) {
	options := metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=" + fieldManager}
	deployments, err := client.AppsV1().Deployments(namespace).List(ctx, options)
	if err != nil {
		return false, fmt.Errorf("list the add-ons: %w", err)
	}
	for _, deployment := range deployments.Items {
		if !deploymentReady(&deployment) {
			return false, nil
		}
	}
	daemonSets, err := client.AppsV1().DaemonSets(namespace).List(ctx, options)
	if err != nil {
		return false, fmt.Errorf("list the add-ons: %w", err)
	}
	for _, daemonSet := range daemonSets.Items {
		if !daemonSetReady(&daemonSet) {
			return false, nil
		}
	}
	return true, nil
}

func deploymentReady(d *appsv1.Deployment) bool {
	return d.Status.ObservedGeneration >= d.Generation &&
		d.Spec.Replicas != nil && d.Status.ReadyReplicas >= *d.Spec.Replicas
}

func daemonSetReady(d *appsv1.DaemonSet) bool {
	return d.Status.ObservedGeneration >= d.Generation &&
		d.Status.DesiredNumberScheduled > 0 && d.Status.NumberReady >= d.Status.DesiredNumberScheduled
}

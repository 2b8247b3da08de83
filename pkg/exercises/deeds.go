package exercises

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

// deed is something that a step does.
type deed func(context.Context) error

// deeds lists what a step does, in the order of its fields.
func (r *run) deeds(step Step) []deed {
	var deeds []deed
	for _, line := range step.Lab {
		deeds = append(deeds, func(ctx context.Context) error { return r.lab(ctx, line) })
	}
	if step.Certificate != nil {
		deeds = append(deeds, func(ctx context.Context) error { return r.certify(ctx, *step.Certificate) })
	}
	for _, file := range step.Apply {
		deeds = append(deeds, func(ctx context.Context) error { return r.apply(ctx, file) })
	}
	for _, p := range step.Patch {
		deeds = append(deeds, func(ctx context.Context) error { return r.patch(ctx, p) })
	}
	for _, ref := range step.Delete {
		deeds = append(deeds, func(ctx context.Context) error { return r.delete(ctx, ref) })
	}
	if step.Rollback != "" {
		deeds = append(deeds, func(ctx context.Context) error { return r.rollback(ctx, step.Rollback) })
	}
	return deeds
}

func (r *run) lab(ctx context.Context, line string) error {
	if err := r.Lab(ctx, r.namespace, line); err != nil {
		return fmt.Errorf("kubectl lab %s: %w", line, err)
	}
	return nil
}

// makeNamespace makes a namespace or takes the one that is there. One that is going away, as after clean, is
// waited for: whatever is put into it goes with it.
func (r *run) makeNamespace(ctx context.Context, name string) error {
	limited, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	_, err := until(limited, func(ctx context.Context) (string, error) { return "", r.tryNamespace(ctx, name) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (r *run) tryNamespace(ctx context.Context, name string) error {
	namespaces := r.Kubernetes.CoreV1().Namespaces()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: r.Labels}}
	_, err := namespaces.Create(ctx, ns, metav1.CreateOptions{FieldManager: r.FieldManager})
	switch {
	case err == nil:
		return nil
	case !apierrors.IsAlreadyExists(err):
		return &finalError{err}
	}
	ns, err = namespaces.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return err // it has just gone
	case err != nil:
		return &finalError{err}
	case ns.DeletionTimestamp != nil:
		return fmt.Errorf("it is still being deleted after %s", stepTimeout)
	}
	return nil
}

// apply applies a file of the exercise by server-side apply, and takes over what an earlier run of
// the exercise made.
func (r *run) apply(ctx context.Context, file string) error {
	objects, err := r.read(file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, object := range objects {
		if err := r.applyObject(ctx, object); err != nil {
			return fmt.Errorf("applying %s %q of %s: %w", strings.ToLower(object.GetKind()), object.GetName(), file, err)
		}
	}
	return nil
}

func (r *run) applyObject(ctx context.Context, object *unstructured.Unstructured) error {
	resource, err := r.resourceFor(object.GroupVersionKind(), object.GetNamespace())
	if err != nil {
		return err
	}
	options := metav1.ApplyOptions{FieldManager: r.FieldManager, Force: true}
	_, err = resource.Apply(ctx, object.GetName(), object, options)
	return err
}

// read decodes a file: variables and images replaced, labels and namespace added.
func (r *run) read(file string) ([]*unstructured.Unstructured, error) {
	text, err := r.Set.Manifest(r.exercise, file)
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(r.expand(text)), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(object.Object) == 0 {
			continue
		}
		r.mark(object)
		objects = append(objects, object)
	}
}

func (r *run) mark(object *unstructured.Unstructured) {
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	for key, value := range r.Labels {
		labels[key] = value
	}
	object.SetLabels(labels)
	replaceImages(object.Object, r.Images)
}

// replaceImages replaces the value of every field "image" that the map names.
func replaceImages(value any, images map[string]string) {
	switch v := value.(type) {
	case map[string]any:
		for key, field := range v {
			if image, ok := field.(string); ok && key == "image" && images[image] != "" {
				v[key] = images[image]
				continue
			}
			replaceImages(field, images)
		}
	case []any:
		for _, item := range v {
			replaceImages(item, images)
		}
	}
}

// resourceFor is the client for objects of a kind. An object without a namespace belongs to the
// exercise's.
func (r *run) resourceFor(kind schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	mapping, err := r.Mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	return r.client(mapping, namespace), nil
}

func (r *run) client(mapping *meta.RESTMapping, namespace string) dynamic.ResourceInterface {
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return r.Dynamic.Resource(mapping.Resource)
	}
	if namespace == "" {
		namespace = r.namespace
	}
	return r.Dynamic.Resource(mapping.Resource).Namespace(namespace)
}

// clientFor is the client for what a Ref names.
func (r *run) clientFor(ref Ref) (dynamic.ResourceInterface, error) {
	gvr, err := r.Mapper.ResourceFor(schema.GroupVersionResource{Resource: strings.ToLower(ref.Kind)})
	if err != nil {
		return nil, err
	}
	gvk, err := r.Mapper.KindFor(gvr)
	if err != nil {
		return nil, err
	}
	return r.resourceFor(gvk, ref.Namespace)
}

// find lists what a Ref names, by name. A named object that does not exist is an empty list.
func (r *run) find(ctx context.Context, ref Ref) ([]unstructured.Unstructured, error) {
	client, err := r.clientFor(ref)
	if err != nil {
		return nil, err
	}
	if ref.Name != "" {
		object, err := client.Get(ctx, ref.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return []unstructured.Unstructured{*object}, nil
	}
	list, err := client.List(ctx, metav1.ListOptions{LabelSelector: ref.Selector})
	if err != nil {
		return nil, err
	}
	items := slices.DeleteFunc(list.Items, func(u unstructured.Unstructured) bool { return u.GetDeletionTimestamp() != nil })
	slices.SortFunc(items, func(a, b unstructured.Unstructured) int { return strings.Compare(a.GetName(), b.GetName()) })
	if ref.First && len(items) > 1 {
		items = items[:1]
	}
	return items, nil
}

func (ref Ref) String() string {
	switch {
	case ref.Name != "":
		return strings.ToLower(ref.Kind) + "/" + ref.Name
	case ref.Selector != "":
		return strings.ToLower(ref.Kind) + " with " + ref.Selector
	default:
		return strings.ToLower(ref.Kind)
	}
}

func (r *run) patch(ctx context.Context, p Patch) error {
	client, err := r.clientFor(p.Ref)
	if err != nil {
		return err
	}
	objects, err := r.find(ctx, p.Ref)
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		return fmt.Errorf("patching %s: there is none", p.Ref)
	}
	replaceImages(p.Patch, r.Images)
	body, err := json.Marshal(p.Patch)
	if err != nil {
		return err
	}
	for _, object := range objects {
		_, err := client.Patch(ctx, object.GetName(), types.StrategicMergePatchType, body, metav1.PatchOptions{FieldManager: r.FieldManager})
		if err != nil {
			return fmt.Errorf("patching %s/%s: %w", strings.ToLower(object.GetKind()), object.GetName(), err)
		}
	}
	return nil
}

func (r *run) delete(ctx context.Context, ref Ref) error {
	client, err := r.clientFor(ref)
	if err != nil {
		return err
	}
	objects, err := r.find(ctx, ref)
	if err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	for _, object := range objects {
		err := client.Delete(ctx, object.GetName(), metav1.DeleteOptions{PropagationPolicy: &background})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting %s/%s: %w", strings.ToLower(object.GetKind()), object.GetName(), err)
		}
	}
	return nil
}

// revisionAnnotation numbers a Deployment's ReplicaSets
// (k8s.io/kubernetes/pkg/controller/deployment/util).
const revisionAnnotation = "deployment.kubernetes.io/revision"

// rollback does what "kubectl rollout undo" does: it gives the Deployment the pod template of the
// ReplicaSet of the highest revision but one.
func (r *run) rollback(ctx context.Context, name string) error {
	deployments := r.Kubernetes.AppsV1().Deployments(r.namespace)
	deployment, err := deployments.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	before, err := r.replicaSetBefore(ctx, deployment)
	if err != nil {
		return err
	}
	template := before.Spec.Template.DeepCopy()
	delete(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	deployment.Spec.Template = *template
	_, err = deployments.Update(ctx, deployment, metav1.UpdateOptions{FieldManager: r.FieldManager})
	return err
}

func (r *run) replicaSetBefore(ctx context.Context, deployment *appsv1.Deployment) (*appsv1.ReplicaSet, error) {
	sets, err := r.Kubernetes.AppsV1().ReplicaSets(deployment.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: metav1.FormatLabelSelector(deployment.Spec.Selector),
	})
	if err != nil {
		return nil, err
	}
	owned := slices.DeleteFunc(sets.Items, func(s appsv1.ReplicaSet) bool { return !metav1.IsControlledBy(&s, deployment) })
	slices.SortFunc(owned, func(a, b appsv1.ReplicaSet) int { return revision(a) - revision(b) })
	if len(owned) < 2 {
		return nil, fmt.Errorf("deployment %q has no revision to go back to", deployment.Name)
	}
	return &owned[len(owned)-2], nil
}

func revision(s appsv1.ReplicaSet) int {
	n, err := strconv.Atoi(s.Annotations[revisionAnnotation])
	if err != nil {
		return 0 // not yet numbered
	}
	return n
}

// Try has the API server check the objects of a manifest and keeps none. They are tried in the
// namespace default, since the exercise's own need not exist.
func (r *Runner) Try(ctx context.Context, e Exercise, file string) error {
	run := &run{Runner: r, exercise: e, namespace: metav1.NamespaceDefault}
	objects, err := run.read(file)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if object.GetNamespace() != "" {
			object.SetNamespace(metav1.NamespaceDefault)
		}
		client, err := run.resourceFor(object.GroupVersionKind(), "")
		if err != nil {
			return err
		}
		options := metav1.ApplyOptions{FieldManager: r.FieldManager, Force: true, DryRun: []string{metav1.DryRunAll}}
		if _, err := client.Apply(ctx, object.GetName(), object, options); err != nil {
			return fmt.Errorf("%s/%s: %w", strings.ToLower(object.GetKind()), object.GetName(), err)
		}
	}
	return nil
}

package actions

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/metadata"
)

// deleteRun is one run of "delete".
type deleteRun struct {
	*DeleteOptions
	env       *Env
	client    metadata.Interface
	namespace string
	given     bool
	objects   []*doomed
	notes     []string
}

// doomed is one object to delete.
type doomed struct {
	target target
	live   *metav1.PartialObjectMetadata
	change Change
}

func newDeleteRun(env *Env, options *DeleteOptions) (*deleteRun, error) {
	client, err := env.Cluster.Metadata()
	if err != nil {
		return nil, err
	}
	namespace, given, err := env.Cluster.Namespace()
	if err != nil {
		return nil, err
	}
	return &deleteRun{DeleteOptions: options, env: env, client: client, namespace: namespace, given: given}, nil
}

// find looks for what is to be deleted. Single objects that cannot be read become failed changes.
func (r *deleteRun) find(ctx context.Context) error {
	switch {
	case r.Lab:
		return r.findLab(ctx)
	case len(r.Files) > 0:
		return r.findFiles(ctx)
	}
	targets, err := r.words.targets(r.env.Cluster)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if len(t.names) > 0 {
			r.addNamed(t, r.namespace, t.names...)
			continue
		}
		if err := r.findSelected(ctx, t); err != nil {
			return err
		}
	}
	if len(r.objects) == 0 {
		r.note("nothing to delete: no object of that kind is selected")
	}
	r.look(ctx)
	return nil
}

func (r *deleteRun) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *deleteRun) addNamed(t target, namespace string, names ...string) {
	for _, name := range names {
		r.objects = append(r.objects, &doomed{target: t, change: Change{Object: t.reference(namespace, name)}})
	}
}

func (r *deleteRun) add(t target, live *metav1.PartialObjectMetadata) {
	r.objects = append(r.objects, &doomed{target: t, live: live, change: Change{Object: t.reference(live.Namespace, live.Name)}})
}

func (r *deleteRun) findSelected(ctx context.Context, t target) error {
	var getter metadata.ResourceInterface = r.client.Resource(t.mapping.Resource)
	if t.namespaced() && !r.AllNamespaces {
		getter = r.client.Resource(t.mapping.Resource).Namespace(r.namespace)
	}
	list, err := getter.List(ctx, metav1.ListOptions{LabelSelector: r.Selector})
	if err != nil {
		return fmt.Errorf("listing %s: %w", t.resourceName(), err)
	}
	for i := range list.Items {
		r.add(t, &list.Items[i])
	}
	return nil
}

func (r *deleteRun) findFiles(ctx context.Context) error {
	objects, err := readManifests(r.env, r.Files, r.Recursive)
	if err != nil {
		return err
	}
	mapper, err := r.env.Cluster.Getter().ToRESTMapper()
	if err != nil {
		return err
	}
	for _, m := range objects {
		if err := r.addManifest(mapper, m); err != nil {
			return err
		}
	}
	r.look(ctx)
	return nil
}

func (r *deleteRun) addManifest(mapper meta.RESTMapper, m manifestObject) error {
	kind := m.object.GroupVersionKind()
	if m.object.GetName() == "" {
		return UsageErrorf("%s: the API server made up the name of this %s: delete it by its name", m.where(), kind.Kind)
	}
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("%s: %w", m.where(), unknownKind(kind.Kind, err))
	}
	if err != nil {
		return fmt.Errorf("finding the kind %s: %w", kind.Kind, err)
	}
	t := target{mapping: mapping}
	if t.namespaced() {
		if err := setNamespace(m.object, r.namespace, r.given); err != nil {
			return UsageErrorf("%s: %s", m.where(), err)
		}
	}
	r.addNamed(t, m.object.GetNamespace(), m.object.GetName())
	return nil
}

// look reads the objects that are known by name only.
func (r *deleteRun) look(ctx context.Context) {
	forEach(ctx, len(r.objects), readWorkers, func(ctx context.Context, i int) {
		d := r.objects[i]
		if d.live != nil {
			return
		}
		live, err := r.getter(d).Get(ctx, d.change.Object.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err) && r.IgnoreNotFound:
			d.change.Outcome, d.change.Message = OutcomeSkipped, "not there"
		case err != nil:
			d.change.fail(err)
		default:
			d.live = live
		}
	})
}

func (r *deleteRun) getter(d *doomed) metadata.ResourceInterface {
	resource := r.client.Resource(d.target.mapping.Resource)
	if namespace := d.change.Object.Namespace; namespace != "" {
		return resource.Namespace(namespace)
	}
	return resource
}

// delete deletes what was found, namespaces last: what is in them is then reported on its own.
func (r *deleteRun) delete(ctx context.Context) {
	var objects, namespaces []*doomed
	for _, d := range r.objects {
		switch {
		case d.change.Outcome != "":
		case d.isNamespace():
			namespaces = append(namespaces, d)
		default:
			objects = append(objects, d)
		}
	}
	for _, stage := range [][]*doomed{objects, namespaces} {
		forEach(ctx, len(stage), writeWorkers, func(ctx context.Context, i int) { r.deleteOne(ctx, stage[i]) })
	}
	if r.GracePeriod == 0 && slices.ContainsFunc(r.objects, func(d *doomed) bool { return d.change.Outcome == OutcomeDeleted && d.change.Object.Kind == "Pod" }) {
		r.note("with --grace-period=0 nobody waits for the node's word: the containers may run on for a while")
	}
}

func (d *doomed) isNamespace() bool { return d.target.mapping.Resource == coreResource("namespaces") }

func (r *deleteRun) deleteOne(ctx context.Context, d *doomed) {
	if r.DryRunStrategy() != DryRunClient {
		err := r.getter(d).Delete(ctx, d.change.Object.Name, r.options(d.live))
		switch {
		case apierrors.IsNotFound(err): // somebody, or a garbage collector, was faster
		case apierrors.IsConflict(err):
			d.change.fail(&Error{
				Message: fmt.Sprintf("%s has been replaced by another object of this name meanwhile", d.change.Object),
				Hint:    "look at it, then run the command again",
				Code:    ExitFailed,
				Err:     err,
			})
			return
		case err != nil:
			d.change.fail(err)
			return
		}
	}
	d.change.Outcome = OutcomeDeleted
	d.change.Before = metadataOnly(d.live, d.change.Object)
	if d.isNamespace() && r.DryRunStrategy() != DryRunNone {
		d.change.Message = r.everythingIn(ctx, d.live.Name)
	}
}

// metadataOnly is as much of an object as is known of it.
func metadataOnly(live *metav1.PartialObjectMetadata, ref ObjectRef) *unstructured.Unstructured {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		content = map[string]any{}
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetAPIVersion(ref.APIVersion)
	u.SetKind(ref.Kind)
	return masked(u)
}

func (r *deleteRun) changes() []Change {
	changes := make([]Change, len(r.objects))
	for i, d := range r.objects {
		changes[i] = d.change
	}
	return changes
}

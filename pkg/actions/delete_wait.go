package actions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
)

// farewell is objects of one kind and namespace that are awaited to go.
type farewell struct {
	run     *deleteRun
	target  target
	objects []*doomed

	progress *goneCounter
	// remaining are the objects that were still there when last looked at, by key.
	remaining map[string]*metav1.PartialObjectMetadata
}

// goneCounter counts over all kinds.
type goneCounter struct {
	mu          sync.Mutex
	gone, total int
}

// wait waits until the deleted objects are gone. Those that stay become failed changes that say what
// holds them; being canceled is an error, a deadline is not.
func (r *deleteRun) wait(ctx context.Context) error {
	groups := r.farewells()
	if len(groups) == 0 {
		return nil
	}
	patient, err := r.env.Cluster.StreamingMetadata()
	if err != nil {
		return err
	}
	timed, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	errs := make([]error, len(groups))
	forEach(timed, len(groups), len(groups), func(timed context.Context, i int) {
		errs[i] = groups[i].wait(timed, patient)
	})
	for i, group := range groups {
		if errs[i] != nil {
			group.report(ctx, errs[i])
		}
	}
	return ctx.Err()
}

func (r *deleteRun) farewells() []*farewell {
	groups, progress := map[string]*farewell{}, &goneCounter{}
	var ordered []*farewell
	for _, d := range r.objects {
		if d.change.Outcome != OutcomeDeleted {
			continue
		}
		progress.total++
		name := d.target.resourceName() + "/" + d.change.Object.Namespace
		group, known := groups[name]
		if !known {
			group = &farewell{run: r, target: d.target, progress: progress}
			groups[name], ordered = group, append(ordered, group)
		}
		group.objects = append(group.objects, d)
	}
	return ordered
}

func (f *farewell) wait(ctx context.Context, patient metadata.Interface) error {
	return f.collection(patient).until(ctx, nil, f.look)
}

func (f *farewell) collection(patient metadata.Interface) collection[*metav1.PartialObjectMetadata] {
	resource, namespace := f.target.mapping.Resource, f.objects[0].change.Object.Namespace
	c := collection[*metav1.PartialObjectMetadata]{
		list: func(ctx context.Context, options metav1.ListOptions) ([]*metav1.PartialObjectMetadata, string, error) {
			list, err := f.run.client.Resource(resource).Namespace(namespace).List(ctx, options)
			if err != nil {
				return nil, "", err
			}
			items := make([]*metav1.PartialObjectMetadata, len(list.Items))
			for i := range list.Items {
				items[i] = &list.Items[i]
			}
			return items, list.ResourceVersion, nil
		},
		watch: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return patient.Resource(resource).Namespace(namespace).Watch(ctx, options)
		},
	}
	switch {
	case len(f.objects) == 1:
		c.options.FieldSelector = fields.OneTermEqualSelector("metadata.name", f.objects[0].change.Object.Name).String()
	case f.run.Lab:
		c.options.LabelSelector = ManagedByLabel + "=" + ManagedBy
	}
	return c
}

// look reports whether all objects are gone; another object of the same name does not count.
func (f *farewell) look(state map[string]*metav1.PartialObjectMetadata) bool {
	before := f.remaining
	f.remaining = map[string]*metav1.PartialObjectMetadata{}
	for _, d := range f.objects {
		name := key(d.live)
		if live := state[name]; live != nil && live.UID == d.live.UID {
			f.remaining[name] = live
			if before == nil {
				f.tell(d, "waiting until it is gone", 0)
			}
			continue
		}
		if _, was := before[name]; was || before == nil {
			f.tell(d, "gone", 1)
		}
	}
	return len(f.remaining) == 0
}

func (f *farewell) tell(d *doomed, message string, gone int) {
	f.progress.mu.Lock()
	f.progress.gone += gone
	done := f.progress.gone
	f.progress.mu.Unlock()
	f.run.env.Observe(Progress{Subject: d.change.Object.String(), Message: message, Done: done, Total: f.progress.total})
}

// report says of the objects that are still there what holds them.
func (f *farewell) report(ctx context.Context, err error) {
	for _, d := range f.objects {
		live, still := f.remaining[key(d.live)]
		switch {
		case f.remaining == nil: // nothing could be read at all
			d.change.Message = "whether it is gone is unknown: " + Explain(err).Message
			d.change.Err = &Error{Message: d.change.Object.String() + " deleted, but " + d.change.Message, Hint: Explain(err).Hint, Code: Explain(err).Code, Err: err}
		case !still:
		case errors.Is(err, context.DeadlineExceeded):
			d.stays(f.holders(ctx, d, live), f.run.Timeout)
		default:
			d.stays(f.holders(ctx, d, live), 0)
		}
	}
}

// stays says that a deleted object is still there.
func (d *doomed) stays(why string, after time.Duration) {
	d.change.Message = "still there: " + why
	words := "is still there"
	if after > 0 {
		words += " after " + after.String()
	}
	d.change.Err = &Error{
		Message: fmt.Sprintf("%s deleted, but it %s: %s", d.change.Object, words, why),
		Hint:    "wait longer with --timeout, or find out why what it waits for is not done",
		Code:    ExitFailed,
	}
}

// holders say what an object that is being deleted waits for: its finalizers, or a pod's containers.
// See https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/.
func (f *farewell) holders(ctx context.Context, d *doomed, live *metav1.PartialObjectMetadata) string {
	switch {
	case d.isNamespace():
		return f.namespaceHolders(ctx, live.Name)
	case len(live.Finalizers) > 0:
		return "it waits for the owner of finalizer " + strings.Join(live.Finalizers, ", ")
	case live.DeletionTimestamp != nil && live.DeletionGracePeriodSeconds != nil:
		return fmt.Sprintf("its containers have %d s to end", *live.DeletionGracePeriodSeconds)
	}
	return "it is being deleted"
}

// namespaceHolders are the namespace controller's words.
func (f *farewell) namespaceHolders(ctx context.Context, name string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	client, err := f.run.env.Cluster.Kubernetes()
	if err != nil {
		return "it is being emptied"
	}
	namespace, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "it is being emptied"
	}
	var reasons []string
	for _, condition := range namespace.Status.Conditions {
		if condition.Status == corev1.ConditionTrue {
			reasons = append(reasons, condition.Message)
		}
	}
	if len(reasons) == 0 {
		return "it is being emptied"
	}
	return strings.Join(reasons, "; ")
}

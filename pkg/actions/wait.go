package actions

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// rewatchDelay keeps a watch that ends at once from being opened in a tight loop.
const rewatchDelay = time.Second

// collection is what to list and to watch. T is a pointer to an API object.
type collection[T metav1.Object] struct {
	// list answers with the objects and the resource version to watch from. It may use a client with
	// a request timeout.
	list func(ctx context.Context, options metav1.ListOptions) (items []T, resourceVersion string, err error)
	// watch must use a client without a request timeout.
	watch func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error)
	// options select the objects.
	options metav1.ListOptions
}

// key names an object in its collection.
func key(o metav1.Object) string { return o.GetNamespace() + "/" + o.GetName() }

// until keeps the collection's state and calls done at first and then after every change, and
// whenever tick fires, until done returns true. It answers with ctx's error if that ends first.
//
// A watch that ends, for whatever reason (the server closes it now and then, or its resource version
// has expired), is replaced by a new list and watch, so no change is lost.
// See https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes.
func (c collection[T]) until(ctx context.Context, tick <-chan time.Time, done func(map[string]T) bool) error {
	for {
		state, version, err := c.read(ctx)
		if err != nil {
			return err
		}
		if done(state) {
			return nil
		}
		finished, err := c.follow(ctx, version, state, tick, done)
		if finished || err != nil {
			return err
		}
		if err := pause(ctx, rewatchDelay); err != nil {
			return err
		}
	}
}

func (c collection[T]) read(ctx context.Context) (map[string]T, string, error) {
	items, version, err := c.list(ctx, c.options)
	if err != nil {
		return nil, "", endOf(ctx, err)
	}
	state := make(map[string]T, len(items))
	for _, item := range items {
		state[key(item)] = item
	}
	return state, version, nil
}

// follow watches until done, ctx's end, or the watch's end; only the first is finished.
func (c collection[T]) follow(ctx context.Context, version string, state map[string]T, tick <-chan time.Time, done func(map[string]T) bool) (finished bool, err error) {
	options := c.options
	options.ResourceVersion = version
	w, err := c.watch(ctx, options)
	if err != nil {
		return false, endOf(ctx, err)
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-tick:
		case event, open := <-w.ResultChan():
			if !open || event.Type == watch.Error {
				return false, nil
			}
			take(state, event)
		}
		if done(state) {
			return true, nil
		}
	}
}

func take[T metav1.Object](state map[string]T, event watch.Event) {
	object, ok := event.Object.(T)
	switch {
	case !ok:
	case event.Type == watch.Deleted:
		delete(state, key(object))
	case event.Type == watch.Added, event.Type == watch.Modified:
		state[key(object)] = object
	}
}

// endOf prefers the reason why ctx ended to the error of the request that it cut off.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// pause waits, or answers with ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

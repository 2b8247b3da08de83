package actions

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// typedObject is a pointer to one of the API's types, such as *corev1.Pod.
type typedObject interface {
	runtime.Object
	metav1.Object
}

// typedClient is the part of a typed client that creating needs.
type typedClient[T typedObject] interface {
	Create(ctx context.Context, object T, options metav1.CreateOptions) (T, error)
	Get(ctx context.Context, name string, options metav1.GetOptions) (T, error)
}

// createObject creates an object, or compares it with the one of that name that is there already.
//
// It is a plain create rather than a server-side apply because create is the only request that can
// never change an existing object: an apply would merge into a pod that somebody else made, and
// pods are immutable for the most part anyway. So running a command again finds its own objects
// unchanged, and anything else under that name is an error that says what differs.
func createObject[T typedObject](ctx context.Context, client typedClient[T], desired T, dryRun DryRun, differences func(live, desired T) []string) (Change, T) {
	change := Change{}
	ref, err := refOfTyped(desired)
	if err != nil {
		change.fail(err)
		return change, desired
	}
	change.Object = ref
	if dryRun == DryRunClient {
		change.finish(OutcomeCreated, desired)
		return change, desired
	}
	created, err := client.Create(ctx, desired, metav1.CreateOptions{DryRun: dryRun.options(), FieldManager: ManagedBy})
	switch {
	case err == nil:
		change.finish(OutcomeCreated, created)
		return change, created
	case !apierrors.IsAlreadyExists(err):
		change.fail(err)
		return change, desired
	}
	live, err := client.Get(ctx, desired.GetName(), metav1.GetOptions{})
	if err != nil {
		change.fail(err)
		return change, desired
	}
	change.compare(live, differences(live, desired))
	return change, live
}

// compare judges an object that was there before: it is what was asked for, or it is in the way.
func (c *Change) compare(live typedObject, differences []string) {
	switch {
	case live.GetDeletionTimestamp() != nil:
		c.fail(&Error{
			Message: fmt.Sprintf("%s is still being deleted", c.Object),
			Hint:    "wait until it is gone, then run the command again",
			Code:    ExitFailed,
		})
	case len(differences) > 0:
		c.fail(&Error{
			Message: fmt.Sprintf("%s already exists with other content: %s", c.Object, strings.Join(differences, "; ")),
			Hint:    c.wayOut(isOurs(live)),
			Code:    ExitFailed,
		})
	default:
		c.finish(OutcomeUnchanged, live)
		c.Before = c.After
		if !isOurs(live) {
			c.Message = "not made by kubectl lab, left as it is"
		}
	}
}

func (c *Change) wayOut(ours bool) string {
	if !ours {
		return "it was not made by kubectl lab, so it stays: choose another name"
	}
	return "choose another name, or delete it first: kubectl lab delete " + c.Object.String() + inNamespace(c.Object.Namespace)
}

// inNamespace is the flag that a suggested command needs; cluster-wide objects need none.
func inNamespace(namespace string) string {
	if namespace == "" {
		return ""
	}
	return " -n " + namespace
}

// finish records a success with the object as it is then.
func (c *Change) finish(outcome Outcome, object runtime.Object) {
	after, err := toUnstructured(object)
	if err != nil {
		c.fail(err)
		return
	}
	c.succeed(outcome, after)
}

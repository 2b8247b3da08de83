package actions

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
	"github.com/kubectl-lab/kubectl-lab/pkg/podstate"
)

// stuckAfter is how long a pod may be unable to start before a wait gives it up. Shorter troubles are
// normal: a node that has just joined is still tainted, a registry hiccups.
const stuckAfter = 15 * time.Second

// podWait waits for pods and tells the observer about each step.
type podWait struct {
	env       *Env
	namespace string
	// items are the changes whose pods are waited for; they are completed with what became of them.
	items []*Change
	seen  map[string]*podProgress
	// stuckAfter is as the constant; tests shorten it.
	stuckAfter time.Duration
}

// podProgress is how far one pod has come.
type podProgress struct {
	state podstate.State
	// stuckSince is when the pod got stuck; zero if it is not.
	stuckSince time.Time
}

// waitForPods waits until each pod among the changes is ready or has ended, or cannot start, and
// completes the changes with what became of it. Changes that failed already are left out. If ctx ends
// first, the changes say how far the pods were; being canceled is an error, a deadline is not.
func waitForPods(ctx context.Context, env *Env, namespace string, changes []Change) error {
	wait := &podWait{env: env, namespace: namespace, seen: map[string]*podProgress{}, stuckAfter: stuckAfter}
	for i := range changes {
		if changes[i].Err == nil {
			wait.items = append(wait.items, &changes[i])
		}
	}
	if len(wait.items) == 0 {
		return nil
	}
	return wait.run(ctx)
}

func (w *podWait) run(ctx context.Context) error {
	pods, err := w.pods()
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	err = pods.until(ctx, tick.C, w.look)
	late := errors.Is(err, context.DeadlineExceeded)
	w.report(ctx, late)
	if late {
		return nil
	}
	return err
}

// pods is the collection to watch: one pod by its name, several by the label that ours carry.
func (w *podWait) pods() (collection[*corev1.Pod], error) {
	quick, err := w.env.Cluster.Kubernetes()
	if err != nil {
		return collection[*corev1.Pod]{}, err
	}
	patient, err := w.env.Cluster.Streaming()
	if err != nil {
		return collection[*corev1.Pod]{}, err
	}
	pods := podCollection(quick, patient, w.namespace)
	switch {
	case len(w.items) == 1:
		pods.options.FieldSelector = fields.OneTermEqualSelector("metadata.name", w.items[0].Object.Name).String()
	case w.allOurs():
		pods.options.LabelSelector = ManagedByLabel + "=" + ManagedBy
	}
	return pods, nil
}

func (w *podWait) allOurs() bool {
	for _, item := range w.items {
		if item.After == nil || item.After.GetLabels()[ManagedByLabel] != ManagedBy {
			return false
		}
	}
	return true
}

func podCollection(quick, patient kubernetes.Interface, namespace string) collection[*corev1.Pod] {
	return collection[*corev1.Pod]{
		list: func(ctx context.Context, options metav1.ListOptions) ([]*corev1.Pod, string, error) {
			list, err := quick.CoreV1().Pods(namespace).List(ctx, options)
			if err != nil {
				return nil, "", err
			}
			pods := make([]*corev1.Pod, len(list.Items))
			for i := range list.Items {
				pods[i] = &list.Items[i]
			}
			return pods, list.ResourceVersion, nil
		},
		watch: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return patient.CoreV1().Pods(namespace).Watch(ctx, options)
		},
	}
}

// look takes note of the pods' states and reports whether there is nothing left to wait for.
func (w *podWait) look(pods map[string]*corev1.Pod) bool {
	done, news := 0, []string(nil)
	for _, item := range w.items {
		name := item.Object.Name
		state := stateOf(pods[w.namespace+"/"+name])
		if w.note(name, state) {
			news = append(news, name)
		}
		if w.settled(name) {
			done++
		}
	}
	for _, name := range news {
		w.env.Observe(Progress{Subject: "pod/" + name, Message: w.seen[name].state.Message, Done: done, Total: len(w.items)})
	}
	if len(news) > 0 {
		w.env.Observe(Partial{Document: w.document()})
	}
	return done == len(w.items)
}

// stateOf is a pod's state; a pod that is gone has been deleted by somebody.
func stateOf(pod *corev1.Pod) podstate.State {
	if pod == nil {
		return podstate.State{Phase: podstate.Failed, Reason: "Deleted", Message: "was deleted while waiting"}
	}
	return podstate.Of(pod)
}

// note keeps a pod's state and reports whether it says something new.
func (w *podWait) note(name string, state podstate.State) bool {
	before := w.seen[name]
	now := &podProgress{state: state}
	w.seen[name] = now
	if state.Phase == podstate.Stuck {
		now.stuckSince = w.env.Time()
		if before != nil && !before.stuckSince.IsZero() {
			now.stuckSince = before.stuckSince
		}
	}
	return before == nil || before.state != state
}

// settled reports whether waiting for a pod any longer is useless.
func (w *podWait) settled(name string) bool {
	p := w.seen[name]
	switch p.state.Phase {
	case podstate.Ready, podstate.Succeeded, podstate.Failed:
		return true
	case podstate.Stuck:
		return w.env.Time().Sub(p.stuckSince) >= w.stuckAfter
	}
	return false
}

// document is the checklist so far.
func (w *podWait) document() *document.Document {
	verdicts := make(document.Verdicts, len(w.items))
	for i, item := range w.items {
		state := w.seen[item.Object.Name].state
		verdicts[i] = document.Verdict{
			Status:  phaseStatus(state.Phase),
			Subject: item.Object.String(),
			Message: state.Message,
			Hint:    state.Hint,
		}
	}
	return new(document.Document).Add(verdicts)
}

func phaseStatus(phase podstate.Phase) document.Status {
	switch phase {
	case podstate.Ready, podstate.Succeeded:
		return document.OK
	case podstate.Stuck:
		return document.Attention
	case podstate.Failed, podstate.Deleting:
		return document.Failed
	default:
		return document.Pending
	}
}

// report completes the changes with what became of their pods.
func (w *podWait) report(ctx context.Context, late bool) {
	for _, item := range w.items {
		progress, seen := w.seen[item.Object.Name]
		if !seen {
			continue
		}
		state := progress.state
		if state.Phase == podstate.Ready || state.Phase == podstate.Succeeded {
			item.Message = state.Message
			continue
		}
		if state.Phase == podstate.Starting {
			state = w.withLastWarning(ctx, item.Object.Name, state)
		}
		item.notReady(state, late)
	}
}

// notReady says that the pod is there, but of no use yet.
func (c *Change) notReady(state podstate.State, late bool) {
	message := fmt.Sprintf("%s %s, but it is not ready: %s", c.Object, c.Outcome, state.Message)
	hint := state.Hint
	if late && hint == "" {
		hint = "wait longer with --timeout, or look at it: kubectl lab describe pod " + c.Object.Name + inNamespace(c.Object.Namespace)
	}
	c.Message = "not ready: " + state.Message
	c.Err = &Error{Message: message, Hint: hint, Code: ExitFailed}
}

// withLastWarning adds what the kubelet says in events only, such as a volume that it cannot mount.
// The wait's own ctx may have ended, so this takes a moment of its own.
func (w *podWait) withLastWarning(ctx context.Context, name string, state podstate.State) podstate.State {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	client, err := w.env.Cluster.Kubernetes()
	if err != nil {
		return state
	}
	events, err := client.CoreV1().Events(w.namespace).List(ctx, metav1.ListOptions{FieldSelector: fields.SelectorFromSet(fields.Set{
		"involvedObject.kind": "Pod", "involvedObject.name": name, "type": corev1.EventTypeWarning,
	}).String()})
	if err != nil || len(events.Items) == 0 {
		return state
	}
	last := events.Items[0]
	for _, event := range events.Items {
		if eventTime(event).After(eventTime(last)) {
			last = event
		}
	}
	state.Message += "; last warning: " + last.Reason + ": " + last.Message
	return state
}

// eventTime is when an event last happened; the fields in use depend on who reported it.
func eventTime(e corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	default:
		return e.EventTime.Time
	}
}

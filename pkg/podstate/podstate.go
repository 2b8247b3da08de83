// Package podstate says in words how far a pod is and, when it cannot start, why and what to do.
//
// The API spreads that over the phase, conditions, and the states of containers and init containers
// (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/); Of reads them in the order in
// which a pod goes through them.
package podstate

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Phase is how far a pod is, as somebody who waits for it counts.
type Phase int

// The phases.
const (
	// Starting pods are on their way; nothing is known to be wrong.
	Starting Phase = iota
	// Ready pods run, and every container is ready.
	Ready
	// Succeeded pods ran to their end.
	Succeeded
	// Stuck pods cannot start without somebody's help. Kubernetes keeps trying.
	Stuck
	// Failed pods have ended and will not be started again.
	Failed
	// Deleting pods are going away.
	Deleting
)

func (p Phase) String() string {
	switch p {
	case Ready:
		return "ready"
	case Succeeded:
		return "succeeded"
	case Stuck:
		return "stuck"
	case Failed:
		return "failed"
	case Deleting:
		return "deleting"
	default:
		return "starting"
	}
}

// State is a pod's condition in words.
type State struct {
	Phase Phase
	// Reason is Kubernetes' own word for it, such as "ImagePullBackOff"; empty if there is none.
	Reason string
	// Container is the container concerned; empty if it is the pod as a whole.
	Container string
	// Message says what happens or what is wrong, naming the container and image.
	Message string
	// Hint says what to do about it; empty if there is nothing to do.
	Hint string
}

// Of reads a pod's state.
func Of(pod *corev1.Pod) State {
	if pod.DeletionTimestamp != nil {
		return State{Phase: Deleting, Reason: "Terminating", Message: "being deleted"}
	}
	for _, look := range []func(*corev1.Pod) (State, bool){ended, unscheduled, initializing, containers} {
		if state, found := look(pod); found {
			return state
		}
	}
	return running(pod)
}

// ended covers pods whose phase is final.
func ended(pod *corev1.Pod) (State, bool) {
	switch pod.Status.Phase {
	case corev1.PodSucceeded:
		return State{Phase: Succeeded, Reason: "Completed", Message: "ran to its end"}, true
	case corev1.PodFailed:
		return failed(pod), true
	}
	return State{}, false
}

func failed(pod *corev1.Pod) State {
	for _, c := range inOrder(pod) {
		if t := c.status.State.Terminated; t != nil && t.ExitCode != 0 {
			return State{
				Phase:     Failed,
				Reason:    orElse(t.Reason, "Error"),
				Container: c.status.Name,
				Message:   c.String() + " " + lastWords(t),
				Hint:      logsHint(pod, c, false),
			}
		}
	}
	state := State{Phase: Failed, Reason: orElse(pod.Status.Reason, "Failed"), Message: "failed"}
	if text := clean(pod.Status.Message); text != "" {
		state.Message = "failed: " + text
	}
	if pod.Status.Reason == "Evicted" {
		state.Message = "evicted from " + orElse(pod.Spec.NodeName, "its node") + ": " + clean(pod.Status.Message)
		state.Hint = "the node ran short of what the message names; free it, then create the pod again"
	}
	return state
}

// unscheduled covers pods that have no node yet.
func unscheduled(pod *corev1.Pod) (State, bool) {
	if pod.Spec.NodeName != "" {
		return State{}, false
	}
	condition := conditionOf(pod, corev1.PodScheduled)
	switch {
	case condition == nil || condition.Status == corev1.ConditionTrue:
		return State{Phase: Starting, Reason: "Pending", Message: "waiting for the scheduler"}, true
	case condition.Reason == corev1.PodReasonSchedulingGated:
		return State{Phase: Starting, Reason: condition.Reason, Message: "held back by a scheduling gate"}, true
	case condition.Reason != corev1.PodReasonUnschedulable:
		return State{Phase: Starting, Reason: condition.Reason, Message: "waiting for the scheduler: " + clean(condition.Message)}, true
	}
	return State{
		Phase:   Stuck,
		Reason:  condition.Reason,
		Message: "no node can take it: " + withoutPreemption(condition.Message),
		Hint:    unschedulableHint(pod, condition.Message),
	}, true
}

// initializing covers pods whose init containers have not all finished.
func initializing(pod *corev1.Pod) (State, bool) {
	done := 0
	for i := range pod.Status.InitContainerStatuses {
		c := container{&pod.Status.InitContainerStatuses[i], true}
		if c.finished(pod) {
			done++
			continue
		}
		if state, stuck := c.trouble(pod); stuck {
			return state, true
		}
		return State{
			Phase:     Starting,
			Reason:    fmt.Sprintf("Init:%d/%d", done, len(pod.Spec.InitContainers)),
			Container: c.status.Name,
			Message:   c.doing(pod),
		}, true
	}
	return State{}, false
}

// containers covers containers that wait or keep failing.
func containers(pod *corev1.Pod) (State, bool) {
	for i := range pod.Status.ContainerStatuses {
		c := container{&pod.Status.ContainerStatuses[i], false}
		if state, stuck := c.trouble(pod); stuck {
			return state, true
		}
	}
	for i := range pod.Status.ContainerStatuses {
		if c := (container{&pod.Status.ContainerStatuses[i], false}); c.status.State.Waiting != nil {
			return State{
				Phase:     Starting,
				Reason:    orElse(c.status.State.Waiting.Reason, "Waiting"),
				Container: c.status.Name,
				Message:   c.doing(pod),
			}, true
		}
	}
	return State{}, false
}

// running covers what is left: pods that run, and those that a kubelet has not looked at yet.
func running(pod *corev1.Pod) State {
	if pod.Status.Phase != corev1.PodRunning {
		return State{Phase: Starting, Reason: "Pending", Message: "waiting for " + pod.Spec.NodeName + " to start it"}
	}
	ready := conditionOf(pod, corev1.PodReady)
	if ready != nil && ready.Status == corev1.ConditionTrue {
		return State{Phase: Ready, Reason: "Running", Message: runningOn(pod)}
	}
	for i := range pod.Status.ContainerStatuses {
		c := container{&pod.Status.ContainerStatuses[i], false}
		if c.status.Ready {
			continue
		}
		state := State{Phase: Starting, Reason: "Running", Container: c.status.Name, Message: c.doing(pod)}
		if c.status.State.Running != nil {
			state.Message += " but not ready yet"
		}
		return state
	}
	return State{Phase: Starting, Reason: "Running", Message: "running but not ready yet"}
}

func runningOn(pod *corev1.Pod) string {
	words := "running on " + pod.Spec.NodeName
	if pod.Status.PodIP != "" {
		words += ", " + pod.Status.PodIP
	}
	return words
}

func conditionOf(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// clean makes a message of the kubelet or the scheduler one readable line.
func clean(message string) string { return strings.Join(strings.Fields(message), " ") }

package podstate

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// withoutPreemption drops the scheduler's second sentence, which says why evicting other pods would
// not help either.
func withoutPreemption(message string) string {
	message, _, _ = strings.Cut(clean(message), " preemption: ")
	message = strings.TrimSuffix(message, " no new claims to deallocate,") // the same, of dynamic resources
	return strings.TrimSuffix(message, ".")
}

// unschedulableHint says what would make room, by the scheduler's reasons
// (k8s.io/kubernetes/pkg/scheduler/framework/plugins, the ErrReason constants). Taints come last: the
// control plane's is among the reasons nearly always, and seldom the one that matters.
func unschedulableHint(pod *corev1.Pod, message string) string {
	for _, reason := range []struct{ says, hint string }{
		{"didn't match Pod's node affinity/selector", selectorHint(pod)},
		{"Insufficient ", "free resources on the nodes, or ask for less in the pod's requests"},
		{"Too many pods", "the nodes are full: delete pods or add a node"},
		{"unbound immediate PersistentVolumeClaims", "look at the claim: kubectl describe pvc"},
		{"persistentvolumeclaim ", "create the claim that the message names"},
		{"didn't have free ports", "another pod uses the host port already"},
		{"were unschedulable", "a node is cordoned: kubectl uncordon NODE"},
		{"no nodes available to schedule pods", "the cluster has no node: add one"},
		{"untolerated taint", "a taint keeps it away: kubectl describe node shows it; wait, remove it, or tolerate it"},
	} {
		if reason.hint != "" && strings.Contains(message, reason.says) {
			return reason.hint
		}
	}
	return "look at the nodes: kubectl lab describe cluster"
}

func selectorHint(pod *corev1.Pod) string {
	if len(pod.Spec.NodeSelector) == 0 {
		return "no node fits the pod's affinity: see the labels with kubectl lab label nodes --list"
	}
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(pod.Spec.NodeSelector)) {
		pairs = append(pairs, key+"="+pod.Spec.NodeSelector[key])
	}
	return "no free node has the labels it asks for; label one: kubectl lab label nodes NODE " + strings.Join(pairs, " ")
}

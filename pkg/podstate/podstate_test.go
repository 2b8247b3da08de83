package podstate_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-lab/kubectl-lab/pkg/podstate"
)

// pod is a pod with one init container and one container, on k8s02 unless changed.
func pod(changes ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "lab"},
		Spec: corev1.PodSpec{
			NodeName:       "k8s02",
			InitContainers: []corev1.Container{{Name: "init", Image: "alpine:latest"}},
			Containers:     []corev1.Container{{Name: "web", Image: "nginx:1.15"}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	for _, change := range changes {
		change(p)
	}
	return p
}

func unscheduled(reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.NodeName = ""
		p.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason, Message: message,
		}}
	}
}

func phase(phase corev1.PodPhase) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.Phase = phase }
}

func initState(status corev1.ContainerStatus) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		status.Name = "init"
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{status}
	}
}

func state(status corev1.ContainerStatus) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		status.Name = "web"
		p.Status.ContainerStatuses = []corev1.ContainerStatus{status}
	}
}

func waiting(reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}
}

func terminated(code int32, reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}}}
}

func crashing(restarts int32, last corev1.ContainerStatus) corev1.ContainerStatus {
	status := waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container")
	status.RestartCount, status.LastTerminationState = restarts, last.State
	return status
}

func running(ready bool) corev1.ContainerStatus {
	return corev1.ContainerStatus{Ready: ready, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
}

func ready(p *corev1.Pod) {
	p.Status.PodIP = "10.233.65.2"
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
}

const noNode = "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."

func TestOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		pod  *corev1.Pod
		want podstate.State
	}{
		{"not looked at by the scheduler", pod(func(p *corev1.Pod) { p.Spec.NodeName = "" }),
			podstate.State{Reason: "Pending", Message: "waiting for the scheduler"}},
		{"gated", pod(unscheduled("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")),
			podstate.State{Reason: "SchedulingGated", Message: "held back by a scheduling gate"}},
		{"scheduler in trouble", pod(unscheduled("SchedulerError", "etcd is\n slow")),
			podstate.State{Reason: "SchedulerError", Message: "waiting for the scheduler: etcd is slow"}},
		{"no node has the labels", pod(unscheduled("Unschedulable", noNode), func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"zone": "a", "node": "node09"} }),
			podstate.State{
				Phase: podstate.Stuck, Reason: "Unschedulable",
				Message: "no node can take it: 0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't match Pod's node affinity/selector",
				Hint:    "no free node has the labels it asks for; label one: kubectl lab label nodes NODE node=node09 zone=a",
			}},
		{"no node fits the affinity", pod(unscheduled("Unschedulable", "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.")),
			podstate.State{
				Phase: podstate.Stuck, Reason: "Unschedulable",
				Message: "no node can take it: 0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector",
				Hint:    "no node fits the pod's affinity: see the labels with kubectl lab label nodes --list",
			}},
		{"too big", pod(unscheduled("Unschedulable", "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu.")),
			podstate.State{
				Phase: podstate.Stuck, Reason: "Unschedulable",
				Message: "no node can take it: 0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu",
				Hint:    "free resources on the nodes, or ask for less in the pod's requests",
			}},
		{"tainted", pod(unscheduled("Unschedulable", "0/1 nodes are available: 1 node(s) had untolerated taint(s).")),
			podstate.State{
				Phase: podstate.Stuck, Reason: "Unschedulable",
				Message: "no node can take it: 0/1 nodes are available: 1 node(s) had untolerated taint(s)",
				Hint:    "a taint keeps it away: kubectl describe node shows it; wait, remove it, or tolerate it",
			}},
		{"for another reason", pod(unscheduled("Unschedulable", "0/1 nodes are available: something new.")),
			podstate.State{
				Phase: podstate.Stuck, Reason: "Unschedulable",
				Message: "no node can take it: 0/1 nodes are available: something new",
				Hint:    "look at the nodes: kubectl lab describe cluster",
			}},
		{"not seen by the kubelet", pod(),
			podstate.State{Reason: "Pending", Message: "waiting for k8s02 to start it"}},
		{"init container starts", pod(initState(waiting("PodInitializing", ""))),
			podstate.State{Reason: "Init:0/1", Container: "init", Message: `init container "init" waits for the init containers`}},
		{"init container runs", pod(initState(running(false))),
			podstate.State{Reason: "Init:0/1", Container: "init", Message: `init container "init" is running`}},
		{"init image missing", pod(initState(waiting("ErrImagePull", "rpc error: code = NotFound desc = failed to pull"))),
			podstate.State{
				Phase: podstate.Stuck, Reason: "ErrImagePull", Container: "init",
				Message: `init container "init": image "alpine:latest" cannot be pulled: failed to pull`,
				Hint:    "check the image's name and tag; a private registry needs an image pull secret",
			}},
		{"init container keeps failing", pod(initState(crashing(3, terminated(127, "Error", "")))),
			podstate.State{
				Phase: podstate.Stuck, Reason: "CrashLoopBackOff", Container: "init",
				Message: `init container "init" keeps ending: it last ended with exit code 127 (the command was not found) (3 restarts)`,
				Hint:    "see what it wrote: kubectl lab logs web -n lab -c init --previous",
			}},
		{"sidecar has started", pod(func(p *corev1.Pod) {
			always, started := corev1.ContainerRestartPolicyAlways, true
			p.Spec.InitContainers[0].RestartPolicy = &always
			status := running(true)
			status.Started = &started
			initState(status)(p)
		}, state(waiting("ContainerCreating", ""))),
			podstate.State{Reason: "ContainerCreating", Container: "web", Message: `k8s02 prepares container "web" (image nginx:1.15)`}},
		{"container is made", pod(initState(terminated(0, "Completed", "")), state(waiting("ContainerCreating", ""))),
			podstate.State{Reason: "ContainerCreating", Container: "web", Message: `k8s02 prepares container "web" (image nginx:1.15)`}},
		{"image missing", pod(state(waiting("ImagePullBackOff", `Back-off pulling image "nginx:1.15": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image: not found`))),
			podstate.State{
				Phase: podstate.Stuck, Reason: "ImagePullBackOff", Container: "web",
				Message: `container "web": image "nginx:1.15" cannot be pulled: failed to pull and unpack image: not found`,
				Hint:    "check the image's name and tag; a private registry needs an image pull secret",
			}},
		{"image missing, in the words of older kubelets", pod(state(waiting("ImagePullBackOff", `Back-off pulling image "nginx:1.15"`))),
			podstate.State{
				Phase: podstate.Stuck, Reason: "ImagePullBackOff", Container: "web",
				Message: `container "web": image "nginx:1.15" cannot be pulled`,
				Hint:    "check the image's name and tag; a private registry needs an image pull secret",
			}},
		{"no such secret", pod(state(waiting("CreateContainerConfigError", `secret "db" not found`))),
			podstate.State{
				Phase: podstate.Stuck, Reason: "CreateContainerConfigError", Container: "web",
				Message: `container "web" cannot be set up: secret "db" not found`,
				Hint:    "create what the message names, or correct the pod's definition",
			}},
		{"no such command", pod(state(waiting("RunContainerError", `exec: "sleeep": executable file not found in $PATH`))),
			podstate.State{
				Phase: podstate.Stuck, Reason: "RunContainerError", Container: "web",
				Message: `container "web" cannot be started: exec: "sleeep": executable file not found in $PATH`,
				Hint:    "check the container's command, ports and volumes",
			}},
		{"keeps failing, with last words", pod(phase(corev1.PodRunning), state(crashing(5, terminated(1, "Error", "starting\nno such host: db\n")))),
			podstate.State{
				Phase: podstate.Stuck, Reason: "CrashLoopBackOff", Container: "web",
				Message: `container "web" keeps ending: it last ended with exit code 1: no such host: db (5 restarts)`,
				Hint:    "see what it wrote: kubectl lab logs web -n lab -c web --previous",
			}},
		{"keeps failing, nothing known", pod(phase(corev1.PodRunning), state(crashing(5, corev1.ContainerStatus{}))),
			podstate.State{
				Phase: podstate.Stuck, Reason: "CrashLoopBackOff", Container: "web",
				Message: `container "web" keeps ending (5 restarts)`,
				Hint:    "see what it wrote: kubectl lab logs web -n lab -c web --previous",
			}},
		{"too much memory", pod(phase(corev1.PodFailed), state(terminated(137, "OOMKilled", ""))),
			podstate.State{
				Phase: podstate.Failed, Reason: "OOMKilled", Container: "web",
				Message: `container "web" ended with exit code 137 (OOMKilled: it used more memory than its limit)`,
				Hint:    "see what it wrote: kubectl lab logs web -n lab -c web",
			}},
		{"init container failed for good", pod(phase(corev1.PodFailed), initState(terminated(2, "Error", "sh: 1: hostnam: not found"))),
			podstate.State{
				Phase: podstate.Failed, Reason: "Error", Container: "init",
				Message: `init container "init" ended with exit code 2: sh: 1: hostnam: not found`,
				Hint:    "see what it wrote: kubectl lab logs web -n lab -c init",
			}},
		{"evicted", pod(phase(corev1.PodFailed), func(p *corev1.Pod) {
			p.Status.Reason, p.Status.Message = "Evicted", "The node was low on resource: memory."
		}),
			podstate.State{
				Phase: podstate.Failed, Reason: "Evicted",
				Message: "evicted from k8s02: The node was low on resource: memory.",
				Hint:    "the node ran short of what the message names; free it, then create the pod again",
			}},
		{"refused by the kubelet", pod(phase(corev1.PodFailed), func(p *corev1.Pod) {
			p.Status.Reason, p.Status.Message = "NodeAffinity", "Pod was rejected"
		}),
			podstate.State{Phase: podstate.Failed, Reason: "NodeAffinity", Message: "failed: Pod was rejected"}},
		{"done", pod(phase(corev1.PodSucceeded)),
			podstate.State{Phase: podstate.Succeeded, Reason: "Completed", Message: "ran to its end"}},
		{"running, not ready", pod(phase(corev1.PodRunning), state(running(false))),
			podstate.State{Reason: "Running", Container: "web", Message: `container "web" is running but not ready yet`}},
		{"running, one container has ended", pod(phase(corev1.PodRunning), state(terminated(3, "Error", ""))),
			podstate.State{Reason: "Running", Container: "web", Message: `container "web" ended with exit code 3`}},
		{"running, a readiness gate is closed", pod(phase(corev1.PodRunning), state(running(true))),
			podstate.State{Reason: "Running", Message: "running but not ready yet"}},
		{"ready", pod(phase(corev1.PodRunning), state(running(true)), ready),
			podstate.State{Phase: podstate.Ready, Reason: "Running", Message: "running on k8s02, 10.233.65.2"}},
		{"going away", pod(phase(corev1.PodRunning), ready, func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }),
			podstate.State{Phase: podstate.Deleting, Reason: "Terminating", Message: "being deleted"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, podstate.Of(test.pod)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestPhasesHaveWords(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for phase := podstate.Starting; phase <= podstate.Deleting; phase++ {
		if word := phase.String(); word == "" || seen[word] {
			t.Errorf("phase %d has the word %q", phase, word)
		} else {
			seen[word] = true
		}
	}
}

package podstate

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// container is one container's status, and whether it is an init container.
type container struct {
	status *corev1.ContainerStatus
	init   bool
}

// inOrder lists the containers in the order in which they start.
func inOrder(pod *corev1.Pod) []container {
	var all []container
	for i := range pod.Status.InitContainerStatuses {
		all = append(all, container{&pod.Status.InitContainerStatuses[i], true})
	}
	for i := range pod.Status.ContainerStatuses {
		all = append(all, container{&pod.Status.ContainerStatuses[i], false})
	}
	return all
}

func (c container) String() string {
	if c.init {
		return fmt.Sprintf("init container %q", c.status.Name)
	}
	return fmt.Sprintf("container %q", c.status.Name)
}

// finished reports whether an init container no longer holds up the pod: it has succeeded, or it is
// a sidecar (restartPolicy Always) that has started.
// See https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/.
func (c container) finished(pod *corev1.Pod) bool {
	if t := c.status.State.Terminated; t != nil && t.ExitCode == 0 {
		return true
	}
	return c.isSidecar(pod) && c.status.Started != nil && *c.status.Started
}

func (c container) isSidecar(pod *corev1.Pod) bool {
	spec := c.spec(pod)
	return c.init && spec != nil && spec.RestartPolicy != nil && *spec.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func (c container) spec(pod *corev1.Pod) *corev1.Container {
	list := pod.Spec.Containers
	if c.init {
		list = pod.Spec.InitContainers
	}
	i := slices.IndexFunc(list, func(s corev1.Container) bool { return s.Name == c.status.Name })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func (c container) image(pod *corev1.Pod) string {
	if spec := c.spec(pod); spec != nil {
		return spec.Image
	}
	return c.status.Image
}

// doing says what a container that is not in trouble is doing.
func (c container) doing(pod *corev1.Pod) string {
	switch {
	case c.status.State.Running != nil:
		return c.String() + " is running"
	case c.status.State.Waiting != nil && c.status.State.Waiting.Reason == "PodInitializing":
		return c.String() + " waits for the init containers"
	case c.status.State.Terminated != nil:
		return c.String() + " " + lastWords(c.status.State.Terminated)
	}
	return fmt.Sprintf("%s prepares %s (image %s)", orElse(pod.Spec.NodeName, "the node"), c, c.image(pod))
}

// trouble says why a container cannot start, if so.
func (c container) trouble(pod *corev1.Pod) (State, bool) {
	waiting := c.status.State.Waiting
	if waiting == nil {
		return State{}, false
	}
	kind, known := troubles()[waiting.Reason]
	if !known {
		return State{}, false
	}
	state := State{Phase: Stuck, Reason: waiting.Reason, Container: c.status.Name}
	switch kind {
	case badImage:
		state.Message = fmt.Sprintf("%s: image %q cannot be pulled", c, c.image(pod))
		state.Hint = "check the image's name and tag; a private registry needs an image pull secret"
	case badConfig:
		state.Message = fmt.Sprintf("%s cannot be set up", c)
		state.Hint = "create what the message names, or correct the pod's definition"
	case badStart:
		state.Message = fmt.Sprintf("%s cannot be started", c)
		state.Hint = "check the container's command, ports and volumes"
	case crashing:
		state.Message = fmt.Sprintf("%s keeps ending (%d restarts)", c, c.status.RestartCount)
		state.Hint = logsHint(pod, c, true)
		if t := c.status.LastTerminationState.Terminated; t != nil {
			state.Message = fmt.Sprintf("%s keeps ending: it last %s (%d restarts)", c, lastWords(t), c.status.RestartCount)
		}
		return state, true
	}
	if text := imageMessage(waiting.Message); text != "" {
		state.Message += ": " + text
	}
	return state, true
}

type troubleKind int

const (
	badImage troubleKind = iota
	badConfig
	badStart
	crashing
)

// troubles are the waiting reasons that do not go away by themselves.
// Source: k8s.io/kubernetes/pkg/kubelet/images/types.go and pkg/kubelet/container/sync_result.go.
func troubles() map[string]troubleKind {
	return map[string]troubleKind{
		"ImagePullBackOff":           badImage,
		"ErrImagePull":               badImage,
		"ErrImageNeverPull":          badImage,
		"InvalidImageName":           badImage,
		"ImageInspectError":          badImage,
		"RegistryUnavailable":        badImage,
		"SignatureValidationFailed":  badImage,
		"CreateContainerConfigError": badConfig,
		"CreateContainerError":       badStart,
		"RunContainerError":          badStart,
		"PreStartHookError":          badStart,
		"PostStartHookError":         badStart,
		"CrashLoopBackOff":           crashing,
	}
}

// lastWords says how a container ended: the exit code, what it usually means, and what the container
// left as its termination message.
func lastWords(t *corev1.ContainerStateTerminated) string {
	words := fmt.Sprintf("ended with exit code %d", t.ExitCode)
	if meaning := exitMeaning(t); meaning != "" {
		words += " (" + meaning + ")"
	}
	if text := lastLine(t.Message); text != "" {
		words += ": " + text
	}
	return words
}

func exitMeaning(t *corev1.ContainerStateTerminated) string {
	if t.Reason == "OOMKilled" {
		return "OOMKilled: it used more memory than its limit"
	}
	switch t.ExitCode {
	case 126:
		return "the command is not executable"
	case 127:
		return "the command was not found"
	case 137:
		return "killed"
	case 139:
		return "segmentation fault"
	case 143:
		return "asked to stop"
	}
	if t.Reason != "" && t.Reason != "Error" && t.Reason != "Completed" {
		return t.Reason
	}
	return ""
}

// lastLine is the last line of a termination message: the error itself, by custom.
func lastLine(message string) string {
	lines := strings.Split(strings.TrimSpace(message), "\n")
	return clean(lines[len(lines)-1])
}

// imageMessage leaves out the layers that the kubelet wraps around the cause.
func imageMessage(message string) string {
	message = clean(message)
	if strings.HasPrefix(message, "Back-off pulling image") {
		_, cause, _ := strings.Cut(message, `": `)
		message = cause
	}
	for _, prefix := range []string{"ErrImagePull: ", "rpc error: code = NotFound desc = ", "rpc error: code = Unknown desc = "} {
		message = strings.TrimPrefix(message, prefix)
	}
	return message
}

// logsHint is the command that shows what the container wrote.
func logsHint(pod *corev1.Pod, c container, previous bool) string {
	line := "see what it wrote: kubectl lab logs " + pod.Name
	if pod.Namespace != "" {
		line += " -n " + pod.Namespace
	}
	if len(pod.Spec.Containers)+len(pod.Spec.InitContainers) > 1 {
		line += " -c " + c.status.Name
	}
	if previous {
		line += " --previous"
	}
	return line
}

package checks

import (
	"context"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-lab/kubectl-lab/pkg/podstate"
)

// closeLooks is how many troubled pods are looked at closely: each costs a request or two.
const closeLooks = 5

// closeLook is what reading a whole pod tells beyond its row in the table.
type closeLook struct{ message, hint string }

// lookClosely reads the first few of these pods, side by side. A pod that may not be read, or that is
// gone, stays without words.
func (s *Snapshot) lookClosely(ctx context.Context, troubled []pod) []closeLook {
	looks := make([]closeLook, min(len(troubled), closeLooks))
	var g errgroup.Group
	for i := range looks {
		g.Go(func() error {
			looks[i] = s.lookAt(ctx, troubled[i])
			return nil
		})
	}
	_ = g.Wait() // lookAt returns no error
	return looks
}

func (s *Snapshot) lookAt(ctx context.Context, p pod) closeLook {
	full, err := s.source.Kubernetes.CoreV1().Pods(p.namespace).Get(ctx, p.name, metav1.GetOptions{})
	if err != nil {
		return closeLook{}
	}
	state := podstate.Of(full)
	look := closeLook{message: state.Message, hint: state.Hint}
	if state.Reason == "CrashLoopBackOff" && !saidGoodbye(full, state.Container) {
		look.message += s.lastLogLine(ctx, p, state.Container)
	}
	return look
}

// saidGoodbye reports whether a container left a termination message, which is in the words already.
func saidGoodbye(p *corev1.Pod, container string) bool {
	for _, c := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		if c.Name == container && c.LastTerminationState.Terminated != nil {
			return c.LastTerminationState.Terminated.Message != ""
		}
	}
	return false
}

// maxLastWords bounds what is repeated of a container's log.
const maxLastWords = 200

// lastLogLine is the last line that a container wrote before it ended, if it may be read.
func (s *Snapshot) lastLogLine(ctx context.Context, p pod, container string) string {
	one := int64(1)
	stream, err := s.source.Kubernetes.CoreV1().Pods(p.namespace).GetLogs(p.name, &corev1.PodLogOptions{
		Container: container, Previous: true, TailLines: &one,
	}).Stream(ctx)
	if err != nil {
		return ""
	}
	defer stream.Close()
	text, err := io.ReadAll(io.LimitReader(stream, 64<<10))
	line := printable(strings.TrimSpace(string(text)))
	if err != nil || line == "" {
		return ""
	}
	if len(line) > maxLastWords {
		line = line[:maxLastWords] + "…"
	}
	return fmt.Sprintf("; its last words: %q", line)
}

// printable replaces what would move a terminal's cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// waitingStatuses are the values of the STATUS column of pods on their way.
func waitingStatus(status string) bool {
	switch status {
	case "Pending", "ContainerCreating", "PodInitializing", "SchedulingGated", "Unknown":
		return true
	}
	return strings.HasPrefix(status, "Init:") && strings.Contains(status, "/")
}

func checkPending(ctx context.Context, s *Snapshot) Outcome {
	var waiting []pod
	for _, p := range s.pods.get() {
		if p.deleted == nil && waitingStatus(p.status) && s.age(p.created) > s.patience {
			waiting = append(waiting, p)
		}
	}
	return s.troubles(ctx, waiting)
}

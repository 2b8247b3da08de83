package traffic

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// Sender runs the pod that sends the requests.
type Sender struct {
	// Client must have no request timeout: the pod's output is followed.
	Client kubernetes.Interface
	// Namespace is where the pod runs.
	Namespace string
	// Image needs a POSIX shell and busybox' or a compatible wget.
	Image string
	// Labels are set on the pod.
	Labels map[string]string
	// StartTimeout bounds how long the pod may take to start.
	StartTimeout time.Duration
}

// Load says what to send.
type Load struct {
	// URLs get the requests in turn.
	URLs []string
	// Count is the number of requests; 0 means until ctx ends.
	Count int
	// Timeout bounds each request; whole seconds, at least one.
	Timeout time.Duration
	// Pause is between two requests.
	Pause time.Duration
}

// lifetime ends a sending pod by itself, should nobody be left to delete it.
const lifetime = time.Hour

// cleanupTimeout bounds the deletion of the pod after ctx has ended.
const cleanupTimeout = 10 * time.Second

// PodPrefix begins the sending pods' names.
const PodPrefix = "lab-traffic-"

// Try asks the API server whether it would admit the pod, and creates none.
func (s Sender) Try(ctx context.Context, load Load) error {
	_, err := s.Client.CoreV1().Pods(s.Namespace).Create(ctx, s.pod(load), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return fmt.Errorf("trying the pod that sends the requests: %w", err)
	}
	return nil
}

// Send starts the pod, hands each answer to got as it comes, and deletes the pod, also when ctx ends
// meanwhile. It returns when all requests are answered, or with ctx's error.
func (s Sender) Send(ctx context.Context, load Load, got func(Answer)) (err error) {
	pod, err := s.Client.CoreV1().Pods(s.Namespace).Create(ctx, s.pod(load), metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("creating the pod that sends the requests: %w", err)
	}
	defer func() { err = errors.Join(err, s.remove(ctx, pod.Name)) }()
	if err := s.waitStarted(ctx, pod.Name); err != nil {
		return err
	}
	return s.follow(ctx, pod.Name, load, got)
}

func (s Sender) pod(load Load) *corev1.Pod {
	env := map[string]string{
		"COUNT":   strconv.Itoa(load.Count),
		"URLS":    strings.Join(load.URLs, " "),
		"TIMEOUT": strconv.Itoa(max(1, int(load.Timeout.Seconds()))),
		"PAUSE":   strconv.FormatFloat(load.Pause.Seconds(), 'f', -1, 64),
	}
	container := corev1.Container{
		Name:    "send",
		Image:   s.Image,
		Command: []string{"sh", "-c", script},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false),
			RunAsNonRoot:             ptr.To(true),
			RunAsUser:                ptr.To(int64(65534)), // nobody
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
	for _, name := range []string{"COUNT", "URLS", "TIMEOUT", "PAUSE"} {
		container.Env = append(container.Env, corev1.EnvVar{Name: name, Value: env[name]})
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: PodPrefix, Namespace: s.Namespace, Labels: s.Labels},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			Containers:                    []corev1.Container{container},
			ActiveDeadlineSeconds:         ptr.To(int64(lifetime.Seconds())),
			TerminationGracePeriodSeconds: ptr.To(int64(0)),
			AutomountServiceAccountToken:  ptr.To(false),
			EnableServiceLinks:            ptr.To(false),
		},
	}
}

// remove deletes the pod even if ctx has ended.
func (s Sender) remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	err := s.Client.CoreV1().Pods(s.Namespace).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting pod %q, which sent the requests: %w", name, err)
	}
	return nil
}

// NotStartedError says why the sending pod did not start.
type NotStartedError struct {
	Pod    string
	Image  string
	Reason string
}

func (e *NotStartedError) Error() string {
	return fmt.Sprintf("pod %q (image %s), which sends the requests, did not start: %s", e.Pod, e.Image, e.Reason)
}

func (s Sender) waitStarted(ctx context.Context, name string) error {
	reason := "no node has taken it yet"
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, s.StartTimeout, true, func(ctx context.Context) (bool, error) {
		pod, err := s.Client.CoreV1().Pods(s.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		if r := waitingReason(pod); r != "" {
			reason = r
		}
		return pod.Status.Phase != corev1.PodPending, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return &NotStartedError{Pod: name, Image: s.Image, Reason: reason}
	}
	return err
}

func waitingReason(pod *corev1.Pod) string {
	for _, status := range pod.Status.ContainerStatuses {
		if w := status.State.Waiting; w != nil && w.Reason != "" {
			return strings.TrimSpace(w.Reason + " " + w.Message)
		}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return condition.Message
		}
	}
	return ""
}

// follow reads the pod's output to its end.
func (s Sender) follow(ctx context.Context, name string, load Load, got func(Answer)) error {
	stream, err := s.Client.CoreV1().Pods(s.Namespace).GetLogs(name, &corev1.PodLogOptions{Follow: true}).Stream(ctx)
	if err != nil {
		return fmt.Errorf("reading the answers from pod %q: %w", name, err)
	}
	defer stream.Close()
	lines := bufio.NewScanner(stream)
	p := parser{}
	count := 0
	for lines.Scan() {
		answer, err := p.parse(lines.Text())
		if err != nil {
			return err
		}
		count++
		got(answer)
	}
	if err := cmpErr(ctx.Err(), lines.Err()); err != nil {
		return err
	}
	if load.Count > 0 && count < load.Count {
		return fmt.Errorf("pod %q ended after %d of %d requests", name, count, load.Count)
	}
	return nil
}

// cmpErr prefers ctx's error, which explains the stream's.
func cmpErr(ctxErr, streamErr error) error {
	if ctxErr != nil {
		return ctxErr
	}
	return streamErr
}

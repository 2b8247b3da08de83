package simnode

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// followInterval is how often a followed container says something.
const followInterval = 2 * time.Second

// logTimeFormat is what kubelet writes with --timestamps (CRI: RFC 3339 with nanoseconds, fixed width).
const logTimeFormat = "2006-01-02T15:04:05.000000000Z07:00"

type logLine struct {
	time time.Time
	text string
}

// logLines makes up what a container wrote since it was started.
func logLines(pod *corev1.Pod, container *corev1.Container, status *corev1.ContainerStatus) []logLine {
	started := pod.CreationTimestamp.Time
	ended := false
	switch {
	case status == nil:
	case status.State.Running != nil:
		started = status.State.Running.StartedAt.Time
	case status.State.Terminated != nil:
		started, ended = status.State.Terminated.StartedAt.Time, true
	}
	texts := []string{
		fmt.Sprintf("container %s of pod %s/%s started on node %s", container.Name, pod.Namespace, pod.Name, pod.Spec.NodeName),
		fmt.Sprintf("image %s", container.Image),
		"this pod is simulated: nothing runs, and these lines are made up",
	}
	if ended {
		texts = append(texts, "container ended with exit code 0")
	}
	lines := make([]logLine, len(texts))
	for i, text := range texts {
		lines[i] = logLine{time: started.Add(time.Duration(i) * time.Millisecond), text: text}
	}
	return lines
}

// logOptions are the query parameters of PodLogOptions that matter here.
type logOptions struct {
	follow, previous, timestamps bool
	tail, limit                  int64 // -1: all
	since                        time.Time
}

func parseLogOptions(query url.Values, now time.Time) (logOptions, error) {
	options := logOptions{tail: -1, limit: -1}
	for name, value := range map[string]*bool{
		"follow": &options.follow, "previous": &options.previous, "timestamps": &options.timestamps,
	} {
		parsed, err := strconv.ParseBool(orElse(query.Get(name), "false"))
		if err != nil {
			return options, fmt.Errorf("%s: %w", name, err)
		}
		*value = parsed
	}
	seconds := int64(-1)
	for name, value := range map[string]*int64{
		"tailLines": &options.tail, "limitBytes": &options.limit, "sinceSeconds": &seconds,
	} {
		parsed, err := strconv.ParseInt(orElse(query.Get(name), "-1"), 10, 64)
		if err != nil {
			return options, fmt.Errorf("%s: %w", name, err)
		}
		*value = parsed
	}
	if seconds >= 0 {
		options.since = now.Add(-time.Duration(seconds) * time.Second)
	}
	if text := query.Get("sinceTime"); text != "" {
		since, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return options, fmt.Errorf("sinceTime: %w", err)
		}
		options.since = since
	}
	return options, nil
}

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// logs answers as kubelet does, errors included.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	pod, ok := s.pod(w, r)
	if !ok {
		return
	}
	options, err := parseLogOptions(r.URL.Query(), time.Now())
	if err != nil {
		http.Error(w, "unable to decode query: "+err.Error(), http.StatusBadRequest)
		return
	}
	name := r.PathValue("container")
	container, status := findContainer(pod, name)
	switch {
	case container == nil:
		http.Error(w, fmt.Sprintf("container %q not found in pod %q", name, pod.Name), http.StatusBadRequest)
		return
	case options.previous:
		http.Error(w, fmt.Sprintf("previous terminated container %q in pod %q not found", name, pod.Name), http.StatusBadRequest)
		return
	case status == nil || status.State.Waiting != nil:
		http.Error(w, waitingMessage(pod, name, status), http.StatusBadRequest)
		return
	}
	out := &logWriter{out: w, options: options, left: options.limit}
	lines := logLines(pod, container, status)
	out.writeAll(lines)
	if options.follow && status.State.Running != nil {
		s.follow(r.Context(), out, pod)
	}
}

func waitingMessage(pod *corev1.Pod, container string, status *corev1.ContainerStatus) string {
	message := fmt.Sprintf("container %q in pod %q is waiting to start", container, pod.Name)
	if status == nil || status.State.Waiting == nil {
		return message + ": PodInitializing"
	}
	if reason := status.State.Waiting.Reason; reason == "ImagePullBackOff" || reason == "ErrImagePull" {
		return message + ": trying and failing to pull image"
	}
	return message + ": " + status.State.Waiting.Reason
}

// follow adds a line now and then until the pod is gone or the client is.
func (s *Server) follow(ctx context.Context, out *logWriter, pod *corev1.Pod) {
	ticker := time.NewTicker(followInterval)
	defer ticker.Stop()
	for count := 1; !out.full(); count++ {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			current, err := s.pods.byName(ctx, pod.Namespace, pod.Name)
			if err != nil || current.UID != pod.UID || current.Status.Phase != corev1.PodRunning {
				return
			}
			out.write(logLine{time: now, text: fmt.Sprintf("still simulated (%d)", count)})
		}
	}
}

// logWriter writes lines the way a client asked for.
type logWriter struct {
	out     http.ResponseWriter
	options logOptions
	left    int64 // bytes, -1: no limit
}

func (w *logWriter) full() bool { return w.left == 0 }

func (w *logWriter) writeAll(lines []logLine) {
	if tail := w.options.tail; tail >= 0 && tail < int64(len(lines)) {
		lines = lines[int64(len(lines))-tail:]
	}
	for _, line := range lines {
		w.write(line)
	}
	_ = http.NewResponseController(w.out).Flush() // headers at least; a client that left is noticed later
}

func (w *logWriter) write(line logLine) {
	if line.time.Before(w.options.since) {
		return
	}
	text := line.text + "\n"
	if w.options.timestamps {
		text = line.time.UTC().Format(logTimeFormat) + " " + text
	}
	if w.left >= 0 {
		text = text[:min(int64(len(text)), w.left)]
		w.left -= int64(len(text))
	}
	_, _ = io.WriteString(w.out, text)            // a client that left is noticed by its context
	_ = http.NewResponseController(w.out).Flush() // likewise
}

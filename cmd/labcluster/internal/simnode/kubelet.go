package simnode

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// Limits of streams, as kubelet has them (--streaming-connection-idle-timeout).
const streamIdle = 4 * time.Hour

// kubeletHandler is the part of the kubelet's API that the API server uses
// (k8s.io/kubernetes/pkg/kubelet/server).
func (s *Server) kubeletHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.logs)
	for _, method := range []string{http.MethodGet, http.MethodPost} { // WebSocket, SPDY
		mux.HandleFunc(method+" /exec/{namespace}/{pod}/{container}", s.exec)
		mux.HandleFunc(method+" /attach/{namespace}/{pod}/{container}", s.attach)
		mux.HandleFunc(method+" /portForward/{namespace}/{pod}", s.portForward)
	}
	return mux
}

func (s *Server) exec(w http.ResponseWriter, r *http.Request) {
	pod, container, ok := s.running(w, r)
	if !ok {
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(w, r, simulation{pod, container}, pod.Name, string(pod.UID), container.Name,
		r.URL.Query()["command"], options, streamIdle,
		remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (s *Server) attach(w http.ResponseWriter, r *http.Request) {
	pod, container, ok := s.running(w, r)
	if !ok {
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeAttach(w, r, simulation{pod, container}, pod.Name, string(pod.UID), container.Name,
		options, streamIdle, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (s *Server) portForward(w http.ResponseWriter, r *http.Request) {
	pod, ok := s.pod(w, r)
	if !ok {
		return
	}
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, r, simulation{pod: pod}, pod.Name, string(pod.UID), options, streamIdle,
		remotecommand.DefaultStreamCreationTimeout, portforward.SupportedProtocols)
}

// pod finds the pod that a request is about, or answers the request.
func (s *Server) pod(w http.ResponseWriter, r *http.Request) (*corev1.Pod, bool) {
	namespace, name := r.PathValue("namespace"), r.PathValue("pod")
	pod, err := s.pods.byName(r.Context(), namespace, name)
	switch {
	case apierrors.IsNotFound(err):
		http.Error(w, "pod does not exist", http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
	return pod, err == nil
}

// running finds the container that a request is about, or answers the request if it doesn't run.
func (s *Server) running(w http.ResponseWriter, r *http.Request) (*corev1.Pod, *corev1.Container, bool) {
	pod, ok := s.pod(w, r)
	if !ok {
		return nil, nil, false
	}
	name := r.PathValue("container")
	container, status := findContainer(pod, name)
	if container == nil || status == nil || status.State.Running == nil {
		http.Error(w, fmt.Sprintf("container not found (%q)", name), http.StatusNotFound)
		return nil, nil, false
	}
	return pod, container, true
}

// findContainer finds a container of either kind, and its status if it has one.
func findContainer(pod *corev1.Pod, name string) (*corev1.Container, *corev1.ContainerStatus) {
	kinds := []struct {
		containers []corev1.Container
		statuses   []corev1.ContainerStatus
	}{
		{pod.Spec.Containers, pod.Status.ContainerStatuses},
		{pod.Spec.InitContainers, pod.Status.InitContainerStatuses},
	}
	for _, kind := range kinds {
		for i := range kind.containers {
			if kind.containers[i].Name == name {
				return &kind.containers[i], findStatus(kind.statuses, name)
			}
		}
	}
	return nil, nil
}

func findStatus(statuses []corev1.ContainerStatus, name string) *corev1.ContainerStatus {
	for i := range statuses {
		if statuses[i].Name == name {
			return &statuses[i]
		}
	}
	return nil
}

// simulation is a container that does nothing.
type simulation struct {
	pod       *corev1.Pod
	container *corev1.Container
}

// ExecInContainer implements remotecommand.Executor.
func (s simulation) ExecInContainer(_ context.Context, _, _, _ string, command []string, _ io.Reader,
	out, errOut io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	answer := s.answer(command)
	if errOut == nil {
		errOut = out
	}
	return answer.write(out, errOut)
}

// AttachContainer implements remotecommand.Attacher.
func (s simulation) AttachContainer(_ context.Context, _, _, _ string, _ io.Reader,
	out, _ io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize) error {
	if out == nil {
		return nil
	}
	for _, line := range logLines(s.pod, s.container, nil) {
		if _, err := fmt.Fprintln(out, line.text); err != nil {
			return err
		}
	}
	return nil
}

// PortForward implements portforward.PortForwarder.
func (s simulation) PortForward(_ context.Context, _, _ string, _ int32, stream io.ReadWriteCloser) error {
	return answerHTTP(stream, s.pod.Name)
}

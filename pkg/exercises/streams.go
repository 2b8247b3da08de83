package exercises

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// execIn runs a command in a pod's container and returns both of its outputs.
func (r *run) execIn(ctx context.Context, pod *corev1.Pod, container string, command []string) (string, error) {
	executor, err := r.execution(pod, &corev1.PodExecOptions{Container: container, Command: command, Stdout: true, Stderr: true})
	if err != nil {
		return "", err
	}
	var output outputs
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &output, Stderr: &output})
	return output.String(), err
}

// outputs collects what several streams write at once, possibly still while it is read: when ctx ends, nobody
// waits for the streams. A bytes.Buffer would lose some of it: io.Copy has it read a stream by itself, and
// the one that ends last puts its length back to where it began.
type outputs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *outputs) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *outputs) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// execution speaks WebSocket, and SPDY with servers before v1.30 (KEP-4006), as kubectl does.
func (r *run) execution(pod *corev1.Pod, options *corev1.PodExecOptions) (remotecommand.Executor, error) {
	request := r.Kubernetes.CoreV1().RESTClient().Post().
		Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("exec").
		VersionedParams(options, scheme.ParameterCodec)
	old, err := remotecommand.NewSPDYExecutor(r.Config, http.MethodPost, request.URL())
	if err != nil {
		return nil, err
	}
	current, err := remotecommand.NewWebSocketExecutor(r.Config, http.MethodGet, request.URL().String())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(current, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
}

// http asks a pod through a port-forward and expects something of the answer.
func (r *run) http(ctx context.Context, h HTTP) (string, error) {
	pod, err := r.pod(ctx, h.Ref)
	if err != nil {
		return "", err
	}
	body, err := r.forwarded(ctx, pod, h.Port)
	if err != nil {
		return "", fmt.Errorf("through a port-forward to pod/%s: %w", pod.Name, err)
	}
	if !strings.Contains(body, h.Contains) {
		return "", fmt.Errorf("pod/%s answered %q, want %q in it", pod.Name, oneLine(body), h.Contains)
	}
	return fmt.Sprintf("pod/%s answered %q", pod.Name, oneLine(body)), nil
}

// forwarded forwards a free local port to the pod's, asks once, and ends the forwarding.
func (r *run) forwarded(ctx context.Context, pod *corev1.Pod, port int) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	forwarder, ready, err := r.forwarder(ctx, pod, port)
	if err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-ended:
		return "", err
	case <-ctx.Done():
		return "", ctx.Err()
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return "", err
	}
	return get(ctx, http.DefaultClient, fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local))
}

func (r *run) forwarder(ctx context.Context, pod *corev1.Pod, port int) (*portforward.PortForwarder, chan struct{}, error) {
	transport, upgrader, err := spdy.RoundTripperFor(r.Config)
	if err != nil {
		return nil, nil, err
	}
	url := r.Kubernetes.CoreV1().RESTClient().Post().
		Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	ready := make(chan struct{})
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, ctx.Done(), ready, io.Discard, io.Discard)
	return forwarder, ready, err
}

// get is one request; the answer is bounded.
func get(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	return string(body), err
}

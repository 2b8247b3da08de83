package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// dialPod opens a TCP connection to a pod's port through the API server, as kubectl port-forward
// does, but without listening on this machine. The caller closes it.
func dialPod(ctx context.Context, s Source, namespace, name string, port int) (io.ReadWriteCloser, error) {
	target := s.Kubernetes.CoreV1().RESTClient().Post().
		Resource("pods").Namespace(namespace).Name(name).SubResource("portforward").URL()
	dialer, err := podDialer(s.Config, target)
	if err != nil {
		return nil, err
	}
	type dialed struct {
		conn io.ReadWriteCloser
		err  error
	}
	done := make(chan dialed, 1)
	go func() { // the dialers know no context
		conn, err := openStream(dialer, port)
		done <- dialed{conn, err}
	}()
	select {
	case d := <-done:
		return d.conn, d.err
	case <-ctx.Done():
		go func() {
			if d := <-done; d.err == nil {
				_ = d.conn.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// podDialer speaks WebSockets, as API servers since v1.31 do (KEP-4006), else SPDY.
func podDialer(cfg *rest.Config, target *url.URL) (httpstream.Dialer, error) {
	transport, upgrader, err := spdy.RoundTripperFor(cfg)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	dialer, err := portforward.NewSPDYOverWebsocketDialerForStreaming(target, cfg)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(dialer, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}

// podStream is the data stream of a forwarded port, and what the kubelet says on the error stream.
type podStream struct {
	httpstream.Stream
	conn httpstream.Connection
	// heard is closed once the error stream has ended; complaint is there then.
	heard     chan struct{}
	complaint error
}

func openStream(dialer httpstream.Dialer, port int) (*podStream, error) {
	conn, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, err
	}
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	complaints, err := conn.CreateStream(headers)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the error stream: %w", err), conn.Close())
	}
	_ = complaints.Close() // only our own half: nothing is written to it
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := conn.CreateStream(headers)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the data stream: %w", err), conn.Close())
	}
	s := &podStream{Stream: data, conn: conn, heard: make(chan struct{})}
	go s.listen(complaints)
	return s, nil
}

// maxComplaint bounds what a kubelet may say about a port that it cannot reach.
const maxComplaint = 4 << 10

// listen ends the connection if the kubelet could not reach the port.
func (s *podStream) listen(complaints io.Reader) {
	defer close(s.heard)
	message, err := io.ReadAll(io.LimitReader(complaints, maxComplaint))
	s.complaint = err
	if len(message) > 0 {
		s.complaint = errors.New(printable(string(message)))
		_ = s.conn.Close()
	}
}

// Read implements io.Reader. If the kubelet complained, its words say more than the closed stream. It
// ends the error stream with the other, and Close ends both.
func (s *podStream) Read(p []byte) (int, error) {
	n, err := s.Stream.Read(p)
	if err == nil {
		return n, nil
	}
	if <-s.heard; s.complaint != nil {
		return n, s.complaint
	}
	return n, err
}

// Close implements io.Closer.
func (s *podStream) Close() error { return s.conn.Close() }

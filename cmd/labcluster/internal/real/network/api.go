//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/place"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/topology"
)

// balancer finds an API server that answers.
type balancer struct {
	dir  cluster.Dir
	last atomic.Pointer[string] // the one that answered last
}

// dial connects to an API server: the one that answered last, else the first that does.
func (b *balancer) dial(ctx context.Context) (net.Conn, error) {
	endpoints, err := b.endpoints()
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, endpoint := range endpoints {
		dialer := net.Dialer{Timeout: dialTimeout}
		connection, err := dialer.DialContext(ctx, "tcp", endpoint)
		if err == nil {
			b.last.Store(&endpoint)
			return connection, nil
		}
		failures = append(failures, err)
	}
	return nil, fmt.Errorf("no API server answers: %w", errors.Join(failures...))
}

// endpoints lists the API servers. The cluster's settings are read each time: nodes come and go.
func (b *balancer) endpoints() ([]string, error) {
	config, err := cluster.Load(b.dir)
	if err != nil {
		return nil, err
	}
	nodes, err := topology.Nodes(config)
	if err != nil {
		return nil, err
	}
	var endpoints []string
	if last := b.last.Load(); last != nil {
		endpoints = append(endpoints, *last)
	}
	for _, node := range nodes {
		if hasAPIServer(config, node.Name) {
			endpoints = append(endpoints, node.APIEndpoint())
		}
	}
	return endpoints, nil
}

// hasAPIServer tells by the static pod that kubeadm wrote.
func hasAPIServer(config *cluster.Config, node string) bool {
	_, err := os.Stat(filepath.Join(place.Root(config, node), "etc/kubernetes/manifests/kube-apiserver.yaml"))
	return err == nil
}

// forward passes connections on to an API server. A connection that finds none is closed.
func forward(ctx context.Context, listener net.Listener, to *balancer) error {
	for {
		client, err := listener.Accept()
		if err != nil {
			return fmt.Errorf("offer the API: %w", err)
		}
		go func() {
			defer client.Close()
			server, err := to.dial(ctx)
			if err != nil {
				fmt.Fprintln(os.Stderr, "network:", err)
				return
			}
			defer server.Close()
			join(client.(*net.TCPConn), server.(*net.TCPConn))
		}()
	}
}

// join copies both ways until both sides have ended.
func join(a, b *net.TCPConn) {
	done := make(chan struct{})
	go func() {
		copyHalf(a, b)
		close(done)
	}()
	copyHalf(b, a)
	<-done
}

// copyHalf copies one way, and passes on the end. An error is the end of that way too.
func copyHalf(to, from *net.TCPConn) {
	_, _ = io.Copy(to, from)
	_ = to.CloseWrite()
	_ = from.CloseRead()
}

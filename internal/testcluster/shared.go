package testcluster

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
)

// Shared is the one cluster of a package's tests. The first test that needs it starts it, so that unit
// tests and fuzzing do without. The zero value is ready for use.
type Shared struct {
	// Options say what cluster it is.
	Options Options

	mu      sync.Mutex
	cluster *Cluster
	err     error
}

// Run runs the tests of m, stops the cluster if there is one, and returns the exit code for os.Exit.
func (s *Shared) Run(m *testing.M) int {
	code := m.Run()
	if s.cluster == nil {
		return code
	}
	if err := s.cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "testcluster:", err)
		return max(code, 1)
	}
	return code
}

// Cluster returns the cluster, and starts it if it is the first time. If that fails, it fails every test
// that asks.
func (s *Shared) Cluster(tb testing.TB) *Cluster {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == nil && s.err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout) // it outlives the test
		defer cancel()
		s.cluster, s.err = Start(ctx, s.Options)
	}
	if s.err != nil {
		tb.Fatal(s.err)
	}
	return s.cluster
}

// Inventory is the Kubespray inventory, in INI, of the cluster that the zero Options make.
const Inventory = `
[all]
k8s01 ip=192.168.0.104
k8s02 ip=192.168.0.105
k8s03 ip=192.168.0.106
[kube_control_plane]
k8s01
[etcd]
k8s01
[kube_node]
k8s01
k8s02
k8s03
[k8s_cluster:children]
kube_control_plane
kube_node
[all:vars]
kube_version=1.37.2
kube_network_plugin=cni
kube_network_plugin_multus=False
kube_service_addresses=10.233.0.0/18
kube_pods_subnet=10.233.64.0/18
enable_dual_stack_networks=False
dns_domain=cluster.local
kube_proxy_mode=nftables
container_manager=containerd
etcd_deployment_type=kubeadm
metrics_server_enabled=False
`

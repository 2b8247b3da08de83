package checks

import (
	"errors"
	"strings"
	"testing"

	"github.com/kubectl-lab/kubectl-lab/pkg/components"
)

// installedPlugin is what a network plugin is made of, as its own manifests or Kubespray's call it.
type installedPlugin struct {
	name    string
	objects []string // KIND NAMESPACE NAME; the first is on every node
	says    string
	status  Status
}

func installedPlugins() []installedPlugin {
	return []installedPlugin{
		{"calico", []string{"DaemonSet kube-system calico-node", "Deployment kube-system calico-kube-controllers"}, "Calico", StatusOK},
		{"cilium", []string{"DaemonSet kube-system cilium", "Deployment kube-system cilium-operator", "Deployment kube-system hubble-relay"}, "Cilium", StatusOK},
		{"flannel", []string{"DaemonSet kube-system kube-flannel"}, "Flannel", StatusOK},
		{"flannel", []string{"DaemonSet kube-flannel kube-flannel-ds-amd64"}, "Flannel", StatusOK},
		{"kube-ovn", []string{"DaemonSet kube-system kube-ovn-cni", "DaemonSet kube-system ovs-ovn", "DaemonSet kube-system kube-ovn-pinger", "Deployment kube-system kube-ovn-controller", "Deployment kube-system ovn-central", "Deployment kube-system kube-ovn-monitor"}, "Kube-OVN", StatusOK},
		{"kube-router", []string{"DaemonSet kube-system kube-router"}, "kube-router", StatusOK},
		{"multus", []string{"DaemonSet kube-system kube-multus-ds-amd64"}, "none of the plugins", StatusSkipped}, // it runs beside another one
		{"weave", []string{"DaemonSet kube-system weave-net"}, "Weave Net (Kubespray dropped it in v2.29)", StatusFailed},
		{"canal", []string{"DaemonSet kube-system canal-node"}, "Canal (Kubespray dropped it in v2.22)", StatusFailed},
		{"contiv", []string{"DaemonSet kube-system contiv-netplugin"}, "Contiv (Kubespray dropped it in v2.15)", StatusFailed},
		{"antrea", []string{"DaemonSet kube-system antrea-agent", "Deployment kube-system antrea-controller"}, "Antrea", StatusOK},
		{"kindnet", []string{"DaemonSet kube-system kindnet"}, "kindnet", StatusOK},
		{"amazon-vpc-cni", []string{"DaemonSet kube-system aws-node"}, "Amazon VPC CNI", StatusOK},
	}
}

// with makes a snapshot of two nodes and these objects. The first of them lacks some nodes.
func (p installedPlugin) with(lacking int32) *Snapshot {
	s := NewSnapshot(Source{}, Config{})
	byKind := map[string][]workload{}
	for i, object := range p.objects {
		words := strings.Fields(object)
		w := workload{kind: words[0], namespace: words[1], name: words[2], observed: true, desired: 2, ready: 2}
		if i == 0 {
			w.desired, w.ready = w.desired-lacking, w.ready-lacking
		}
		byKind[w.kind] = append(byKind[w.kind], w)
	}
	s.nodes = answered([]node{{name: "a"}, {name: "b"}}, nil)
	s.daemonSets, s.deployments = answered(byKind["DaemonSet"], nil), answered(byKind["Deployment"], nil)
	return s
}

func TestPlugins(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range installedPlugins() {
		t.Run(p.objects[0], func(t *testing.T) {
			seen[p.name] = true
			verifyOutcome(t, checkPlugin(t.Context(), p.with(0)), p.status, p.says)
			verifyOutcome(t, checkPluginComplete(t.Context(), p.with(0)), StatusOK, strings.Fields(p.objects[0])[2])
			verifyOutcome(t, checkPluginComplete(t.Context(), p.with(1)), StatusFailed, "runs on 1 of 2 nodes")
		})
	}
	for _, p := range components.Plugins() {
		if !seen[p.Name] {
			t.Errorf("no case for %s", p.Name)
		}
	}
}

func TestPluginRange(t *testing.T) {
	tests := []struct {
		name      string
		objects   []string
		set       func(*Snapshot)
		want, why string
	}{
		{"no plugin", nil, func(*Snapshot) {}, "", ""},
		{"Calico", []string{"DaemonSet kube-system calico-node"}, func(s *Snapshot) { s.ipPools = answered([]string{"10.1.0.0/16", "fd00::/64"}, nil) }, "10.1.0.0/16,fd00::/64", ""},
		{"Flannel", []string{"DaemonSet kube-system kube-flannel"}, func(s *Snapshot) { s.flannel = answered("10.2.0.0/16", nil) }, "10.2.0.0/16", ""},
		{"Cilium", []string{"DaemonSet kube-system cilium"}, func(s *Snapshot) {
			s.cilium = answered(map[string]string{"cluster-pool-ipv4-cidr": "10.3.0.0/16"}, nil)
		}, "10.3.0.0/16", ""},
		{"one that tells nothing", []string{"DaemonSet kube-system kindnet"}, func(*Snapshot) {}, "", ""},
		{"one that cannot be read", []string{"DaemonSet kube-system kube-flannel"}, func(s *Snapshot) { s.flannel = answered("", errors.New("broken")) }, "", "Flannel's configuration: broken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := installedPlugin{objects: tt.objects}.with(0)
			tt.set(s)
			if got, why := s.pluginRange(t.Context()); got != tt.want || why != tt.why {
				t.Errorf("%q %q, want %q %q", got, why, tt.want, tt.why)
			}
		})
	}
}

package installlog

import (
	"slices"
	"strings"
)

// Phase is one play of Kubespray's playbooks/cluster.yml, its imports expanded.
type Phase struct {
	Number int    `json:"number"` // from 1; 0 stands for a play that is not one of cluster.yml
	Name   string `json:"name"`
	// Optional phases have no hosts in most clusters.
	Optional bool `json:"optional,omitempty"`

	others []string // names that older releases used
}

// Phases returns the plays of a Kubespray run in their order, as of v2.31.0.
func Phases() []Phase {
	return []Phase{
		{Number: 1, Name: "Check Ansible version", others: []string{"Check ansible version", "localhost"}},
		{Number: 2, Name: "Inventory setup and validation", others: []string{
			"Define groups for legacy less structured inventories", "Check inventory settings",
			"Add kube-master nodes to kube_control_plane", "Add kube-node nodes to kube_node", "Add k8s-cluster nodes to k8s_cluster",
			"Add calico-rr nodes to calico_rr", "Add no-floating nodes to no_floating",
		}},
		{Number: 3, Name: "Install bastion ssh config", Optional: true, others: []string{"bastion[0]"}},
		{Number: 4, Name: "Bootstrap hosts for Ansible"},
		{Number: 5, Name: "Gather facts"},
		{Number: 6, Name: "Prepare for etcd install"},
		{Number: 7, Name: "Add worker nodes to the etcd play if needed"},
		{Number: 8, Name: "Install etcd", others: []string{"etcd", "etcd:kube_control_plane"}},
		{Number: 9, Name: "Install Kubernetes nodes"},
		{Number: 10, Name: "Install the control plane"},
		{Number: 11, Name: "Invoke kubeadm and install a CNI"},
		{Number: 12, Name: "Install Calico Route Reflector", Optional: true, others: []string{"calico_rr"}},
		{Number: 13, Name: "Patch Kubernetes for Windows", others: []string{"kube_control_plane[0]"}},
		{Number: 14, Name: "Install Kubernetes apps"},
		{Number: 15, Name: "Apply resolv.conf changes now that cluster DNS is up"},
	}
}

// recurring are the host patterns that name several plays of the releases before v2.22.0, whose plays
// have no names of their own. Which play it is depends on how far the run has come.
type recurring struct {
	patterns []string
	before   int // applies while the furthest phase is below this
	phase    int
}

func recurringPlays() []recurring {
	first := []string{"k8s_cluster:etcd", "k8s_cluster:etcd:calico_rr"}
	cluster := []string{"k8s_cluster", "k8s_cluster:calico_rr"}
	control := []string{"kube_control_plane"}
	return []recurring{
		{first, 4, 4}, {first, 100, 6},
		{cluster, 10, 9}, {cluster, 14, 11}, {cluster, 100, 15},
		{control, 11, 10}, {control, 100, 14},
	}
}

// phaseOf finds the phase of a play by its name.
func phaseOf(play string, furthest int) Phase {
	name := strings.NewReplacer("kube-master", "kube_control_plane", "k8s-cluster", "k8s_cluster", "calico-rr", "calico_rr").Replace(play)
	for _, p := range Phases() {
		if p.Name == play || slices.Contains(p.others, play) || slices.Contains(p.others, name) {
			p.others = nil
			return p
		}
	}
	for _, r := range recurringPlays() {
		if furthest < r.before && slices.Contains(r.patterns, name) {
			p := Phases()[r.phase-1]
			p.others = nil
			return p
		}
	}
	return Phase{Name: play}
}

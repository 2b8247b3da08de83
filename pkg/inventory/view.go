package inventory

import (
	"math/big"
	"slices"
)

// The names of Kubespray's groups, new and old. The new ones are Kubespray's since v2.16.0.
const (
	groupControlPlane = "kube_control_plane"
	groupNode         = "kube_node"
	groupCluster      = "k8s_cluster"
	groupCalicoRR     = "calico_rr"
	groupEtcd         = "etcd"

	oldControlPlane = "kube-master"
	oldNode         = "kube-node"
	oldCluster      = "k8s-cluster"
	oldCalicoRR     = "calico-rr"
)

// dynamicGroup is a group that Kubespray fills at the beginning of a run from other groups.
type dynamicGroup struct {
	name string
	from []string
	lifetime
}

// dynamicGroups returns what roles/dynamic_groups, before v2.27.0 legacy_groups.yml, does. All of them
// look at the groups of the inventory, not at each other's work.
func dynamicGroups() []dynamicGroup {
	compatible := lifetime{Since: "v2.16.0"}
	return []dynamicGroup{
		{groupControlPlane, []string{oldControlPlane}, compatible},
		{groupNode, []string{oldNode}, compatible},
		{groupCalicoRR, []string{oldCalicoRR}, compatible},
		{"no_floating", []string{"no-floating"}, compatible},
		{groupCluster, []string{oldCluster}, lifetime{Since: "v2.16.0", Gone: "v2.27.0"}},
		{groupCluster, []string{groupNode, groupControlPlane, groupCalicoRR}, lifetime{Since: "v2.27.0"}},
	}
}

func dynamicGroupNames() []string {
	var names []string
	for _, d := range dynamicGroups() {
		if !slices.Contains(names, d.name) {
			names = append(names, d.name)
		}
	}
	return names
}

// View is the inventory as a Kubespray release sees it: with the groups that the release makes at the
// beginning of a run, and their group_vars.
type View struct {
	inv     *Inventory
	release string
	extra   map[*Host][]*Group // the groups that the release adds
	groups  map[*Host][]*Group // with those of the inventory, in the order of their precedence
	cluster []*Host
}

// View returns the inventory as seen by a Kubespray release, such as v2.31.0; "" stands for the release
// of the checkout that the inventory lies in, or else the newest.
func (inv *Inventory) View(release string) *View {
	if release == "" {
		release = inv.KubesprayRelease
	}
	v := &View{inv: inv, release: release, extra: map[*Host][]*Group{}, groups: map[*Host][]*Group{}}
	for _, d := range dynamicGroups() {
		if d.exists(release) {
			v.derive(d)
		}
	}
	for h := range v.extra {
		v.groups[h] = v.order(h)
	}
	v.cluster = unique(slices.Concat(v.ControlPlane(), v.Nodes(), v.CalicoRR(), v.hostsOf(groupCluster, oldCluster)))
	return v
}

// order merges the added groups, and those above them, with those of the inventory.
func (v *View) order(h *Host) []*Group {
	groups := h.Groups()
	for _, extra := range v.extra[h] {
		for g := range extra.walk(func(g *Group) []*Group { return g.parents }) {
			if g.Name != groupAll && !slices.Contains(groups, g) {
				groups = append(groups, g)
			}
		}
	}
	slices.SortFunc(groups, byPrecedence)
	return groups
}

func (v *View) groupsOf(h *Host) []*Group {
	if groups, ok := v.groups[h]; ok {
		return groups
	}
	return h.ordered
}

func (v *View) derive(d dynamicGroup) {
	target := v.inv.groups[d.name]
	for _, from := range d.from {
		for _, h := range v.inv.Group(from).Hosts() {
			if h.In(d.name) || slices.ContainsFunc(v.extra[h], func(g *Group) bool { return g.Name == d.name }) {
				continue
			}
			if target == nil {
				target = &Group{Name: d.name, parents: []*Group{v.inv.groups[groupAll]}, files: v.inv.dynamicVars[d.name], priority: big.NewInt(1), depth: 1}
			}
			v.extra[h] = append(v.extra[h], target)
		}
	}
}

// Release returns the Kubespray release of the view, "" if it is not known.
func (v *View) Release() string { return v.release }

// Inventory returns the inventory behind the view.
func (v *View) Inventory() *Inventory { return v.inv }

// Var returns a variable as Kubespray sees it on the host.
func (v *View) Var(h *Host, name string) (Variable, bool) { return h.varIn(name, v.groupsOf(h)) }

// Vars returns all variables of the host as Kubespray sees them, by name.
func (v *View) Vars(h *Host) map[string]Variable { return h.varsIn(v.groupsOf(h)) }

// ControlPlane returns the hosts of the control plane; Kubespray runs kubeadm init on the first.
func (v *View) ControlPlane() []*Host { return v.hostsOf(groupControlPlane, oldControlPlane) }

// Nodes returns the hosts that run the users' pods.
func (v *View) Nodes() []*Host { return v.hostsOf(groupNode, oldNode) }

// CalicoRR returns the route reflectors.
func (v *View) CalicoRR() []*Host { return v.hostsOf(groupCalicoRR, oldCalicoRR) }

// Etcd returns the members of etcd: the group etcd, or else the control plane.
func (v *View) Etcd() []*Host {
	if members := v.hostsOf(groupEtcd); len(members) > 0 {
		return members
	}
	return v.ControlPlane()
}

// Cluster returns every host that becomes a node of Kubernetes, the control plane first.
func (v *View) Cluster() []*Host { return slices.Clone(v.cluster) }

func (v *View) hostsOf(names ...string) []*Host {
	var hosts []*Host
	for _, name := range names {
		hosts = append(hosts, v.inv.Group(name).Hosts()...)
	}
	return unique(hosts)
}

func unique(hosts []*Host) []*Host {
	seen := make(map[*Host]bool, len(hosts))
	return slices.DeleteFunc(hosts, func(h *Host) bool {
		known := seen[h]
		seen[h] = true
		return known
	})
}

package inventory

import (
	"maps"
	"slices"
	"strings"
)

func groupChecks() []check {
	return []check{
		{"no-hosts", "the inventory has hosts", checkNoHosts},
		{"control-plane-empty", "the control plane has hosts", checkControlPlane},
		{"nodes-empty", "there are nodes for the users' pods", checkNodes},
		{"etcd-empty", "etcd has members", checkEtcdEmpty},
		{"etcd-even", "etcd has an odd number of members", checkEtcdEven},
		{"etcd-member-name", "the names of etcd's members are unique", checkEtcdNames},
		{"old-group-names", "the groups have the names that Kubespray uses since v2.16.0", checkOldNames},
		{"host-without-role", "every host is in a group that Kubespray knows", checkRoles},
	}
}

func checkNoHosts(c *checker) {
	if len(c.inv.Hosts()) == 0 {
		c.report(SeverityError, Position{File: c.inv.Path}, "add hosts to kube_control_plane, kube_node and etcd", "the inventory has no hosts")
	}
}

func (c *checker) groupPos(names ...string) Position {
	for _, name := range names {
		if g := c.inv.Group(name); g != nil {
			return g.Pos
		}
	}
	return Position{File: c.inv.Path}
}

func checkControlPlane(c *checker) {
	if len(c.inv.Hosts()) > 0 && len(c.view.ControlPlane()) == 0 {
		c.report(SeverityError, c.groupPos(groupControlPlane, oldControlPlane), "list at least one host in kube_control_plane", "the control plane is empty")
	}
}

// checkNodes: before v2.28.0 Kubespray stopped without nodes.
func checkNodes(c *checker) {
	if len(c.view.ControlPlane()) == 0 || len(c.view.Nodes()) > 0 {
		return
	}
	severity := SeverityWarning
	if r := c.view.Release(); r != "" && !atLeast(r, "v2.28.0") {
		severity = SeverityError
	}
	c.report(severity, c.groupPos(groupNode, oldNode), "list hosts in kube_node; hosts of the control plane may be there too",
		"kube_node is empty: nothing can run the users' pods")
}

func checkEtcdEmpty(c *checker) {
	etcd := c.inv.Group(groupEtcd)
	if len(etcd.Hosts()) > 0 || len(c.view.ControlPlane()) == 0 || c.declared.EtcdDeployment.Value == "kubeadm" {
		return
	}
	if etcd == nil {
		c.report(SeverityInfo, Position{File: c.inv.Path}, "", "there is no group etcd, so etcd runs on the control plane")
		return
	}
	c.report(SeverityError, etcd.Pos, "list an odd number of hosts in etcd, or put [etcd:children] with kube_control_plane below it", "the group etcd is empty")
}

func checkEtcdEven(c *checker) {
	members := c.view.Etcd()
	if n := len(members); n > 0 && n%2 == 0 {
		c.report(SeverityError, c.groupPos(groupEtcd, groupControlPlane, oldControlPlane), "add or remove a member",
			"etcd has %d members; an even number tolerates no more failures than %d do, and Kubespray stops", n, n-1)
	}
}

func checkEtcdNames(c *checker) {
	hosts := map[string]string{}
	for _, n := range c.declared.WithRole(RoleEtcd) {
		if !n.EtcdMember.Known() {
			continue
		}
		if other, taken := hosts[n.EtcdMember.Value]; taken {
			h := c.inv.Host(n.Host)
			v, _ := c.view.Var(h, "etcd_member_name")
			c.report(SeverityError, cmpPos(v.Pos, h.Pos), "give each member its own etcd_member_name", "%s and %s are both the etcd member %s", other, n.Host, n.EtcdMember.Value)
		}
		hosts[n.EtcdMember.Value] = n.Host
	}
}

func cmpPos(first, second Position) Position {
	if first != (Position{}) {
		return first
	}
	return second
}

// checkOldNames: since v2.27.0 Kubespray derives k8s_cluster from the new names only, so with old names
// alone its plays find no hosts and do nothing.
func checkOldNames(c *checker) {
	old := slices.DeleteFunc(slices.Sorted(maps.Keys(newNames())), func(name string) bool { return c.inv.Group(name) == nil })
	if len(old) == 0 {
		return
	}
	pos := c.groupPos(old...)
	anyNew := c.inv.Group(groupControlPlane) != nil || c.inv.Group(groupNode) != nil
	if c.inv.Group(groupCluster) == nil && !anyNew && (c.inv.Group(oldControlPlane) != nil || c.inv.Group(oldNode) != nil) {
		severity, applies := c.since("v2.27.0")
		if !applies {
			return
		}
		c.report(severity, pos, "rename the groups: kube-master to kube_control_plane, kube-node to kube_node, k8s-cluster to k8s_cluster, and group_vars/k8s-cluster too; "+
			"or add [k8s_cluster:children] with kube-master and kube-node below it",
			"all groups have their old names (%s): since Kubespray v2.27.0 its plays then skip every host", strings.Join(old, ", "))
		return
	}
	var renames []string
	for _, name := range old {
		renames = append(renames, name+" to "+newNames()[name])
	}
	c.report(SeverityInfo, pos, "rename "+strings.Join(renames, ", "), "old group names are in use: %s", strings.Join(old, ", "))
}

func checkRoles(c *checker) {
	known := map[*Host]bool{}
	for _, h := range slices.Concat(c.view.Cluster(), c.view.Etcd(), c.inv.Group("bastion").Hosts(), c.inv.Group("no_floating").Hosts(), c.inv.Group("no-floating").Hosts()) {
		known[h] = true
	}
	for _, h := range c.inv.Hosts() {
		if !known[h] && h.Name != "localhost" {
			c.report(SeverityInfo, h.Pos, "add it to kube_node, kube_control_plane, etcd or bastion", "host %s is in no group that Kubespray installs", h.Name)
		}
	}
}

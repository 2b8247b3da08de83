package inventory

import (
	"net/netip"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

func hostChecks() []check {
	return []check{
		{"hostname-invalid", "host names are valid names of nodes", checkHostnames},
		{"node-name-duplicate", "no two hosts become the same node", checkNodeNames},
		{"address-invalid", "ip, access_ip and ip6 are addresses", checkAddresses},
		{"address-duplicate", "no two hosts have the same address", checkDuplicateAddresses},
		{"labels-invalid", "node_labels are valid labels", checkLabels},
		{"taints-invalid", "node_taints are valid taints", checkTaints},
		{"memory-too-small", "hosts have the memory that Kubespray requires, if facts are known", checkMemory},
	}
}

// kubesprayHostname is the pattern that Kubespray's preinstall role checks (tasks/0040-verify-settings.yml).
var kubesprayHostname = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

func (c *checker) clusterNodes() []Node {
	var nodes []Node
	for _, n := range c.declared.Nodes {
		if n.InCluster() {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func checkHostnames(c *checker) {
	const fix = "use lower case letters, digits, - and . only, with a letter or a digit at both ends, 253 characters at most"
	for _, n := range c.declared.Nodes {
		h := c.inv.Host(n.Host)
		if !kubesprayHostname.MatchString(n.Host) || len(n.Host) > validation.DNS1123SubdomainMaxLength {
			c.report(SeverityError, h.Pos, fix, "the host name %q cannot be the name of a node", n.Host)
			continue
		}
		if n.Name.State == Declared && (!kubesprayHostname.MatchString(n.Name.Value) || len(n.Name.Value) > validation.DNS1123SubdomainMaxLength) {
			v, _ := c.view.Var(h, "kube_override_hostname")
			c.report(SeverityError, v.Pos, fix, "kube_override_hostname of %s, %q, cannot be the name of a node", n.Host, n.Name.Value)
		}
	}
}

func checkNodeNames(c *checker) {
	hosts := map[string]string{}
	for _, n := range c.clusterNodes() {
		if !n.Name.Known() {
			continue
		}
		if other, taken := hosts[n.Name.Value]; taken {
			h := c.inv.Host(n.Host)
			v, _ := c.view.Var(h, "kube_override_hostname")
			c.report(SeverityError, cmpPos(v.Pos, h.Pos), "give each host its own kube_override_hostname, or none", "%s and %s both become the node %s", other, n.Host, n.Name.Value)
		}
		hosts[n.Name.Value] = n.Host
	}
}

func (n Node) addresses() []Setting { return []Setting{n.IP, n.AccessIP, n.IP6} }

func checkAddresses(c *checker) {
	for _, n := range c.declared.Nodes {
		for _, s := range n.addresses() {
			if s.State == Invalid {
				c.report(SeverityError, c.hostPos(n, s), "write one address, such as 192.168.0.104", "%s of %s is no address", s.Variable, n.Host)
			}
			if s.State != Declared {
				continue
			}
			if addr, err := netip.ParseAddr(s.Value); err != nil {
				c.report(SeverityError, c.hostPos(n, s), "write an address without a mask, such as 192.168.0.104", "%s of %s is %q, which is no address", s.Variable, n.Host, s.Value)
			} else if addr.IsUnspecified() || addr.IsLoopback() || addr.IsMulticast() {
				c.report(SeverityError, c.hostPos(n, s), "write the address that the other hosts reach it by", "%s of %s is %s, which the other hosts cannot reach", s.Variable, n.Host, addr)
			}
		}
	}
}

func (c *checker) hostPos(n Node, s Setting) Position {
	h := c.inv.Host(n.Host)
	v, _ := c.view.Var(h, s.Variable)
	return cmpPos(v.Pos, h.Pos)
}

// checkDuplicateAddresses compares each variable on its own: an access_ip may well be another host's ip
// in another network. The same ansible_host with another port is a port forwarding.
func checkDuplicateAddresses(c *checker) {
	seen := map[string]string{}
	for _, n := range c.declared.Nodes {
		for _, s := range append(n.addresses(), n.SSHAddress) {
			v, ok := c.view.Var(c.inv.Host(n.Host), s.Variable)
			if s.State != Declared || !ok {
				continue
			}
			address := canonicalAddress(s.Value)
			key := s.Variable + " " + address
			if s.Variable == "ansible_host" {
				port := c.declaredPort(n.Host)
				key += " " + port
			}
			if other, taken := seen[key]; taken {
				c.report(SeverityError, v.Pos, "give each host its own address", "%s and %s have the same %s, %s", other, n.Host, s.Variable, address)
			}
			seen[key] = n.Host
		}
	}
}

func (c *checker) declaredPort(host string) string {
	v, ok := c.view.Var(c.inv.Host(host), "ansible_port")
	if !ok {
		return ""
	}
	text, _ := v.Value.Text()
	return text
}

func canonicalAddress(s string) string {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Unmap().String()
	}
	return strings.ToLower(s)
}

func checkLabels(c *checker) {
	for _, n := range c.clusterNodes() {
		pos := c.hostPos(n, n.LabelState)
		if n.LabelState.State == Invalid {
			c.report(SeverityError, pos, `write a map: node_labels: {"key": "value"}`, "node_labels of %s is no map of text", n.Host)
		}
		for key, value := range n.Labels {
			if len(validation.IsQualifiedName(key)) > 0 || len(validation.IsValidLabelValue(value)) > 0 {
				c.report(SeverityError, pos, "see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/", "node_labels of %s: %s=%s is no valid label", n.Host, key, value)
			}
		}
	}
}

func checkTaints(c *checker) {
	for _, n := range c.clusterNodes() {
		pos := c.hostPos(n, n.TaintState)
		if n.TaintState.State == Invalid {
			c.report(SeverityError, pos, `write a list: node_taints: ["key=value:NoSchedule"]`, "node_taints of %s is no list of text", n.Host)
		}
		for _, taint := range n.Taints {
			if !validTaint(taint) {
				c.report(SeverityError, pos, "write key=value:NoSchedule, or another effect: PreferNoSchedule, NoExecute", "node_taints of %s: %q is no valid taint", n.Host, taint)
			}
		}
	}
}

func validTaint(taint string) bool {
	spec, effect, found := strings.Cut(taint, ":")
	if !found || effect != "NoSchedule" && effect != "PreferNoSchedule" && effect != "NoExecute" {
		return false
	}
	key, value, _ := strings.Cut(spec, "=")
	return len(validation.IsQualifiedName(key)) == 0 && len(validation.IsValidLabelValue(value)) == 0
}

// The memory that Kubespray requires in MB: roles/kubernetes/preinstall/defaults/main.yml.
const (
	minControlPlaneMB = 1500
	minNodeMB         = 1024
)

func checkMemory(c *checker) {
	for _, n := range c.declared.Nodes {
		have, known := c.memory(n.Host)
		if !known {
			continue
		}
		h := c.inv.Host(n.Host)
		for _, need := range []struct {
			role     Role
			variable string
			fallback int64
		}{{RoleControlPlane, "minimal_master_memory_mb", minControlPlaneMB}, {RoleNode, "minimal_node_memory_mb", minNodeMB}} {
			least := need.fallback
			if v, ok := c.view.Var(h, need.variable); ok {
				if mb, ok := v.Value.Int(); ok {
					least = mb
				}
			}
			if n.Has(need.role) && have < least {
				c.report(SeverityError, h.Pos, "give it more memory", "host %s has %d MB of memory; a %s needs %d MB", n.Host, have, need.role, least)
			}
		}
	}
}

func (c *checker) memory(host string) (mb int64, known bool) {
	if f, ok := c.facts[host]; ok && f.MemoryMB > 0 {
		return f.MemoryMB, true
	}
	v, ok := c.view.Var(c.inv.Host(host), "ansible_memtotal_mb")
	if !ok {
		return 0, false
	}
	return v.Value.Int()
}

package inventory

import (
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

func networkChecks() []check {
	return []check{
		{"cidr-invalid", "the service and pod ranges are network ranges", checkCIDRs},
		{"cidr-overlap", "service range, pod range and hosts' addresses are disjoint", checkOverlap},
		{"pod-range-too-small", "the pod range has a part of kube_network_node_prefix for every node", checkPodRange},
		{"node-range-too-small", "a node's part of the pod range has an address for each of its pods", checkNodeRange},
		{"network-plugin", "kube_network_plugin is one that the release installs", checkNetworkPlugin},
		{"strict-arp", "kube_proxy_strict_arp is on where MetalLB or kube-vip answer ARP and kube-proxy uses ipvs", checkStrictARP},
	}
}

func (c *checker) ranges() []Setting {
	d := c.declared
	ranges := []Setting{d.ServiceCIDR, d.PodCIDR}
	if d.IPv6.True() {
		ranges = append(ranges, d.ServiceCIDR6, d.PodCIDR6)
	}
	return ranges
}

func checkCIDRs(c *checker) {
	for _, s := range c.ranges() {
		if s.State == Invalid {
			c.report(SeverityError, c.pos(s.Variable), "write a range, such as 10.233.0.0/18", "%s is no network range", s.Variable)
		}
		if !s.Known() {
			continue
		}
		prefix, err := netip.ParsePrefix(s.Value)
		switch {
		case err != nil:
			c.report(SeverityError, c.pos(s.Variable), "write a range, such as 10.233.0.0/18", "%s is %q, which is no network range", s.Variable, s.Value)
		case strings.HasSuffix(s.Variable, "_ipv6") != prefix.Addr().Is6():
			c.report(SeverityError, c.pos(s.Variable), "swap it with its IPv4 or IPv6 counterpart", "%s is %s, which is of the wrong IP family", s.Variable, s.Value)
		case prefix.Masked() != prefix && s.State == Declared && prefix.Addr().Is4():
			c.report(SeverityWarning, c.pos(s.Variable), "write "+prefix.Masked().String(), "%s is %s, which is an address within a range", s.Variable, s.Value)
		}
	}
}

func prefixOf(s Setting) (netip.Prefix, bool) {
	if !s.Known() {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(s.Value)
	return p.Masked(), err == nil
}

func checkOverlap(c *checker) {
	ranges := c.ranges()
	for i := 0; i+1 < len(ranges); i += 2 {
		services, ok1 := prefixOf(ranges[i])
		pods, ok2 := prefixOf(ranges[i+1])
		if ok1 && ok2 && services.Overlaps(pods) {
			c.report(SeverityError, cmpPos(c.pos(ranges[i+1].Variable), c.pos(ranges[i].Variable)), "choose ranges that do not touch, such as 10.233.0.0/18 and 10.233.64.0/18",
				"%s %s and %s %s overlap", ranges[i].Variable, services, ranges[i+1].Variable, pods)
		}
	}
	for _, r := range ranges {
		if prefix, ok := prefixOf(r); ok {
			c.hostsWithin(r.Variable, prefix)
		}
	}
}

func (c *checker) hostsWithin(variable string, prefix netip.Prefix) {
	for _, n := range c.declared.Nodes {
		for _, s := range []Setting{n.IP, n.IP6} {
			addr, err := netip.ParseAddr(s.Value)
			if s.State == Declared && err == nil && prefix.Contains(addr) {
				c.report(SeverityError, c.hostPos(n, s), "choose another "+variable, "%s of %s, %s, lies within %s %s", s.Variable, n.Host, addr, variable, prefix)
			}
		}
	}
}

// checkPodRange is Kubespray's "Check that ipv4 IP range is enough for the nodes", which leaves out
// Calico: it hands out addresses in blocks of its own.
func checkPodRange(c *checker) {
	d := c.declared
	plugin, known := FindNetworkPlugin(d.NetworkPlugin.Value)
	pods, ok := prefixOf(d.PodCIDR)
	bitsPerNode, err := strconv.Atoi(d.NodePrefix.Value)
	if !d.NetworkPlugin.Known() || !known || plugin.BlocksOfItsOwn || !ok || !d.NodePrefix.Known() {
		return
	}
	if err != nil || bitsPerNode < 1 || bitsPerNode > 32 {
		c.report(SeverityError, c.pos(d.NodePrefix.Variable), "write a number of bits, such as 24", "kube_network_node_prefix is %q", d.NodePrefix.Value)
		return
	}
	nodes := len(c.view.cluster)
	spare := bitsPerNode - pods.Bits()
	if spare < 0 || spare < bits.Len(uint(nodes-1)) {
		room := 0
		if spare >= 0 {
			room = 1 << spare
		}
		c.report(SeverityError, cmpPos(c.pos(d.PodCIDR.Variable), c.pos(d.NodePrefix.Variable)), "choose a larger kube_pods_subnet or a larger kube_network_node_prefix",
			"kube_pods_subnet %s has room for %d nodes with a /%d each, but there are %d", pods, room, bitsPerNode, nodes)
	}
}

// checkNodeRange is Kubespray's "Guarantee that enough network address space is available for all pods".
func checkNodeRange(c *checker) {
	d := c.declared
	bitsPerNode, err := strconv.Atoi(d.NodePrefix.Value)
	if !d.NetworkPlugin.Known() || slices.Contains([]string{"calico", "none"}, d.NetworkPlugin.Value) || !d.NodePrefix.Known() || err != nil || bitsPerNode < 1 || bitsPerNode > 32 {
		return
	}
	pods := int64(110)
	v, text, known := c.variable("kubelet_max_pods")
	if known {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return
		}
		pods = n
	}
	if room := int64(1)<<(32-bitsPerNode) - 2; pods > room {
		c.report(SeverityError, cmpPos(c.pos(d.NodePrefix.Variable), v.Pos), "choose a smaller kube_network_node_prefix or a smaller kubelet_max_pods",
			"a node's /%d has %d addresses, but kubelet_max_pods allows %d pods", bitsPerNode, max(room, 0), pods)
	}
}

func checkNetworkPlugin(c *checker) {
	s := c.declared.NetworkPlugin
	if s.State != Declared {
		return
	}
	plugin, known := FindNetworkPlugin(s.Value)
	if !known {
		c.report(SeverityError, c.pos(s.Variable), "choose one of "+c.pluginNames(), "kube_network_plugin is %q, which Kubespray does not know", s.Value)
		return
	}
	if plugin.Gone != "" {
		if severity, applies := c.since(plugin.Gone); applies {
			c.report(severity, c.pos(s.Variable), "choose one of "+c.pluginNames()+", or stay with an older Kubespray", "kube_network_plugin %s was removed in Kubespray %s", s.Value, plugin.Gone)
			return
		}
	}
	if !plugin.Supported(c.view.Release()) {
		c.report(SeverityError, c.pos(s.Variable), "choose one of "+c.pluginNames(), "kube_network_plugin %s came with Kubespray %s", s.Value, plugin.Since)
	}
}

func (c *checker) pluginNames() string {
	var names []string
	for _, p := range NetworkPlugins() {
		if p.Supported(c.view.Release()) {
			names = append(names, p.Name)
		}
	}
	return strings.Join(names, ", ")
}

// checkStrictARP: with ipvs, kube-proxy's dummy interface answers ARP for every service address unless
// kube_proxy_strict_arp is set, and MetalLB's or kube-vip's addresses are then claimed by every node
// (roles/kubernetes-apps/metallb and roles/kubernetes/node/tasks/loadbalancer/kube-vip.yml).
func checkStrictARP(c *checker) {
	d := c.declared
	ipvs := d.KubeProxyMode.Known() && d.KubeProxyMode.Value == "ipvs" || d.KubeProxyMode.State == NotDeclared
	if !ipvs || d.NoKubeProxy.True() || c.on("kube_proxy_strict_arp") {
		return
	}
	if v, _, known := c.variable("kube_proxy_strict_arp"); !known && v.Name != "" {
		return // a template
	}
	for _, user := range []struct{ name, variable, further string }{
		{"MetalLB", "metallb_enabled", ""}, {"kube-vip", "kube_vip_enabled", "kube_vip_arp_enabled"},
	} {
		if c.on(user.variable) && (user.further == "" || c.on(user.further)) {
			c.report(SeverityError, c.pos(user.variable), "set kube_proxy_strict_arp: true", "%s needs kube_proxy_strict_arp with kube_proxy_mode ipvs", user.name)
		}
	}
}

func (c *checker) on(variable string) bool {
	v, _, known := c.variable(variable)
	b, ok := v.Value.Bool()
	return known && ok && b
}

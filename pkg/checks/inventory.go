package checks

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-lab/kubectl-lab/pkg/components"
	"github.com/kubectl-lab/kubectl-lab/pkg/inventory"
)

// The ConfigMap that holds a saved declaration, and its key.
const (
	DeclarationNamespace = kubeSystem
	DeclarationName      = "kubectl-lab-inventory"
	DeclarationKey       = "declaration"
)

// inventoryChecks compare what a Kubespray inventory declares with what runs. What each value is read
// from is Kubespray's own doing: see its roles, and kubeadm's.
func inventoryChecks() []Check {
	return []Check{
		declaredCheck("inventory-hosts", "the inventory's hosts and the cluster's nodes are the same",
			"join the hosts that are missing (ansible-playbook scale.yml), and remove the nodes that are unknown, or add them to the inventory",
			readings(nodes), nil, compareHosts),
		declaredCheck("inventory-roles", "the nodes have the roles that are declared",
			"move the host to the right group, or run cluster.yml; a node's role is its label "+controlPlaneRole,
			readings(nodes), nil, compareRoles),
		declaredCheck("inventory-addresses", "the nodes have the addresses that are declared",
			"correct ip or access_ip in the inventory; a node's address itself is the kubelet's --node-ip",
			readings(nodes), nil, compareAddresses),
		declaredCheck("inventory-labels", "the nodes have the labels that are declared",
			"kubectl label nodes NODE KEY=VALUE, or run cluster.yml; or correct node_labels",
			readings(nodes), nil, compareLabels),
		declaredCheck("inventory-taints", "the nodes have the taints that are declared",
			"kubectl taint nodes NODE KEY=VALUE:EFFECT, or run cluster.yml; or correct node_taints",
			readings(nodes), nil, compareTaints),
		declaredCheck("inventory-version", "the cluster has the Kubernetes version that is declared",
			"run upgrade-cluster.yml, one minor version at a time; or correct kube_version",
			readings(nodes, server), nil, compareVersions),
		declaredCheck("inventory-service-cidr", "the services' range is the one that is declared",
			"correct kube_service_addresses: the range of a running cluster cannot be changed by Kubespray",
			nil, readings(kubeadm, serviceCIDRs), compareServiceCIDR),
		declaredCheck("inventory-pod-cidr", "the pods' range is the one that is declared",
			"correct kube_pods_subnet: the range of a running cluster cannot be changed by Kubespray",
			pluginReads(), readings(kubeadm), comparePodCIDR),
		declaredCheck("inventory-dns-domain", "the DNS domain is the one that is declared",
			"correct dns_domain or cluster_name: pods keep the old domain until they are made anew",
			nil, readings(kubeadm, kubelets), compareDNSDomain),
		declaredCheck("inventory-network-plugin", "the network plugin is the one that is declared",
			"correct kube_network_plugin: another plugin takes a new installation",
			pluginReads(), nil, compareNetworkPlugin),
		declaredCheck("inventory-multus", "Multus is installed if it is declared",
			"run cluster.yml --tags multus; or correct kube_network_plugin_multus",
			pluginReads(), nil, compareMultus),
		declaredCheck("inventory-proxy", "kube-proxy and its mode are as declared",
			"run cluster.yml; or correct kube_proxy_mode, kube_proxy_remove or the network plugin's replacement of kube-proxy",
			readings(daemonSets, pods), readings(proxyConfig), compareProxy),
		declaredCheck("inventory-runtime", "the container runtime is the one that is declared",
			"correct container_manager, or bring the node to that runtime, one at a time",
			readings(nodes), nil, compareRuntime),
		declaredCheck("inventory-etcd", "etcd is deployed as declared",
			"correct etcd_deployment_type: moving etcd takes a migration",
			nil, readings(kubeadm), compareEtcdDeployment),
		declaredCheck("inventory-etcd-members", "etcd has the members that are declared",
			"correct the group etcd, or add the member by cluster.yml and remove the other by remove-node.yml",
			readings(staticPods), readings(kubeadm), compareEtcdMembers),
		declaredCheck("inventory-addons", "the add-ons that are declared are installed, and complete",
			"run cluster.yml --tags apps; or switch the add-on off in the inventory",
			readings(deployments, daemonSets, statefulSets, pods, crds), nil, compareAddons),
	}
}

// declaredCheck is a check that compares a declaration with the cluster. It asserts nothing if there
// is none.
func declaredCheck(id, asserts, hint string, reads, uses []reading, compare func(*comparer)) Check {
	return Check{
		ID: id, Category: CategoryInventory, Severity: Error, Asserts: asserts, Hint: hint, Retry: true,
		reads: append(readings(declaration), reads...), uses: uses,
		run: func(ctx context.Context, s *Snapshot) Outcome {
			d := s.declared.get()
			if d == nil {
				return absentf("no inventory was given, and none is saved")
			}
			c := &comparer{ctx: ctx, snapshot: s, declared: d}
			compare(c)
			return c.outcome()
		},
	}
}

// comparer collects the comparisons of one check.
type comparer struct {
	ctx      context.Context
	snapshot *Snapshot
	declared *inventory.Declaration
	found    []Comparison
	objects  []Object
}

func (c *comparer) add(subject string, s inventory.Setting, live string, verdict ComparisonVerdict, reason string) {
	c.found = append(c.found, Comparison{
		Subject: subject, Declared: s.Value, Live: live, Verdict: verdict, Reason: reason, Source: s.Source,
	})
}

// setting compares one setting with its live value. A value that isn't known is never compared; why
// says why the live one isn't.
func (c *comparer) setting(subject string, s inventory.Setting, live, why string, same func(declared, live string) bool) {
	if verdict, reason := undecided(s); verdict != "" {
		c.add(subject, s, live, verdict, reason)
		return
	}
	switch {
	case live == "":
		c.add(subject, s, "", Unknown, why)
	case same(s.Value, live):
		c.add(subject, s, live, Match, "")
	default:
		c.add(subject, s, live, Differs, "")
	}
}

// undecided says why a setting cannot be compared; an empty verdict means that it can.
func undecided(s inventory.Setting) (ComparisonVerdict, string) {
	switch s.State {
	case inventory.Declared, inventory.Default:
		return "", ""
	case inventory.Unresolved:
		return Unresolved, "only a running playbook knows its value"
	case inventory.Invalid:
		return Unresolved, "its value is of the wrong kind"
	}
	return Unknown, NotDeclared
}

// NotDeclared is the reason of comparisons without a declared value: there is nothing to compare.
const NotDeclared = "the inventory does not say"

func equal(a, b string) bool { return a == b }

// outcome sums up: what differs is a finding, the rest is counted.
func (c *comparer) outcome() Outcome {
	counts := map[ComparisonVerdict]int{}
	var lines []string
	for _, one := range c.found {
		counts[one.Verdict]++
		if one.Verdict == Differs {
			lines = append(lines, fmt.Sprintf("%s: declared %s, live %s", one.Subject, cmp.Or(one.Declared, "nothing"), cmp.Or(one.Live, "nothing")))
		}
	}
	var sum []string
	for _, v := range []ComparisonVerdict{Match, Unresolved, Unknown} {
		if counts[v] > 0 {
			sum = append(sum, fmt.Sprintf("%d %s", counts[v], v))
		}
	}
	var o Outcome
	switch {
	case len(lines) > 0:
		o = failf(c.objects, "%s", some(lines, "; "))
	case len(c.found) == 0:
		o = passf("nothing is declared")
	case counts[Match] == 0 && c.nothingDeclared():
		o = skipf("%s", NotDeclared)
	case counts[Match] == 0:
		o = skipf("%s: %s", strings.Join(sum, ", "), c.found[0].Reason)
	default:
		o = passf("%s", strings.Join(sum, ", "))
	}
	o.Comparisons = c.found
	return o
}

func (c *comparer) nothingDeclared() bool {
	return !slices.ContainsFunc(c.found, func(one Comparison) bool { return one.Reason != NotDeclared })
}

// members calls do for each declared node whose name is known and which has joined, and keeps those of
// which something differs.
func (c *comparer) members(do func(declared inventory.Node, live node)) {
	live := map[string]node{}
	for _, n := range c.snapshot.nodes.get() {
		live[n.name] = n
	}
	for _, d := range c.declared.Nodes {
		if n, joined := live[d.Name.Value]; d.InCluster() && d.Name.Known() && joined {
			before := len(c.found)
			do(d, n)
			if slices.ContainsFunc(c.found[before:], func(one Comparison) bool { return one.Verdict == Differs }) {
				c.objects = append(c.objects, n.object())
			}
		}
	}
}

func compareHosts(c *comparer) {
	live := map[string]bool{}
	for _, n := range c.snapshot.nodes.get() {
		live[n.name] = true
	}
	declared := map[string]bool{}
	unresolved := false
	for _, d := range c.declared.Nodes {
		if !d.InCluster() {
			continue
		}
		if verdict, reason := undecided(d.Name); verdict != "" {
			c.add(d.Host, d.Name, "", verdict, reason)
			unresolved = true
			continue
		}
		declared[d.Name.Value] = true
		where := inventory.Setting{Value: d.Name.Value, Source: d.Source}
		if live[d.Name.Value] {
			c.add(d.Host, where, d.Name.Value, Match, "")
		} else {
			c.add(d.Host, where, "", Differs, "")
		}
	}
	for _, n := range c.snapshot.nodes.get() {
		switch {
		case declared[n.name]:
		case unresolved:
			c.add("node "+n.name, inventory.Setting{}, n.name, Unknown, "it may be a host whose name is unresolved")
		default:
			c.objects = append(c.objects, n.object())
			c.add("node "+n.name, inventory.Setting{}, n.name, Differs, "")
		}
	}
}

// compareRoles goes by the control plane's label: workers have none.
func compareRoles(c *comparer) {
	c.members(func(d inventory.Node, n node) {
		s := inventory.Setting{State: inventory.Declared, Value: roleName(d.Has(inventory.RoleControlPlane)), Source: d.Source}
		c.setting(n.name+" role", s, roleName(n.controlPlane()), "", equal)
	})
}

func roleName(controlPlane bool) string {
	if controlPlane {
		return "control-plane"
	}
	return "worker"
}

func compareAddresses(c *comparer) {
	c.members(func(d inventory.Node, n node) {
		addresses := strings.Join(n.internalIPs, ",")
		c.setting(n.name+" ip", d.IP, addresses, "the node has no internal address", func(declared, _ string) bool {
			return slices.Contains(n.internalIPs, declared) || d.AccessIP.Known() && slices.Contains(n.internalIPs, d.AccessIP.Value)
		})
		if d.IP6.State != inventory.NotDeclared {
			c.setting(n.name+" ip6", d.IP6, addresses, "the node has no internal address", func(declared, _ string) bool {
				return slices.Contains(n.internalIPs, declared)
			})
		}
	})
}

func compareLabels(c *comparer) {
	c.members(func(d inventory.Node, n node) {
		if d.LabelState.State != inventory.Declared {
			c.unlisted(n.name+" labels", d.LabelState)
			return
		}
		for _, key := range sortedKeys(d.Labels) {
			s := inventory.Setting{State: inventory.Declared, Value: d.Labels[key], Source: d.LabelState.Source}
			value, exists := n.labels[key]
			switch {
			case exists && value == s.Value:
				c.add(n.name+" label "+key, s, value, Match, "")
			default:
				c.add(n.name+" label "+key, s, value, Differs, "")
			}
		}
	})
}

// unlisted adds a list that cannot be compared. One that isn't declared is no news.
func (c *comparer) unlisted(subject string, s inventory.Setting) {
	if verdict, reason := undecided(s); verdict != "" && s.State != inventory.NotDeclared {
		c.add(subject, s, "", verdict, reason)
	}
}

// compareTaints also knows the one that kubeadm gives to the control plane, and that Kubespray removes
// from hosts that are in kube_node as well.
func compareTaints(c *comparer) {
	c.members(func(d inventory.Node, n node) {
		live := taintTexts(n.taints)
		if d.Has(inventory.RoleControlPlane) {
			want := !d.Has(inventory.RoleNode)
			has := slices.ContainsFunc(n.taints, func(t corev1.Taint) bool {
				return (t.Key == controlPlaneRole || t.Key == masterRole) && t.Effect == corev1.TaintEffectNoSchedule
			})
			s := inventory.Setting{State: inventory.Declared, Value: presence(want), Source: d.Source}
			c.setting(n.name+" control plane taint", s, presence(has), "", equal)
		}
		if d.TaintState.State != inventory.Declared {
			c.unlisted(n.name+" taints", d.TaintState)
			return
		}
		for _, taint := range d.Taints {
			s := inventory.Setting{State: inventory.Declared, Value: taint, Source: d.TaintState.Source}
			c.setting(n.name+" taint", s, cmp.Or(strings.Join(live, ","), "none"), "", func(declared, _ string) bool {
				return slices.Contains(live, strings.Replace(declared, "=:", ":", 1))
			})
		}
	})
}

// taintTexts are taints as inventories write them: KEY=VALUE:EFFECT, or KEY:EFFECT without a value.
func taintTexts(taints []corev1.Taint) []string {
	var all []string
	for _, t := range taints {
		if t.Value == "" {
			all = append(all, t.Key+":"+string(t.Effect))
		} else {
			all = append(all, t.Key+"="+t.Value+":"+string(t.Effect))
		}
	}
	return all
}

func presence(b bool) string {
	if b {
		return "present"
	}
	return "absent"
}

func compareVersions(c *comparer) {
	same := func(declared, live string) bool { return declared == strings.TrimPrefix(live, "v") }
	c.setting("kube_version", c.declared.KubeVersion, c.snapshot.server.get().gitVersion, "the API server's version may not be read", same)
	c.members(func(_ inventory.Node, n node) {
		c.setting(n.name+" kubelet", c.declared.KubeVersion, n.info.kubelet, "the kubelet reports none", same)
	})
}

// compareServiceCIDR prefers kubeadm's configuration, as it is what the inventory was turned into.
func compareServiceCIDR(c *comparer) {
	live := ""
	if cfg := c.kubeadm(); cfg != nil {
		live = cfg.Networking.ServiceSubnet
	}
	if live == "" && c.snapshot.serviceCIDRs.ok() {
		live = strings.Join(c.snapshot.serviceCIDRs.get(), ",")
	}
	declared, known := c.declared.ServiceCIDRs()
	c.ranges("kube_service_addresses", c.declared.ServiceCIDR, declared, known, live, "neither kubeadm's configuration nor a ServiceCIDR tells")
}

func comparePodCIDR(c *comparer) {
	live, why := "", ""
	if cfg := c.kubeadm(); cfg != nil {
		live = cfg.Networking.PodSubnet
	}
	if live == "" {
		live, why = c.snapshot.pluginRange(c.ctx)
	}
	declared, known := c.declared.PodCIDRs()
	c.ranges("kube_pods_subnet", c.declared.PodCIDR, declared, known, live, cmp.Or(why, "neither kubeadm's nor the network plugin's configuration tells"))
}

// ranges compares the ranges of both IP families as one.
func (c *comparer) ranges(variable string, s inventory.Setting, declared string, known bool, live, why string) {
	if known {
		s.Value = declared
	} else if s.Known() {
		s.State = inventory.NotDeclared
	}
	c.setting(variable, s, live, why, func(declared, live string) bool {
		return slices.Equal(prefixes(declared), prefixes(live))
	})
}

// kubeadm is kubeadm's configuration; nil if it may not be read, or isn't there.
func (c *comparer) kubeadm() *kubeadmConfig {
	if !c.snapshot.kubeadm.ok() {
		return nil
	}
	return c.snapshot.kubeadm.get()
}

func compareDNSDomain(c *comparer) {
	live := ""
	if cfg := c.kubeadm(); cfg != nil {
		live = cfg.Networking.DNSDomain
	}
	if live == "" && c.snapshot.kubelet.ok() && c.snapshot.kubelet.get() != nil {
		live = c.snapshot.kubelet.get().ClusterDomain
	}
	c.setting("dns_domain", c.declared.DNSDomain, live, "neither kubeadm's nor the kubelets' configuration tells", equal)
}

func compareNetworkPlugin(c *comparer) {
	var live []string
	for _, p := range c.snapshot.installed() {
		if !p.Beside {
			live = append(live, p.Name)
		}
	}
	s := c.declared.NetworkPlugin
	_, known := inventory.FindNetworkPlugin(s.Value)
	visible := slices.ContainsFunc(components.Plugins(), func(p components.Plugin) bool { return p.Name == s.Value })
	if s.Known() && known && !visible { // macvlan, cni, none, custom_cni
		c.add("kube_network_plugin", s, strings.Join(live, ","), Unknown, s.Value+" leaves no objects of its own in the cluster")
		return
	}
	c.setting("kube_network_plugin", s, cmp.Or(strings.Join(live, ","), "none"), "", equal)
}

func compareMultus(c *comparer) {
	installed := slices.ContainsFunc(c.snapshot.installed(), func(p components.Plugin) bool { return p.Name == "multus" })
	c.setting("kube_network_plugin_multus", c.declared.Multus, strconv.FormatBool(installed), "", equal)
}

func compareProxy(c *comparer) {
	runs := hasProxyDaemonSet(c.snapshot) || slices.ContainsFunc(c.snapshot.pods.get(), isProxyPod)
	left := c.declared.NoKubeProxy
	c.setting("no kube-proxy ("+left.Variable+")", left, strconv.FormatBool(!runs), "", equal)
	if !runs || left.True() {
		return
	}
	mode := ""
	if c.snapshot.proxyConfig.ok() && c.snapshot.proxyConfig.get() != nil {
		mode = cmp.Or(c.snapshot.proxyConfig.get().Mode, "iptables")
	}
	c.setting("kube_proxy_mode", c.declared.KubeProxyMode, mode, "kube-proxy's ConfigMap cannot be read, or there is none", equal)
}

// compareRuntime goes by what kubelets call the runtimes: Kubespray's crio is cri-o to them.
func compareRuntime(c *comparer) {
	c.members(func(_ inventory.Node, n node) {
		live := strings.ReplaceAll(runtimeName(n.info.runtime), "cri-o", "crio")
		c.setting(n.name+" container_manager", c.declared.ContainerRun, live, "the kubelet reports none", equal)
	})
}

// compareEtcdDeployment cannot tell host from docker: both are external to kubeadm.
func compareEtcdDeployment(c *comparer) {
	cfg := c.kubeadm()
	live := ""
	switch {
	case cfg == nil:
	case cfg.Etcd.External != nil:
		live = "host or docker"
	default:
		live = "kubeadm"
	}
	c.setting("etcd_deployment_type", c.declared.EtcdDeployment, live, "kubeadm's configuration cannot be read, or there is none", func(declared, live string) bool {
		return (declared == "kubeadm") == (live == "kubeadm")
	})
}

// compareEtcdMembers compares addresses with external endpoints, or node names with static pods.
func compareEtcdMembers(c *comparer) {
	if !c.snapshot.kubeadm.ok() {
		c.add("etcd", inventory.Setting{}, "", Unknown, "kubeadm's configuration may not be read")
		return
	}
	live, where := etcdMembers(c.snapshot)
	if len(live) == 0 {
		c.add("etcd", inventory.Setting{}, "", Unknown, "etcd's members are not visible from the cluster")
		return
	}
	expected := map[string]bool{}
	for _, d := range c.declared.WithRole(inventory.RoleEtcd) {
		names := etcdNames(d, where)
		s := inventory.Setting{State: inventory.Declared, Value: strings.Join(names, " or "), Source: d.Source}
		if len(names) == 0 {
			c.add("etcd "+d.Host, inventory.Setting{Source: d.Source}, "", Unknown, "neither ip nor access_ip is known")
			continue
		}
		at := slices.IndexFunc(live, func(member string) bool { return slices.Contains(names, member) })
		if at < 0 {
			c.add("etcd "+d.Host, s, "no such member", Differs, "")
			continue
		}
		expected[live[at]] = true
		c.add("etcd "+d.Host, s, live[at], Match, "")
	}
	c.unexpectedMembers(live, expected)
}

// unexpectedMembers adds the members that no declared host accounts for, unless one of unknown address
// may.
func (c *comparer) unexpectedMembers(live []string, expected map[string]bool) {
	unsure := slices.ContainsFunc(c.found, func(one Comparison) bool { return one.Verdict == Unknown })
	for _, member := range live {
		switch {
		case expected[member]:
		case unsure:
			c.add("etcd "+member, inventory.Setting{}, member, Unknown, "it may be a host whose address is not known")
		default:
			c.add("etcd "+member, inventory.Setting{}, member, Differs, "")
		}
	}
}

// etcdNames are what a declared member may be called: its addresses or its host name as an external
// endpoint, its node's name as a static pod.
func etcdNames(d inventory.Node, where string) []string {
	if where == "static pods" {
		return known(d.Name)
	}
	return known(d.AccessIP, d.IP)
}

func known(settings ...inventory.Setting) []string {
	var values []string
	for _, s := range settings {
		if s.Known() && s.Value != "" && !slices.Contains(values, s.Value) {
			values = append(values, s.Value)
		}
	}
	return values
}

// compareAddons calls it a difference if an add-on is declared and not whole, or switched off
// explicitly and there. What is there without being declared somebody else may have installed.
func compareAddons(c *comparer) {
	addons := components.Addons()
	for _, addon := range addons {
		if state, declared := c.declared.Addon(addon.ID); declared {
			c.addon(state, c.snapshot.assemble(placed(addon.Parts, state)).state())
		}
	}
	for _, state := range c.declared.Addons {
		known := slices.ContainsFunc(addons, func(a components.Addon) bool { return a.ID == state.ID })
		if !known && state.Enabled.State == inventory.Declared && state.Enabled.True() {
			c.add(state.Enabled.Variable, state.Enabled, "", Unknown, state.Title+" is a program on the nodes: the cluster does not show it")
		}
	}
}

func (c *comparer) addon(state inventory.AddonState, live string) {
	subject := state.Enabled.Variable
	if verdict, reason := undecided(state.Enabled); verdict != "" {
		if state.Enabled.State != inventory.NotDeclared {
			c.add(subject, state.Enabled, live, verdict, reason)
		}
		return
	}
	verdict, reason := Match, ""
	switch on := state.Enabled.True(); {
	case on && live != stateFound:
		verdict = Differs
	case !on && live == stateAbsent:
		if state.Enabled.State == inventory.Default {
			return // neither asked for nor there
		}
	case !on && state.Enabled.State == inventory.Declared:
		verdict = Differs
	case !on:
		verdict, reason = Unknown, "the inventory does not ask for it: somebody else may have installed it"
	}
	c.add(subject, state.Enabled, live, verdict, reason)
}

// placed are an add-on's parts in the namespace that is declared for it, if one is.
func placed(parts []components.Part, state inventory.AddonState) []components.Part {
	if state.Namespace.State != inventory.Declared || state.Namespace.Value == "" {
		return parts
	}
	moved := slices.Clone(parts)
	for i := range moved {
		if moved[i].Kind != components.CRD {
			moved[i].Namespaces = []string{state.Namespace.Value}
		}
	}
	return moved
}

// The states of an add-on.
const (
	stateFound      = "found"
	stateIncomplete = "incomplete"
	stateAbsent     = "absent"
)

// state is how much of a component is there.
func (a assembly) state() string {
	if !a.exists() {
		return stateAbsent
	}
	if faults := a.faults(); faults.any() {
		return stateIncomplete
	}
	return stateFound
}

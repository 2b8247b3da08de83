package inventory

import (
	"slices"
	"strconv"
	"strings"
)

// State says how much is known about a setting.
type State string

// The states of a setting.
const (
	Declared    State = "declared"     // the inventory sets it
	Default     State = "default"      // the inventory does not; this is the default of its Kubespray release
	NotDeclared State = "not declared" // neither is known
	Unresolved  State = "unresolved"   // a template, or encrypted: only a running playbook knows
	Invalid     State = "invalid"      // the value is of the wrong kind
)

// Setting is one thing that the inventory says about the cluster, or does not.
type Setting struct {
	Variable string `json:"variable"`
	State    State  `json:"state"`
	// Value is the value if State is Declared or Default, the template if it is Unresolved.
	Value string `json:"value,omitempty"`
	// Source says who set it: file:line, or "default of Kubespray v2.31.0".
	Source string `json:"source,omitempty"`
}

// Known reports whether the value can be compared with the cluster.
func (s Setting) Known() bool { return s.State == Declared || s.State == Default }

// True reports whether the value is known and switches something on.
func (s Setting) True() bool {
	b, ok := boolWord(s.Value)
	return s.Known() && ok && b
}

// String returns the value for people.
func (s Setting) String() string {
	switch s.State {
	case Declared, Default:
		return s.Value
	case Unresolved:
		return "unresolved: " + s.Value
	}
	return string(s.State)
}

// Role is what a host does in the cluster.
type Role string

// The roles of a host.
const (
	RoleControlPlane Role = "control-plane"
	RoleNode         Role = "node"
	RoleEtcd         Role = "etcd"
	RoleCalicoRR     Role = "calico-rr"
)

// Node is one host as the inventory declares it.
type Node struct {
	Host string `json:"host"` // its name in the inventory
	// Name is the name of the Kubernetes node: kube_override_hostname, or else the host's name.
	Name Setting `json:"name"`
	// IP is the address that Kubernetes uses; not declared stands for the default route's.
	IP Setting `json:"ip"`
	// AccessIP is the address that the others use, by default IP.
	AccessIP Setting `json:"accessIP"`
	IP6      Setting `json:"ip6"`
	// SSHAddress is ansible_host; often, but not always, the same as IP.
	SSHAddress Setting `json:"sshAddress"`
	Roles      []Role  `json:"roles"`
	// EtcdMember is the member's name, for a host with RoleEtcd.
	EtcdMember Setting `json:"etcdMember,omitzero"`
	// Labels and Taints are node_labels and node_taints; Value is empty, the content is beside it.
	LabelState Setting           `json:"labelState"`
	Labels     map[string]string `json:"labels,omitempty"`
	TaintState Setting           `json:"taintState"`
	Taints     []string          `json:"taints,omitempty"` // key=value:Effect
	Source     string            `json:"source,omitempty"` // file:line of the host's first mention
}

// Has reports whether the host has the role.
func (n Node) Has(role Role) bool { return slices.Contains(n.Roles, role) }

// InCluster reports whether the host becomes a node of Kubernetes; an etcd host alone does not.
func (n Node) InCluster() bool {
	return slices.ContainsFunc(n.Roles, func(r Role) bool { return r != RoleEtcd })
}

// AddonState is whether an add-on is asked for, and where.
type AddonState struct {
	ID        string  `json:"id"` // as in Addons and components.Addons
	Title     string  `json:"title"`
	Enabled   Setting `json:"enabled"` // Value is "true" or "false"
	Namespace Setting `json:"namespace,omitzero"`
}

// Declaration is the cluster that Kubespray would install from an inventory. It holds no secret and is
// safe to store and to show: only the variables named here are in it.
type Declaration struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Inventory  string `json:"inventory"`           // the path it was read from
	Kubespray  string `json:"kubespray,omitempty"` // the release, "" if not known

	Nodes []Node `json:"nodes"`

	KubeVersion    Setting `json:"kubeVersion"`    // without a leading v
	ServiceCIDR    Setting `json:"serviceCIDR"`    // IPv4
	PodCIDR        Setting `json:"podCIDR"`        // IPv4
	ServiceCIDR6   Setting `json:"serviceCIDR6"`   // counts with IPv6 only
	PodCIDR6       Setting `json:"podCIDR6"`       // counts with IPv6 only
	IPv4           Setting `json:"ipv4"`           // ipv4_stack
	IPv6           Setting `json:"ipv6"`           // ipv6_stack, or enable_dual_stack_networks before v2.28.0
	NodePrefix     Setting `json:"nodePrefix"`     // kube_network_node_prefix
	DNSDomain      Setting `json:"dnsDomain"`      // dns_domain, or cluster_name
	NetworkPlugin  Setting `json:"networkPlugin"`  // see NetworkPlugins
	Multus         Setting `json:"multus"`         // true or false
	KubeProxyMode  Setting `json:"kubeProxyMode"`  // iptables, ipvs or nftables
	NoKubeProxy    Setting `json:"noKubeProxy"`    // true if kube-proxy is removed or replaced; Variable says by what
	ContainerRun   Setting `json:"containerRun"`   // container_manager: docker, crio or containerd
	EtcdDeployment Setting `json:"etcdDeployment"` // host, docker or kubeadm

	Addons []AddonState `json:"addons"`
}

// The version and kind of a stored declaration.
const (
	DeclarationAPIVersion = "inventory.kubectl-lab.io/v1"
	DeclarationKind       = "Declaration"
)

// Declare returns the cluster that the inventory declares, as a Kubespray release would read it. With
// release "" it is the release of the checkout that the inventory lies in; if that is not known
// either, what the inventory does not set is NotDeclared.
func Declare(inv *Inventory, release string) *Declaration {
	d := &declarer{view: inv.View(release)}
	if release == "" {
		release = inv.KubesprayRelease
	}
	d.release = release
	cluster := d.view.Cluster()
	if len(cluster) > 0 {
		d.first = cluster[0]
	}
	out := &Declaration{APIVersion: DeclarationAPIVersion, Kind: DeclarationKind, Inventory: inv.Path, Kubespray: release}
	out.Nodes = d.nodes()
	d.settings(out)
	out.Addons = d.addons()
	return out
}

// Settings returns the settings of the whole cluster in the order in which people want them.
func (d *Declaration) Settings() []Setting {
	return []Setting{
		d.KubeVersion, d.NetworkPlugin, d.Multus, d.ServiceCIDR, d.PodCIDR, d.NodePrefix, d.IPv6, d.ServiceCIDR6, d.PodCIDR6,
		d.DNSDomain, d.KubeProxyMode, d.NoKubeProxy, d.ContainerRun, d.EtcdDeployment,
	}
}

// Addon returns the state of the add-on with that ID.
func (d *Declaration) Addon(id string) (AddonState, bool) {
	at := slices.IndexFunc(d.Addons, func(a AddonState) bool { return a.ID == id })
	if at < 0 {
		return AddonState{}, false
	}
	return d.Addons[at], true
}

// WithRole returns the nodes that have the role.
func (d *Declaration) WithRole(role Role) []Node {
	var out []Node
	for _, n := range d.Nodes {
		if n.Has(role) {
			out = append(out, n)
		}
	}
	return out
}

// ServiceCIDRs returns the service ranges as kubeadm lists them, comma-joined, IPv4 first. known is
// false if one of them is not known.
func (d *Declaration) ServiceCIDRs() (cidrs string, known bool) {
	return d.dualStack(d.ServiceCIDR, d.ServiceCIDR6)
}

// PodCIDRs returns the pod ranges as ServiceCIDRs does.
func (d *Declaration) PodCIDRs() (cidrs string, known bool) {
	return d.dualStack(d.PodCIDR, d.PodCIDR6)
}

func (d *Declaration) dualStack(v4, v6 Setting) (string, bool) {
	var cidrs []string
	if off := d.IPv4.Known() && !d.IPv4.True(); !off {
		if !v4.Known() {
			return "", false
		}
		cidrs = append(cidrs, v4.Value)
	}
	if d.IPv6.True() {
		if !v6.Known() {
			return "", false
		}
		cidrs = append(cidrs, v6.Value)
	}
	unsure := d.IPv6.State == Unresolved || d.IPv6.State == Invalid || d.IPv4.State == Unresolved || d.IPv4.State == Invalid
	return strings.Join(cidrs, ","), !unsure && len(cidrs) > 0
}

// declarer reads a declaration from a view.
type declarer struct {
	view    *View
	release string
	first   *Host // whose variables count for the whole cluster
}

func (d *declarer) variable(h *Host, name string) Setting {
	if h == nil {
		return Setting{Variable: name, State: NotDeclared}
	}
	v, ok := d.view.Var(h, name)
	if !ok || v.Value.IsNull() {
		return Setting{Variable: name, State: NotDeclared}
	}
	return settingOf(name, v)
}

// settingOf reads a scalar variable.
func settingOf(name string, v Variable) Setting {
	s := Setting{Variable: name, State: Declared, Source: v.Pos.String()}
	if expr, unresolved := v.Value.Unresolved(); unresolved {
		s.State, s.Value = Unresolved, expr
		return s
	}
	if v.Value.Secret() {
		s.State, s.Value = Unresolved, v.Value.String()
		return s
	}
	text, scalar := v.Value.Text()
	if !scalar {
		s.State = Invalid
		return s
	}
	s.Value = strings.TrimSpace(text)
	return s
}

// setting reads a variable of the whole cluster; without one it looks up the release's default.
func (d *declarer) setting(name string) Setting {
	s := d.variable(d.first, name)
	if s.State == NotDeclared {
		s.Value, s.Source = d.defaultOf(name)
		if s.Source != "" {
			s.State = Default
		}
	}
	return s
}

func (d *declarer) flag(name string) Setting { return asBool(d.setting(name)) }

// asBool turns yes, On, 1 and the like into true and false.
func asBool(s Setting) Setting {
	if s.State != Declared && s.State != Default {
		return s
	}
	b, ok := boolWord(s.Value)
	if !ok {
		s.State, s.Value = Invalid, ""
		return s
	}
	s.Value = strconv.FormatBool(b)
	return s
}

func (d *declarer) settings(out *Declaration) {
	out.KubeVersion = d.setting("kube_version")
	if out.KubeVersion.State == Declared {
		out.KubeVersion.Value = strings.TrimPrefix(out.KubeVersion.Value, "v")
	}
	out.ServiceCIDR, out.ServiceCIDR6 = d.setting("kube_service_addresses"), d.setting("kube_service_addresses_ipv6")
	out.PodCIDR, out.PodCIDR6 = d.setting("kube_pods_subnet"), d.setting("kube_pods_subnet_ipv6")
	out.IPv4, out.IPv6 = d.flag("ipv4_stack"), d.ipv6()
	out.NodePrefix = d.setting("kube_network_node_prefix")
	out.DNSDomain = d.dnsDomain()
	out.NetworkPlugin, out.Multus = d.setting("kube_network_plugin"), d.flag("kube_network_plugin_multus")
	out.KubeProxyMode = d.setting("kube_proxy_mode")
	out.NoKubeProxy = d.noKubeProxy(out.NetworkPlugin)
	out.ContainerRun = d.setting("container_manager")
	out.EtcdDeployment = d.etcdDeployment()
}

// ipv6 honours enable_dual_stack_networks, which ipv6_stack replaced in v2.28.0 and still falls back to.
func (d *declarer) ipv6() Setting {
	s := asBool(d.variable(d.first, "ipv6_stack"))
	if s.State == NotDeclared {
		return d.flag("enable_dual_stack_networks")
	}
	return s
}

// dnsDomain falls back to cluster_name, as Kubespray's own default does.
func (d *declarer) dnsDomain() Setting {
	if s := d.variable(d.first, "dns_domain"); s.State != NotDeclared {
		return s
	}
	return d.setting("cluster_name")
}

// noKubeProxy finds out whether kube-proxy is left out: because it is removed, or because the network
// plugin does its work.
func (d *declarer) noKubeProxy(plugin Setting) Setting {
	const remove = "kube_proxy_remove"
	removed := asBool(d.variable(d.first, remove))
	if removed.State != NotDeclared && (!removed.Known() || removed.True()) {
		return removed
	}
	if !plugin.Known() {
		return Setting{Variable: remove, State: NotDeclared}
	}
	if p, ok := FindNetworkPlugin(plugin.Value); ok && p.ReplacesKubeProxy != "" {
		replaced := d.variable(d.first, p.ReplacesKubeProxy)
		if replaced.Value == "strict" { // Cilium before 1.14
			replaced.Value = "true"
		}
		if replaced = asBool(replaced); replaced.State != NotDeclared && (!replaced.Known() || replaced.True()) {
			return replaced
		}
	}
	if removed.State == Declared {
		return removed
	}
	return Setting{Variable: remove, State: Default, Value: "false", Source: "default of every Kubespray release"}
}

func (d *declarer) etcdDeployment() Setting {
	if old := asBool(d.variable(d.first, "etcd_kubeadm_enabled")); old.True() && !atLeastKnown(d.release, "v2.28.0") {
		old.Value = "kubeadm"
		return old
	}
	return d.setting("etcd_deployment_type")
}

// atLeastKnown is atLeast, but false for an unknown release.
func atLeastKnown(release, version string) bool { return release != "" && atLeast(release, version) }

func (d *declarer) nodes() []Node {
	etcd, control, workers, reflectors := d.view.Etcd(), d.view.ControlPlane(), d.view.Nodes(), d.view.CalicoRR()
	roles := map[*Host][]Role{}
	for _, with := range []struct {
		role  Role
		hosts []*Host
	}{{RoleControlPlane, control}, {RoleEtcd, etcd}, {RoleNode, workers}, {RoleCalicoRR, reflectors}} {
		for _, h := range with.hosts {
			roles[h] = append(roles[h], with.role)
		}
	}
	nodes := []Node{}
	for _, h := range unique(slices.Concat(d.view.Cluster(), etcd)) {
		nodes = append(nodes, d.node(h, roles[h], slices.Index(etcd, h)))
	}
	return nodes
}

func (d *declarer) node(h *Host, roles []Role, etcdIndex int) Node {
	n := Node{
		Host: h.Name, Roles: roles, Source: h.Pos.String(),
		Name: d.variable(h, "kube_override_hostname"),
		IP:   d.variable(h, "ip"), AccessIP: d.variable(h, "access_ip"), IP6: d.variable(h, "ip6"),
		SSHAddress: d.variable(h, "ansible_host"),
	}
	if n.Name.State == NotDeclared || n.Name.State == Declared && n.Name.Value == "" {
		n.Name = Setting{Variable: "kube_override_hostname", State: Default, Value: h.Name, Source: "the name in the inventory"}
	}
	if n.AccessIP.State == NotDeclared && n.IP.State != NotDeclared {
		n.AccessIP.State, n.AccessIP.Value, n.AccessIP.Source = n.IP.State, n.IP.Value, n.IP.Source
		if n.IP.State == Declared {
			n.AccessIP.State, n.AccessIP.Source = Default, "ip, "+n.IP.Source
		}
	}
	if roles == nil {
		n.Roles = []Role{RoleNode} // in k8s_cluster only
	}
	if etcdIndex >= 0 {
		n.EtcdMember = d.variable(h, "etcd_member_name")
		if n.EtcdMember.State == NotDeclared || n.EtcdMember.Value == "" {
			n.EtcdMember = Setting{Variable: "etcd_member_name", State: Default, Value: "etcd" + strconv.Itoa(etcdIndex+1), Source: "the place in the group etcd"}
		}
	}
	n.LabelState, n.Labels = d.labels(h)
	n.TaintState, n.Taints = d.taints(h)
	return n
}

// collection is a host's variable that is a list or a map. The Setting says whether it has a value to read.
func (d *declarer) collection(h *Host, name string) (Setting, Variable) {
	s := Setting{Variable: name, State: NotDeclared}
	v, ok := d.view.Var(h, name)
	if !ok || v.Value.IsNull() {
		return s, v
	}
	s.State, s.Source = Declared, v.Pos.String()
	if expr, unresolved := v.Value.Unresolved(); unresolved {
		s.State, s.Value = Unresolved, expr
	}
	return s, v
}

// labels reads node_labels: a map of text.
func (d *declarer) labels(h *Host) (Setting, map[string]string) {
	s, v := d.collection(h, "node_labels")
	if s.State != Declared {
		return s, nil
	}
	labels := map[string]string{}
	for _, e := range v.Value.Entries() {
		text, ok := e.Value.Text()
		if !ok {
			s.State = Invalid
			return s, nil
		}
		if e.Value.Kind() == KindBool {
			text = strings.ToLower(text) // a boolean arrives as true in the kubectl command that sets the label
		}
		labels[e.Key] = text
	}
	if v.Value.Kind() != KindMap {
		s.State = Invalid
	}
	return s, labels
}

// taints reads node_taints: a list of key=value:Effect.
func (d *declarer) taints(h *Host) (Setting, []string) {
	s, v := d.collection(h, "node_taints")
	if s.State != Declared {
		return s, nil
	}
	var taints []string
	for _, item := range v.Value.List() {
		text, ok := item.Text()
		if !ok {
			s.State = Invalid
			return s, nil
		}
		taints = append(taints, text)
	}
	if v.Value.Kind() != KindList {
		s.State = Invalid
	}
	return s, taints
}

func (d *declarer) addons() []AddonState {
	states := []AddonState{}
	for _, a := range Addons() {
		enabled := d.addonEnabled(a)
		if enabled.State == NotDeclared && a.Gone != "" && !atLeastKnown(d.release, "v2.7.0") {
			continue // nobody asks for an add-on of old, and no release is known that has it
		}
		state := AddonState{ID: a.ID, Title: a.Title, Enabled: enabled}
		if a.Namespace != "" {
			state.Namespace = d.addonNamespace(a)
		}
		states = append(states, state)
	}
	return states
}

func (d *declarer) addonNamespace(a Addon) Setting {
	if a.NamespaceVariable != "" {
		if s := d.variable(d.first, a.NamespaceVariable); s.State != NotDeclared {
			return s
		}
	}
	return Setting{Variable: a.NamespaceVariable, State: Default, Value: a.Namespace, Source: "default of every Kubespray release"}
}

func (d *declarer) addonEnabled(a Addon) Setting {
	s := d.variable(d.first, a.Variable)
	if a.ID == cloudController && s.State == Declared {
		s.Value = strconv.FormatBool(s.Value != "" && s.Value != "manual")
		return s
	}
	if s.State != NotDeclared {
		return asBool(s)
	}
	if d.release == "" {
		return s
	}
	s.State, s.Value, s.Source = Default, "false", "default of Kubespray "+d.release
	if value, source := d.defaultOf(a.Variable); source != "" {
		s.Value, s.Source = value, source
	}
	return s
}

// defaultValue is the default of a variable from one release on.
type defaultValue struct{ variable, since, value string }

// defaultValues returns the defaults of Kubespray's releases since v2.7.0, each variable's oldest first.
// Source: roles/kubespray-defaults and roles/etcd_defaults of each release.
func defaultValues() []defaultValue {
	return []defaultValue{
		{"kube_service_addresses", "v2.7.0", "10.233.0.0/18"},
		{"kube_pods_subnet", "v2.7.0", "10.233.64.0/18"},
		{"kube_service_addresses_ipv6", "v2.16.0", "fd85:ee78:d8a6:8607::1000/116"},
		{"kube_pods_subnet_ipv6", "v2.16.0", "fd85:ee78:d8a6:8607::1:0000/112"},
		{"ipv4_stack", "v2.28.0", "true"},
		{"enable_dual_stack_networks", "v2.16.0", "false"},
		{"kube_network_node_prefix", "v2.7.0", "24"},
		{"cluster_name", "v2.7.0", "cluster.local"},
		{"kube_network_plugin", "v2.7.0", "calico"},
		{"kube_network_plugin_multus", "v2.8.0", "false"},
		{"kube_proxy_mode", "v2.7.0", "iptables"},
		{"kube_proxy_mode", "v2.8.0", "ipvs"},
		{"container_manager", "v2.7.0", "docker"},
		{"container_manager", "v2.18.0", "containerd"},
		{"etcd_deployment_type", "v2.7.0", "docker"},
		{"etcd_deployment_type", "v2.18.0", "host"},
		{"dashboard_enabled", "v2.7.0", "true"},
		{"dashboard_enabled", "v2.15.0", "false"},
	}
}

// defaultOf returns the default of the declared release; source is "" if there is none to tell.
func (d *declarer) defaultOf(variable string) (value, source string) {
	if d.release == "" {
		return "", ""
	}
	if variable == "kube_version" {
		if r, err := FindRelease(d.release); err == nil {
			return r.Kubernetes, "default of Kubespray " + d.release
		}
		return "", ""
	}
	for _, def := range defaultValues() {
		if def.variable == variable && atLeast(d.release, def.since) {
			value, source = def.value, "default of Kubespray "+d.release
		}
	}
	return value, source
}

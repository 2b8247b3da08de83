package components

// Plugin is a network plugin.
type Plugin struct {
	// Name is the value of kube_network_plugin, or the project's name if Kubespray has none.
	Name string
	// Title is how the project writes itself.
	Title string
	// RemovedIn is the release of Kubespray that dropped it; empty if it did not.
	RemovedIn string
	// Beside plugins run beside another one.
	Beside bool
	Parts  []Part
}

// Plugins lists the network plugins that leave objects in the cluster. kube_network_plugin's values
// macvlan, cni, none and custom_cni leave none, or the user's own.
func Plugins() []Plugin {
	return []Plugin{
		{
			Name: "calico", Title: "Calico",
			Parts: []Part{
				anyOf(DaemonSet, "calico-node").in("kube-system", "calico-system").everyNode(),
				anyOf(Deployment, "calico-kube-controllers").in("kube-system", "calico-system").optional(),
				anyOf(Deployment, "calico-typha").in("kube-system", "calico-system").optional(),
				anyOf(Deployment, "calico-apiserver").in("kube-system", "calico-system", "calico-apiserver").optional(),
			},
		},
		{
			Name: "cilium", Title: "Cilium",
			Parts: []Part{
				anyOf(DaemonSet, "cilium").in("kube-system", "cilium").everyNode(),
				anyOf(Deployment, "cilium-operator").in("kube-system", "cilium"),
				anyOf(DaemonSet, "cilium-envoy").in("kube-system", "cilium").optional(),
				anyOf(Deployment, "hubble-relay").in("kube-system", "cilium").optional(),
				anyOf(Deployment, "hubble-ui").in("kube-system", "cilium").optional(),
			},
		},
		{
			Name: "flannel", Title: "Flannel",
			Parts: []Part{anyOf(DaemonSet, "kube-flannel", "kube-flannel-ds", "kube-flannel-ds-*").in("kube-system", "kube-flannel").everyNode()},
		},
		{
			Name: "kube-ovn", Title: "Kube-OVN",
			Parts: []Part{
				anyOf(DaemonSet, "kube-ovn-cni").everyNode(),
				anyOf(DaemonSet, "ovs-ovn").everyNode(),
				anyOf(Deployment, "kube-ovn-controller"),
				anyOf(Deployment, "ovn-central"),
				anyOf(DaemonSet, "kube-ovn-pinger").optional(),
				anyOf(Deployment, "kube-ovn-monitor").optional(),
			},
		},
		{
			Name: "kube-router", Title: "kube-router",
			Parts: []Part{anyOf(DaemonSet, "kube-router").everyNode()},
		},
		{
			Name: "multus", Title: "Multus", Beside: true,
			Parts: []Part{anyOf(DaemonSet, "kube-multus-ds", "kube-multus-ds-*").everyNode()},
		},
		{
			Name: "weave", Title: "Weave Net", RemovedIn: "v2.29",
			Parts: []Part{anyOf(DaemonSet, "weave-net").everyNode()},
		},
		{
			Name: "canal", Title: "Canal", RemovedIn: "v2.22",
			Parts: []Part{anyOf(DaemonSet, "canal-node", "canal").everyNode()},
		},
		{
			Name: "contiv", Title: "Contiv", RemovedIn: "v2.15",
			Parts: []Part{anyOf(DaemonSet, "contiv-netplugin").everyNode()},
		},
		{
			Name: "antrea", Title: "Antrea",
			Parts: []Part{anyOf(DaemonSet, "antrea-agent").everyNode(), anyOf(Deployment, "antrea-controller")},
		},
		{
			Name: "kindnet", Title: "kindnet",
			Parts: []Part{anyOf(DaemonSet, "kindnet").everyNode()},
		},
		{
			Name: "amazon-vpc-cni", Title: "Amazon VPC CNI",
			Parts: []Part{anyOf(DaemonSet, "aws-node").everyNode()},
		},
	}
}

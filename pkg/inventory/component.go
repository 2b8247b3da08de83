package inventory

import (
	"path"
	"strings"
)

// Object is something to look for in the live cluster.
type Object struct {
	// Kind is Deployment, DaemonSet, StatefulSet, ReplicaSet, Pod or CustomResourceDefinition.
	Kind string
	// Name is the object's name; * stands for any text, as in kube-vip-*.
	Name string
	// Labels select pods and DaemonSets whose name has a * further; "" selects all.
	Labels string
	// Optional objects are installed only when a further variable asks for them.
	Optional bool
}

// Matches reports whether a live object's name fits.
func (o Object) Matches(name string) bool {
	if !strings.Contains(o.Name, "*") {
		return o.Name == name
	}
	ok, err := path.Match(o.Name, name)
	return ok && err == nil
}

// lifetime says in which Kubespray releases something exists. Empty means: always, in v2.7.0 and later.
type lifetime struct {
	Since string // the first release that has it
	Gone  string // the first release that has it no more
}

// exists reports whether the release has it; an unknown release counts as the newest.
func (l lifetime) exists(release string) bool {
	if l.Gone != "" && atLeast(release, l.Gone) {
		return false
	}
	return l.Since == "" || atLeast(release, l.Since)
}

// Addon is one of Kubespray's add-ons: what switches it on and what it leaves in the cluster.
type Addon struct {
	Name string // as people call it, such as metrics-server
	// Variable switches it on: a boolean, but for external_cloud_provider a name.
	Variable string
	// Value is what Variable must hold; "" stands for true.
	Value string
	// Namespace is where its objects are unless NamespaceVariable says otherwise; "" for objects without
	// a namespace.
	Namespace         string
	NamespaceVariable string
	Objects           []Object
	lifetime
	// Note says what is not in Objects.
	Note string
}

// kubeSystem is where Kubespray puts whatever has no namespace of its own.
const kubeSystem = "kube-system"

func deployment(name string) Object  { return Object{Kind: "Deployment", Name: name} }
func daemonSet(name string) Object   { return Object{Kind: "DaemonSet", Name: name} }
func statefulSet(name string) Object { return Object{Kind: "StatefulSet", Name: name} }
func crds(group string) Object       { return Object{Kind: "CustomResourceDefinition", Name: "*." + group} }

// optional marks an object that only a further variable asks for.
func optional(o Object) Object {
	o.Optional = true
	return o
}

// Addons returns the add-ons of all Kubespray releases since v2.7.0, those that were removed included.
// Sources: roles/kubernetes-apps and the group_vars of inventory/sample of each release.
func Addons() []Addon {
	return []Addon{
		{Name: "Helm", Variable: "helm_enabled", Note: "a program on the control plane's machines; nothing in the cluster since Helm 3 (v2.15.0)"},
		{Name: "registry", Variable: "registry_enabled", Namespace: kubeSystem, NamespaceVariable: "registry_namespace", Objects: []Object{{Kind: "ReplicaSet", Name: "registry"}}},
		{Name: "metrics-server", Variable: "metrics_server_enabled", Namespace: kubeSystem, Objects: []Object{deployment("metrics-server")}, lifetime: lifetime{Since: "v2.8.0"}},
		{
			Name: "local-path-provisioner", Variable: "local_path_provisioner_enabled", Namespace: "local-path-storage", NamespaceVariable: "local_path_provisioner_namespace",
			Objects: []Object{deployment("local-path-provisioner")}, lifetime: lifetime{Since: "v2.9.0"},
		},
		{
			Name: "local-volume-provisioner", Variable: "local_volume_provisioner_enabled", Namespace: kubeSystem, NamespaceVariable: "local_volume_provisioner_namespace",
			Objects: []Object{daemonSet("local-volume-provisioner")},
		},
		{
			Name: "snapshot-controller", Variable: "csi_snapshot_controller_enabled", Namespace: kubeSystem, NamespaceVariable: "snapshot_controller_namespace",
			Objects: []Object{deployment("snapshot-controller")}, lifetime: lifetime{Since: "v2.17.0"},
		},
		{Name: "Gateway API", Variable: "gateway_api_enabled", Objects: []Object{crds("gateway.networking.k8s.io")}, lifetime: lifetime{Since: "v2.26.0"}},
		{
			Name: "ALB ingress", Variable: "ingress_alb_enabled", Namespace: kubeSystem, NamespaceVariable: "alb_ingress_controller_namespace",
			Objects: []Object{deployment("alb-ingress-controller")}, lifetime: lifetime{Since: "v2.13.0"},
		},
		{
			Name: "cert-manager", Variable: "cert_manager_enabled", Namespace: "cert-manager", NamespaceVariable: "cert_manager_namespace",
			Objects: []Object{deployment("cert-manager"), deployment("cert-manager-cainjector"), deployment("cert-manager-webhook")},
		},
		{
			Name: "MetalLB", Variable: "metallb_enabled", Namespace: "metallb-system", NamespaceVariable: "metallb_namespace",
			Objects: []Object{deployment("controller"), optional(daemonSet("speaker"))}, lifetime: lifetime{Since: "v2.14.0"},
			Note: "metallb_speaker_enabled: false leaves the speaker out",
		},
		{
			Name: "Argo CD", Variable: "argocd_enabled", Namespace: "argocd", NamespaceVariable: "argocd_namespace",
			Objects: []Object{deployment("argocd-server"), deployment("argocd-repo-server"), statefulSet("argocd-application-controller")}, lifetime: lifetime{Since: "v2.18.0"},
		},
		{
			Name: "kube-vip", Variable: "kube_vip_enabled", Namespace: kubeSystem, Objects: []Object{{Kind: "Pod", Name: "kube-vip-*", Labels: "k8s-app=kube-vip"}},
			lifetime: lifetime{Since: "v2.19.0"}, Note: "a static pod on each control plane node",
		},
		{
			Name: "node-feature-discovery", Variable: "node_feature_discovery_enabled", Namespace: "node-feature-discovery", NamespaceVariable: "node_feature_discovery_namespace",
			Objects:  []Object{deployment("node-feature-discovery-master"), deployment("node-feature-discovery-gc"), daemonSet("node-feature-discovery-worker")},
			lifetime: lifetime{Since: "v2.25.0"},
		},
		{Name: "Prometheus operator CRDs", Variable: "prometheus_operator_crds_enabled", Objects: []Object{crds("monitoring.coreos.com")}, lifetime: lifetime{Since: "v2.29.0"}},
		{
			Name: "scheduler-plugins", Variable: "scheduler_plugins_enabled", Namespace: "scheduler-plugins", NamespaceVariable: "scheduler_plugins_namespace",
			Objects: []Object{deployment("scheduler-plugins-controller"), deployment("scheduler-plugins-scheduler")}, lifetime: lifetime{Since: "v2.25.0"},
		},
		{
			Name: "kubelet-csr-approver", Variable: "kubelet_csr_approver_enabled", Namespace: kubeSystem, NamespaceVariable: "kubelet_csr_approver_namespace",
			Objects: []Object{deployment("kubelet-csr-approver")}, lifetime: lifetime{Since: "v2.22.0"},
		},
		{Name: "AWS EBS CSI", Variable: "aws_ebs_csi_enabled", Namespace: kubeSystem, Objects: []Object{deployment("ebs-csi-controller"), daemonSet("ebs-csi-node")}, lifetime: lifetime{Since: "v2.13.0"}},
		{
			Name: "Azure disk CSI", Variable: "azure_csi_enabled", Namespace: kubeSystem,
			Objects: []Object{deployment("csi-azuredisk-controller"), daemonSet("csi-azuredisk-node")}, lifetime: lifetime{Since: "v2.13.0"},
		},
		{
			Name: "Cinder CSI", Variable: "cinder_csi_enabled", Namespace: kubeSystem,
			Objects: []Object{deployment("csi-cinder-controllerplugin"), daemonSet("csi-cinder-nodeplugin")}, lifetime: lifetime{Since: "v2.12.0"},
		},
		{
			Name: "GCE PD CSI", Variable: "gcp_pd_csi_enabled", Namespace: kubeSystem,
			Objects: []Object{deployment("csi-gce-pd-controller"), daemonSet("csi-gce-pd-node")}, lifetime: lifetime{Since: "v2.13.0"},
		},
		{
			Name: "UpCloud CSI", Variable: "upcloud_csi_enabled", Namespace: kubeSystem,
			Objects: []Object{statefulSet("csi-upcloud-controller"), daemonSet("csi-upcloud-node")}, lifetime: lifetime{Since: "v2.19.0"},
		},
		{
			Name: "vSphere CSI", Variable: "vsphere_csi_enabled", Namespace: kubeSystem, NamespaceVariable: "vsphere_csi_namespace",
			Objects: []Object{deployment("vsphere-csi-controller"), daemonSet("vsphere-csi-node")}, lifetime: lifetime{Since: "v2.13.0"},
		},
		{
			Name: "NVIDIA accelerator", Variable: "nvidia_accelerator_enabled", Namespace: kubeSystem,
			Objects: []Object{daemonSet("nvidia-gpu-device-plugin"), daemonSet("nvidia-driver-installer")},
		},
		cloudController("hcloud", "hcloud"), cloudController("huaweicloud", "huawei"), cloudController("oci", "oci"),
		cloudController("openstack", "openstack"), cloudController("vsphere", "vsphere"),
		{
			Name: "dashboard", Variable: "dashboard_enabled", Namespace: kubeSystem, NamespaceVariable: "dashboard_namespace",
			Objects: []Object{deployment("kubernetes-dashboard"), optional(deployment("kubernetes-metrics-scraper"))}, lifetime: lifetime{Gone: "v2.31.0"},
		},
		{
			Name: "ingress-nginx", Variable: "ingress_nginx_enabled", Namespace: "ingress-nginx", NamespaceVariable: "ingress_nginx_namespace",
			Objects: []Object{daemonSet("ingress-nginx-controller")}, lifetime: lifetime{Gone: "v2.31.0"},
		},
		{
			Name: "netchecker", Variable: "deploy_netchecker", Namespace: "default", NamespaceVariable: "netcheck_namespace",
			Objects: []Object{daemonSet("netchecker-agent"), daemonSet("netchecker-agent-hostnet"), deployment("netchecker-server")}, lifetime: lifetime{Gone: "v2.31.0"},
		},
		{
			Name: "CephFS provisioner", Variable: "cephfs_provisioner_enabled", Namespace: "cephfs-provisioner", NamespaceVariable: "cephfs_provisioner_namespace",
			Objects: []Object{deployment("cephfs-provisioner")}, lifetime: lifetime{Gone: "v2.28.0"},
		},
		{
			Name: "RBD provisioner", Variable: "rbd_provisioner_enabled", Namespace: "rbd-provisioner", NamespaceVariable: "rbd_provisioner_namespace",
			Objects: []Object{deployment("rbd-provisioner")}, lifetime: lifetime{Since: "v2.10.0", Gone: "v2.28.0"},
		},
		{Name: "krew", Variable: "krew_enabled", Note: "a program; nothing in the cluster", lifetime: lifetime{Since: "v2.16.0", Gone: "v2.28.0"}},
		{
			Name: "Ambassador ingress", Variable: "ingress_ambassador_enabled", Namespace: "ambassador", NamespaceVariable: "ingress_ambassador_namespace",
			Objects: []Object{deployment("ambassador-operator")}, lifetime: lifetime{Since: "v2.14.0", Gone: "v2.18.0"},
		},
	}
}

func cloudController(provider, prefix string) Addon {
	return Addon{
		Name: provider + " cloud controller", Variable: "external_cloud_provider", Value: provider, Namespace: kubeSystem,
		Objects: []Object{daemonSet(prefix + "-cloud-controller-manager")}, lifetime: lifetime{Since: "v2.13.0"},
	}
}

// NetworkPlugin is a value of kube_network_plugin, or Multus beside one.
type NetworkPlugin struct {
	Name string
	// Objects are in the namespace kube-system; none for a plugin that leaves no trace or is the user's.
	Objects []Object
	lifetime
	// ReplacesKubeProxy is a variable that, when true, makes the plugin do kube-proxy's work.
	ReplacesKubeProxy string
	// NodeCIDRs tells whether Kubernetes gives each node a range of kube_network_node_prefix bits, so
	// that the size of kube_pods_subnet limits the number of nodes.
	NodeCIDRs bool
}

// Supported reports whether the Kubespray release installs the plugin; "" stands for the newest.
func (p NetworkPlugin) Supported(release string) bool { return p.exists(release) }

// NetworkPlugins returns the values of kube_network_plugin in all releases since v2.7.0, those that
// were removed included. Sources: roles/network_plugin and roles/validate_inventory, before v2.27.0
// roles/kubernetes/preinstall, of each release.
func NetworkPlugins() []NetworkPlugin {
	return []NetworkPlugin{
		{
			Name:              "calico",
			Objects:           []Object{daemonSet("calico-node"), deployment("calico-kube-controllers"), optional(deployment("calico-typha")), optional(deployment("calico-apiserver"))},
			ReplacesKubeProxy: "calico_bpf_enabled",
		},
		{
			Name: "cilium", NodeCIDRs: true,
			Objects:           []Object{{Kind: "DaemonSet", Name: "cilium"}, deployment("cilium-operator"), optional(deployment("hubble-relay")), optional(deployment("hubble-ui"))},
			ReplacesKubeProxy: "cilium_kube_proxy_replacement",
		},
		{Name: "flannel", NodeCIDRs: true, Objects: []Object{daemonSet("kube-flannel*")}},
		{
			Name: "kube-ovn", NodeCIDRs: true, lifetime: lifetime{Since: "v2.11.0"},
			Objects: []Object{
				daemonSet("kube-ovn-cni"), daemonSet("ovs-ovn"), daemonSet("kube-ovn-pinger"),
				deployment("kube-ovn-controller"), deployment("ovn-central"), deployment("kube-ovn-monitor"),
			},
		},
		{
			Name: "kube-router", NodeCIDRs: true, lifetime: lifetime{Since: "v2.8.0"},
			Objects: []Object{daemonSet("kube-router")}, ReplacesKubeProxy: "kube_router_run_service_proxy",
		},
		{Name: "macvlan", NodeCIDRs: true, lifetime: lifetime{Since: "v2.11.0"}},
		{Name: "cni", NodeCIDRs: true, lifetime: lifetime{Since: "v2.10.0"}},
		{Name: "custom_cni", NodeCIDRs: true, lifetime: lifetime{Since: "v2.22.0"}},
		{Name: "cloud", NodeCIDRs: true},
		{Name: "none", NodeCIDRs: true, lifetime: lifetime{Since: "v2.27.0"}},
		{Name: "weave", NodeCIDRs: true, lifetime: lifetime{Gone: "v2.29.0"}, Objects: []Object{daemonSet("weave-net")}},
		{Name: "canal", NodeCIDRs: true, lifetime: lifetime{Gone: "v2.22.0"}, Objects: []Object{daemonSet("canal-node")}},
		{Name: "contiv", NodeCIDRs: true, lifetime: lifetime{Gone: "v2.15.0"}, Objects: []Object{daemonSet("contiv-netplugin")}},
		{Name: "ovn4nfv", NodeCIDRs: true, lifetime: lifetime{Since: "v2.14.0", Gone: "v2.18.0"}, Objects: []Object{daemonSet("ovn4nfv-cni")}},
	}
}

// Multus returns what kube_network_plugin_multus installs beside the network plugin.
func Multus() NetworkPlugin {
	return NetworkPlugin{Name: "multus", lifetime: lifetime{Since: "v2.8.0"}, Objects: []Object{{Kind: "DaemonSet", Name: "kube-multus-ds-*", Labels: "app=multus"}}}
}

// FindNetworkPlugin returns the plugin of that name.
func FindNetworkPlugin(name string) (NetworkPlugin, bool) {
	for _, p := range NetworkPlugins() {
		if p.Name == name {
			return p, true
		}
	}
	return NetworkPlugin{}, false
}

// RemovedVariable is a variable that Kubespray no longer reads.
type RemovedVariable struct {
	Name string
	Gone string // the first release without it
	// Instead says what to use now.
	Instead string
	// Refused tells that Kubespray stops when it is set.
	Refused bool
}

// RemovedVariables returns the variables that were removed and are still found in inventories, the
// add-ons' switches included. Source: the validate_inventory and preinstall roles of each release.
func RemovedVariables() []RemovedVariable {
	removed := []RemovedVariable{
		{Name: "kubelet_static_pod_path", Gone: "v2.31.0", Instead: "use kube_manifest_dir", Refused: true},
		{Name: "etcd_kubeadm_enabled", Gone: "v2.28.0", Instead: "set etcd_deployment_type: kubeadm", Refused: true},
		{Name: "containerd_config", Gone: "v2.16.0", Instead: "use the containerd_* variables", Refused: true},
		{Name: "kube_basic_auth", Gone: "v2.15.0", Instead: "Kubernetes 1.19 removed basic authentication"},
		{Name: "kubelet_deployment_type", Gone: "v2.15.0", Instead: "the kubelet always runs on the host"},
		{Name: "kubeadm_enabled", Gone: "v2.13.0", Instead: "kubeadm is always used"},
		{Name: "kube_apiserver_insecure_port", Gone: "v2.20.0", Instead: "Kubernetes 1.20 removed the insecure port"},
		{Name: "dynamic_kubelet_configuration", Gone: "v2.20.0", Instead: "Kubernetes 1.24 removed it"},
		{Name: "metallb_ip_range", Gone: "v2.22.0", Instead: "describe the pools in metallb_config"},
	}
	for _, a := range Addons() {
		if a.Gone != "" {
			removed = append(removed, RemovedVariable{Name: a.Variable, Gone: a.Gone, Instead: "install " + a.Name + " yourself, or choose another add-on"})
		}
	}
	return removed
}

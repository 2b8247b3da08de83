package inventory

import "github.com/kubectl-lab/kubectl-lab/pkg/components"

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

// Addon is an add-on as Kubespray's variables describe it. What it leaves in the cluster is in
// components.Addons, under the same ID; helm and krew leave nothing.
type Addon struct {
	ID    string
	Title string
	// Variable switches it on: a boolean, but for external_cloud_provider the provider's name.
	Variable string
	// Namespace is where Kubespray puts it unless NamespaceVariable says otherwise; "" if it has none.
	Namespace         string
	NamespaceVariable string
	lifetime
}

// kubeSystem is where Kubespray puts whatever has no namespace of its own.
const kubeSystem = "kube-system"

// cloudController is the ID of the add-on whose variable is a name.
const cloudController = "cloud-controller-manager"

// placement is what the variables of an add-on say beside components.Addons.
type placement struct {
	namespace         string
	namespaceVariable string
	since             string
}

// placements returns, by ID, the first Kubespray release of each add-on, v2.7.0 if empty, and its
// namespace. Source: roles/kubernetes-apps of each release.
func placements() map[string]placement {
	return map[string]placement{
		"dashboard":                {kubeSystem, "dashboard_namespace", ""},
		"metrics-server":           {kubeSystem, "", "v2.8.0"},
		"ingress-nginx":            {"ingress-nginx", "ingress_nginx_namespace", ""},
		"ingress-alb":              {kubeSystem, "alb_ingress_controller_namespace", "v2.13.0"},
		"gateway-api":              {"", "", "v2.26.0"},
		"cert-manager":             {"cert-manager", "cert_manager_namespace", ""},
		"metallb":                  {"metallb-system", "metallb_namespace", "v2.14.0"},
		"kube-vip":                 {kubeSystem, "", "v2.19.0"},
		"argocd":                   {"argocd", "argocd_namespace", "v2.18.0"},
		"registry":                 {kubeSystem, "registry_namespace", ""},
		"local-path-provisioner":   {"local-path-storage", "local_path_provisioner_namespace", "v2.9.0"},
		"local-volume-provisioner": {kubeSystem, "local_volume_provisioner_namespace", ""},
		"cephfs-provisioner":       {"cephfs-provisioner", "cephfs_provisioner_namespace", ""},
		"rbd-provisioner":          {"rbd-provisioner", "rbd_provisioner_namespace", "v2.10.0"},
		"snapshot-controller":      {kubeSystem, "snapshot_controller_namespace", "v2.17.0"},
		"aws-ebs-csi":              {kubeSystem, "", "v2.13.0"},
		"azure-csi":                {kubeSystem, "", "v2.13.0"},
		"cinder-csi":               {kubeSystem, "", "v2.12.0"},
		"gcp-pd-csi":               {kubeSystem, "", "v2.13.0"},
		"upcloud-csi":              {kubeSystem, "", "v2.19.0"},
		"vsphere-csi":              {kubeSystem, "vsphere_csi_namespace", "v2.13.0"},
		"node-feature-discovery":   {"node-feature-discovery", "node_feature_discovery_namespace", "v2.25.0"},
		"nvidia":                   {kubeSystem, "", ""},
		"prometheus-crds":          {"", "", "v2.29.0"},
		"kubelet-csr-approver":     {kubeSystem, "kubelet_csr_approver_namespace", "v2.22.0"},
		cloudController:            {kubeSystem, "", "v2.13.0"},
		"netchecker":               {"default", "netcheck_namespace", ""},
	}
}

// Addons returns the add-ons that Kubespray installs or once installed.
func Addons() []Addon {
	addons := []Addon{
		{ID: "helm", Title: "Helm", Variable: "helm_enabled"},
		{ID: "krew", Title: "krew", Variable: "krew_enabled", lifetime: lifetime{Since: "v2.16.0", Gone: "v2.28.0"}},
	}
	placed := placements()
	for _, a := range components.Addons() {
		if len(a.Variables) == 0 {
			continue // not Kubespray's
		}
		p := placed[a.ID]
		addons = append(addons, Addon{
			ID: a.ID, Title: a.Title, Variable: a.Variables[0], Namespace: p.namespace, NamespaceVariable: p.namespaceVariable,
			lifetime: lifetime{Since: p.since, Gone: a.RemovedIn},
		})
	}
	return addons
}

// NetworkPlugin is a value of kube_network_plugin. What it leaves in the cluster is in
// components.Plugins, under the same name, if it leaves anything.
type NetworkPlugin struct {
	Name string
	lifetime
	// ReplacesKubeProxy is a variable that, when true, makes the plugin do kube-proxy's work.
	ReplacesKubeProxy string
	// BlocksOfItsOwn tells that the plugin divides kube_pods_subnet itself, so that
	// kube_network_node_prefix does not limit the number of nodes.
	BlocksOfItsOwn bool
}

// Supported reports whether the Kubespray release installs the plugin; "" stands for the newest.
func (p NetworkPlugin) Supported(release string) bool { return p.exists(release) }

// NetworkPlugins returns the values of kube_network_plugin in all releases since v2.7.0, those that
// were removed included. Source: roles/validate_inventory, before v2.27.0 roles/kubernetes/preinstall,
// of each release.
func NetworkPlugins() []NetworkPlugin {
	return []NetworkPlugin{
		{Name: "calico", BlocksOfItsOwn: true, ReplacesKubeProxy: "calico_bpf_enabled"},
		{Name: "cilium", ReplacesKubeProxy: "cilium_kube_proxy_replacement"},
		{Name: "flannel"},
		{Name: "kube-ovn", lifetime: lifetime{Since: "v2.11.0"}},
		{Name: "kube-router", lifetime: lifetime{Since: "v2.8.0"}, ReplacesKubeProxy: "kube_router_run_service_proxy"},
		{Name: "macvlan", lifetime: lifetime{Since: "v2.11.0"}},
		{Name: "cni", lifetime: lifetime{Since: "v2.10.0"}},
		{Name: "custom_cni", lifetime: lifetime{Since: "v2.22.0"}},
		{Name: "cloud"},
		{Name: "none", lifetime: lifetime{Since: "v2.27.0"}},
		{Name: "weave", lifetime: lifetime{Gone: "v2.29.0"}},
		{Name: "canal", lifetime: lifetime{Gone: "v2.22.0"}},
		{Name: "contiv", lifetime: lifetime{Gone: "v2.15.0"}},
		{Name: "ovn4nfv", lifetime: lifetime{Since: "v2.14.0", Gone: "v2.18.0"}},
	}
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
			removed = append(removed, RemovedVariable{Name: a.Variable, Gone: a.Gone, Instead: "install " + a.Title + " yourself, or choose another add-on"})
		}
	}
	return removed
}

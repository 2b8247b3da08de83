package components

// Addon is something that is installed on top of a cluster.
type Addon struct {
	// ID names it in check ids, such as "metrics-server".
	ID string
	// Title is how the project writes itself.
	Title string
	// Variables are the Kubespray variables of which one asks for it; none if Kubespray does not
	// install it.
	Variables []string
	// NamespaceVariable moves it to another namespace.
	NamespaceVariable string
	// RemovedIn is the release of Kubespray that dropped it; empty if it did not.
	RemovedIn string
	// Retired says why it should be replaced, and by what; empty if it is alive.
	Retired string
	Parts   []Part
}

// Addons lists the add-ons. helm_enabled and krew_enabled leave nothing in the cluster.
func Addons() []Addon {
	return []Addon{
		{
			ID: "dashboard", Title: "Kubernetes Dashboard", Variables: []string{"dashboard_enabled"}, NamespaceVariable: "dashboard_namespace",
			RemovedIn: "v2.31.0", Retired: "the project is archived; Headlamp is its successor",
			Parts: []Part{
				anywhere(Deployment, "kubernetes-dashboard", "kubernetes-dashboard-web"),
				anywhere(Deployment, "kubernetes-dashboard-api").optional(),
				anywhere(Deployment, "kubernetes-dashboard-auth").optional(),
				anywhere(Deployment, "kubernetes-metrics-scraper", "dashboard-metrics-scraper", "kubernetes-dashboard-metrics-scraper").optional(),
			},
		},
		{ID: "headlamp", Title: "Headlamp", Parts: []Part{anywhere(Deployment, "headlamp")}},
		{
			ID: "metrics-server", Title: "Metrics Server", Variables: []string{"metrics_server_enabled"},
			Parts: []Part{anywhere(Deployment, "metrics-server")},
		},
		{
			ID: "ingress-nginx", Title: "Ingress-NGINX", Variables: []string{"ingress_nginx_enabled"}, NamespaceVariable: "ingress_nginx_namespace",
			RemovedIn: "v2.31.0", Retired: "the project ended in March 2026; move to a Gateway API implementation",
			Parts: []Part{
				anywhere(DaemonSet, "ingress-nginx-controller").optional(),
				anywhere(Deployment, "ingress-nginx-controller", "nginx-ingress-controller").optional(),
			},
		},
		{
			ID: "ingress-alb", Title: "AWS ALB ingress controller", Variables: []string{"ingress_alb_enabled"},
			Parts: []Part{anyOf(Deployment, "alb-ingress-controller", "aws-load-balancer-controller")},
		},
		{ID: "traefik", Title: "Traefik", Parts: []Part{
			anywhere(Deployment, "traefik").optional(),
			anywhere(DaemonSet, "traefik").optional(),
		}},
		{
			ID: "gateway-api", Title: "Gateway API", Variables: []string{"gateway_api_enabled"},
			Parts: []Part{{Kind: CRD, Names: []string{"*.gateway.networking.k8s.io"}}},
		},
		{
			ID: "cert-manager", Title: "cert-manager", Variables: []string{"cert_manager_enabled"}, NamespaceVariable: "cert_manager_namespace",
			Parts: []Part{
				anywhere(Deployment, "cert-manager"),
				anywhere(Deployment, "cert-manager-cainjector"),
				anywhere(Deployment, "cert-manager-webhook"),
			},
		},
		{
			ID: "metallb", Title: "MetalLB", Variables: []string{"metallb_enabled"}, NamespaceVariable: "metallb_namespace",
			Parts: []Part{
				anyOf(Deployment, "controller", "metallb-controller").in("metallb-system"),
				anyOf(DaemonSet, "speaker", "metallb-speaker").in("metallb-system").optional(),
			},
		},
		{
			ID: "kube-vip", Title: "kube-vip", Variables: []string{"kube_vip_enabled"},
			Parts: []Part{
				anyOf(StaticPod, "kube-vip-*").optional(),
				anyOf(DaemonSet, "kube-vip-ds", "kube-vip").optional(),
			},
		},
		{
			ID: "argocd", Title: "Argo CD", Variables: []string{"argocd_enabled"}, NamespaceVariable: "argocd_namespace",
			Parts: []Part{
				anywhere(Deployment, "argocd-server"),
				anywhere(Deployment, "argocd-repo-server"),
				anywhere(StatefulSet, "argocd-application-controller"),
			},
		},
		{
			ID: "registry", Title: "container registry", Variables: []string{"registry_enabled"}, NamespaceVariable: "registry_namespace",
			Parts: []Part{anyOf(ReplicaSet, "registry")},
		},
		{
			ID: "local-path-provisioner", Title: "local path provisioner", Variables: []string{"local_path_provisioner_enabled"}, NamespaceVariable: "local_path_provisioner_namespace",
			Parts: []Part{anywhere(Deployment, "local-path-provisioner")},
		},
		{
			ID: "local-volume-provisioner", Title: "local volume provisioner", Variables: []string{"local_volume_provisioner_enabled"}, NamespaceVariable: "local_volume_provisioner_namespace",
			Parts: []Part{anywhere(DaemonSet, "local-volume-provisioner")},
		},
		{
			ID: "cephfs-provisioner", Title: "CephFS provisioner", Variables: []string{"cephfs_provisioner_enabled"},
			RemovedIn: "v2.28.0", Retired: "it is no longer maintained; use the Ceph CSI driver",
			Parts: []Part{anywhere(Deployment, "cephfs-provisioner")},
		},
		{
			ID: "rbd-provisioner", Title: "RBD provisioner", Variables: []string{"rbd_provisioner_enabled"},
			RemovedIn: "v2.28.0", Retired: "it is no longer maintained; use the Ceph CSI driver",
			Parts: []Part{anywhere(Deployment, "rbd-provisioner")},
		},
		{
			ID: "snapshot-controller", Title: "CSI snapshot controller", Variables: []string{"csi_snapshot_controller_enabled"},
			Parts: []Part{anywhere(Deployment, "snapshot-controller", "csi-snapshot-controller")},
		},
		csiAddon("aws-ebs-csi", "AWS EBS CSI driver", "aws_ebs_csi_enabled", "ebs-csi-controller", "ebs-csi-node"),
		csiAddon("azure-csi", "Azure disk CSI driver", "azure_csi_enabled", "csi-azuredisk-controller", "csi-azuredisk-node"),
		csiAddon("cinder-csi", "Cinder CSI driver", "cinder_csi_enabled", "csi-cinder-controllerplugin", "csi-cinder-nodeplugin"),
		csiAddon("gcp-pd-csi", "GCP persistent disk CSI driver", "gcp_pd_csi_enabled", "csi-gce-pd-controller", "csi-gce-pd-node"),
		csiAddon("upcloud-csi", "UpCloud CSI driver", "upcloud_csi_enabled", "csi-upcloud-controller", "csi-upcloud-node"),
		csiAddon("vsphere-csi", "vSphere CSI driver", "vsphere_csi_enabled", "vsphere-csi-controller", "vsphere-csi-node"),
		{
			ID: "node-feature-discovery", Title: "Node Feature Discovery", Variables: []string{"node_feature_discovery_enabled"}, NamespaceVariable: "node_feature_discovery_namespace",
			Parts: []Part{
				anywhere(Deployment, "node-feature-discovery-master", "nfd-master"),
				anywhere(DaemonSet, "node-feature-discovery-worker", "nfd-worker"),
				anywhere(Deployment, "node-feature-discovery-gc", "nfd-gc").optional(),
			},
		},
		{
			ID: "nvidia", Title: "NVIDIA device plugin", Variables: []string{"nvidia_accelerator_enabled"},
			Parts: []Part{
				anywhere(DaemonSet, "nvidia-gpu-device-plugin", "nvidia-device-plugin-daemonset"),
				anywhere(DaemonSet, "nvidia-driver-installer").optional(),
			},
		},
		{
			ID: "prometheus-crds", Title: "Prometheus Operator resources", Variables: []string{"prometheus_operator_crds_enabled"},
			Parts: []Part{{Kind: CRD, Names: []string{"*.monitoring.coreos.com"}}},
		},
		{
			ID: "kubelet-csr-approver", Title: "kubelet CSR approver", Variables: []string{"kubelet_csr_approver_enabled"}, NamespaceVariable: "kubelet_csr_approver_namespace",
			Parts: []Part{anywhere(Deployment, "kubelet-csr-approver")},
		},
		{
			ID: "cloud-controller-manager", Title: "cloud controller manager", Variables: []string{"external_cloud_provider"},
			Parts: []Part{
				anyOf(DaemonSet, "*-cloud-controller-manager", "cloud-controller-manager").optional(),
				anyOf(Deployment, "*-cloud-controller-manager", "cloud-controller-manager").optional(),
			},
		},
		{
			ID: "netchecker", Title: "Netchecker", Variables: []string{"deploy_netchecker"}, NamespaceVariable: "netcheck_namespace",
			RemovedIn: "v2.31.0", Retired: "it is no longer maintained",
			Parts: []Part{
				anywhere(Deployment, "netchecker-server"),
				anywhere(DaemonSet, "netchecker-agent"),
				anywhere(DaemonSet, "netchecker-agent-hostnet").optional(),
			},
		},
		{
			ID: "tiller", Title: "Tiller (Helm 2)", Variables: nil,
			RemovedIn: "v2.15.0", Retired: "Helm 2 ended in November 2020, and Tiller obeys anybody who reaches it; move releases to Helm 3 (helm 2to3)",
			Parts: []Part{anywhere(Deployment, "tiller-deploy")},
		},
	}
}

// csiAddon is a CSI driver in kube-system: a controller of either kind, and a pod on every node.
func csiAddon(id, title, variable, controller, node string) Addon {
	return Addon{
		ID: id, Title: title, Variables: []string{variable},
		Parts: []Part{
			anywhere(Deployment, controller).optional(),
			anywhere(StatefulSet, controller).optional(),
			anywhere(DaemonSet, node),
		},
	}
}

// Package versions lists what the real cluster is made of. Tests compare it with the go.mod files
// that the programs are built from, and with what kubeadm asks for.
package versions

// Kubernetes is the version of the control plane, kubelet, kubeadm, kube-proxy and kubectl.
const Kubernetes = "v1.37.2"

// What kubeadm of that version asks for (cmd/kubeadm/app/constants).
const (
	CoreDNS   = "v1.14.6"
	EtcdImage = "3.7.0-0"
	Pause     = "3.10.2"
)

// The container runtime and the add-ons.
const (
	Containerd    = "v2.4.2"
	Runc          = "v1.5.2"
	MetricsServer = "v0.9.0"
	LocalPath     = "v0.0.30"
	Traefik       = "v3.7.13"
)

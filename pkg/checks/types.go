package checks

import (
	"crypto/x509"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The types in this file are what the checks keep of the cluster's objects: little enough that
// thousands of nodes and pods fit into some megabytes.

const kubeSystem = "kube-system"

// serverInfo is what one request to /version tells.
type serverInfo struct {
	gitVersion string
	url        string
	latency    time.Duration
	// skew is the server's clock minus ours, to about a second.
	skew     time.Duration
	hasDate  bool
	chain    []*x509.Certificate
	insecure bool
	plain    bool
}

// health is the answer of /readyz or /livez: the parts by name, and whether each is ok.
type health struct {
	parts []healthPart
}

type healthPart struct {
	name   string
	ok     bool
	reason string
}

func (h health) broken(want func(name string) bool) []healthPart {
	var broken []healthPart
	for _, p := range h.parts {
		if !p.ok && want(p.name) {
			broken = append(broken, p)
		}
	}
	return broken
}

// node is what checks keep of a Node.
type node struct {
	name          string
	labels        map[string]string
	simulated     bool
	created       time.Time
	unschedulable bool
	taints        []corev1.Taint
	conditions    map[corev1.NodeConditionType]corev1.NodeCondition
	internalIPs   []string
	podCIDRs      []string
	maxPods       int64
	info          nodeInfo
}

type nodeInfo struct{ kubelet, runtime, kernel, osImage, os string }

// kwokAnnotation marks nodes that kwok simulates; see https://kwok.sigs.k8s.io/docs/user/kwok-manage-nodes-and-pods/.
const kwokAnnotation = "kwok.x-k8s.io/node"

func (n node) object() Object { return Object{APIVersion: "v1", Kind: "Node", Name: n.name} }

func (n node) ready() bool { return n.conditions[corev1.NodeReady].Status == corev1.ConditionTrue }

// The labels of nodes that run the control plane: since Kubernetes 1.20, and before 1.24.
const (
	controlPlaneRole = "node-role.kubernetes.io/control-plane"
	masterRole       = "node-role.kubernetes.io/master"
)

func (n node) controlPlane() bool {
	_, now := n.labels[controlPlaneRole]
	_, before := n.labels[masterRole]
	return now || before
}

// schedulable reports whether an ordinary pod, without tolerations, can be placed on the node.
func (n node) schedulable() bool {
	if n.unschedulable {
		return false
	}
	for _, t := range n.taints {
		if t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute {
			return false
		}
	}
	return true
}

// pod is one row of the table of all pods.
type pod struct {
	namespace, name string
	// status is kubectl's STATUS column, such as "CrashLoopBackOff".
	status            string
	ready, containers int
	restarts          int
	// restartedAgo is how long ago the last restart was; 0 if there was none or nobody knows.
	restartedAgo time.Duration
	ip, node     string
	created      time.Time
	deleted      *time.Time
	ownerKind    string
	owner        string
	static       bool
	// labels are kept for pods of kube-system alone.
	labels map[string]string
}

// mirrorAnnotation marks the API server's copy of a kubelet's static pod.
const mirrorAnnotation = "kubernetes.io/config.mirror"

func (p pod) object() Object {
	return Object{APIVersion: "v1", Kind: "Pod", Namespace: p.namespace, Name: p.name}
}

func (p pod) String() string { return p.namespace + "/" + p.name }

func (p pod) finished() bool { return p.status == "Completed" || p.status == "Succeeded" }

// workload is a Deployment, DaemonSet or StatefulSet.
type workload struct {
	kind, namespace, name string
	labels                map[string]string
	desired, ready        int32
	// observed is false while the controller has not seen the newest spec.
	observed       bool
	stalled        string // why a rollout does not progress
	created        time.Time
	images         []string
	args           []string
	serviceAccount string
}

func (w workload) object() Object {
	return Object{APIVersion: "apps/v1", Kind: w.kind, Namespace: w.namespace, Name: w.name}
}

func (w workload) complete() bool { return w.observed && w.ready >= w.desired }

// String is the workload as kubectl names it, such as "deployment/coredns".
func (w workload) String() string { return strings.ToLower(w.kind) + "/" + w.name }

// service is what checks keep of a Service.
type service struct {
	namespace, name string
	kind            corev1.ServiceType
	labels          map[string]string
	selector        map[string]string
	clusterIPs      []string
	externalIPs     []string
	nodePort        bool
	hasIngress      bool
	createdBy       string
	created         time.Time
}

func (s service) object() Object {
	return Object{APIVersion: "v1", Kind: "Service", Namespace: s.namespace, Name: s.name}
}

func (s service) key() string { return s.namespace + "/" + s.name }

// endpoints counts a service's endpoints over all of its slices.
type endpoints struct {
	ready, total int
	// dnsPort is the pods' port for DNS over TCP; 0 if they have none of that name.
	dnsPort int
}

// lease is what checks keep of a Lease.
type lease struct {
	name, holder string
	renewed      time.Time
	duration     time.Duration
	labels       map[string]string
}

// networking is where the cluster's address ranges come from.
type kubeadmConfig struct {
	KubernetesVersion string `json:"kubernetesVersion"`
	CertificatesDir   string `json:"certificatesDir"`
	Networking        struct {
		ServiceSubnet string `json:"serviceSubnet"`
		PodSubnet     string `json:"podSubnet"`
		DNSDomain     string `json:"dnsDomain"`
	} `json:"networking"`
	Etcd struct {
		External *struct {
			Endpoints []string `json:"endpoints"`
		} `json:"external"`
	} `json:"etcd"`
}

// kubeProxyConfig is the part of KubeProxyConfiguration that checks use.
type kubeProxyConfig struct {
	Mode        string `json:"mode"`
	ClusterCIDR string `json:"clusterCIDR"`
	IPVS        struct {
		StrictARP bool `json:"strictARP"`
	} `json:"ipvs"`
}

// kubeletConfig is the part of KubeletConfiguration that checks use.
type kubeletConfig struct {
	ClusterDNS    []string `json:"clusterDNS"`
	ClusterDomain string   `json:"clusterDomain"`
}

// prefixes reads a comma-joined list of CIDRs; what cannot be read is left out.
func prefixes(list string) []netip.Prefix {
	var found []netip.Prefix
	for _, s := range strings.Split(list, ",") {
		if p, err := netip.ParsePrefix(strings.TrimSpace(s)); err == nil {
			found = append(found, p.Masked())
		}
	}
	return found
}

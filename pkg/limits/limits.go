// Package limits holds the sizes up to which Kubernetes is designed and tested, and says how much of
// them a cluster uses. They are no hard limits: beyond them the project promises no performance.
package limits

// The pages that state the limits.
const (
	// ClusterLarge is "Considerations for large clusters".
	ClusterLarge = "https://kubernetes.io/docs/setup/best-practices/cluster-large/"
	// Thresholds is SIG Scalability's table of thresholds.
	Thresholds = "https://github.com/kubernetes/community/blob/main/sig-scalability/configs-and-limits/thresholds.md"
)

// Scope says over what a quantity is counted.
type Scope string

// The scopes.
const (
	Cluster   Scope = "cluster"
	Node      Scope = "node"
	Namespace Scope = "namespace"
)

// Limit is the greatest number of something that Kubernetes is designed for.
type Limit struct {
	// Quantity is what is counted, such as "pods".
	Quantity string `json:"quantity"`
	// Scope is where it is counted.
	Scope Scope `json:"scope"`
	// Max is the greatest number within the limit.
	Max int `json:"max"`
	// Source is the page that states the limit.
	Source string `json:"source"`
}

// Nodes is the limit of nodes in a cluster.
func Nodes() Limit { return Limit{"nodes", Cluster, 5_000, ClusterLarge} }

// Pods is the limit of pods in a cluster.
func Pods() Limit { return Limit{"pods", Cluster, 150_000, ClusterLarge} }

// Containers is the limit of containers in a cluster.
func Containers() Limit { return Limit{"containers", Cluster, 300_000, ClusterLarge} }

// PodsPerNode is the limit of pods on one node. Kubernetes up to v1.18, and so the lab manual, said
// 100. The kubelet's --max-pods, a node's allocatable "pods", may be lower.
func PodsPerNode() Limit { return Limit{"pods per node", Node, 110, ClusterLarge} }

// Services is the threshold of services in a cluster.
func Services() Limit { return Limit{"services", Cluster, 10_000, Thresholds} }

// Namespaces is the threshold of namespaces in a cluster.
func Namespaces() Limit { return Limit{"namespaces", Cluster, 10_000, Thresholds} }

// PodsPerNamespace is the threshold of pods in one namespace.
func PodsPerNamespace() Limit { return Limit{"pods per namespace", Namespace, 3_000, Thresholds} }

// ServicesPerNamespace is the threshold of services in one namespace.
func ServicesPerNamespace() Limit {
	return Limit{"services per namespace", Namespace, 5_000, Thresholds}
}

// DeploymentsPerNamespace is the threshold of Deployments in one namespace.
func DeploymentsPerNamespace() Limit {
	return Limit{"deployments per namespace", Namespace, 2_000, Thresholds}
}

// EndpointsPerService is the threshold of endpoints behind one service.
func EndpointsPerService() Limit {
	return Limit{"endpoints per service", Namespace, 250, Thresholds}
}

// All lists every limit: the documented ones first, then the thresholds.
func All() []Limit {
	return []Limit{
		Nodes(), Pods(), Containers(), PodsPerNode(),
		Services(), Namespaces(), PodsPerNamespace(), ServicesPerNamespace(), DeploymentsPerNamespace(), EndpointsPerService(),
	}
}

// Level says how near to a limit a cluster is.
type Level string

// The levels.
const (
	// Within is less than Near.
	Within Level = "within"
	// Close is at least 80 percent of the limit.
	Close Level = "close"
	// Beyond is more than the limit.
	Beyond Level = "beyond"
)

// closePercent is where a limit starts to be close: late enough not to alarm small clusters, early
// enough to plan.
const closePercent = 80

// Use is how much of a limit is used.
type Use struct {
	Limit
	// Used is the present number.
	Used int `json:"used"`
}

// Of says that this number is used of a limit.
func (l Limit) Of(used int) Use { return Use{Limit: l, Used: used} }

// Percent is the part used, in whole percent rounded down; it exceeds 100 beyond the limit.
func (u Use) Percent() int {
	if u.Max <= 0 {
		return 0
	}
	return int(int64(u.Used) * 100 / int64(u.Max))
}

// Left is how many more fit; negative beyond the limit.
func (u Use) Left() int { return u.Max - u.Used }

// Level says how near the limit is.
func (u Use) Level() Level {
	switch {
	case u.Used > u.Max:
		return Beyond
	case u.Percent() >= closePercent:
		return Close
	default:
		return Within
	}
}

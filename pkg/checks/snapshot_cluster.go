package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-lab/kubectl-lab/pkg/bulk"
)

type namespace struct {
	name    string
	deleted *time.Time
}

// componentStatus is a line of the deprecated "kubectl get componentstatuses".
type componentStatus struct {
	name, message string
	healthy       bool
}

func unmarshalYAML(data []byte, into any) error { return yaml.Unmarshal(data, into) }

func nodeOf(n *corev1.Node) node {
	kept := node{
		name:          n.Name,
		labels:        n.Labels,
		created:       n.CreationTimestamp.Time,
		unschedulable: n.Spec.Unschedulable,
		taints:        n.Spec.Taints,
		conditions:    make(map[corev1.NodeConditionType]corev1.NodeCondition, len(n.Status.Conditions)),
		podCIDRs:      n.Spec.PodCIDRs,
		maxPods:       n.Status.Allocatable.Pods().Value(),
		info: nodeInfo{
			kubelet: n.Status.NodeInfo.KubeletVersion,
			runtime: n.Status.NodeInfo.ContainerRuntimeVersion,
			kernel:  n.Status.NodeInfo.KernelVersion,
			osImage: n.Status.NodeInfo.OSImage,
			os:      n.Status.NodeInfo.OperatingSystem,
		},
	}
	_, kept.simulated = n.Annotations[kwokAnnotation]
	for _, c := range n.Status.Conditions {
		kept.conditions[c.Type] = c
	}
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			kept.internalIPs = append(kept.internalIPs, a.Address)
		}
	}
	return kept
}

// podKeeper keeps what checks need of the rows of the table of pods. Strings that repeat are kept
// once.
type podKeeper struct {
	pods   []pod
	shared map[string]string
}

func newPodKeeper() *podKeeper { return &podKeeper{shared: map[string]string{}} }

func (k *podKeeper) share(s string) string {
	if kept, found := k.shared[s]; found {
		return kept
	}
	k.shared[s] = s
	return s
}

// podColumns are the columns that row reads, in its order.
func podColumns() []string { return []string{"Ready", "Status", "Restarts", "IP", "Node"} }

func (k *podKeeper) row(cells [][]byte, meta bulk.Meta) error {
	p := pod{
		namespace: k.share(meta.Namespace),
		name:      meta.Name,
		status:    k.share(string(cells[1])),
		ip:        noneIsEmpty(cells[3]),
		node:      k.share(noneIsEmpty(cells[4])),
		created:   meta.CreationTimestamp.Time,
		deleted:   timeOf(meta.DeletionTimestamp),
	}
	if p.namespace == kubeSystem {
		p.labels = meta.Labels
	}
	ready, containers, _ := strings.Cut(string(cells[0]), "/")
	p.ready, p.containers = atoi(ready), atoi(containers)
	p.restarts, p.restartedAgo = parseRestarts(string(cells[2]))
	_, p.static = meta.Annotations[mirrorAnnotation]
	if o := metav1.GetControllerOfNoCopy(&metav1.ObjectMeta{OwnerReferences: meta.OwnerReferences}); o != nil {
		p.ownerKind, p.owner = k.share(o.Kind), k.share(o.Name)
	}
	k.pods = append(k.pods, p)
	return nil
}

func noneIsEmpty(cell []byte) string {
	if text := string(cell); text != "<none>" {
		return text
	}
	return ""
}

// timeOf is a time that may be unset.
func timeOf(t *metav1.Time) *time.Time {
	if t == nil {
		return nil
	}
	return &t.Time
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// restartsCell is kubectl's RESTARTS column: "5", or "5 (3m10s ago)".
var restartsCell = regexp.MustCompile(`^(\d+)(?: \((.+) ago\))?$`)

func parseRestarts(cell string) (int, time.Duration) {
	m := restartsCell.FindStringSubmatch(cell)
	if m == nil {
		return 0, 0
	}
	return atoi(m[1]), parseHumanDuration(m[2])
}

// humanUnit is one number and unit of a duration as kubectl prints it.
var humanUnit = regexp.MustCompile(`(\d+)([ydhms])`)

// parseHumanDuration reads what k8s.io/apimachinery/pkg/util/duration writes, such as "3d4h".
func parseHumanDuration(s string) time.Duration {
	units := map[string]time.Duration{
		"y": 365 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second,
	}
	var total time.Duration
	for _, m := range humanUnit.FindAllStringSubmatch(s, -1) {
		total += time.Duration(atoi(m[1])) * units[m[2]]
	}
	return total
}

func (s *Snapshot) leasesIn(namespace string) func(context.Context) ([]lease, error) {
	return func(ctx context.Context) ([]lease, error) {
		list := s.source.Kubernetes.CoordinationV1().Leases(namespace).List
		return collect(ctx, list, func(page *coordinationv1.LeaseList, sofar []lease) []lease {
			for i := range page.Items {
				sofar = append(sofar, leaseOf(&page.Items[i]))
			}
			return sofar
		})
	}
}

func leaseOf(l *coordinationv1.Lease) lease {
	kept := lease{name: l.Name, labels: l.Labels}
	if l.Spec.HolderIdentity != nil {
		kept.holder = *l.Spec.HolderIdentity
	}
	if l.Spec.RenewTime != nil {
		kept.renewed = l.Spec.RenewTime.Time
	}
	if l.Spec.LeaseDurationSeconds != nil {
		kept.duration = time.Duration(*l.Spec.LeaseDurationSeconds) * time.Second
	}
	return kept
}

func serviceOf(svc *corev1.Service) service {
	kept := service{
		namespace:   svc.Namespace,
		name:        svc.Name,
		kind:        svc.Spec.Type,
		labels:      svc.Labels,
		selector:    svc.Spec.Selector,
		externalIPs: svc.Spec.ExternalIPs,
		hasIngress:  len(svc.Status.LoadBalancer.Ingress) > 0,
		createdBy:   svc.Annotations["createdby"],
		created:     svc.CreationTimestamp.Time,
	}
	for _, ip := range svc.Spec.ClusterIPs {
		if ip != corev1.ClusterIPNone && ip != "" {
			kept.clusterIPs = append(kept.clusterIPs, ip)
		}
	}
	kept.nodePort = slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return p.NodePort != 0 })
	return kept
}

// fetchEndpoints counts the endpoints of each service, by namespace/name.
func (s *Snapshot) fetchEndpoints(ctx context.Context) (map[string]endpoints, error) {
	type counted struct {
		key string
		endpoints
	}
	list := s.source.Kubernetes.DiscoveryV1().EndpointSlices("").List
	slicesOf, err := collect(ctx, list, func(page *discoveryv1.EndpointSliceList, sofar []counted) []counted {
		for i := range page.Items {
			slice := &page.Items[i]
			key := slice.Namespace + "/" + slice.Labels[discoveryv1.LabelServiceName]
			sofar = append(sofar, counted{key, countEndpoints(slice)})
		}
		return sofar
	})
	if err != nil {
		return nil, err
	}
	sum := make(map[string]endpoints, len(slicesOf))
	for _, c := range slicesOf {
		e := sum[c.key]
		e.ready += c.ready
		e.total += c.total
		e.dnsPort = max(e.dnsPort, c.dnsPort)
		sum[c.key] = e
	}
	return sum, nil
}

// countEndpoints counts addresses; an unknown readiness counts as ready, as the API says.
func countEndpoints(slice *discoveryv1.EndpointSlice) endpoints {
	var e endpoints
	for _, ep := range slice.Endpoints {
		e.total += len(ep.Addresses)
		if ep.Conditions.Ready == nil || *ep.Conditions.Ready {
			e.ready += len(ep.Addresses)
		}
	}
	for _, port := range slice.Ports {
		if port.Name != nil && *port.Name == dnsPortName && port.Port != nil {
			e.dnsPort = int(*port.Port)
		}
	}
	return e
}

// readComponentStatuses reads what "kubectl get componentstatuses" shows. The typed client would
// hand the server's deprecation warning to the user, who didn't ask for this resource.
func readComponentStatuses(ctx context.Context, cfg *rest.Config) ([]componentStatus, error) {
	const path = "/api/v1/componentstatuses"
	answer, err := getRaw(ctx, cfg, path)
	if err != nil {
		return nil, err
	}
	if err := answer.failure(path); err != nil {
		return nil, err
	}
	var list corev1.ComponentStatusList
	if err := json.Unmarshal(answer.body, &list); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	var found []componentStatus
	for _, item := range list.Items {
		found = append(found, componentStatusOf(item))
	}
	return found, nil
}

func componentStatusOf(item corev1.ComponentStatus) componentStatus {
	status := componentStatus{name: item.Name}
	for _, c := range item.Conditions {
		if c.Type != corev1.ComponentHealthy {
			continue
		}
		status.healthy = c.Status == corev1.ConditionTrue
		status.message = strings.TrimSpace(c.Message + " " + c.Error)
	}
	return status
}

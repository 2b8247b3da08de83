package actions

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-lab/kubectl-lab/pkg/skew"
)

// Tally counts things by name.
type Tally map[string]int

// Most is the greatest count, and whose; of equals the first by name.
func (t Tally) Most() (name string, count int) {
	if ranked := t.Ranked(); len(ranked) > 0 {
		name = ranked[0]
	}
	return name, t[name]
}

// Ranked lists the names, greatest count first, equals by name.
func (t Tally) Ranked() []string {
	names := make([]string, 0, len(t))
	for name := range t {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(t[b], t[a]), cmp.Compare(a, b)) })
	return names
}

// VersionDescription is the control plane's version.
type VersionDescription struct {
	// Server is the API server's gitVersion.
	Server string `json:"server"`
	// Skew lists what violates the version skew policy, in words.
	Skew []string `json:"skew,omitempty"`
	// Unjudged lists the versions that cannot be read, such as those of simulated nodes.
	Unjudged []string `json:"unjudged,omitempty"`
}

// NodesDescription counts nodes.
type NodesDescription struct {
	Total int `json:"total"`
	Ready int `json:"ready"`
	// NotReady are the names of those that are not, at most maxNames.
	NotReady []string `json:"notReady,omitempty"`
	// Unschedulable is how many are cordoned.
	Unschedulable int   `json:"unschedulable,omitempty"`
	Roles         Tally `json:"roles"`
	Zones         Tally `json:"zones,omitempty"`
	Kubelets      Tally `json:"kubelets"`
	Runtimes      Tally `json:"runtimes"`
	// Capacity and Allocatable are sums over all nodes.
	Capacity    Resources `json:"capacity"`
	Allocatable Resources `json:"allocatable"`
}

// Resources are amounts of what pods need.
type Resources struct {
	// CPU is in cores.
	CPU resource.Quantity `json:"cpu"`
	// Memory is in bytes.
	Memory resource.Quantity `json:"memory"`
	Pods   int64             `json:"pods"`
}

func (r *Resources) add(list corev1.ResourceList) {
	r.CPU.Add(*list.Cpu())
	r.Memory.Add(*list.Memory())
	r.Pods += list.Pods().Value()
}

// maxNames bounds the names that are kept of what is wrong; counts are exact.
const maxNames = 20

type nodesReader struct{ NodesDescription }

func (r *nodesReader) add(node *corev1.Node) error {
	if r.Total == 0 {
		r.Roles, r.Zones, r.Kubelets, r.Runtimes = Tally{}, Tally{}, Tally{}, Tally{}
	}
	r.Total++
	if isNodeReady(node) {
		r.Ready++
	} else if len(r.NotReady) < maxNames {
		r.NotReady = append(r.NotReady, node.Name)
	}
	if node.Spec.Unschedulable {
		r.Unschedulable++
	}
	for _, role := range rolesOf(node.Labels) {
		r.Roles[role]++
	}
	if zone := node.Labels[corev1.LabelTopologyZone]; zone != "" {
		r.Zones[zone]++
	}
	r.Kubelets[node.Status.NodeInfo.KubeletVersion]++
	r.Runtimes[node.Status.NodeInfo.ContainerRuntimeVersion]++
	r.Capacity.add(node.Status.Capacity)
	r.Allocatable.add(node.Status.Allocatable)
	return nil
}

func (r *nodesReader) description() *NodesDescription { return &r.NodesDescription }

func isNodeReady(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// rolesOf reads the labels node-role.kubernetes.io/ROLE and, from older installers, kubernetes.io/role,
// as kubectl get nodes does. A node without a role is a worker.
func rolesOf(labels map[string]string) []string {
	var roles []string
	for key, value := range labels {
		if role, ok := strings.CutPrefix(key, "node-role.kubernetes.io/"); ok && role != "" {
			roles = append(roles, role)
		}
		if key == "kubernetes.io/role" && value != "" {
			roles = append(roles, value)
		}
	}
	if len(roles) == 0 {
		return []string{"worker"}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// PodsDescription counts pods.
type PodsDescription struct {
	Total int `json:"total"`
	// ByStatus counts by the status that kubectl get pods prints: the phase, or what keeps the pod from
	// it, such as CrashLoopBackOff.
	ByStatus Tally `json:"byStatus"`
	// Containers is how many containers the pods have, sidecars included.
	Containers int `json:"containers"`
	// Restarts is the sum over all containers.
	Restarts int `json:"restarts"`
	// BusiestNode has the most pods, BusiestNodePods of them; pods that have ended do not count.
	BusiestNode     string `json:"busiestNode,omitempty"`
	BusiestNodePods int    `json:"busiestNodePods,omitempty"`
}

// podColumns are the columns of kubectl get pods -o wide that are read, in the order of a row's cells.
func podColumns() []string { return []string{"Ready", "Status", "Restarts", "Node"} }

type podsReader struct {
	PodsDescription
	byNode Tally
}

func (r *podsReader) add(cells [][]byte) error {
	if r.Total == 0 {
		r.ByStatus, r.byNode = Tally{}, Tally{}
	}
	ready, status, restarts, node := cells[0], string(cells[1]), cells[2], string(cells[3])
	r.Total++
	r.ByStatus[status]++
	r.Containers += containersOf(ready)
	r.Restarts += leadingNumber(restarts)
	if node != "" && node != "<none>" && !hasEnded(status) {
		r.byNode[node]++
	}
	return nil
}

// containersOf reads the number of containers from the column READY, "1/2".
func containersOf(ready []byte) int {
	_, total, _ := bytes.Cut(ready, []byte("/"))
	return leadingNumber(total)
}

// leadingNumber reads "3" or, as in the column RESTARTS, "3 (5m ago)".
func leadingNumber(cell []byte) int {
	digits, _, _ := bytes.Cut(cell, []byte(" "))
	n, err := strconv.Atoi(string(digits))
	if err != nil {
		return 0
	}
	return n
}

// hasEnded tells the statuses of pods that run no more, and so take no place on their node.
func hasEnded(status string) bool {
	return slices.Contains([]string{"Completed", "Succeeded", "Failed", "Evicted"}, status)
}

func (r *podsReader) description() *PodsDescription {
	r.BusiestNode, r.BusiestNodePods = r.byNode.Most()
	return &r.PodsDescription
}

// WorkloadsDescription counts the workloads of one kind.
type WorkloadsDescription struct {
	Kind  string `json:"kind"`
	Total int    `json:"total"`
	// Short is how many have fewer ready replicas than wanted, and ShortOf the first of them, at most
	// maxNames.
	Short   int             `json:"short"`
	ShortOf []ShortWorkload `json:"shortOf,omitempty"`
}

// ShortWorkload has fewer ready replicas than wanted.
type ShortWorkload struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Ready     int32  `json:"ready"`
	Wanted    int32  `json:"wanted"`
}

// ComponentDescription is a part of the cluster that runs in kube-system.
type ComponentDescription struct {
	Name   string `json:"name"`
	Ready  int32  `json:"ready"`
	Wanted int32  `json:"wanted"`
	// Version is the tag of its image; empty if it is no version.
	Version string `json:"version,omitempty"`
}

type workloadsReader struct {
	part   string
	kind   string
	total  int
	short  int
	list   []ShortWorkload
	system []ComponentDescription
}

func (r *workloadsReader) addDeployment(d *appsv1.Deployment) error {
	return r.add(d.ObjectMeta, d.Status.ReadyReplicas, replicas(d.Spec.Replicas), d.Spec.Template.Spec)
}

func (r *workloadsReader) addStatefulSet(s *appsv1.StatefulSet) error {
	return r.add(s.ObjectMeta, s.Status.ReadyReplicas, replicas(s.Spec.Replicas), s.Spec.Template.Spec)
}

func (r *workloadsReader) addDaemonSet(d *appsv1.DaemonSet) error {
	return r.add(d.ObjectMeta, d.Status.NumberReady, d.Status.DesiredNumberScheduled, d.Spec.Template.Spec)
}

// replicas is the wanted number; the API server fills in 1 where none is given.
func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

func (r *workloadsReader) add(object metav1.ObjectMeta, ready, wanted int32, pod corev1.PodSpec) error {
	r.total++
	if object.Namespace == adminNamespace {
		r.system = append(r.system, ComponentDescription{Name: object.Name, Ready: ready, Wanted: wanted, Version: firstVersion(pod)})
	}
	if ready >= wanted {
		return nil
	}
	r.short++
	if len(r.list) < maxNames {
		r.list = append(r.list, ShortWorkload{Namespace: object.Namespace, Name: object.Name, Ready: ready, Wanted: wanted})
	}
	return nil
}

func firstVersion(pod corev1.PodSpec) string {
	if len(pod.Containers) == 0 {
		return ""
	}
	return versionOf(pod.Containers[0].Image)
}

func (r *workloadsReader) description() WorkloadsDescription {
	return WorkloadsDescription{Kind: r.kind, Total: r.total, Short: r.short, ShortOf: r.list}
}

// ServicesDescription counts services.
type ServicesDescription struct {
	Total  int   `json:"total"`
	ByType Tally `json:"byType"`
	// WithoutBackends is how many select pods but have no ready endpoint, and WithoutBackendsOf the
	// first of them as NAMESPACE/NAME, at most maxNames. Nil if the endpoints could not be read.
	WithoutBackends   *int     `json:"withoutBackends,omitempty"`
	WithoutBackendsOf []string `json:"withoutBackendsOf,omitempty"`
}

type servicesReader struct {
	total     int
	byType    Tally
	selecting []string
}

func (r *servicesReader) add(service *corev1.Service) error {
	if r.byType == nil {
		r.byType = Tally{}
	}
	r.total++
	r.byType[string(service.Spec.Type)]++
	if len(service.Spec.Selector) > 0 && service.Spec.Type != corev1.ServiceTypeExternalName {
		r.selecting = append(r.selecting, service.Namespace+"/"+service.Name)
	}
	return nil
}

func (r *servicesReader) description(ready map[string]bool, known bool) *ServicesDescription {
	d := &ServicesDescription{Total: r.total, ByType: r.byType}
	if !known {
		return d
	}
	without := slices.DeleteFunc(r.selecting, func(service string) bool { return ready[service] })
	count := len(without)
	slices.Sort(without)
	d.WithoutBackends, d.WithoutBackendsOf = &count, without[:min(count, maxNames)]
	return d
}

type endpointsReader struct {
	// ready holds the services, as NAMESPACE/NAME, that have a ready endpoint.
	ready      map[string]bool
	apiServers int
}

// add takes an endpoint as ready if it does not say otherwise
// (https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions).
func (r *endpointsReader) add(slice *discoveryv1.EndpointSlice) error {
	if r.ready == nil {
		r.ready = map[string]bool{}
	}
	service := slice.Namespace + "/" + slice.Labels[discoveryv1.LabelServiceName]
	for _, endpoint := range slice.Endpoints {
		if endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready {
			continue
		}
		r.ready[service] = true
		if service == "default/kubernetes" {
			r.apiServers++
		}
	}
	return nil
}

// staticPodsReader counts the control plane's static pods by component.
type staticPodsReader struct {
	found map[string]*ComponentDescription
}

func (r *staticPodsReader) add(pod *corev1.Pod) error {
	if r.found == nil {
		r.found = map[string]*ComponentDescription{}
	}
	name := pod.Labels["component"]
	if name == "" {
		return nil
	}
	c := r.found[name]
	if c == nil {
		c = &ComponentDescription{Name: name, Version: firstVersion(pod.Spec)}
		r.found[name] = c
	}
	c.Wanted++
	if slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	}) {
		c.Ready++
	}
	if version := firstVersion(pod.Spec); version < c.Version {
		c.Version = version // the oldest counts while the control plane is upgraded
	}
	return nil
}

func (r *staticPodsReader) components() []ComponentDescription {
	components := make([]ComponentDescription, 0, len(r.found))
	for _, c := range r.found {
		components = append(components, *c)
	}
	slices.SortFunc(components, func(a, b ComponentDescription) int { return cmp.Compare(a.Name, b.Name) })
	return components
}

// WarningsDescription groups the events of type Warning.
type WarningsDescription struct {
	// Total is how many events there are, each of which may have happened several times.
	Total int `json:"total"`
	// Truncated is set if there are more than were read.
	Truncated bool `json:"truncated,omitempty"`
	// Groups are the events by reason and kind of object, newest first.
	Groups []WarningGroup `json:"groups,omitempty"`
}

// WarningGroup is the warnings of one reason about one kind of object.
type WarningGroup struct {
	Reason string `json:"reason"`
	// Kind is the kind of the objects, and Objects how many there are.
	Kind    string `json:"kind"`
	Objects int    `json:"objects"`
	// Count is how often it happened.
	Count int `json:"count"`
	// LastSeen, Object and Message are the newest event's.
	LastSeen metav1.Time `json:"lastSeen"`
	Object   ObjectRef   `json:"object"`
	Message  string      `json:"message"`
}

type warningKey struct{ reason, kind string }

type warningGroup struct {
	WarningGroup
	objects map[string]bool
}

type warningsReader struct {
	groups    map[warningKey]*warningGroup
	total     int
	truncated bool
}

func (r *warningsReader) add(event *corev1.Event) error {
	if r.groups == nil {
		r.groups = map[warningKey]*warningGroup{}
	}
	r.total++
	about := event.InvolvedObject
	key := warningKey{event.Reason, about.Kind}
	group := r.groups[key]
	if group == nil {
		group = &warningGroup{WarningGroup: WarningGroup{Reason: event.Reason, Kind: about.Kind}, objects: map[string]bool{}}
		r.groups[key] = group
	}
	group.Count += timesOf(event)
	group.objects[about.Namespace+"/"+about.Name] = true
	if seen := lastSeen(event); seen.After(group.LastSeen.Time) {
		group.LastSeen = metav1.NewTime(seen)
		group.Object = ObjectRef{APIVersion: about.APIVersion, Kind: about.Kind, Namespace: about.Namespace, Name: about.Name}
		group.Message = event.Message
	}
	return nil
}

// timesOf is how often an event happened; both generations of the events API are in use.
func timesOf(event *corev1.Event) int {
	if event.Series != nil {
		return int(event.Series.Count)
	}
	return max(1, int(event.Count))
}

func lastSeen(event *corev1.Event) time.Time {
	seen := event.CreationTimestamp.Time
	for _, t := range []time.Time{event.LastTimestamp.Time, event.EventTime.Time, event.FirstTimestamp.Time} {
		if t.After(seen) {
			seen = t
		}
	}
	if event.Series != nil && event.Series.LastObservedTime.After(seen) {
		seen = event.Series.LastObservedTime.Time
	}
	return seen
}

func (r *warningsReader) description() *WarningsDescription {
	d := &WarningsDescription{Total: r.total, Truncated: r.truncated}
	for _, group := range r.groups {
		group.Objects = len(group.objects)
		d.Groups = append(d.Groups, group.WarningGroup)
	}
	slices.SortFunc(d.Groups, func(a, b WarningGroup) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen.Time), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Kind, b.Kind))
	})
	return d
}

// judgeSkew holds kubelets, kube-proxy and control plane against the version skew policy.
func (d *ClusterDescription) judgeSkew() {
	if d.Version == nil {
		return
	}
	if d.Nodes != nil {
		for _, version := range d.Nodes.Kubelets.Ranked() {
			d.judge(skew.Kubelet, version)
		}
	}
	for _, component := range d.System {
		switch c := skew.Component(component.Name); c {
		case skew.KubeProxy, skew.ControllerManager, skew.Scheduler, skew.APIServer:
			d.judge(c, component.Version)
		}
	}
}

func (d *ClusterDescription) judge(component skew.Component, version string) {
	if version == "" {
		return // a node whose kubelet has not reported yet, or an image without a version
	}
	problem, err := skew.Check(component, version, d.Version.Server)
	switch {
	case err != nil:
		d.Version.Unjudged = append(d.Version.Unjudged, err.Error())
	case problem != "":
		d.Version.Skew = append(d.Version.Skew, problem)
	}
}

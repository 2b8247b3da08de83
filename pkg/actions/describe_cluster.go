package actions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/kubectl-lab/kubectl-lab/pkg/bulk"
	"github.com/kubectl-lab/kubectl-lab/pkg/limits"
)

// ClusterDescription is the cluster on one screen. A part that could not be read is nil, and Unread says
// why.
type ClusterDescription struct {
	// Server is the address of the API server.
	Server string `json:"server"`
	// APIServers is how many API servers there are: the endpoints of Service default/kubernetes.
	APIServers int                 `json:"apiServers,omitempty"`
	Version    *VersionDescription `json:"version,omitempty"`
	Nodes      *NodesDescription   `json:"nodes,omitempty"`
	Pods       *PodsDescription    `json:"pods,omitempty"`
	// Namespaces is how many there are.
	Namespaces *int `json:"namespaces,omitempty"`
	// PodsByNamespace counts pods.
	PodsByNamespace Tally                  `json:"podsByNamespace,omitempty"`
	Workloads       []WorkloadsDescription `json:"workloads,omitempty"`
	Services        *ServicesDescription   `json:"services,omitempty"`
	// System are the components in kube-system: workloads and static pods.
	System   []ComponentDescription `json:"system,omitempty"`
	Warnings *WarningsDescription   `json:"warnings,omitempty"`
	// Limits compares the cluster with the sizes that Kubernetes is designed for.
	Limits []limits.Use `json:"limits,omitempty"`
	// Unread are the parts that could not be read.
	Unread []UnreadPart `json:"unread,omitempty"`

	parts int
	at    time.Time
}

// UnreadPart is a part of the description that could not be read.
type UnreadPart struct {
	// Part is what was to be read, such as "nodes".
	Part string `json:"part"`
	// Missing is the permission that is missing, such as "list nodes"; empty if that is not the reason.
	Missing string `json:"missing,omitempty"`
	// CanI is the command that asks the cluster about the permission.
	CanI string `json:"canI,omitempty"`
	// Absent is set if the API server does not serve the resource.
	Absent bool `json:"absent,omitempty"`
	// Error is any other reason.
	Error string `json:"error,omitempty"`

	err error
}

// clusterReader reads a cluster, each part by one list.
type clusterReader struct {
	env     *Env
	cluster *Cluster
	rest    rest.Interface

	version     VersionDescription
	nodes       nodesReader
	pods        podsReader
	byNamespace Tally
	namespaces  int
	deployments workloadsReader
	stateful    workloadsReader
	daemons     workloadsReader
	services    servicesReader
	endpoints   endpointsReader
	warnings    warningsReader
	static      staticPodsReader
}

// part is one thing to read.
type part struct {
	name string
	read func(context.Context) error
}

// parts lists everything that is read; all at once, as none needs another.
func (r *clusterReader) parts() []part {
	return []part{
		{"version", r.readVersion},
		{"nodes", r.readNodes},
		{"pods", r.readPods},
		{"pods by namespace", r.readPodNames},
		{"namespaces", r.readNamespaces},
		{"deployments", r.readDeployments},
		{"statefulsets", r.readStatefulSets},
		{"daemonsets", r.readDaemonSets},
		{"services", r.readServices},
		{"endpoint slices", r.readEndpointSlices},
		{"events", r.readWarnings},
		{"control plane", r.readStaticPods},
	}
}

func describeCluster(ctx context.Context, env *Env) (Result, error) {
	client, err := env.Cluster.Kubernetes()
	if err != nil {
		return nil, err
	}
	config, err := env.Cluster.RESTConfig()
	if err != nil {
		return nil, err
	}
	reader := &clusterReader{env: env, cluster: env.Cluster, rest: client.CoreV1().RESTClient()}
	unread := reader.readAll(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(unread) == len(reader.parts()) {
		return nil, unread[0].err // nothing at all: the reason is the same for all
	}
	result := &DescribeResult{Header: NewHeader("DescribeResult"), Cluster: reader.describe(serverURL(config), unread)}
	return result, result.Cluster.failure()
}

// readAll reads every part and returns those that could not be read, in the order of parts.
func (r *clusterReader) readAll(ctx context.Context) []UnreadPart {
	parts := r.parts()
	errs := make([]error, len(parts))
	r.env.Observe(Progress{Message: "reading the cluster"})
	forEach(ctx, len(parts), len(parts), func(ctx context.Context, i int) {
		errs[i] = parts[i].read(ctx)
	})
	var unread []UnreadPart
	for i, err := range errs {
		if err != nil {
			unread = append(unread, newUnreadPart(parts[i].name, err))
		}
	}
	return unread
}

func newUnreadPart(name string, err error) UnreadPart {
	u := UnreadPart{Part: name, err: err}
	denial, denied := DenialOf(err)
	switch {
	case denied:
		u.Missing, u.CanI = denial.String(), denial.CanI()
	case apierrors.IsForbidden(err):
		u.Missing = Explain(err).Message
	case apierrors.IsNotFound(err):
		u.Absent = true
	default:
		u.Error = Explain(err).Message
	}
	return u
}

// failure is the error for what could not be read for a reason other than a missing permission or an
// API that the cluster does not have: such a description is incomplete, and the exit code says so.
func (d *ClusterDescription) failure() error {
	var errs []error
	for _, u := range d.Unread {
		if u.Error != "" {
			errs = append(errs, fmt.Errorf("%s: %w", u.Part, u.err))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &PartialError{What: "read", Total: d.parts, Errs: errs}
}

// describe puts the parts together.
func (r *clusterReader) describe(server string, unread []UnreadPart) *ClusterDescription {
	d := &ClusterDescription{Server: server, Unread: unread, parts: len(r.parts()), at: r.env.Time()}
	if d.read("version") {
		d.Version = &r.version
	}
	if d.read("nodes") {
		d.Nodes = r.nodes.description()
	}
	if d.read("pods") {
		d.Pods = r.pods.description()
	}
	if d.read("pods by namespace") {
		d.PodsByNamespace = r.byNamespace
	}
	if d.read("namespaces") {
		d.Namespaces = &r.namespaces
	}
	for _, w := range r.workloads() {
		if d.read(w.part) {
			d.Workloads = append(d.Workloads, w.description())
			d.System = append(d.System, w.system...)
		}
	}
	if d.read("services") {
		d.Services = r.services.description(r.endpoints.ready, d.read("endpoint slices"))
	}
	if d.read("endpoint slices") {
		d.APIServers = r.endpoints.apiServers
	}
	if d.read("events") {
		d.Warnings = r.warnings.description()
	}
	if d.read("control plane") {
		d.System = append(r.static.components(), d.System...)
	}
	d.Limits = r.limits(d)
	d.judgeSkew()
	return d
}

func (r *clusterReader) workloads() []*workloadsReader {
	return []*workloadsReader{&r.deployments, &r.stateful, &r.daemons}
}

// read reports whether a part was read.
func (d *ClusterDescription) read(name string) bool { return d.unread(name) == nil }

// unread is why a part was not read; nil if it was.
func (d *ClusterDescription) unread(name string) *UnreadPart {
	for i := range d.Unread {
		if d.Unread[i].Part == name {
			return &d.Unread[i]
		}
	}
	return nil
}

// limits compares with the documented limits; what is not known is left out.
func (r *clusterReader) limits(d *ClusterDescription) []limits.Use {
	var uses []limits.Use
	if d.Nodes != nil {
		uses = append(uses, limits.Nodes().Of(d.Nodes.Total))
	}
	if d.Pods != nil {
		_, busiest := r.pods.byNode.Most()
		uses = append(uses,
			limits.Pods().Of(d.Pods.Total),
			limits.Containers().Of(d.Pods.Containers),
			limits.PodsPerNode().Of(busiest))
	}
	if d.Services != nil {
		uses = append(uses, limits.Services().Of(d.Services.Total))
	}
	return uses
}

// list is a bulk list of a resource, all of which exist as v1.
func (r *clusterReader) list(group, resource string) bulk.List {
	return bulk.List{Client: r.rest, Resource: schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}}
}

func (r *clusterReader) readVersion(ctx context.Context) error {
	info, err := serverVersion(ctx, r.cluster)
	if err != nil {
		return err
	}
	r.version.Server = info.GitVersion
	return nil
}

func (r *clusterReader) readNodes(ctx context.Context) error {
	_, err := bulk.Objects(ctx, r.list("", "nodes"), r.nodes.add)
	return err
}

func (r *clusterReader) readPods(ctx context.Context) error {
	_, err := bulk.Rows(ctx, r.list("", "pods"), podColumns(), r.pods.add)
	return err
}

func (r *clusterReader) readPodNames(ctx context.Context) error {
	r.byNamespace = Tally{}
	_, err := bulk.Names(ctx, r.list("", "pods"), func(namespace, _ []byte) error {
		r.byNamespace[string(namespace)]++
		return nil
	})
	return err
}

func (r *clusterReader) readNamespaces(ctx context.Context) error {
	page, err := bulk.Names(ctx, r.list("", "namespaces"), func(_, _ []byte) error { return nil })
	r.namespaces = page.Items
	return err
}

func (r *clusterReader) readDeployments(ctx context.Context) error {
	r.deployments.kind, r.deployments.part = "Deployment", "deployments"
	_, err := bulk.Objects(ctx, r.list("apps", "deployments"), r.deployments.addDeployment)
	return err
}

func (r *clusterReader) readStatefulSets(ctx context.Context) error {
	r.stateful.kind, r.stateful.part = "StatefulSet", "statefulsets"
	_, err := bulk.Objects(ctx, r.list("apps", "statefulsets"), r.stateful.addStatefulSet)
	return err
}

func (r *clusterReader) readDaemonSets(ctx context.Context) error {
	r.daemons.kind, r.daemons.part = "DaemonSet", "daemonsets"
	_, err := bulk.Objects(ctx, r.list("apps", "daemonsets"), r.daemons.addDaemonSet)
	return err
}

func (r *clusterReader) readServices(ctx context.Context) error {
	_, err := bulk.Objects(ctx, r.list("", "services"), r.services.add)
	return err
}

func (r *clusterReader) readEndpointSlices(ctx context.Context) error {
	_, err := bulk.Objects(ctx, r.list("discovery.k8s.io", "endpointslices"), r.endpoints.add)
	return err
}

// The API server keeps no cache of events, so they are read in pages, and not all of them on a cluster
// where everything fails.
const (
	eventPage  = 1000
	eventPages = 5
)

func (r *clusterReader) readWarnings(ctx context.Context) error {
	list := r.list("", "events")
	list.FieldSelector = "type=Warning"
	list.Limit = eventPage
	for range eventPages {
		page, err := bulk.Objects(ctx, list, r.warnings.add)
		if err != nil {
			if apierrors.IsResourceExpired(errors.Unwrap(err)) && r.warnings.total > 0 {
				break // the list changed under the pages; what was read is recent enough
			}
			return err
		}
		list.Continue = page.Continue
		if page.Continue == "" {
			return nil
		}
	}
	r.warnings.truncated = true
	return nil
}

func (r *clusterReader) readStaticPods(ctx context.Context) error {
	list := r.list("", "pods")
	list.Namespace = adminNamespace
	list.LabelSelector = "tier=control-plane" // kubeadm's label on its static pods
	_, err := bulk.Objects(ctx, list, r.static.add)
	return err
}

// versionOf is the version in an image such as registry.k8s.io/kube-proxy:v1.37.2; empty if it names
// none.
func versionOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	colon := strings.LastIndex(image, ":")
	if colon < strings.LastIndex(image, "/") || !strings.HasPrefix(image[colon+1:], "v") {
		return ""
	}
	return image[colon+1:]
}

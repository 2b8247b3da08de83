package checks

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/kubectl-lab/kubectl-lab/pkg/bulk"
	"github.com/kubectl-lab/kubectl-lab/pkg/inventory"
)

// Source is how the cluster is reached.
type Source struct {
	// Kubernetes is the typed client.
	Kubernetes kubernetes.Interface
	// Metadata lists objects without their specs.
	Metadata metadata.Interface
	// Dynamic reads objects of kinds that this program doesn't know.
	Dynamic dynamic.Interface
	// Config is the client configuration of all three; /version, /readyz and /livez are asked with
	// it, because their headers and TLS state count too, and pods are dialed with it.
	Config *rest.Config
}

// Config is what checks may use besides the cluster.
type Config struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Explain words an error of the API machinery for users; nil means err.Error.
	Explain func(error) string
	// Declared is what the inventory declares; nil means what was saved in the cluster, if anything.
	Declared *inventory.Declaration
	// Patience is how long pods, claims, load balancers and requests may be on their way before
	// somebody should look; 0 means five minutes, half of a Deployment's default
	// progressDeadlineSeconds.
	Patience time.Duration
	// ReadTimeout bounds the reading of one resource, all its pages included; 0 means 30 seconds. An API
	// server that needs longer for a list is in no state to be judged by it.
	ReadTimeout time.Duration
}

// The defaults of Config.
const (
	defaultPatience    = 5 * time.Minute
	defaultReadTimeout = 30 * time.Second
)

// Snapshot is the cluster at one moment. Each of its parts is read when a check first needs it, and
// at most once; parts are read side by side. Lists are read without a resource version: since
// Kubernetes 1.31 the API server answers them, up to date, from its watch cache (KEP-2340).
type Snapshot struct {
	source Source
	now    func() time.Time
	words  func(error) string

	patience    time.Duration
	readTimeout time.Duration

	server  *read[serverInfo]
	readyz  *read[health]
	livez   *read[health]
	anon    *read[bool]
	compons *read[[]componentStatus]

	nodes      *read[[]node]
	pods       *read[[]pod]
	staticPods *read[[]corev1.Pod]
	namespaces *read[[]namespace]

	deployments  *read[[]workload]
	daemonSets   *read[[]workload]
	statefulSets *read[[]workload]

	services  *read[[]service]
	endpoints *read[map[string]endpoints]

	systemLeases *read[[]lease]
	nodeLeases   *read[[]lease]

	apiServices *read[[]apiService]
	webhooks    *read[[]webhook]
	crds        *read[map[string]bool]
	requests    *read[[]signingRequest]

	kubeadm     *read[*kubeadmConfig]
	proxyConfig *read[*kubeProxyConfig]
	kubelet     *read[*kubeletConfig]
	cilium      *read[map[string]string]
	felix       *read[map[string]any]

	storageClasses *read[[]storageClass]
	csiDrivers     *read[[]csiDriver]
	csiNodes       *read[[]csiNode]
	claims         *read[[]claim]
	volumes        *read[[]volume]
	attachments    *read[[]attachment]

	serviceCIDRs   *read[[]string]
	ingressClasses *read[[]ingressClass]

	bindings  *read[[]rbacv1.ClusterRoleBinding]
	adminUser *read[bool]
	tokens    *read[[]Object]

	declared *read[*inventory.Declaration]
	ipPools  *read[[]string]
	flannel  *read[string]

	allReadings []anyRead
}

// NewSnapshot prepares to read; nothing is asked before a check needs it.
func NewSnapshot(source Source, cfg Config) *Snapshot {
	s := &Snapshot{
		source: source, now: cfg.Now, words: cfg.Explain,
		patience:    cmp.Or(cfg.Patience, defaultPatience),
		readTimeout: cmp.Or(cfg.ReadTimeout, defaultReadTimeout),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.words == nil {
		s.words = func(err error) string { return err.Error() }
	}
	s.readPaths()
	s.readCluster()
	s.readWorkloads()
	s.readExtensions()
	s.readConfigs()
	s.readStorage()
	s.readAccess()
	s.readDeclared(cfg.Declared)
	return s
}

// serverTime is the present by the API server's clock, so that ages don't depend on ours.
func (s *Snapshot) serverTime() time.Time {
	now := s.now()
	select {
	case <-s.server.done:
		if s.server.err == nil && s.server.value.hasDate {
			now = now.Add(s.server.value.skew)
		}
	default:
	}
	return now
}

// age is how long ago something happened, by the API server's clock.
func (s *Snapshot) age(t time.Time) time.Duration { return max(s.serverTime().Sub(t), 0) }

// minor is the API server's minor version; 0 if nobody knows.
func (s *Snapshot) minor() int {
	v, err := version.ParseGeneric(s.server.get().gitVersion)
	if err != nil || v.Major() != 1 {
		return 0
	}
	return int(v.Minor())
}

// add makes a read and keeps it among all of them, for the check that every one was answered.
func add[T any](s *Snapshot, what string, perm Permission, fetch func(context.Context) (T, error)) *read[T] {
	r := newRead(what, perm, s.readTimeout, fetch)
	s.allReadings = append(s.allReadings, r)
	return r
}

// list is how all objects of a resource are read.
func (s *Snapshot) list(resource schema.GroupVersionResource) bulk.List {
	return bulk.List{Client: s.source.Kubernetes.CoreV1().RESTClient(), Resource: resource, Consistent: true}
}

// The permissions that reads take.
func toList(resource string) Permission { return Permission{Verb: "list", Resource: resource} }

func toListIn(namespace, resource string) Permission {
	return Permission{Verb: "list", Resource: resource, Namespace: namespace}
}

func toGet(namespace, resource, name string) Permission {
	return Permission{Verb: "get", Resource: resource, Namespace: namespace, Name: name}
}

func toGetPath(path string) Permission { return Permission{Verb: "get", Path: path} }

func (s *Snapshot) readPaths() {
	s.server = add(s, "the API server's version", toGetPath("/version"), func(ctx context.Context) (serverInfo, error) {
		return readServer(ctx, s.source.Config, s.now)
	})
	s.readyz = add(s, "the API server's readiness", toGetPath("/readyz"), func(ctx context.Context) (health, error) {
		return readHealth(ctx, s.source.Config, "/readyz")
	})
	s.livez = add(s, "the API server's liveness", toGetPath("/livez"), func(ctx context.Context) (health, error) {
		return readHealth(ctx, s.source.Config, "/livez")
	})
	s.anon = add(s, "namespaces without credentials", toGetPath("/api/v1/namespaces"), func(ctx context.Context) (bool, error) {
		return readAnonymously(ctx, s.source.Config)
	})
	s.compons = add(s, "component statuses", toList("componentstatuses"), func(ctx context.Context) ([]componentStatus, error) {
		return readComponentStatuses(ctx, s.source.Config)
	})
}

func (s *Snapshot) readCluster() {
	core := func() corev1client.CoreV1Interface { return s.source.Kubernetes.CoreV1() }
	s.nodes = add(s, "nodes", toList("nodes"), func(ctx context.Context) ([]node, error) {
		// One at a time: with the names of its images, a node is the largest of all objects.
		var found []node
		_, err := bulk.Objects(ctx, s.list(corev1.SchemeGroupVersion.WithResource("nodes")), func(n *corev1.Node) error {
			found = append(found, nodeOf(n))
			return nil
		})
		return found, err
	})
	s.pods = add(s, "pods", toList("pods"), func(ctx context.Context) ([]pod, error) {
		keep := newPodKeeper()
		_, err := bulk.RowsWithMeta(ctx, s.list(corev1.SchemeGroupVersion.WithResource("pods")), podColumns(), keep.row)
		return keep.pods, err
	})
	s.staticPods = add(s, "the control plane's pods", toListIn(kubeSystem, "pods"), func(ctx context.Context) ([]corev1.Pod, error) {
		list, err := core().Pods(kubeSystem).List(ctx, metav1.ListOptions{LabelSelector: "tier=control-plane"})
		if err != nil {
			return nil, err
		}
		return list.Items, nil
	})
	s.namespaces = add(s, "namespaces", toList("namespaces"), func(ctx context.Context) ([]namespace, error) {
		var found []namespace
		_, err := bulk.Metadata(ctx, s.list(corev1.SchemeGroupVersion.WithResource("namespaces")), func(o *metav1.PartialObjectMetadata) error {
			found = append(found, namespace{name: o.Name, deleted: timeOf(o.DeletionTimestamp)})
			return nil
		})
		return found, err
	})
	s.systemLeases = add(s, "the control plane's leases", toListIn(kubeSystem, "leases.coordination.k8s.io"), s.leasesIn(kubeSystem))
	s.nodeLeases = add(s, "the nodes' leases", toListIn(corev1.NamespaceNodeLease, "leases.coordination.k8s.io"), s.leasesIn(corev1.NamespaceNodeLease))
	s.services = add(s, "services", toList("services"), func(ctx context.Context) ([]service, error) {
		return collect(ctx, core().Services("").List, func(page *corev1.ServiceList, sofar []service) []service {
			for i := range page.Items {
				sofar = append(sofar, serviceOf(&page.Items[i]))
			}
			return sofar
		})
	})
	s.endpoints = add(s, "endpoint slices", toList("endpointslices.discovery.k8s.io"), s.fetchEndpoints)
}

func (s *Snapshot) readConfigs() {
	s.kubeadm = add(s, "kubeadm's configuration", toGet(kubeSystem, "configmaps", "kubeadm-config"), func(ctx context.Context) (*kubeadmConfig, error) {
		return configIn[kubeadmConfig](ctx, s, "kubeadm-config", "ClusterConfiguration")
	})
	s.proxyConfig = add(s, "kube-proxy's configuration", toGet(kubeSystem, "configmaps", "kube-proxy"), func(ctx context.Context) (*kubeProxyConfig, error) {
		return configIn[kubeProxyConfig](ctx, s, "kube-proxy", "config.conf")
	})
	s.kubelet = add(s, "the kubelets' configuration", toGet(kubeSystem, "configmaps", "kubelet-config"), func(ctx context.Context) (*kubeletConfig, error) {
		return configIn[kubeletConfig](ctx, s, "kubelet-config", "kubelet")
	})
	s.cilium = add(s, "Cilium's configuration", toGet(kubeSystem, "configmaps", "cilium-config"), func(ctx context.Context) (map[string]string, error) {
		cm, err := optional(s.source.Kubernetes.CoreV1().ConfigMaps(kubeSystem).Get(ctx, "cilium-config", metav1.GetOptions{}))
		if err != nil || cm == nil {
			return nil, err
		}
		return cm.Data, nil
	})
	felix := schema.GroupVersionResource{Group: "crd.projectcalico.org", Version: "v1", Resource: "felixconfigurations"}
	s.felix = add(s, "Calico's configuration", toGet("", "felixconfigurations.crd.projectcalico.org", "default"), func(ctx context.Context) (map[string]any, error) {
		u, err := optional(s.source.Dynamic.Resource(felix).Get(ctx, "default", metav1.GetOptions{}))
		if err != nil || u == nil {
			return nil, err
		}
		spec, _ := u.Object["spec"].(map[string]any)
		return spec, nil
	})
}

// configIn reads the YAML under a key of a ConfigMap in kube-system; nil if there is no such
// ConfigMap or key.
func configIn[T any](ctx context.Context, s *Snapshot, name, key string) (*T, error) {
	cm, err := optional(s.source.Kubernetes.CoreV1().ConfigMaps(kubeSystem).Get(ctx, name, metav1.GetOptions{}))
	if err != nil || cm == nil || cm.Data[key] == "" {
		return nil, err
	}
	value := new(T)
	if err := unmarshalYAML([]byte(cm.Data[key]), value); err != nil {
		return nil, fmt.Errorf("configmap %s/%s: %s: %w", kubeSystem, name, key, err)
	}
	return value, nil
}

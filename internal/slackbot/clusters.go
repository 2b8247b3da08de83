package slackbot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// requestTimeout bounds each request to an API server.
const requestTimeout = 30 * time.Second

// clusters are the clusters of the configuration, each connected to at its first use.
type clusters struct {
	kubeconfig string // of the bot itself, for clusters that name none; empty: in-cluster, else the default
	userAgent  string

	mu   sync.Mutex
	made map[ClusterConfig]*cluster
}

// cluster is what all people share of a cluster: how to reach it, with the bot's own credentials, and
// which kinds it has. Everybody may see the kinds (system:discovery), so nobody learns anything from
// sharing them.
type cluster struct {
	config    *rest.Config
	discovery discovery.CachedDiscoveryInterface
	mapper    meta.RESTMapper
}

func newClusters(kubeconfig, userAgent string) *clusters {
	return &clusters{kubeconfig: kubeconfig, userAgent: userAgent, made: map[ClusterConfig]*cluster{}}
}

// choose finds the cluster that a command is for.
func (c *Config) choose(given string, rule ChannelRule) (ClusterConfig, error) {
	name := firstOf(given, rule.Cluster, c.DefaultCluster)
	found, ok := c.cluster(name)
	if !ok {
		return ClusterConfig{}, &actions.Error{
			Message: fmt.Sprintf("unknown cluster %q", name),
			Hint:    "known clusters: " + strings.Join(c.clusterNames(), ", "),
			Code:    actions.ExitUsage,
		}
	}
	return found, nil
}

// get connects to a cluster.
func (c *clusters) get(config ClusterConfig) (*cluster, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if made, ok := c.made[config]; ok {
		return made, nil
	}
	made, err := c.connect(config)
	if err != nil {
		return nil, &actions.Error{
			Message: fmt.Sprintf("cluster %q is not configured correctly", config.Name),
			Hint:    "tell an administrator of labbot: its log says more",
			Code:    actions.ExitUnreachable,
			Err:     err,
		}
	}
	c.made[config] = made
	return made, nil
}

// forget drops the connections, so that changed kubeconfigs are read again.
func (c *clusters) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.made)
}

func (c *clusters) connect(config ClusterConfig) (*cluster, error) {
	restConfig, err := c.restConfig(config)
	if err != nil {
		return nil, err
	}
	client, err := discovery.NewDiscoveryClientForConfig(restConfig)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", restConfig.Host, err)
	}
	cached := memory.NewMemCacheClient(client)
	return &cluster{
		config:    restConfig,
		discovery: cached,
		mapper:    restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(cached), cached, nil),
	}, nil
}

// restConfig is the bot's own access to a cluster.
func (c *clusters) restConfig(config ClusterConfig) (*rest.Config, error) {
	loaded, err := c.load(config)
	if err != nil {
		return nil, err
	}
	loaded.UserAgent = c.userAgent
	loaded.Timeout = requestTimeout
	loaded.QPS = -1 // the API server's priority and fairness limits requests
	return loaded, nil
}

func (c *clusters) load(config ClusterConfig) (*rest.Config, error) {
	path := firstOf(config.Kubeconfig, c.kubeconfig)
	if path == "" && config.Context == "" {
		if inCluster, err := rest.InClusterConfig(); err == nil {
			return inCluster, nil
		}
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	overrides := &clientcmd.ConfigOverrides{CurrentContext: config.Context}
	loaded, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, errors.New("there is no kubeconfig: run labbot in the cluster, or name one with --kubeconfig or KUBECONFIG, or in the configuration")
	case err != nil:
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return loaded, nil
}

// connection reaches a cluster as a person. It is the only way in which verbs get there.
type connection struct {
	cluster   *cluster
	who       identity
	namespace string
	given     bool
	observer  actions.Observer
}

var _ actions.Connection = &connection{}

// ToRESTConfig implements actions.Connection.
func (c *connection) ToRESTConfig() (*rest.Config, error) {
	config := rest.CopyConfig(c.cluster.config)
	config.Impersonate = c.who.impersonation()
	config.WarningHandlerWithContext = warnings{c.observer}
	return config, nil
}

// ToDiscoveryClient implements actions.Connection.
func (c *connection) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return c.cluster.discovery, nil
}

// ToRESTMapper implements actions.Connection.
func (c *connection) ToRESTMapper() (meta.RESTMapper, error) { return c.cluster.mapper, nil }

// Namespace implements actions.Connection.
func (c *connection) Namespace() (name string, given bool, err error) {
	return c.namespace, c.given, nil
}

// warnings passes the API server's warnings on.
type warnings struct{ observer actions.Observer }

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext. Code 299 is the only one
// that Kubernetes uses (RFC 7234, section 5.5.7).
func (w warnings) HandleWarningHeaderWithContext(_ context.Context, code int, _ string, text string) {
	if code == 299 && text != "" && w.observer != nil {
		w.observer.Observe(actions.Warning{Text: text})
	}
}

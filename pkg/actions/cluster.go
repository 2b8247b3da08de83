package actions

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// Connection reaches a cluster as somebody. The terminal's comes from a kubeconfig and the
// connection flags, the bot's from its configuration and the person who asks.
type Connection interface {
	// RESTClientGetter gives the client configuration, discovery and the REST mapper.
	resource.RESTClientGetter
	// Namespace is the default namespace, and whether the requester named it (-n) rather than the
	// kubeconfig or the front end's configuration.
	Namespace() (name string, given bool, err error)
}

// Cluster gives actions the clients they need, each made at its first use, so that an action that
// needs none needs no kubeconfig either. It is safe for concurrent use.
type Cluster struct {
	conn Connection

	kubernetes func() (kubernetes.Interface, error)
	streaming  func() (kubernetes.Interface, error)
	dynamic    func() (dynamic.Interface, error)
	metadata   func() (metadata.Interface, error)

	streamingMetadata func() (metadata.Interface, error)
}

// NewCluster wraps a connection.
func NewCluster(conn Connection) *Cluster {
	c := &Cluster{conn: conn}
	c.kubernetes = sync.OnceValues(func() (kubernetes.Interface, error) { return c.newKubernetes(false) })
	c.streaming = sync.OnceValues(func() (kubernetes.Interface, error) { return c.newKubernetes(true) })
	c.dynamic = sync.OnceValues(func() (dynamic.Interface, error) {
		return newClient(c, func(cfg *rest.Config) (dynamic.Interface, error) { return dynamic.NewForConfig(cfg) })
	})
	c.metadata = sync.OnceValues(func() (metadata.Interface, error) {
		return newClient(c, metadata.NewForConfig)
	})
	c.streamingMetadata = sync.OnceValues(func() (metadata.Interface, error) {
		return newClient(c, func(cfg *rest.Config) (metadata.Interface, error) {
			cfg.Timeout = 0
			return metadata.NewForConfig(cfg)
		})
	})
	return c
}

// RESTConfig is a copy of the client configuration. Rate limiting is left to the API server's
// priority and fairness.
func (c *Cluster) RESTConfig() (*rest.Config, error) {
	cfg, err := c.conn.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1
	return cfg, nil
}

// Getter is what cli-runtime's resource builder wants.
func (c *Cluster) Getter() resource.RESTClientGetter { return c.conn }

// Namespace is the default namespace, and whether the requester named it.
func (c *Cluster) Namespace() (name string, given bool, err error) { return c.conn.Namespace() }

// ValidateNamespace refuses what no namespace can be called, before a cluster is asked. Empty stands for
// the default one.
func ValidateNamespace(name string) error {
	if faults := validation.IsDNS1123Label(name); name != "" && len(faults) > 0 {
		return UsageErrorf("--namespace %q: %s", name, faults[0])
	}
	return nil
}

// Kubernetes is the typed client. It speaks protobuf, which costs the server and the client less
// than JSON. Its requests end after --request-timeout.
func (c *Cluster) Kubernetes() (kubernetes.Interface, error) { return c.kubernetes() }

// Streaming is the typed client without a request timeout, for watches and followed logs; only their
// ctx ends them.
func (c *Cluster) Streaming() (kubernetes.Interface, error) { return c.streaming() }

// Dynamic is the client for objects of any kind.
func (c *Cluster) Dynamic() (dynamic.Interface, error) { return c.dynamic() }

// Metadata is the client for objects' metadata alone.
func (c *Cluster) Metadata() (metadata.Interface, error) { return c.metadata() }

// StreamingMetadata is the client for watches of objects' metadata; only their ctx ends them.
func (c *Cluster) StreamingMetadata() (metadata.Interface, error) { return c.streamingMetadata() }

func (c *Cluster) newKubernetes(streaming bool) (kubernetes.Interface, error) {
	return newClient(c, func(cfg *rest.Config) (kubernetes.Interface, error) {
		cfg.ContentType = runtime.ContentTypeProtobuf
		cfg.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
		if streaming {
			cfg.Timeout = 0
		}
		return kubernetes.NewForConfig(cfg)
	})
}

func newClient[C any](c *Cluster, build func(*rest.Config) (C, error)) (C, error) {
	var none C
	cfg, err := c.RESTConfig()
	if err != nil {
		return none, err
	}
	client, err := build(cfg)
	if err != nil {
		return none, fmt.Errorf("making a client for %s: %w", cfg.Host, err)
	}
	return client, nil
}

// inNamespace is the same cluster with another default namespace, as if the requester had named it.
func (c *Cluster) inNamespace(name string) *Cluster {
	return NewCluster(namespaced{Connection: c.conn, name: name})
}

// namespaced is a connection with another default namespace.
type namespaced struct {
	Connection
	name string
}

// Namespace implements Connection.
func (n namespaced) Namespace() (string, bool, error) { return n.name, true, nil }

package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

// Names of the components.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	NodeSimulator     = "kwok"
)

// manyNodes is from where on the nodes' heartbeats are thinned out: 5,000 nodes that renew their
// Lease every 10 s would keep two cores busy with that alone.
const manyNodes = 200

// Requests per second of the controller manager and the scheduler. With their defaults (20 and 50)
// the controllers take seconds to get their tokens when they start.
const (
	apiQPS   = "500"
	apiBurst = "1000"
)

// Plan returns the components of the cluster. Their certificates and settings have to be written.
func (c *Config) Plan() ([]supervisor.Component, error) {
	probes, err := c.newProber()
	if err != nil {
		return nil, err
	}
	return []supervisor.Component{
		{
			Name:  Etcd,
			Args:  c.etcdArgs(),
			Ready: probes.https(c.Ports.Etcd, "/readyz"),
		}, {
			Name:  APIServer,
			Args:  c.apiServerArgs(),
			After: []string{Etcd},
			Ready: probes.https(c.Ports.APIServer, "/readyz"),
		}, {
			Name:  ControllerManager,
			Args:  c.controllerManagerArgs(),
			After: []string{APIServer},
			Ready: probes.https(c.Ports.ControllerManager, "/healthz"),
		}, {
			Name:  Scheduler,
			Args:  c.schedulerArgs(),
			After: []string{APIServer},
			Ready: probes.https(c.Ports.Scheduler, "/healthz"),
		}, {
			Name:  NodeSimulator,
			Args:  c.nodeSimulatorArgs(),
			After: []string{APIServer},
			Ready: probes.socket(c.KubeletSocket(), "/healthz"),
		},
	}, nil
}

func (c *Config) etcdArgs() []string {
	client, peer := localURL(c.Ports.Etcd), localURL(c.Ports.EtcdPeer)
	return flags(
		"name", c.Name,
		"data-dir", c.dir.path("etcd"),
		"listen-client-urls", client,
		"advertise-client-urls", client,
		"listen-peer-urls", peer,
		"initial-advertise-peer-urls", peer,
		"initial-cluster", c.Name+"="+peer,
		"client-cert-auth", "true",
		"trusted-ca-file", c.dir.pki("etcd-ca.crt"),
		"cert-file", c.dir.pki("etcd.crt"),
		"key-file", c.dir.pki("etcd.key"),
		"peer-client-cert-auth", "true",
		"peer-trusted-ca-file", c.dir.pki("etcd-ca.crt"),
		"peer-cert-file", c.dir.pki("etcd.crt"),
		"peer-key-file", c.dir.pki("etcd.key"),
		"unsafe-no-fsync", "true", // a throwaway cluster need not survive a power cut
		"quota-backend-bytes", strconv.Itoa(8<<30),
		"logger", "zap",
	)
}

func (c *Config) apiServerArgs() []string {
	args := flags(
		"advertise-address", FirstNodeIP,
		"bind-address", "127.0.0.1",
		"secure-port", strconv.Itoa(c.Ports.APIServer),
		"allow-privileged", "true",
		"authorization-mode", "Node,RBAC",
		"client-ca-file", c.dir.pki("ca.crt"),
		"egress-selector-config-file", c.dir.setting("egress.yaml"),
		"enable-admission-plugins", "NodeRestriction",
		"enable-bootstrap-token-auth", "true",
		"etcd-cafile", c.dir.pki("etcd-ca.crt"),
		"etcd-certfile", c.dir.pki("apiserver-etcd-client.crt"),
		"etcd-keyfile", c.dir.pki("apiserver-etcd-client.key"),
		"etcd-servers", localURL(c.Ports.Etcd),
		"kubelet-client-certificate", c.dir.pki("apiserver-kubelet-client.crt"),
		"kubelet-client-key", c.dir.pki("apiserver-kubelet-client.key"),
		"kubelet-preferred-address-types", "InternalIP,ExternalIP,Hostname",
		"proxy-client-cert-file", c.dir.pki("front-proxy-client.crt"),
		"proxy-client-key-file", c.dir.pki("front-proxy-client.key"),
		"requestheader-allowed-names", "front-proxy-client",
		"requestheader-client-ca-file", c.dir.pki("front-proxy-ca.crt"),
		"requestheader-extra-headers-prefix", "X-Remote-Extra-",
		"requestheader-group-headers", "X-Remote-Group",
		"requestheader-username-headers", "X-Remote-User",
		"service-account-issuer", "https://kubernetes.default.svc."+DNSDomain,
		"service-account-key-file", c.dir.pki("sa.pub"),
		"service-account-signing-key-file", c.dir.pki("sa.key"),
		"service-cluster-ip-range", c.ServiceCIDR,
		"tls-cert-file", c.dir.pki("apiserver.crt"),
		"tls-private-key-file", c.dir.pki("apiserver.key"),
	)
	if c.AuditLog {
		args = append(args, flags(
			"audit-policy-file", c.dir.setting("audit-policy.yaml"),
			"audit-log-path", c.dir.AuditLog(),
			"audit-log-mode", "blocking",
		)...)
	}
	return args
}

func (c *Config) controllerManagerArgs() []string {
	args := flags(
		"allocate-node-cidrs", "true",
		"authentication-kubeconfig", c.dir.kubeconfig("controller-manager"),
		"authorization-kubeconfig", c.dir.kubeconfig("controller-manager"),
		"bind-address", "127.0.0.1",
		"client-ca-file", c.dir.pki("ca.crt"),
		"cluster-cidr", c.PodCIDR,
		"cluster-name", c.Name,
		"cluster-signing-cert-file", c.dir.pki("ca.crt"),
		"cluster-signing-key-file", c.dir.pki("ca.key"),
		"kube-api-burst", apiBurst,
		"kube-api-qps", apiQPS,
		"kubeconfig", c.dir.kubeconfig("controller-manager"),
		"leader-elect", "true",
		"node-cidr-mask-size", strconv.Itoa(nodeCIDRBits),
		"requestheader-client-ca-file", c.dir.pki("front-proxy-ca.crt"),
		"root-ca-file", c.dir.pki("ca.crt"),
		"secure-port", strconv.Itoa(c.Ports.ControllerManager),
		"service-account-private-key-file", c.dir.pki("sa.key"),
		"service-cluster-ip-range", c.ServiceCIDR,
		"tls-cert-file", c.dir.pki("controller-manager-serving.crt"),
		"tls-private-key-file", c.dir.pki("controller-manager-serving.key"),
		"use-service-account-credentials", "true",
	)
	if len(c.Nodes) > manyNodes {
		args = append(args, flags(
			"node-monitor-grace-period", "10m",
		)...)
	}
	return args
}

func (c *Config) schedulerArgs() []string {
	return flags(
		"authentication-kubeconfig", c.dir.kubeconfig("scheduler"),
		"authorization-kubeconfig", c.dir.kubeconfig("scheduler"),
		"bind-address", "127.0.0.1",
		"client-ca-file", c.dir.pki("ca.crt"),
		"kube-api-burst", apiBurst,
		"kube-api-qps", apiQPS,
		"kubeconfig", c.dir.kubeconfig("scheduler"),
		"leader-elect", "true",
		"requestheader-client-ca-file", c.dir.pki("front-proxy-ca.crt"),
		"secure-port", strconv.Itoa(c.Ports.Scheduler),
		"tls-cert-file", c.dir.pki("scheduler-serving.crt"),
		"tls-private-key-file", c.dir.pki("scheduler-serving.key"),
	)
}

// nodeSimulatorArgs has the flags of the node server (package simnode) first, then kwok's.
func (c *Config) nodeSimulatorArgs() []string {
	leaseSeconds := 40 // kubelet's default
	if len(c.Nodes) > manyNodes {
		leaseSeconds = 400
	}
	server := flags(
		"socket", c.KubeletSocket(),
		"kubeconfig", c.dir.kubeconfig("node-simulator"),
		"tls-cert-file", c.dir.pki("kubelet.crt"),
		"tls-private-key-file", c.dir.pki("kubelet.key"),
		"client-ca-file", c.dir.pki("ca.crt"),
	)
	kwok := flags(
		"config", c.dir.setting("kwok.yaml"),
		"kubeconfig", c.dir.kubeconfig("node-simulator"),
		"v", "WARN", // a line per change of a pod otherwise
		"cidr", c.PodCIDR,
		"node-lease-duration-seconds", strconv.Itoa(leaseSeconds),
		"manage-nodes-with-annotation-selector", SimulatedNodeAnnotation+"="+SimulatedNodeValue,
	)
	return append(append(server, "--"), kwok...)
}

// flags turns name, value, name, value, … into --name=value.
func flags(pairs ...string) []string {
	args := make([]string, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		args = append(args, "--"+pairs[i]+"="+pairs[i+1])
	}
	return args
}

// prober asks components whether they serve.
type prober struct{ tls *tls.Config }

// newProber trusts the cluster's authorities, and shows etcd the API server's certificate.
func (c *Config) newProber() (*prober, error) {
	roots := x509.NewCertPool()
	for _, file := range []string{"ca.crt", "etcd-ca.crt"} {
		data, err := os.ReadFile(c.dir.pki(file))
		if err != nil {
			return nil, fmt.Errorf("read the certificate authority: %w", err)
		}
		roots.AppendCertsFromPEM(data)
	}
	client, err := tls.LoadX509KeyPair(c.dir.pki("apiserver-etcd-client.crt"), c.dir.pki("apiserver-etcd-client.key"))
	if err != nil {
		return nil, fmt.Errorf("read the certificate for etcd: %w", err)
	}
	return &prober{tls: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{client}}}, nil
}

func (p *prober) https(port int, path string) func(context.Context) error {
	transport := &http.Transport{TLSClientConfig: p.tls, DisableKeepAlives: true}
	return get(transport, localURL(port)+path)
}

func (p *prober) socket(socket, path string) func(context.Context) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return get(&http.Transport{DialContext: dial, DisableKeepAlives: true}, "http://kubelet"+path)
}

func get(transport *http.Transport, url string) func(context.Context) error {
	client := &http.Client{Transport: transport}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		const enough = 512
		body, err := io.ReadAll(io.LimitReader(response.Body, enough))
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return errors.New(strings.TrimSpace(response.Status + " " + string(body)))
		}
		return nil
	}
}

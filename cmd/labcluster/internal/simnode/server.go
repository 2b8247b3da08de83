package simnode

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Server stands for the network that the simulated nodes and pods would be in. The API server
// reaches it through a unix socket, by HTTP CONNECT (its egress selector): port 10250 of any address
// is a kubelet; any other port of a pod's address is a web server that names the pod. Nothing is
// executed and nothing is sent anywhere, save to this machine itself for webhooks.
type Server struct {
	pods    podGetter
	kubelet *queue
	web     *queue
	tls     *tls.Config
}

// podGetter finds pods.
type podGetter interface {
	byName(ctx context.Context, namespace, name string) (*corev1.Pod, error)
	byIP(ctx context.Context, ip string) (*corev1.Pod, error)
}

// Options are the flags of the node server.
type Options struct {
	Socket     string
	Kubeconfig string
	CertFile   string
	KeyFile    string
	ClientCA   string
}

// AddFlags adds the flags.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Socket, "socket", o.Socket, "unix socket to listen on")
	flags.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "kubeconfig to read pods with")
	flags.StringVar(&o.CertFile, "tls-cert-file", o.CertFile, "certificate of the kubelets")
	flags.StringVar(&o.KeyFile, "tls-private-key-file", o.KeyFile, "its key")
	flags.StringVar(&o.ClientCA, "client-ca-file", o.ClientCA, "authority of those who may ask the kubelets")
}

// NewServer returns a node server.
func NewServer(o Options) (*Server, error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.QPS = -1 // one request per question that somebody asks
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	certificate, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the kubelets' certificate: %w", err)
	}
	authority, err := os.ReadFile(o.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("read the certificate authority: %w", err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(authority)
	return &Server{
		pods:    apiPods{client},
		kubelet: newQueue(),
		web:     newQueue(),
		tls: &tls.Config{
			Certificates: []tls.Certificate{certificate},
			ClientAuth:   tls.RequireAndVerifyClientCert,
			ClientCAs:    clients,
		},
	}, nil
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context, socket string) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the old socket: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("listen for the API server: %w", err)
	}
	webTLS := s.tls.Clone()
	webTLS.ClientAuth = tls.NoClientCert
	servers := []struct {
		listener net.Listener
		handler  http.Handler
	}{
		{listener, s.proxyHandler()},
		{tls.NewListener(s.kubelet, s.tls), s.kubeletHandler()},
		{newSniffer(s.web, webTLS), s.webHandler()},
	}
	failed := make(chan error, len(servers))
	for _, each := range servers {
		server := &http.Server{
			Handler:           each.handler,
			ReadHeaderTimeout: 10 * time.Second,
			BaseContext:       func(net.Listener) context.Context { return ctx },
			ConnContext:       withTarget,
		}
		defer server.Close()
		go func() { failed <- server.Serve(each.listener) }()
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// proxyHandler answers CONNECT by handing the connection to whom it was meant for.
func (s *Server) proxyHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			fmt.Fprintln(w, "ok") // asked whether it is up
			return
		}
		host, port, err := net.SplitHostPort(r.Host)
		if err != nil {
			http.Error(w, "bad address", http.StatusBadRequest)
			return
		}
		deliver, err := s.route(r.Context(), host, port)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			_ = conn.Close()
			return
		}
		deliver(&targetConn{Conn: conn, host: host, port: port})
	})
}

// route tells who answers at an address.
func (s *Server) route(ctx context.Context, host, port string) (func(net.Conn), error) {
	const kubeletPort = "10250"
	switch {
	case port == kubeletPort:
		return s.kubelet.put, nil
	case isLoopback(host):
		return dialLocal(ctx, host, port)
	}
	if _, err := s.pods.byIP(ctx, host); err != nil {
		return nil, fmt.Errorf("nothing answers at %s in the simulated network: %w", net.JoinHostPort(host, port), err)
	}
	return s.web.put, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// dialLocal connects to this machine: webhooks under test run here.
func dialLocal(ctx context.Context, host, port string) (func(net.Conn), error) {
	remote, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	return func(conn net.Conn) {
		go splice(conn, remote)
		go splice(remote, conn)
	}, nil
}

func splice(to, from net.Conn) {
	_, _ = io.Copy(to, from) // either end may hang up
	_ = to.Close()
}

// targetConn is a connection that knows whom it was meant for.
type targetConn struct {
	net.Conn
	host, port string
}

type targetKey struct{}

// withTarget puts the address that was asked for into a request's context.
func withTarget(ctx context.Context, conn net.Conn) context.Context {
	for {
		switch c := conn.(type) {
		case *targetConn:
			return context.WithValue(ctx, targetKey{}, c)
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return ctx
		}
	}
}

// queue is a listener whose connections are put in by hand.
type queue struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newQueue() *queue {
	return &queue{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (q *queue) put(conn net.Conn) {
	select {
	case q.conns <- conn:
	case <-q.closed:
		_ = conn.Close()
	}
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case conn := <-q.conns:
		return conn, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return &net.UnixAddr{Name: "simulated", Net: "unix"} }

// apiPods asks the API server.
type apiPods struct{ client kubernetes.Interface }

func (p apiPods) byName(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	return p.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
}

func (p apiPods) byIP(ctx context.Context, ip string) (*corev1.Pod, error) {
	pods, err := p.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{
		FieldSelector: "status.podIP=" + ip + ",status.phase=Running",
		Limit:         1,
	})
	if err != nil {
		return nil, err
	}
	if len(pods.Items) == 0 {
		return nil, errors.New("no running pod has that address")
	}
	return &pods.Items[0], nil
}

package exercises

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/tools/remotecommand"
	certutil "k8s.io/client-go/util/cert"
)

// httpsTimeout bounds one question over TLS.
const httpsTimeout = 10 * time.Second

// certify makes a certificate and its key and keeps both in a Secret. The key is nowhere else.
func (r *run) certify(ctx context.Context, c Certificate) error {
	certificate, key, err := certutil.GenerateSelfSignedCertKey(c.Host, nil, nil)
	if err != nil {
		return fmt.Errorf("making a certificate for %s: %w", c.Host, err)
	}
	secret := applycorev1.Secret(c.Secret, r.namespace).WithLabels(r.Labels).WithType(corev1.SecretTypeTLS).
		WithData(map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key})
	options := metav1.ApplyOptions{FieldManager: r.FieldManager, Force: true}
	if _, err := r.Kubernetes.CoreV1().Secrets(r.namespace).Apply(ctx, secret, options); err != nil {
		return fmt.Errorf("applying secret %q: %w", c.Secret, err)
	}
	return nil
}

// https asks over TLS from a pod, and trusts nothing but the certificate of the Secret: another one, or
// one for another host, is an error. TLS is spoken here, since the wgets of small images check nothing;
// the pod only passes the bytes on.
func (r *run) https(ctx context.Context, h HTTPS) (string, error) {
	pod, err := r.pod(ctx, h.Ref)
	if err != nil {
		return "", err
	}
	trusted, err := r.trusted(ctx, h.Secret)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, httpsTimeout)
	defer cancel()
	through := &throughPod{run: r, pod: pod, address: h.Address, ended: make(chan error, 1)}
	client := &http.Client{Transport: &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return through.dial(ctx), nil },
		TLSClientConfig:   &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	}}
	body, err := get(ctx, client, "https://"+h.Host+h.Path)
	if err != nil {
		err = fmt.Errorf("https to %s through pod/%s: %w", h.Address, pod.Name, errors.Join(through.failure(), err))
	}
	return h.judge(body, err)
}

func (h HTTPS) judge(body string, err error) (string, error) {
	var unknown x509.UnknownAuthorityError
	switch {
	case h.Refused && errors.As(err, &unknown):
		return fmt.Sprintf("the certificate is not that of secret/%s", h.Secret), nil
	case err != nil:
		return "", err
	case h.Refused:
		return "", fmt.Errorf("https to %s was accepted with the certificate of secret/%s", h.Address, h.Secret)
	case !strings.Contains(body, h.Contains):
		return "", fmt.Errorf("https to %s answered %q, want %q in it", h.Address, oneLine(body), h.Contains)
	}
	return fmt.Sprintf("it answered %q", oneLine(body)), nil
}

// trusted is a pool of the certificates in a Secret alone.
func (r *run) trusted(ctx context.Context, name string) (*x509.CertPool, error) {
	secret, err := r.Kubernetes.CoreV1().Secrets(r.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(secret.Data[corev1.TLSCertKey]) {
		return nil, &finalError{fmt.Errorf("secret/%s holds no certificate", name)}
	}
	return pool, nil
}

// throughPod connects to an address from inside of a pod, by the nc that busybox has too.
type throughPod struct {
	run     *run
	pod     *corev1.Pod
	address string // IP:PORT

	ended chan error
}

// dial returns at once; if nc fails, the connection breaks and failure says why. It ends with ctx.
func (p *throughPod) dial(ctx context.Context) net.Conn {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		p.ended <- p.pass(ctx, far)
	}()
	return near
}

func (p *throughPod) pass(ctx context.Context, conn net.Conn) error {
	host, port, err := net.SplitHostPort(p.address)
	if err != nil {
		return err
	}
	executor, err := p.run.execution(p.pod, &corev1.PodExecOptions{
		Command: []string{"nc", host, port}, Stdin: true, Stdout: true, Stderr: true,
	})
	if err != nil {
		return err
	}
	var problems outputs
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: conn, Stdout: conn, Stderr: &problems})
	if err != nil {
		return fmt.Errorf("nc: %w: %s", err, oneLine(problems.String()))
	}
	return nil
}

// failure is why nc ended, if it has ended by itself.
func (p *throughPod) failure() error {
	select {
	case err := <-p.ended:
		return err
	default:
		return nil
	}
}

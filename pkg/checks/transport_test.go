package checks_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

// roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering answers the requests for a path by itself.
func answering(path string, code int, body string) transport.WrapperFunc {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != path {
				return next.RoundTrip(r)
			}
			data, kind, err := negotiated(r, []byte(body))
			if err != nil {
				return nil, err
			}
			return &http.Response{
				StatusCode: code, Request: r, Header: http.Header{"Content-Type": {kind}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
				Body: io.NopCloser(bytes.NewReader(data)), ContentLength: int64(len(data)),
			}, nil
		})
	}
}

const protobufType = "application/vnd.kubernetes.protobuf"

// negotiated is an answer in the form that a request takes: JSON of Kubernetes' own kinds becomes
// protobuf for those that take nothing else.
func negotiated(r *http.Request, body []byte) (data []byte, kind string, err error) {
	switch {
	case !bytes.HasPrefix(body, []byte("{")):
		return body, "text/plain", nil
	case r.Header.Get("Accept") != protobufType:
		return body, "application/json", nil
	}
	object, err := runtime.Decode(scheme.Codecs.UniversalDeserializer(), body)
	if err != nil {
		return nil, "", err
	}
	var buffer bytes.Buffer
	err = protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(object, &buffer)
	return buffer.Bytes(), protobufType, err
}

// rewriting replaces what matches a pattern in the JSON of the answers to requests for a path.
func rewriting(path, pattern, replacement string) transport.WrapperFunc {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != path {
				return next.RoundTrip(r)
			}
			asJSON := r.Clone(r.Context())
			asJSON.Header.Set("Accept", "application/json")
			response, err := next.RoundTrip(asJSON)
			if err != nil {
				return nil, err
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				return nil, err
			}
			body, kind, err := negotiated(r, regexp.MustCompile(pattern).ReplaceAll(body, []byte(replacement)))
			if err != nil {
				return nil, err
			}
			response.Header.Set("Content-Type", kind)
			response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			return response, nil
		})
	}
}

// front is a server before the API server, with a certificate of its own.
type front struct {
	// lasts is how long its certificate does.
	lasts time.Duration
	// delay holds up the answer to /version.
	delay time.Duration
	// version replaces the answer to /version.
	version string
	// unverified reaches it without a look at its certificate.
	unverified bool
}

// start serves until l's test ends. It returns what makes a configuration go through it.
func (f front) start(l *lab) func(*rest.Config) {
	l.Helper()
	direct := config(l.T)
	target, err := url.Parse(direct.Host)
	if err != nil {
		l.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	if proxy.Transport, err = rest.TransportFor(direct); err != nil {
		l.Fatal(err)
	}
	certificate, ca := f.certificate(l)
	server := httptest.NewUnstartedServer(f.handler(proxy))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	l.Cleanup(server.Close)
	return func(cfg *rest.Config) {
		cfg.Host, cfg.TLSClientConfig = server.URL, rest.TLSClientConfig{CAData: ca}
		if f.unverified {
			cfg.TLSClientConfig = rest.TLSClientConfig{Insecure: true}
		}
	}
}

// handler passes requests on with the administrator's certificate, but those without credentials, of
// which there is one.
func (f front) handler(proxy http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.RawQuery == "limit=1":
			http.Error(w, "no credentials", http.StatusUnauthorized)
		case r.URL.Path == "/version" && f.version != "":
			_, _ = io.WriteString(w, f.version)
		case r.URL.Path == "/version":
			time.Sleep(f.delay) // the slowness that is to be found
			proxy.ServeHTTP(w, r)
		default:
			proxy.ServeHTTP(w, r)
		}
	})
}

// certificate is the server's, which is its own CA.
func (f front) certificate(l *lab) (certificate tls.Certificate, ca []byte) {
	l.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		l.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "front"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(f.lasts), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		l.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

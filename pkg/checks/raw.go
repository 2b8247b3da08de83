package checks

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
)

// maxRaw bounds answers of paths that are no resources; real ones have some kilobytes.
const maxRaw = 4 << 20

// rawAnswer is the answer to a GET of a path that is no resource.
type rawAnswer struct {
	*http.Response
	body []byte
	// latency is from having a connection, and so without the TLS handshake, to the answer's first byte.
	latency time.Duration
	arrived time.Time
}

// stopwatch times a request. The transport reports to it from goroutines of its own, perhaps still
// after the request has ended.
type stopwatch struct {
	mu             sync.Mutex
	begun, arrived time.Time
}

// trace starts the stopwatch anew with each connection that is tried.
func (w *stopwatch) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.begun, w.arrived = time.Now(), time.Time{}
		},
		GotFirstResponseByte: func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.arrived = time.Now()
		},
	}
}

// read is how long the answer took, and when it came. A transport that doesn't report leaves it
// at no time at all, and now.
func (w *stopwatch) read() (latency time.Duration, arrived time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun.IsZero() || w.arrived.IsZero() {
		return 0, time.Now()
	}
	return w.arrived.Sub(w.begun), w.arrived
}

// getRaw asks for a path with the connection's own credentials. An HTTP status other than 2xx is no
// error here.
func getRaw(ctx context.Context, cfg *rest.Config, path string) (*rawAnswer, error) {
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, err
	}
	base, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, err
	}
	var watch stopwatch
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, watch.trace()), http.MethodGet, strings.TrimSuffix(base.String(), "/")+path, nil)
	if err != nil {
		return nil, err
	}
	answer := &rawAnswer{}
	answer.Response, err = client.Do(req) //nolint:bodyclose // closed below; the linter loses it in the struct
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	answer.latency, answer.arrived = watch.read()
	answer.body, err = io.ReadAll(io.LimitReader(answer.Body, maxRaw))
	if err != nil {
		return nil, fmt.Errorf("reading the answer to GET %s: %w", path, err)
	}
	return answer, nil
}

// failure turns an HTTP status other than 2xx into the error that a client of the API would get.
func (a *rawAnswer) failure(path string) error {
	if a.StatusCode >= 200 && a.StatusCode < 300 {
		return nil
	}
	var status metav1.Status
	if err := json.Unmarshal(a.body, &status); err == nil && status.Kind == "Status" && status.Reason != "" {
		return &apierrors.StatusError{ErrStatus: status}
	}
	return apierrors.NewGenericServerResponse(a.StatusCode, "get", schema.GroupResource{}, path, "", 0, true)
}

// readServer learns all that one request to /version can tell: that the API server answers, how
// fast, its version, its clock and its certificate.
func readServer(ctx context.Context, cfg *rest.Config, now func() time.Time) (serverInfo, error) {
	const path = "/version"
	answer, err := getRaw(ctx, cfg, path)
	if err != nil {
		return serverInfo{}, err
	}
	info := serverInfo{
		url:      answer.Request.URL.Host,
		latency:  answer.latency,
		insecure: cfg.Insecure,
		plain:    answer.TLS == nil,
	}
	if answer.TLS != nil {
		info.chain = answer.TLS.PeerCertificates
	}
	if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		// The header has whole seconds, cut off: half a second more is the best guess.
		asked := now().Add(-time.Since(answer.arrived) - answer.latency/2)
		info.skew, info.hasDate = date.Add(time.Second/2).Sub(asked), true
	}
	if answer.StatusCode == http.StatusForbidden { // it answers; only its version is not for us
		return info, nil
	}
	if err := answer.failure(path); err != nil {
		return info, err
	}
	var v version.Info
	if err := json.Unmarshal(answer.body, &v); err != nil || v.GitVersion == "" {
		return info, fmt.Errorf("%s does not answer like a Kubernetes API server", info.url)
	}
	info.gitVersion = v.GitVersion
	return info, nil
}

// readHealth asks for /readyz or /livez part by part. See
// https://kubernetes.io/docs/reference/using-api/health-checks/.
func readHealth(ctx context.Context, cfg *rest.Config, path string) (health, error) {
	answer, err := getRaw(ctx, cfg, path+"?verbose")
	if err != nil {
		return health{}, err
	}
	h := parseHealth(answer.body)
	if len(h.parts) == 0 {
		if err := answer.failure(path); err != nil {
			return h, err
		}
		return h, fmt.Errorf("GET %s named no parts", path)
	}
	return h, nil
}

// parseHealth reads lines such as "[+]etcd ok" and "[-]etcd failed: reason withheld".
func parseHealth(body []byte) health {
	var h health
	lines := bufio.NewScanner(bytes.NewReader(body))
	for lines.Scan() {
		line := lines.Text()
		sign, rest, found := strings.Cut(line, "]")
		if !found || (sign != "[+" && sign != "[-") {
			continue
		}
		name, reason, _ := strings.Cut(rest, " ")
		h.parts = append(h.parts, healthPart{name: name, ok: sign == "[+", reason: reason})
	}
	return h
}

// readAnonymously reports whether somebody without credentials may list what only users should see.
func readAnonymously(ctx context.Context, cfg *rest.Config) (bool, error) {
	anonymous := rest.AnonymousClientConfig(cfg)
	answer, err := getRaw(ctx, anonymous, "/api/v1/namespaces?limit=1")
	if err != nil {
		return false, err
	}
	switch answer.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return false, nil
	}
	return false, answer.failure("/api/v1/namespaces")
}

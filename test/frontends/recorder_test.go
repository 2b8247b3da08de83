package frontends

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// request is what one front end asked of the API server.
type request struct {
	method, path string
	query        url.Values
	body         string
	// stranger says that the request shows another credential than the sender's own, or none: "token"
	// asks whom its token stands for, and "status" whether anybody may read.
	stranger string
	// user and groups are those that the request impersonates; empty for requests of the sender's own.
	user   string
	groups []string
}

// text is the request in one line, without what differs between two runs of the same command.
func (r request) text() string {
	return strings.TrimSpace(r.stranger + " " + r.method + " " + r.path + " " + r.query.Encode() + " " + r.body)
}

// dryRun reports whether the request is a rehearsal.
func (r request) dryRun() bool {
	return r.query.Has("dryRun") || strings.Contains(r.body, `"dryRun":["All"]`)
}

// changes reports whether the request changes the cluster. Reviews are questions, although they are
// posted.
func (r request) changes() bool {
	return r.method != http.MethodGet && !strings.HasSuffix(r.path, "reviews") && !r.dryRun()
}

// isDiscovery reports whether the request asks which kinds there are. Both front ends keep the answer,
// the bot one for everybody.
func (r request) isDiscovery() bool {
	return r.path == "/api" || r.path == "/apis" || r.path == "/api/v1"
}

// recorder is a proxy in front of the API server that writes down what is asked.
type recorder struct {
	mu       sync.Mutex
	requests []request
}

// credential is what clients of the recorder show; it stands for the administrator's.
const credential = "administrator"

// handler passes requests on, with the administrator's credentials for those that show any; a person is
// still impersonated.
func (r *recorder) handler(t *testing.T, config *rest.Config) http.Handler {
	t.Helper()
	target, err := url.Parse(config.Host)
	check(t, err)
	known, err := rest.TransportFor(config)
	check(t, err)
	unknown, err := rest.TransportFor(rest.AnonymousClientConfig(config))
	check(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) },
		Transport: roundTripper(func(request *http.Request) (*http.Response, error) {
			if strangerOf(request) != "" {
				return unknown.RoundTrip(request)
			}
			request.Header.Del("Authorization")
			return known.RoundTrip(request)
		}),
		ErrorLog: log.New(io.Discard, "", 0), // clients that end a watch
	}
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.note(request, body)
		request.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func strangerOf(r *http.Request) string {
	switch r.Header.Get("Authorization") {
	case "Bearer " + credential:
		return ""
	case "":
		return "anonymous"
	default:
		return "with another token"
	}
}

func (r *recorder) note(from *http.Request, body []byte) {
	query := from.URL.Query()
	for _, timing := range []string{"timeout", "timeoutSeconds", "resourceVersion", "resourceVersionMatch"} {
		query.Del(timing)
	}
	for _, selector := range []string{"fieldSelector", "labelSelector"} {
		if terms := query.Get(selector); terms != "" {
			query.Set(selector, sortedTerms(terms))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, request{
		method:   from.Method,
		path:     from.URL.Path,
		query:    query,
		body:     decode(body),
		stranger: strangerOf(from),
		user:     from.Header.Get("Impersonate-User"),
		groups:   from.Header.Values("Impersonate-Group"),
	})
}

// sortedTerms puts a selector's terms in order: kubectl's describers build some from maps.
func sortedTerms(selector string) string {
	terms := strings.Split(selector, ",")
	slices.Sort(terms)
	return strings.Join(terms, ",")
}

// decode turns a body, in any of the API's encodings, into JSON with its keys in order.
func decode(body []byte) string {
	if len(body) == 0 {
		return ""
	}
	if object, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil); err == nil && object != nil {
		if text, err := json.Marshal(object); err == nil {
			body = text
		}
	}
	var content any
	if err := yaml.Unmarshal(body, &content); err != nil {
		return string(body)
	}
	text, err := json.Marshal(content)
	if err != nil {
		return string(body)
	}
	return string(text)
}

// take returns what was asked since the last time.
func (r *recorder) take() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.requests
	r.requests = nil
	return taken
}

// variable is what differs from one run of a command to the next.
var variable = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UID"},
	{regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`"resourceVersion":"\d+",?`), ""},
	{regexp.MustCompile(`resourceVersion: "\d+"`), ""},
	{regexp.MustCompile(`\b10\.233\.\d+\.\d+\b`), "IP"},
	{regexp.MustCompile(`\b(nt-rs|lab-traffic)-[a-z0-9]{5}\b`), "$1-RANDOM"},
	// The Secret on which the bot hangs a credential, so that Revoke can end it.
	{regexp.MustCompile(`"boundObjectRef":\{"apiVersion":"v1","kind":"Secret","name":"labbot-credential-[0-9a-f]+"\}`), `"boundObjectRef":null`},
}

// settle makes a text comparable with that of another run in another namespace.
func settle(text, namespace string) string {
	text = strings.ReplaceAll(text, namespace, "NS")
	for _, v := range variable {
		text = v.pattern.ReplaceAllString(text, v.name)
	}
	return text
}

// meaning is the set of what was asked. Requests about several objects run side by side and polls repeat
// themselves, so neither order nor number count; whether a wait still needs its watch depends on
// how fast the cluster was.
func meaning(requests []request, namespace string) []string {
	var texts []string
	for _, r := range requests {
		if !r.query.Has("watch") && !r.isDiscovery() {
			texts = append(texts, settle(r.text(), namespace))
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// Package frontends holds both front ends to the same meaning: one corpus of command lines runs through
// the terminal and through Slack, and must make the same requests of the API server.
package frontends

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kballard/go-shellquote"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-lab/kubectl-lab/internal/cli"
	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
	"github.com/kubectl-lab/kubectl-lab/internal/slackbot"
	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// corpus is the command lines. Those with confirm write, and need a click in Slack.
func corpus() []struct {
	line    string
	confirm bool
} {
	return []struct {
		line    string
		confirm bool
	}{
		{"version", false},
		{"version --client", false},
		{"label nodes --list", false},
		{"label nodes k8s02 corpus=one", true},
		{"label nodes k8s02 k8s03 corpus=two --overwrite", true},
		{"label nodes --all corpus-", false}, // nothing to do, so nothing to confirm
		{"label nodes k8s01 corpus=x --dry-run=server", false},
		{"label nodes -l 'no such=selector' a=b", false},
		{"label nodes", false},
		{"create namespace corpus-made", true},
		{"get nodes", false},
		{"get pods -A -o name", false},
		{"get ns default -o yaml", false},
		{"describe node k8s01", false},
		{"delete namespace no-such-one", false},
		{"statsu", false},
	}
}

// recorder is a proxy in front of the API server that writes down what is asked.
type recorder struct {
	mu       sync.Mutex
	requests []string
}

// handler passes requests on with the administrator's credentials; the person is still impersonated.
func (r *recorder) handler(t *testing.T, config *rest.Config) http.Handler {
	t.Helper()
	target, err := url.Parse(config.Host)
	check(t, err)
	transport, err := rest.TransportFor(config)
	check(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = transport
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

// note writes a request down, unless it is the bot's own: about its records, its health, or a rehearsal.
// A resource version differs from one run to the next.
func (r *recorder) note(request *http.Request, body []byte) {
	path, query := request.URL.Path, request.URL.Query()
	own := strings.Contains(path, "/leases") || path == "/readyz"
	rehearsal := query.Get("dryRun") != "" && request.Header.Get("Impersonate-User") != ""
	if own || rehearsal && !bytes.Contains(body, []byte("corpus\":\"x\"")) {
		return
	}
	query.Del("timeout")
	line := request.Method + " " + path + "?" + query.Encode() + " " + withoutVersion(string(body))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, line)
}

func withoutVersion(body string) string {
	before, rest, found := strings.Cut(body, `"resourceVersion":"`)
	if !found {
		return body
	}
	_, after, _ := strings.Cut(rest, `"`)
	return before + after
}

// take returns what was asked since the last time, each request once, in order of its text: requests
// about several objects run side by side, and Slack's rehearsal reads what the run reads again.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := slices.Clone(r.requests)
	r.requests = nil
	slices.Sort(taken)
	return slices.Compact(taken)
}

func TestSameRequests(t *testing.T) {
	cluster := testcluster.New(t, testcluster.Options{})
	config, err := cluster.RESTConfig()
	check(t, err)
	admin := kubernetes.NewForConfigOrDie(config)
	seen := &recorder{}
	server := httptest.NewTLSServer(seen.handler(t, config))
	t.Cleanup(server.Close)
	kubeconfig := writeKubeconfig(t, server)
	chat := startBot(t, admin, kubeconfig)
	for _, command := range corpus() {
		seen.take()
		prepare(t, admin)
		words, err := shellquote.Split(command.line)
		check(t, err)
		cli.Run(t.Context(), cli.Config{
			Streams: genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: io.Discard, ErrOut: io.Discard},
			Build:   actions.BuildInfo{Version: "v0.0.0-test"},
			Actions: actions.All(),
			Getenv:  func(string) string { return "" },
		}, append(words, "--kubeconfig="+kubeconfig))
		terminal := seen.take()
		prepare(t, admin)
		chat.run(t, command.line, command.confirm)
		if diff := cmp.Diff(terminal, seen.take()); diff != "" {
			t.Errorf("%q: the terminal's (-) and Slack's (+) requests differ:\n%s\nSlack shows: %v", command.line, diff, chat.last)
		}
	}
}

// prepare undoes what a line of the corpus made, so that both front ends find the same cluster.
func prepare(t *testing.T, admin kubernetes.Interface) {
	t.Helper()
	nodes, err := admin.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{LabelSelector: "corpus"})
	check(t, err)
	for i := range nodes.Items {
		node := &nodes.Items[i]
		delete(node.Labels, "corpus")
		_, _ = admin.CoreV1().Nodes().Update(t.Context(), node, metav1.UpdateOptions{})
	}
	_ = admin.CoreV1().Namespaces().Delete(t.Context(), "corpus-made", metav1.DeleteOptions{})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if _, err := admin.CoreV1().Namespaces().Get(t.Context(), "corpus-made", metav1.GetOptions{}); err != nil {
			return
		}
	}
	t.Fatal("namespace corpus-made does not go away")
}

// writeKubeconfig points at the proxy. It holds no credentials; the proxy adds them.
func writeKubeconfig(t *testing.T, server *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	config := clientcmdapi.NewConfig()
	config.Clusters["proxy"] = &clientcmdapi.Cluster{Server: server.URL, CertificateAuthorityData: pemOf(server.Certificate())}
	config.AuthInfos["nobody"] = &clientcmdapi.AuthInfo{}
	config.Contexts["proxy"] = &clientcmdapi.Context{Cluster: "proxy", AuthInfo: "nobody"}
	config.CurrentContext = "proxy"
	check(t, clientcmd.WriteToFile(*config, path))
	return path
}

// chat is a person in a channel with the bot.
type chat struct {
	slack  *fakeslack.Server
	room   *fakeslack.Channel
	person *fakeslack.User
	last   fakeslack.Message // the answer to the last command
}

func startBot(t *testing.T, admin kubernetes.Interface, kubeconfig string) *chat {
	t.Helper()
	_, err := admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "labbot"}}, metav1.CreateOptions{})
	check(t, err)
	s, err := fakeslack.New(fakeslack.Options{})
	check(t, err)
	t.Cleanup(s.Close)
	c := &chat{slack: s, person: s.Team().AddUser("alice")}
	c.room = s.Team().AddChannel("lab", fakeslack.PublicChannel, c.person)
	data, err := yaml.Marshal(slackbot.Config{
		APIVersion: slackbot.ConfigAPIVersion, Kind: slackbot.ConfigKind,
		Teams:    []string{s.Team().ID},
		Clusters: []slackbot.ClusterConfig{{Name: "lab"}},
		People:   []slackbot.Binding{{Users: []string{s.Team().ID + ":" + c.person.ID}, Groups: []string{"corpus-admins"}}},
		Channels: []slackbot.ChannelRule{{ID: c.room.ID}},
		Limits:   slackbot.Limits{PerMinute: 1000},
	})
	check(t, err)
	path := filepath.Join(t.TempDir(), "config.yaml")
	check(t, os.WriteFile(path, data, 0o600))
	allow(t, admin)
	bot, err := slackbot.New(slackbot.Options{
		ConfigPath: path, Kubeconfig: kubeconfig, Namespace: "labbot", SlackAPI: s.APIURL(),
		Secrets: slackbot.Secrets{BotToken: s.Team().BotToken(), AppToken: s.AppToken()},
		Actions: actions.All(), Build: actions.BuildInfo{Version: "v0.0.0-test"},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Audit: io.Discard,
	})
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- bot.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	check(t, s.WaitSockets(t.Context(), 1))
	return c
}

// run gives a command in Slack, confirms it if need be, and waits for its end.
func (c *chat) run(t *testing.T, line string, confirm bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	in, err := c.person.Slash(c.room, "/lab", line)
	check(t, err)
	m, err := in.WaitMessage(ctx, nil)
	check(t, err)
	c.last = m
	if !confirm {
		return
	}
	_, err = c.person.Click(m, "Confirm")
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	_, err = c.slack.WaitMessage(ctx, func(now fakeslack.Message) bool {
		_, waiting := now.Button("Confirm")
		return now.TS == m.TS && !waiting
	})
	check(t, err)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pemOf is a certificate as kubeconfigs hold it.
func pemOf(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// allow makes the person an administrator, as whoever runs the terminal is.
func allow(t *testing.T, admin kubernetes.Interface) {
	t.Helper()
	_, err := admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "corpus-admins"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "corpus-admins"}},
	}, metav1.CreateOptions{})
	check(t, err)
}

package frontends

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
	"github.com/kubectl-lab/kubectl-lab/internal/slackbot"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

const (
	testVersion      = "v0.0.0-test"
	recordsNamespace = "labbot"
	adminGroup       = "corpus-admins"
	// connections are what the bot opens; the fake Slack waits for that many, no less and no more.
	connections = 2
	// patient bounds the wait for one command.
	patient = time.Minute
)

// chat is a person in a channel with the bot.
type chat struct {
	slack  *fakeslack.Server
	room   *fakeslack.Channel
	person *fakeslack.User
	seen   *recorder
	audit  *auditLog
	// ended counts the commands that came to their end.
	ended int
}

// auditLog receives the bot's audit lines.
type auditLog struct {
	mu    sync.Mutex
	lines []auditLine
}

type auditLine struct {
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}

// Write takes one line: slog writes each with one call.
func (a *auditLog) Write(p []byte) (int, error) {
	var line auditLine
	if err := json.Unmarshal(bytes.TrimSpace(p), &line); err != nil {
		return 0, fmt.Errorf("an audit line: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lines = append(a.lines, line)
	return len(p), nil
}

func (a *auditLog) nth(n int) (auditLine, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n >= len(a.lines) {
		return auditLine{}, false
	}
	return a.lines[n], true
}

func startBot(t *testing.T, admin kubernetes.Interface, seen *recorder, kubeconfig string) *chat {
	t.Helper()
	s, err := fakeslack.New(fakeslack.Options{})
	check(t, err)
	t.Cleanup(s.Close)
	c := &chat{slack: s, person: s.Team().AddUser("alice"), seen: seen, audit: &auditLog{}}
	c.room = s.Team().AddChannel("lab", fakeslack.PublicChannel, c.person)
	path := filepath.Join(t.TempDir(), "config.yaml")
	check(t, os.WriteFile(path, c.config(t), 0o600))
	allow(t, admin)
	bot, err := slackbot.New(slackbot.Options{
		ConfigPath: path, Kubeconfig: kubeconfig, Namespace: recordsNamespace, SlackAPI: s.APIURL(),
		Secrets: slackbot.Secrets{BotToken: s.Team().BotToken(), AppToken: s.AppToken()},
		Actions: actions.All(), Build: actions.BuildInfo{Version: testVersion},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Audit: c.audit,
	})
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- bot.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	waiting, stop := context.WithTimeout(t.Context(), patient)
	defer stop()
	check(t, s.WaitSockets(waiting, connections))
	return c
}

func (c *chat) config(t *testing.T) []byte {
	t.Helper()
	data, err := yaml.Marshal(slackbot.Config{
		APIVersion: slackbot.ConfigAPIVersion, Kind: slackbot.ConfigKind,
		Teams:    []string{c.slack.Team().ID},
		Clusters: []slackbot.ClusterConfig{{Name: "lab", Namespace: slackNamespace}},
		People:   []slackbot.Binding{{Users: []string{c.name()}, Groups: []string{adminGroup}}},
		Channels: []slackbot.ChannelRule{{ID: c.room.ID}},
		Limits:   slackbot.Limits{PerMinute: 1000},
		Timeouts: slackbot.Timeouts{Default: metav1.Duration{Duration: patient}},
	})
	check(t, err)
	return data
}

// name is the person as the configuration names them.
func (c *chat) name() string { return c.person.Team.ID + ":" + c.person.ID }

// run gives a command in Slack, confirms it if it writes, and waits for its end.
func (c *chat) run(t *testing.T, l line) outcome {
	t.Helper()
	c.seen.take()
	in, err := c.give(l)
	check(t, err)
	var rehearsal []request
	if l.kind == writing {
		rehearsal = c.confirm(t, l, in)
	}
	audit := c.waitEnd(t, l.text)
	requests := c.ofPerson(t, l.text, c.seen.take())
	end := outcome{
		requests: meaning(append(rehearsal, requests...), slackNamespace),
		ended:    exitCode(audit.Outcome),
		said:     settle(c.said(in), slackNamespace),
	}
	if l.kind == writing {
		end.rehearsed = meaning(rehearsal, slackNamespace)
	}
	return end
}

// give types a command: as a slash command, or with a file attached as a mention, since Slack takes no
// files with slash commands.
func (c *chat) give(l line) (*fakeslack.Interaction, error) {
	text := strings.ReplaceAll(l.text, "NS", slackNamespace)
	if l.file == "" {
		return c.person.Slash(c.room, "/lab", text)
	}
	return c.person.Mention(c.room, text, fakeslack.Upload{Name: l.file, Content: []byte(files()[l.file])})
}

// confirm presses Confirm, and checks that nothing was written until then. It returns what was asked.
func (c *chat) confirm(t *testing.T, l line, in *fakeslack.Interaction) []request {
	t.Helper()
	var preview fakeslack.Message
	c.until(t, l.text, func() bool {
		for _, m := range in.Messages() {
			if _, asks := m.Button("Confirm"); asks {
				preview = m
				return true
			}
		}
		_, ended := c.audit.nth(c.ended)
		return ended
	})
	rehearsal := c.ofPerson(t, l.text, c.seen.take())
	if i := slices.IndexFunc(rehearsal, request.changes); i >= 0 {
		t.Errorf("%q: before it was confirmed: %s", l.text, rehearsal[i].text())
	}
	if _, err := c.person.Click(preview, "Confirm"); err != nil {
		t.Errorf("%q: no confirmation is asked for: %v", l.text, err)
	}
	return rehearsal
}

// waitEnd waits for the command's audit line, which is the last that it leaves behind.
func (c *chat) waitEnd(t *testing.T, text string) (end auditLine) {
	t.Helper()
	c.until(t, text, func() (found bool) {
		end, found = c.audit.nth(c.ended)
		return found
	})
	c.ended++
	return end
}

// until waits for a condition.
func (c *chat) until(t *testing.T, text string, done func() bool) {
	t.Helper()
	const again = 5 * time.Millisecond
	for deadline := time.Now().Add(patient); !done(); {
		if time.Now().After(deadline) {
			messages := c.slack.Messages()
			t.Fatalf("%q does not end; Slack shows: %v", text, messages[max(0, len(messages)-2):])
		}
		select {
		case <-c.slack.Changed():
		case <-time.After(again): // audit lines are not announced
		}
	}
}

// ofPerson leaves out the bot's own requests, and checks that they are about nothing but its records, and
// that all others are made as the person.
func (c *chat) ofPerson(t *testing.T, text string, requests []request) []request {
	t.Helper()
	return slices.DeleteFunc(requests, func(r request) bool {
		switch {
		case r.stranger != "", r.isDiscovery():
		case r.user == "":
			records := strings.HasPrefix(r.path, "/apis/coordination.k8s.io/v1/namespaces/"+recordsNamespace+"/leases")
			if !records && r.path != "/readyz" {
				t.Errorf("%q: asked as the bot itself: %s", text, r.text())
			}
			return true
		case r.user != slackbot.UserPrefix+c.name(), !slices.Equal(r.groups, []string{adminGroup}):
			t.Errorf("%q: asked as %q of %q: %s", text, r.user, r.groups, r.text())
		}
		return c.isBinding(r)
	})
}

// isBinding reports whether a request is about the Secret on which a credential hangs, so that the
// button Revoke can end it: the one thing that Slack adds to a command.
func (c *chat) isBinding(r request) bool {
	return strings.Contains(r.path, "/secrets/labbot-credential-") ||
		strings.HasSuffix(r.path, "/secrets") && strings.Contains(r.body+r.query.Encode(), "credential")
}

// exitCode is the terminal's exit code for what an audit line says.
func exitCode(outcome string) string {
	code, known := map[string]actions.ExitCode{
		"done": actions.ExitOK, "broken": actions.ExitFailed, "failed": actions.ExitFailed, "denied": actions.ExitFailed,
		"usage": actions.ExitUsage, "unreachable": actions.ExitUnreachable,
	}[outcome]
	if !known {
		return outcome
	}
	return fmt.Sprint(int(code))
}

// said is what the person reads in the end.
func (c *chat) said(in *fakeslack.Interaction) string {
	var texts []string
	for _, m := range in.Messages() {
		if now, found := c.slack.Message(m.Channel, m.TS); found {
			m = now
		}
		texts = append(texts, m.Visible())
	}
	return strings.Join(texts, "\n")
}

// refuses checks that a command is answered with what to do instead, and asks the cluster for nothing.
func (c *chat) refuses(t *testing.T, text, why string) {
	t.Helper()
	got := c.run(t, reads(text))
	if got.ended != exitCode("usage") || !strings.Contains(got.said, why) {
		t.Errorf("%q: ends with %q: %s", text, got.ended, got.said)
	}
	if len(got.requests) > 0 {
		t.Errorf("%q: asks the cluster: %q", text, got.requests)
	}
}

// writeKubeconfig points at the proxy. The proxy takes its credential for the administrator's.
func writeKubeconfig(t *testing.T, server *httptest.Server, namespace string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	config := clientcmdapi.NewConfig()
	config.Clusters["proxy"] = &clientcmdapi.Cluster{Server: server.URL, CertificateAuthorityData: pemOf(server.Certificate())}
	config.AuthInfos["admin"] = &clientcmdapi.AuthInfo{Token: credential}
	config.Contexts["proxy"] = &clientcmdapi.Context{Cluster: "proxy", AuthInfo: "admin", Namespace: namespace}
	config.CurrentContext = "proxy"
	check(t, clientcmd.WriteToFile(*config, path))
	return path
}

// pemOf is a certificate as kubeconfigs hold it.
func pemOf(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func createNamespace(t *testing.T, admin kubernetes.Interface, name string) {
	t.Helper()
	_, err := admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	check(t, err)
}

// allow makes the person an administrator, as whoever runs the terminal is.
func allow(t *testing.T, admin kubernetes.Interface) {
	t.Helper()
	_, err := admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: adminGroup},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: adminGroup}},
	}, metav1.CreateOptions{})
	check(t, err)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

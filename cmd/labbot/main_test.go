package main

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// goneKubeconfig names an API server that is not there: nothing listens on port 1.
const goneKubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: x}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
`

const goodConfig = `apiVersion: labbot.kubectl-lab.github.io/v1alpha1
kind: LabbotConfig
teams: [T1]
clusters: [{name: lab}]
people: [{users: ["T1:U1"], groups: [lab-admins]}]
channels: [{id: C1}]
`

// desk is where labbot is started: files, and a Slack.
type desk struct {
	folder string
	slack  *fakeslack.Server
	taken  string // an address in use
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{folder: t.TempDir()}
	for name, content := range map[string]string{
		"gone.kubeconfig": goneKubeconfig,
		"good.yaml":       goodConfig,
		"typo.yaml":       strings.Replace(goodConfig, "teams", "taems", 1),
		"empty.yaml":      strings.Replace(goodConfig, "[T1]", "[]", 1),
		"bad.kubeconfig":  "{",
	} {
		if err := os.WriteFile(filepath.Join(d.folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if d.slack, err = fakeslack.New(fakeslack.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.slack.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	d.taken = listener.Addr().String()
	return d
}

// fill puts the desk's files and addresses into a line.
func (d *desk) fill(line string) string {
	return strings.NewReplacer("DIR", d.folder, "TAKEN", d.taken, "APIURL", d.slack.APIURL()).Replace(line)
}

// TestWhatGoesWrong starts labbot with everything that can be wrong: one clear message and the exit code
// of docs/exit-codes.md for each.
func TestWhatGoesWrong(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBECONFIG", "")
	d := newDesk(t)
	good := map[string]string{"SLACK_BOT_TOKEN": d.slack.Team().BotToken(), "SLACK_APP_TOKEN": d.slack.AppToken()}
	none := map[string]string{}
	for _, test := range []struct {
		line string
		env  map[string]string
		code actions.ExitCode
		want []string
	}{
		{"bogus", none, 2, []string{`unknown command "bogus" for "labbot"`, "labbot --help"}},
		{"version surplus", none, 2, []string{`unknown command "surplus"`}},
		{"run --bogus", none, 2, []string{"unknown flag: --bogus", "labbot run --help"}},
		{"run --config DIR/good.yaml --namespace labbot", none, 2, []string{"no bot token: set SLACK_BOT_TOKEN", "no app token: set SLACK_APP_TOKEN"}},
		{"run --config DIR/good.yaml --namespace labbot", map[string]string{"SLACK_BOT_TOKEN_FILE": "/nope"}, 2, []string{"SLACK_BOT_TOKEN_FILE: open /nope"}},
		{"run --config DIR/good.yaml --namespace labbot", map[string]string{"SLACK_BOT_TOKEN": "xoxp-1", "SLACK_APP_TOKEN": "xapp-1"}, 2, []string{"is no bot token"}},
		{"run --config DIR/good.yaml --namespace labbot --http :0", good, 2, []string{"no signing secret: set SLACK_SIGNING_SECRET"}},
		{"run --config DIR/good.yaml", good, 2, []string{"no namespace for the records: set --namespace or POD_NAMESPACE"}},
		{"run --config DIR/nope.yaml --namespace labbot", good, 2, []string{"reading the configuration: open DIR/nope.yaml"}},
		{"run --config DIR/typo.yaml --namespace labbot", good, 2, []string{`configuration DIR/typo.yaml: reading LabbotConfig: unknown field "taems"`}},
		{"run --config DIR/empty.yaml --namespace labbot", good, 2, []string{"name at least one workspace", "people[0].users[0]"}},
		{"run --config DIR/good.yaml --namespace labbot", good, 3, []string{"connecting to the home cluster lab: there is no kubeconfig", "--kubeconfig or KUBECONFIG"}},
		{"run --config DIR/good.yaml --namespace labbot --kubeconfig DIR/bad.kubeconfig", good, 3, []string{"connecting to the home cluster", "bad.kubeconfig"}},
		{"run --config DIR/good.yaml --namespace labbot --kubeconfig DIR/gone.kubeconfig --slack-api APIURL --health TAKEN", good, 1, []string{"--health", "address already in use"}},
		{"run --config DIR/good.yaml --namespace labbot --kubeconfig DIR/gone.kubeconfig --slack-api APIURL --health=", map[string]string{"SLACK_BOT_TOKEN": "xoxb-wrong", "SLACK_APP_TOKEN": "xapp-1"}, 1, []string{"Slack does not accept the bot token", "OAuth & Permissions"}},
		{"check-config --config DIR/good.yaml --kubeconfig DIR/gone.kubeconfig --slack-api APIURL", good, 3, []string{"cluster lab: the API server 127.0.0.1:1 refused the connection"}},
		{"check-config --config DIR/good.yaml --slack-api APIURL", good, 3, []string{"cluster lab: there is no kubeconfig", "--kubeconfig or KUBECONFIG"}},
		{"check-config --config DIR/good.yaml --kubeconfig DIR/gone.kubeconfig --slack-api http://127.0.0.1:1/api/", good, 3, []string{"bot token: Slack could not be reached"}},
		{"rbac --config DIR/typo.yaml", none, 2, []string{`unknown field "taems"`}},
		{"playground --addr :8080", none, 2, []string{"loopback address only"}},
		{"playground --addr TAKEN", none, 1, []string{"address already in use", "--addr"}},
		{"playground", none, 3, []string{"no kubeconfig: looked at", "make demo-bot"}},
		{"playground --kubeconfig DIR/nope", none, 3, []string{"reading the kubeconfig", "DIR/nope"}},
		{"playground --kubeconfig DIR/gone.kubeconfig", none, 3, []string{"preparing the cluster: the API server 127.0.0.1:1 refused the connection"}},
	} {
		t.Run(test.line, func(t *testing.T) {
			code, said := execute(t, d.fill(test.line), test.env)
			if code != test.code {
				t.Errorf("exit code %d, want %d\n%s", code, test.code, said)
			}
			for _, want := range test.want {
				if !strings.Contains(said, d.fill(want)) {
					t.Errorf("does not say %q but:\n%s", d.fill(want), said)
				}
			}
			if lines := strings.Count(said, "\n"); lines > 3 {
				t.Errorf("says %d lines:\n%s", lines, said)
			}
			for _, secret := range test.env {
				if strings.HasPrefix(secret, "xo") && strings.Contains(said, secret) {
					t.Error("says a token")
				}
			}
		})
	}
}

// execute runs labbot and returns what it says on stderr.
func execute(t *testing.T, line string, env map[string]string) (actions.ExitCode, string) {
	t.Helper()
	var out, errOut bytes.Buffer
	p := &program{
		build:  actions.BuildInfo{Version: "v0.0.0-test"},
		getenv: func(name string) string { return env[name] },
		out:    &out, errOut: &errOut,
		log: slog.New(slog.DiscardHandler),
	}
	ended := make(chan actions.ExitCode, 1)
	go func() { ended <- p.execute(t.Context(), strings.Fields(line)) }()
	select {
	case code := <-ended:
		return code, errOut.String()
	case <-time.After(time.Minute):
		t.Fatal("labbot does not end")
		return 0, ""
	}
}

// TestManifest starts labbot as manifests/labbot/deployment.yaml does: its flags and variables are known.
func TestManifest(t *testing.T) {
	data, err := os.ReadFile("../../manifests/labbot/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var deployment appsv1.Deployment
	if err := yaml.UnmarshalStrict(data, &deployment); err != nil {
		t.Fatal(err)
	}
	container := deployment.Spec.Template.Spec.Containers[0]
	folder, env := t.TempDir(), map[string]string{"POD_NAMESPACE": "labbot"}
	for _, v := range container.Env {
		if name, isFile := strings.CutSuffix(v.Name, "_FILE"); isFile {
			path := filepath.Join(folder, name)
			kind := map[string]string{"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}[name]
			if err := os.WriteFile(path, []byte(kind), 0o600); err != nil {
				t.Fatal(err)
			}
			env[v.Name] = path
		}
	}
	code, said := execute(t, strings.Join(container.Args, " "), env)
	if code != actions.ExitUsage || !strings.Contains(said, "reading the configuration: open /etc/labbot/config.yaml") {
		t.Errorf("exit code %d: %s", code, said)
	}
}

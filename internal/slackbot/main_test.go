package slackbot

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// shared is the one cluster of this package's tests.
var shared testcluster.Shared

func TestMain(m *testing.M) {
	if encoded := os.Getenv(envProcess); encoded != "" {
		os.Exit(runProcess(encoded))
	}
	// The tests wait more than they work, so more of them can share two cores.
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	code := shared.Run(m)
	if program.path != "" {
		_ = os.RemoveAll(filepath.Dir(program.path))
	}
	os.Exit(code)
}

// sharedCluster is the package's own cluster, or the real one that the end-to-end test has made.
func sharedCluster(t testing.TB) *testcluster.Cluster {
	t.Helper()
	if path := os.Getenv(realKubeconfig); path != "" {
		return &testcluster.Cluster{Kubeconfig: path}
	}
	return shared.Cluster(t)
}

// patient bounds every wait of a test. Nothing waits that long unless it is broken.
const patient = 60 * time.Second

// stage is a Slack and a cluster with people in them, and bots that serve both.
type stage struct {
	*fakeslack.Server
	t       *testing.T
	ctx     context.Context
	cluster *testcluster.Cluster
	admin   kubernetes.Interface // the cluster's administrator
	room    *fakeslack.Channel
	side    *fakeslack.Channel // not in the configuration
	alice   *fakeslack.User    // an administrator of the cluster
	bob     *fakeslack.User    // may look only
	carol   *fakeslack.User    // nobody
	dave    *fakeslack.User    // nobody, unless a test says otherwise
	suffix  string             // tells this stage's objects in the cluster from others'

	namespace  string // for people
	records    string // for the bot
	kubeconfig string // the bot's
	config     *Config
	path       string
	audit, log *buffer
}

// buffer is a log that tests read while it is written.
type buffer struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}

// newStage sets everything up but the bot. edit may change the configuration.
func newStage(t *testing.T, slackOptions fakeslack.Options, edit func(*stage)) *stage {
	t.Helper()
	return newStageOn(t, sharedCluster(t), slackOptions, edit)
}

// newStageOn is newStage on a cluster that a test has for itself.
func newStageOn(t *testing.T, cluster *testcluster.Cluster, slackOptions fakeslack.Options, edit func(*stage)) *stage {
	t.Helper()
	restConfig, err := cluster.RESTConfig()
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	s := &stage{t: t, ctx: ctx, cluster: cluster, suffix: strings.ToLower(randomID()[:8]), audit: &buffer{}, log: &buffer{}}
	s.admin = kubernetes.NewForConfigOrDie(restConfig)
	s.namespace, s.records = "lab-"+s.suffix, "labbot-"+s.suffix
	for _, name := range []string{s.namespace, s.records} {
		_, err := s.admin.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		must(t, err)
		t.Cleanup(func() {
			_ = s.admin.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{})
		})
	}
	s.Server, err = fakeslack.New(asInstalled(t, slackOptions))
	must(t, err)
	t.Cleanup(s.Close)
	team := s.Team()
	s.alice, s.bob, s.carol, s.dave = team.AddUser("alice"), team.AddUser("bob"), team.AddUser("carol"), team.AddUser("dave")
	s.room = team.AddChannel("lab", fakeslack.PublicChannel, s.alice, s.bob, s.carol, s.dave)
	s.side = team.AddChannel("side", fakeslack.PublicChannel, s.alice, s.bob)
	s.config = &Config{
		APIVersion: ConfigAPIVersion,
		Kind:       ConfigKind,
		Teams:      []string{team.ID},
		Clusters:   []ClusterConfig{{Name: "lab", Namespace: s.namespace}},
		People: []Binding{
			{Users: []string{s.person(s.alice)}, Groups: []string{"admins-" + s.suffix}},
			{Users: []string{s.person(s.bob)}, Groups: []string{"viewers-" + s.suffix}},
		},
		Channels: []ChannelRule{{ID: s.room.ID}, {ID: DirectMessages}},
		Limits:   Limits{PerMinute: 1000},
	}
	if edit != nil {
		edit(s)
	}
	s.path = filepath.Join(t.TempDir(), "config.yaml")
	s.writeConfig()
	s.grant()
	return s
}

// asInstalled gives the app what manifests/slack-app.yaml asks for, and nothing else: a scope or an event
// that is missing there is missing here.
func asInstalled(t *testing.T, options fakeslack.Options) fakeslack.Options {
	t.Helper()
	data, err := os.ReadFile("../../manifests/slack-app.yaml")
	must(t, err)
	var app slack.Manifest
	must(t, yaml.UnmarshalStrict(data, &app))
	options.BotScopes = app.OAuthConfig.Scopes.Bot
	options.Events = app.Settings.EventSubscriptions.BotEvents
	options.Commands = []string{app.Features.SlashCommands[0].Command}
	return options
}

func (s *stage) person(u *fakeslack.User) string { return u.Team.ID + ":" + u.ID }

func (s *stage) writeConfig() {
	s.t.Helper()
	data, err := yaml.Marshal(s.config)
	must(s.t, err)
	must(s.t, os.WriteFile(s.path, data, 0o600))
}

// grant gives the bot's account what "labbot rbac" prints, and the people of the stage their rights.
func (s *stage) grant() {
	s.t.Helper()
	_, err := s.admin.CoreV1().ServiceAccounts(s.records).Create(s.ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "labbot"}}, metav1.CreateOptions{})
	must(s.t, err)
	s.applyRBAC()
	for group, role := range map[string]string{"admins-": "cluster-admin", "viewers-": "view"} {
		s.bind(group+s.suffix, role)
	}
	s.kubeconfig = s.botKubeconfig()
}

func (s *stage) applyRBAC() {
	s.t.Helper()
	manifest, err := RBAC(s.ctx, s.config, s.records, "labbot", func(context.Context, string) ([]string, error) {
		var ids []string
		for _, u := range s.Users() {
			ids = append(ids, u.ID)
		}
		return ids, nil
	})
	must(s.t, err)
	for _, document := range bytes.Split(manifest, []byte("---\n")) {
		s.applyRole(document)
	}
}

// applyRole creates one object of "labbot rbac". Those of the whole cluster get the stage's name, since
// stages live side by side.
func (s *stage) applyRole(document []byte) {
	s.t.Helper()
	var kind metav1.TypeMeta
	must(s.t, yaml.Unmarshal(document, &kind))
	rbac := s.admin.RbacV1()
	var err error
	switch kind.Kind {
	case "ClusterRole":
		role := &rbacv1.ClusterRole{}
		must(s.t, yaml.UnmarshalStrict(document, role))
		role.Name += "-" + s.suffix
		_ = rbac.ClusterRoles().Delete(s.ctx, role.Name, metav1.DeleteOptions{})
		_, err = rbac.ClusterRoles().Create(s.ctx, role, metav1.CreateOptions{})
	case "ClusterRoleBinding":
		binding := &rbacv1.ClusterRoleBinding{}
		must(s.t, yaml.UnmarshalStrict(document, binding))
		binding.Name += "-" + s.suffix
		binding.RoleRef.Name += "-" + s.suffix
		_ = rbac.ClusterRoleBindings().Delete(s.ctx, binding.Name, metav1.DeleteOptions{})
		_, err = rbac.ClusterRoleBindings().Create(s.ctx, binding, metav1.CreateOptions{})
	case "Role":
		role := &rbacv1.Role{}
		must(s.t, yaml.UnmarshalStrict(document, role))
		_ = rbac.Roles(s.records).Delete(s.ctx, role.Name, metav1.DeleteOptions{})
		_, err = rbac.Roles(s.records).Create(s.ctx, role, metav1.CreateOptions{})
	case "RoleBinding":
		binding := &rbacv1.RoleBinding{}
		must(s.t, yaml.UnmarshalStrict(document, binding))
		_ = rbac.RoleBindings(s.records).Delete(s.ctx, binding.Name, metav1.DeleteOptions{})
		_, err = rbac.RoleBindings(s.records).Create(s.ctx, binding, metav1.CreateOptions{})
	default:
		s.t.Fatalf("labbot rbac prints a %s", kind.Kind)
	}
	must(s.t, err)
}

func (s *stage) bind(group, role string) {
	s.t.Helper()
	_, err := s.admin.RbacV1().ClusterRoleBindings().Create(s.ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: group},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: group}},
	}, metav1.CreateOptions{})
	must(s.t, err)
}

// botKubeconfig is a kubeconfig with the service account of the bot, not the administrator's.
func (s *stage) botKubeconfig() string {
	s.t.Helper()
	token, err := s.admin.CoreV1().ServiceAccounts(s.records).CreateToken(s.ctx, "labbot", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	must(s.t, err)
	config, err := clientcmd.LoadFromFile(s.cluster.Kubeconfig)
	must(s.t, err)
	for name := range config.AuthInfos {
		config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	}
	path := filepath.Join(s.t.TempDir(), "kubeconfig")
	must(s.t, clientcmd.WriteToFile(*config, path))
	return path
}

func (s *stage) options() Options {
	return Options{
		ConfigPath: s.path,
		Kubeconfig: s.kubeconfig,
		Namespace:  s.records,
		Secrets:    Secrets{BotToken: s.Team().BotToken(), AppToken: s.AppToken(), SigningSecret: s.SigningSecret()},
		SlackAPI:   s.APIURL(),
		Health:     "127.0.0.1:0",
		Actions:    actions.All(),
		Build:      actions.BuildInfo{Version: "v0.0.0-test"},
		Log:        slog.New(slog.NewJSONHandler(s.log, nil)),
		Audit:      s.audit,
	}
}

// running is a bot that a test started.
type running struct {
	*Bot
	stop   context.CancelFunc
	done   chan error
	health string // address
	http   string // of HTTP mode
}

// start runs a bot by Socket Mode and waits for its connections.
func (s *stage) start(edit func(*Options)) *running {
	s.t.Helper()
	before := len(s.Sockets())
	r := s.launch(edit)
	ctx, cancel := context.WithTimeout(s.ctx, patient)
	defer cancel()
	must(s.t, s.WaitSockets(ctx, before+socketCount))
	return r
}

// launch runs a bot.
func (s *stage) launch(edit func(*Options)) *running {
	s.t.Helper()
	options := s.options()
	r := &running{done: make(chan error, 1)}
	opened := make(chan [2]string, 2)
	options.Listening = func(slack, health string) { opened <- [2]string{slack, health} }
	if edit != nil {
		edit(&options)
	}
	bot, err := New(options)
	must(s.t, err)
	r.Bot = bot
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() { r.done <- bot.Run(ctx) }()
	s.t.Cleanup(func() {
		r.stop()
		select {
		case <-r.done:
		case <-time.After(patient):
			s.t.Error("the bot did not stop")
		}
		if s.t.Failed() {
			s.t.Logf("log:\n%s\naudit:\n%s", s.log, s.audit)
		}
	})
	for r.health == "" || options.HTTP != "" && r.http == "" {
		select {
		case at := <-opened:
			r.http, r.health = firstOf(at[0], r.http), firstOf(at[1], r.health)
		case err := <-r.done:
			r.done <- err
			s.t.Fatalf("the bot ended: %v", err)
		case <-time.After(patient):
			s.t.Fatal("the bot does not serve")
		}
	}
	return r
}

// patience bounds one wait.
func (s *stage) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, patient)
}

// slash types a command and waits for an answer that contains text.
func (s *stage) slash(u *fakeslack.User, line, text string) fakeslack.Message {
	s.t.Helper()
	in, err := u.Slash(s.room, "/lab", line)
	must(s.t, err)
	return s.answer(in, text)
}

// askInEachWay has bob ask for the version so many times, each time by a slash command and a mention.
func (s *stage) askInEachWay(times int) []*fakeslack.Interaction {
	s.t.Helper()
	var all []*fakeslack.Interaction
	for range times {
		slash, err := s.bob.Slash(s.room, "/lab", "version")
		must(s.t, err)
		mention, err := s.bob.Mention(s.room, "version")
		must(s.t, err)
		all = append(all, slash, mention)
	}
	return all
}

func (s *stage) answer(in *fakeslack.Interaction, text string) fakeslack.Message {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patient)
	defer cancel()
	m, err := in.WaitMessage(ctx, func(m fakeslack.Message) bool { return says(m, text) })
	if err != nil {
		s.t.Fatalf("no answer with %q: %v", text, err)
	}
	return m
}

// click presses a button and returns the interaction.
func (s *stage) click(u *fakeslack.User, m fakeslack.Message, label string) *fakeslack.Interaction {
	s.t.Helper()
	in, err := u.Click(m, label)
	must(s.t, err)
	return in
}

// waitShown waits for the bot to say something anywhere.
func (s *stage) waitShown(text string) fakeslack.Message {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patient)
	defer cancel()
	m, err := s.WaitMessage(ctx, func(m fakeslack.Message) bool { return says(m, text) })
	must(s.t, err)
	return m
}

// says reports whether a message shows text; spaces and line breaks are alike, since each run of text
// is a line to the fake Slack.
func says(m fakeslack.Message, text string) bool {
	shown := strings.Join(strings.Fields(m.Visible()+" "+m.Text), " ")
	return strings.Contains(shown, strings.Join(strings.Fields(text), " "))
}

// waitChanged waits for a message to become one with that text.
func (s *stage) waitChanged(m fakeslack.Message, text string) fakeslack.Message {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patient)
	defer cancel()
	changed, err := s.WaitMessage(ctx, func(now fakeslack.Message) bool { return now.TS == m.TS && says(now, text) })
	must(s.t, err)
	return changed
}

// eventually waits for a condition that nothing announces.
func (s *stage) eventually(what string, done func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(patient)
	for !done() {
		if time.Now().After(deadline) {
			s.t.Fatalf("in vain waited for: %s", what)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-s.ctx.Done():
			s.t.Fatalf("in vain waited for: %s", what)
		}
	}
}

// auditLines are the audit lines so far.
func (s *stage) auditLines() []map[string]any {
	s.t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(s.audit.String()) {
		var fields map[string]any
		must(s.t, yaml.Unmarshal([]byte(line), &fields))
		lines = append(lines, fields)
	}
	return lines
}

// waitAudit waits for that many audit lines and returns them.
func (s *stage) waitAudit(n int) []map[string]any {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%d audit lines", n), func() bool { return len(s.auditLines()) >= n })
	return s.auditLines()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var _ io.Writer = &buffer{}

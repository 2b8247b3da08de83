package slackbot

// The tests of this file are the ten points on which this bot wants to be better than others; each
// name begins with the number of its point.

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/pflag"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

func TestPoint01PersonIsAuthorized(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	key := "p01-" + s.suffix
	line := "label nodes k8s01 " + key + "=x"
	s.slash(s.alice, line, "Confirm: /lab label nodes")
	s.slash(s.bob, line, `may not get nodes`)
	s.slash(s.carol, line, "you are not allowed to use labbot")
	s.room.Rename("admins")
	s.slash(s.carol, line, "you are not allowed to use labbot")
	s.slash(s.alice, line, "Confirm: /lab label nodes")

	elsewhere := s.Team().AddChannel("elsewhere", fakeslack.PublicChannel, s.alice)
	in, err := s.alice.Slash(elsewhere, "/lab", "version")
	must(t, err)
	s.answer(in, "labbot is not allowed in this channel")

	for _, test := range []struct {
		resource, name string
		want           bool
	}{
		{"groups", "system:masters", false},
		{"users", "kubernetes-admin", false},
		{"users", "slack:T1:U1", false},
		{"users", UserPrefix + s.person(s.alice), true},
		{"groups", "admins-" + s.suffix, true},
		{"serviceaccounts", "labbot", false},
	} {
		if got := s.botCan("impersonate", test.resource, test.name); got != test.want {
			t.Errorf("the bot may impersonate %s/%s: %v, want %v", test.resource, test.name, got, test.want)
		}
	}
}

// botCan asks the API server what the bot's own account may do.
func (s *stage) botCan(verb, resource, name string) bool {
	s.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	must(s.t, err)
	review, err := kubernetes.NewForConfigOrDie(config).AuthorizationV1().SelfSubjectAccessReviews().Create(s.ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Resource: resource, Name: name}},
	}, metav1.CreateOptions{})
	must(s.t, err)
	return review.Status.Allowed
}

func TestPoint02NoImpersonationFlagWorks(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	for _, line := range []string{`version "--as=system:admin"`, "version --as-group=system:masters", `version '--kubeconfig'=/x`, `version \--server=https://x`} {
		s.slash(s.alice, line, "unknown flag: --")
	}
}

// tokenText finds a JSON web token.
var tokenText = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`)

func TestPoint03SecretIsSeenOnceInPrivate(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	bot := s.start(nil)
	s.slash(s.alice, "token --duration 24h", "too long: at most 1h")
	preview := s.slash(s.alice, "token --create --service-account reader -n "+s.namespace, "serviceaccount/reader to be created")
	s.click(s.alice, preview, "Confirm")
	ctx, cancel := context.WithTimeout(s.ctx, patient)
	defer cancel()
	m, err := s.WaitMessage(ctx, func(m fakeslack.Message) bool { return tokenText.MatchString(m.Visible()) })
	must(t, err)
	if m.EphemeralTo != s.alice.ID {
		t.Fatalf("the token was shown to %q", m.EphemeralTo)
	}
	token := tokenText.FindString(m.Visible())
	s.waitAudit(2)

	sightings := s.Find(token)
	if len(sightings) != 1 || sightings[0].Count != 1 || sightings[0].Audience != "user "+s.alice.ID {
		t.Errorf("the token was sent %d times: %+v", len(sightings), sightings)
	}
	leases, err := s.admin.CoordinationV1().Leases(s.records).List(s.ctx, metav1.ListOptions{})
	must(t, err)
	for where, text := range map[string]string{
		"audit": s.audit.String(), "log": s.log.String(), "records": fmt.Sprint(leases.Items), "metrics": s.get(bot, "/metrics"),
	} {
		if strings.Contains(text, token) {
			t.Errorf("the token is in the %s", where)
		}
		if strings.Contains(text, "hooks.slack") || strings.Contains(text, s.BaseURL()+"/commands") {
			t.Errorf("a response_url is in the %s", where)
		}
	}

	if !s.tokenWorks(token) {
		t.Fatal("the token does not work")
	}
	s.click(s.alice, m, "Revoke")
	s.waitShown("Revoked.")
	s.eventually("the end of the token", func() bool { return !s.tokenWorks(token) })
}

func (s *stage) tokenWorks(token string) bool {
	s.t.Helper()
	review, err := s.admin.AuthenticationV1().TokenReviews().Create(s.ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token},
	}, metav1.CreateOptions{})
	must(s.t, err)
	return review.Status.Authenticated
}

// get reads a page of a bot's health address.
func (s *stage) get(bot *running, path string) string {
	s.t.Helper()
	_, text := s.status(bot, path)
	return text
}

func (s *stage) status(bot *running, path string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, "http://"+bot.health+path, nil)
	must(s.t, err)
	response, err := http.DefaultClient.Do(r)
	must(s.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(s.t, err)
	return response.StatusCode, string(body)
}

func TestPoint04OnlyTheRequesterConfirmsOnceInTime(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	key := "p04-" + s.suffix
	in, err := s.alice.Mention(s.room, "label nodes k8s01 "+key+"=x")
	must(t, err)
	preview := s.answer(in, "Confirm: /lab label nodes")
	if preview.EphemeralTo != "" || preview.ThreadTS != in.Posted.TS {
		t.Error("a mention is not answered in its thread")
	}
	s.click(s.bob, preview, "Confirm")
	s.waitShown("only the person who gave the command can confirm it")
	s.click(s.bob, preview, "Cancel")
	s.waitShown("only the person who gave the command can cancel it")
	if _, found := s.nodeLabel("k8s01", key); found {
		t.Fatal("another person's click had an effect")
	}
	for range 4 {
		s.click(s.alice, preview, "Confirm")
	}
	s.waitChanged(preview, "✅ node/k8s01 labeled")
	s.waitAudit(1)
	s.click(s.alice, preview, "Confirm")
	s.waitShown("this was confirmed already")
	if lines := s.auditLines(); len(lines) != 1 {
		t.Errorf("%d audit lines for one effect: %v", len(lines), lines)
	}
}

func TestPoint04LateClickCausesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, func(s *stage) {
		s.config.Timeouts.Confirm = metav1.Duration{Duration: time.Second}
	})
	s.start(nil)
	key := "p04late-" + s.suffix
	preview := s.slash(s.alice, "label nodes k8s01 "+key+"=x", "Confirm: /lab label nodes")
	s.waitShown("was not confirmed in time; nothing was changed")
	s.click(s.alice, preview, "Confirm")
	s.waitShown("this preview has expired; nothing was changed")
	if _, found := s.nodeLabel("k8s01", key); found {
		t.Error("a late click had an effect")
	}
	if line := s.waitAudit(1)[0]; line["outcome"] != "expired" {
		t.Errorf("audit line %v", line)
	}
}

// gate stands in front of an API server and can be shut: then it answers nothing. Or it refuses
// connections, as when the API server is stopped.
type gate struct {
	shut, refuse atomic.Bool

	mu    sync.Mutex
	open  chan struct{} // closed by reopen
	conns map[net.Conn]bool
}

// reopen lets everything through that waits.
func (g *gate) reopen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut.Store(false)
	close(g.open)
	g.open = make(chan struct{})
}

// closeAll ends the connections that there are.
func (g *gate) closeAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for conn := range g.conns {
		_ = conn.Close()
	}
}

func (g *gate) track(conn net.Conn, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if open {
		g.conns[conn] = true
		return
	}
	delete(g.conns, conn)
}

// wait blocks while the gate is shut.
func (g *gate) wait(ctx context.Context) {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	if !g.shut.Load() {
		return
	}
	select {
	case <-open:
	case <-ctx.Done():
	}
}

// throughGate makes the stage's bots reach the API server through a TCP proxy that can be shut.
func (s *stage) throughGate() *gate {
	s.t.Helper()
	config, err := clientcmd.LoadFromFile(s.kubeconfig)
	must(s.t, err)
	g := &gate{open: make(chan struct{}), conns: map[net.Conn]bool{}}
	listener, err := (&net.ListenConfig{}).Listen(s.ctx, "tcp", "127.0.0.1:0")
	must(s.t, err)
	s.t.Cleanup(func() { _ = listener.Close() })
	for _, cluster := range config.Clusters {
		target, err := url.Parse(cluster.Server)
		must(s.t, err)
		go g.serve(s.ctx, listener, target.Host)
		cluster.TLSServerName = target.Hostname()
		cluster.Server = "https://" + listener.Addr().String()
	}
	must(s.t, clientcmd.WriteToFile(*config, s.kubeconfig))
	return g
}

func (g *gate) serve(ctx context.Context, listener net.Listener, target string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if g.refuse.Load() {
			_ = conn.Close()
			continue
		}
		go g.pipe(ctx, conn, target)
	}
}

func (g *gate) pipe(ctx context.Context, conn net.Conn, target string) {
	g.track(conn, true)
	defer g.track(conn, false)
	defer conn.Close()
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(conn, server)
		_ = conn.Close()
	}()
	buffer := make([]byte, 32<<10)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		g.wait(ctx)
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// This test measures time, so nothing else runs beside it; "make unit" runs it once more without the race
// detector.
func TestPoint05AcknowledgedWhileTheAPIServerHangs(t *testing.T) {
	const commands = 100
	s := newStage(t, fakeslack.Options{}, func(s *stage) {
		s.config.Limits.Workers = 32
	})
	g := s.throughGate()
	s.start(nil)
	s.slash(s.bob, "version", "Server Version")
	g.shut.Store(true)
	var all []*fakeslack.Interaction
	for range commands {
		in, err := s.bob.Slash(s.room, "/lab", "version")
		must(t, err)
		all = append(all, in)
	}
	var times []time.Duration
	for _, in := range all {
		must(t, in.WaitAck(s.ctx))
		delivery := in.Deliveries()[0]
		times = append(times, delivery.Acked.Sub(delivery.At))
	}
	slices.Sort(times)
	p99 := times[commands*99/100]
	t.Logf("p50 of the acknowledgements is %s, p99 %s", times[commands/2], p99)
	if p99 >= ackLimit {
		t.Errorf("p99 of the acknowledgements is %s, not below %s", p99, ackLimit)
	}
	g.reopen()
	for _, in := range all {
		s.answer(in, "Server Version")
	}
	s.waitAudit(commands + 1)
}

// script is a verb of the tests.
type script struct {
	run func(ctx context.Context, env *actions.Env) (actions.Result, error)
}

func (script) Bind(*pflag.FlagSet)     {}
func (script) Complete([]string) error { return nil }
func (script) Validate() error         { return nil }
func (o script) Run(ctx context.Context, env *actions.Env) (actions.Result, error) {
	return o.run(ctx, env)
}

type shownResult struct{ doc *document.Document }

func (r shownResult) Document() *document.Document { return r.doc }

func scriptedVerb(words string, run func(context.Context, *actions.Env) (actions.Result, error)) actions.Action {
	return actions.Action{
		Words: words, Short: words, Long: words, Group: actions.GroupLook,
		Examples: []actions.Example{{Comment: words, Line: words}},
		New:      func() actions.Options { return script{run} },
	}
}

// scripted adds verbs that do what no real one should.
func scripted() []actions.Action {
	verb := scriptedVerb
	return append(actions.All(),
		verb("hang", func(ctx context.Context, _ *actions.Env) (actions.Result, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}),
		verb("deaf", func(context.Context, *actions.Env) (actions.Result, error) {
			select {}
		}),
		verb("panic", func(context.Context, *actions.Env) (actions.Result, error) { panic("on purpose") }),
		verb("empty", func(context.Context, *actions.Env) (actions.Result, error) {
			return shownResult{&document.Document{}}, nil
		}),
		verb("huge", func(context.Context, *actions.Env) (actions.Result, error) {
			return shownResult{hugeDocument()}, nil
		}),
		verb("long", func(context.Context, *actions.Env) (actions.Result, error) {
			return shownResult{longDocument()}, nil
		}),
	)
}

func hugeDocument() *document.Document {
	table := document.Table{Columns: []document.Column{{Name: "NAME"}, {Name: "STATUS"}}}
	for i := range 5000 {
		table.Rows = append(table.Rows, []document.Text{document.T(fmt.Sprintf("pod-<!channel>-```-%d-한글", i)), document.T("Running <@U123> & more")})
	}
	return new(document.Document).Add(table)
}

// longRows make an answer of some pages.
const longRows = 300

func longDocument() *document.Document {
	table := document.Table{Columns: []document.Column{{Name: "NAME"}, {Name: "STATUS"}}}
	for i := range longRows {
		table.Rows = append(table.Rows, []document.Text{document.T(fmt.Sprintf("row-%d-with-a-long-name-that-fills-the-page", i)), document.T("Running")})
	}
	return new(document.Document).Add(table)
}

func withScripts(o *Options) { o.Actions = scripted() }

func TestPoint05EveryCommandCanBeCancelled(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(withScripts)
	working := s.slash(s.bob, "hang", "⏳ /lab hang")
	s.click(s.bob, working, "Cancel")
	s.waitShown("stopped: you pressed Cancel")
	if line := s.waitAudit(1)[0]; line["outcome"] != "stopped" {
		t.Errorf("audit line %v", line)
	}
}

func TestPoint05FullQueueAnswersBusy(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, func(s *stage) {
		s.config.Limits.Workers, s.config.Limits.Queue = 1, 1
		s.config.Timeouts.Verbs = map[string]metav1.Duration{"hang": {Duration: 8 * time.Second}}
	})
	s.start(withScripts)
	for range 2 {
		_, err := s.bob.Slash(s.room, "/lab", "hang")
		must(t, err)
	}
	s.eventually("two commands", func() bool { return strings.Count(s.recordNames(), "lab-") == 2 })
	s.slash(s.bob, "version", "labbot is busy")
	in, err := s.bob.Mention(s.room, "version")
	must(t, err)
	s.answer(in, "labbot is busy")
}

func (s *stage) recordNames() string {
	s.t.Helper()
	leases, err := s.admin.CoordinationV1().Leases(s.records).List(s.ctx, metav1.ListOptions{})
	must(s.t, err)
	var names []string
	for _, lease := range leases.Items {
		names = append(names, lease.Name)
	}
	return strings.Join(names, " ")
}

func TestPoint06RedeliveryHasOneEffect(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{RetryCommands: true, Retries: []time.Duration{0}}, nil)
	s.start(nil)
	s.start(nil) // a second replica
	all := s.askInEachWay(5)
	for _, in := range all {
		must(t, in.WaitAck(s.ctx))
		for _, socket := range s.Sockets() {
			must(t, s.RedeliverTo(s.ctx, in.ID, socket))
		}
	}
	s.waitAudit(len(all))
	s.slash(s.bob, "version", "Server Version") // whatever was doubled has come by now
	if got := len(s.waitAudit(len(all) + 1)); got != len(all)+1 {
		t.Errorf("%d audit lines for %d commands", got, len(all)+1)
	}
	for _, in := range all {
		if n := len(in.Messages()); n != 1 {
			t.Errorf("%d answers to one command: %v", n, in.Messages())
		}
	}
}

func TestPoint06SurvivorReportsInterruption(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	doomed := s.startProcess()
	s.slash(s.bob, "hang", "⏳ /lab hang")
	s.start(withScripts)
	killed := time.Now()
	must(t, doomed.Process.Kill())
	s.waitShown("interrupted: the labbot that ran")
	if took := time.Since(killed); took > 30*time.Second {
		t.Errorf("the interruption was reported after %s", took)
	}
	if line := s.waitAudit(1)[0]; line["outcome"] != "interrupted" || line["arguments"] != "hang" {
		t.Errorf("audit line %v", line)
	}
}

func TestPoint07InvalidAuthEndsTheBot(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.RevokeTokens()
	bot, err := New(s.options())
	must(t, err)
	ctx, cancel := context.WithTimeout(s.ctx, patient)
	defer cancel()
	if err := bot.Run(ctx); err == nil || !strings.Contains(err.Error(), "Slack does not accept the bot token") {
		t.Errorf("error %v", err)
	}
}

func TestPoint07ReadinessFollowsSlack(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{PingInterval: 100 * time.Millisecond}, nil)
	var ahead atomic.Int64
	bot := s.start(func(o *Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	ready := func() int { code, _ := s.status(bot, "/readyz"); return code }
	s.eventually("readiness", func() bool { return ready() == http.StatusOK })
	clearFault := s.Inject("apps.connections.open", fakeslack.Fault{Status: http.StatusInternalServerError})
	for _, socket := range s.Sockets() {
		socket.Drop()
	}
	ahead.Store(int64(healthGrace + 20*time.Second)) // 55 s later
	s.eventually("the loss of readiness", func() bool {
		_, text := s.status(bot, "/readyz")
		return strings.Contains(text, "slack: lost")
	})
	if code, _ := s.status(bot, "/livez"); code != http.StatusOK {
		t.Errorf("livez answers %d; a lost Slack is no reason to restart", code)
	}
	clearFault()
	s.eventually("readiness again", func() bool { return ready() == http.StatusOK })
	s.eventually("two sockets in the metrics", func() bool { return strings.Contains(s.get(bot, "/metrics"), "labbot_sockets 2") })
}

func TestPoint07SocketsAreReplacedBeforeTheyClose(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	for _, socket := range s.Sockets() {
		must(t, socket.Disconnect("warning"))
	}
	s.slash(s.bob, "version", "Server Version")
	s.eventually("two new sockets", func() bool { return len(s.Sockets()) == socketCount })
	s.slash(s.bob, "version", "Server Version")
}

func TestPoint08EverythingIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, func(s *stage) {
		s.config.Timeouts.Verbs = map[string]metav1.Duration{"hang": {Duration: time.Second}, "deaf": {Duration: time.Second}}
	})
	s.start(withScripts)
	for i, test := range []struct{ line, text, outcome string }{
		{"version --cluster prod", "known clusters: lab", "usage"},
		{"label nodes --list", "may not list nodes", "denied"},
		{"hang", "timed out after 1s", "timeout"},
		{"deaf", "timed out after 1s", "timeout"},
		{"panic", "labbot made a mistake", "panic"},
		{"empty", "Nothing found", "done"},
		{"nonsense", `unknown command "nonsense"`, "usage"},
		{"help version", "/lab version", "done"},
		{"", "A Kubernetes lab manual as commands", "done"},
	} {
		in, err := s.bob.Slash(s.room, "/lab", test.line)
		must(t, err)
		s.answer(in, test.text)
		lines := s.waitAudit(i + 1)
		if got := lines[i]["outcome"]; len(lines) != i+1 || got != test.outcome {
			t.Errorf("%q: outcome %v, want %s (%d lines)", test.line, got, test.outcome, len(lines))
		}
		if n := len(in.Messages()); n != 1 {
			t.Errorf("%q: %d answers", test.line, n)
		}
	}
}

func TestPoint09LongOutputIsAttachedAndPingsNobody(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(withScripts)
	m := s.slash(s.bob, "huge", "pod-<!channel>-```-0-한글")
	if !says(m, "Page 1 of") {
		t.Error("nothing says that this is not all")
	}
	s.eventually("the file", func() bool {
		return slices.ContainsFunc(s.bob.DirectMessages().History(s.bob), func(m fakeslack.Message) bool { return len(m.Files) == 1 })
	})
	for _, m := range s.Messages() {
		if pings := m.Pings(); len(pings) > 0 {
			t.Errorf("%v pings %v", m, pings)
		}
	}
}

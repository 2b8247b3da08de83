package slackbot

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

func TestSlackAsksToSlowDown(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	bot := s.start(nil)
	// A storm: each way to answer is refused a few times.
	for _, target := range []string{fakeslack.ResponseURLTarget, "chat.postMessage", "chat.update"} {
		s.Inject(target, fakeslack.Fault{Status: http.StatusTooManyRequests, RetryAfter: time.Second, Times: 2})
	}
	all := s.askInEachWay(3)
	for _, in := range all {
		s.answer(in, "Server Version")
		if n := len(in.Messages()); n != 1 {
			t.Errorf("%d answers", n)
		}
	}
	if text := s.get(bot, "/metrics"); !strings.Contains(text, `labbot_slack_responses_total{status="429"}`) {
		t.Error("the metrics do not count the 429s")
	}
}

func TestSlackFails(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	s.Inject(fakeslack.ResponseURLTarget, fakeslack.Fault{Status: http.StatusBadGateway, Times: 1})
	s.slash(s.bob, "version", "Server Version")
	s.Inject(fakeslack.ResponseURLTarget, fakeslack.Fault{Drop: true, Times: 1})
	s.slash(s.bob, "version", "Server Version")
	s.Inject("chat.postMessage", fakeslack.Fault{Status: http.StatusServiceUnavailable, Times: 1})
	in, err := s.bob.Mention(s.room, "version")
	must(t, err)
	s.answer(in, "Server Version")
	for i, line := range s.waitAudit(3) {
		if line["outcome"] != "done" {
			t.Errorf("audit line %d: %v", i, line)
		}
	}
}

// When the response_url is of no use any more, the answer comes privately in the channel, and where that
// is refused too, in a direct message.
func TestAnswersFindAnotherWay(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	clearFault := s.Inject(fakeslack.ResponseURLTarget, fakeslack.Fault{Status: http.StatusNotFound})
	_, err := s.bob.Slash(s.room, "/lab", "version")
	must(t, err)
	if m := s.waitShown("Server Version"); m.EphemeralTo != s.bob.ID || m.Channel != s.room.ID || m.Via != "chat.postEphemeral" {
		t.Errorf("without a response_url the answer is %v", m)
	}
	s.Inject("chat.postEphemeral", fakeslack.Fault{Error: "user_not_in_channel"})
	_, err = s.bob.Slash(s.room, "/lab", "version")
	must(t, err)
	s.eventually("the answer in the direct messages", func() bool { return len(s.bob.DirectMessages().History(s.bob)) == 1 })
	clearFault()
}

func TestResponseURLsEnd(t *testing.T) {
	t.Parallel()
	clock := fakeslack.NewClock(time.Now())
	var ahead atomic.Int64
	s := newStage(t, fakeslack.Options{Now: clock.Now}, nil)
	slow := make(chan struct{})
	s.start(func(o *Options) {
		o.Actions = append(scripted(), scriptedVerb("slow", func(ctx context.Context, _ *actions.Env) (actions.Result, error) {
			select {
			case <-slow:
			case <-ctx.Done():
			}
			return shownResult{new(document.Document).Add(document.Note{Text: "slowly done"})}, ctx.Err()
		}))
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	working := s.slash(s.bob, "slow", "⏳ /lab slow")
	later := 31 * time.Minute
	clock.Advance(later)
	ahead.Store(int64(later))
	slow <- struct{}{}
	m := s.waitShown("slowly done")
	if m.Via != "chat.postEphemeral" || m.EphemeralTo != s.bob.ID || m.TS == working.TS {
		t.Errorf("after half an hour the answer is %v", m)
	}
}

func TestPlacesCountTheUsesOfAResponseURL(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	bot := s.start(nil)
	in, err := s.bob.Slash(s.room, "/lab", "version")
	must(t, err)
	s.answer(in, "Server Version")
	s.waitAudit(1)
	r, err := decode(envelopeCommand, in.Payload())
	must(t, err)
	at := placeOf(r, false, time.Now())
	at.Uses-- // the answer
	for range responseUses + 1 {
		must(t, bot.speaker.say(s.ctx, at, textMessage("one more")))
	}
	ways := map[string]int{}
	for _, m := range s.Messages() {
		ways[m.Via]++
	}
	if ways["response_url"] != responseUses || ways["chat.postEphemeral"] != 2 {
		t.Errorf("the answers came by %v", ways)
	}
}

func TestTheAPIServerGoesAndComesBack(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{PingInterval: 100 * time.Millisecond}, nil)
	g := s.throughGate()
	var ahead atomic.Int64
	bot := s.start(func(o *Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	s.slash(s.bob, "version", "Server Version")
	ready := func() (int, string) { return s.status(bot, "/readyz") }
	s.eventually("readiness", func() bool { code, _ := ready(); return code == http.StatusOK })

	g.refuse.Store(true)
	g.closeAll()
	s.slash(s.bob, "version", "nothing was done: the command could not be recorded")
	if line := s.waitAudit(2)[1]; line["outcome"] != "unreachable" {
		t.Errorf("audit line %v", line)
	}
	ahead.Store(int64(healthGrace + 20*time.Second)) // 55 s later
	s.eventually("the loss of readiness", func() bool {
		code, text := ready()
		return code == http.StatusServiceUnavailable && strings.Contains(text, "api-server: lost")
	})
	g.refuse.Store(false)
	s.eventually("readiness again", func() bool { code, _ := ready(); return code == http.StatusOK })
	s.slash(s.bob, "version --client=false", "Server Version")
}

// The same with a process that ends and starts anew, on a cluster of its own.
func TestTheAPIServerIsStoppedAndStarted(t *testing.T) {
	t.Parallel()
	s := newStageOn(t, testcluster.New(t, testcluster.Options{}), fakeslack.Options{}, nil)
	bot := s.start(nil)
	s.slash(s.bob, "version", "Server Version")
	const component = "kube-apiserver"
	must(t, s.cluster.StopComponent(s.ctx, component))
	s.slash(s.bob, "version", "nothing was done: the command could not be recorded")
	must(t, s.cluster.StartComponent(s.ctx, component))
	s.eventually("readiness", func() bool { code, _ := s.status(bot, "/readyz"); return code == http.StatusOK })
	s.slash(s.bob, "version --client=false", "Server Version")
	if lines := s.waitAudit(3); len(lines) != 3 || lines[1]["outcome"] != "unreachable" {
		t.Errorf("audit lines %v", lines)
	}
}

// A replica that dies after it wrote leaves the object, once, and a survivor that tells.
func TestKilledInTheMiddleOfAWrite(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	doomed := s.startProcess()
	line := "create pod stuck --image nginx:1.15 --node-selector nobody=has --wait --timeout 5m"
	s.click(s.alice, s.slash(s.alice, line, "Confirm: /lab create pod stuck"), "Confirm")
	created := func() (*corev1.Pod, error) {
		return s.admin.CoreV1().Pods(s.namespace).Get(s.ctx, "stuck", metav1.GetOptions{})
	}
	s.eventually("the pod", func() bool { _, err := created(); return err == nil })
	before, err := created()
	must(t, err)
	s.start(nil)
	must(t, doomed.Process.Kill())
	s.waitShown("interrupted: the labbot that ran")
	if audit := s.waitAudit(1)[0]; audit["outcome"] != "interrupted" || audit["verb"] != "create pod" {
		t.Errorf("audit line %v", audit)
	}
	after, err := created()
	must(t, err)
	if after.UID != before.UID {
		t.Error("the pod was made twice")
	}
}

// A command that is recorded late is announced, and done all the same.
func TestLateRecordsAreAnnounced(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	g := s.throughGate()
	bot := s.start(nil)
	s.slash(s.bob, "version", "Server Version")
	g.shut.Store(true)
	slash, err := s.bob.Slash(s.room, "/lab", "version")
	must(t, err)
	mention, err := s.bob.Mention(s.room, "version")
	must(t, err)
	for _, in := range []*fakeslack.Interaction{slash, mention} {
		must(t, in.WaitAck(s.ctx))
		m := s.answer(in, "not recorded yet")
		if !says(m, "Nothing is done before it is") {
			t.Errorf("announced is: %s", m.Visible())
		}
	}
	announced := mention.Messages()[0]
	g.reopen()
	s.answer(slash, "Server Version")
	s.waitChanged(announced, "Server Version") // in the place of the announcement
	s.waitAudit(3)
	if text := s.get(bot, "/metrics"); !strings.Contains(text, "labbot_commands_recorded_late_total 2") {
		t.Error("the metrics do not count the late records")
	}
}

// What can be neither recorded nor announced is not acknowledged, so that Slack delivers it again.
func TestWhatNobodyKnowsOfIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{Retries: []time.Duration{time.Second}}, nil)
	g := s.throughGate()
	s.start(nil)
	s.slash(s.bob, "version", "Server Version")
	g.shut.Store(true)
	clearFault := s.Inject("chat.postMessage", fakeslack.Fault{Hang: true})
	in, err := s.bob.Mention(s.room, "version")
	must(t, err)
	s.eventually("the end of the first delivery", func() bool { d := in.Deliveries(); return len(d) > 0 && d[0].Failure != "" })
	clearFault()
	g.reopen()
	s.answer(in, "Server Version")
	if n := len(s.waitAudit(2)); n != 2 {
		t.Errorf("%d audit lines", n)
	}
}

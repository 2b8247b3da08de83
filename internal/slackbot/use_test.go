package slackbot

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

func TestRunAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	in, err := s.alice.Mention(s.room, "get namespaces "+s.namespace)
	must(t, err)
	m := s.answer(in, s.namespace)
	s.click(s.bob, m, "Run again")
	if second := s.waitShown("as " + UserPrefix + s.person(s.bob)); !says(second, s.namespace) || second.ThreadTS != in.Posted.TS {
		t.Errorf("run again as somebody else: %v", second)
	}
	s.click(s.carol, m, "Run again")
	s.waitShown("you are not allowed to use labbot")
	lines := s.waitAudit(3)
	for i, want := range []string{s.alice.ID, s.bob.ID, s.carol.ID} {
		if lines[i]["user"] != want || lines[i]["arguments"] != "get namespaces "+s.namespace {
			t.Errorf("audit line %d: %v", i, lines[i])
		}
	}
	if now, _ := s.Message(m.Channel, m.TS); !says(now, "as "+UserPrefix+s.person(s.alice)) {
		t.Errorf("the first answer was replaced: %s", now.Visible())
	}
}

func TestDirectMessages(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(withScripts)
	for line, want := range map[string]string{
		"version":        "Server Version",
		"/lab version":   "Server Version",
		"":               "A Kubernetes lab manual as commands",
		"help version":   "/lab version",
		"statsu":         "did you mean: /lab status",
		"thanks, labbot": `unknown command "thanks,"`,
	} {
		if line == "" {
			line = "help"
		}
		in, err := s.bob.DM(line)
		must(t, err)
		if m := s.answer(in, want); m.Channel != s.bob.DirectMessages().ID {
			t.Errorf("%q is answered in %s", line, m.Channel)
		}
	}
	in, err := s.bob.DM("hang")
	must(t, err)
	working := s.answer(in, "⏳ /lab hang")
	s.click(s.bob, working, "Cancel")
	s.waitChanged(working, "stopped: you pressed Cancel") // the same message
	in, err = s.carol.DM("version")
	must(t, err)
	s.answer(in, "you are not allowed to use labbot")
}

func TestDirectMessagesCanBeRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, func(s *stage) { s.config.Channels = []ChannelRule{{ID: s.room.ID}} })
	s.start(nil)
	in, err := s.alice.DM("version")
	must(t, err)
	s.answer(in, "direct messages are not allowed")
}

func TestAppHome(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	s.slash(s.bob, "version", "Server Version")
	s.waitAudit(1)
	home := func(u *fakeslack.User, text string) fakeslack.View {
		u.OpenHome()
		ctx, cancel := s.patience()
		defer cancel()
		v, err := u.WaitHome(ctx, func(v fakeslack.View) bool { return strings.Contains(v.Visible(), text) })
		must(t, err)
		return v
	}
	v := home(s.bob, "/lab version")
	for _, want := range []string{UserPrefix + s.person(s.bob), "viewers-" + s.suffix, "lab", "namespace " + s.namespace, "pods", "get,list,watch"} {
		if !strings.Contains(v.Visible(), want) {
			t.Errorf("the App Home of bob lacks %q:\n%s", want, v.Visible())
		}
	}
	if _, err := s.bob.ClickView(v, "Run again"); err != nil {
		t.Fatal(err)
	}
	s.eventually("the answer in the direct messages", func() bool {
		history := s.bob.DirectMessages().History(s.bob)
		return len(history) == 1 && says(history[0], "Server Version")
	})
	if v := home(s.alice, UserPrefix+s.person(s.alice)); strings.Contains(v.Visible(), "/lab version") {
		t.Error("alice sees bob's commands")
	}
	home(s.carol, "you are not allowed to use labbot")
}

func TestPagesAreTurned(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(withScripts)
	in, err := s.bob.Mention(s.room, "long")
	must(t, err)
	m := s.answer(in, "Page 1 of ")
	if !says(m, "row-0-") || says(m, "row-"+fmt.Sprint(longRows-1)+"-") {
		t.Fatalf("the first page: %s", m.Visible())
	}
	if _, found := m.Button("◀ Back"); found {
		t.Error("there is a way back from the first page")
	}
	s.click(s.alice, m, "More ▶")
	s.waitShown("only the person who ran the command can turn its pages")
	s.click(s.bob, m, "More ▶")
	m = s.waitChanged(m, "Page 2 of ")
	for range maxPages {
		if _, more := m.Button("More ▶"); !more {
			break
		}
		at := strings.Index(m.Visible(), "Page ")
		var page, of int
		_, err := fmt.Sscanf(m.Visible()[at:], "Page %d of %d", &page, &of)
		must(t, err)
		s.click(s.bob, m, "More ▶")
		m = s.waitChanged(m, fmt.Sprintf("Page %d of %d", page+1, of))
	}
	if !says(m, "row-"+fmt.Sprint(longRows-1)+"-") {
		t.Errorf("the last page: %s", m.Visible())
	}
	s.click(s.bob, m, "◀ Back")
	s.waitChanged(m, "Page ")
}

func TestTwoReplicasAndEverythingRedelivered(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{RetryCommands: true}, nil)
	s.start(nil)
	s.start(nil)
	key := "twice-" + s.suffix
	s.slash(s.bob, "version", "Server Version")
	in, err := s.bob.DM("version")
	must(t, err)
	s.answer(in, "Server Version")
	s.confirmed("label nodes k8s02 "+key+"=x", "node/k8s02 labeled")
	s.confirmed("create pod once --image example.com/c:1", "pod/once created")
	lines := len(s.waitAudit(4))
	answers := len(s.Messages())
	must(t, s.RedeliverAll(s.ctx))
	must(t, s.RedeliverAll(s.ctx))
	s.slash(s.bob, "version --client", "Client Version") // whatever was doubled has come by now
	if got := len(s.waitAudit(lines + 1)); got != lines+1 {
		t.Errorf("%d audit lines, want %d:\n%s", got, lines+1, s.audit)
	}
	var doubled []string
	for _, m := range s.Messages()[answers:] {
		if !says(m, "Client Version") && !says(m, "already") { // a second click is told so
			doubled = append(doubled, m.String())
		}
	}
	if len(doubled) > 0 {
		t.Errorf("the redelivery was answered: %q", doubled)
	}
}

// A private answer can be followed: in the message whose button was pressed, and only a few times. The
// click may reach a replica that does not run the command.
func TestPrivateAnswersAreFollowed(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	reached, end := make(chan string, 1), make(chan struct{})
	steps := scriptedVerb("steps", func(ctx context.Context, env *actions.Env) (actions.Result, error) {
		for {
			select {
			case step := <-reached:
				env.Observer.Observe(actions.Progress{Subject: "work", Message: step})
			case <-end:
				return shownResult{new(document.Document).Add(document.Note{Text: "all steps done"})}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	})
	for range 2 {
		s.start(func(o *Options) { o.Actions = append(scripted(), steps) })
	}
	m := s.slash(s.bob, "steps", "⏳ /lab steps")
	reached <- "the first step"
	for range 2 * socketCount { // one for each connection of each replica
		must(t, s.click(s.bob, m, "Follow").WaitAck(s.ctx))
	}
	s.waitChanged(m, "the first step")
	close(end)
	s.waitChanged(m, "all steps done")
	s.waitAudit(1)
	for _, other := range s.Messages() {
		if other.TS != m.TS {
			t.Errorf("there is another message: %v", other)
		}
	}
	s.click(s.bob, m, "Follow") // the message as it was
	s.waitShown("this command has ended already")
}

func TestPausesGrowWithTheUsesOfAResponseURL(t *testing.T) {
	t.Parallel()
	p := &place{Replaces: true, Uses: responseUses}
	var total time.Duration
	updates := 0
	for ; p.updates(); p.Uses-- {
		total += p.pause()
		updates++
	}
	if updates != responseUses-finalUses || total > responseLife {
		t.Errorf("%d updates within %s", updates, total)
	}
}

package slackbot

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// needs makes verbs need a confirmation.
func needs(by Confirmation, moreThan int, verbs ...string) func(*stage) {
	return func(s *stage) {
		s.config.Approvals = append(s.config.Approvals, ApprovalRule{Verbs: verbs, By: by, MoreThan: moreThan})
		s.config.People = append(s.config.People, Binding{Users: []string{s.person(s.dave)}, Groups: []string{"admins-" + s.suffix}})
	}
}

// askPublicly types a command and waits for what everybody can see of it.
func (s *stage) askPublicly(u *fakeslack.User, line string) fakeslack.Message {
	s.t.Helper()
	_, err := u.Slash(s.room, "/lab", line)
	must(s.t, err)
	m := s.waitShown("Confirm: /lab " + line)
	if m.EphemeralTo != "" || !says(m, "A second person must approve this") {
		s.t.Fatalf("nobody else can see what is to be approved: %v", m)
	}
	return m
}

func TestSecondPersonApproves(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, needs(ConfirmPerson, 0, "label nodes"))
	s.start(nil)
	key := "second-" + s.suffix
	preview := s.askPublicly(s.alice, "label nodes k8s01 "+key+"=x")
	s.click(s.alice, preview, "Approve")
	s.waitShown("you gave the command yourself")
	s.click(s.bob, preview, "Approve")
	s.waitShown("you may not approve this: you may not")
	s.click(s.carol, preview, "Approve")
	s.waitShown("you are not allowed to use labbot")
	if _, found := s.nodeLabel("k8s01", key); found {
		t.Fatal("labeled without an approval")
	}
	s.click(s.dave, preview, "Approve")
	s.waitChanged(preview, "node/k8s01 labeled")
	line := s.waitAudit(1)[0]
	if line["outcome"] != "done" || line["user"] != s.alice.ID || line["approver"] != s.person(s.dave) {
		t.Errorf("audit line %v", line)
	}
	s.click(s.dave, preview, "Approve") // once more, on what they still see
	s.waitShown("this was confirmed already")
}

func TestApprovalIsDeniedOrExpires(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, func(s *stage) {
		needs(ConfirmPerson, 0, "label nodes")(s)
		s.config.Timeouts.Confirm = metav1.Duration{Duration: 4 * time.Second}
	})
	s.start(nil)
	key := "denied-" + s.suffix
	denied := s.askPublicly(s.alice, "label nodes k8s01 "+key+"=x")
	s.click(s.dave, denied, "Deny")
	s.waitChanged(denied, "Denied. Nothing was changed.")
	late := s.askPublicly(s.alice, "label nodes k8s02 "+key+"=x")
	s.waitChanged(late, "was not confirmed in time; nothing was changed")
	s.click(s.dave, late, "Approve")
	s.waitShown("this preview has expired")
	for _, node := range []string{"k8s01", "k8s02"} {
		if _, found := s.nodeLabel(node, key); found {
			t.Errorf("%s was labeled", node)
		}
	}
	in, err := s.alice.DM("label nodes k8s01 " + key + "=x")
	must(t, err)
	s.answer(in, "run it in a channel, where others can see it")
}

func TestOnlyApproversApprove(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, func(s *stage) {
		needs(ConfirmPerson, 0, "label nodes")(s)
		group := s.Team().AddUserGroup("approvers", s.alice)
		s.config.Approvals[0].Approvers = Approvers{SlackGroups: []string{s.Team().ID + ":" + group.ID}}
	})
	s.start(nil)
	key := "approvers-" + s.suffix
	preview := s.askPublicly(s.alice, "label nodes k8s01 "+key+"=x")
	s.click(s.dave, preview, "Approve")
	s.waitShown("approvers are set in labbot's configuration")
	preview = s.askPublicly(s.dave, "label nodes k8s02 "+key+"=x")
	s.click(s.alice, preview, "Approve")
	s.waitChanged(preview, "node/k8s02 labeled")
}

func TestTokenNeedsASecondPerson(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, needs(ConfirmPerson, 0, "token"))
	s.start(nil)
	line := "token --create --service-account reader -n " + s.namespace
	preview := s.askPublicly(s.alice, line)
	if !says(preview, "asks for a credential. It will be shown to nobody else") {
		t.Errorf("asked is: %s", preview.Visible())
	}
	s.click(s.bob, preview, "Approve")
	s.waitShown("you may not create tokens there yourself")
	s.click(s.dave, preview, "Approve")
	ctx, cancel := s.patience()
	defer cancel()
	m, err := s.WaitMessage(ctx, func(m fakeslack.Message) bool { return tokenText.MatchString(m.Visible()) })
	must(t, err)
	if m.EphemeralTo != s.alice.ID {
		t.Errorf("the token was shown to %q", m.EphemeralTo)
	}
	s.waitChanged(preview, "The answer was shown to the requester alone")
	s.waitAudit(1)
	if n := len(s.Find(tokenText.FindString(m.Visible()))); n != 1 {
		t.Errorf("the token was sent %d times", n)
	}
}

func TestTypedConfirmation(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, needs(ConfirmTyped, 1, "label nodes"))
	s.start(nil)
	key := "typed-" + s.suffix
	s.confirmed("label nodes k8s01 "+key+"=one", "node/k8s01 labeled") // one object needs a click only
	preview := s.slash(s.alice, "label nodes k8s02 k8s03 "+key+"=two", "Confirm: /lab label nodes")
	submit := func(who *fakeslack.User, text string) {
		ctx, cancel := s.patience()
		defer cancel()
		s.click(who, preview, "Confirm…")
		modal, err := who.WaitModal(ctx, nil)
		must(t, err)
		_, err = who.Submit(modal, map[string]string{typedInput: text})
		must(t, err)
	}
	submit(s.alice, "label")
	s.waitShown("that is not what was to be typed; nothing was changed")
	if _, found := s.nodeLabel("k8s02", key); found {
		t.Fatal("labeled although the wrong word was typed")
	}
	submit(s.alice, " Label Nodes ")
	s.waitShown("node/k8s03 labeled")
	for _, node := range []string{"k8s02", "k8s03"} {
		if value, _ := s.nodeLabel(node, key); value != "two" {
			t.Errorf("%s has the label %q", node, value)
		}
	}
	if lines := s.waitAudit(2); lines[1]["outcome"] != "done" || !strings.Contains(lines[1]["arguments"].(string), "k8s03") {
		t.Errorf("audit lines %v", lines)
	}
}

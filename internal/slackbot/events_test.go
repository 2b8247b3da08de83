package slackbot

import (
	"strings"
	"testing"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// eventsOn lists the Events that this stage's bots wrote in a namespace about the object of that name.
func (s *stage) eventsOn(namespace, name string) []eventsv1.Event {
	s.t.Helper()
	list, err := s.admin.EventsV1().Events(namespace).List(s.ctx, metav1.ListOptions{FieldSelector: "reportingController=" + eventController})
	must(s.t, err)
	var found []eventsv1.Event
	for _, e := range list.Items {
		_, id, _ := strings.Cut(strings.TrimSuffix(e.Note, ")"), "(")
		if e.Regarding.Name == name && strings.Contains(s.audit.String(), id) {
			found = append(found, e)
		}
	}
	return found
}

func TestEventsOnChangedObjects(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, func(s *stage) { s.config.Events = true })
	s.start(nil)
	s.confirmed("create pod seen --image example.com/c:1", "pod/seen created")
	s.confirmed("label nodes k8s01 ev-"+s.suffix+"=x", "node/k8s01 labeled")
	s.eventually("the Event on the Pod", func() bool { return len(s.eventsOn(s.namespace, "seen")) == 1 })
	s.eventually("the Event on the node", func() bool { return len(s.eventsOn(metav1.NamespaceDefault, "k8s01")) == 1 })
	pod, err := s.admin.CoreV1().Pods(s.namespace).Get(s.ctx, "seen", metav1.GetOptions{})
	must(t, err)
	e := s.eventsOn(s.namespace, "seen")[0]
	if !strings.Contains(e.Note, UserPrefix+s.person(s.alice)) {
		t.Errorf("the Event does not say who: %q", e.Note)
	}
	if e.Reason != "Created" || e.Action != "create pod" || e.Regarding.Kind != "Pod" || e.Regarding.UID != pod.UID {
		t.Errorf("the Event is %+v", e)
	}
	if strings.Contains(e.Note, "example.com") {
		t.Errorf("the Event holds words of the command: %q", e.Note)
	}
	if s.botCan("create", "pods", "") {
		t.Error("the bot's own account may do more than write Events")
	}
}

func TestEventsNeverHoldAnswersUp(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.config.Events = true // but "labbot rbac" was run before
	s.writeConfig()
	s.start(nil)
	s.confirmed("label nodes k8s01 evno-"+s.suffix+"=x", "node/k8s01 labeled")
	s.eventually("a line in the log", func() bool { return strings.Contains(s.log.String(), "not every Event was written") })
	if line := s.waitAudit(1)[0]; line["outcome"] != "done" {
		t.Errorf("audit line %v", line)
	}
}

// confirmed runs a command as alice, confirms it, and waits for its result.
func (s *stage) confirmed(line, text string) fakeslack.Message {
	s.t.Helper()
	preview := s.slash(s.alice, line, "Confirm: /lab "+line)
	s.click(s.alice, preview, "Confirm")
	return s.waitChanged(preview, text)
}

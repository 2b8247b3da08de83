package slackbot

import (
	"errors"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// replicaRecords are the records as a replica of its own sees them.
func (s *stage) replicaRecords(holder string) *records {
	s.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	must(s.t, err)
	sealer, err := newSealer("xoxb-test")
	must(s.t, err)
	return &records{
		leases: kubernetes.NewForConfigOrDie(config).CoordinationV1().Leases(s.records),
		holder: holder, sealer: sealer, now: time.Now,
	}
}

func TestRenewingARecordChangesNothingElse(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	here, there := s.replicaRecords("here"), s.replicaRecords("there")
	r, err := here.create(s.ctx, "lab-1", entry{person: "T1:U1", line: "version", place: &place{User: "U1"}})
	must(t, err)
	expires := time.Now().Add(time.Minute).Truncate(time.Second)
	must(t, r.changeOwn(s.ctx, func(e *entry) {
		e.state, e.need, e.digest, e.expires = stateWaiting, ConfirmTyped, "abc", expires
	}))
	must(t, r.renew(s.ctx))
	seen, err := there.get(s.ctx, "lab-1")
	must(t, err)
	e := seen.entry()
	if e.state != stateWaiting || e.need != ConfirmTyped || e.digest != "abc" || !e.expires.Equal(expires) || e.place == nil {
		t.Errorf("the record is %+v after a renewal", e)
	}
}

func TestARecordChangesHandsOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	here, there := s.replicaRecords("here"), s.replicaRecords("there")
	mine, err := here.create(s.ctx, "lab-1", entry{person: "T1:U1", line: "version"})
	must(t, err)
	if _, err := there.create(s.ctx, "lab-1", entry{}); !errors.Is(err, errDuplicate) {
		t.Errorf("a second replica records the same command: %v", err)
	}
	if again, err := here.create(s.ctx, "lab-1", entry{}); err != nil || again.entry().person != "T1:U1" {
		t.Errorf("a repeated request of the same replica: %v", err)
	}
	must(t, mine.changeOwn(s.ctx, func(e *entry) { e.state = stateWaiting }))
	claim := func(store *records) error {
		r, err := store.get(s.ctx, "lab-1")
		must(t, err)
		must(t, mine.changeOwn(s.ctx, func(e *entry) { e.place = &place{User: "U1"} })) // a change in between
		return (&decision{record: r}).claim(s.ctx, nil)
	}
	must(t, claim(there))
	if _, err := there.create(s.ctx, "lab-1", entry{}); !errors.Is(err, errDuplicate) {
		t.Errorf("a replica that took a command over records it again: %v", err)
	}
	late := &decision{record: mine}
	if err := late.claim(s.ctx, nil); !errors.Is(err, errLost) {
		t.Errorf("a second claim: %v", err)
	}
	if err := mine.renew(s.ctx); !errors.Is(err, errLost) {
		t.Errorf("a renewal by the old holder: %v", err)
	}
}

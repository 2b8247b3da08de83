package slackbot

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

func TestReadVerb(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	m := s.slash(s.bob, "version", "Server Version: v1.")
	if m.EphemeralTo != s.bob.ID {
		t.Errorf("shown to %q, want the requester alone", m.EphemeralTo)
	}
	line := s.waitAudit(1)[0]
	if line["outcome"] != "done" || line["verb"] != "version" || line["user"] != s.bob.ID {
		t.Errorf("audit line %v", line)
	}
}

func TestWriteNeedsConfirmation(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	key := "stage-" + s.suffix
	preview := s.slash(s.alice, "label nodes k8s02 "+key+"=one", "Confirm: /lab label nodes")
	if !says(preview, "+ "+key+": one") {
		t.Errorf("the preview is no diff: %s", preview.Visible())
	}
	if _, found := s.nodeLabel("k8s02", key); found {
		t.Fatal("labeled before it was confirmed")
	}
	s.click(s.alice, preview, "Confirm")
	s.waitChanged(preview, "✅ node/k8s02 labeled")
	if value, _ := s.nodeLabel("k8s02", key); value != "one" {
		t.Errorf("label is %q, want one", value)
	}
	line := s.waitAudit(1)[0]
	if line["outcome"] != "done" || line["verb"] != "label nodes" {
		t.Errorf("audit line %v", line)
	}
}

func (s *stage) nodeLabel(node, key string) (string, bool) {
	s.t.Helper()
	n, err := s.admin.CoreV1().Nodes().Get(s.ctx, node, metav1.GetOptions{})
	must(s.t, err)
	value, found := n.Labels[key]
	return value, found
}

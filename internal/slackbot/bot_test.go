package slackbot

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

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

// What the API server makes up at each dry run, such as addresses, ports and names of volumes, must not
// make a confirmation impossible.
func TestWhatTheServerMakesUpNeedsNoSecondConfirmation(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	s.confirmed("create service web --port 8000:80 --selector app=web --type NodePort", "service/web created")
	s.confirmed("create pod web --image example.com/web:1 --count 2", "pod/web-2 created")
	s.waitAudit(2)
	for _, line := range s.auditLines() {
		if line["outcome"] != "done" {
			t.Errorf("audit line %v", line)
		}
	}
}

func TestWhatChangedMeanwhileIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	key := "again-" + s.suffix
	preview := s.slash(s.alice, "label nodes k8s03 --overwrite "+key+"=new", "Confirm: /lab label nodes")
	s.labelNode("k8s03", key, "other")
	s.click(s.alice, preview, "Confirm")
	second := s.waitChanged(preview, "Something changed meanwhile")
	if value, _ := s.nodeLabel("k8s03", key); value != "other" || !says(second, "- "+key+": other") {
		t.Errorf("label %q, shown: %s", value, second.Visible())
	}
	s.click(s.alice, second, "Confirm")
	s.waitChanged(preview, "node/k8s03 labeled")
}

func (s *stage) labelNode(node, key, value string) {
	s.t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, key, value)
	_, err := s.admin.CoreV1().Nodes().Patch(s.ctx, node, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	must(s.t, err)
}

package slackbot

import (
	"os"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// realKubeconfig names the manual's own cluster, where "make e2e" has one running.
const realKubeconfig = "LAB_REAL_KUBECONFIG"

// TestExercisesThroughSlack runs exercises of the manual from Slack on the manual's own cluster:
// preview, confirmation, checklist, and nothing left behind.
func TestExercisesThroughSlack(t *testing.T) {
	if os.Getenv(realKubeconfig) == "" {
		t.Skip("needs the manual's own cluster: make e2e")
	}
	for _, name := range []string{"pod", "labels", "service", "namespace", "replicaset", "resources"} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, fakeslack.Options{}, func(s *stage) {
				s.config.Timeouts.Default = metav1.Duration{Duration: 10 * time.Minute}
			})
			s.start(nil)
			preview := s.slash(s.alice, "exercise run "+name+" --clean", "Confirm: /lab exercise run "+name)
			s.click(s.alice, preview, "Confirm")
			s.waitFor(4*time.Minute, "passed, 0 failed")
			s.waitAudit(1)
		})
	}
}

// waitFor waits for the bot to say something, for longer than other tests need.
func (s *stage) waitFor(patience time.Duration, text string) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		for _, m := range s.Messages() {
			if says(m, text) {
				return
			}
		}
		select {
		case <-s.Changed():
		case <-time.After(time.Second):
		}
	}
	s.t.Fatalf("in vain waited for %q", text)
}

package checks_test

import (
	"strings"
	"testing"

	"github.com/kubectl-lab/kubectl-lab/pkg/checks"
)

// TestLimits holds the test cluster against limits that it is close to or beyond, and expects each to be
// found, and where.
func TestLimits(t *testing.T) {
	want := map[string]string{
		"limits-nodes":                     "3 of 1",
		"limits-pods":                      " of 1",
		"limits-containers":                " of 1",
		"limits-pods-per-node":             " of 1 (k8s0",
		"limits-services":                  " of 1",
		"limits-namespaces":                " of 1",
		"limits-pods-per-namespace":        " of 1 (kube-system)",
		"limits-services-per-namespace":    " of 1 (default)",
		"limits-deployments-per-namespace": " of 1 (kube-system)",
		"limits-endpoints-per-service":     "2 of 1 (kube-system/kube-dns)",
	}
	lowered := checks.LoweredLimits(1)
	if len(lowered) != len(want) {
		t.Errorf("%d limits, want %d", len(lowered), len(want))
	}
	for _, r := range run(t, source(t, config(t)), checks.Config{}, lowered...).Results {
		switch {
		case r.Status != checks.StatusFailed || r.Severity != checks.Warning:
			t.Errorf("%s: %s %s", r.ID, r.Status, r.Severity)
		case !strings.Contains(r.Message, want[r.ID]):
			t.Errorf("%s: message %q does not say %q", r.ID, r.Message, want[r.ID])
		case !strings.Contains(r.Hint, "https://"):
			t.Errorf("%s: hint %q names no source", r.ID, r.Hint)
		}
	}
}

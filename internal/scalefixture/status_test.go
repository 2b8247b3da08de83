//go:build linux

package scalefixture_test

import (
	"encoding/json"
	"testing"

	"github.com/kubectl-lab/kubectl-lab/internal/scalefixture"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/checks"
)

// statusMemory is what "status" may take at statusSize, in bytes.
const statusMemory = 150 << 20

func statusSize() scalefixture.Size {
	return scalefixture.Size{Nodes: 5_000, Pods: 20_000, Namespaces: 200, Services: 1_000, Deployments: 2_000}
}

// TestStatus runs the plugin's "status" on 5,000 nodes and 20,000 pods, of which some are broken, and
// holds its memory against the limit. Without a controller manager and a scheduler it finds their Leases
// missing too.
func TestStatus(t *testing.T) {
	size := statusSize()
	cluster := start(t, size)
	describe(t, cluster, size) // until the caches are filled
	spent, output, problems := measure(t, build(t), "--kubeconfig", cluster.Kubeconfig, "status", "-o", "json")
	var result actions.StatusResult
	if err := json.Unmarshal(output, &result); err != nil {
		t.Fatalf("%v\n%s\n%s", err, output, problems)
	}
	t.Logf("kubectl lab status: %s, %s", spent, result.Summary)
	if spent.memory > statusMemory {
		t.Errorf("peak memory %d MB, want at most %d", spent.memory>>20, statusMemory>>20)
	}
	found := map[string]checks.Result{}
	for _, r := range result.Checks {
		found[r.ID] = r
	}
	for id, objects := range map[string]int{"nodes-ready": 50, "workloads-crash-loops": 200, "workloads-pending": 200, "workloads-services": 20} {
		if r := found[id]; r.Status != checks.StatusFailed || len(r.Objects) != objects {
			t.Errorf("%s: %s with %d objects, want %d: %s", id, r.Status, len(r.Objects), objects, r.Message)
		}
	}
	for id, message := range map[string]string{"limits-nodes": "5000 of 5000", "limits-pods": "20000 of 150000", "limits-containers": "40000 of 300000"} {
		if found[id].Message != message {
			t.Errorf("%s: %q, want %q", id, found[id].Message, message)
		}
	}
	if r := found["api-answers"]; r.Status != checks.StatusOK {
		t.Errorf("%s: %s %s", r.ID, r.Status, r.Message)
	}
}

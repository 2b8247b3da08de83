package place

import (
	"strings"
	"testing"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

func TestCgroup(t *testing.T) {
	group := func(dir, name string) string { return Cgroup(cluster.New(cluster.Dir(dir), cluster.Real, name, nil)) }
	one := group("/a", "lab-real")
	if !strings.HasPrefix(one, "labcluster-lab-real-") || strings.Contains(one, "/") {
		t.Errorf("control group %q", one)
	}
	if again := group("/a", "lab-real"); again != one {
		t.Errorf("the same cluster's control groups %q and %q", one, again)
	}
	for _, other := range []string{group("/b", "lab-real"), group("/a", "other")} {
		if other == one {
			t.Errorf("two clusters share the control group %q", one)
		}
	}
}

package topology_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/topology"
)

func TestNodes(t *testing.T) {
	config := cluster.New("/x", cluster.Real, "lab-real", []string{"k8s01", "k8s02", "k8s03"})
	nodes, err := topology.Nodes(config)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, node := range nodes {
		got = append(got, node.Name+" "+node.Network().String()+" "+node.PodCIDR.String()+" "+node.MAC().String())
	}
	want := []string{
		"k8s01 192.168.0.104/24 10.233.64.0/24 02:00:c0:a8:00:68",
		"k8s02 192.168.0.105/24 10.233.65.0/24 02:00:c0:a8:00:69",
		"k8s03 192.168.0.106/24 10.233.66.0/24 02:00:c0:a8:00:6a",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFind(t *testing.T) {
	config := cluster.New("/x", cluster.Real, "lab-real", []string{"k8s01"})
	if _, err := topology.Find(config, "k8s09"); err == nil {
		t.Error("found a node that is not there")
	}
	node, err := topology.Find(config, "k8s01")
	if err != nil || node.APIEndpoint() != "192.168.0.104:6443" {
		t.Errorf("k8s01: %v, %v", node, err)
	}
}

// TestRoutes checks that there is a way to the pods of every node that there can be, and to the
// manual's external address, which must not be a node's.
func TestRoutes(t *testing.T) {
	config := cluster.New("/x", cluster.Real, "lab-real", []string{"k8s01"})
	routes, err := topology.Routes(config)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, route := range routes {
		got[route.To.String()] = route.Via.String()
	}
	want := map[string]string{
		"192.168.0.111/32": "192.168.0.104",
		"192.168.0.112/28": "192.168.0.104",
		"10.233.0.0/18":    "192.168.0.104",
		"10.233.64.0/24":   "192.168.0.104",
		"10.233.65.0/24":   "192.168.0.105",
		"10.233.66.0/24":   "192.168.0.106",
		"10.233.67.0/24":   "192.168.0.107",
		"10.233.68.0/24":   "192.168.0.108",
		"10.233.69.0/24":   "192.168.0.109",
		"10.233.70.0/24":   "192.168.0.110",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

package real

import (
	"errors"
	"fmt"
	"slices"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/place"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/topology"
)

// alternatives is what to do where real nodes can't run.
const alternatives = "otherwise use simulated nodes (labcluster up), or a cluster of your own such as kind's"

// checkNodes tells whether there can be such nodes.
func checkNodes(config *cluster.Config) error {
	switch n := len(config.Nodes); {
	case config.AuditLog:
		return errors.New("--audit-log is for simulated nodes only: kubeadm's API server has none here")
	case n == 0:
		return errors.New("--nodes: a cluster of real nodes has at least one; the first is the control plane")
	case n > topology.MaxNodes:
		return fmt.Errorf("--nodes: %d real nodes: there are addresses for %d, 192.168.0.104 to .110", n, topology.MaxNodes)
	case slices.Contains(config.Nodes, place.Network):
		return fmt.Errorf("--nodes: a node can't be called %q", place.Network)
	}
	return nil
}

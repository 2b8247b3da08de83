// Package place knows where the real cluster keeps its things: in the cluster's folder.
package place

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

// Network is the name of the component that is the nodes' network. Nodes can't be called so.
const Network = "network"

// Dir is the folder of all nodes.
func Dir(config *cluster.Config) string { return filepath.Join(string(config.Dir()), "nodes") }

// Node is the folder of a node.
func Node(config *cluster.Config, name string) string { return filepath.Join(Dir(config), name) }

// Root is what the node sees as its root folder, without what is mounted there.
func Root(config *cluster.Config, name string) string {
	return filepath.Join(Node(config, name), "root")
}

// Socket is where a component answers.
func Socket(config *cluster.Config, component string) string {
	return filepath.Join(config.SocketDir, component+".sock")
}

// CgroupPrefix begins the names of all clusters' control groups.
const CgroupPrefix = "labcluster-"

// Cgroup is the control group of the cluster, below each hierarchy's root. It is the one thing outside
// of the cluster's folder that has a name, so the folder is in it: clusters in two folders may have the
// same name.
func Cgroup(config *cluster.Config) string {
	sum := sha256.Sum256([]byte(config.Dir()))
	return fmt.Sprintf("%s%s-%x", CgroupPrefix, config.Name, sum[:4])
}

// NodeCgroup is the control group of a node.
func NodeCgroup(config *cluster.Config, name string) string {
	return filepath.Join(Cgroup(config), name)
}

package lifecycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

// CheckNode tells whether the cluster has a real node of that name.
func CheckNode(config *cluster.Config, name string) error {
	if err := checkReal(config); err != nil {
		return err
	}
	if !slices.Contains(config.Nodes, name) {
		return fmt.Errorf("no node %q; the cluster has %v", name, config.Nodes)
	}
	return nil
}

func checkReal(config *cluster.Config) error {
	if config.Kind != cluster.Real {
		return fmt.Errorf("the nodes of cluster %s are simulated, so there is no machine behind them; make real ones with: labcluster up --real", config.Name)
	}
	return nil
}

// AddNode adds a node to the cluster in dir and waits until it is Ready.
func AddNode(ctx context.Context, dir cluster.Dir, name string, controlPlane bool, progress Progress) error {
	config, err := cluster.Load(dir)
	if err != nil {
		return err
	}
	if err := checkReal(config); err != nil {
		return err
	}
	if slices.Contains(config.Nodes, name) {
		return fmt.Errorf("the cluster has a node %s already", name)
	}
	options := UpOptions{
		Dir:             dir,
		Kind:            config.Kind,
		Name:            config.Name,
		Nodes:           append(slices.Clone(config.Nodes), name),
		NodesGiven:      true,
		KubeconfigFiles: config.Kubeconfig.Files,
		Wait:            true,
	}
	if controlPlane {
		options.ControlPlanes = []string{name}
	}
	_, err = Up(ctx, options, progress)
	return err
}

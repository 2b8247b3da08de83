package lifecycle

import (
	"context"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

// realNodes is a cluster of nodes in namespaces of this machine.
type realNodes struct{}

func newReal() (Flavor, error) { return realNodes{}, nil }

// Check implements Flavor.
func (realNodes) Check(config *cluster.Config) error { return real.Check(config) }

// Grow implements Flavor.
func (realNodes) Grow(config *cluster.Config) ([]supervisor.Component, error) {
	return real.Plan(config)
}

// Plan implements Flavor.
func (realNodes) Plan(config *cluster.Config, attempt int) ([]supervisor.Component, error) {
	if err := choosePorts(config, attempt); err != nil {
		return nil, err
	}
	return real.Plan(config)
}

// Populate implements Flavor.
func (realNodes) Populate(ctx context.Context, config *cluster.Config, wait bool, progress Progress) error {
	return real.Populate(ctx, config, wait, realProgress{progress})
}

// Cleanup implements Flavor.
func (realNodes) Cleanup(ctx context.Context, config *cluster.Config) error {
	return real.Cleanup(ctx, config)
}

// realProgress is a Progress as package real knows it.
type realProgress struct{ Progress }

// Begin implements real.Progress.
func (p realProgress) Begin(what string) real.Step { return p.Progress.Begin(what) }

// StartNode powers a node on and waits until it is Ready.
func StartNode(ctx context.Context, config *cluster.Config, name string) error {
	if err := Command(ctx, config.Dir(), "start", name); err != nil {
		return err
	}
	return real.AwaitNode(ctx, config, name)
}

// ExecNode runs a command in a node, with this process's streams.
func ExecNode(ctx context.Context, config *cluster.Config, name string, args []string) error {
	return real.Exec(ctx, config, name, args)
}

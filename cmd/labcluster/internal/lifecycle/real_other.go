//go:build !linux

package lifecycle

import (
	"context"
	"errors"
	"runtime"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

func errNotLinux() error {
	return errors.New("real nodes need Linux; on " + runtime.GOOS +
		" use simulated nodes (labcluster up), or a cluster of your own such as kind's")
}

func newReal() (Flavor, error) { return nil, errNotLinux() }

// StartNode powers a node on, on Linux.
func StartNode(context.Context, *cluster.Config, string) error { return errNotLinux() }

// ExecNode runs a command in a node, on Linux.
func ExecNode(context.Context, *cluster.Config, string, []string) error { return errNotLinux() }

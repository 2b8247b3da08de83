package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/lifecycle"
)

// nodeTimeout bounds what is done with one node.
const nodeTimeout = 5 * time.Minute

// newNode makes the commands for the nodes of a real cluster.
func newNode(t *target, streams Streams) *cobra.Command {
	parent := &cobra.Command{
		Use:   "node",
		Short: "Power a real node off or on, add one, or run a command in one",
		Long: `Works on the nodes of a cluster made with "labcluster up --real". Simulated nodes are objects in the
API only: use kubectl for them.`,
		Example: `  labcluster node stop k8s03
  labcluster node start k8s03
  labcluster node add k8s04
  labcluster node exec k8s02 -- curl -s http://192.168.0.111:8000`,
		Args:              noArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error { t.real = true; return nil },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	parent.AddCommand(newNodeStop(t, streams), newNodeStart(t, streams), newNodeAdd(t, streams), newNodeExec(t))
	return parent
}

func newNodeStop(t *target, streams Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "stop NODE",
		Short: "Power a node off: everything in it ends at once",
		Args:  exactArgs(1, "one node, such as k8s03"),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := t.loadReal(args[0])
			if err != nil {
				return err
			}
			if err := lifecycle.Command(cmd.Context(), config.Dir(), "stop", args[0]); err != nil {
				return err
			}
			fmt.Fprintf(streams.Out, "%s is powered off.\n", args[0])
			return nil
		},
	}
}

func newNodeStart(t *target, streams Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "start NODE",
		Short: "Power a node on again, and wait until it is Ready",
		Args:  exactArgs(1, "one node, such as k8s03"),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := t.loadReal(args[0])
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), nodeTimeout)
			defer cancel()
			if err := lifecycle.StartNode(ctx, config, args[0]); err != nil {
				return fmt.Errorf("start node %s: %w", args[0], err)
			}
			fmt.Fprintf(streams.Out, "%s is Ready.\n", args[0])
			return nil
		},
	}
}

func newNodeAdd(t *target, streams Streams) *cobra.Command {
	var controlPlane bool
	cmd := &cobra.Command{
		Use:   "add NODE",
		Short: "Add a node, and wait until it is Ready",
		Args:  exactArgs(1, "the new node, such as k8s04"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := t.dir()
			if err != nil {
				return err
			}
			if _, err := parseNodes(args[0]); err != nil {
				return usageError{err}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), nodeTimeout)
			defer cancel()
			progress := lifecycle.NewProgress(streams.Err, streams.Terminal)
			if err := lifecycle.AddNode(ctx, dir, args[0], controlPlane, progress); err != nil {
				return t.explain(dir, err)
			}
			fmt.Fprintf(streams.Out, "%s is Ready.\n", args[0])
			return nil
		},
	}
	cmd.Flags().BoolVar(&controlPlane, "control-plane", false, "with an API server and an etcd of its own")
	return cmd
}

func newNodeExec(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "exec NODE -- COMMAND…",
		Short: "Run a command in a node, as root",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usageError{errors.New(cmd.CommandPath() + ": name a node, and a command after --")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := t.loadReal(args[0])
			if err != nil {
				return err
			}
			err = lifecycle.ExecNode(cmd.Context(), config, args[0], args[1:])
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return exitError{exit.ExitCode()}
			}
			return err
		},
	}
}

// exitError is the failure of a command that has spoken for itself.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// loadReal reads the settings of a cluster with that node.
func (t *target) loadReal(node string) (*cluster.Config, error) {
	dir, err := t.dir()
	if err != nil {
		return nil, err
	}
	config, err := cluster.Load(dir)
	if err != nil {
		return nil, t.explain(dir, err)
	}
	if err := lifecycle.CheckNode(config, node); err != nil {
		return nil, usageError{err}
	}
	return config, nil
}

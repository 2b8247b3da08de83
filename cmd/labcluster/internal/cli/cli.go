// Package cli is labcluster's command line.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

// Exit codes.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitInterrupted = 130 // 128 + SIGINT, as shells have it
)

// usageError is a mistake in how the command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errSilent is a failure that has been told already.
var errSilent = errors.New("failed")

// Streams are where a command reads and writes.
type Streams struct {
	Out, Err io.Writer
	Terminal bool // Err is one
}

// Run runs the command line and returns its exit code.
func Run(ctx context.Context, args []string, streams Streams) int {
	root := newRoot(streams) //nolint:contextcheck // cobra hands the context to the commands
	root.SetArgs(args)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	err := root.ExecuteContext(ctx)
	var usage usageError
	var exit exitError
	switch {
	case err == nil:
		return ExitOK
	case ctx.Err() != nil:
		fmt.Fprintln(streams.Err, "labcluster: interrupted")
		return ExitInterrupted
	case errors.Is(err, errSilent):
		return ExitFailed
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &usage):
		fmt.Fprintf(streams.Err, "labcluster: %v\nSee 'labcluster --help'.\n", err)
		return ExitUsage
	default:
		fmt.Fprintf(streams.Err, "labcluster: %v\n", err)
		return ExitFailed
	}
}

// target is the cluster that a command is about.
type target struct {
	name, dataDir string
	real          bool
}

// Names of clusters that are not given one.
const (
	simulatedName = "lab"
	realName      = "lab-real"
)

func newRoot(streams Streams) *cobra.Command {
	t := &target{}
	root := &cobra.Command{
		Use:   "labcluster",
		Short: "A Kubernetes cluster on this machine, with simulated or real nodes",
		Long: `labcluster runs a Kubernetes cluster on this machine, without containers: etcd, kube-apiserver,
kube-controller-manager and kube-scheduler as plain processes, and nodes that are simulated by kwok.
Objects behave as on any cluster; pods become Running, but nothing runs in them. Everything listens
on 127.0.0.1 only.

With --real the nodes are real (Linux, root): kubelet, containerd and kube-proxy in namespaces without a
way out, built by kubeadm. Pods run, services answer, and nodes can be powered off.

Exit codes: 0 done, 1 failed, 2 called wrongly, 130 interrupted.`,
		Example: `  labcluster up
  labcluster up --name big --nodes 200
  kubectl --context lab get nodes
  labcluster status
  labcluster down
  sudo labcluster up --real
  sudo labcluster node stop k8s03`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().StringVar(&t.name, "name", "", "name of the cluster, and of its context in the kubeconfig (default lab, or lab-real with --real)")
	root.PersistentFlags().BoolVar(&t.real, "real", false, "real nodes instead of simulated ones (Linux, root)")
	root.PersistentFlags().StringVar(&t.dataDir, "data-dir", "",
		"folder that holds the cluster (default $XDG_STATE_HOME/labcluster/NAME, or ~/.local/state/labcluster/NAME)")
	root.AddCommand(
		newUp(t, streams), newDown(t, streams), newStatus(t, streams), newKubeconfig(t, streams),
		newLogs(t, streams), newComponent(t, streams), newNode(t, streams), newVersion(streams),
	)
	return root
}

// dir returns the cluster's folder.
func (t *target) dir() (cluster.Dir, error) {
	if t.name == "" {
		t.name = t.defaultName()
	}
	if problems := validation.IsDNS1123Label(t.name); len(problems) > 0 {
		return "", usageError{fmt.Errorf("--name %q: %s", t.name, problems[0])}
	}
	if t.dataDir == "" {
		return cluster.DefaultDir(t.name)
	}
	absolute, err := filepath.Abs(t.dataDir)
	if err != nil {
		return "", usageError{fmt.Errorf("--data-dir %q: %w", t.dataDir, err)}
	}
	return cluster.Dir(absolute), nil
}

func (t *target) defaultName() string {
	if t.real {
		return realName
	}
	return simulatedName
}

func (t *target) upCommand() string {
	if t.real {
		return "labcluster up --real"
	}
	return "labcluster up"
}

func (t *target) kind() cluster.Kind {
	if t.real {
		return cluster.Real
	}
	return cluster.Simulated
}

// explain adds the way out to an error.
func (t *target) explain(dir cluster.Dir, err error) error {
	if errors.Is(err, cluster.ErrNoCluster) {
		return fmt.Errorf("no cluster in %s; make one with: %s", dir, t.upCommand())
	}
	return err
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s: unexpected %q", cmd.CommandPath(), args[0])}
	}
	return nil
}

func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("%s: name %s", cmd.CommandPath(), what)}
		}
		return nil
	}
}

// kubeconfigEnv is the only thing read from the environment besides folders.
func kubeconfigEnv() string { return os.Getenv("KUBECONFIG") }

// Labcluster runs a Kubernetes control plane with simulated nodes on this machine.
//
// It is one binary of many: called by the name of a component (argv[0]), it is that component. That
// is how the supervisor, which is the same binary too, starts them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cli"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/components"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/lifecycle"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

func main() { os.Exit(run()) }

func run() int {
	supervisor.DieWithParent()
	name := filepath.Base(os.Args[0])
	if code, ok := real.Run(os.Args); ok {
		return code
	}
	if code, ok := components.Run(append([]string{name}, os.Args[1:]...)); ok {
		return code
	}
	components.ClearFlags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends us at once
	if name == lifecycle.SupervisorName {
		return supervise(ctx)
	}
	return cli.Run(ctx, os.Args[1:], cli.Streams{
		Out:      os.Stdout,
		Err:      os.Stderr,
		Terminal: term.IsTerminal(int(os.Stderr.Fd())),
	})
}

func supervise(ctx context.Context) int {
	if err := lifecycle.Supervise(ctx, cluster.Dir(os.Args[1])); err != nil {
		fmt.Fprintln(os.Stderr, "labcluster supervisor:", err)
		return 1
	}
	return 0
}

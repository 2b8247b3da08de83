// Command kubectl-lab is the kubectl plugin "lab". See internal/cli for what it does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // the ways to log in that kubeconfigs name
	"k8s.io/klog/v2"

	"github.com/kubectl-lab/kubectl-lab/internal/cli"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// Set by the linker at a release.
var (
	version = "devel"
	commit  = ""
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once

	// client-go logs what the errors that it returns say already.
	klog.SetLogger(logr.Discard())

	return int(cli.Run(ctx, cli.Config{
		Streams: genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Build:   actions.BuildInfo{Version: version, Commit: commit},
		Actions: actions.All(),
		Getenv:  os.Getenv,
	}, os.Args[1:]))
}

// Command labbot serves the verbs of the lab in Slack. See docs/slack.md.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // the ways to log in that kubeconfigs name
	"k8s.io/klog/v2"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// Set by the linker at a release.
var (
	version = "devel"
	commit  = ""
)

// softMemoryLimit makes the garbage collector work harder before the process grows beyond what
// manifests/labbot requests. GOMEMLIMIT overrides it.
const softMemoryLimit = 28 << 20

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemoryLimit)
	}
	// client-go logs what the errors that it returns say already.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)

	p := &program{
		build:  actions.BuildInfo{Version: version, Commit: commit},
		getenv: os.Getenv,
		out:    os.Stdout,
		log:    slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	}
	root := p.command()
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "labbot:", err)
		return 1
	}
	return 0
}

// program is what the commands share.
type program struct {
	build  actions.BuildInfo
	getenv func(string) string
	out    io.Writer
	log    *slog.Logger
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "labbot",
		Short:         "The verbs of kubectl lab in Slack",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
	}
	root.AddCommand(p.runCommand(), p.checkCommand(), p.rbacCommand(), p.playgroundCommand(), p.versionCommand())
	return root
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.out, p.build.Version)
			return err
		},
	}
}

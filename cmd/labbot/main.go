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
		errOut: os.Stderr,
		log:    slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	}
	return int(p.execute(ctx, os.Args[1:]))
}

// program is what the commands share.
type program struct {
	build       actions.BuildInfo
	getenv      func(string) string
	out, errOut io.Writer
	log         *slog.Logger
}

// execute runs a command line and returns the exit code; docs/exit-codes.md lists them.
func (p *program) execute(ctx context.Context, args []string) actions.ExitCode {
	root := p.command()
	root.SetArgs(args)
	root.SetOut(p.out)
	root.SetErr(p.errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return actions.ExitOK
	}
	explained := actions.Explain(err)
	fmt.Fprintln(p.errOut, "labbot:", err)
	if explained.Hint != "" {
		fmt.Fprintln(p.errOut, "       ", explained.Hint)
	}
	return explained.Code
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "labbot",
		Short:         "The verbs of kubectl lab in Slack",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &actions.Error{Message: err.Error(), Hint: "see: " + cmd.CommandPath() + " --help", Code: actions.ExitUsage, Err: err}
	})
	root.AddCommand(p.runCommand(), p.checkCommand(), p.rbacCommand(), p.playgroundCommand(), p.versionCommand())
	return root
}

// noArgs refuses words that no command takes.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &actions.Error{
		Message: fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath()),
		Hint:    "see: " + cmd.CommandPath() + " --help",
		Code:    actions.ExitUsage,
	}
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.out, p.build.Version)
			return err
		},
	}
}

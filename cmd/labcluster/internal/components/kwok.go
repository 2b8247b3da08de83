package components

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/pflag"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/simnode"
)

// runKwok runs kwok and the node server side by side. The node server's flags come first, kwok's
// after "--". kwok has a node server too, but it would run commands on this very machine, and ask
// nobody who they are; without an address it stays closed.
func runKwok(args []string) int {
	serverArgs, kwokArgs := args, []string(nil)
	if i := slices.Index(args, "--"); i >= 0 {
		serverArgs, kwokArgs = args[:i], args[i+1:]
	}
	if err := runNodes(signals.SetupSignalContext(), serverArgs, kwokArgs); err != nil {
		fmt.Fprintln(os.Stderr, "kwok:", err)
		return 1
	}
	return 0
}

func runNodes(ctx context.Context, serverArgs, kwokArgs []string) error {
	var options simnode.Options
	flags := pflag.NewFlagSet("node server", pflag.ContinueOnError)
	options.AddFlags(flags)
	if err := flags.Parse(serverArgs); err != nil {
		return err
	}
	server, err := simnode.NewServer(options)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 2)
	go func() { ended <- server.Run(ctx, options.Socket) }()
	go func() { ended <- runKwokCommand(ctx, kwokArgs) }()
	first := <-ended // neither goes on without the other
	cancel()
	return errors.Join(first, <-ended)
}

// runKwokCommand is kwok's own main (cmd/kwok/main.go).
func runKwokCommand(ctx context.Context, args []string) error {
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}

	os.Args = append([]string{Kwok}, args...) // which InitFlags reads
	ctx, _ = kwoklog.InitFlags(ctx, flags)
	ctx, err := kwokconfig.InitFlags(ctx, flags)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	command := kwok.NewCommand(ctx)
	command.Version = "" // its flag would clash with the one that Kubernetes registers for all
	command.PersistentFlags().AddFlagSet(flags)
	command.SetArgs(args)
	return command.ExecuteContext(ctx)
}

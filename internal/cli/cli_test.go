package cli_test

import (
	"context"
	"net"
	"os"
	"os/signal"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-lab/kubectl-lab/internal/cli"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// TestMain lets the scripts run this test binary as kubectl-lab, so that they see the real program
// with its own process, streams and exit code.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kubectl-lab": func() { os.Exit(runPlugin()) }})
}

func runPlugin() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return int(cli.Run(ctx, cli.Config{
		Streams: genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Build:   actions.BuildInfo{Version: "v0.0.0-test", Commit: "abc1234"},
		Actions: actions.All(),
		Getenv:  os.Getenv,
	}, os.Args[1:]))
}

// TestOffline runs the sessions that need no cluster.
func TestOffline(t *testing.T) {
	silent := silentServer(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(env *testscript.Env) error {
			env.Setenv("SILENT", silent)
			return nil
		},
	})
}

// exits runs a program and checks its exit code: exits CODE PROGRAM ARG…
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "exit status 0"
	if err != nil {
		got = err.Error()
	}
	if want := "exit status " + args[0]; got != want {
		ts.Fatalf("%s: %s, want %s", strings.Join(args[1:], " "), got, want)
	}
}

// silentServer accepts connections and never answers.
func silentServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

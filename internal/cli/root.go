// Package cli offers the actions as a kubectl plugin: it derives a cobra command from each action's
// declaration, runs it, and prints its result. It adds no verb and no meaning of its own.
package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-lab/kubectl-lab/internal/suggest"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// Plugin is the name of the plugin: the word after kubectl, and with the prefix "kubectl-" the name
// of the binary. It stands here only; the release takes it from here.
const Plugin = "lab"

// Config is what the plugin is made of.
type Config struct {
	Streams genericiooptions.IOStreams
	Build   actions.BuildInfo
	Actions []actions.Action
	// Getenv reads the environment.
	Getenv func(string) string
}

// Run runs one command line and returns the process's exit code. It ends soon after ctx does.
func Run(ctx context.Context, config Config, args []string) actions.ExitCode {
	app := newApp(config)
	root := app.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return app.exit(err)
}

// app is one run of the plugin.
type app struct {
	Config
	flags    *genericclioptions.ConfigFlags
	terminal terminal
}

func newApp(config Config) *app {
	return &app{
		Config:   config,
		flags:    newConfigFlags(),
		terminal: newTerminal(config.Streams, config.Getenv),
	}
}

// errBroken ends a command whose result was printed and says that something is broken.
var errBroken = errors.New("something is broken")

// exit reports an error on stderr, if there is one to report, and picks the exit code.
func (a *app) exit(err error) actions.ExitCode {
	if err == nil {
		return actions.ExitOK
	}
	if errors.Is(err, errBroken) {
		return actions.ExitFailed
	}
	explained := actions.Explain(err)
	a.terminal.printError(explained)
	return explained.Code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-" + Plugin,
		Short: "A Kubernetes lab manual as commands",
		Long: `A Kubernetes lab manual as commands: check the installation, label nodes, create pods and
services, watch traffic spread, fetch the admin token, look around the cluster.`,
		Annotations:                map[string]string{cobra.CommandDisplayNameAnnotation: a.name()},
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.ArbitraryArgs,
		RunE:                       helpOrUnknown,
	}
	root.SetIn(a.Streams.In)
	root.SetOut(a.Streams.Out)
	root.SetErr(a.Streams.ErrOut)
	root.SetFlagErrorFunc(flagError)
	a.flags.AddFlags(root.PersistentFlags())
	addGroups(root)
	for _, action := range a.Actions {
		a.add(root, action)
	}
	root.AddCommand(optionsCommand())
	setHelp(root)
	a.completeConnectionFlags(root)
	return root
}

// name is how the user started the plugin. kubectl starts it under its own name, and both spellings
// work, so help always shows the one that needs no explanation.
func (a *app) name() string { return "kubectl " + Plugin }

func addGroups(root *cobra.Command) {
	for _, group := range actions.Groups() {
		root.AddGroup(&cobra.Group{ID: string(group), Title: string(group) + ":"})
	}
	root.SetHelpCommandGroupID(string(actions.GroupSettings))
	root.SetCompletionCommandGroupID(string(actions.GroupSettings))
}

// helpOrUnknown serves commands that only group others.
func helpOrUnknown(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	return unknownCommand(cmd, args[0])
}

func unknownCommand(cmd *cobra.Command, word string) error {
	e := &actions.Error{
		Message: fmt.Sprintf("unknown command %q for %q", word, cmd.CommandPath()),
		Hint:    fmt.Sprintf("see the commands: %s --help", cmd.CommandPath()),
		Code:    actions.ExitUsage,
	}
	if meant := suggest.Closest(word, childNames(cmd)); meant != "" {
		e.Hint = fmt.Sprintf("did you mean: %s %s", cmd.CommandPath(), meant)
	}
	return e
}

func childNames(cmd *cobra.Command) []string {
	var names []string
	for _, child := range cmd.Commands() {
		if child.IsAvailableCommand() {
			names = append(names, child.Name())
		}
	}
	return names
}

// flagError turns pflag's errors into usage errors that say which flags there are.
func flagError(cmd *cobra.Command, err error) error {
	return &actions.Error{
		Message: err.Error(),
		Hint:    flagHint(cmd, err),
		Code:    actions.ExitUsage,
		Err:     err,
	}
}

func flagHint(cmd *cobra.Command, err error) string {
	word, found := strings.CutPrefix(err.Error(), "unknown flag: --")
	if found {
		if meant := suggest.Closest(word, flagNames(cmd)); meant != "" {
			return "did you mean: --" + meant
		}
	}
	return fmt.Sprintf("see the flags: %s --help", cmd.CommandPath())
}

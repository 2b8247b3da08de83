package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// add hangs an action's command under root, making the grouping commands on the way.
func (a *app) add(root *cobra.Command, action actions.Action) {
	path := action.Path()
	parent := root
	for _, word := range path[:len(path)-1] {
		parent = groupCommand(parent, word, action)
	}
	leaf := a.command(action, path[len(path)-1])
	if existing := child(parent, leaf.Name()); existing != nil {
		// The verb groups others too, such as "create": keep its children.
		leaf.AddCommand(existing.Commands()...)
		parent.RemoveCommand(existing)
	}
	if parent == root {
		leaf.GroupID = string(action.Group)
	}
	parent.AddCommand(leaf)
}

func child(parent *cobra.Command, name string) *cobra.Command {
	for _, c := range parent.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// groupCommand returns the command of that name under parent, made if need be.
func groupCommand(parent *cobra.Command, name string, action actions.Action) *cobra.Command {
	if existing := child(parent, name); existing != nil {
		return existing
	}
	group := &cobra.Command{
		Use:   name,
		Short: actions.Families()[name],
		Args:  cobra.ArbitraryArgs,
		RunE:  helpOrUnknown,
	}
	if !parent.HasParent() {
		group.GroupID = string(action.Group)
	}
	parent.AddCommand(group)
	return group
}

// command derives an action's command from its declaration.
func (a *app) command(action actions.Action, name string) *cobra.Command {
	options := action.New()
	printing := newPrinting(action)
	cmd := &cobra.Command{
		Use:                   strings.TrimSpace(name + " " + action.Args),
		Short:                 short(action),
		Long:                  action.Long,
		Example:               a.examples(action),
		Args:                  cobra.ArbitraryArgs,
		DisableFlagsInUseLine: true,
	}
	options.Bind(cmd.Flags())
	printing.bind(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.HasAvailableSubCommands() && len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return a.run(cmd.Context(), invocation{action: action, options: options, printing: printing, args: args})
	}
	a.completeCommand(cmd, options)
	return cmd
}

// short is the line of the list of commands. A verb that is the first word of others stands for them.
func short(action actions.Action) string {
	if family, ok := actions.Families()[action.Words]; ok {
		return family
	}
	return action.Short
}

func (a *app) examples(action actions.Action) string {
	var b strings.Builder
	for i, example := range action.Examples {
		if i > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString("  # " + example.Comment + "\n  " + a.name() + " " + example.Line)
	}
	return b.String()
}

// invocation is one command line, parsed.
type invocation struct {
	action   actions.Action
	options  actions.Options
	printing *printing
	args     []string
}

// run takes an invocation from its words to its printed result. Everything that can be wrong with
// the command line is found before the cluster is asked.
func (a *app) run(ctx context.Context, in invocation) error {
	if err := in.options.Complete(in.args); err != nil {
		return withHelp(in, a.name(), err)
	}
	if err := in.options.Validate(); err != nil {
		return withHelp(in, a.name(), err)
	}
	if err := checkTimeout(*a.flags.Timeout); err != nil {
		return err
	}
	if err := actions.ValidateNamespace(*a.flags.Namespace); err != nil {
		return withHelp(in, a.name(), err)
	}
	printer, err := in.printing.printer(a.terminal)
	if err != nil {
		return err
	}
	in.prepare(printer)
	observer := newTerminalObserver(a.terminal)
	result, runErr := in.options.Run(ctx, a.env(observer))
	observer.close()
	if result != nil {
		if err := printer.print(result); err != nil {
			return err
		}
	}
	if runErr != nil {
		return a.briefly(runErr, result != nil && !printer.printsObjects())
	}
	if finding, ok := result.(actions.Finding); ok && finding.Broken() {
		return errBroken
	}
	return nil
}

// briefly leaves out of an error what the result has just shown to the same reader.
func (a *app) briefly(err error, shown bool) error {
	var partial *actions.PartialError
	if !shown || a.terminal.out.file == nil || !errors.As(err, &partial) || !partial.InResult {
		return err
	}
	return &actions.Error{Message: partial.Error(), Code: actions.Explain(err).Code}
}

// prepare tells the options what the printer will do with their result.
func (in invocation) prepare(p *printer) {
	if options, ok := in.options.(actions.ObjectsWanter); ok {
		options.SetObjectsWanted(p.printsObjects())
	}
	if options, ok := in.options.(actions.Streamer); ok {
		options.SetStreaming(!p.printsObjects())
	}
}

func (a *app) env(observer actions.Observer) *actions.Env {
	return &actions.Env{
		Cluster:  actions.NewCluster(&connection{flags: a.flags, observer: observer}),
		Observer: observer,
		Files:    osFiles{stdin: a.Streams.In},
		Build:    a.Build,
	}
}

// withHelp adds where to read on to a usage error that says nothing of its own.
func withHelp(in invocation, program string, err error) error {
	explained := actions.Explain(err)
	if explained.Hint != "" || explained.Code != actions.ExitUsage {
		return err
	}
	copied := *explained
	copied.Hint = "see: " + program + " " + in.action.Words + " --help"
	return &copied
}

func flagNames(cmd *cobra.Command) []string {
	var names []string
	add := func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return names
}

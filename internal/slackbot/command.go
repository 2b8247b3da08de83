package slackbot

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/internal/suggest"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// command is a line that somebody typed, parsed once. Everything after this works on it, never on
// the words again.
type command struct {
	action  actions.Action
	options actions.Options
	// cluster is what --cluster says; empty if it was not given.
	cluster string
	// namespace is what -n says; empty if it was not given.
	namespace string
	output    output
	// flags are the verb's, as they were given.
	flags *pflag.FlagSet
	// words are the whole line.
	words []string
}

// line is the command as it can be typed again.
func (c *command) line() string { return join(c.words) }

// verb is the words of the action.
func (c *command) verb() string { return c.action.Words }

// effect is the most that this command does.
func (c *command) effect() actions.Effect { return c.action.EffectOf(c.options) }

// writes reports whether this command may change the cluster, whatever else it does.
func (c *command) writes() bool { return c.action.WritesWith(c.options) }

// helpWanted is the error of a line that asks for help.
type helpWanted struct{ words []string }

func (h *helpWanted) Error() string { return "help is wanted" }

// parser turns lines into commands.
type parser struct{ actions []actions.Action }

// parse reads a line. Errors are usage errors or helpWanted.
func (p parser) parse(line string) (*command, error) {
	words, err := split(line)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 || words[0] == "help" || words[0] == "--help" || words[0] == "-h" {
		return nil, &helpWanted{words: words[min(1, len(words)):]}
	}
	action, rest, ok := actions.Find(p.actions, words)
	if !ok {
		return nil, p.unknown(words)
	}
	c := &command{action: action, options: action.New(), words: words}
	flags := newFlags(c)
	if err := flags.parse(rest); err != nil {
		return nil, err
	}
	c.flags = flags.set
	if err := c.complete(flags.set.Args()); err != nil {
		return nil, withHelp(c, err)
	}
	return c, nil
}

func (c *command) complete(args []string) error {
	if err := c.output.validate(); err != nil {
		return err
	}
	if err := actions.ValidateNamespace(c.namespace); err != nil {
		return err
	}
	if wanter, ok := c.options.(actions.ObjectsWanter); ok {
		wanter.SetObjectsWanted(c.output.objects())
	}
	if err := c.options.Complete(args); err != nil {
		return err
	}
	return c.options.Validate()
}

// unknown says what could have been meant.
func (p parser) unknown(words []string) error {
	var below []string
	for _, a := range p.actions {
		if path := a.Path(); len(path) > 1 && strings.EqualFold(path[0], words[0]) {
			below = append(below, path[1])
		}
	}
	if len(below) > 0 {
		return p.unknownBelow(words, below)
	}
	e := &actions.Error{
		Message: fmt.Sprintf("unknown command %q", words[0]),
		Hint:    "see the commands: /lab help",
		Code:    actions.ExitUsage,
	}
	if meant := suggest.Closest(words[0], p.firstWords()); meant != "" {
		e.Hint = "did you mean: /lab " + join(append([]string{meant}, words[1:]...))
	}
	return e
}

func (p parser) unknownBelow(words, below []string) error {
	e := &actions.Error{
		Message: fmt.Sprintf("%q needs one of: %s", words[0], strings.Join(below, ", ")),
		Hint:    "see: /lab help " + words[0],
		Code:    actions.ExitUsage,
	}
	if len(words) == 1 {
		return e
	}
	e.Message = fmt.Sprintf("unknown command %q; %s", join(words[:2]), e.Message)
	if meant := suggest.Closest(words[1], below); meant != "" {
		e.Hint = "did you mean: /lab " + join(append([]string{words[0], meant}, words[2:]...))
	}
	return e
}

func (p parser) firstWords() []string {
	names := []string{"help"}
	for _, a := range p.actions {
		names = append(names, a.Path()[0])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// flags are what may stand behind a verb in Slack: the verb's own flags, of which those that make
// sense in a terminal only are refused, and three common ones. There is no flag that says which server
// to ask, with which credentials, or as whom.
type flags struct {
	command *command
	set     *pflag.FlagSet
}

func newFlags(c *command) *flags {
	f := &flags{command: c, set: pflag.NewFlagSet(c.action.Words, pflag.ContinueOnError)}
	f.set.SortFlags = false
	f.set.Usage = func() {}
	c.options.Bind(f.set)
	f.set.VisitAll(func(flag *pflag.Flag) {
		flag.Hidden = flag.Hidden || actions.IsTerminalOnly(flag)
	})
	if !c.action.Local {
		f.set.StringVarP(&c.namespace, "namespace", "n", "", "the namespace; default: the channel's")
		f.set.StringVar(&c.cluster, "cluster", "", "the cluster; default: the channel's")
	}
	c.output.bind(f.set)
	return f
}

func (f *flags) parse(words []string) error {
	err := f.set.Parse(words)
	switch {
	case err == nil:
		return f.refuseTerminal()
	case errors.Is(err, pflag.ErrHelp):
		return &helpWanted{words: f.command.action.Path()}
	}
	e := &actions.Error{Message: err.Error(), Hint: "see: /lab help " + f.command.verb(), Code: actions.ExitUsage, Err: err}
	if name := unknownFlag(err); name != "" {
		f.explainUnknown(e, name)
	}
	return e
}

// refuseTerminal refuses the flags that make sense in a terminal only.
func (f *flags) refuseTerminal() error {
	var refused error
	f.set.Visit(func(flag *pflag.Flag) {
		if actions.IsTerminalOnly(flag) {
			refused = &actions.Error{
				Message: fmt.Sprintf("--%s works in a terminal only", flag.Name),
				Hint:    "run it there: kubectl lab " + f.command.verb(),
				Code:    actions.ExitUsage,
			}
		}
	})
	return refused
}

// unknownFlag is the name of the flag that an error of pflag is about, if it is about an unknown one.
func unknownFlag(err error) string {
	var missing *pflag.NotExistError
	if !errors.As(err, &missing) {
		return ""
	}
	return missing.GetSpecifiedName()
}

func (f *flags) explainUnknown(e *actions.Error, name string) {
	var names []string
	f.set.VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			names = append(names, flag.Name)
		}
	})
	if meant := suggest.Closest(name, names); meant != "" {
		e.Hint = "did you mean: --" + meant
	}
}

// withHelp adds where to read on to a usage error that says nothing of its own.
func withHelp(c *command, err error) error {
	explained := actions.Explain(err)
	if explained.Hint != "" || explained.Code != actions.ExitUsage {
		return err
	}
	copied := *explained
	copied.Hint = "see: /lab help " + c.verb()
	return &copied
}

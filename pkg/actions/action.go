// Package actions holds the verbs of the lab, each declared once: words, help, flags, effect, and
// the code that runs it. Front ends (the kubectl plugin, the Slack bot) are derived from All and
// add nothing to a verb's meaning. The package writes to no stream, reads no terminal and does not
// know who asks.
//
// One verb is one file. To add one, write the file, list its constructor in registry.go, and add
// its test; the registry test then holds both front ends to it.
package actions

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// Effect is the most that an action may do to the world. Front ends decide from it: the bot asks
// for confirmation before a write and answers a secret in private.
type Effect int

// The effects. An action's declared effect is its greatest one; Options that implement Effecter
// may lower it for one invocation.
const (
	// Reads looks, and changes nothing.
	Reads Effect = iota
	// Writes creates, changes or deletes objects in the cluster.
	Writes
	// RevealsSecret answers with a credential. It may write too.
	RevealsSecret
)

func (e Effect) String() string {
	switch e {
	case Reads:
		return "reads"
	case Writes:
		return "writes"
	default:
		return "reveals a secret"
	}
}

// Group is a heading of the help page.
type Group string

// The groups, in the order of the help page.
const (
	GroupLook     Group = "Look"
	GroupChange   Group = "Change"
	GroupLearn    Group = "Learn"
	GroupPrepare  Group = "Prepare"
	GroupSettings Group = "Settings"
)

// Groups lists the groups in the order in which help shows them.
func Groups() []Group {
	return []Group{GroupLook, GroupChange, GroupLearn, GroupPrepare, GroupSettings}
}

// Example is a command line, after "kubectl lab" or "/lab", and what it is for.
type Example struct {
	// Comment says what the command is for, as a sentence without its final period.
	Comment string
	// Line is the words after "kubectl lab", such as "label nodes k8s02 node=node01".
	Line string
}

// Action declares one verb.
type Action struct {
	// Words are the verb as typed, such as "label nodes".
	Words string
	// Args describes the arguments in usage notation, such as "NODE... KEY=VALUE...".
	Args string
	// Short is the help in one line, without a final period.
	Short string
	// Long is the help in full: plain text, paragraphs separated by empty lines.
	Long string
	// Group is the heading under which help lists the verb.
	Group Group
	// Examples are lines that work, simplest first. At least one.
	Examples []Example
	// Effect is the most the verb may do.
	Effect Effect
	// Local verbs need no cluster: front ends must not ask for one before they run.
	Local bool
	// New returns options with their defaults; each invocation has its own.
	New func() Options
}

// Path is the verb's words, split.
func (a Action) Path() []string { return strings.Fields(a.Words) }

// EffectOf is the effect of one invocation: the declared one unless the options lower it.
func (a Action) EffectOf(o Options) Effect {
	if e, ok := o.(Effecter); ok {
		return e.Effect()
	}
	if d, ok := o.(DryRunner); ok && a.Effect == Writes && d.DryRunStrategy() != DryRunNone {
		return Reads
	}
	return a.Effect
}

// WritesWith reports whether one invocation may change the cluster, so that a front end that asks
// before a write knows when to. An action that reveals a secret may write too.
func (a Action) WritesWith(o Options) bool {
	if w, ok := o.(WriteTeller); ok {
		return w.Writes()
	}
	return a.EffectOf(o) == Writes
}

// Options are the flags and arguments of one invocation of an action. A front end calls Bind, parses
// the command line, then Complete, Validate and Run, in this order and each once.
type Options interface {
	// Bind adds the verb's flags to fs.
	Bind(fs *pflag.FlagSet)
	// Complete takes the words left over after the flags. Errors are UsageErrors.
	Complete(args []string) error
	// Validate checks everything that needs no cluster. Errors are UsageErrors that name the flag
	// or argument.
	Validate() error
	// Run does the work. It returns a Result together with an error when part of the work was done.
	Run(ctx context.Context, env *Env) (Result, error)
}

// Effecter is implemented by Options whose effect depends on their flags.
type Effecter interface{ Effect() Effect }

// WriteTeller is implemented by Options whose effect, RevealsSecret, does not say whether they write.
type WriteTeller interface{ Writes() bool }

// Suggester is implemented by Options that can complete their arguments and flag values.
type Suggester interface {
	// Suggest returns candidates for the word toComplete of the flag of that name, or of the
	// positional arguments if flag is empty. args are the complete arguments before it. It answers
	// with what it could find in time; errors are no concern of somebody pressing Tab.
	Suggest(ctx context.Context, env *Env, flag string, args []string, toComplete string) []string
}

// ObjectsWanter is implemented by Options whose result can be Kubernetes objects that cost requests
// of their own. A front end calls SetObjectsWanted before Run if it will print the result's Objects;
// otherwise Run reads only what the document needs.
type ObjectsWanter interface{ SetObjectsWanted(wanted bool) }

// Streamer is implemented by Options that can hand their result over piece by piece. A front end that
// shows Output events as they come calls SetStreaming before Run; the result then does not repeat
// them.
type Streamer interface{ SetStreaming(streaming bool) }

// Result is what an action found or did: a typed object that marshals to JSON with apiVersion and
// kind, and a document for people.
type Result interface {
	Document() *document.Document
}

// Finding is implemented by results that can say "something is wrong with the cluster" without the
// action having failed: status, exercise run, inventory check.
type Finding interface {
	// Broken reports whether the exit code must be 1.
	Broken() bool
}

// Env is what one invocation may use besides its options.
type Env struct {
	// Cluster reaches the API server. Local actions must not touch it.
	Cluster *Cluster
	// Observer receives progress; nil means that nobody watches.
	Observer Observer
	// Files opens the files that the requester names; nil means that this front end has none.
	Files Files
	// Build says what program this is.
	Build BuildInfo
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// BuildInfo says what program runs the action.
type BuildInfo struct {
	// Version is a semantic version with a leading v, or "devel".
	Version string
	// Commit is the git commit, possibly empty.
	Commit string
}

// Time is the current time by the Env's clock.
func (e *Env) Time() time.Time {
	if e.Now == nil {
		return time.Now()
	}
	return e.Now()
}

// terminalOnly marks flags that make no sense away from a terminal or the requester's own files.
const terminalOnly = "kubectl-lab/terminal-only"

// TerminalOnly marks flags of fs as usable in the terminal only. Other front ends refuse them.
func TerminalOnly(fs *pflag.FlagSet, names ...string) {
	for _, name := range names {
		f := fs.Lookup(name)
		if f == nil {
			panic("actions: TerminalOnly: no flag " + name) // a mistake in a verb's Bind; every test run binds every verb
		}
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[terminalOnly] = []string{"true"}
	}
}

// IsTerminalOnly reports whether a flag was marked by TerminalOnly.
func IsTerminalOnly(f *pflag.Flag) bool { return len(f.Annotations[terminalOnly]) > 0 }

// newFlagSet is an empty flag set for an action; it reports errors instead of ending the process.
func newFlagSet(a Action) *pflag.FlagSet {
	fs := pflag.NewFlagSet(a.Words, pflag.ContinueOnError)
	fs.Usage = func() {}
	return fs
}

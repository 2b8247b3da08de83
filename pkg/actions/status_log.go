package actions

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
	"github.com/kubectl-lab/kubectl-lab/pkg/inventory/installlog"
)

// installLogFlags are the flags about a Kubespray run's log.
type installLogFlags struct {
	// Log is the log file; empty means none, "-" standard input.
	Log string
	// Follow goes on until the run ends.
	Follow bool
}

func (o *installLogFlags) bindInstallLog(fs *pflag.FlagSet) {
	fs.StringVar(&o.Log, "install-log", "", "show how far the Kubespray run is that writes this log: ANSIBLE_LOG_PATH, or the lines of the callback ansible.posix.jsonl")
	fs.BoolVarP(&o.Follow, "follow", "f", false, "with --install-log: go on until the run ends")
	TerminalOnly(fs, "install-log", "follow")
}

func (o *installLogFlags) validateInstallLog() error {
	switch {
	case o.Follow && o.Log == "":
		return UsageErrorf("--follow is for a log: add --install-log FILE")
	case o.Follow && o.Log == "-":
		return UsageErrorf("--follow needs a file, not standard input")
	}
	return nil
}

func (o *StatusOptions) runInstallLog(ctx context.Context, env *Env) (Result, error) {
	if o.Follow {
		return o.followInstallLog(ctx, env)
	}
	f, err := env.OpenFile(o.Log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	run, err := installlog.Read(f)
	if err != nil {
		return nil, &Error{Message: fmt.Sprintf("file %q: %v", o.Log, err), Hint: "check the path given to --install-log", Code: ExitUsage, Err: err}
	}
	return newInstallResult(o.Log, run, env.Time()), nil
}

// followInstallLog shows each step. A file that isn't there yet is waited for.
func (o *StatusOptions) followInstallLog(ctx context.Context, env *Env) (Result, error) {
	if env.Files == nil {
		_, err := env.OpenFile(o.Log)
		return nil, err
	}
	var last *InstallResult
	err := installlog.Follow(ctx, o.Log, installlog.DefaultInterval, func(run installlog.Run) {
		last = newInstallResult(o.Log, run, env.Time())
		env.Observe(Partial{Document: last.Document()})
	})
	if last == nil {
		return nil, err
	}
	return last, err
}

// InstallResult is how far a Kubespray run is.
type InstallResult struct {
	Header
	Log string `json:"log"`
	installlog.Run
	// Phases is how many phases there are.
	Phases int `json:"phases"`

	now time.Time
}

func newInstallResult(log string, run installlog.Run, now time.Time) *InstallResult {
	return &InstallResult{Header: NewHeader("InstallResult"), Log: log, Run: run, Phases: len(installlog.Phases()), now: now}
}

// Broken implements Finding.
func (r *InstallResult) Broken() bool { return r.State == installlog.Failed }

// Document implements Result.
func (r *InstallResult) Document() *document.Document {
	doc := new(document.Document).Add(r.facts())
	if len(r.Hosts) > 0 {
		doc.Add(document.Heading{Text: "Hosts"}, r.hosts())
	}
	if len(r.Failures) > 0 {
		doc.Add(document.Heading{Text: "Failed tasks"}, r.failures())
	}
	return doc
}

func (r *InstallResult) facts() document.Facts {
	facts := document.Facts{{Name: "Run", Value: document.Text{Value: string(r.State), Tone: installTone(r.State)}}}
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, document.Fact{Name: name, Value: document.T(value)})
		}
	}
	if r.Phase.Number > 0 {
		add("Phase", fmt.Sprintf("%d of %d: %s", r.Phase.Number, r.Phases, r.Phase.Name))
	}
	if r.Play != r.Phase.Name {
		add("Play", r.Play)
	}
	add("Task", r.Task)
	add("Retrying", r.Retry)
	if len(r.Hosts) > 0 {
		add("Hosts", fmt.Sprintf("%d ok, %d failed, %d unreachable", r.Count(installlog.OK), r.Count(installlog.Failed), r.Count(installlog.Unreachable)))
	}
	if !r.Started.IsZero() {
		add("Started", r.Started.Format(time.RFC3339))
	}
	if !r.Updated.IsZero() {
		add("Last line", r.Updated.Format(time.RFC3339)+r.silence())
	}
	return facts
}

// longSilence is after which a run that should be running may have been killed. Single tasks, such as
// downloads, take minutes.
const longSilence = 15 * time.Minute

func (r *InstallResult) silence() string {
	if silent := r.now.Sub(r.Updated); r.State == installlog.Running && silent > longSilence {
		return fmt.Sprintf(" (silent for %s: was the run killed?)", silent.Round(time.Minute))
	}
	return ""
}

func installTone(s installlog.State) document.Tone {
	switch s {
	case installlog.Failed, installlog.Unreachable:
		return document.Bad
	case installlog.Succeeded, installlog.OK:
		return document.Good
	case installlog.Running:
		return document.Info
	}
	return document.Muted
}

func (r *InstallResult) hosts() document.Table {
	table := document.Table{Columns: []document.Column{
		{Name: "HOST"}, {Name: "STATE"}, {Name: "OK", Right: true}, {Name: "CHANGED", Right: true}, {Name: "SKIPPED", Right: true},
		{Name: "FAILED", Right: true}, {Name: "UNREACHABLE", Right: true}, {Name: "IGNORED", Right: true},
	}}
	for _, h := range r.Hosts {
		row := []document.Text{document.T(h.Name), {Value: string(h.State), Tone: installTone(h.State)}}
		for _, n := range []int{h.OK, h.Changed, h.Skipped, h.Failed, h.Unreachable, h.Ignored} {
			row = append(row, document.T(fmt.Sprint(n)))
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

func (r *InstallResult) failures() document.Verdicts {
	var verdicts document.Verdicts
	for _, f := range r.Failures {
		where := f.Play
		if f.Phase.Number > 0 {
			where = fmt.Sprintf("phase %d, %s", f.Phase.Number, f.Play)
		}
		verdicts = append(verdicts, document.Verdict{
			Status: document.Failed, Subject: f.Host + ":", Message: f.Task + ": " + f.Message, Hint: "in " + where,
		})
	}
	return verdicts
}

package actions

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

func logs() Action {
	return Action{
		Words: "logs",
		Args:  "POD | KIND/NAME [-c CONTAINER]",
		Short: "Show what a container wrote",
		Long: `Shows the log of a pod's container. Of a workload or a service, such as deployment/web, one of its pods is taken and named.

Of several containers, the pod's default one is taken (annotation kubectl.kubernetes.io/default-container), or else the first, unless -c names one or --all-containers is given.`,
		Group:  GroupLook,
		Effect: Reads,
		Examples: []Example{
			{"Show a pod's log", "logs nginx-test01"},
			{"Show the last 20 lines of a container", "logs nginx-init-test02 -c nginx-test02 --tail 20"},
			{"Follow the log", "logs nginx-test01 -f"},
			{"See why a container ended", "logs nginx-test01 --previous"},
		},
		New: func() Options { return &LogsOptions{Tail: -1} },
	}
}

// LogsOptions are the options of "logs".
type LogsOptions struct {
	// Kind and Name say whose log to show; Kind is empty for a pod.
	Kind, Name string
	// Container is the container's name; empty for the default one.
	Container string
	// AllContainers shows every container, init containers included.
	AllContainers bool
	// Follow goes on until the container ends or ctx does.
	Follow bool
	// Previous shows the container's run before the present one.
	Previous bool
	// Timestamps puts the time before each line.
	Timestamps bool
	// Tail is how many of the last lines to show; -1 for all.
	Tail int64
	// Since shows only what is younger; 0 for all.
	Since time.Duration

	streaming bool
}

const logsUsage = "logs POD, such as: logs nginx-test01"

// Bind implements Options.
func (o *LogsOptions) Bind(fs *pflag.FlagSet) {
	fs.StringVarP(&o.Container, "container", "c", "", "the container, if the pod has several")
	fs.BoolVar(&o.AllContainers, "all-containers", false, "show every container, init containers included")
	fs.BoolVarP(&o.Follow, "follow", "f", false, "go on showing what is written, until the container ends")
	fs.BoolVarP(&o.Previous, "previous", "p", false, "show the run of the container before the present one")
	fs.BoolVar(&o.Timestamps, "timestamps", false, "put the time before each line")
	fs.Int64Var(&o.Tail, "tail", o.Tail, "how many of the last lines to show; -1 for all")
	fs.DurationVar(&o.Since, "since", 0, "show only what is younger, e.g. 5m or 1h")
	TerminalOnly(fs, "follow")
}

// Complete implements Options.
func (o *LogsOptions) Complete(args []string) error {
	switch len(args) {
	case 0:
		return UsageErrorf("no pod named: %s", logsUsage)
	case 1:
	default:
		return UsageErrorf("unexpected argument %q: name one pod, and its container with -c", args[1])
	}
	o.Name = args[0]
	kind, name, found := strings.Cut(args[0], "/")
	if !found {
		return nil
	}
	o.Kind, o.Name = kind, name
	if kind == "" || name == "" || strings.Contains(name, "/") {
		return UsageErrorf("%q is not of the form KIND/NAME", args[0])
	}
	return nil
}

// Validate implements Options.
func (o *LogsOptions) Validate() error {
	switch {
	case o.Name == "":
		return UsageErrorf("no pod named: %s", logsUsage)
	case o.Container != "" && o.AllContainers:
		return UsageErrorf("--container and --all-containers exclude each other")
	case o.Follow && o.Previous:
		return UsageErrorf("--follow and --previous exclude each other: the previous run has ended")
	case o.Tail < -1:
		return UsageErrorf("--tail must be -1 or more, not %d", o.Tail)
	case o.Since < 0:
		return UsageErrorf("--since must not be negative: %s", o.Since)
	}
	return nil
}

// SetStreaming implements Streamer.
func (o *LogsOptions) SetStreaming(streaming bool) { o.streaming = streaming }

// Run implements Options.
func (o *LogsOptions) Run(ctx context.Context, env *Env) (Result, error) {
	run, err := newLogsRun(env, o)
	if err != nil {
		return nil, err
	}
	return run.run(ctx)
}

// Suggest implements Suggester: pods, and their containers.
func (o *LogsOptions) Suggest(ctx context.Context, env *Env, flag string, args []string, _ string) []string {
	switch {
	case flag == "" && len(args) == 0:
		return namesOf(suggestPods(ctx, env))
	case flag == "container" && len(args) == 1:
		return suggestContainers(ctx, env, args[0])
	}
	return nil
}

// LogsResult is what "logs" read.
type LogsResult struct {
	Header
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	// Containers are those whose logs were read, in order.
	Containers []ContainerLog `json:"containers"`
	// Notes say which pod or container was chosen, and what was left out.
	Notes []string `json:"notes,omitempty"`
	// Streamed is set if the text went to the observer instead.
	Streamed bool `json:"streamed,omitempty"`
}

// ContainerLog is one container's log.
type ContainerLog struct {
	Name string `json:"name"`
	// Text is the log, without terminal escape sequences; empty if it was streamed.
	Text string `json:"text"`
	// Cut is set if Text lacks the beginning, because the log is too long.
	Cut bool `json:"cut,omitempty"`
}

// Document implements Result.
func (r *LogsResult) Document() *document.Document {
	doc := new(document.Document)
	for _, note := range r.Notes {
		doc.Add(document.Note{Tone: document.Info, Text: note})
	}
	if r.Streamed {
		return doc
	}
	for _, c := range r.Containers {
		if c.Text == "" {
			doc.Add(document.Note{Tone: document.Info, Text: "container " + c.Name + " has written nothing"})
			continue
		}
		title := ""
		if len(r.Containers) > 1 {
			title = c.Name
		}
		doc.Add(document.Preformatted{Title: title, Text: c.Text})
	}
	return doc
}

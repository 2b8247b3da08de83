package actions

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

func describe() Action {
	return Action{
		Words: "describe",
		Args:  "[cluster | KIND NAME... | KIND/NAME...]",
		Short: "Show the whole cluster on one screen, or one object in detail",
		Long: `Without arguments, shows the cluster on one screen: version and skew, nodes by role, zone, version and runtime, capacity, pods, workloads short of replicas, services, kube-system, recent warnings, and how far the cluster is from the sizes Kubernetes is designed for. It reads rows and metadata from the API server's cache, so that it is quick on large clusters too; the numbers may be some moments old.

What you may not read is shown as "not permitted", with the permission that is missing; the rest is shown all the same, and the exit code is 0. A part that cannot be read for another reason makes the exit code 1.

With a kind (node, pod, service, or any other that the cluster has), shows objects as kubectl describe does: those named, those whose names begin so if none has that very name, those selected by -l, or all.`,
		Group:  GroupLook,
		Effect: Reads,
		Examples: []Example{
			{"Show the cluster on one screen", "describe"},
			{"Show a node with its pods and what they request", "describe node k8s02"},
			{"Show a pod with its events", "describe pod nginx-test01"},
			{"Show the services of a namespace", "describe services -n kube-system"},
		},
		New: func() Options { return &DescribeOptions{ShowEvents: true, Limit: defaultDescribeLimit} },
	}
}

// defaultDescribeLimit keeps "describe pods -A" from filling a terminal, or a channel, with a book.
const defaultDescribeLimit = 100

// DescribeOptions are the options of "describe".
type DescribeOptions struct {
	// Targets are the objects to describe; none means the cluster.
	Targets []DescribeTarget
	// Selector takes the objects with these labels.
	Selector string
	// AllNamespaces looks in every namespace.
	AllNamespaces bool
	// ShowEvents adds the events about each object.
	ShowEvents bool
	// Limit is the greatest number of objects to show; 0 means all.
	Limit int
}

// DescribeTarget is a kind and the name of one object of it; without a name, all of them.
type DescribeTarget struct{ Kind, Name string }

// Bind implements Options.
func (o *DescribeOptions) Bind(fs *pflag.FlagSet) {
	fs.StringVarP(&o.Selector, "selector", "l", "", "take the objects with these labels, e.g. 'app=nt'")
	fs.BoolVarP(&o.AllNamespaces, "all-namespaces", "A", false, "look in every namespace")
	fs.BoolVar(&o.ShowEvents, "show-events", o.ShowEvents, "show the events about each object")
	fs.IntVar(&o.Limit, "limit", o.Limit, "show at most so many objects; 0 means all")
}

// Complete implements Options.
func (o *DescribeOptions) Complete(args []string) error {
	if len(args) == 0 || args[0] == "cluster" {
		if len(args) > 1 {
			return UsageErrorf("unexpected argument %q: there is one cluster only", args[1])
		}
		return nil
	}
	if slices.ContainsFunc(args, func(arg string) bool { return strings.Contains(arg, "/") }) {
		return o.completePairs(args)
	}
	if len(args) == 1 {
		o.Targets = []DescribeTarget{{Kind: args[0]}}
		return nil
	}
	for _, name := range args[1:] {
		o.Targets = append(o.Targets, DescribeTarget{Kind: args[0], Name: name})
	}
	return nil
}

// completePairs takes arguments of the form KIND/NAME.
func (o *DescribeOptions) completePairs(args []string) error {
	for _, arg := range args {
		kind, name, found := strings.Cut(arg, "/")
		if !found || kind == "" || name == "" || strings.Contains(name, "/") {
			return UsageErrorf("%q is not of the form KIND/NAME", arg)
		}
		o.Targets = append(o.Targets, DescribeTarget{Kind: kind, Name: name})
	}
	return nil
}

// Validate implements Options.
func (o *DescribeOptions) Validate() error {
	if _, err := ParseSelector("--selector", o.Selector); err != nil {
		return err
	}
	named := slices.ContainsFunc(o.Targets, func(t DescribeTarget) bool { return t.Name != "" })
	switch {
	case o.Limit < 0:
		return UsageErrorf("--limit must not be negative, but is %d", o.Limit)
	case len(o.Targets) == 0 && (o.Selector != "" || o.AllNamespaces):
		return UsageErrorf("--selector and --all-namespaces need a kind, such as pods")
	case named && o.Selector != "":
		return UsageErrorf("choose the objects by name or by --selector: only one of them")
	case named && o.AllNamespaces:
		return UsageErrorf("an object is named within one namespace: use -n instead of --all-namespaces")
	case slices.ContainsFunc(o.Targets, func(t DescribeTarget) bool { return strings.Contains(t.Kind, ",") }):
		return UsageErrorf("describe one kind at a time")
	}
	return nil
}

// Run implements Options.
func (o *DescribeOptions) Run(ctx context.Context, env *Env) (Result, error) {
	if len(o.Targets) == 0 {
		return describeCluster(ctx, env)
	}
	return o.describeObjects(ctx, env)
}

// Suggest implements Suggester: kinds, then names.
func (o *DescribeOptions) Suggest(ctx context.Context, env *Env, flag string, args []string, _ string) []string {
	switch {
	case flag != "":
		return nil
	case len(args) == 0:
		return []string{"cluster", "node", "pod", "service"}
	case args[0] == "cluster":
		return nil
	}
	return objectNames(ctx, env, args[0])
}

// DescribeResult is what "describe" found: the cluster, or objects.
type DescribeResult struct {
	Header
	Cluster *ClusterDescription `json:"cluster,omitempty"`
	Objects []ObjectDescription `json:"objects,omitempty"`
	// Omitted is how many further objects there are that --limit left out.
	Omitted int `json:"omitted,omitempty"`
}

// ObjectDescription is one object as kubectl describes it.
type ObjectDescription struct {
	Object ObjectRef `json:"object"`
	// Text is the description, empty if there is an Error.
	Text  string `json:"text,omitempty"`
	Error string `json:"error,omitempty"`

	err error
}

// Document implements Result.
func (r *DescribeResult) Document() *document.Document {
	if r.Cluster != nil {
		return r.Cluster.document()
	}
	return r.objectsDocument()
}

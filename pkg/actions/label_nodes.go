package actions

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/util/retry"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

func labelNodes() Action {
	return Action{
		Words: "label nodes",
		Args:  "NODE... KEY=VALUE... [KEY-...]",
		Short: "Label nodes, so that pods can be placed on them",
		Long: `Sets labels (KEY=VALUE) and removes labels (KEY-) on the nodes named, on those that -l selects, or on --all.

A label that a node already has with another value is a conflict: nothing is changed on any node unless --overwrite is given.`,
		Group:  GroupChange,
		Effect: Writes,
		Examples: []Example{
			{"Label two nodes as the manual does", "label nodes k8s02 node=node01"},
			{"Replace a label's value", "label nodes k8s02 node=node09 --overwrite"},
			{"Remove a label from every node", "label nodes --all node-"},
			{"Show the labels of the workers", "label nodes --list -l '!node-role.kubernetes.io/control-plane'"},
		},
		New: func() Options { return &LabelNodesOptions{} },
	}
}

// LabelNodesOptions are the options of "label nodes".
type LabelNodesOptions struct {
	DryRunFlag
	// Nodes are the names of nodes; empty with All or Selector.
	Nodes []string
	// Change is what to do with the labels.
	Change LabelChange
	// All takes every node.
	All bool
	// Selector takes the nodes with these labels.
	Selector string
	// Overwrite allows replacing the values of existing labels.
	Overwrite bool
	// List only shows the nodes' labels.
	List bool
}

// Bind implements Options.
func (o *LabelNodesOptions) Bind(fs *pflag.FlagSet) {
	o.BindDryRun(fs)
	fs.BoolVar(&o.All, "all", false, "take every node of the cluster")
	fs.StringVarP(&o.Selector, "selector", "l", "", "take the nodes with these labels, e.g. 'node=node01' or 'zone in (a,b)'")
	fs.BoolVar(&o.Overwrite, "overwrite", false, "replace the values of labels that a node already has")
	fs.BoolVar(&o.List, "list", false, "show the nodes' labels and change nothing")
}

// Complete implements Options.
func (o *LabelNodesOptions) Complete(args []string) error {
	first := slices.IndexFunc(args, isLabelWord)
	if first < 0 {
		first = len(args)
	}
	o.Nodes = args[:first]
	for _, word := range args[first:] {
		if !isLabelWord(word) {
			return UsageErrorf("%q stands after a label: name the nodes first, then the labels", word)
		}
	}
	var err error
	o.Change, err = ParseLabelChange(args[first:])
	return err
}

// Validate implements Options.
func (o *LabelNodesOptions) Validate() error {
	if err := o.ValidateDryRun(); err != nil {
		return err
	}
	if _, err := ParseSelector("--selector", o.Selector); err != nil {
		return err
	}
	for _, name := range o.Nodes {
		if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
			return UsageErrorf("node name %q is not valid: %s", name, problems[0])
		}
	}
	chosen := len(o.Nodes) > 0
	changes := len(o.Change.Set)+len(o.Change.Remove) > 0
	switch {
	case chosen && (o.All || o.Selector != ""), o.All && o.Selector != "":
		return UsageErrorf("choose the nodes by name, by --selector or by --all: only one of them")
	case o.List && changes:
		return UsageErrorf("--list only shows labels: leave out --list or the labels")
	case o.List:
		return nil
	case !chosen && !o.All && o.Selector == "":
		return UsageErrorf("no node named: name nodes, or use --selector or --all")
	case !changes:
		return UsageErrorf("no label named: give KEY=VALUE to set a label, KEY- to remove one, or --list to see them")
	}
	return nil
}

// Effect implements Effecter: --list and dry runs only read.
func (o *LabelNodesOptions) Effect() Effect {
	if o.List || o.DryRunStrategy() != DryRunNone {
		return Reads
	}
	return Writes
}

// Run implements Options.
func (o *LabelNodesOptions) Run(ctx context.Context, env *Env) (Result, error) {
	client, err := env.Cluster.Metadata()
	if err != nil {
		return nil, err
	}
	run := &labelRun{LabelNodesOptions: o, nodes: client.Resource(corev1.SchemeGroupVersion.WithResource("nodes"))}
	items, err := run.find(ctx)
	if err != nil {
		return nil, err
	}
	result := &LabelNodesResult{Header: NewHeader("LabelNodesResult"), DryRun: o.DryRunStrategy(), List: o.List, Items: items}
	if o.List {
		return result, Failures(result.Changes(), "found")
	}
	if !o.Overwrite && run.refuseConflicts(items) {
		return result, Failures(result.Changes(), "labeled")
	}
	forEach(ctx, len(items), writeWorkers, func(ctx context.Context, i int) {
		run.label(ctx, &items[i])
	})
	return result, Failures(result.Changes(), "labeled")
}

// labelRun is one run of the verb: its options and the client it uses.
type labelRun struct {
	*LabelNodesOptions
	nodes metadata.Getter
}

// find reads the chosen nodes' labels. A named node that cannot be read becomes a failed item, so
// that the others are still served.
func (r *labelRun) find(ctx context.Context) ([]NodeLabels, error) {
	if len(r.Nodes) > 0 {
		return r.findNamed(ctx), nil
	}
	list, err := r.nodes.List(ctx, metav1.ListOptions{LabelSelector: r.Selector})
	if err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	if len(list.Items) == 0 && r.Selector != "" {
		return nil, &Error{
			Message: fmt.Sprintf("no node matches --selector %q", r.Selector),
			Hint:    "see the labels: kubectl lab label nodes --list",
			Code:    ExitFailed,
		}
	}
	items := make([]NodeLabels, len(list.Items))
	for i := range list.Items {
		items[i].take(&list.Items[i])
	}
	return items, nil
}

func (r *labelRun) findNamed(ctx context.Context) []NodeLabels {
	names := slices.Compact(slices.Sorted(slices.Values(r.Nodes)))
	items := make([]NodeLabels, len(names))
	forEach(ctx, len(names), writeWorkers, func(ctx context.Context, i int) {
		items[i].Node = names[i]
		node, err := r.nodes.Get(ctx, names[i], metav1.GetOptions{})
		if err != nil {
			items[i].fail(err)
			return
		}
		items[i].take(node)
	})
	return items
}

// refuseConflicts marks the nodes whose labels have other values, and reports whether there are
// any. Nothing is changed then, so that a mistake does not leave the nodes half labeled.
func (r *labelRun) refuseConflicts(items []NodeLabels) bool {
	refused := false
	for i := range items {
		if conflicts := r.Change.conflicts(items[i].Labels); items[i].err == nil && len(conflicts) > 0 {
			items[i].fail(conflictError(items[i].Node, conflicts))
			refused = true
		}
	}
	for i := range items {
		if refused && items[i].err == nil {
			items[i].Outcome = OutcomeSkipped
		}
	}
	return refused
}

func conflictError(node string, conflicts []string) error {
	return &Error{
		Message: fmt.Sprintf("node %q: label %s", node, strings.Join(conflicts, "; ")),
		Hint:    "nothing was changed on any node; add --overwrite to replace the values",
		Code:    ExitFailed,
	}
}

// label changes one node. The patch names the resource version that was looked at, so that a value
// set by somebody else meanwhile is noticed instead of overwritten.
func (r *labelRun) label(ctx context.Context, item *NodeLabels) {
	if item.err != nil {
		return
	}
	err := retry.RetryOnConflict(conflictBackoff(), func() error {
		err := r.patch(ctx, item)
		if apierrors.IsConflict(err) {
			return r.reread(ctx, item, err)
		}
		return err
	})
	if err != nil {
		item.fail(err)
	}
}

// conflictBackoff spreads the attempts of several writers of one object, who would otherwise meet
// again and again; in all it takes about five seconds.
func conflictBackoff() wait.Backoff {
	return wait.Backoff{Steps: 12, Duration: 30 * time.Millisecond, Factor: 1.3, Jitter: 3}
}

func (r *labelRun) patch(ctx context.Context, item *NodeLabels) error {
	changed, differences := r.Change.apply(item.Labels)
	item.Changed = differences
	if len(differences) == 0 {
		item.Outcome = OutcomeUnchanged
		return nil
	}
	if r.DryRunStrategy() != DryRunClient {
		body, err := labelPatch(item.before.ResourceVersion, r.Change)
		if err != nil {
			return err
		}
		options := metav1.PatchOptions{DryRun: r.DryRunStrategy().options(), FieldManager: ManagedBy}
		node, err := r.nodes.Patch(ctx, item.Node, types.MergePatchType, body, options)
		if err != nil {
			return err
		}
		changed = node.Labels
	}
	item.Labels = changed
	item.Outcome = OutcomeLabeled
	if len(r.Change.Set) == 0 {
		item.Outcome = OutcomeUnlabeled
	}
	return nil
}

// reread looks at a node again after a conflict; what it returns decides whether to try again.
func (r *labelRun) reread(ctx context.Context, item *NodeLabels, conflict error) error {
	node, err := r.nodes.Get(ctx, item.Node, metav1.GetOptions{})
	if err != nil {
		return err
	}
	item.take(node)
	if found := r.Change.conflicts(node.Labels); !r.Overwrite && len(found) > 0 {
		return conflictError(item.Node, found)
	}
	return conflict
}

func labelPatch(resourceVersion string, change LabelChange) ([]byte, error) {
	values := map[string]any{}
	for key, value := range change.Set {
		values[key] = value
	}
	for _, key := range change.Remove {
		values[key] = nil
	}
	return json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": resourceVersion, "labels": values},
	})
}

// Suggest implements Suggester: node names, and the labels in use.
func (o *LabelNodesOptions) Suggest(ctx context.Context, env *Env, flag string, _ []string, _ string) []string {
	switch flag {
	case "":
		nodes := listMetadata(ctx, env, coreResource("nodes"), "")
		return append(namesOf(nodes), labelKeys(nodes, "=")...)
	case "selector":
		return suggestNodeLabels(ctx, env)
	}
	return suggestCommon(flag)
}

// LabelNodesResult is what "label nodes" did.
type LabelNodesResult struct {
	Header
	DryRun DryRun `json:"dryRun"`
	// List is set if the labels were only to be shown.
	List  bool         `json:"-"`
	Items []NodeLabels `json:"items"`
}

// NodeLabels is one node's part of the result.
type NodeLabels struct {
	Node    string  `json:"node"`
	Outcome Outcome `json:"outcome,omitempty"`
	// Changed lists the labels that changed, as KEY=VALUE or KEY-.
	Changed []string `json:"changed,omitempty"`
	// Labels are the node's labels after the change.
	Labels map[string]string `json:"labels,omitempty"`
	// Error says why the node was not labeled.
	Error string `json:"error,omitempty"`

	before *metav1.PartialObjectMetadata
	err    error
}

func (n *NodeLabels) take(node *metav1.PartialObjectMetadata) {
	n.Node, n.Labels, n.before = node.Name, node.Labels, node
}

func (n *NodeLabels) fail(err error) {
	n.Outcome, n.err, n.Error = OutcomeFailed, err, Explain(err).Message
}

// Changes implements Changer.
func (r *LabelNodesResult) Changes() []Change {
	changes := make([]Change, len(r.Items))
	for i := range r.Items {
		changes[i] = r.Items[i].change()
	}
	return changes
}

func (n *NodeLabels) change() Change {
	c := Change{
		Object:  ObjectRef{APIVersion: "v1", Kind: "Node", Name: n.Node},
		Outcome: n.Outcome,
		Message: strings.Join(n.Changed, " "),
		Err:     n.err,
	}
	if n.Outcome == OutcomeSkipped {
		c.Message = "left as it was, because of the conflict"
	}
	if n.before != nil && n.err == nil {
		c.Before, c.After = nodeWithLabels(n.Node, n.before.Labels), nodeWithLabels(n.Node, n.Labels)
	}
	return c
}

// nodeWithLabels is as much of a node as a preview of its labels needs.
func nodeWithLabels(name string, labels map[string]string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion("v1")
	u.SetKind("Node")
	u.SetName(name)
	u.SetLabels(labels)
	return u
}

// Document implements Result.
func (r *LabelNodesResult) Document() *document.Document {
	if r.List {
		return new(document.Document).Add(r.table())
	}
	return new(document.Document).Add(ChangeVerdicts(r.Changes(), r.DryRun))
}

func (r *LabelNodesResult) table() document.Table {
	table := document.Table{Columns: []document.Column{{Name: "NAME"}, {Name: "LABELS"}}}
	for _, item := range r.Items {
		if item.err == nil {
			table.Rows = append(table.Rows, []document.Text{document.T(item.Node), document.T(FormatLabels(item.Labels))})
		}
	}
	return table
}

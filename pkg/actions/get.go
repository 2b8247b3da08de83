package actions

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

func get() Action {
	return Action{
		Words: "get",
		Args:  "KIND[,KIND...] [NAME...] | KIND/NAME...",
		Short: "List objects, or show some by name",
		Long: `Lists objects of a kind, with the columns that the API server prints. A kind is named as for kubectl: pods, po, deployments.apps, all.

Lists are as current as the API server: what was just created is in them.`,
		Group:  GroupLook,
		Effect: Reads,
		Examples: []Example{
			{"List the nodes with their labels", "get nodes --show-labels"},
			{"List the pods of every namespace", "get pods -A"},
			{"List what the manual's service selects", "get pods,services -l app=nt"},
			{"Show one object", "get pod nginx-test01"},
		},
		New: func() Options { return &GetOptions{} },
	}
}

// GetOptions are the options of "get".
type GetOptions struct {
	// AllNamespaces looks into every namespace.
	AllNamespaces bool
	// Selector takes the objects with these labels, FieldSelector those with these fields.
	Selector, FieldSelector string
	// ShowLabels adds a column with all labels, LabelColumns one for each of these keys.
	ShowLabels   bool
	LabelColumns []string

	words         kindWords
	objectsWanted bool
}

const getUsage = "get KIND [NAME...], such as: get pods"

// Bind implements Options.
func (o *GetOptions) Bind(fs *pflag.FlagSet) {
	fs.BoolVarP(&o.AllNamespaces, "all-namespaces", "A", false, "look into every namespace")
	fs.StringVarP(&o.Selector, "selector", "l", "", "only objects with these labels, e.g. app=nt or 'app in (a,b)'")
	fs.StringVar(&o.FieldSelector, "field-selector", "", "only objects with these fields, e.g. spec.nodeName=k8s02")
	fs.BoolVar(&o.ShowLabels, "show-labels", false, "add a column with all labels")
	fs.StringSliceVarP(&o.LabelColumns, "label-columns", "L", nil, "add a column for the label of this key; may be repeated")
}

// Complete implements Options.
func (o *GetOptions) Complete(args []string) error {
	var err error
	o.words, err = parseKindWords(getUsage, args)
	return err
}

// Validate implements Options.
func (o *GetOptions) Validate() error {
	if _, err := ParseSelector("--selector", o.Selector); err != nil {
		return err
	}
	if _, err := fields.ParseSelector(o.FieldSelector); err != nil {
		return UsageErrorf("--field-selector: %q is not a field selector: %s", o.FieldSelector, err)
	}
	switch {
	case o.words.hasNames() && (o.Selector != "" || o.FieldSelector != ""):
		return UsageErrorf("name the objects or select them, not both")
	case o.words.hasNames() && o.AllNamespaces:
		return UsageErrorf("objects cannot be named across all namespaces: leave out --all-namespaces, or use --namespace")
	}
	return nil
}

// SetObjectsWanted implements ObjectsWanter: whole objects cost many times what their rows do.
func (o *GetOptions) SetObjectsWanted(wanted bool) { o.objectsWanted = wanted }

// Run implements Options.
func (o *GetOptions) Run(ctx context.Context, env *Env) (Result, error) {
	targets, err := o.words.targets(env.Cluster)
	if err != nil {
		return nil, err
	}
	namespace, err := o.namespace(env)
	if err != nil {
		return nil, err
	}
	run := &getRun{GetOptions: o, cluster: env.Cluster, namespace: namespace}
	if o.objectsWanted {
		return run.objects(ctx, targets)
	}
	return run.tables(ctx, targets)
}

// namespace is where to look; empty for all namespaces.
func (o *GetOptions) namespace(env *Env) (string, error) {
	if o.AllNamespaces {
		return "", nil
	}
	namespace, _, err := env.Cluster.Namespace()
	return namespace, err
}

// Suggest implements Suggester: kinds, then names.
func (o *GetOptions) Suggest(ctx context.Context, env *Env, flag string, args []string, toComplete string) []string {
	switch flag {
	case "":
		return suggestObjects(ctx, env, args, toComplete)
	case "selector":
		return labelPairs(suggestMetadata(ctx, env, args))
	case "label-columns":
		return labelKeys(suggestMetadata(ctx, env, args), "")
	}
	return nil
}

// GetResult is what "get" found.
type GetResult struct {
	Header
	// Namespace is where it looked; empty for all namespaces.
	Namespace string     `json:"namespace,omitempty"`
	Tables    []GetTable `json:"tables,omitempty"`

	objects runtime.Object
}

// GetTable is the objects of one kind as rows.
type GetTable struct {
	// Resource is the kind's plural name with its group, such as "deployments.apps".
	Resource string      `json:"resource"`
	Columns  []GetColumn `json:"columns"`
	Rows     [][]string  `json:"rows"`

	namespaced bool
}

// GetColumn is a column's name, and whether it is shown only on request.
type GetColumn struct {
	Name string `json:"name"`
	Wide bool   `json:"wide,omitempty"`
}

// Objects implements Objects.
func (r *GetResult) Objects() runtime.Object {
	if r.objects == nil {
		return objectList(nil)
	}
	return r.objects
}

// objectList is a v1 List, as kubectl prints more than one object.
func objectList(items []unstructured.Unstructured) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{Items: items}
	list.SetAPIVersion("v1")
	list.SetKind("List")
	return list
}

// Document implements Result.
func (r *GetResult) Document() *document.Document {
	doc := new(document.Document)
	for _, table := range r.Tables {
		if len(table.Rows) > 0 {
			doc.Add(table.block())
		}
	}
	if len(doc.Blocks) == 0 {
		doc.Add(document.Note{Tone: document.Info, Text: r.nothing()})
	}
	return doc
}

// nothing says that there is nothing, in kubectl's words.
func (r *GetResult) nothing() string {
	for _, table := range r.Tables {
		if table.namespaced && r.Namespace != "" {
			return fmt.Sprintf("No resources found in %s namespace.", r.Namespace)
		}
	}
	return "No resources found"
}

func (t GetTable) block() document.Table {
	block := document.Table{Rows: make([][]document.Text, len(t.Rows))}
	status := -1
	for i, column := range t.Columns {
		block.Columns = append(block.Columns, document.Column{Name: column.Name, Wide: column.Wide})
		if column.Name == "STATUS" {
			status = i
		}
	}
	for i, row := range t.Rows {
		block.Rows[i] = make([]document.Text, len(row))
		for j, cell := range row {
			block.Rows[i][j] = document.T(cell)
		}
		if status >= 0 {
			block.Rows[i][status].Tone = statusTone(row[status])
		}
	}
	return block
}

// statusTone tells good from bad in the STATUS column of the built-in kinds.
func statusTone(status string) document.Tone {
	switch {
	case status == "Running", status == "Ready", status == "Active", status == "Bound", status == "Available":
		return document.Good
	case status == "Completed", status == "Complete", status == "Succeeded":
		return document.Muted
	case strings.HasPrefix(status, "NotReady"), strings.Contains(status, "Err"), strings.Contains(status, "BackOff"),
		strings.Contains(status, "Invalid"), strings.Contains(status, "Fail"):
		return document.Bad
	case status == "Evicted", status == "OOMKilled", status == "Lost", status == "Unknown", status == "ContainerStatusUnknown":
		return document.Bad
	case status == "Pending", status == "Terminating", status == "ContainerCreating", status == "PodInitializing",
		strings.HasPrefix(status, "Init:"), strings.Contains(status, "SchedulingDisabled"):
		return document.Warning
	}
	return document.Plain
}

package actions

import (
	"context"
	"strings"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
	"github.com/kubectl-lab/kubectl-lab/pkg/inventory"
)

func inventoryShow() Action {
	return Action{
		Words: "inventory show",
		Args:  "PATH",
		Short: "Show the cluster that a Kubespray inventory declares",
		Long: `Reads an inventory as ansible would, an INI or YAML file or a folder with group_vars and host_vars, and shows the cluster that Kubespray makes of it, with the file and line of each value.

Values that hold templates are shown as unresolved: only a running playbook knows them. Passwords are not shown.`,
		Group: GroupPrepare,
		Local: true,
		Examples: []Example{
			{"Show what an inventory declares", "inventory show inventory/mycluster/inventory.ini"},
			{"Show it as JSON", "inventory show inventory/mycluster -o json"},
		},
		New: func() Options { return &InventoryShowOptions{} },
	}
}

// InventoryShowOptions are the options of "inventory show".
type InventoryShowOptions struct {
	inventoryFlags
	// Path is the inventory, a file or a folder.
	Path string
}

// Bind implements Options.
func (o *InventoryShowOptions) Bind(fs *pflag.FlagSet) { o.bindInventory(fs) }

// Complete implements Options.
func (o *InventoryShowOptions) Complete(args []string) (err error) {
	o.Path, err = onePath("inventory show PATH", args)
	return err
}

// onePath takes the one argument of a verb that reads an inventory.
func onePath(usage string, args []string) (string, error) {
	switch len(args) {
	case 0:
		return "", UsageErrorf("no inventory named: %s", usage)
	case 1:
		return args[0], nil
	}
	return "", UsageErrorf("unexpected argument %q: %s", args[1], usage)
}

// Validate implements Options.
func (o *InventoryShowOptions) Validate() error { return o.validateInventory() }

// Run implements Options.
func (o *InventoryShowOptions) Run(ctx context.Context, env *Env) (Result, error) {
	inv, err := loadInventory(ctx, env, o.Path)
	if err != nil {
		return nil, err
	}
	return &InventoryShowResult{
		Header:      NewHeader("InventoryShowResult"),
		Declaration: inventory.Declare(inv, o.Release),
		Diagnostics: inv.Diagnostics,
	}, nil
}

// InventoryShowResult is what an inventory declares.
type InventoryShowResult struct {
	Header
	Declaration *inventory.Declaration `json:"declaration"`
	// Diagnostics are oddities that ansible accepts.
	Diagnostics []inventory.Diagnostic `json:"diagnostics,omitempty"`
}

// Document implements Result.
func (r *InventoryShowResult) Document() *document.Document {
	doc := &document.Document{Title: r.Declaration.Inventory}
	doc.Add(document.Heading{Text: "Hosts"}, r.hosts(), document.Heading{Text: "Cluster"}, r.settings())
	if addons := r.addons(); len(addons.Rows) > 0 {
		doc.Add(document.Heading{Text: "Add-ons"}, addons)
	}
	for _, d := range r.Diagnostics {
		doc.Add(document.Note{Tone: document.Warning, Text: d.String()})
	}
	return doc
}

func (r *InventoryShowResult) hosts() document.Table {
	table := document.Table{Columns: []document.Column{
		{Name: "HOST"}, {Name: "ROLES"}, {Name: "IP"}, {Name: "ACCESS IP", Wide: true}, {Name: "NODE", Wide: true}, {Name: "SOURCE"},
	}}
	for _, n := range r.Declaration.Nodes {
		var roles []string
		for _, role := range n.Roles {
			roles = append(roles, string(role))
		}
		table.Rows = append(table.Rows, []document.Text{
			document.T(n.Host), document.T(strings.Join(roles, ",")), settingText(n.IP), settingText(n.AccessIP), settingText(n.Name), document.T(n.Source),
		})
	}
	return table
}

func (r *InventoryShowResult) settings() document.Table {
	table := document.Table{Columns: []document.Column{{Name: "VARIABLE"}, {Name: "VALUE"}, {Name: "SOURCE"}}}
	for _, s := range r.Declaration.Settings() {
		table.Rows = append(table.Rows, settingRow(s))
	}
	return table
}

// addons are those that the inventory names; the others are off.
func (r *InventoryShowResult) addons() document.Table {
	table := document.Table{Columns: []document.Column{{Name: "VARIABLE"}, {Name: "VALUE"}, {Name: "SOURCE"}}}
	for _, a := range r.Declaration.Addons {
		if a.Enabled.State == inventory.Default && !a.Enabled.True() || a.Enabled.State == inventory.NotDeclared {
			continue
		}
		table.Rows = append(table.Rows, settingRow(a.Enabled))
	}
	return table
}

func settingRow(s inventory.Setting) []document.Text {
	return []document.Text{document.T(s.Variable), settingText(s), document.T(s.Source)}
}

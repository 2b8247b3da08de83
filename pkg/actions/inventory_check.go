package actions

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
	"github.com/kubectl-lab/kubectl-lab/pkg/inventory"
)

func inventoryCheck() Action {
	return Action{
		Words: "inventory check",
		Args:  "PATH",
		Short: "Check a Kubespray inventory before installing",
		Long: `Reads an inventory as ansible would, and looks for what would keep Kubespray from installing it, or make it install something else than was meant: an even number of etcd members, empty groups, overlapping or too small address ranges, duplicate addresses, old group names, variables that Kubespray no longer reads, and more. Each finding names the file and line.

The exit code is 1 if there is an error among the findings.`,
		Group: GroupPrepare,
		Local: true,
		Examples: []Example{
			{"Check an inventory", "inventory check inventory/mycluster/inventory.ini"},
			{"Check it for a certain release of Kubespray", "inventory check inventory/mycluster --kubespray-release v2.31.0"},
		},
		New: func() Options { return &InventoryCheckOptions{} },
	}
}

// InventoryCheckOptions are the options of "inventory check".
type InventoryCheckOptions struct {
	inventoryFlags
	// Path is the inventory, a file or a folder.
	Path string
}

// Bind implements Options.
func (o *InventoryCheckOptions) Bind(fs *pflag.FlagSet) { o.bindInventory(fs) }

// Complete implements Options.
func (o *InventoryCheckOptions) Complete(args []string) (err error) {
	o.Path, err = onePath("inventory check PATH", args)
	return err
}

// Validate implements Options.
func (o *InventoryCheckOptions) Validate() error { return o.validateInventory() }

// Run implements Options.
func (o *InventoryCheckOptions) Run(ctx context.Context, env *Env) (Result, error) {
	return checkInventory(ctx, env, o.Path, o.inventoryFlags)
}

// checkInventory also makes a finding of what ansible refuses to read.
func checkInventory(ctx context.Context, env *Env, path string, flags inventoryFlags) (Result, error) {
	result := &InventoryCheckResult{Header: NewHeader("InventoryCheckResult"), Inventory: path, Findings: []inventory.Finding{}}
	inv, err := loadInventory(ctx, env, path)
	if err != nil {
		finding, ok := inventory.FindingOf(err)
		if !ok {
			return nil, err
		}
		result.Findings = append(result.Findings, finding)
		return result, nil
	}
	options := inventory.CheckOptions{Release: flags.Release}
	if flags.FactsDir != "" {
		if options.Facts, err = inventory.LoadFacts(ctx, flags.FactsDir, inv); err != nil {
			return nil, &Error{Message: err.Error(), Hint: "check the path given to --facts", Code: ExitUsage, Err: err}
		}
	}
	found, err := inventory.Check(ctx, inv, options)
	if err != nil {
		return nil, fmt.Errorf("checking the inventory: %w", err)
	}
	result.Findings = append(result.Findings, found...)
	return result, nil
}

// InventoryCheckResult is what was found in an inventory.
type InventoryCheckResult struct {
	Header
	Inventory string              `json:"inventory"`
	Findings  []inventory.Finding `json:"findings"`
}

// Broken implements Finding.
func (r *InventoryCheckResult) Broken() bool {
	return inventory.Worst(r.Findings) == inventory.SeverityError
}

// Document implements Result.
func (r *InventoryCheckResult) Document() *document.Document {
	doc := &document.Document{}
	counts := map[inventory.Severity]int{}
	var verdicts document.Verdicts
	for _, f := range r.Findings {
		counts[f.Severity]++
		verdicts = append(verdicts, findingVerdict(f))
	}
	if len(verdicts) > 0 {
		doc.Add(verdicts)
	}
	tone := document.Good
	switch {
	case counts[inventory.SeverityError] > 0:
		tone = document.Bad
	case counts[inventory.SeverityWarning] > 0:
		tone = document.Warning
	}
	return doc.Add(document.Note{Tone: tone, Text: fmt.Sprintf("%s: %s, %s, %s (%d checks)", r.Inventory,
		count(counts[inventory.SeverityError], "error"), count(counts[inventory.SeverityWarning], "warning"), count(counts[inventory.SeverityInfo], "note"),
		len(inventory.Checks()))})
}

func findingVerdict(f inventory.Finding) document.Verdict {
	v := document.Verdict{Subject: f.Pos.String(), Message: f.Message, Hint: f.Fix, URL: f.Documentation()}
	if v.Subject != "" {
		v.Subject += ":"
	}
	switch f.Severity {
	case inventory.SeverityError:
		v.Status = document.Failed
	case inventory.SeverityWarning:
		v.Status = document.Attention
	default:
		v.Status = document.Skipped
	}
	return v
}

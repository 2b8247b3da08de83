package actions

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubectl-lab/kubectl-lab/pkg/checks"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
	"github.com/kubectl-lab/kubectl-lab/pkg/inventory"
)

// mostComparisons is how many comparisons are shown; -o json has them all.
const mostComparisons = 50

// addComparisons shows the declared and live values that do not match. What isn't declared is no news.
func (r *StatusResult) addComparisons(doc *document.Document) {
	table := document.Table{Columns: []document.Column{
		{Name: "SUBJECT"}, {Name: "DECLARED"}, {Name: "LIVE"}, {Name: "VERDICT"}, {Name: "SOURCE"}, {Name: "REASON"},
	}}
	reasons := false
	for _, check := range r.Checks {
		for _, c := range check.Comparisons {
			switch {
			case c.Verdict == checks.Match, c.Reason == checks.NotDeclared, r.short && c.Verdict != checks.Differs:
			case len(table.Rows) >= mostComparisons:
				table.Omitted++
			default:
				reasons = reasons || c.Reason != ""
				table.Rows = append(table.Rows, []document.Text{
					document.T(c.Subject), document.T(c.Declared), document.T(c.Live), comparisonText(c.Verdict), document.T(c.Source), document.T(c.Reason),
				})
			}
		}
	}
	if len(table.Rows) == 0 {
		return
	}
	if !reasons {
		table = withoutLast(table)
	}
	doc.Add(table)
}

// withoutLast is a table without its last column.
func withoutLast(table document.Table) document.Table {
	last := len(table.Columns) - 1
	table.Columns = table.Columns[:last]
	for i := range table.Rows {
		table.Rows[i] = table.Rows[i][:last]
	}
	return table
}

func comparisonText(v checks.ComparisonVerdict) document.Text {
	tone := document.Muted
	if v == checks.Differs {
		tone = document.Bad
	}
	return document.Text{Value: string(v), Tone: tone}
}

// saveDeclaration keeps a declaration in a ConfigMap of the cluster.
func saveDeclaration(ctx context.Context, client kubernetes.Interface, d *inventory.Declaration, dryRun DryRun) ([]Change, error) {
	data, err := inventory.MarshalDeclaration(d)
	if err != nil {
		return nil, err
	}
	change := Change{
		Object:  ObjectRef{APIVersion: "v1", Kind: "ConfigMap", Namespace: checks.DeclarationNamespace, Name: checks.DeclarationName},
		Outcome: OutcomeConfigured,
		Message: fmt.Sprintf("what %s declares: %d hosts", d.Inventory, len(d.Nodes)),
	}
	if dryRun == DryRunClient {
		return []Change{change}, nil
	}
	maps := client.CoreV1().ConfigMaps(checks.DeclarationNamespace)
	before, err := maps.Get(ctx, checks.DeclarationName, metav1.GetOptions{})
	if err == nil && string(before.BinaryData[checks.DeclarationKey]) == string(data) {
		change.Outcome = OutcomeUnchanged
		return []Change{change}, nil
	}
	if err != nil {
		// There is none yet, or reading is not allowed; then the apply says so.
		change.Outcome = OutcomeCreated
	}
	apply := applycorev1.ConfigMap(checks.DeclarationName, checks.DeclarationNamespace).
		WithLabels(map[string]string{ManagedByLabel: ManagedBy}).
		WithBinaryData(map[string][]byte{checks.DeclarationKey: data})
	_, err = maps.Apply(ctx, apply, metav1.ApplyOptions{FieldManager: ManagedBy, Force: true, DryRun: dryRun.options()})
	if err != nil {
		return nil, fmt.Errorf("saving what the inventory declares: %w", err)
	}
	return []Change{change}, nil
}

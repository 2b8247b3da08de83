package actions

import (
	"strings"

	"github.com/kubectl-lab/kubectl-lab/pkg/checks"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// CheckList is what "status --list-checks" answers.
type CheckList struct {
	Header
	Items []CheckDescription `json:"items"`
}

// CheckDescription describes one check.
type CheckDescription struct {
	ID       string          `json:"id"`
	Category checks.Category `json:"category"`
	Asserts  string          `json:"asserts"`
	Severity checks.Severity `json:"severity"`
	Hint     string          `json:"hint"`
	Needs    []string        `json:"needs,omitempty"`
	// Permissions are what one must be allowed for the check not to be skipped.
	Permissions []checks.Permission `json:"permissions,omitempty"`
}

func newCheckList(all []checks.Check) *CheckList {
	list := &CheckList{Header: NewHeader("CheckList")}
	for _, c := range all {
		list.Items = append(list.Items, CheckDescription{
			ID: c.ID, Category: c.Category, Asserts: c.Asserts, Severity: c.Severity, Hint: c.Hint,
			Needs: c.Needs, Permissions: c.Permissions(),
		})
	}
	return list
}

// Document implements Result.
func (l *CheckList) Document() *document.Document {
	table := document.Table{Columns: []document.Column{
		{Name: "ID"}, {Name: "SEVERITY"}, {Name: "ASSERTS"}, {Name: "NEEDS PERMISSION TO", Wide: true},
	}}
	for _, c := range l.Items {
		table.Rows = append(table.Rows, []document.Text{
			document.T(c.ID), document.T(string(c.Severity)), document.T(c.Asserts), document.T(permissionList(c.Permissions)),
		})
	}
	return new(document.Document).Add(table)
}

func permissionList(all []checks.Permission) string {
	var words []string
	for _, p := range all {
		words = append(words, p.String())
	}
	return strings.Join(words, ", ")
}

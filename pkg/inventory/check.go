package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Severity says how much a finding matters.
type Severity string

// The severities, worst first.
const (
	SeverityError   Severity = "error"   // Kubespray stops, or the cluster will not work
	SeverityWarning Severity = "warning" // it works, but probably not as meant
	SeverityInfo    Severity = "info"    // good to know
)

// Finding is one thing that Check found.
type Finding struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	Pos      Position `json:"position,omitzero"`
	Message  string   `json:"message"`
	Fix      string   `json:"fix,omitempty"` // the way out
}

// String returns "severity: file:line: message; fix".
func (f Finding) String() string {
	text := string(f.Severity) + ": "
	if at := f.Pos.String(); at != "" {
		text += at + ": "
	}
	text += f.Message
	if f.Fix != "" {
		text += "; " + f.Fix
	}
	return text
}

// docsURL leads to the section of a finding's id in docs/inventory.md.
const docsURL = "https://github.com/kubectl-lab/kubectl-lab/blob/main/docs/inventory.md#"

// Documentation is the address of the section about findings of this kind.
func (f Finding) Documentation() string { return docsURL + f.ID }

// CheckInfo describes a check.
type CheckInfo struct {
	ID      string
	Asserts string // what holds when it finds nothing
}

// CheckOptions say what Check may go by beside the inventory.
type CheckOptions struct {
	// Release is the Kubespray release that will install, such as v2.31.0; "" stands for that of the
	// checkout that the inventory lies in. If neither is known, the newest is assumed, and what depends
	// on it is a warning.
	Release string
	// Facts are what ansible knows about the hosts, by their names, see LoadFacts.
	Facts map[string]Facts
}

// The ids of findings that Load gives.
const (
	idRefused        = "refused"
	idTooLarge       = "too-large"
	idUndefinedChild = "undefined-child"
	idGroupLoop      = "group-loop"
)

// check is one check of the table.
type check struct {
	id      string
	asserts string
	run     func(*checker)
}

// checkTable lists every check, those that Load does first.
func checkTable() []check {
	return slices.Concat([]check{
		{id: idRefused, asserts: "ansible can read the inventory"},
		{id: idTooLarge, asserts: "the inventory is within sane limits"},
		{id: idUndefinedChild, asserts: "every child and every :vars section belongs to a group that is defined"},
		{id: idGroupLoop, asserts: "no group contains itself"},
		{id: "source-skipped", asserts: "ansible skips no file of the folder", run: checkSkipped},
		{id: "odd-syntax", asserts: "nothing in the files is ignored by ansible", run: checkDiagnostics},
		{id: "encrypted-file", asserts: "no file of variables is encrypted as a whole", run: checkEncrypted},
		{id: "unused-variables", asserts: "every file in group_vars and host_vars belongs to a group or a host", run: checkUnusedFiles},
	}, groupChecks(), hostChecks(), networkChecks(), versionChecks())
}

// Checks returns the checks of Check and Load.
func Checks() []CheckInfo {
	var out []CheckInfo
	for _, c := range checkTable() {
		out = append(out, CheckInfo{ID: c.id, Asserts: c.asserts})
	}
	return out
}

// Check returns what would keep Kubespray from installing the inventory, or make it install something
// else than was meant; the worst first.
func Check(ctx context.Context, inv *Inventory, opts CheckOptions) ([]Finding, error) {
	c := &checker{inv: inv, view: inv.View(opts.Release), declared: Declare(inv, opts.Release), facts: opts.Facts}
	for _, check := range checkTable() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if check.run != nil {
			c.id = check.id
			check.run(c)
		}
	}
	slices.SortStableFunc(c.findings, func(a, b Finding) int {
		return cmp.Compare(severityRank(a.Severity), severityRank(b.Severity))
	})
	return c.findings, nil
}

func severityRank(s Severity) int {
	return slices.Index([]Severity{SeverityError, SeverityWarning, SeverityInfo}, s)
}

// FindingOf turns an error of Load into a finding, if it is about the content of the inventory.
func FindingOf(err error) (Finding, bool) {
	var refused *Error
	if !errors.As(err, &refused) {
		return Finding{}, false
	}
	return Finding{ID: refused.ID, Severity: SeverityError, Pos: refused.Pos, Message: refused.Msg, Fix: refused.Fix}, true
}

// Worst returns the worst severity among the findings, "" if there are none.
func Worst(findings []Finding) Severity {
	var worst Severity
	for _, f := range findings {
		if worst == "" || severityRank(f.Severity) < severityRank(worst) {
			worst = f.Severity
		}
	}
	return worst
}

// checker collects the findings of one run.
type checker struct {
	inv      *Inventory
	view     *View
	declared *Declaration
	facts    map[string]Facts
	id       string
	findings []Finding
	counted  map[string]int
}

// maxFindings of one id are reported; more of the same help nobody.
const maxFindings = 100

func (c *checker) report(severity Severity, pos Position, fix, format string, args ...any) {
	if c.counted == nil {
		c.counted = map[string]int{}
	}
	if c.counted[c.id]++; c.counted[c.id] > maxFindings {
		return
	}
	c.findings = append(c.findings, Finding{ID: c.id, Severity: severity, Pos: pos, Message: fmt.Sprintf(format, args...), Fix: fix})
}

// first is the host whose variables count for the whole cluster, nil without one.
func (c *checker) first() *Host {
	if len(c.view.cluster) == 0 {
		return nil
	}
	return c.view.cluster[0]
}

// variable looks up a variable of the whole cluster that is a known scalar.
func (c *checker) variable(name string) (v Variable, text string, known bool) {
	h := c.first()
	if h == nil {
		return Variable{}, "", false
	}
	v, ok := c.view.Var(h, name)
	if !ok {
		return Variable{}, "", false
	}
	if _, unresolved := v.Value.Unresolved(); unresolved {
		return v, "", false
	}
	text, ok = v.Value.Text()
	return v, text, ok
}

func (c *checker) pos(name string) Position {
	v, _, _ := c.variable(name)
	return v.Pos
}

// since qualifies a finding that holds from a release on: an error if the release is known to have it,
// a warning if no release is known, nothing if the release is older.
func (c *checker) since(release string) (severity Severity, applies bool) {
	switch {
	case c.view.Release() == "":
		return SeverityWarning, true
	case atLeast(c.view.Release(), release):
		return SeverityError, true
	}
	return "", false
}

func (c *checker) release() string {
	if c.view.Release() == "" {
		return "the newest Kubespray"
	}
	return "Kubespray " + c.view.Release()
}

func checkSkipped(c *checker) {
	for _, e := range c.inv.Refused {
		c.report(SeverityError, e.Pos, e.Fix, "ansible reads this file in part only: %s", e.Msg)
	}
}

func checkDiagnostics(c *checker) {
	for _, d := range c.inv.Diagnostics {
		c.report(SeverityWarning, d.Pos, "", "%s", d.Msg)
	}
}

func checkEncrypted(c *checker) {
	for _, file := range c.inv.EncryptedFiles {
		c.report(SeverityInfo, Position{File: file}, "keep secrets only in encrypted files", "the file is encrypted, so what it sets is not known here")
	}
}

func checkUnusedFiles(c *checker) {
	for _, file := range c.inv.UnusedVarFiles {
		name := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(lastElement(file), ".yml"), ".yaml"), ".json")
		if slices.Contains(dynamicGroupNames(), name) && len(c.view.cluster) > 0 {
			continue // Kubespray makes the group
		}
		fix := "rename it after a group or a host, or remove it"
		if renamed, ok := newNames()[name]; ok {
			fix = "rename it to " + renamed
		}
		c.report(SeverityWarning, Position{File: file}, fix, "ansible never reads %s: the inventory has nothing of that name", name)
	}
}

func lastElement(file string) string {
	return file[strings.LastIndexAny(file, `/\`)+1:]
}

// newNames maps Kubespray's old group names to those since v2.16.0.
func newNames() map[string]string {
	return map[string]string{oldControlPlane: groupControlPlane, oldNode: groupNode, oldCluster: groupCluster, oldCalicoRR: groupCalicoRR, "no-floating": "no_floating"}
}

package actions

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/checks"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
	"github.com/kubectl-lab/kubectl-lab/pkg/inventory"
)

func status() Action {
	return Action{
		Words: "status",
		Short: "Check whether the installation is whole",
		Long: `Checks every component of the cluster, from the API server to the add-ons, and says for each finding what to do next.

With --inventory, what a Kubespray inventory declares is compared with what runs: hosts, roles, addresses, versions, ranges, plugins, add-ons. --save-inventory keeps the declaration (no secrets) in a ConfigMap of the cluster; later calls compare with it, without the files. With --pre, the inventory itself is checked, before there is a cluster. With --install-log, the log of a running or ended Kubespray run tells how far it is.

What you may not read is skipped, with the permission that is missing; it is never taken for healthy.

The exit code is 0 if nothing is broken (warnings are allowed), 1 if something is, 2 if the command line is wrong, and 3 if the cluster could not be asked.`,
		Group:  GroupLook,
		Effect: Writes, // --save-inventory alone; see Effect
		Examples: []Example{
			{"Check everything", "status"},
			{"Show only what is wrong", "status --short"},
			{"Check the nodes and DNS", "status --category nodes,dns"},
			{"Wait until a new cluster is whole", "status --wait --timeout 10m"},
			{"List the checks", "status --list-checks"},
			{"Compare the cluster with its Kubespray inventory", "status --inventory inventory/mycluster"},
			{"Check an inventory before installing", "status --pre --inventory inventory/mycluster"},
			{"Follow a Kubespray run", "status --install-log ansible.log -f"},
		},
		New: func() Options { return &StatusOptions{} },
	}
}

// defaultStatusTimeout is how long --wait waits.
const defaultStatusTimeout = 5 * time.Minute

// StatusOptions are the options of "status".
type StatusOptions struct {
	DryRunFlag
	inventoryFlags
	installLogFlags
	// Wait goes on asking while something is broken that may mend itself.
	Wait bool
	// Timeout ends the waiting.
	Timeout time.Duration
	// Categories restricts the checks to these; empty means all.
	Categories []string
	// ListChecks only lists the checks.
	ListChecks bool
	// Short leaves out what is well.
	Short bool
	// Inventory is the inventory to compare with; empty means the saved one.
	Inventory string
	// Pre checks the inventory alone, before there is a cluster.
	Pre bool
	// SaveInventory keeps the declaration in the cluster.
	SaveInventory bool

	timeoutGiven func() bool
}

// Bind implements Options.
func (o *StatusOptions) Bind(fs *pflag.FlagSet) {
	fs.BoolVar(&o.Wait, "wait", false, "while something is broken that may mend itself, check it again")
	fs.DurationVar(&o.Timeout, "timeout", defaultStatusTimeout, "with --wait: give up after this time")
	fs.StringSliceVar(&o.Categories, "category", nil, "check these categories only: "+strings.Join(categoryNames(), ", "))
	fs.BoolVar(&o.ListChecks, "list-checks", false, "list the checks and run none")
	fs.BoolVar(&o.Short, "short", false, "show only what is not well")
	fs.StringVar(&o.Inventory, "inventory", "", "compare the cluster with this Kubespray inventory, a file or a folder")
	fs.BoolVar(&o.Pre, "pre", false, "with --inventory: check the inventory itself, before there is a cluster")
	fs.BoolVar(&o.SaveInventory, "save-inventory", false, "with --inventory: keep what it declares in the cluster, for later calls without the files")
	o.bindInventory(fs)
	o.bindInstallLog(fs)
	o.BindDryRun(fs)
	TerminalOnly(fs, "inventory", "pre", "save-inventory", "dry-run")
	o.timeoutGiven = func() bool { return fs.Changed("timeout") }
}

func categoryNames() []string {
	var names []string
	for _, c := range checks.Categories() {
		names = append(names, string(c))
	}
	return names
}

// Complete implements Options.
func (o *StatusOptions) Complete(args []string) error { return noArgs(args) }

// Validate implements Options.
func (o *StatusOptions) Validate() error {
	if _, err := checks.Select(checks.All(), o.Categories); err != nil {
		return UsageErrorf("--category: %v", err)
	}
	for _, validate := range []func() error{o.ValidateDryRun, o.validateModes, o.validateInventory, o.validateInstallLog} {
		if err := validate(); err != nil {
			return err
		}
	}
	switch {
	case o.Timeout <= 0:
		return UsageErrorf("--timeout must be longer than 0, not %s", o.Timeout)
	case o.timeoutGiven != nil && o.timeoutGiven() && !o.Wait:
		return UsageErrorf("--timeout says how long to wait: add --wait")
	case o.ListChecks && o.Wait:
		return UsageErrorf("--list-checks runs nothing: leave out --wait")
	}
	return nil
}

// validateModes refuses flags that belong to different questions.
func (o *StatusOptions) validateModes() error {
	switch {
	case o.Log != "" && (o.Inventory != "" || o.Pre || o.Wait || o.ListChecks || len(o.Categories) > 0):
		return UsageErrorf("--install-log only reads the log: leave out the flags for checks and inventories")
	case o.Pre && o.Inventory == "":
		return UsageErrorf("--pre checks an inventory: add --inventory PATH")
	case o.SaveInventory && o.Inventory == "":
		return UsageErrorf("--save-inventory keeps what an inventory declares: add --inventory PATH")
	case o.Pre && (o.Wait || o.SaveInventory || o.ListChecks || len(o.Categories) > 0):
		return UsageErrorf("--pre asks no cluster: leave out --wait, --save-inventory, --list-checks and --category")
	case o.DryRunStrategy() != DryRunNone && !o.SaveInventory:
		return UsageErrorf("--dry-run is for --save-inventory: nothing else is written")
	}
	return nil
}

// Effect implements Effecter: only --save-inventory writes.
func (o *StatusOptions) Effect() Effect {
	if o.SaveInventory && o.DryRunStrategy() == DryRunNone {
		return Writes
	}
	return Reads
}

// Run implements Options.
func (o *StatusOptions) Run(ctx context.Context, env *Env) (Result, error) {
	switch {
	case o.Log != "":
		return o.runInstallLog(ctx, env)
	case o.Pre:
		return checkInventory(ctx, env, o.Inventory, o.inventoryFlags)
	}
	return o.runChecks(ctx, env)
}

func (o *StatusOptions) runChecks(ctx context.Context, env *Env) (Result, error) {
	selected, err := checks.Select(checks.All(), o.Categories)
	if err != nil {
		return nil, err
	}
	if o.ListChecks {
		return newCheckList(selected), nil
	}
	declared, err := o.declaration(ctx, env)
	if err != nil {
		return nil, err
	}
	source, err := checkSource(env.Cluster)
	if err != nil {
		return nil, err
	}
	var saved []Change
	if o.SaveInventory {
		if saved, err = saveDeclaration(ctx, source.Kubernetes, declared, o.DryRunStrategy()); err != nil {
			return nil, err
		}
	}
	runner := checks.Runner{
		Checks: selected,
		Source: source,
		Config: checks.Config{Now: env.Time, Explain: func(err error) string { return Explain(err).Message }, Declared: declared},
	}
	if o.Wait {
		runner.Wait = o.Timeout
	}
	runner.Observer = &statusObserver{env: env, wait: runner.Wait}
	report, err := runner.Run(ctx)
	result := newStatusResult(report, o.Short)
	result.saved, result.dryRun = saved, o.DryRunStrategy()
	if err != nil {
		return result, err
	}
	return result, unreachable(report.Unreachable)
}

// declaration is what --inventory declares; nil without it.
func (o *StatusOptions) declaration(ctx context.Context, env *Env) (*inventory.Declaration, error) {
	if o.Inventory == "" {
		return nil, nil
	}
	inv, err := loadInventory(ctx, env, o.Inventory)
	if err != nil {
		return nil, err
	}
	return inventory.Declare(inv, o.Release), nil
}

// unreachable is the error of a cluster that could not be asked; nil if it could. Whatever the
// cause, the exit code is the one for that.
func unreachable(err error) error {
	if err == nil {
		return nil
	}
	e := *Explain(err)
	e.Code = ExitUnreachable
	return &e
}

func checkSource(cluster *Cluster) (checks.Source, error) {
	var source checks.Source
	var errs [4]error
	source.Kubernetes, errs[0] = cluster.Kubernetes()
	source.Metadata, errs[1] = cluster.Metadata()
	source.Dynamic, errs[2] = cluster.Dynamic()
	source.Config, errs[3] = cluster.RESTConfig()
	for _, err := range errs {
		if err != nil {
			return source, err
		}
	}
	return source, nil
}

// Suggest implements Suggester: the categories.
func (o *StatusOptions) Suggest(_ context.Context, _ *Env, flag string, _ []string, _ string) []string {
	if flag == "category" {
		return categoryNames()
	}
	return nil
}

// statusObserver shows what is wrong so far and how much is to go; the whole comes at the end. The runner
// calls it one at a time.
type statusObserver struct {
	env *Env
	// wait is for how long what is broken may mend itself.
	wait    time.Duration
	results []checks.Result
	index   map[string]int
}

// Planned implements checks.Observer.
func (w *statusObserver) Planned(results []checks.Result) {
	w.results = results
	w.index = make(map[string]int, len(results))
	for i, r := range results {
		w.index[r.ID] = i
	}
	w.show()
}

// Finished implements checks.Observer.
func (w *statusObserver) Finished(r checks.Result) {
	w.results[w.index[r.ID]] = r
	w.show()
}

func (w *statusObserver) show() {
	if w.env.Observer == nil {
		return
	}
	w.env.Observe(Partial{Document: newStatusResult(&checks.Report{Results: w.results}, true).progress(w.wait)})
}

// StatusResult is what "status" found.
type StatusResult struct {
	Header
	// Verdict is the whole in one word.
	Verdict StatusVerdict   `json:"verdict"`
	Summary checks.Summary  `json:"summary"`
	Checks  []checks.Result `json:"checks"`

	short  bool
	saved  []Change
	dryRun DryRun
}

// StatusVerdict is what all checks together say.
type StatusVerdict string

// The verdicts.
const (
	// StatusHealthy: nothing is broken, and everything was looked at that could be.
	StatusHealthy StatusVerdict = "healthy"
	// StatusBroken: something is.
	StatusBroken StatusVerdict = "broken"
	// StatusIncomplete: nothing broken was found, but not everything was permitted to be looked at.
	StatusIncomplete StatusVerdict = "incomplete"
	// StatusUnreachable: the cluster could not be asked.
	StatusUnreachable StatusVerdict = "unreachable"
)

func statusVerdict(report *checks.Report, sum checks.Summary) StatusVerdict {
	switch {
	case report.Unreachable != nil:
		return StatusUnreachable
	case sum.Failed > 0:
		return StatusBroken
	case sum.NotPermitted > 0:
		return StatusIncomplete
	}
	return StatusHealthy
}

// Changes implements Changer: what --save-inventory wrote.
func (r *StatusResult) Changes() []Change { return r.saved }

// newStatusResult leaves out the comparison with an inventory if there is none.
func newStatusResult(report *checks.Report, short bool) *StatusResult {
	report = &checks.Report{Unreachable: report.Unreachable, Results: slices.DeleteFunc(slices.Clone(report.Results), func(c checks.Result) bool {
		return c.Category == checks.CategoryInventory && (c.Absent || c.Status == checks.StatusPending)
	})}
	summary := report.Summary()
	return &StatusResult{
		Header:  NewHeader("StatusResult"),
		Summary: summary,
		Verdict: statusVerdict(report, summary),
		Checks:  report.Results,
		short:   short,
	}
}

// Broken implements Finding.
func (r *StatusResult) Broken() bool {
	return r.Verdict == StatusBroken || r.Verdict == StatusUnreachable
}

// Document implements Result.
func (r *StatusResult) Document() *document.Document {
	doc := &document.Document{}
	if r.Verdict == StatusUnreachable {
		return doc // the error says it all
	}
	r.addVerdicts(doc)
	if len(r.saved) > 0 {
		doc.Add(ChangeVerdicts(r.saved, r.dryRun))
	}
	r.addMissing(doc)
	return doc.Add(r.note())
}

// progress is the document while checks run, and while what is broken is waited for.
func (r *StatusResult) progress(wait time.Duration) *document.Document {
	doc := &document.Document{}
	r.addVerdicts(doc)
	note := r.note()
	if wait > 0 && r.Verdict == StatusBroken && r.Summary.Pending == 0 {
		note.Text = fmt.Sprintf("Waiting up to %s for it to mend (%s)", wait, r.Summary)
	}
	return doc.Add(note)
}

func (r *StatusResult) addVerdicts(doc *document.Document) {
	for _, category := range checks.Categories() {
		if verdicts := r.verdicts(category); len(verdicts) > 0 {
			doc.Add(document.Heading{Text: category.Title()}, verdicts)
		}
		if category == checks.CategoryInventory {
			r.addComparisons(doc)
		}
	}
}

// addMissing shows what the requester would have to be allowed to do.
func (r *StatusResult) addMissing(doc *document.Document) {
	byVerb := map[string][]string{}
	var example string
	for _, c := range r.Checks {
		if p := c.MissingPermission; p != nil && !slices.Contains(byVerb[p.Verb], p.Target()) {
			byVerb[p.Verb] = append(byVerb[p.Verb], p.Target())
			example = cmp.Or(example, p.CanI())
		}
	}
	if len(byVerb) == 0 {
		return
	}
	var facts document.Facts
	for _, verb := range slices.Sorted(maps.Keys(byVerb)) {
		slices.Sort(byVerb[verb])
		facts = append(facts, document.Fact{Name: verb, Value: document.T(strings.Join(byVerb[verb], ", "))})
	}
	doc.Add(document.Heading{Text: "Not permitted"}, facts,
		document.Note{Tone: document.Warning, Text: "Ask an administrator for these permissions; check one with: " + example})
}

// note is the last line.
func (r *StatusResult) note() document.Note {
	tone := document.Good
	switch {
	case r.Broken():
		tone = document.Bad
	case r.Summary.Warnings > 0, r.Verdict == StatusIncomplete:
		tone = document.Warning
	case r.Summary.Pending > 0:
		tone = document.Muted
	}
	return document.Note{Tone: tone, Text: r.sentence()}
}

// sentence says the verdict and how many checks ended how.
func (r *StatusResult) sentence() string {
	switch {
	case r.Summary.Pending > 0:
		return r.Summary.String()
	case r.Verdict == StatusIncomplete:
		return "Nothing broken was found, but not everything could be looked at (" + r.Summary.String() + ")"
	case r.Verdict == StatusBroken:
		return "Broken (" + r.Summary.String() + ")"
	}
	return "Healthy (" + r.Summary.String() + ")"
}

// verdicts are one category's lines. Add-ons that are not installed share one line.
func (r *StatusResult) verdicts(category checks.Category) document.Verdicts {
	if category == checks.CategoryInventory && !r.short && r.inventoryRefused() {
		return document.Verdicts{{Status: document.Skipped, Subject: "the cluster is as its saved inventory declares, if there is one:", Message: "not permitted to look"}}
	}
	var verdicts document.Verdicts
	var absent []string
	for _, c := range r.Checks {
		switch {
		case c.Category != category, r.short && !isWrong(c):
		case c.Absent && checks.IsAddon(c.ID):
			absent = append(absent, c.Asserts)
		default:
			verdicts = append(verdicts, checkVerdict(c))
		}
	}
	if len(absent) > 0 {
		verdicts = append(verdicts, document.Verdict{Subject: "not installed:", Message: strings.Join(absent, ", ")})
	}
	return verdicts
}

// inventoryRefused reports whether no comparison was permitted, so that one line says it all.
func (r *StatusResult) inventoryRefused() bool {
	compared, refused := 0, 0
	for _, c := range r.Checks {
		if c.Category != checks.CategoryInventory {
			continue
		}
		compared++
		if c.MissingPermission != nil && c.MissingPermission.Name == checks.DeclarationName {
			refused++
		}
	}
	return compared > 0 && compared == refused
}

// isWrong reports whether a check found something to mend.
func isWrong(c checks.Result) bool {
	return c.Status == checks.StatusFailed && c.Severity != checks.Info
}

func checkVerdict(c checks.Result) document.Verdict {
	v := document.Verdict{Status: verdictStatus(c), Subject: c.Asserts, Message: c.Message, Hint: c.Hint}
	if c.Message != "" {
		v.Subject += ":"
	}
	if c.MissingPermission != nil {
		v.Hint = "" // all that are missing are named below
	}
	if c.Status == checks.StatusFailed {
		v.URL = c.Documentation
	}
	return v
}

func verdictStatus(c checks.Result) document.Status {
	switch {
	case c.Status == checks.StatusOK:
		return document.OK
	case c.Status == checks.StatusPending:
		return document.Pending
	case c.Status == checks.StatusSkipped:
		return document.Skipped
	case c.Broken():
		return document.Failed
	case c.Severity == checks.Info:
		return document.Skipped
	}
	return document.Attention
}

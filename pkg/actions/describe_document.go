package actions

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
	"github.com/kubectl-lab/kubectl-lab/pkg/limits"
)

// One screen is 45 lines of 120 columns. These bounds keep the description within it however large the
// cluster is.
const (
	factWidth   = 100 // characters of a fact's value
	shortRows   = 4
	warningRows = 4
	cellWidth   = 48 // characters of an object or a message in a table
)

// document shows the cluster on one screen.
func (d *ClusterDescription) document() *document.Document {
	doc := &document.Document{Title: "Cluster " + d.Server}
	doc.Add(d.facts())
	if table := d.shortTable(); len(table.Rows) > 0 {
		doc.Add(document.Heading{Text: "Workloads short of replicas"}, table)
	}
	if table := d.warningsTable(); len(table.Rows) > 0 {
		doc.Add(document.Heading{Text: d.warningsHeading()}, table)
	}
	if len(d.Limits) > 0 {
		doc.Add(document.Heading{Text: "Headroom against what Kubernetes is designed for, " + limits.ClusterLarge}, d.limitsTable())
	}
	if hint := d.permissionHint(); hint != "" {
		doc.Add(document.Note{Tone: document.Info, Text: hint})
	}
	return doc
}

// facts is what fits in one line each.
func (d *ClusterDescription) facts() document.Facts {
	b := &factsBuilder{cluster: d}
	b.add("Version", []string{"version"}, d.versionText)
	b.add("Nodes", []string{"nodes"}, d.nodesText)
	if d.Nodes != nil {
		b.tally("  roles", d.Nodes.Roles)
		b.tally("  zones", d.Nodes.Zones)
		b.tally("  kubelets", d.Nodes.Kubelets)
		b.tally("  runtimes", d.Nodes.Runtimes)
		b.names("  not ready", d.Nodes.NotReady, d.Nodes.Total-d.Nodes.Ready, document.Bad)
		b.text("  allocatable", document.T(d.Nodes.Allocatable.String()))
	}
	b.add("Pods", []string{"pods"}, d.podsText)
	b.add("Namespaces", []string{"namespaces", "pods by namespace"}, d.namespacesText)
	b.add("Workloads", []string{"deployments", "statefulsets", "daemonsets"}, d.workloadsText)
	b.add("Services", []string{"services", "endpoint slices"}, d.servicesText)
	if d.Services != nil && d.Services.WithoutBackends != nil {
		b.names("  no backend", d.Services.WithoutBackendsOf, *d.Services.WithoutBackends, document.Warning)
	}
	b.add("kube-system", []string{"control plane"}, d.systemText)
	if d.Warnings == nil || d.Warnings.Total == 0 {
		b.add("Warnings", []string{"events"}, func() document.Text { return document.Text{Value: "none", Tone: document.Good} })
	}
	return b.facts
}

// factsBuilder adds facts, each or the reason why it is not known.
type factsBuilder struct {
	cluster *ClusterDescription
	facts   document.Facts
}

func (b *factsBuilder) text(name string, value document.Text) {
	value.Value = shorten(value.Value, factWidth)
	b.facts = append(b.facts, document.Fact{Name: name, Value: value})
}

// add adds a fact that is made from these parts, and what of them could not be read.
func (b *factsBuilder) add(name string, parts []string, value func() document.Text) {
	var missing []string
	for _, part := range parts {
		if unread := b.cluster.unread(part); unread != nil {
			missing = append(missing, unread.String())
		}
	}
	known := value()
	switch {
	case known.Value == "" && len(missing) == 0:
		return
	case known.Value == "":
		known.Tone = document.Muted
	case len(missing) > 0:
		known.Value += "; "
	}
	known.Value += strings.Join(missing, "; ")
	b.text(name, known)
}

func (b *factsBuilder) tally(name string, t Tally) {
	if len(t) > 0 {
		b.text(name, document.T(t.String()))
	}
}

// names lists the first names of so many.
func (b *factsBuilder) names(name string, names []string, total int, tone document.Tone) {
	if total > 0 {
		b.text(name, document.Text{Value: listing(names, total), Tone: tone})
	}
}

// String says in a few words why a part is missing.
func (u *UnreadPart) String() string {
	switch {
	case u.Missing != "":
		return "not permitted: " + u.Missing
	case u.Absent:
		return "this cluster does not serve " + u.Part
	default:
		return u.Part + " could not be read: " + u.Error
	}
}

func (d *ClusterDescription) versionText() document.Text {
	if d.Version == nil {
		return document.Text{}
	}
	text := d.Version.Server
	if d.APIServers > 1 {
		text += ", " + plural(d.APIServers, "API server")
	}
	switch {
	case len(d.Version.Skew) > 0:
		return document.Text{Value: text + "; skew: " + listing(d.Version.Skew, len(d.Version.Skew)), Tone: document.Bad}
	case len(d.Version.Unjudged) > 0:
		return document.T(text + "; skew unknown: " + listing(d.Version.Unjudged, len(d.Version.Unjudged)))
	case d.Nodes != nil:
		return document.T(text + "; all components within the version skew policy")
	}
	return document.T(text)
}

func (d *ClusterDescription) nodesText() document.Text {
	if d.Nodes == nil {
		return document.Text{}
	}
	n := d.Nodes
	text := document.Text{Value: fmt.Sprintf("%s, %s ready", number(n.Total), number(n.Ready)), Tone: document.Good}
	if notReady := n.Total - n.Ready; notReady > 0 {
		text = document.Text{Value: text.Value + fmt.Sprintf(", %s not ready", number(notReady)), Tone: document.Bad}
	}
	if n.Unschedulable > 0 {
		text.Value += fmt.Sprintf(", %s cordoned", number(n.Unschedulable))
	}
	if n.Total == 0 {
		text = document.Text{Value: "none", Tone: document.Bad}
	}
	return text
}

func (r Resources) String() string {
	return fmt.Sprintf("%s CPUs, %s memory, %s pods", number(int(r.CPU.Value())), binary(r.Memory.Value()), number(int(r.Pods)))
}

func (d *ClusterDescription) podsText() document.Text {
	if d.Pods == nil {
		return document.Text{}
	}
	p := d.Pods
	if p.Total == 0 {
		return document.T("none")
	}
	text := document.Text{Value: fmt.Sprintf("%s: %s", number(p.Total), p.ByStatus), Tone: document.Good}
	for status := range p.ByStatus {
		if status != "Running" && status != "Completed" && status != "Succeeded" {
			text.Tone = document.Warning
		}
	}
	if p.Restarts > 0 {
		text.Value += "; " + plural(p.Restarts, "restart")
	}
	return text
}

func (d *ClusterDescription) namespacesText() document.Text {
	var texts []string
	if d.Namespaces != nil {
		texts = append(texts, number(*d.Namespaces))
	}
	if len(d.PodsByNamespace) > 0 {
		texts = append(texts, "pods: "+d.PodsByNamespace.String())
	}
	return document.T(strings.Join(texts, "; "))
}

func (d *ClusterDescription) workloadsText() document.Text {
	var texts []string
	short := 0
	for _, w := range d.Workloads {
		texts = append(texts, plural(w.Total, w.Kind))
		short += w.Short
	}
	if len(texts) == 0 {
		return document.Text{}
	}
	text := strings.Join(texts, ", ")
	if short == 0 {
		return document.Text{Value: text + ", all complete", Tone: document.Good}
	}
	return document.Text{Value: fmt.Sprintf("%s; %s short of replicas", text, number(short)), Tone: document.Warning}
}

func (d *ClusterDescription) servicesText() document.Text {
	if d.Services == nil {
		return document.Text{}
	}
	text := document.T(fmt.Sprintf("%s: %s", number(d.Services.Total), d.Services.ByType))
	if without := d.Services.WithoutBackends; without != nil && *without > 0 {
		text = document.Text{Value: fmt.Sprintf("%s; %s without a ready backend", text.Value, number(*without)), Tone: document.Warning}
	}
	return text
}

func (d *ClusterDescription) systemText() document.Text {
	tone := document.Good
	var texts []string
	for _, c := range d.System {
		texts = append(texts, fmt.Sprintf("%s %s/%s", c.Name, number(int(c.Ready)), number(int(c.Wanted))))
		if c.Ready < c.Wanted {
			tone = document.Warning
		}
	}
	if len(texts) == 0 && d.read("control plane") {
		return document.T("no components to be seen in kube-system")
	}
	return document.Text{Value: listing(texts, len(texts)), Tone: tone}
}

func (d *ClusterDescription) shortTable() document.Table {
	table := document.Table{Columns: []document.Column{{Name: "KIND"}, {Name: "NAMESPACE"}, {Name: "NAME"}, {Name: "READY", Right: true}, {Name: "WANTED", Right: true}}}
	total := 0
	for _, w := range d.Workloads {
		total += w.Short
		for _, s := range w.ShortOf {
			if len(table.Rows) == shortRows {
				break
			}
			table.Rows = append(table.Rows, []document.Text{
				document.T(w.Kind), document.T(s.Namespace), document.T(shorten(s.Name, cellWidth)),
				{Value: number(int(s.Ready)), Tone: document.Warning}, document.T(number(int(s.Wanted))),
			})
		}
	}
	table.Omitted = total - len(table.Rows)
	return table
}

func (d *ClusterDescription) warningsHeading() string {
	heading := "Recent warnings"
	if d.Warnings.Truncated {
		heading += fmt.Sprintf(" (of the first %s events)", number(d.Warnings.Total))
	}
	return heading
}

func (d *ClusterDescription) warningsTable() document.Table {
	table := document.Table{Columns: []document.Column{
		{Name: "LAST SEEN"}, {Name: "TIMES", Right: true}, {Name: "REASON"}, {Name: "OBJECT"}, {Name: "MESSAGE"},
	}}
	if d.Warnings == nil {
		return table
	}
	for _, g := range d.Warnings.Groups[:min(warningRows, len(d.Warnings.Groups))] {
		object := g.Object.String()
		if g.Objects > 1 {
			object = plural(g.Objects, strings.ToLower(g.Kind))
		}
		table.Rows = append(table.Rows, []document.Text{
			document.T(d.ago(g.LastSeen.Time)), document.T(number(g.Count)),
			{Value: g.Reason, Tone: document.Warning}, document.T(shorten(object, cellWidth-16)), document.T(shorten(g.Message, cellWidth)),
		})
	}
	table.Omitted = len(d.Warnings.Groups) - len(table.Rows)
	return table
}

// ago is never negative: the cluster's clock may be ahead.
func (d *ClusterDescription) ago(t time.Time) string {
	return duration.HumanDuration(max(0, d.at.Sub(t))) + " ago"
}

func (d *ClusterDescription) limitsTable() document.Table {
	table := document.Table{Columns: []document.Column{
		{Name: "LIMIT"}, {Name: "NOW", Right: true}, {Name: "MAX", Right: true}, {Name: "USED", Right: true}, {Name: "LEFT", Right: true}, {Name: "SOURCE", Wide: true},
	}}
	for _, use := range d.Limits {
		name := use.Quantity
		if use.Scope == limits.Node && d.Pods != nil && d.Pods.BusiestNode != "" {
			name += ", at most on " + d.Pods.BusiestNode
		}
		table.Rows = append(table.Rows, []document.Text{
			document.T(shorten(name, cellWidth)), document.T(number(use.Used)), document.T(number(use.Max)),
			{Value: fmt.Sprintf("%d%%", use.Percent()), Tone: levelTone(use.Level())}, document.T(number(use.Left())), document.T(use.Source),
		})
	}
	return table
}

func levelTone(level limits.Level) document.Tone {
	switch level {
	case limits.Beyond:
		return document.Bad
	case limits.Close:
		return document.Warning
	default:
		return document.Plain
	}
}

// permissionHint says what to do about what may not be read.
func (d *ClusterDescription) permissionHint() string {
	for _, u := range d.Unread {
		if u.CanI != "" {
			return "Ask an administrator for the missing permissions; check with: " + u.CanI
		}
	}
	return ""
}

// String lists the counts, greatest first, as many as fit in a fact.
func (t Tally) String() string {
	items := make([]string, 0, len(t))
	for _, name := range t.Ranked() {
		label := name
		if label == "" {
			label = "(unknown)"
		}
		items = append(items, fmt.Sprintf("%s %s", label, number(t[name])))
	}
	return listing(items, len(items))
}

// listing joins as many of the items as fit, and says how many of the total there are beyond them.
func listing(items []string, total int) string {
	const budget = factWidth - 30 // what stands before, and "and 12,345 more" behind
	var shown strings.Builder
	n := 0
	for ; n < len(items); n++ {
		if n > 0 && shown.Len()+len(items[n]) > budget {
			break
		}
		if n > 0 {
			shown.WriteString(", ")
		}
		shown.WriteString(items[n])
	}
	if more := total - n; more > 0 {
		fmt.Fprintf(&shown, " and %s more", number(more))
	}
	return shown.String()
}

// shorten cuts a text to so many characters and marks the cut.
func shorten(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}

// number writes an integer with commas: 150,000.
func number(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}

// plural writes a count of things whose plural ends in s.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return number(n) + " " + thing + "s"
}

// binary writes bytes in the largest unit that leaves a number of at least one: 312.5 TiB.
func binary(bytes int64) string {
	value, unit := float64(bytes), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0") + " " + units[unit]
}

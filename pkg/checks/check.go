// Package checks answers "is this Kubernetes installation whole?" finding by finding. A Check asserts
// one thing about a Snapshot, which reads each resource of the cluster at most once, when the first
// check needs it, and shares it among all. Checks run side by side; an Observer receives each
// Result as it comes.
//
// One category is one file. To add a check, add it to its category's function, document it under an
// anchor of the same name in docs/checks.md, and inject its fault in faults_test.go.
package checks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
)

// Category groups checks under a heading.
type Category string

// The categories.
const (
	CategoryAPI          Category = "api"
	CategoryControlPlane Category = "control-plane"
	CategoryNodes        Category = "nodes"
	CategoryNetwork      Category = "network"
	CategoryDNS          Category = "dns"
	CategoryStorage      Category = "storage"
	CategoryWorkloads    Category = "workloads"
	CategoryAddons       Category = "addons"
	CategoryAccess       Category = "access"
	CategoryLimits       Category = "limits"
	CategoryInventory    Category = "inventory"
)

// Categories lists the categories in the order in which they are shown.
func Categories() []Category {
	return []Category{
		CategoryAPI, CategoryControlPlane, CategoryNodes, CategoryNetwork, CategoryDNS,
		CategoryStorage, CategoryWorkloads, CategoryAddons, CategoryAccess, CategoryLimits,
		CategoryInventory,
	}
}

// Title is the category's heading.
func (c Category) Title() string {
	switch c {
	case CategoryAPI:
		return "API server"
	case CategoryControlPlane:
		return "Control plane"
	case CategoryDNS:
		return "DNS"
	case CategoryAddons:
		return "Add-ons"
	}
	return strings.ToUpper(string(c[:1])) + string(c[1:])
}

// Severity says how bad it is if an assertion does not hold.
type Severity string

// The severities, worst first.
const (
	// Fatal ends the checks that need this one; the installation is broken.
	Fatal Severity = "fatal"
	// Error means that something is broken.
	Error Severity = "error"
	// Warning means that it works, but will not for long or not under load.
	Warning Severity = "warning"
	// Info is worth knowing, and nothing to mend.
	Info Severity = "info"
)

// Breaks reports whether a finding of this severity makes the installation broken.
func (s Severity) Breaks() bool { return s == Fatal || s == Error }

// Status is the outcome of a check.
type Status string

// The outcomes. Skipped means that nothing is known, never that all is well.
const (
	StatusPending Status = "pending"
	StatusOK      Status = "ok"
	StatusFailed  Status = "failed"
	StatusSkipped Status = "skipped"
)

// Check asserts one thing about a cluster.
type Check struct {
	// ID names the check, and its anchor in docs/checks.md.
	ID string
	// Category is the heading it stands under.
	Category Category
	// Asserts is what holds if all is well, as a clause: "every node is Ready".
	Asserts string
	// Severity is how bad it is otherwise. An outcome may be milder than that, or worse.
	Severity Severity
	// Hint says what to do if it fails, in one line; an outcome may know better.
	Hint string
	// Needs are the IDs of checks without which this one tells nothing: it is skipped if one of
	// them found something broken.
	Needs []string
	// Retry says that the finding may go away by itself, as pods start and nodes join.
	Retry bool

	// reads are what the check looks at. It is skipped if one of them may not be read.
	reads []reading
	// uses are what it looks at if it may; a check asks read.ok before it trusts them.
	uses []reading
	// takes are the permissions that it takes beyond its reads'.
	takes []Permission
	// run looks. Its reads and uses are there already.
	run func(ctx context.Context, s *Snapshot) Outcome
	// last runs it when all others have run.
	last bool
}

// Permissions lists what one must be allowed to do in the cluster for the check not to be skipped.
func (c Check) Permissions() []Permission {
	s := NewSnapshot(Source{}, Config{})
	var needed []Permission
	for _, r := range c.reads {
		needed = append(needed, r(s).permission())
	}
	return append(needed, c.takes...)
}

// Object names a Kubernetes object.
type Object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// Outcome is what a check found.
type Outcome struct {
	Status   Status
	Severity Severity
	Message  string
	// Hint replaces the check's own if it isn't empty.
	Hint string
	// Missing is the permission for want of which a check was skipped.
	Missing *Permission
	// Absent marks what is not installed, and need not be.
	Absent bool
	// Objects are those with which something is wrong.
	Objects []Object
	// Comparisons are declared values against live ones.
	Comparisons []Comparison
}

// Result is a check's outcome as users get it.
type Result struct {
	ID       string   `json:"id"`
	Category Category `json:"category"`
	Asserts  string   `json:"asserts"`
	Status   Status   `json:"status"`
	// Severity is set if Status is failed.
	Severity Severity `json:"severity,omitempty"`
	Message  string   `json:"message,omitempty"`
	// Hint says what to do next.
	Hint string `json:"hint,omitempty"`
	// Documentation leads to the check's section in docs/checks.md.
	Documentation string `json:"documentation,omitempty"`
	// MissingPermission is what the requester may not do, if that is why the check was skipped.
	MissingPermission *Permission  `json:"missingPermission,omitempty"`
	Absent            bool         `json:"absent,omitempty"`
	Objects           []Object     `json:"objects,omitempty"`
	Comparisons       []Comparison `json:"comparisons,omitempty"`
	// DurationSeconds is how long it took, waiting for its answers included.
	DurationSeconds float64 `json:"durationSeconds"`
	// Attempts is how often it ran; more than once only while waiting.
	Attempts int `json:"attempts,omitempty"`

	// blocked says that the check could not look for a reason that may pass.
	blocked bool
}

// Broken reports whether the check found something broken.
func (r Result) Broken() bool { return r.Status == StatusFailed && r.Severity.Breaks() }

// Comparison is one declared value against the live one.
type Comparison struct {
	// Subject is what has the value, such as "k8s02 ip" or "kube_version".
	Subject string `json:"subject"`
	// Declared is the inventory's value.
	Declared string `json:"declared,omitempty"`
	// Live is the cluster's value.
	Live string `json:"live,omitempty"`
	// Verdict is match, differs, unresolved or unknown.
	Verdict ComparisonVerdict `json:"verdict"`
	// Reason says why the verdict is unresolved or unknown.
	Reason string `json:"reason,omitempty"`
	// Source is where it is declared, as FILE:LINE.
	Source string `json:"source,omitempty"`
}

// ComparisonVerdict is the outcome of a Comparison.
type ComparisonVerdict string

// The outcomes of a comparison.
const (
	Match      ComparisonVerdict = "match"
	Differs    ComparisonVerdict = "differs"
	Unresolved ComparisonVerdict = "unresolved"
	Unknown    ComparisonVerdict = "unknown"
)

// Permission is something that a user may or may not do.
type Permission struct {
	Verb string `json:"verb"`
	// Resource is a resource with its API group, such as "deployments.apps"; empty for a Path.
	Resource    string `json:"resource,omitempty"`
	Subresource string `json:"subresource,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
	// Path is a path that is no resource, such as "/readyz".
	Path string `json:"path,omitempty"`
}

// String is the permission in words, such as `list pods` or `get configmaps "kube-proxy" in
// namespace "kube-system"`.
func (p Permission) String() string {
	if p.Path != "" {
		return p.Verb + " " + p.Path
	}
	var b strings.Builder
	b.WriteString(p.Verb + " " + p.Resource)
	if p.Subresource != "" {
		b.WriteString("/" + p.Subresource)
	}
	if p.Name != "" {
		fmt.Fprintf(&b, " %q", p.Name)
	}
	if p.Namespace != "" {
		fmt.Fprintf(&b, " in namespace %q", p.Namespace)
	}
	return b.String()
}

// Target is what the permission is for, without the verb, such as "pods/portforward -n kube-system".
func (p Permission) Target() string {
	if p.Path != "" {
		return p.Path
	}
	target := p.Resource
	if p.Subresource != "" {
		target += "/" + p.Subresource
	}
	if p.Name != "" {
		target += "/" + p.Name
	}
	if p.Namespace != "" {
		target += " -n " + p.Namespace
	}
	return target
}

// CanI is the command that asks the cluster about the permission.
func (p Permission) CanI() string {
	if p.Path != "" {
		return fmt.Sprintf("kubectl auth can-i %s %s", p.Verb, p.Path)
	}
	line := fmt.Sprintf("kubectl auth can-i %s %s", p.Verb, p.Resource)
	if p.Name != "" {
		line += "/" + p.Name
	}
	if p.Subresource != "" {
		line += " --subresource=" + p.Subresource
	}
	if p.Namespace != "" {
		return line + " -n " + p.Namespace
	}
	return line + " -A"
}

// passf says that the assertion holds.
func passf(format string, args ...any) Outcome {
	return Outcome{Status: StatusOK, Message: fmt.Sprintf(format, args...)}
}

// absentf says that something optional is not installed.
func absentf(format string, args ...any) Outcome {
	return Outcome{Status: StatusOK, Absent: true, Message: fmt.Sprintf(format, args...)}
}

// failf says that the assertion does not hold, with the check's own severity.
func failf(objects []Object, format string, args ...any) Outcome {
	return Outcome{Status: StatusFailed, Objects: objects, Message: fmt.Sprintf(format, args...)}
}

// skipf says why nothing is known.
func skipf(format string, args ...any) Outcome {
	return Outcome{Status: StatusSkipped, Message: fmt.Sprintf(format, args...)}
}

// as sets a severity other than the check's own.
func (o Outcome) as(s Severity) Outcome {
	o.Severity = s
	return o
}

// hintf sets a hint that fits better than the check's own.
func (o Outcome) hintf(format string, args ...any) Outcome {
	o.Hint = fmt.Sprintf(format, args...)
	return o
}

// problems collects what is wrong with single objects.
type problems struct {
	objects []Object
	lines   []string
}

func (p *problems) addf(o Object, format string, args ...any) {
	if o != (Object{}) {
		p.objects = append(p.objects, o)
	}
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

func (p *problems) any() bool { return len(p.lines) > 0 }

// outcome is a failure that names the problems, or the pass if there are none.
func (p *problems) outcome(pass Outcome) Outcome {
	if !p.any() {
		return pass
	}
	return failf(p.objects, "%s", some(p.lines, "; "))
}

// mostNamed is how many things a message names before it only counts.
const mostNamed = 5

// some joins items, and counts those beyond the first few.
func some(items []string, sep string) string {
	if len(items) <= mostNamed {
		return strings.Join(items, sep)
	}
	return strings.Join(items[:mostNamed], sep) + fmt.Sprintf("%sand %d more", sep, len(items)-mostNamed)
}

// names joins names in order.
func names(items []string) string { return some(slices.Sorted(slices.Values(items)), ", ") }

// count is "1 node" or "3 nodes".
func count(n int, singular string) string {
	if n == 1 {
		return "1 " + singular
	}
	return fmt.Sprintf("%d %s", n, plural(singular))
}

func plural(singular string) string {
	switch {
	case strings.HasSuffix(singular, "s"), strings.HasSuffix(singular, "ch"):
		return singular + "es"
	case strings.HasSuffix(singular, "y") && !strings.HasSuffix(singular, "ay"):
		return strings.TrimSuffix(singular, "y") + "ies"
	}
	return singular + "s"
}

// ago is a duration as kubectl prints ages, such as "3d4h".
func ago(d time.Duration) string { return duration.HumanDuration(d) }

// seconds is a duration as JSON numbers give it.
func seconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e6 }

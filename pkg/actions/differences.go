package actions

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// differences collects what an existing object has otherwise than asked for.
type differences struct{ found []string }

// text compares one value.
func (d *differences) text(what, live, desired string) {
	if live != desired {
		d.found = append(d.found, fmt.Sprintf("%s %s instead of %s", what, quoteOrNone(live), quoteOrNone(desired)))
	}
}

// list compares values in order.
func (d *differences) list(what string, live, desired []string) {
	d.text(what, strings.Join(live, " "), strings.Join(desired, " "))
}

// set compares values in any order.
func (d *differences) set(what string, live, desired []string) {
	d.text(what, strings.Join(slices.Sorted(slices.Values(live)), ","), strings.Join(slices.Sorted(slices.Values(desired)), ","))
}

// labels compares labels. Those that Kubernetes itself adds do not count (the admission plugin
// PodTopologyLabels does so), nor does the one that all our objects have.
func (d *differences) labels(what string, live, desired map[string]string) {
	d.text(what, formatOwn(live, desired), formatOwn(desired, desired))
}

func formatOwn(set, desired map[string]string) string {
	own := maps.Clone(set)
	maps.DeleteFunc(own, func(key, _ string) bool {
		_, asked := desired[key]
		return key == ManagedByLabel || !asked && isKubernetesKey(key)
	})
	return pairs(own)
}

// selector compares labels, all of them.
func (d *differences) selector(what string, live, desired map[string]string) {
	d.text(what, pairs(live), pairs(desired))
}

func pairs(set map[string]string) string {
	if len(set) == 0 {
		return ""
	}
	return FormatLabels(set)
}

// isKubernetesKey reports whether a label key is reserved for Kubernetes itself.
// See https://kubernetes.io/docs/reference/labels-annotations-taints/.
func isKubernetesKey(key string) bool {
	prefix, _, found := strings.Cut(key, "/")
	return found && (prefix == "kubernetes.io" || prefix == "k8s.io" ||
		strings.HasSuffix(prefix, ".kubernetes.io") || strings.HasSuffix(prefix, ".k8s.io"))
}

func quoteOrNone(text string) string {
	if text == "" {
		return "none"
	}
	return fmt.Sprintf("%q", text)
}

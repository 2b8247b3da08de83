package actions

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

// LabelChange is what a command line asks of an object's labels: keys to set and keys to remove.
type LabelChange struct {
	Set    map[string]string
	Remove []string
}

// isLabelWord tells KEY=VALUE and KEY- from a name. No object name contains "=" or ends with "-".
func isLabelWord(word string) bool {
	return strings.Contains(word, "=") || strings.HasSuffix(word, "-")
}

// ParseLabelChange reads words of the forms KEY=VALUE and KEY-. Syntax of keys and values:
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set.
func ParseLabelChange(words []string) (LabelChange, error) {
	change := LabelChange{Set: map[string]string{}}
	for _, word := range words {
		if err := change.add(word); err != nil {
			return LabelChange{}, err
		}
	}
	return change, nil
}

func (c *LabelChange) add(word string) error {
	key, value, isSet := strings.Cut(word, "=")
	if !isSet {
		removed, ok := strings.CutSuffix(word, "-")
		if !ok {
			return UsageErrorf("%q is neither KEY=VALUE, to set a label, nor KEY-, to remove one", word)
		}
		key = removed
	}
	if err := checkLabel(key, value); err != nil {
		return err
	}
	_, set := c.Set[key]
	if set || slices.Contains(c.Remove, key) {
		return UsageErrorf("label %q is named twice", key)
	}
	if isSet {
		c.Set[key] = value
		return nil
	}
	c.Remove = append(c.Remove, key)
	return nil
}

func checkLabel(key, value string) error {
	if problems := validation.IsQualifiedName(key); len(problems) > 0 {
		return UsageErrorf("label key %q is not valid: %s", key, problems[0])
	}
	if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
		return UsageErrorf("value %q of label %q is not valid: %s", value, key, problems[0])
	}
	return nil
}

// ParseLabels reads k=v,k=v as --labels takes it.
func ParseLabels(flag, text string) (map[string]string, error) {
	set := map[string]string{}
	if text == "" {
		return set, nil
	}
	for _, pair := range strings.Split(text, ",") {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			return nil, UsageErrorf("%s: %q is not of the form KEY=VALUE", flag, pair)
		}
		if err := checkLabel(key, value); err != nil {
			return nil, UsageErrorf("%s: %s", flag, err)
		}
		if _, twice := set[key]; twice {
			return nil, UsageErrorf("%s: %q is named twice", flag, key)
		}
		set[key] = value
	}
	return set, nil
}

// ParseSelector reads a label selector as -l takes it.
func ParseSelector(flag, text string) (labels.Selector, error) {
	selector, err := labels.Parse(text)
	if err != nil {
		return nil, UsageErrorf("%s: %q is not a label selector: %s", flag, text, err)
	}
	return selector, nil
}

// FormatLabels joins labels as kubectl shows them, sorted; "<none>" if there are none.
func FormatLabels(set map[string]string) string {
	if len(set) == 0 {
		return "<none>"
	}
	pairs := make([]string, 0, len(set))
	for _, key := range slices.Sorted(maps.Keys(set)) {
		pairs = append(pairs, key+"="+set[key])
	}
	return strings.Join(pairs, ",")
}

// conflicts lists the labels that an object has with another value, as "key: old → new".
func (c LabelChange) conflicts(current map[string]string) []string {
	var found []string
	for _, key := range slices.Sorted(maps.Keys(c.Set)) {
		if old, has := current[key]; has && old != c.Set[key] {
			found = append(found, fmt.Sprintf("%s is %q, not %q", key, old, c.Set[key]))
		}
	}
	return found
}

// apply returns the labels with the change, and what differs in words; nothing if nothing does.
func (c LabelChange) apply(current map[string]string) (changed map[string]string, differences []string) {
	changed = maps.Clone(current)
	if changed == nil {
		changed = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Set)) {
		if old, has := current[key]; !has || old != c.Set[key] {
			changed[key] = c.Set[key]
			differences = append(differences, key+"="+c.Set[key])
		}
	}
	for _, key := range c.Remove {
		if _, has := current[key]; has {
			delete(changed, key)
			differences = append(differences, key+"-")
		}
	}
	return changed, differences
}

package checks

import (
	"regexp"
	"strings"
)

// placeholder is what stands for an object's name in a hint.
var placeholder = regexp.MustCompile(`\b(NODE|POD|NAME)\b`)

// addressed puts the first object's name into a hint, and its namespace if the hint has none, so that its
// commands can be run as they stand.
func addressed(hint string, objects []Object) string {
	if len(objects) == 0 {
		return hint
	}
	o := objects[0]
	name := o.Name
	if o.Namespace != "" && !strings.Contains(hint, " -n ") {
		name += " -n " + o.Namespace
	}
	return placeholder.ReplaceAllStringFunc(hint, func(word string) string {
		if word != "NAME" && !strings.EqualFold(word, o.Kind) {
			return word
		}
		return name
	})
}

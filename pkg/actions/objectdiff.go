package actions

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// mostPaths bounds how many differences a message names.
const mostPaths = 3

// changedPaths names the first fields in which two objects differ, such as ".spec.ports[0].port". What
// the API server keeps itself (status, managed fields, resource version, generation) does not count.
func changedPaths(before, after *unstructured.Unstructured) []string {
	if before == nil || after == nil {
		return nil
	}
	return differingPaths("", contentOf(before), contentOf(after), nil)
}

func contentOf(u *unstructured.Unstructured) map[string]any {
	u = u.DeepCopy()
	delete(u.Object, "status")
	for _, field := range []string{"managedFields", "resourceVersion", "generation"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	if u.GetKind() == "Pod" {
		// The scheduler may bind the pod between two looks at it; nobody else can change this field.
		unstructured.RemoveNestedField(u.Object, "spec", "nodeName")
	}
	return u.Object
}

func differingPaths(path string, before, after any, found []string) []string {
	if len(found) >= mostPaths || reflect.DeepEqual(before, after) {
		return found
	}
	switch a := after.(type) {
	case map[string]any:
		if b, ok := before.(map[string]any); ok {
			return differingFields(path, b, a, found)
		}
	case []any:
		if b, ok := before.([]any); ok && len(a) == len(b) {
			for i := range a {
				found = differingPaths(fmt.Sprintf("%s[%d]", path, i), b[i], a[i], found)
			}
			return found
		}
	}
	return append(found, path)
}

func differingFields(path string, before, after map[string]any, found []string) []string {
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		found = differingPaths(path+"."+name, before[name], after[name], found)
	}
	return found
}

// masked is an object for people to look at: the values of a Secret are replaced, for previews and
// results may be read by others.
func masked(u *unstructured.Unstructured) *unstructured.Unstructured {
	u = printable(u.DeepCopy())
	if u.GetKind() != "Secret" || u.GetAPIVersion() != "v1" {
		return u
	}
	for _, field := range []string{"data", "stringData"} {
		values, _, _ := unstructured.NestedMap(u.Object, field)
		for key := range values {
			values[key] = redacted
		}
		if len(values) > 0 {
			u.Object[field] = values
		}
	}
	annotations := u.GetAnnotations()
	if _, has := annotations["kubectl.kubernetes.io/last-applied-configuration"]; has {
		annotations["kubectl.kubernetes.io/last-applied-configuration"] = redacted
		u.SetAnnotations(annotations)
	}
	return u
}

package actions

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// ChangeResult is the result of the verbs that create and delete objects: one item per object.
type ChangeResult struct {
	Header
	DryRun DryRun   `json:"dryRun"`
	Items  []Change `json:"items"`
	// Notes say what the outcome means, and what to do next.
	Notes []string `json:"notes,omitempty"`
}

func newChangeResult(kind string, dryRun DryRun) *ChangeResult {
	return &ChangeResult{Header: NewHeader(kind), DryRun: dryRun}
}

// Changes implements Changer.
func (r *ChangeResult) Changes() []Change { return r.Items }

// Document implements Result.
func (r *ChangeResult) Document() *document.Document {
	doc := new(document.Document)
	if len(r.Items) > 0 {
		doc.Add(ChangeVerdicts(r.Items, r.DryRun))
	}
	for _, note := range r.Notes {
		doc.Add(document.Note{Tone: document.Info, Text: note})
	}
	return doc
}

// Objects implements Objects: the objects that were created, or would be.
func (r *ChangeResult) Objects() runtime.Object {
	var objects []unstructured.Unstructured
	for _, c := range r.Items {
		if c.After != nil {
			objects = append(objects, *c.After)
		}
	}
	return objectOrList(objects)
}

// objectOrList is one object as it is, and any other number as a v1 List, as kubectl prints them.
func objectOrList(objects []unstructured.Unstructured) runtime.Object {
	if len(objects) == 1 {
		return &objects[0]
	}
	return objectList(objects)
}

// succeed records what happened to the object; after is it with the change.
func (c *Change) succeed(outcome Outcome, after *unstructured.Unstructured) {
	c.Outcome, c.After = outcome, after
}

// fail records why nothing happened to the object.
func (c *Change) fail(err error) {
	c.Outcome, c.Err, c.Message = OutcomeFailed, err, Explain(err).Message
}

// toUnstructured turns a typed object into what previews and printers take, with its apiVersion and
// kind filled in. Managed fields are left out, as kubectl does.
func toUnstructured(object runtime.Object) (*unstructured.Unstructured, error) {
	kinds, _, err := scheme.Scheme.ObjectKinds(object)
	if err != nil {
		return nil, fmt.Errorf("finding the kind of %T: %w", object, err)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("converting %s: %w", kinds[0].Kind, err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(kinds[0])
	return printable(u), nil
}

// printable drops what kubectl does not print either: managed fields, and an empty status.
func printable(u *unstructured.Unstructured) *unstructured.Unstructured {
	u.SetManagedFields(nil)
	if status, found, _ := unstructured.NestedMap(u.Object, "status"); found && len(status) == 0 {
		unstructured.RemoveNestedField(u.Object, "status")
	}
	return u
}

// refOfTyped names a typed object.
func refOfTyped(object runtime.Object) (ObjectRef, error) {
	kinds, _, err := scheme.Scheme.ObjectKinds(object)
	if err != nil {
		return ObjectRef{}, fmt.Errorf("finding the kind of %T: %w", object, err)
	}
	m, err := meta.Accessor(object)
	if err != nil {
		return ObjectRef{}, err
	}
	apiVersion, kind := kinds[0].ToAPIVersionAndKind()
	return ObjectRef{APIVersion: apiVersion, Kind: kind, Namespace: m.GetNamespace(), Name: m.GetName()}, nil
}

// isOurs reports whether an action made an object: it carries the label, or was applied by the field
// manager. (Nodes that were only labeled have the manager with another operation.)
func isOurs(object metav1.Object) bool {
	if object.GetLabels()[ManagedByLabel] == ManagedBy {
		return true
	}
	return slices.ContainsFunc(object.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool {
		return f.Manager == ManagedBy && f.Operation == metav1.ManagedFieldsOperationApply && f.Subresource == ""
	})
}

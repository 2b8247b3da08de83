package actions

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// APIVersion is the apiVersion of the results that are no Kubernetes objects themselves.
const APIVersion = "kubectl-lab.github.io/v1alpha1"

// ManagedBy is the value of the label app.kubernetes.io/managed-by on objects that actions create,
// and the field manager of their server-side applies.
const ManagedBy = "kubectl-lab"

// ManagedByLabel is the recommended label that names an object's manager.
// See https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/.
const ManagedByLabel = "app.kubernetes.io/managed-by"

// Header is the first fields of a typed result.
type Header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// NewHeader is the header of a result of this kind.
func NewHeader(kind string) Header { return Header{APIVersion: APIVersion, Kind: kind} }

// ObjectRef names a Kubernetes object.
type ObjectRef struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// String is the object as kubectl's "-o name" prints it, such as "node/k8s02" or
// "deployment.apps/web".
func (r ObjectRef) String() string {
	kind := strings.ToLower(r.Kind)
	if group := schema.FromAPIVersionAndKind(r.APIVersion, r.Kind).Group; group != "" {
		kind += "." + group
	}
	return kind + "/" + r.Name
}

// RefOf names an unstructured object.
func RefOf(u *unstructured.Unstructured) ObjectRef {
	return ObjectRef{APIVersion: u.GetAPIVersion(), Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName()}
}

// Outcome is what happened to one object.
type Outcome string

// The outcomes, in kubectl's words.
const (
	OutcomeCreated    Outcome = "created"
	OutcomeConfigured Outcome = "configured"
	OutcomeUnchanged  Outcome = "unchanged"
	OutcomeLabeled    Outcome = "labeled"
	OutcomeUnlabeled  Outcome = "unlabeled"
	OutcomeDeleted    Outcome = "deleted"
	OutcomeFailed     Outcome = "failed"
	// OutcomeSkipped objects were left alone because others failed.
	OutcomeSkipped Outcome = "skipped"
)

// Change is what an action did to one object, or would do in a dry run.
type Change struct {
	Object  ObjectRef `json:"object"`
	Outcome Outcome   `json:"outcome"`
	// Message says more: the labels that changed, or why it failed.
	Message string `json:"message,omitempty"`
	// Before and After are the object without and with the change, where they are known. They serve
	// previews and are no part of the printed result.
	Before *unstructured.Unstructured `json:"-"`
	After  *unstructured.Unstructured `json:"-"`
	// Err is why it failed.
	Err error `json:"-"`
}

// Changer is implemented by results of actions that write. Front ends take previews and the list of
// objects touched from it.
type Changer interface{ Changes() []Change }

// Objects is implemented by results that are Kubernetes objects; -o json and its kin print these
// instead of the result.
type Objects interface {
	// Objects returns the object, or the list of them, as kubectl would print it.
	Objects() runtime.Object
}

// Failures turns the failed changes into one error; nil if there are none. What names the operation
// in the past tense, such as "labeled".
func Failures(changes []Change, what string) error {
	var failed []error
	for _, c := range changes {
		if c.Err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", c.Object, c.Err))
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return &PartialError{What: what, Total: len(changes), Errs: failed, InResult: true}
}

// ChangeVerdicts shows changes as a checklist.
func ChangeVerdicts(changes []Change, dryRun DryRun) document.Verdicts {
	verdicts := make(document.Verdicts, 0, len(changes))
	several := inSeveralNamespaces(changes)
	for _, c := range changes {
		v := c.verdict(dryRun)
		if several {
			v.Subject += inNamespace(c.Object.Namespace)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// inSeveralNamespaces reports whether names alone do not tell the objects apart.
func inSeveralNamespaces(changes []Change) bool {
	first := ""
	for _, c := range changes {
		if first == "" {
			first = c.Object.Namespace
		}
		if c.Object.Namespace != "" && c.Object.Namespace != first {
			return true
		}
	}
	return false
}

func (c Change) verdict(dryRun DryRun) document.Verdict {
	v := document.Verdict{Status: document.OK, Subject: c.Object.String(), Message: string(c.Outcome)}
	if c.Outcome == OutcomeSkipped {
		v.Status = document.Skipped
	}
	if c.Message != "" {
		v.Message += ": " + c.Message
	}
	v.Message += dryRun.suffix()
	if c.Err != nil {
		e := Explain(c.Err)
		v.Status, v.Message, v.Hint = document.Failed, c.Object.withoutName(e.Message), e.Hint
	}
	return v
}

// withoutName cuts the object's name off the beginning of a message that is shown beside it.
func (r ObjectRef) withoutName(message string) string {
	for _, name := range []string{r.String(), fmt.Sprintf("%s %q", strings.ToLower(r.Kind), r.Name)} {
		if rest, found := strings.CutPrefix(message, name); found {
			return strings.TrimLeft(rest, ": ")
		}
	}
	return message
}

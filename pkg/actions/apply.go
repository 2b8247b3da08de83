package actions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// applyRun creates or updates the objects of manifests: first all of them in a dry run, then, if
// none was refused, in earnest.
type applyRun struct {
	*CreateOptions
	env     *Env
	client  dynamic.Interface
	mapper  meta.RESTMapper
	objects []*applyObject
	// refused is set when an object was refused before anything was changed.
	refused bool
}

// applyObject is one object on its way.
type applyObject struct {
	manifestObject
	change   Change
	resource dynamic.ResourceInterface
	// live is the object as it is, nil if there is none.
	live *unstructured.Unstructured
	// after is what the dry run, and then the apply, answered.
	after *unstructured.Unstructured
	// deferred is why the object could not be checked yet: it needs another one that the same
	// manifests create.
	deferred error
}

// begun reports whether the object has got its outcome.
func (a *applyObject) begun() bool { return a.change.Outcome != "" }

func newApplyRun(env *Env, options *CreateOptions, objects []manifestObject) (*applyRun, error) {
	client, err := env.Cluster.Dynamic()
	if err != nil {
		return nil, err
	}
	mapper, err := env.Cluster.Getter().ToRESTMapper()
	if err != nil {
		return nil, err
	}
	run := &applyRun{CreateOptions: options, env: env, client: client, mapper: mapper}
	for _, object := range objects {
		run.objects = append(run.objects, &applyObject{manifestObject: object})
	}
	return run, nil
}

func (r *applyRun) run(ctx context.Context) error {
	if err := r.prepare(); err != nil {
		return err
	}
	if r.DryRunStrategy() != DryRunClient {
		r.check(ctx, r.pending())
	}
	switch {
	case r.failed():
		r.refused = true
		r.skip("not sent, because others are refused")
	case r.DryRunStrategy() == DryRunClient:
		r.pretend()
	case r.DryRunStrategy() == DryRunServer:
		r.settle()
	default:
		r.write(ctx)
	}
	return ctx.Err()
}

// prepare finds each object's resource and namespace, and adds our label. Only errors that concern
// the cluster as a whole end it.
func (r *applyRun) prepare() error {
	namespace, given, err := r.env.Cluster.Namespace()
	if err != nil {
		return err
	}
	seen := map[ObjectRef]string{}
	for _, a := range r.objects {
		a.change.Object = RefOf(a.object)
		err := r.locate(a, namespace, given)
		if err != nil && Explain(err).Code == ExitUnreachable {
			return err
		}
		if first, twice := seen[a.change.Object]; err == nil && twice && a.object.GetName() != "" {
			err = fmt.Errorf("%s defined twice, first at %s", a.change.Object, first)
		}
		if err != nil {
			a.fail(err)
			continue
		}
		seen[a.change.Object] = a.where()
		addLabel(a.object)
	}
	return nil
}

func (r *applyRun) locate(a *applyObject, namespace string, given bool) error {
	kind := a.object.GroupVersionKind()
	mapping, err := r.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	switch {
	case meta.IsNoMatchError(err):
		return r.unknownKind(kind, err)
	case err != nil:
		return fmt.Errorf("finding the kind %s: %w", kind.Kind, err)
	case mapping.Scope.Name() == meta.RESTScopeNameRoot:
		a.object.SetNamespace("")
		a.resource = r.client.Resource(mapping.Resource)
	default:
		if err := setNamespace(a.object, namespace, given); err != nil {
			return err
		}
		a.resource = r.client.Resource(mapping.Resource).Namespace(a.object.GetNamespace())
	}
	a.change.Object = RefOf(a.object)
	return nil
}

func (r *applyRun) unknownKind(kind schema.GroupVersionKind, err error) error {
	unknown := &Error{
		Message: fmt.Sprintf("the cluster has no kind %s in %s", kind.Kind, kind.GroupVersion()),
		Hint:    "see which there are: kubectl api-resources",
		Code:    ExitFailed,
		Err:     err,
	}
	if slices.ContainsFunc(r.objects, func(a *applyObject) bool { return definesKind(a.object, kind.GroupKind()) }) {
		unknown.Hint = "the same manifests define it: put the CustomResourceDefinition into a file of its own and create that first"
	}
	return unknown
}

func definesKind(object *unstructured.Unstructured, kind schema.GroupKind) bool {
	group, _, _ := unstructured.NestedString(object.Object, "spec", "group")
	name, _, _ := unstructured.NestedString(object.Object, "spec", "names", "kind")
	return object.GetKind() == "CustomResourceDefinition" && group == kind.Group && name == kind.Kind
}

// setNamespace puts an object into the default namespace, or into the one that the requester named.
func setNamespace(object *unstructured.Unstructured, namespace string, given bool) error {
	own := object.GetNamespace()
	switch {
	case own == "":
		object.SetNamespace(namespace)
	case given && own != namespace:
		return UsageErrorf("the manifest puts it into namespace %q, but --namespace says %q: leave out one of them", own, namespace)
	}
	return nil
}

func addLabel(object *unstructured.Unstructured) {
	labels := object.GetLabels()
	if _, taken := labels[ManagedByLabel]; taken {
		return
	}
	if labels == nil {
		labels = map[string]string{}
	}
	labels[ManagedByLabel] = ManagedBy
	object.SetLabels(labels)
}

// fail records why an object was not created, and where it stands.
func (a *applyObject) fail(err error) {
	explained := *Explain(err)
	explained.Err = err
	explained.Message = fmt.Sprintf("%s (%s): %s", a.change.Object, a.where(), strings.TrimPrefix(explained.Message, a.change.Object.String()+" "))
	a.change.fail(&explained)
}

func (r *applyRun) failed() bool {
	return slices.ContainsFunc(r.objects, func(a *applyObject) bool { return a.change.Err != nil })
}

// skip marks the objects that nothing was wrong with: they are left alone too.
func (r *applyRun) skip(why string) {
	for _, a := range r.objects {
		if !a.begun() {
			a.change.Outcome, a.change.Message = OutcomeSkipped, why
		}
	}
}

// pretend is the client's dry run: the objects as they would be sent.
func (r *applyRun) pretend() {
	for _, a := range r.objects {
		a.change.succeed(OutcomeCreated, masked(a.object))
	}
}

func (r *applyRun) each(ctx context.Context, what string, objects []*applyObject, do func(context.Context, *applyObject)) {
	if len(objects) == 0 {
		return
	}
	r.env.Observe(Progress{Message: what + " " + count(len(objects), "object")})
	forEach(ctx, len(objects), writeWorkers, func(ctx context.Context, i int) { do(ctx, objects[i]) })
}

// check asks the API server whether it would take the objects.
func (r *applyRun) check(ctx context.Context, objects []*applyObject) {
	errs := make(map[*applyObject]error, len(objects))
	var mu sync.Mutex
	r.each(ctx, "checking", objects, func(ctx context.Context, a *applyObject) {
		if err := r.try(ctx, a); err != nil {
			mu.Lock()
			defer mu.Unlock()
			errs[a] = err
		}
	})
	for _, a := range objects {
		a.deferred = nil
		switch err := errs[a]; {
		case err != nil && r.mayBecomeTrue(a, err):
			a.deferred = err
		case err != nil:
			a.fail(err)
		}
	}
}

// try reads the object as it is and applies it in a dry run.
func (r *applyRun) try(ctx context.Context, a *applyObject) error {
	if err := r.read(ctx, a); err != nil {
		return err
	}
	if a.live != nil && a.live.GetDeletionTimestamp() != nil {
		return &Error{Message: "it is still being deleted", Hint: "wait until it is gone, then run the command again", Code: ExitFailed}
	}
	if a.live != nil && !isOurs(a.live) {
		return r.tryForeign(ctx, a)
	}
	after, err := r.apply(ctx, a, a.object, DryRunServer)
	a.after = after
	return err
}

func (r *applyRun) read(ctx context.Context, a *applyObject) error {
	a.live = nil
	if a.object.GetName() == "" {
		return nil
	}
	live, err := a.resource.Get(ctx, a.object.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	a.live = live
	return err
}

// tryForeign compares an object that somebody else made: it must be as the manifest says already,
// for it is not ours to change. Not even our label is put on it, or "delete --lab" would remove it.
func (r *applyRun) tryForeign(ctx context.Context, a *applyObject) error {
	unlabeled := a.object.DeepCopy()
	labels := unlabeled.GetLabels()
	if labels[ManagedByLabel] == ManagedBy {
		delete(labels, ManagedByLabel)
		unlabeled.SetLabels(labels)
	}
	after, err := r.apply(ctx, a, unlabeled, DryRunServer)
	if err != nil && !apierrors.IsConflict(err) {
		return err
	}
	differences := changedPaths(a.live, after)
	if err == nil && len(differences) == 0 {
		a.change.succeed(OutcomeUnchanged, masked(a.live))
		a.change.Before, a.change.Message = a.change.After, "not made by kubectl lab, left as it is"
		return nil
	}
	message := strings.Join(differences, ", ")
	if err != nil {
		message = applyMessage(err)
	}
	return &Error{
		Message: "already exists with other content, and was not made by kubectl lab: " + message,
		Hint:    "it stays as it is: choose another name",
		Code:    ExitFailed,
		Err:     err,
	}
}

// apply sends one server-side apply, or a create for an object whose name the API server makes up.
func (r *applyRun) apply(ctx context.Context, a *applyObject, object *unstructured.Unstructured, dryRun DryRun) (*unstructured.Unstructured, error) {
	if object.GetName() == "" {
		return a.resource.Create(ctx, object, metav1.CreateOptions{
			DryRun: dryRun.options(), FieldManager: ManagedBy, FieldValidation: metav1.FieldValidationStrict,
		})
	}
	body, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	after, err := a.resource.Patch(ctx, object.GetName(), types.ApplyPatchType, body, metav1.PatchOptions{
		DryRun: dryRun.options(), FieldManager: ManagedBy, FieldValidation: metav1.FieldValidationStrict, Force: &r.ForceConflicts,
	})
	return after, explainApply(a, err)
}

// explainApply says what to do when a field belongs to somebody else, or cannot be changed at all.
func explainApply(a *applyObject, err error) error {
	switch {
	case apierrors.IsConflict(err):
		return &Error{
			Message: applyMessage(err),
			Hint:    "let the manifest say the same, leave the field out of it, or take it over with --force-conflicts",
			Code:    ExitFailed,
			Err:     err,
		}
	case err != nil && strings.Contains(err.Error(), "failed to create typed patch object"):
		return &Error{Message: applyMessage(err), Hint: "see the kind's fields: kubectl explain " + strings.ToLower(a.object.GetKind()), Code: ExitFailed, Err: err}
	case apierrors.IsInvalid(err) && a.live != nil:
		return &Error{
			Message: applyMessage(err),
			Hint:    "if the field cannot be changed: kubectl lab delete " + a.change.Object.String() + inNamespace(a.change.Object.Namespace) + ", then create it again",
			Code:    ExitFailed,
			Err:     err,
		}
	}
	return err
}

// quotedGot is how the schema check quotes a value of the wrong type, which may be a secret.
var quotedGot = regexp.MustCompile(`(: expected \S+), got &?value\..*`)

// applyMessage names the fields that a conflict is about, and otherwise what the API server says.
func applyMessage(err error) string {
	var fields []string
	for _, cause := range statusDetails(err).Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			fields = append(fields, fmt.Sprintf("%s (%s)", cause.Field, cause.Message))
		}
	}
	if len(fields) > 0 {
		return "somebody else has set " + strings.Join(fields, ", ")
	}
	_, schemaError, found := strings.Cut(statusMessage(err), "failed to create typed patch object (")
	if _, what, cut := strings.Cut(schemaError, "): "); found && cut {
		return quotedGot.ReplaceAllString(what, "$1")
	}
	return statusMessage(err)
}

// mayBecomeTrue reports whether an object was refused only because another one of the manifests is
// not there yet: its namespace, or a service account that it names. It is checked again later.
func (r *applyRun) mayBecomeTrue(a *applyObject, err error) bool {
	if !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
		return false
	}
	if _, denied := DenialOf(err); denied {
		return false
	}
	text := statusMessage(err)
	return slices.ContainsFunc(r.pending(), func(other *applyObject) bool {
		name := other.object.GetName()
		return other != a && name != "" && strings.Contains(text, `"`+name+`"`)
	})
}

// settle gives the outcomes of the server's dry run.
func (r *applyRun) settle() {
	for _, a := range r.objects {
		if a.deferred != nil {
			a.change.succeed(OutcomeCreated, masked(a.object))
			a.change.Message = "not checked yet: " + Explain(a.deferred).Message
			continue
		}
		a.settle()
	}
}

// settle compares the object before and after.
func (a *applyObject) settle() {
	if a.begun() {
		return
	}
	outcome := OutcomeConfigured
	switch {
	case a.live == nil:
		outcome = OutcomeCreated
	case len(changedPaths(a.live, a.after)) == 0:
		outcome = OutcomeUnchanged
	}
	a.change.succeed(outcome, masked(a.after))
	a.change.Object = RefOf(a.after)
	if a.live != nil {
		a.change.Before = masked(a.live)
	}
}

// write applies in earnest: first what has been checked, then, once it is there, what needed it. Each
// round checks all that remains before it applies any of it.
func (r *applyRun) write(ctx context.Context) {
	for {
		r.each(ctx, "applying", slices.DeleteFunc(r.pending(), isDeferred), r.send)
		waiting := r.pending()
		if r.failed() {
			r.skip("not sent, because others failed")
		}
		if r.failed() || len(waiting) == 0 {
			return
		}
		r.check(ctx, waiting)
		if !slices.ContainsFunc(waiting, isReady) {
			r.giveUp(waiting)
		}
		if r.failed() {
			r.skip("not sent, because others are refused")
			return
		}
	}
}

func isDeferred(a *applyObject) bool { return a.deferred != nil }

func isReady(a *applyObject) bool { return a.deferred == nil && a.change.Err == nil }

// giveUp fails the objects that wait for each other.
func (r *applyRun) giveUp(waiting []*applyObject) {
	for _, a := range waiting {
		if a.deferred != nil {
			a.fail(a.deferred)
		}
	}
}

// pending are the objects without an outcome yet.
func (r *applyRun) pending() []*applyObject {
	return slices.DeleteFunc(slices.Clone(r.objects), (*applyObject).begun)
}

// send applies one object.
func (r *applyRun) send(ctx context.Context, a *applyObject) {
	after, err := r.apply(ctx, a, a.object, DryRunNone)
	if err != nil {
		a.fail(err)
		return
	}
	a.after = after
	a.settle()
}

func (r *applyRun) changes() []Change {
	changes := make([]Change, len(r.objects))
	for i, a := range r.objects {
		if !a.begun() {
			a.fail(errors.New("interrupted before it was sent"))
		}
		changes[i] = a.change
	}
	return changes
}

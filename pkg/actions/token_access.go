package actions

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

// adminAccess makes a ServiceAccount and binds it to cluster-admin, as the manual's user.yml and
// user_role.yml do. What exists is left as it is; a binding of that name to another role is refused.
type adminAccess struct {
	client    kubernetes.Interface
	namespace string
	// name is the ServiceAccount's and the ClusterRoleBinding's.
	name   string
	dryRun DryRun
}

// ensure returns what was done to each object. Everything that could be refused is looked at before
// anything is written.
func (a *adminAccess) ensure(ctx context.Context) ([]Change, error) {
	binding, err := a.client.RbacV1().ClusterRoleBindings().Get(ctx, a.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		binding = nil
	case err != nil:
		return nil, fmt.Errorf("reading ClusterRoleBinding %q: %w", a.name, err)
	case !isClusterAdmin(binding.RoleRef):
		return nil, otherRole(binding)
	}
	changes := []Change{a.ensureAccount(ctx)}
	if changes[0].Err == nil {
		changes = append(changes, a.ensureBinding(ctx, binding))
	}
	return changes, Failures(changes, "created")
}

func isClusterAdmin(ref rbacv1.RoleRef) bool {
	return ref.APIGroup == rbacv1.GroupName && ref.Kind == "ClusterRole" && ref.Name == "cluster-admin"
}

func otherRole(binding *rbacv1.ClusterRoleBinding) error {
	return &Error{
		Message: fmt.Sprintf("ClusterRoleBinding %q exists and grants %s %q, not cluster-admin", binding.Name, binding.RoleRef.Kind, binding.RoleRef.Name),
		Hint:    "nothing was changed; delete that binding first, or name another ServiceAccount with --service-account",
		Code:    ExitFailed,
	}
}

func (a *adminAccess) ensureAccount(ctx context.Context) Change {
	accounts := a.client.CoreV1().ServiceAccounts(a.namespace)
	wanted := &corev1.ServiceAccount{ObjectMeta: a.meta()}
	wanted.Namespace = a.namespace
	change := Change{Object: ObjectRef{APIVersion: "v1", Kind: "ServiceAccount", Namespace: a.namespace, Name: a.name}}

	_, err := accounts.Get(ctx, a.name, metav1.GetOptions{})
	switch {
	case err == nil:
		return change.unchanged()
	case !apierrors.IsNotFound(err):
		return change.failed(err)
	case a.dryRun == DryRunClient:
		return change.done(OutcomeCreated, nil, wanted)
	}
	made, err := accounts.Create(ctx, wanted, a.createOptions())
	switch {
	case apierrors.IsAlreadyExists(err): // somebody else was faster
		return change.unchanged()
	case err != nil:
		return change.failed(err)
	}
	return change.done(OutcomeCreated, nil, made)
}

// ensureBinding makes the binding, or adds the ServiceAccount to the subjects of the one that exists.
func (a *adminAccess) ensureBinding(ctx context.Context, existing *rbacv1.ClusterRoleBinding) Change {
	change := Change{Object: ObjectRef{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding", Name: a.name}}
	if existing == nil {
		return a.createBinding(ctx, change)
	}
	return a.extendBinding(ctx, change, existing)
}

func (a *adminAccess) createBinding(ctx context.Context, change Change) Change {
	wanted := &rbacv1.ClusterRoleBinding{
		ObjectMeta: a.meta(),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{a.subject()},
	}
	if a.dryRun == DryRunClient {
		return change.done(OutcomeCreated, nil, wanted)
	}
	made, err := a.client.RbacV1().ClusterRoleBindings().Create(ctx, wanted, a.createOptions())
	switch {
	case apierrors.IsAlreadyExists(err): // somebody else was faster
		return a.afterRace(ctx, change)
	case err != nil:
		return change.failed(err)
	}
	return change.done(OutcomeCreated, nil, made)
}

func (a *adminAccess) afterRace(ctx context.Context, change Change) Change {
	existing, err := a.client.RbacV1().ClusterRoleBindings().Get(ctx, a.name, metav1.GetOptions{})
	switch {
	case err != nil:
		return change.failed(err)
	case !isClusterAdmin(existing.RoleRef):
		return change.failed(otherRole(existing))
	}
	return a.extendBinding(ctx, change, existing)
}

func (a *adminAccess) extendBinding(ctx context.Context, change Change, existing *rbacv1.ClusterRoleBinding) Change {
	if slices.Contains(existing.Subjects, a.subject()) {
		return change.unchanged()
	}
	before, err := toUnstructured(existing)
	if err != nil {
		return change.failed(err)
	}
	wanted := existing.DeepCopy()
	wanted.Subjects = append(wanted.Subjects, a.subject())
	change.Message = fmt.Sprintf("ServiceAccount %s/%s added", a.namespace, a.name)
	if a.dryRun == DryRunClient {
		return change.done(OutcomeConfigured, before, wanted)
	}
	options := metav1.UpdateOptions{DryRun: a.dryRun.options(), FieldManager: ManagedBy}
	made, err := a.client.RbacV1().ClusterRoleBindings().Update(ctx, wanted, options)
	if err != nil {
		return change.failed(err)
	}
	return change.done(OutcomeConfigured, before, made)
}

func (a *adminAccess) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: a.name, Labels: map[string]string{ManagedByLabel: ManagedBy}}
}

func (a *adminAccess) subject() rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: a.name, Namespace: a.namespace}
}

func (a *adminAccess) createOptions() metav1.CreateOptions {
	return metav1.CreateOptions{DryRun: a.dryRun.options(), FieldManager: ManagedBy}
}

// unchanged, failed and done end a change in one expression.
func (c Change) unchanged() Change {
	c.Outcome = OutcomeUnchanged
	return c
}

func (c Change) failed(err error) Change {
	c.fail(err)
	return c
}

// done records what was made; before is nil if it is new.
func (c Change) done(outcome Outcome, before *unstructured.Unstructured, after runtime.Object) Change {
	c.Before = before
	c.finish(outcome, after)
	return c
}

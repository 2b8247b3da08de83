package checks

import (
	"context"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// The groups that API servers put everybody, or all without credentials, into.
// See https://kubernetes.io/docs/reference/access-authn-authz/authentication/.
const (
	anonymousUser      = "system:anonymous"
	unauthenticated    = "system:unauthenticated"
	authenticated      = "system:authenticated"
	allServiceAccounts = "system:serviceaccounts"
	mastersGroup       = "system:masters"
	// kubeadmAdmins is the group of admin.conf since Kubernetes 1.29.
	kubeadmAdmins = "kubeadm:cluster-admins"
)

func accessChecks() []Check {
	return []Check{
		{
			ID: "access-admin-user", Category: CategoryAccess, Severity: Warning,
			Asserts: "the manual's admin-user is either whole or absent",
			Hint:    "make both its ServiceAccount and its binding: kubectl lab token --create",
			reads:   readings(adminAccount, bindings), run: checkAdminUser,
		},
		{
			ID: "access-cluster-admins", Category: CategoryAccess, Severity: Info,
			Asserts: "nobody but the cluster's own administrators is cluster-admin",
			Hint:    "remove what is not needed: kubectl delete clusterrolebinding NAME",
			reads:   readings(bindings), run: checkClusterAdmins,
		},
		{
			ID: "access-everybody", Category: CategoryAccess, Severity: Error,
			Asserts: "no group of everybody is cluster-admin",
			Hint:    "remove the binding, and bind the persons or ServiceAccounts that need it: kubectl delete clusterrolebinding NAME",
			reads:   readings(bindings), run: checkEverybody,
		},
		{
			ID: "access-anonymous", Category: CategoryAccess, Severity: Error,
			Asserts: "nobody can read the cluster without credentials",
			Hint:    "find the ClusterRoleBinding that names system:anonymous or system:unauthenticated, and remove it; see also the API server's --anonymous-auth and --authorization-mode",
			reads:   readings(anonymous, bindings), run: checkAnonymous,
		},
		{
			ID: "access-legacy-tokens", Category: CategoryAccess, Severity: Warning,
			Asserts: "no ServiceAccount token that never expires is kept in a Secret",
			Hint:    "use short-lived tokens (kubectl lab token), then delete the Secret; see https://kubernetes.io/docs/concepts/security/service-accounts/",
			reads:   readings(tokens), run: checkLegacyTokens,
		},
		{
			ID: "access-default-accounts", Category: CategoryAccess, Severity: Warning,
			Asserts: "no default ServiceAccount is cluster-admin",
			Hint:    "every pod of that namespace has these rights: bind a ServiceAccount of its own instead",
			reads:   readings(bindings), run: checkDefaultAccounts,
		},
	}
}

func checkAdminUser(_ context.Context, s *Snapshot) Outcome {
	bound := slices.ContainsFunc(adminSubjects(s.bindings.get()), func(b bound) bool {
		return isAdminUser(b.subject)
	})
	object := []Object{{APIVersion: "v1", Kind: "ServiceAccount", Namespace: kubeSystem, Name: adminUser}}
	switch exists := s.adminUser.get(); {
	case exists && bound:
		return passf("it exists and is cluster-admin")
	case exists:
		return failf(object, "ServiceAccount %s/%s exists, but no binding makes it cluster-admin", kubeSystem, adminUser)
	case bound:
		return failf(object, "a binding makes %s/%s cluster-admin, but there is no such ServiceAccount", kubeSystem, adminUser)
	}
	return absentf("there is none; kubectl lab token --create makes it")
}

// bound is a subject that a binding makes cluster-admin.
type bound struct {
	binding string
	subject rbacv1.Subject
}

func (b bound) object() Object {
	return Object{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRoleBinding", Name: b.binding}
}

// String is the subject as kubectl describes it, such as "ServiceAccount kube-system/tiller".
func (b bound) String() string {
	name := b.subject.Name
	if b.subject.Namespace != "" {
		name = b.subject.Namespace + "/" + name
	}
	return b.subject.Kind + " " + name
}

func adminSubjects(bindings []rbacv1.ClusterRoleBinding) []bound {
	var all []bound
	for _, b := range bindings {
		if b.RoleRef.Kind != "ClusterRole" || b.RoleRef.Name != clusterAdmin {
			continue
		}
		for _, subject := range b.Subjects {
			all = append(all, bound{b.Name, subject})
		}
	}
	return all
}

func isAdminUser(s rbacv1.Subject) bool {
	return s.Kind == rbacv1.ServiceAccountKind && s.Namespace == kubeSystem && s.Name == adminUser
}

// isExpectedAdmin reports whether a subject is cluster-admin in every cluster: the break-glass group
// and kubeadm's own.
func isExpectedAdmin(s rbacv1.Subject) bool {
	return s.Kind == rbacv1.GroupKind && (s.Name == mastersGroup || s.Name == kubeadmAdmins)
}

// isEverybody reports whether a subject stands for everybody, or for all of some large kind.
func isEverybody(s rbacv1.Subject) bool {
	switch s.Kind {
	case rbacv1.UserKind:
		return s.Name == anonymousUser
	case rbacv1.GroupKind:
		return s.Name == unauthenticated || s.Name == authenticated || strings.HasPrefix(s.Name, allServiceAccounts)
	}
	return false
}

func isDefaultAccount(s rbacv1.Subject) bool {
	return s.Kind == rbacv1.ServiceAccountKind && s.Name == "default"
}

func checkClusterAdmins(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, b := range adminSubjects(s.bindings.get()) {
		known := isExpectedAdmin(b.subject) || isAdminUser(b.subject)
		others := isEverybody(b.subject) || isDefaultAccount(b.subject) || isTiller(b.subject)
		if !known && !others {
			found.addf(b.object(), "%s (by %s)", b, b.binding)
		}
	}
	return found.outcome(passf(""))
}

// isTiller picks Helm 2's server out, which has a check of its own.
func isTiller(s rbacv1.Subject) bool {
	return s.Kind == rbacv1.ServiceAccountKind && s.Name == "tiller"
}

func checkEverybody(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, b := range adminSubjects(s.bindings.get()) {
		if isEverybody(b.subject) && !isAnonymous(b.subject) {
			found.addf(b.object(), "%s is cluster-admin (by %s)", b, b.binding)
		}
	}
	return found.outcome(passf(""))
}

func isAnonymous(s rbacv1.Subject) bool {
	return s.Kind == rbacv1.UserKind && s.Name == anonymousUser || s.Kind == rbacv1.GroupKind && s.Name == unauthenticated
}

// publicInfo is the one role that Kubernetes itself binds to everybody: the API server's version and
// health. See https://kubernetes.io/docs/reference/access-authn-authz/rbac/#discovery-roles.
const publicInfo = "system:public-info-viewer"

// checkAnonymous looks at both ends: what RBAC grants, and what the API server really answers.
func checkAnonymous(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, b := range s.bindings.get() {
		for _, subject := range b.Subjects {
			if isAnonymous(subject) && b.RoleRef.Name != publicInfo {
				found.addf(bound{binding: b.Name}.object(), "ClusterRoleBinding %s gives %s to %s", b.Name, b.RoleRef.Name, subject.Name)
			}
		}
	}
	if s.anon.get() && !found.any() {
		found.addf(Object{}, "the API server lists namespaces for anybody, although no ClusterRoleBinding says so")
	}
	return found.outcome(passf(""))
}

func checkLegacyTokens(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, o := range s.tokens.get() {
		found.addf(o, "%s/%s", o.Namespace, o.Name)
	}
	return found.outcome(passf(""))
}

func checkDefaultAccounts(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, b := range adminSubjects(s.bindings.get()) {
		if isDefaultAccount(b.subject) {
			found.addf(b.object(), "%s is cluster-admin (by %s)", b, b.binding)
		}
	}
	return found.outcome(passf(""))
}

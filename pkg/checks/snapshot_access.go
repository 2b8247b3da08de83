package checks

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// adminUser is the ServiceAccount that the manual, like the dashboard's own guide, creates for
// logging in to the dashboard.
const adminUser = "admin-user"

// clusterAdmin is the role that may do everything.
const clusterAdmin = "cluster-admin"

func (s *Snapshot) readAccess() {
	s.bindings = add(s, "cluster role bindings", toList("clusterrolebindings.rbac.authorization.k8s.io"), func(ctx context.Context) ([]rbacv1.ClusterRoleBinding, error) {
		return collect(ctx, s.source.Kubernetes.RbacV1().ClusterRoleBindings().List, func(page *rbacv1.ClusterRoleBindingList, sofar []rbacv1.ClusterRoleBinding) []rbacv1.ClusterRoleBinding {
			for _, b := range page.Items {
				b.ManagedFields, b.Annotations = nil, nil
				sofar = append(sofar, b)
			}
			return sofar
		})
	})
	s.adminUser = add(s, "the admin user", toGet(kubeSystem, "serviceaccounts", adminUser), func(ctx context.Context) (bool, error) {
		account, err := optional(s.source.Kubernetes.CoreV1().ServiceAccounts(kubeSystem).Get(ctx, adminUser, metav1.GetOptions{}))
		return account != nil, err
	})
	// Metadata alone: the tokens themselves never leave the API server.
	s.tokens = add(s, "token secrets", toList("secrets"), func(ctx context.Context) ([]Object, error) {
		secrets := s.source.Metadata.Resource(corev1.SchemeGroupVersion.WithResource("secrets"))
		list := func(ctx context.Context, o metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
			o.FieldSelector = "type=" + string(corev1.SecretTypeServiceAccountToken)
			return secrets.List(ctx, o)
		}
		return collect(ctx, list, func(page *metav1.PartialObjectMetadataList, sofar []Object) []Object {
			for _, item := range page.Items {
				sofar = append(sofar, Object{APIVersion: "v1", Kind: "Secret", Namespace: item.Namespace, Name: item.Name})
			}
			return sofar
		})
	})
}

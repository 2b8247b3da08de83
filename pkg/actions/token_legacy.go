package actions

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// readSecret takes the token from the newest Secret that holds one of the ServiceAccount.
// See https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets.
func (r *tokenRun) readSecret(ctx context.Context) error {
	account, err := r.client.CoreV1().ServiceAccounts(r.namespace).Get(ctx, r.ServiceAccount, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return r.missingAccount(err)
	}
	if err != nil {
		return fmt.Errorf("reading ServiceAccount %q: %w", r.ServiceAccount, err)
	}
	secrets, err := r.client.CoreV1().Secrets(r.namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("type", string(corev1.SecretTypeServiceAccountToken)).String(),
	})
	if err != nil {
		return fmt.Errorf("looking for the token of ServiceAccount %q: %w", r.ServiceAccount, err)
	}
	secret := newestToken(secrets.Items, account)
	if secret == nil {
		return r.noLegacySecret()
	}
	r.result.Secret = secret.Name
	r.result.Token = NewSecret(string(secret.Data[corev1.ServiceAccountTokenKey]))
	return nil
}

func (r *tokenRun) noLegacySecret() error {
	return &Error{
		Message: fmt.Sprintf("no Secret in namespace %q holds a token of ServiceAccount %q", r.namespace, r.ServiceAccount),
		Hint:    "leave out --legacy: the API server grants a token on request, which is safer",
		Code:    ExitFailed,
	}
}

// newestToken is the youngest Secret with a token of this very ServiceAccount; one left by an account of
// the same name that was deleted does not count, as the API server refuses its token.
func newestToken(secrets []corev1.Secret, account *corev1.ServiceAccount) *corev1.Secret {
	secrets = slices.DeleteFunc(secrets, func(s corev1.Secret) bool {
		return len(s.Data[corev1.ServiceAccountTokenKey]) == 0 ||
			s.Annotations[corev1.ServiceAccountNameKey] != account.Name ||
			s.Annotations[corev1.ServiceAccountUIDKey] != string(account.UID)
	})
	if len(secrets) == 0 {
		return nil
	}
	newest := slices.MaxFunc(secrets, func(a, b corev1.Secret) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(b.Name, a.Name))
	})
	return &newest
}

package actions

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

var (
	_ Revealed     = (*TokenResult)(nil)
	_ Kubeconfiger = (*TokenResult)(nil)
	_ Changer      = (*TokenResult)(nil)
	_ WriteTeller  = (*TokenOptions)(nil)
	_ Effecter     = (*TokenOptions)(nil)
	_ DryRunner    = (*TokenOptions)(nil)
	_ Suggester    = (*TokenOptions)(nil)
)

func TestTokenUsage(t *testing.T) {
	t.Parallel()
	tests := []struct{ line, want string }{
		{"token admin-user", `unexpected argument "admin-user"`},
		{"token --duration 9m59s", "--duration 9m59s is too short: the API server grants no token for less than 10m"},
		{"token --duration -1h", "--duration -1h0m0s is too short: the API server grants no token for less than 10m"},
		{"token --duration 1h0m0.5s", "--duration 1h0m0.5s must be whole seconds"},
		{"token --duration 2000000h", "--duration 2000000h0m0s is too long: the API server takes at most 1193046h28m16s"},
		{"token --audience=", "--audience must not be empty"},
		{"token --service-account Admin", `--service-account "Admin" is not a valid name: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`},
		{"token --bound-object-name x", "--bound-object-name needs --bound-object-kind"},
		{"token --bound-object-uid x", "--bound-object-uid needs --bound-object-kind and --bound-object-name"},
		{"token --bound-object-kind Secret", "--bound-object-kind needs --bound-object-name"},
		{"token --bound-object-kind Service --bound-object-name x", `--bound-object-kind must be one of Node, Pod, Secret, not "Service"`},
		{"token --legacy --duration 1h", "--legacy shows a token as it is: leave out --duration, --audience and --bound-object-kind"},
		{"token --legacy --audience x", "--legacy shows a token as it is: leave out --duration, --audience and --bound-object-kind"},
		{"token --dry-run=maybe", `--dry-run must be none, client or server, not "maybe"`},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			wantUsageError(t, strings.Fields(tt.line), tt.want)
		})
	}
}

func TestTokenEffect(t *testing.T) {
	t.Parallel()
	tests := []struct {
		line   string
		effect Effect
		writes bool
	}{
		{"token", RevealsSecret, false},
		{"token --create", RevealsSecret, true},
		{"token --create --dry-run=server", Reads, false},
	}
	for _, tt := range tests {
		options, err := parse(tt.line)
		if err != nil {
			t.Fatal(err)
		}
		action := token()
		if got := action.EffectOf(options); got != tt.effect {
			t.Errorf("%s: effect %s, want %s", tt.line, got, tt.effect)
		}
		if got := action.WritesWith(options); got != tt.writes {
			t.Errorf("%s: writes %t, want %t", tt.line, got, tt.writes)
		}
	}
}

// uniqueAccount is the name of a ServiceAccount, and so of a ClusterRoleBinding, of this test alone.
func uniqueAccount(t *testing.T, l *lab) string {
	t.Helper()
	name := "admin-" + l.namespace
	t.Cleanup(func() {
		err := l.client.RbacV1().ClusterRoleBindings().Delete(context.Background(), name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	return name
}

func (l *lab) createAccount(t *testing.T, name string) {
	t.Helper()
	_, err := l.client.CoreV1().ServiceAccounts(l.namespace).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// asToken is a client with nothing but a result's kubeconfig.
func asToken(t *testing.T, result *TokenResult) kubernetes.Interface {
	t.Helper()
	secret, err := result.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(secret.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func whoAmI(ctx context.Context, client kubernetes.Interface) (authenticationv1.UserInfo, error) {
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.UserInfo{}, err
	}
	return review.Status.UserInfo, nil
}

func TestTokenCreate(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	name := uniqueAccount(t, l)
	line := []string{"token", "--create", "--service-account", name, "--duration", "10m"}

	result := l.must(t, line...).(*TokenResult)
	wantOutcomes(t, result, "serviceaccount/"+name+" created", "clusterrolebinding.rbac.authorization.k8s.io/"+name+" created")
	user := "system:serviceaccount:" + l.namespace + ":" + name
	if result.User.Username != user || !slices.Contains(result.User.Groups, "system:serviceaccounts:"+l.namespace) {
		t.Errorf("the token is of %+v, want %s", result.User, user)
	}
	if len(result.Warnings) > 0 {
		t.Errorf("warnings: %q", result.Warnings)
	}

	client := asToken(t, result)
	info, err := whoAmI(t.Context(), client)
	if err != nil {
		t.Fatalf("the token is not accepted: %v", err)
	}
	if info.Username != user || info.UID != string(result.User.UID) {
		t.Errorf("the API server takes the bearer for %+v", info)
	}
	eventually(t, "the ServiceAccount is cluster-admin", func() bool {
		_, err := client.CoreV1().Secrets(metav1.NamespaceSystem).List(t.Context(), metav1.ListOptions{Limit: 1})
		return err == nil
	})

	account, err := l.client.CoreV1().ServiceAccounts(l.namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil || account.Labels[ManagedByLabel] != ManagedBy {
		t.Errorf("ServiceAccount: labels %v, error %v", account.Labels, err)
	}
	again := l.must(t, line...).(*TokenResult)
	wantOutcomes(t, again, "serviceaccount/"+name+" unchanged", "clusterrolebinding.rbac.authorization.k8s.io/"+name+" unchanged")
}

func TestTokenExpiresAsGranted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.createAccount(t, "viewer")
	for _, asked := range []time.Duration{10 * time.Minute, 26 * time.Hour} {
		result := l.must(t, "token", "--service-account", "viewer", "--duration", asked.String()).(*TokenResult)
		claims := parseTokenClaims(result.Token)
		if got, known := claims.lifetime(); !known || got != asked {
			t.Errorf("asked for %s: the token lives for %s (%t)", asked, got, known)
		}
		if got := result.ExpirationTimestamp.Sub(claims.Expires).Abs(); got > 2*time.Second {
			t.Errorf("asked for %s: the result and the token differ by %s about the expiry", asked, got)
		}
		if len(result.Warnings) > 0 {
			t.Errorf("asked for %s: warnings %q", asked, result.Warnings)
		}
	}
}

func TestTokenWarnsOfOtherExpiry(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	tests := []struct {
		name    string
		granted time.Duration
		claims  bool
		want    []string
	}{
		{"as asked", time.Hour, true, nil},
		{"shorter", 10 * time.Minute, true, []string{"You asked for 1h0m0s; the API server granted only 10m0s."}},
		{"longer", 24 * time.Hour, true, []string{"You asked for 1h0m0s; the API server granted 24h0m0s."}},
		{"a token that does not say", 30 * time.Minute, false, []string{"You asked for 1h0m0s; the API server granted only 30m0s."}},
		{"a token that does not say, as asked, a second ago", time.Hour - time.Second, false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			expires := metav1.NewTime(now.Add(tt.granted))
			run := &tokenRun{
				TokenOptions: &TokenOptions{Duration: time.Hour},
				env:          &Env{Now: func() time.Time { return now }},
				result:       &TokenResult{ExpirationTimestamp: &expires},
			}
			if tt.claims {
				run.claims = tokenClaims{IssuedAt: now, Expires: expires.Time}
			}
			run.judge()
			if !slices.Equal(run.result.Warnings, tt.want) {
				t.Errorf("warnings %q, want %q", run.result.Warnings, tt.want)
			}
		})
	}
}

func TestTokenEndsWithBoundSecret(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.createAccount(t, "viewer")
	secret, err := l.client.CoreV1().Secrets(l.namespace).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "hook"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	result := l.must(t, "token", "--service-account", "viewer", "--bound-object-kind", "Secret", "--bound-object-name", "hook", "--bound-object-uid", string(secret.UID)).(*TokenResult)
	if want := (BoundObject{Kind: "Secret", Name: "hook", UID: secret.UID}); result.BoundObject == nil || *result.BoundObject != want {
		t.Errorf("bound to %+v, want %+v", result.BoundObject, want)
	}
	client := asToken(t, result)
	if _, err := whoAmI(t.Context(), client); err != nil {
		t.Fatalf("the token is not accepted: %v", err)
	}
	if err := l.client.CoreV1().Secrets(l.namespace).Delete(t.Context(), "hook", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	// The API server remembers for ten seconds that it accepted a token.
	eventually(t, "the token is revoked", func() bool {
		_, err := whoAmI(t.Context(), client)
		return apierrors.IsUnauthorized(err)
	})

	_, err = l.run(t.Context(), "token", "--service-account", "viewer", "--bound-object-kind", "Secret", "--bound-object-name", "hook")
	wantError(t, err, ExitFailed, "Secret \"hook\", to which the token shall be bound, does not exist\n→ create it first, or leave out --bound-object-kind")
}

func TestTokenDryRunMakesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	name := uniqueAccount(t, l)
	for _, strategy := range []string{"client", "server"} {
		result := l.must(t, "token", "--create", "--service-account", name, "--dry-run="+strategy).(*TokenResult)
		wantOutcomes(t, result, "serviceaccount/"+name+" created", "clusterrolebinding.rbac.authorization.k8s.io/"+name+" created")
		for _, change := range result.Changes() {
			if change.Before != nil || change.After == nil || change.After.GetLabels()[ManagedByLabel] != ManagedBy {
				t.Errorf("%s: preview of %s is %v → %v", strategy, change.Object, change.Before, change.After)
			}
		}
		if !result.Token.IsZero() {
			t.Errorf("%s: a dry run got a token", strategy)
		}
		if _, err := result.Kubeconfig(); Explain(err) == nil || Explain(err).Code != ExitUsage {
			t.Errorf("%s: kubeconfig of a dry run: %v", strategy, err)
		}
		if _, err := l.client.CoreV1().ServiceAccounts(l.namespace).Get(t.Context(), name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("%s: a dry run made the ServiceAccount (%v)", strategy, err)
		}
		if _, err := l.client.RbacV1().ClusterRoleBindings().Get(t.Context(), name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("%s: a dry run made the binding (%v)", strategy, err)
		}
	}
}

func TestTokenOfMissingAccount(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, line := range []string{"token", "token --legacy"} {
		_, err := l.run(t.Context(), line)
		wantError(t, err, ExitFailed, fmt.Sprintf("ServiceAccount \"admin-user\" does not exist in namespace %q\n→ add --create to make it and bind it to cluster-admin, or name another with --service-account and -n", l.namespace))
	}
}

func TestTokenRefusesOtherRole(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	name := uniqueAccount(t, l)
	_, err := l.client.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.run(t.Context(), "token", "--create", "--service-account", name)
	wantError(t, err, ExitFailed, fmt.Sprintf("ClusterRoleBinding %q exists and grants ClusterRole \"view\", not cluster-admin\n→ nothing was changed; delete that binding first, or name another ServiceAccount with --service-account", name))
	if _, err := l.client.CoreV1().ServiceAccounts(l.namespace).Get(t.Context(), name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the ServiceAccount was made all the same (%v)", err)
	}
}

func TestTokenAddsMissingSubject(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	name := uniqueAccount(t, l)
	other := rbacv1.Subject{Kind: "ServiceAccount", Namespace: "elsewhere", Name: "somebody"}
	_, err := l.client.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{other},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, strategy := range []string{"client", "server", "none"} {
		result := l.must(t, "token", "--create", "--service-account", name, "--dry-run="+strategy).(*TokenResult)
		wantOutcomes(t, result,
			"serviceaccount/"+name+" created",
			fmt.Sprintf("clusterrolebinding.rbac.authorization.k8s.io/%s configured: ServiceAccount %s/%s added", name, l.namespace, name))
		if change := result.Changes()[1]; change.Before == nil || change.After == nil {
			t.Errorf("%s: no preview of the binding", strategy)
		}
	}
	binding, err := l.client.RbacV1().ClusterRoleBindings().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []rbacv1.Subject{other, {Kind: "ServiceAccount", Namespace: l.namespace, Name: name}}; !slices.Equal(binding.Subjects, want) {
		t.Errorf("subjects %+v, want %+v", binding.Subjects, want)
	}
}

func TestTokenForbidden(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.createAccount(t, "viewer")
	nobody := l.as(t, "nobody")
	_, err := nobody.run(t.Context(), "token --service-account viewer")
	wantError(t, err, ExitFailed, fmt.Sprintf("forbidden: \"nobody\" may not create serviceaccounts/token in namespace %q\n→ ask an administrator for this permission; check with: kubectl auth can-i create serviceaccounts --subresource=token -n %s", l.namespace, l.namespace))
	_, err = nobody.run(t.Context(), "token --create --service-account viewer")
	if d, ok := DenialOf(err); !ok || d.String() != "get clusterrolebindings.rbac.authorization.k8s.io" {
		t.Errorf("--create: %v", err)
	}
}

// TestTokenReportsHalfDone: who may make the ServiceAccount but not the binding sees both outcomes.
func TestTokenReportsHalfDone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	name := uniqueAccount(t, l)
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"get", "create"}},
			{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterrolebindings"}, Verbs: []string{"get"}},
		},
	}
	l.grant(t, "half-"+name, role)
	half := l.as(t, "half-"+name)
	eventually(t, "the role is effective", func() bool {
		_, err := half.client.CoreV1().ServiceAccounts(l.namespace).Get(t.Context(), name, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	result, err := half.run(t.Context(), "token", "--create", "--service-account", name)
	if err == nil {
		t.Fatal("no error")
	}
	if changes := result.(*TokenResult).Changes(); len(changes) != 2 || changes[0].Outcome != OutcomeCreated || changes[1].Outcome != OutcomeFailed {
		t.Errorf("changes %+v", changes)
	}
	if e := Explain(err); !strings.Contains(e.Message, "1 of 2 not created") || !strings.Contains(e.Message, "may not create clusterrolebindings.rbac.authorization.k8s.io") {
		t.Errorf("error: %s", e.Message)
	}
}

// grant gives a user a cluster role of the test's own.
func (l *lab) grant(t *testing.T, user string, role *rbacv1.ClusterRole) {
	t.Helper()
	name := user + "-" + l.namespace
	role.Name = name
	roles, bindings := l.client.RbacV1().ClusterRoles(), l.client.RbacV1().ClusterRoleBindings()
	if _, err := roles.Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := bindings.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = bindings.Delete(context.Background(), name, metav1.DeleteOptions{})
		_ = roles.Delete(context.Background(), name, metav1.DeleteOptions{})
	})
}

func TestTokenForAnotherAudience(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.createAccount(t, "viewer")
	result := l.must(t, "token", "--service-account", "viewer", "--audience", "vault", "--audience", "ci").(*TokenResult)
	if !slices.Equal(result.Audiences, []string{"vault", "ci"}) {
		t.Errorf("audiences %q", result.Audiences)
	}
	if want := "system:serviceaccount:" + l.namespace + ":viewer"; result.User.Username != want || result.User.UID == "" {
		t.Errorf("user %+v, want %s", result.User, want)
	}
	if _, err := whoAmI(t.Context(), asToken(t, result)); !apierrors.IsUnauthorized(err) {
		t.Errorf("the API server accepts a token that is for others: %v", err)
	}
}

func TestTokenLegacy(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.createAccount(t, "viewer")
	_, err := l.run(t.Context(), "token --legacy --service-account viewer")
	wantError(t, err, ExitFailed, fmt.Sprintf("no Secret in namespace %q holds a token of ServiceAccount \"viewer\"\n→ leave out --legacy: the API server grants a token on request, which is safer", l.namespace))

	l.createLegacyToken(t, "viewer")
	result := l.must(t, "token --legacy --service-account viewer").(*TokenResult)
	if result.Secret != "viewer-token" || result.ExpirationTimestamp != nil || result.User.UID == "" {
		t.Errorf("got Secret %q, expiry %v, user %+v", result.Secret, result.ExpirationTimestamp, result.User)
	}
	if want := []string{`This token never expires. Delete Secret "viewer-token" to revoke it.`}; !slices.Equal(result.Warnings, want) {
		t.Errorf("warnings %q, want %q", result.Warnings, want)
	}
	if info, err := whoAmI(t.Context(), asToken(t, result)); err != nil || info.Username != result.User.Username {
		t.Errorf("the API server takes the bearer for %+v (%v)", info, err)
	}
}

// createLegacyToken makes the Secret viewer-token and waits until it holds a token.
func (l *lab) createLegacyToken(t *testing.T, account string) {
	t.Helper()
	secrets := l.client.CoreV1().Secrets(l.namespace)
	_, err := secrets.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: account + "-token", Annotations: map[string]string{corev1.ServiceAccountNameKey: account}},
		Type:       corev1.SecretTypeServiceAccountToken,
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the token controller fills the Secret", func() bool {
		s, err := secrets.Get(t.Context(), account+"-token", metav1.GetOptions{})
		return err == nil && len(s.Data[corev1.ServiceAccountTokenKey]) > 0
	})
}

func TestNewestToken(t *testing.T) {
	t.Parallel()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "1"}}
	secret := func(name, account, uid, token string, at int64) corev1.Secret {
		return corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, CreationTimestamp: metav1.Unix(at, 0),
				Annotations: map[string]string{corev1.ServiceAccountNameKey: account, corev1.ServiceAccountUIDKey: uid},
			},
			Data: map[string][]byte{corev1.ServiceAccountTokenKey: []byte(token)},
		}
	}
	got := newestToken([]corev1.Secret{
		secret("old", "a", "1", "x", 1),
		secret("new", "a", "1", "x", 3),
		secret("same-age-later-name", "a", "1", "x", 3),
		secret("unfilled", "a", "1", "", 4),
		secret("left-behind", "a", "0", "x", 5),
		secret("another's", "b", "1", "x", 6),
	}, account)
	if got == nil || got.Name != "new" {
		t.Errorf("got %v, want new", got)
	}
	if got := newestToken(nil, account); got != nil {
		t.Errorf("got %v of nothing", got)
	}
}

func TestTokenFindsDashboard(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.createAccount(t, "viewer")
	config, err := l.Cluster.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}

	before := l.must(t, "token --service-account viewer").(*TokenResult)
	if len(before.Dashboards) > 0 || before.DashboardNote != "No dashboard found: no Service kubernetes-dashboard, kubernetes-dashboard-kong-proxy or headlamp." {
		t.Errorf("without a dashboard: %+v, %q", before.Dashboards, before.DashboardNote)
	}

	l.serve(t, metav1.NamespaceSystem, "kubernetes-dashboard", corev1.ServicePort{Port: 443})
	l.serve(t, metav1.NamespaceSystem, "headlamp", corev1.ServicePort{Name: "http", Port: 80}, corev1.ServicePort{Name: "metrics", Port: 9090})
	result := l.must(t, "token --service-account viewer").(*TokenResult)
	want := []Dashboard{
		{
			Namespace: "kube-system", Service: "headlamp",
			PortForward: "kubectl -n kube-system port-forward service/headlamp 8080:80",
			LocalURL:    "http://localhost:8080/",
			ProxyURL:    config.Host + "/api/v1/namespaces/kube-system/services/http:headlamp:http/proxy/",
		},
		{
			Namespace: "kube-system", Service: "kubernetes-dashboard",
			PortForward: "kubectl -n kube-system port-forward service/kubernetes-dashboard 8443:443",
			LocalURL:    "https://localhost:8443/",
			ProxyURL:    config.Host + "/api/v1/namespaces/kube-system/services/https:kubernetes-dashboard:/proxy/",
		},
	}
	if !slices.Equal(result.Dashboards, want) {
		t.Errorf("dashboards\n got %+v\nwant %+v", result.Dashboards, want)
	}

	_, note := findDashboards(t.Context(), l.as(t, "nobody").client, config)
	if want := `No dashboard found; not everywhere could be looked: forbidden: "nobody" may not list services in namespace "kubernetes-dashboard".`; note != want {
		t.Errorf("note of who may not look: %q, want %q", note, want)
	}
}

func (l *lab) serve(t *testing.T, namespace, name string, ports ...corev1.ServicePort) {
	t.Helper()
	services := l.client.CoreV1().Services(namespace)
	_, err := services.Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{Ports: ports},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := services.Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// TestTokenStaysSecret prints a result in every way that somebody might by mistake.
func TestTokenStaysSecret(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.createAccount(t, "viewer")
	result := l.must(t, "token --service-account viewer").(*TokenResult)
	jwt := result.Token.Reveal()
	kubeconfig, err := result.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}

	asJSON, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("done", "result", result, "value", *result, "token", result.Token, "kubeconfig", kubeconfig, "document", result.Document())
	}
	texts := map[string]string{"JSON": string(asJSON), "YAML": string(asYAML), "slog": log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for name, value := range map[string]any{"result": result, "copy": *result, "document": result.Document(), "blocks": result.Document().Blocks, "kubeconfig": kubeconfig} {
			texts[name+" "+verb] = fmt.Sprintf(verb, value)
		}
	}
	parts := strings.Split(jwt, ".")
	for name, text := range texts {
		for _, part := range append(parts, fmt.Sprintf("%x", parts[2])) {
			if strings.Contains(text, part) {
				t.Errorf("%s shows the token", name)
				break
			}
		}
	}

	revealed, err := json.Marshal(result.Revealed())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(revealed), jwt) != 1 || strings.Contains(string(revealed), redacted) {
		t.Error("Revealed does not hold the token once")
	}
}

// TestTokenErrorsKeepSecret: an error about a token that the API server does not accept holds no token.
func TestTokenErrorsKeepSecret(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.createAccount(t, "viewer")
	result := l.must(t, "token", "--service-account", "viewer", "--audience", "vault").(*TokenResult)
	run := &tokenRun{config: mustConfig(t, l), result: result}
	_, err := run.review(t.Context())
	if err == nil {
		t.Fatal("a token for vault is accepted")
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(verb, err) + fmt.Sprintf(verb, Explain(err)); strings.Contains(text, result.Token.Reveal()) {
			t.Errorf("%s of the error shows the token", verb)
		}
	}
}

func mustConfig(t *testing.T, l *lab) *rest.Config {
	t.Helper()
	config, err := l.Cluster.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestTokenDocument(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.createAccount(t, "viewer")
	result := l.must(t, "token --service-account viewer").(*TokenResult)
	var facts, secrets int
	for _, block := range result.Document().Blocks {
		switch b := block.(type) {
		case document.Facts:
			facts++
		case document.Secret:
			secrets++
			if b.Value.Reveal() != result.Token.Reveal() {
				t.Error("the document's secret is not the token")
			}
		}
	}
	if facts == 0 || secrets != 1 {
		t.Errorf("%d blocks of facts, %d secrets", facts, secrets)
	}
}

func TestTokenSuggest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.createAccount(t, "viewer")
	options := &TokenOptions{}
	eventually(t, "the cache knows the ServiceAccount", func() bool {
		return slices.Contains(options.Suggest(t.Context(), l.Env, "service-account", nil, ""), "viewer")
	})
	if got := options.Suggest(t.Context(), l.Env, "bound-object-kind", nil, ""); !slices.Equal(got, boundObjectKinds()) {
		t.Errorf("kinds: %q", got)
	}
	if got := options.Suggest(t.Context(), l.Env, "", nil, ""); got != nil {
		t.Errorf("arguments: %q", got)
	}
}

func TestConnectionOf(t *testing.T) {
	t.Parallel()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, []byte("PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	from := func(text string) *clusterConnection {
		config, err := clientcmd.RESTConfigFromKubeConfig([]byte(`{"apiVersion":"v1","kind":"Config","current-context":"x","contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],"users":[{"name":"u","user":{}}],"clusters":[{"name":"c","cluster":` + text + `}]}`))
		if err != nil {
			t.Fatal(err)
		}
		return connectionOf(config)
	}
	t.Run("everything", func(t *testing.T) {
		c := from(`{"server":"https://rancher.example.com/k8s/c-1/","tls-server-name":"api","certificate-authority":"` + ca + `","proxy-url":"http://proxy:3128"}`)
		if c.err != nil || c.name != "rancher.example.com/k8s/c-1" || c.cluster.Server != "https://rancher.example.com/k8s/c-1" ||
			c.cluster.TLSServerName != "api" || string(c.cluster.CertificateAuthorityData) != "PEM" || c.cluster.ProxyURL != "http://proxy:3128" {
			t.Errorf("got %+v", c)
		}
	})
	t.Run("insecure", func(t *testing.T) {
		if c := from(`{"server":"https://10.0.0.1:6443","insecure-skip-tls-verify":true}`); !c.cluster.InsecureSkipTLSVerify || c.name != "10.0.0.1:6443" {
			t.Errorf("got %+v", c)
		}
	})
	t.Run("the certificate authority cannot be read", func(t *testing.T) {
		c := connectionOf(&rest.Config{Host: "https://h:1", TLSClientConfig: rest.TLSClientConfig{CAFile: "/none/ca.crt"}})
		result := &TokenResult{Token: NewSecret("x"), connection: c}
		if _, err := result.Kubeconfig(); err == nil || !strings.Contains(err.Error(), "reading the certificate authority of https://h:1") {
			t.Errorf("error %v", err)
		}
	})
}

package actions

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// The manual's ServiceAccount: its name, its namespace, and the name of its ClusterRoleBinding.
const (
	adminUser      = "admin-user"
	adminNamespace = metav1.NamespaceSystem
)

// The shortest and longest lifetimes that the API server takes in a TokenRequest
// (k8s.io/kubernetes/pkg/apis/authentication/validation).
const (
	minTokenDuration = 10 * time.Minute
	maxTokenDuration = (1 << 32) * time.Second
)

func token() Action {
	return Action{
		Words: "token",
		Short: "Get a short-lived admin token, and find the dashboard",
		Long: `Requests a token for a ServiceAccount, the manual's admin-user unless --service-account names another, and shows whom the API server takes it for, when it expires, and where the dashboard is.

--create first makes the ServiceAccount and binds it to the ClusterRole cluster-admin, as in the manual. What exists already is left as it is. Whoever holds the token may then do everything in the cluster until it expires.

The ServiceAccount is looked for in kube-system, or in the namespace given by -n. A token bound to an object (--bound-object-kind, --bound-object-name) ends when that object is deleted, at the latest some seconds after. -o kubeconfig prints a kubeconfig that uses the token.

Clusters older than v1.22 may keep tokens in Secrets; --legacy shows one that exists. Such a token never expires.`,
		Group:  GroupLook,
		Effect: RevealsSecret,
		Examples: []Example{
			{"Make admin-user as the manual does, and get its token", "token --create"},
			{"Get a token for ten minutes", "token --duration 10m"},
			{"Get a token of another ServiceAccount", "token --service-account builder -n ci"},
			{"See what --create would make", "token --create --dry-run=server"},
		},
		New: func() Options {
			return &TokenOptions{ServiceAccount: adminUser, Duration: time.Hour}
		},
	}
}

// TokenOptions are the options of "token".
type TokenOptions struct {
	DryRunFlag
	// ServiceAccount is whose token is asked for.
	ServiceAccount string
	// Duration is the lifetime asked for; the server may grant another.
	Duration time.Duration
	// Audiences are whom the token is for; empty means the API server.
	Audiences []string
	// Create makes the ServiceAccount and its binding to cluster-admin if they do not exist.
	Create bool
	// Legacy shows the token of an existing Secret instead of requesting one.
	Legacy bool
	// BoundObject is an object with which the token ends.
	BoundObject BoundObject

	durationGiven func() bool
}

// BoundObject names the object that a token is bound to: when it is deleted, the token is no longer
// accepted. See https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens.
type BoundObject struct {
	// Kind is Pod, Secret or Node; empty for a token that is bound to nothing.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// UID guards against an object of the same name made since; may be empty when asking.
	UID types.UID `json:"uid,omitempty"`
}

// boundObjectKinds are the kinds that kubectl create token takes.
func boundObjectKinds() []string { return []string{"Node", "Pod", "Secret"} }

// Bind implements Options.
func (o *TokenOptions) Bind(fs *pflag.FlagSet) {
	o.BindDryRun(fs)
	fs.StringVar(&o.ServiceAccount, "service-account", o.ServiceAccount, "the ServiceAccount whose token to get")
	fs.DurationVar(&o.Duration, "duration", o.Duration, "lifetime of the token, at least 10m; the API server may grant another")
	fs.StringArrayVar(&o.Audiences, "audience", nil, "whom the token is for, if not the API server; may be repeated")
	fs.BoolVar(&o.Create, "create", false, "make the ServiceAccount and bind it to cluster-admin if that is not so yet")
	fs.BoolVar(&o.Legacy, "legacy", false, "show the token of an existing Secret of type kubernetes.io/service-account-token")
	fs.StringVar(&o.BoundObject.Kind, "bound-object-kind", "", "kind of an object with which the token ends: "+strings.Join(boundObjectKinds(), ", "))
	fs.StringVar(&o.BoundObject.Name, "bound-object-name", "", "name of the object with which the token ends")
	fs.StringVar((*string)(&o.BoundObject.UID), "bound-object-uid", "", "UID of that object, if it must be this very one")
	o.durationGiven = func() bool { return fs.Changed("duration") }
}

// Complete implements Options.
func (o *TokenOptions) Complete(args []string) error { return noArgs(args) }

// Validate implements Options.
func (o *TokenOptions) Validate() error {
	if err := o.ValidateDryRun(); err != nil {
		return err
	}
	if problems := validation.IsDNS1123Subdomain(o.ServiceAccount); len(problems) > 0 {
		return UsageErrorf("--service-account %q is not a valid name: %s", o.ServiceAccount, problems[0])
	}
	if slices.Contains(o.Audiences, "") {
		return UsageErrorf("--audience must not be empty")
	}
	if err := o.validateDuration(); err != nil {
		return err
	}
	if err := o.validateBoundObject(); err != nil {
		return err
	}
	return o.validateLegacy()
}

func (o *TokenOptions) validateDuration() error {
	switch {
	case o.Duration < minTokenDuration:
		return UsageErrorf("--duration %s is too short: the API server grants no token for less than 10m", o.Duration)
	case o.Duration > maxTokenDuration:
		return UsageErrorf("--duration %s is too long: the API server takes at most %s", o.Duration, maxTokenDuration)
	case o.Duration%time.Second != 0:
		return UsageErrorf("--duration %s must be whole seconds", o.Duration)
	}
	return nil
}

func (o *TokenOptions) validateBoundObject() error {
	bound := o.BoundObject
	switch {
	case bound.Kind == "" && bound.Name != "":
		return UsageErrorf("--bound-object-name needs --bound-object-kind")
	case bound.Kind == "" && bound.UID != "":
		return UsageErrorf("--bound-object-uid needs --bound-object-kind and --bound-object-name")
	case bound.Kind == "":
		return nil
	case !slices.Contains(boundObjectKinds(), bound.Kind):
		return UsageErrorf("--bound-object-kind must be one of %s, not %q", strings.Join(boundObjectKinds(), ", "), bound.Kind)
	case bound.Name == "":
		return UsageErrorf("--bound-object-kind needs --bound-object-name")
	}
	return nil
}

func (o *TokenOptions) validateLegacy() error {
	if !o.Legacy {
		return nil
	}
	given := o.durationGiven != nil && o.durationGiven()
	if given || len(o.Audiences) > 0 || o.BoundObject.Kind != "" {
		return UsageErrorf("--legacy shows a token as it is: leave out --duration, --audience and --bound-object-kind")
	}
	return nil
}

// Effect implements Effecter: a dry run asks for no token.
func (o *TokenOptions) Effect() Effect {
	if o.DryRunStrategy() != DryRunNone {
		return Reads
	}
	return RevealsSecret
}

// Writes implements WriteTeller.
func (o *TokenOptions) Writes() bool { return o.Create && o.DryRunStrategy() == DryRunNone }

// Run implements Options.
func (o *TokenOptions) Run(ctx context.Context, env *Env) (Result, error) {
	run, err := o.newRun(env)
	if err != nil {
		return nil, err
	}
	if o.Create {
		access := adminAccess{client: run.client, namespace: run.namespace, name: o.ServiceAccount, dryRun: o.DryRunStrategy()}
		run.result.ChangeList, err = access.ensure(ctx)
		if err != nil {
			return run.partial(), err
		}
	}
	if o.DryRunStrategy() != DryRunNone {
		return run.result, nil
	}
	if err := run.getToken(ctx); err != nil {
		return run.partial(), err
	}
	forEach(ctx, 2, 2, func(ctx context.Context, i int) {
		if i == 0 {
			run.identify(ctx)
		} else {
			run.result.Dashboards, run.result.DashboardNote = findDashboards(ctx, run.client, run.config)
		}
	})
	if err := ctx.Err(); err != nil {
		return run.partial(), err
	}
	run.judge()
	return run.result, nil
}

// tokenRun is one run of the verb.
type tokenRun struct {
	*TokenOptions
	env       *Env
	client    kubernetes.Interface
	config    *rest.Config
	namespace string
	claims    tokenClaims
	result    *TokenResult
}

func (o *TokenOptions) newRun(env *Env) (*tokenRun, error) {
	client, err := env.Cluster.Kubernetes()
	if err != nil {
		return nil, err
	}
	config, err := env.Cluster.RESTConfig()
	if err != nil {
		return nil, err
	}
	namespace, given, err := env.Cluster.Namespace()
	if err != nil {
		return nil, err
	}
	if !given {
		namespace = adminNamespace
	}
	return &tokenRun{
		TokenOptions: o, env: env, client: client, config: config, namespace: namespace,
		result: &TokenResult{
			Header:         NewHeader("TokenResult"),
			DryRun:         o.DryRunStrategy(),
			ServiceAccount: ObjectRef{APIVersion: "v1", Kind: "ServiceAccount", Namespace: namespace, Name: o.ServiceAccount},
			connection:     connectionOf(config),
			now:            env.Time,
		},
	}, nil
}

// partial is the result of a run that failed: what was changed before, or nothing.
func (r *tokenRun) partial() Result {
	if len(r.result.ChangeList) == 0 {
		return nil
	}
	return r.result
}

func (r *tokenRun) getToken(ctx context.Context) error {
	get := r.request
	if r.Legacy {
		get = r.readSecret
	}
	if err := get(ctx); err != nil {
		return err
	}
	r.claims = parseTokenClaims(r.result.Token)
	return nil
}

func (r *tokenRun) request(ctx context.Context) error {
	seconds := int64(r.Duration / time.Second)
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: r.Audiences, ExpirationSeconds: &seconds},
	}
	if r.BoundObject.Kind != "" {
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{
			APIVersion: "v1", Kind: r.BoundObject.Kind, Name: r.BoundObject.Name, UID: r.BoundObject.UID,
		}
	}
	answer, err := r.client.CoreV1().ServiceAccounts(r.namespace).CreateToken(ctx, r.ServiceAccount, request, metav1.CreateOptions{})
	if err != nil {
		return r.explainRequest(ctx, err)
	}
	if answer.Status.Token == "" {
		return &Error{Message: "the API server answered the request for a token without one", Hint: "does an admission webhook or a proxy change TokenRequests?", Code: ExitFailed}
	}
	r.result.Token = NewSecret(answer.Status.Token)
	r.result.Audiences = answer.Spec.Audiences
	r.result.ExpirationTimestamp = &answer.Status.ExpirationTimestamp
	if ref := answer.Spec.BoundObjectRef; ref != nil {
		r.result.BoundObject = &BoundObject{Kind: ref.Kind, Name: ref.Name, UID: ref.UID}
	}
	return nil
}

// explainRequest tells a missing ServiceAccount from a missing bound object and from an API server
// that knows no TokenRequest.
func (r *tokenRun) explainRequest(ctx context.Context, err error) error {
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("requesting a token of ServiceAccount %q: %w", r.ServiceAccount, err)
	}
	if kind := statusDetails(err).Kind; r.BoundObject.Name != "" && kind == strings.ToLower(r.BoundObject.Kind)+"s" {
		return &Error{
			Message: fmt.Sprintf("%s %q, to which the token shall be bound, does not exist", r.BoundObject.Kind, r.BoundObject.Name),
			Hint:    "create it first, or leave out --bound-object-kind",
			Code:    ExitFailed, Err: err,
		}
	}
	if _, getErr := r.client.CoreV1().ServiceAccounts(r.namespace).Get(ctx, r.ServiceAccount, metav1.GetOptions{}); getErr == nil {
		return &Error{
			Message: "this API server grants no tokens on request",
			Hint:    "it is older than v1.20; use the token that it keeps in a Secret: add --legacy",
			Code:    ExitFailed, Err: err,
		}
	}
	return r.missingAccount(err)
}

func (r *tokenRun) missingAccount(err error) error {
	return &Error{
		Message: fmt.Sprintf("ServiceAccount %q does not exist in namespace %q", r.ServiceAccount, r.namespace),
		Hint:    "add --create to make it and bind it to cluster-admin, or name another with --service-account and -n",
		Code:    ExitFailed, Err: err,
	}
}

// identify asks the API server whom it takes the bearer of the token for. An API server that cannot
// be asked so (older than v1.27, or a token for another audience) leaves what the token says itself.
func (r *tokenRun) identify(ctx context.Context) {
	r.result.User = r.claims.user()
	if r.result.User.Username == "" {
		r.result.User.Username = serviceAccountUser(r.result.ServiceAccount)
	}
	if len(r.result.Audiences) == 0 {
		r.result.Audiences = r.claims.Audiences
	}
	if user, err := r.review(ctx); err == nil {
		r.result.User = user
		return
	}
	r.result.unconfirmed = true
}

// serviceAccountUser is the name by which the API server knows a ServiceAccount.
func serviceAccountUser(account ObjectRef) string {
	return serviceAccountPrefix + account.Namespace + ":" + account.Name
}

func (r *tokenRun) review(ctx context.Context) (TokenUser, error) {
	config := rest.AnonymousClientConfig(r.config)
	config.BearerToken = r.result.Token.Reveal()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return TokenUser{}, err
	}
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return TokenUser{}, err
	}
	info := review.Status.UserInfo
	return TokenUser{Username: info.Username, UID: types.UID(info.UID), Groups: info.Groups}, nil
}

// judge adds what the requester should know about the token.
func (r *tokenRun) judge() {
	if r.Legacy {
		r.result.warn("This token never expires. Delete Secret %q to revoke it.", r.result.Secret)
		return
	}
	granted, known := r.claims.lifetime()
	if !known {
		granted = r.result.ExpirationTimestamp.Sub(r.env.Time()).Round(time.Minute)
	}
	switch {
	case granted < r.Duration:
		r.result.warn("You asked for %s; the API server granted only %s.", r.Duration, granted)
	case granted > r.Duration:
		r.result.warn("You asked for %s; the API server granted %s.", r.Duration, granted)
	}
	if r.result.unconfirmed && len(r.Audiences) == 0 {
		r.result.warn("The API server did not say whom it takes this token for; user and groups are what the token says.")
	}
}

// Suggest implements Suggester: the ServiceAccounts of the namespace.
func (o *TokenOptions) Suggest(ctx context.Context, env *Env, flag string, _ []string, _ string) []string {
	switch flag {
	case "service-account":
		return serviceAccountNames(ctx, env)
	case "bound-object-kind":
		return boundObjectKinds()
	}
	return suggestCommon(flag)
}

func serviceAccountNames(ctx context.Context, env *Env) []string {
	namespace, given, err := env.Cluster.Namespace()
	if err != nil {
		return nil
	}
	if !given {
		namespace = adminNamespace
	}
	return namesOf(listMetadata(ctx, env, coreResource("serviceaccounts"), namespace))
}

// TokenResult is what "token" got.
type TokenResult struct {
	Header
	DryRun DryRun `json:"dryRun,omitempty"`
	// ServiceAccount is whose token it is.
	ServiceAccount ObjectRef `json:"serviceAccount"`
	// User is whom the API server takes the token's bearer for.
	User TokenUser `json:"user,omitzero"`
	// Audiences are whom the token is for.
	Audiences []string `json:"audiences,omitempty"`
	// ExpirationTimestamp is when it expires; nil if never.
	ExpirationTimestamp *metav1.Time `json:"expirationTimestamp,omitempty"`
	// BoundObject is the object with which the token ends, if any.
	BoundObject *BoundObject `json:"boundObject,omitempty"`
	// Secret is the name of the Secret that holds a legacy token.
	Secret string `json:"secret,omitempty"`
	// Token is redacted unless the result is Revealed.
	Token Secret `json:"token,omitzero"`
	// Dashboards are the dashboard services found.
	Dashboards []Dashboard `json:"dashboards,omitempty"`
	// DashboardNote says why there are none.
	DashboardNote string `json:"dashboardNote,omitempty"`
	// ChangeList is what --create did.
	ChangeList []Change `json:"changes,omitempty"`
	// Warnings are remarks on the token.
	Warnings []string `json:"warnings,omitempty"`

	unconfirmed bool
	connection  *clusterConnection // a pointer: a proxy's password must not be printed with the result
	now         func() time.Time
}

// TokenUser is whom a token stands for.
type TokenUser struct {
	Username string    `json:"username"`
	UID      types.UID `json:"uid,omitempty"`
	Groups   []string  `json:"groups,omitempty"`
}

func (r *TokenResult) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// Changes implements Changer.
func (r *TokenResult) Changes() []Change { return r.ChangeList }

// Revealed implements Revealed.
func (r *TokenResult) Revealed() any {
	if r.Token.IsZero() {
		return r
	}
	return struct {
		*TokenResult
		Token string `json:"token"`
	}{r, r.Token.Reveal()}
}

// Document implements Result.
func (r *TokenResult) Document() *document.Document {
	doc := &document.Document{}
	if len(r.ChangeList) > 0 {
		doc.Add(ChangeVerdicts(r.ChangeList, r.DryRun))
	}
	if r.Token.IsZero() {
		if r.DryRun != DryRunNone {
			doc.Add(document.Note{Tone: document.Info, Text: "Dry run: no token was requested."})
		}
		return doc
	}
	doc.Add(r.facts(), document.Secret{Name: "Token", Value: r.Token})
	for _, warning := range r.Warnings {
		doc.Add(document.Note{Tone: document.Warning, Text: warning})
	}
	return doc.Add(r.dashboardBlocks()...)
}

func (r *TokenResult) facts() document.Facts {
	facts := document.Facts{
		{Name: "ServiceAccount", Value: document.T(r.ServiceAccount.Namespace + "/" + r.ServiceAccount.Name)},
		{Name: "User", Value: document.T(r.User.Username)},
	}
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, document.Fact{Name: name, Value: document.T(value)})
		}
	}
	add("UID", string(r.User.UID))
	add("Groups", strings.Join(r.User.Groups, ", "))
	add("Audiences", strings.Join(r.Audiences, ", "))
	if r.BoundObject != nil {
		add("Ends with", strings.ToLower(r.BoundObject.Kind)+"/"+r.BoundObject.Name)
	}
	add("From Secret", r.Secret)
	return append(facts, document.Fact{Name: "Expires", Value: r.expiry()})
}

func (r *TokenResult) expiry() document.Text {
	if r.ExpirationTimestamp == nil {
		return document.Text{Value: "never", Tone: document.Warning}
	}
	at := r.ExpirationTimestamp.UTC()
	text := at.Format(time.RFC3339)
	if r.now != nil {
		text += fmt.Sprintf(" (in %s)", at.Sub(r.now()).Round(time.Second))
	}
	return document.T(text)
}

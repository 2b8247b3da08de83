package actions

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/spf13/pflag"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
)

// shared is the one cluster of this package's tests.
var shared testcluster.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// lab is what a test needs to run actions: an Env on the shared cluster in a namespace of its own, with
// an observer that keeps the events and files that live in memory.
type lab struct {
	*Env
	namespace string
	events    *recorder
	files     fstest.MapFS
	client    kubernetes.Interface

	flags *genericclioptions.ConfigFlags
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := connect(t, shared.Cluster(t).Kubeconfig, "", "")
	ctx := t.Context()
	ns, err := l.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := l.client.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	return l.in(t, ns.Name)
}

// connect makes a lab for a kubeconfig, impersonating a user unless that is empty.
func connect(t testing.TB, kubeconfig, namespace, user string) *lab {
	t.Helper()
	flags := genericclioptions.NewConfigFlags(false) // the discovery client that true keeps is not for parallel subtests
	cache := filepath.Join(os.TempDir(), fmt.Sprintf("kubectl-lab-test-%d", os.Getpid()))
	t.Cleanup(func() { _ = os.RemoveAll(cache) })
	*flags.KubeConfig, *flags.Namespace, *flags.Impersonate, flags.CacheDir = kubeconfig, namespace, user, &cache
	l := &lab{namespace: namespace, events: &recorder{}, files: fstest.MapFS{}, flags: flags}
	l.Env = &Env{
		Cluster:  NewCluster(&testConnection{flags, namespace, l.events}),
		Observer: l.events,
		Files:    memoryFiles{l.files},
		Build:    BuildInfo{Version: "v1.2.3"},
	}
	client, err := l.Cluster.Kubernetes()
	if err != nil {
		t.Fatal(err)
	}
	l.client = client
	return l
}

// in is the same lab with another default namespace.
func (l *lab) in(t testing.TB, namespace string) *lab {
	t.Helper()
	return connect(t, *l.flags.KubeConfig, namespace, *l.flags.Impersonate)
}

// as is the same lab for another person, who may do nothing unless the test grants it.
func (l *lab) as(t testing.TB, user string) *lab {
	t.Helper()
	return connect(t, *l.flags.KubeConfig, l.namespace, user)
}

// allow grants a user rules on the whole cluster, and returns when the API server knows.
func (l *lab) allow(t testing.TB, user string, rules ...rbacv1.PolicyRule) {
	t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: rules}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	if _, err := l.client.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.client.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules {
		eventually(t, user+" is allowed", func() bool { return l.mayAll(t, user, rule) })
	}
}

// mayAll asks the API server whether a user has all the permissions of a rule.
func (l *lab) mayAll(t testing.TB, user string, rule rbacv1.PolicyRule) bool {
	for _, resource := range rule.Resources {
		for _, verb := range rule.Verbs {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User:               user,
				ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: rule.APIGroups[0], Resource: resource, Namespace: l.namespace},
			}}
			answer, err := l.client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
			if err != nil || !answer.Status.Allowed {
				return false
			}
		}
	}
	return true
}

// run runs a command line as a front end does. The first argument is split into words, further ones
// are words as they are.
func (l *lab) run(ctx context.Context, words ...string) (Result, error) {
	options, err := parse(words...)
	if err != nil {
		return nil, err
	}
	return options.Run(ctx, l.Env)
}

// must is run for lines that must succeed.
func (l *lab) must(t testing.TB, words ...string) Result {
	t.Helper()
	result, err := l.run(t.Context(), words...)
	if err != nil {
		t.Fatalf("%s: %s", strings.Join(words, " "), explained(err))
	}
	return result
}

// parse takes a command line as far as Validate.
func parse(words ...string) (Options, error) {
	if len(words) > 0 {
		words = append(strings.Fields(words[0]), words[1:]...)
	}
	action, rest, ok := Find(All(), words)
	if !ok {
		return nil, UsageErrorf("unknown verb %q", words)
	}
	options := action.New()
	flags := flagsOf(options)
	if err := flags.Parse(rest); err != nil {
		return nil, UsageErrorf("%s", err)
	}
	if err := options.Complete(flags.Args()); err != nil {
		return nil, err
	}
	return options, options.Validate()
}

func flagsOf(options Options) *pflag.FlagSet {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	options.Bind(flags)
	return flags
}

// explained is an error as a person reads it.
func explained(err error) string {
	e := Explain(err)
	if e == nil {
		return "<no error>"
	}
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "\n→ " + e.Hint
}

// wantUsageError checks that a line is refused before anything is sent, with these words.
func wantUsageError(t *testing.T, line []string, want string) {
	t.Helper()
	_, err := parse(line...)
	if err == nil {
		t.Fatalf("%q is accepted; want: %s", line, want)
	}
	if e := Explain(err); e.Message != want || e.Code != ExitUsage {
		t.Errorf("%q\n got: %s (exit code %d)\nwant: %s (exit code %d)", line, e.Message, e.Code, want, ExitUsage)
	}
}

// wantError checks an error's text and exit code.
func wantError(t *testing.T, err error, code ExitCode, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want: %s", want)
	}
	if got := explained(err); got != want || Explain(err).Code != code {
		t.Errorf("error\n got: %s (exit code %d)\nwant: %s (exit code %d)", got, Explain(err).Code, want, code)
	}
}

// recorder is an observer that keeps what it is told.
type recorder struct {
	mu     sync.Mutex
	events []Event
	// tell, if set, is called with each event.
	tell func(Event)
}

func (r *recorder) Observe(event Event) {
	r.mu.Lock()
	r.events = append(r.events, event)
	tell := r.tell
	r.mu.Unlock()
	if tell != nil {
		tell(event)
	}
}

func (r *recorder) all() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Event(nil), r.events...)
}

// output joins the Output events.
func (r *recorder) output() string {
	var text strings.Builder
	for _, event := range r.all() {
		if o, ok := event.(Output); ok {
			text.WriteString(o.Text)
		}
	}
	return text.String()
}

// progress lists the Progress events as "subject message".
func (r *recorder) progress() []string {
	var lines []string
	for _, event := range r.all() {
		if p, ok := event.(Progress); ok {
			lines = append(lines, strings.TrimSpace(p.Subject+" "+p.Message))
		}
	}
	return lines
}

// warnings lists the API server's warnings.
func (r *recorder) warnings() []string {
	var lines []string
	for _, event := range r.all() {
		if w, ok := event.(Warning); ok {
			lines = append(lines, w.Text)
		}
	}
	return lines
}

// testConnection is the connection of a terminal without its explanations.
type testConnection struct {
	*genericclioptions.ConfigFlags
	namespace string
	events    *recorder
}

func (c *testConnection) ToRESTConfig() (*rest.Config, error) {
	cfg, err := c.ConfigFlags.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	cfg.WarningHandlerWithContext = c
	return cfg, nil
}

func (c *testConnection) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	c.events.Observe(Warning{Text: text})
}

func (c *testConnection) Namespace() (string, bool, error) {
	if c.namespace == "" {
		return "default", false, nil
	}
	return c.namespace, true, nil
}

// memoryFiles serves files from memory; "-" is the file "stdin". Absolute paths are real files.
type memoryFiles struct{ files fstest.MapFS }

func (f memoryFiles) name(name string) string {
	if name == "-" {
		return "stdin"
	}
	return strings.TrimSuffix(name, "/")
}

func (f memoryFiles) Open(name string) (io.ReadCloser, error) {
	if filepath.IsAbs(name) {
		return os.Open(name)
	}
	return f.files.Open(f.name(name))
}

func (f memoryFiles) Stat(name string) (fs.FileInfo, error) {
	if filepath.IsAbs(name) {
		return os.Stat(name)
	}
	return f.files.Stat(f.name(name))
}

// write puts a file there.
func (l *lab) write(name, content string) { l.files[name] = &fstest.MapFile{Data: []byte(content)} }

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within 30 s", what)
		case <-tick.C:
		}
	}
}

package exercises

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/jsonpath"

	"github.com/kubectl-lab/kubectl-lab/pkg/traffic"
)

// expectation looks whether something holds: what it saw, or why not yet. A finalError ends the
// waiting.
type expectation func(context.Context) (string, error)

func (r *run) expectations(step Step) []expectation {
	var all []expectation
	for _, f := range step.Fields {
		all = append(all, func(ctx context.Context) (string, error) { return r.field(ctx, f) })
	}
	for _, ref := range step.Gone {
		all = append(all, func(ctx context.Context) (string, error) { return r.gone(ctx, ref) })
	}
	for _, e := range step.Exec {
		all = append(all, func(ctx context.Context) (string, error) { return r.exec(ctx, e) })
	}
	for _, h := range step.HTTP {
		all = append(all, func(ctx context.Context) (string, error) { return r.http(ctx, h) })
	}
	for _, h := range step.HTTPS {
		all = append(all, func(ctx context.Context) (string, error) { return r.https(ctx, h) })
	}
	for _, l := range step.Logs {
		all = append(all, func(ctx context.Context) (string, error) { return r.logs(ctx, l) })
	}
	if step.Traffic != nil {
		all = append(all, func(ctx context.Context) (string, error) { return r.traffic(ctx, *step.Traffic) })
	}
	if step.Denied != nil {
		all = append(all, func(ctx context.Context) (string, error) { return r.denied(ctx, *step.Denied) })
	}
	if step.Token != nil {
		all = append(all, func(ctx context.Context) (string, error) { return r.tryToken(ctx, *step.Token) })
	}
	return all
}

func (r *run) field(ctx context.Context, f Field) (string, error) {
	objects, err := r.find(ctx, f.Ref)
	if err != nil {
		return "", err
	}
	if f.Count != "" {
		if strconv.Itoa(len(objects)) != f.Count {
			return "", fmt.Errorf("%s: there are %d, want %s", f.Ref, len(objects), f.Count)
		}
		if f.Path == "" {
			return "", nil
		}
	}
	if len(objects) == 0 {
		return "", fmt.Errorf("%s: there is none", f.Ref)
	}
	value := ""
	for i := range objects {
		if value, err = f.check(&objects[i]); err != nil {
			return "", err
		}
	}
	if f.As != "" {
		r.variables[f.As] = value
	}
	if f.Equals != nil || f.As != "" {
		return "", nil // the step's own words say it
	}
	return fmt.Sprintf("%s %s is %s", f.Ref, f.Path, value), nil
}

// check compares one object's field and returns its value.
func (f Field) check(object *unstructured.Unstructured) (string, error) {
	value, err := valueOf(object, f.Path)
	if err != nil {
		return "", &finalError{err}
	}
	name := strings.ToLower(object.GetKind()) + "/" + object.GetName()
	shown := value
	if shown == "" {
		shown = "not set"
	}
	switch {
	case f.Equals != nil && value != *f.Equals:
		return "", fmt.Errorf("%s: %s is %s, want %s", name, f.Path, shown, *f.Equals)
	case f.Contains != "" && !strings.Contains(value, f.Contains):
		return "", fmt.Errorf("%s: %s is %s, want %s in it", name, f.Path, shown, f.Contains)
	}
	if f.NotBefore != "" && value < f.NotBefore {
		return "", fmt.Errorf("%s: %s is %s, want %s or later", name, f.Path, shown, f.NotBefore)
	}
	if f.AtLeast == nil && f.AtMost == nil {
		return value, nil
	}
	number, err := strconv.ParseFloat(value, 64)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %s is %s, want a number", name, f.Path, shown)
	case f.AtLeast != nil && number < *f.AtLeast:
		return "", fmt.Errorf("%s: %s is %s, want at least %g", name, f.Path, shown, *f.AtLeast)
	case f.AtMost != nil && number > *f.AtMost:
		return "", fmt.Errorf("%s: %s is %s, want at most %g", name, f.Path, shown, *f.AtMost)
	}
	return value, nil
}

func valueOf(object *unstructured.Unstructured, path string) (string, error) {
	parser := jsonpath.New("field").AllowMissingKeys(true)
	if err := parser.Parse("{" + path + "}"); err != nil {
		return "", fmt.Errorf("path %s: %w", path, err)
	}
	var out bytes.Buffer
	if err := parser.Execute(&out, object.Object); err != nil {
		return "", fmt.Errorf("path %s: %w", path, err)
	}
	return out.String(), nil
}

func (r *run) gone(ctx context.Context, ref Ref) (string, error) {
	client, err := r.clientFor(ref)
	if err != nil {
		return "", err
	}
	if ref.Name != "" {
		_, err := client.Get(ctx, ref.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		return "", fmt.Errorf("%s is still there", ref)
	}
	list, err := client.List(ctx, metav1.ListOptions{LabelSelector: ref.Selector})
	if err != nil {
		return "", err
	}
	if len(list.Items) > 0 {
		return "", fmt.Errorf("%s: %d are still there", ref, len(list.Items))
	}
	return "", nil
}

// pod is the one pod that a Ref names; its kind is understood.
func (r *run) pod(ctx context.Context, ref Ref) (*corev1.Pod, error) {
	ref.Kind = "pod"
	found, err := r.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: there is none", ref)
	}
	return r.Kubernetes.CoreV1().Pods(found[0].GetNamespace()).Get(ctx, found[0].GetName(), metav1.GetOptions{})
}

func (r *run) exec(ctx context.Context, e Exec) (string, error) {
	pod, err := r.pod(ctx, e.Ref)
	if err != nil {
		return "", err
	}
	output, err := r.execIn(ctx, pod, e.Container, e.Command)
	what := fmt.Sprintf("%q in pod/%s", strings.Join(e.Command, " "), pod.Name)
	if e.Fails {
		if err == nil {
			return "", fmt.Errorf("%s succeeded, it should have failed", what)
		}
		return what + " fails, as it should", nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", what, err, oneLine(output))
	}
	if !strings.Contains(output, e.Contains) {
		return "", fmt.Errorf("%s printed %q, want %q in it", what, oneLine(output), e.Contains)
	}
	if e.Matches != "" {
		pattern, err := regexp.Compile(e.Matches)
		if err != nil {
			return "", &finalError{err}
		}
		if !pattern.MatchString(output) {
			return "", fmt.Errorf("%s printed %q, which does not match %q", what, oneLine(output), e.Matches)
		}
	}
	if output == "" {
		return "", nil
	}
	return fmt.Sprintf("pod/%s printed %q", pod.Name, oneLine(output)), nil
}

// oneLine shortens output to what a message can hold.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

func (r *run) logs(ctx context.Context, l Logs) (string, error) {
	pod, err := r.pod(ctx, l.Ref)
	if err != nil {
		return "", err
	}
	const most = 1 << 20
	options := &corev1.PodLogOptions{Container: l.Container, LimitBytes: new(int64)}
	*options.LimitBytes = most
	data, err := r.Kubernetes.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).DoRaw(ctx)
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(data), l.Contains) {
		return "", fmt.Errorf("the log of pod/%s does not say %q", pod.Name, l.Contains)
	}
	return fmt.Sprintf("the log of pod/%s says %q", pod.Name, l.Contains), nil
}

// traffic sends requests until as many pods answer as should, and nobody else.
func (r *run) traffic(ctx context.Context, t Traffic) (string, error) {
	namespace := t.Namespace
	if namespace == "" {
		namespace = r.namespace
	}
	sender, urls, err := r.senderTo(ctx, namespace, t.Service, traffic.Via(t.Via))
	if err != nil {
		return "", err
	}
	var answers []traffic.Answer
	load := traffic.Load{URLs: urls, Count: t.Requests, Timeout: 2 * time.Second}
	if err := sender.Send(ctx, load, func(a traffic.Answer) { answers = append(answers, a) }); err != nil {
		return "", err
	}
	backends, err := traffic.Backends(ctx, r.Kubernetes, namespace, t.Service)
	if err != nil {
		return "", err
	}
	spread := traffic.Summarize(answers, backends)
	switch {
	case spread.Failed() > 0:
		return "", fmt.Errorf("%d of %d requests to %s failed: %v", spread.Failed(), spread.Requests, t.Service, spread.Failures)
	case spread.Reached() != t.Pods || len(spread.Shares) != t.Pods:
		return "", fmt.Errorf("%d pods answered, want %d: %s", len(spread.Shares), t.Pods, shares(spread))
	case spread.Even != nil && !spread.Even.Plausible():
		return "", fmt.Errorf("%s: %s", shares(spread), spread.Even)
	}
	return shares(spread), nil
}

func shares(spread traffic.Spread) string {
	var parts []string
	for _, s := range spread.Shares {
		parts = append(parts, fmt.Sprintf("%s %d", s.Pod, s.Requests))
	}
	return strings.Join(parts, ", ")
}

func (r *run) senderTo(ctx context.Context, namespace, service string, via traffic.Via) (traffic.Sender, []string, error) {
	svc, err := r.Kubernetes.CoreV1().Services(namespace).Get(ctx, service, metav1.GetOptions{})
	if err != nil {
		return traffic.Sender{}, nil, err
	}
	if via == "" {
		via = traffic.ViaClusterIP
	}
	urls, err := traffic.URLs(ctx, r.Kubernetes, svc, via, 0, "/")
	if err != nil {
		return traffic.Sender{}, nil, err
	}
	image := r.ShellImage
	if other := r.Images[image]; other != "" {
		image = other
	}
	return traffic.Sender{Client: r.Kubernetes, Namespace: namespace, Image: image, Labels: r.Labels, StartTimeout: stepTimeout}, urls, nil
}

// sendDuring sends requests until stop is called, which says how they fared. It returns when the
// first answer is there, so that no change is missed.
func (r *run) sendDuring(ctx context.Context, d *During) (stop func() (string, error), err error) {
	sender, urls, err := r.senderTo(ctx, r.namespace, d.Service, traffic.ViaClusterIP)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	answers, first, ended := []traffic.Answer(nil), make(chan struct{}), make(chan error, 1)
	go func() {
		load := traffic.Load{URLs: urls, Timeout: time.Second, Pause: 20 * time.Millisecond}
		ended <- sender.Send(ctx, load, func(a traffic.Answer) {
			answers = append(answers, a)
			if len(answers) == 1 {
				close(first)
			}
		})
	}()
	select {
	case <-first:
	case err := <-ended:
		cancel()
		return nil, fmt.Errorf("sending requests to %s: %w", d.Service, err)
	}
	return func() (string, error) {
		cancel()
		<-ended //nolint:errcheck // the answers are complete; the error is our own cancellation
		return d.judge(traffic.Summarize(answers, nil))
	}, nil
}

// judge says whether the requests during a step fared as they should.
func (d *During) judge(spread traffic.Spread) (string, error) {
	words := fmt.Sprintf("%d requests meanwhile, %d failed", spread.Requests, spread.Failed())
	if d.Fails == (spread.Failed() > 0) {
		return words, nil
	}
	if d.Fails {
		return "", fmt.Errorf("%s; some should have", words)
	}
	return "", fmt.Errorf("%s: %v", words, spread.Failures)
}

func (r *run) denied(ctx context.Context, d Denied) (string, error) {
	err := r.apply(ctx, d.Apply)
	if err == nil {
		return "", &finalError{fmt.Errorf("%s was accepted, it should have been refused", d.Apply)}
	}
	if !strings.Contains(err.Error(), d.Contains) {
		return "", fmt.Errorf("refused for another reason: %w", err)
	}
	return "refused: " + d.Contains, nil
}

// tryToken takes a token and uses it, or shows that the one of the step before is dead. The token
// leaves this process only towards the API server.
func (r *run) tryToken(ctx context.Context, t Token) (string, error) {
	if !t.Revoked {
		request := &authenticationv1.TokenRequest{}
		granted, err := r.Kubernetes.CoreV1().ServiceAccounts(t.Namespace).CreateToken(ctx, t.ServiceAccount, request, metav1.CreateOptions{})
		if err != nil {
			return "", err
		}
		r.token = granted.Status.Token
	}
	client, err := r.clientWith(r.token)
	if err != nil {
		return "", err
	}
	who, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if t.Revoked {
		if apierrors.IsUnauthorized(err) {
			return "the API server no longer accepts the token", nil
		}
		return "", fmt.Errorf("the token still works")
	}
	if err != nil {
		return "", err
	}
	for _, permission := range t.Can {
		if err := can(ctx, client, permission); err != nil {
			return "", err
		}
	}
	return "it is " + who.Status.UserInfo.Username, nil
}

// clientWith is a client that has nothing but the token.
func (r *run) clientWith(token string) (kubernetes.Interface, error) {
	config := rest.AnonymousClientConfig(r.Config)
	config.BearerToken = token
	return kubernetes.NewForConfig(config)
}

func can(ctx context.Context, client kubernetes.Interface, permission string) error {
	verb, resource, _ := strings.Cut(permission, " ")
	resource, group, _ := strings.Cut(resource, ".")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Resource: resource, Group: group},
	}}
	answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if !answer.Status.Allowed {
		return fmt.Errorf("the token may not %s", permission)
	}
	return nil
}

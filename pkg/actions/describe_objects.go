package actions

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	kubectldescribe "k8s.io/kubectl/pkg/describe"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// describeWorkers bounds how many objects are described at once; each takes several requests.
const describeWorkers = 8

// describeObjects describes the targets with kubectl's own describers.
func (o *DescribeOptions) describeObjects(ctx context.Context, env *Env) (Result, error) {
	run, err := o.newObjectsRun(ctx, env)
	if err != nil {
		return nil, err
	}
	found, err := run.find(ctx)
	if err != nil {
		return nil, err
	}
	result := &DescribeResult{Header: NewHeader("DescribeResult")}
	if o.Limit > 0 && len(found) > o.Limit {
		result.Omitted = len(found) - o.Limit
		found = found[:o.Limit]
	}
	result.Objects = make([]ObjectDescription, len(found))
	forEach(ctx, len(found), describeWorkers, func(_ context.Context, i int) {
		result.Objects[i] = run.describe(found[i])
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return result, result.failure()
}

// describable is an object that was found, and its kind.
type describable struct {
	ref     ObjectRef
	mapping *meta.RESTMapping
}

type objectsRun struct {
	*DescribeOptions
	env       *Env
	config    *rest.Config
	namespace string
}

func (o *DescribeOptions) newObjectsRun(ctx context.Context, env *Env) (*objectsRun, error) {
	config, err := env.Cluster.RESTConfig()
	if err != nil {
		return nil, err
	}
	namespace, _, err := env.Cluster.Namespace()
	if err != nil {
		return nil, err
	}
	if o.AllNamespaces {
		namespace = metav1.NamespaceAll
	}
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	endWith(ctx, config)
	return &objectsRun{DescribeOptions: o, env: env, config: config, namespace: namespace}, nil
}

func (r *objectsRun) find(ctx context.Context) ([]describable, error) {
	var found []describable
	for _, target := range r.Targets {
		mapping, err := mappingOf(r.env.Cluster, target.Kind)
		if err != nil {
			return nil, err
		}
		if target.Name != "" {
			found = append(found, r.named(mapping, target.Name))
			continue
		}
		some, err := r.list(ctx, mapping, "")
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			return nil, r.nothing(mapping)
		}
		found = append(found, some...)
	}
	if len(found) == 1 && r.Targets[0].Name != "" {
		return r.orByPrefix(ctx, found[0])
	}
	return found, nil
}

// orByPrefix replaces an object that does not exist by those whose names begin with its name, as kubectl
// describe does.
func (r *objectsRun) orByPrefix(ctx context.Context, one describable) ([]describable, error) {
	exact := []describable{one}
	client, err := r.env.Cluster.Metadata()
	if err != nil {
		return nil, err
	}
	_, err = client.Resource(one.mapping.Resource).Namespace(one.ref.Namespace).Get(ctx, one.ref.Name, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return exact, nil // found, or an error that the description will meet again and explain
	}
	some, listErr := r.list(ctx, one.mapping, one.ref.Name)
	if listErr != nil || len(some) == 0 {
		return nil, err
	}
	return some, nil
}

func (r *objectsRun) named(mapping *meta.RESTMapping, name string) describable {
	apiVersion, kind := mapping.GroupVersionKind.ToAPIVersionAndKind()
	ref := ObjectRef{APIVersion: apiVersion, Kind: kind, Namespace: r.namespace, Name: name}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		ref.Namespace = ""
	}
	return describable{ref: ref, mapping: mapping}
}

// list finds the objects that the selector takes and whose names have the prefix.
func (r *objectsRun) list(ctx context.Context, mapping *meta.RESTMapping, prefix string) ([]describable, error) {
	client, err := r.env.Cluster.Metadata()
	if err != nil {
		return nil, err
	}
	namespace := r.namespace
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		namespace = metav1.NamespaceAll
	}
	list, err := client.Resource(mapping.Resource).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: r.Selector})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", mapping.Resource.GroupResource(), err)
	}
	var found []describable
	for _, item := range list.Items {
		if strings.HasPrefix(item.Name, prefix) {
			one := r.named(mapping, item.Name)
			one.ref.Namespace = item.Namespace
			found = append(found, one)
		}
	}
	return found, nil
}

func (r *objectsRun) nothing(mapping *meta.RESTMapping) error {
	message := "there are no " + mapping.Resource.GroupResource().String()
	if mapping.Scope.Name() != meta.RESTScopeNameRoot && !r.AllNamespaces {
		message += fmt.Sprintf(" in namespace %q", r.namespace)
	}
	if r.Selector != "" {
		message += fmt.Sprintf(" with labels %q", r.Selector)
	}
	return &Error{Message: message, Hint: "look elsewhere with -n NAMESPACE or -A", Code: ExitFailed}
}

func (r *objectsRun) describe(one describable) ObjectDescription {
	description := ObjectDescription{Object: one.ref}
	describer, ok := kubectldescribe.DescriberFor(one.mapping.GroupVersionKind.GroupKind(), r.config)
	if !ok {
		describer, ok = kubectldescribe.GenericDescriberFor(one.mapping, jsonConfig(r.config))
	}
	if !ok {
		description.fail(&Error{Message: fmt.Sprintf("kubectl has no description of %s", one.ref), Code: ExitFailed})
		return description
	}
	text, err := describer.Describe(one.ref.Namespace, one.ref.Name, kubectldescribe.DescriberSettings{ShowEvents: r.ShowEvents, ChunkSize: 500})
	if err != nil {
		description.fail(err)
		return description
	}
	description.Text = hideTokens(one.mapping.GroupVersionKind.GroupKind(), text)
	return description
}

// tokenLine is how kubectl describes the token in a Secret of type kubernetes.io/service-account-token:
// in clear. Everything else in a Secret it describes by size.
var tokenLine = regexp.MustCompile(`(?m)^(token:\s+)\S{20,}.*$`)

// hideTokens keeps credentials out of a description, which may be read by many.
func hideTokens(kind schema.GroupKind, text string) string {
	if kind != (schema.GroupKind{Kind: "Secret"}) {
		return text
	}
	return tokenLine.ReplaceAllString(text, "${1}[not shown here; see: kubectl lab token]")
}

func (d *ObjectDescription) fail(err error) { d.err, d.Error = err, Explain(err).Message }

// jsonConfig is for the dynamic client, whose objects exist in JSON only.
func jsonConfig(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.AcceptContentTypes = ""
	return config
}

func (r *DescribeResult) failure() error {
	var errs []error
	for _, d := range r.Objects {
		if d.err != nil {
			errs = append(errs, d.err)
		}
	}
	switch {
	case len(errs) == 0:
		return nil
	case len(r.Objects) == 1:
		return errs[0]
	}
	return &PartialError{What: "described", Total: len(r.Objects), Errs: errs}
}

func (r *DescribeResult) objectsDocument() *document.Document {
	doc := &document.Document{}
	for _, d := range r.Objects {
		if d.err != nil {
			continue
		}
		if len(r.Objects) > 1 {
			doc.Add(document.Heading{Text: d.Object.String()})
		}
		doc.Add(document.Preformatted{Text: d.Text})
	}
	if r.Omitted > 0 {
		doc.Add(document.Note{Tone: document.Info, Text: fmt.Sprintf("%d more are not shown; name them, narrow with -l, or use --limit 0.", r.Omitted)})
	}
	return doc
}

// mappingOf finds the resource that a word names: "po", "pods", "Pod", "deployments.apps". The three
// kinds of the manual need no discovery.
func mappingOf(cluster *Cluster, word string) (*meta.RESTMapping, error) {
	if mapping := knownMapping(strings.ToLower(word)); mapping != nil {
		return mapping, nil
	}
	mapper, err := cluster.Getter().ToRESTMapper()
	if err != nil {
		return nil, err
	}
	full, partial := schema.ParseResourceArg(strings.ToLower(word))
	var kind schema.GroupVersionKind
	if full != nil {
		kind, err = mapper.KindFor(*full)
	}
	if full == nil || err != nil {
		kind, err = mapper.KindFor(partial.WithVersion(""))
	}
	if meta.IsNoMatchError(err) {
		return nil, &Error{
			Message: fmt.Sprintf("the cluster has no kind %q", word),
			Hint:    "describe cluster, node, pod or service; see all kinds: kubectl api-resources",
			Code:    ExitFailed, Err: err,
		}
	}
	if err != nil {
		return nil, fmt.Errorf("finding the kind %q: %w", word, err)
	}
	return mapper.RESTMapping(kind.GroupKind(), kind.Version)
}

func knownMapping(word string) *meta.RESTMapping {
	for _, known := range []struct {
		words []string
		kind  string
		scope meta.RESTScope
	}{
		{[]string{"nodes", "node", "no"}, "Node", meta.RESTScopeRoot},
		{[]string{"pods", "pod", "po"}, "Pod", meta.RESTScopeNamespace},
		{[]string{"services", "service", "svc"}, "Service", meta.RESTScopeNamespace},
	} {
		if slices.Contains(known.words, word) {
			version := schema.GroupVersion{Version: "v1"}
			return &meta.RESTMapping{Resource: version.WithResource(known.words[0]), GroupVersionKind: version.WithKind(known.kind), Scope: known.scope}
		}
	}
	return nil
}

// objectNames suggests the names of a kind's objects in the default namespace.
func objectNames(ctx context.Context, env *Env, kind string) []string {
	o := &DescribeOptions{}
	run, err := o.newObjectsRun(ctx, env)
	if err != nil {
		return nil
	}
	mapping, err := mappingOf(env.Cluster, kind)
	if err != nil {
		return nil
	}
	found, err := run.list(ctx, mapping, "")
	if err != nil {
		return nil
	}
	var names []string
	for _, one := range found {
		names = append(names, one.ref.Name)
	}
	return names
}

// endWith makes every request end with ctx: kubectl's describers pass none.
func endWith(ctx context.Context, config *rest.Config) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			merged, cancel := context.WithCancel(request.Context())
			stop := context.AfterFunc(ctx, cancel)
			end := func() {
				stop()
				cancel()
			}
			response, err := next.RoundTrip(request.WithContext(merged)) //nolint:contextcheck // ctx ends it through AfterFunc
			if err != nil {
				end()
				return nil, err
			}
			response.Body = &endingBody{ReadCloser: response.Body, end: end}
			return response, nil
		})
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// endingBody releases a request's context when its body is closed.
type endingBody struct {
	io.ReadCloser
	end func()
}

func (b *endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

package actions

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/restmapper"
)

// resolveKind finds the resource that a word stands for: "pods", "po", "Pod", "deploy.apps",
// "deployments.v1.apps". Short names come from the mapper, which asks the API server's discovery.
func resolveKind(mapper meta.RESTMapper, word string) (*meta.RESTMapping, error) {
	resource, err := resolveResource(mapper, strings.ToLower(word))
	if err != nil {
		if meta.IsNoMatchError(err) {
			return nil, unknownKind(word, err)
		}
		return nil, fmt.Errorf("finding the kind %q: %w", word, err)
	}
	kind, err := mapper.KindFor(resource)
	if err != nil {
		return nil, fmt.Errorf("finding the kind %q: %w", word, err)
	}
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("finding the kind %q: %w", word, err)
	}
	return mapping, nil
}

func resolveResource(mapper meta.RESTMapper, word string) (schema.GroupVersionResource, error) {
	full, groupResource := schema.ParseResourceArg(word)
	if full != nil {
		if found, err := mapper.ResourceFor(*full); err == nil {
			return found, nil
		}
	}
	return mapper.ResourceFor(groupResource.WithVersion(""))
}

func unknownKind(word string, err error) error {
	return &Error{
		Message: fmt.Sprintf("the cluster has no kind %q", word),
		Hint:    "see which there are: kubectl api-resources",
		Code:    ExitFailed,
		Err:     err,
	}
}

// target is a kind, and the names that were given with it; none means all.
type target struct {
	mapping *meta.RESTMapping
	names   []string
}

func (t target) namespaced() bool { return t.mapping.Scope.Name() == meta.RESTScopeNameNamespace }

// reference names one of the target's objects.
func (t target) reference(namespace, name string) ObjectRef {
	apiVersion, kind := t.mapping.GroupVersionKind.ToAPIVersionAndKind()
	if !t.namespaced() {
		namespace = ""
	}
	return ObjectRef{APIVersion: apiVersion, Kind: kind, Namespace: namespace, Name: name}
}

// resourceName is the target as messages name it, such as "pods" or "deployments.apps".
func (t target) resourceName() string { return t.mapping.Resource.GroupResource().String() }

// kindWords are what a command line says about objects: either KIND[,KIND...] [NAME...] or
// KIND/NAME....
type kindWords struct {
	kinds []string
	names []string
	pairs [][2]string
}

// parseKindWords reads the arguments of "get" and "delete".
func parseKindWords(usage string, args []string) (kindWords, error) {
	switch {
	case len(args) == 0:
		return kindWords{}, UsageErrorf("no kind named: %s", usage)
	case strings.Contains(args[0], "/"):
		return parsePairs(args)
	}
	words := kindWords{kinds: strings.Split(args[0], ","), names: args[1:]}
	if slices.Contains(words.kinds, "") {
		return kindWords{}, UsageErrorf("%q: a kind is missing beside a comma", args[0])
	}
	for _, name := range words.names {
		if strings.Contains(name, "/") {
			return kindWords{}, UsageErrorf("%q: write either KIND NAME... or KIND/NAME..., not both", name)
		}
		if name == "" {
			return kindWords{}, UsageErrorf("a name is empty: %s", usage)
		}
	}
	return words, nil
}

func parsePairs(args []string) (kindWords, error) {
	var words kindWords
	for _, arg := range args {
		kind, name, found := strings.Cut(arg, "/")
		if !found || kind == "" || name == "" || strings.Contains(name, "/") {
			return kindWords{}, UsageErrorf("%q is not of the form KIND/NAME", arg)
		}
		words.pairs = append(words.pairs, [2]string{kind, name})
	}
	return words, nil
}

// hasNames reports whether single objects were named.
func (w kindWords) hasNames() bool { return len(w.names) > 0 || len(w.pairs) > 0 }

// targets resolves the words. Categories such as "all" become their kinds.
func (w kindWords) targets(cluster *Cluster) ([]target, error) {
	mapper, err := cluster.Getter().ToRESTMapper()
	if err != nil {
		return nil, err
	}
	var targets []target
	for _, pair := range w.pairs {
		mapping, err := resolveKind(mapper, pair[0])
		if err != nil {
			return nil, err
		}
		targets = addTarget(targets, mapping, pair[1])
	}
	for _, word := range w.kinds {
		mappings, err := kindOrCategory(cluster, mapper, word)
		if err != nil {
			return nil, err
		}
		for _, mapping := range mappings {
			targets = addTarget(targets, mapping, w.names...)
		}
	}
	return targets, nil
}

// addTarget puts names of the same kind together.
func addTarget(targets []target, mapping *meta.RESTMapping, names ...string) []target {
	i := slices.IndexFunc(targets, func(t target) bool { return t.mapping.Resource == mapping.Resource })
	if i < 0 {
		targets = append(targets, target{mapping: mapping})
		i = len(targets) - 1
	}
	for _, name := range names {
		if !slices.Contains(targets[i].names, name) {
			targets[i].names = append(targets[i].names, name)
		}
	}
	return targets
}

// kindOrCategory resolves a word that is a kind or, failing that, a category, such as "all"
// (https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/custom-resources/#categories).
func kindOrCategory(cluster *Cluster, mapper meta.RESTMapper, word string) ([]*meta.RESTMapping, error) {
	mapping, err := resolveKind(mapper, word)
	if err == nil {
		return []*meta.RESTMapping{mapping}, nil
	}
	client, cerr := cluster.Getter().ToDiscoveryClient()
	if cerr != nil {
		return nil, cerr
	}
	resources, found := restmapper.NewDiscoveryCategoryExpander(client).Expand(word)
	if !found || len(resources) == 0 {
		return nil, err
	}
	mappings := make([]*meta.RESTMapping, 0, len(resources))
	for _, resource := range resources {
		mapping, err := resolveKind(mapper, resource.String())
		if err != nil {
			return nil, err
		}
		mappings = append(mappings, mapping)
	}
	return mappings, nil
}

// suggestKinds lists the kinds' plural names, and short names, from the discovery cache.
func suggestKinds(env *Env) []string {
	client, err := env.Cluster.Getter().ToDiscoveryClient()
	if err != nil {
		return nil
	}
	lists, err := discovery.ServerPreferredResources(client)
	if err != nil && len(lists) == 0 {
		return nil
	}
	var words []string
	for _, list := range lists {
		for _, resource := range list.APIResources {
			if slices.Contains(resource.Verbs, "list") {
				words = append(words, resource.Name)
			}
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// suggestObjects completes the arguments of "get" and "delete": kinds first, then names.
func suggestObjects(ctx context.Context, env *Env, args []string, toComplete string) []string {
	kind, _, pair := strings.Cut(toComplete, "/")
	switch {
	case len(args) == 0 && !pair:
		return suggestKinds(env)
	case len(args) > 0 && !pair:
		kind = args[0]
	}
	names := namesOf(suggestMetadata(ctx, env, []string{kind}))
	if pair {
		for i := range names {
			names[i] = kind + "/" + names[i]
		}
	}
	return names
}

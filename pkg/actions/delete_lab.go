package actions

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
)

// labObjects is the objects of all kinds that a selector chooses.
type labObjects struct {
	objects []labObject
	// unseen names the kinds that could not be looked at, with the reason.
	unseen []string
}

type labObject struct {
	target target
	object *metav1.PartialObjectMetadata
}

// findLab finds what actions made: whatever carries our label, of any kind that can be listed and
// deleted.
func (r *deleteRun) findLab(ctx context.Context) error {
	namespace := r.namespace
	if r.AllNamespaces {
		namespace = ""
	}
	found, err := r.takeInventory(ctx, namespace, ManagedByLabel+"="+ManagedBy)
	if err != nil {
		return err
	}
	for _, item := range found.objects {
		r.add(item.target, item.object)
	}
	if len(found.unseen) > 0 {
		r.note("not looked at: %s", strings.Join(found.unseen, "; "))
	}
	if len(r.objects) == 0 {
		r.noteNothing(namespace)
	}
	r.spareForeign(ctx)
	return nil
}

func (r *deleteRun) noteNothing(namespace string) {
	if namespace == "" {
		r.note("nothing to delete: kubectl lab made nothing in this cluster, or it is gone already")
		return
	}
	r.note("nothing to delete: kubectl lab made nothing in namespace %q, or it is gone already; look everywhere with --all-namespaces", namespace)
}

// spareForeign leaves our namespaces alone that hold objects of others.
func (r *deleteRun) spareForeign(ctx context.Context) {
	for _, d := range r.objects {
		if !d.isNamespace() {
			continue
		}
		found, err := r.takeInventory(ctx, d.live.Name, "")
		why := ""
		switch foreign := found.foreign(); {
		case err != nil:
			why = "what it holds cannot be read: " + Explain(err).Message
		case len(foreign) > 0:
			why = "it holds what kubectl lab did not make: " + enumerate(foreign)
		case len(found.unseen) > 0:
			why = "it may hold what kubectl lab did not make; not looked at: " + strings.Join(found.unseen, "; ")
		}
		if why != "" {
			d.change.Outcome = OutcomeSkipped
			d.change.Message = why + "; to delete it all: kubectl lab delete namespace " + d.live.Name
		}
	}
}

// enumerate lists the first few.
func enumerate(words []string) string {
	const most = 5
	if len(words) > most {
		words = append(slices.Clone(words[:most]), fmt.Sprintf("and %d more", len(words)-most))
	}
	return strings.Join(words, ", ")
}

// foreign lists the objects that others made, without those that every namespace has.
func (v labObjects) foreign() []string {
	var names []string
	for _, item := range v.objects {
		ref := item.target.reference("", item.object.Name).String()
		if item.object.Labels[ManagedByLabel] != ManagedBy && !slices.Contains(ofEveryNamespace(), ref) {
			names = append(names, ref)
		}
	}
	return names
}

// ofEveryNamespace are the objects that the controller manager puts into each namespace.
func ofEveryNamespace() []string {
	return []string{"serviceaccount/default", "configmap/kube-root-ca.crt"}
}

// everythingIn counts a namespace's objects by kind, for a preview of its end.
func (r *deleteRun) everythingIn(ctx context.Context, namespace string) string {
	found, err := r.takeInventory(ctx, namespace, "")
	if err != nil {
		return "with everything in it, which cannot be read: " + Explain(err).Message
	}
	words := append(found.counts(), found.unseen...)
	if len(words) == 0 {
		return "it is empty"
	}
	return "with everything in it: " + strings.Join(words, ", ")
}

// counts says how many objects of each kind there are, without those that every namespace has.
func (v labObjects) counts() []string {
	counts, plural := map[string]int{}, map[string]string{}
	for _, item := range v.objects {
		if ref := item.target.reference("", item.object.Name); !slices.Contains(ofEveryNamespace(), ref.String()) {
			kind := strings.ToLower(ref.Kind)
			counts[kind]++
			plural[kind] = item.target.mapping.Resource.Resource
		}
	}
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		word := kind
		if counts[kind] != 1 {
			word = plural[kind]
		}
		words = append(words, fmt.Sprintf("%d %s", counts[kind], word))
	}
	return words
}

// takeInventory lists the objects of every kind that can be listed and deleted, in one namespace or,
// if that is empty, in all of them and cluster-wide.
//
// Left out is what goes with another object: what has an owner, and what Kubernetes derives.
func (r *deleteRun) takeInventory(ctx context.Context, namespace, selector string) (labObjects, error) {
	targets, unseen, err := deletableKinds(r.env, namespace != "")
	if err != nil {
		return labObjects{}, err
	}
	v := labObjects{unseen: unseen}
	var mu sync.Mutex
	forEach(ctx, len(targets), readWorkers, func(ctx context.Context, i int) {
		objects, err := r.listAll(ctx, targets[i], namespace, selector)
		mu.Lock()
		defer mu.Unlock()
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsMethodNotSupported(err) {
			v.unseen = append(v.unseen, fmt.Sprintf("%s (%s)", targets[i].resourceName(), Explain(err).Message))
		}
		for j := range objects {
			v.objects = append(v.objects, labObject{targets[i], &objects[j]})
		}
	})
	if ctx.Err() != nil {
		return labObjects{}, ctx.Err()
	}
	v.tidy()
	return v, nil
}

// tidy drops what has an owner and what was listed twice, under two groups, and sorts the rest.
func (v *labObjects) tidy() {
	slices.SortFunc(v.objects, func(a, b labObject) int { return strings.Compare(a.sortKey(), b.sortKey()) })
	seen := map[types.UID]bool{}
	v.objects = slices.DeleteFunc(v.objects, func(item labObject) bool {
		drop := len(item.object.OwnerReferences) > 0 || seen[item.object.UID]
		seen[item.object.UID] = true
		return drop
	})
	slices.Sort(v.unseen)
}

func (i labObject) sortKey() string {
	return i.object.Namespace + "\x00" + i.target.resourceName() + "\x00" + i.object.Name
}

func (r *deleteRun) listAll(ctx context.Context, t target, namespace, selector string) ([]metav1.PartialObjectMetadata, error) {
	list, err := r.client.Resource(t.mapping.Resource).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// derived are kinds whose objects Kubernetes makes from others and removes with them. Nodes are no
// action's to delete, whatever labels they carry.
func derived() []schema.GroupResource {
	return []schema.GroupResource{
		{Resource: "events"}, {Group: "events.k8s.io", Resource: "events"},
		{Resource: "endpoints"}, {Group: "discovery.k8s.io", Resource: "endpointslices"},
		{Resource: "nodes"},
	}
}

// deletableKinds asks discovery, afresh, which kinds can be listed and deleted. Groups whose server
// does not answer are named in unseen.
func deletableKinds(env *Env, namespacedOnly bool) (targets []target, unseen []string, err error) {
	client, err := env.Cluster.Getter().ToDiscoveryClient()
	if err != nil {
		return nil, nil, err
	}
	client.Invalidate()
	lists, err := discovery.ServerPreferredResources(client)
	if failed, isPartial := discovery.GroupDiscoveryFailedErrorGroups(err); isPartial {
		for group := range failed {
			unseen = append(unseen, group.String()+" (its server does not answer)")
		}
	} else if err != nil {
		return nil, nil, fmt.Errorf("finding out which kinds there are: %w", err)
	}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, resource := range list.APIResources {
			if t := targetOf(version, resource); t.isDeletable(resource) && (t.namespaced() || !namespacedOnly) {
				targets = append(targets, t)
			}
		}
	}
	return targets, unseen, nil
}

func targetOf(version schema.GroupVersion, resource metav1.APIResource) target {
	scope := meta.RESTScopeRoot
	if resource.Namespaced {
		scope = meta.RESTScopeNamespace
	}
	return target{mapping: &meta.RESTMapping{
		Resource: version.WithResource(resource.Name), GroupVersionKind: version.WithKind(resource.Kind), Scope: scope,
	}}
}

func (t target) isDeletable(resource metav1.APIResource) bool {
	return slices.Contains(resource.Verbs, "list") && slices.Contains(resource.Verbs, "delete") &&
		!slices.Contains(derived(), t.mapping.Resource.GroupResource())
}

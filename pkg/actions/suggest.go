package actions

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// suggestCommon answers for the flags that several verbs have.
func suggestCommon(flag string) []string {
	if flag == "dry-run" {
		return []string{string(DryRunNone), string(DryRunClient), string(DryRunServer)}
	}
	return nil
}

// listMetadata lists objects' metadata for completion: at once and from the API server's cache,
// because somebody waits with a finger on Tab.
func listMetadata(ctx context.Context, env *Env, resource schema.GroupVersionResource, namespace string) []metav1.PartialObjectMetadata {
	client, err := env.Cluster.Metadata()
	if err != nil {
		return nil
	}
	list, err := client.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil
	}
	return list.Items
}

func namesOf(objects []metav1.PartialObjectMetadata) []string {
	names := make([]string, len(objects))
	for i := range objects {
		names[i] = objects[i].Name
	}
	return names
}

// labelPairs lists the labels in use as KEY=VALUE, sorted.
func labelPairs(objects []metav1.PartialObjectMetadata) []string {
	var pairs []string
	for i := range objects {
		for key, value := range objects[i].Labels {
			pairs = append(pairs, key+"="+value)
		}
	}
	slices.Sort(pairs)
	return slices.Compact(pairs)
}

// labelKeys lists the label keys in use, sorted, each with a suffix.
func labelKeys(objects []metav1.PartialObjectMetadata, suffix string) []string {
	var keys []string
	for i := range objects {
		for key := range objects[i].Labels {
			keys = append(keys, key+suffix)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// SuggestNamespaces lists the namespaces, for the flag -n of the front ends.
func SuggestNamespaces(ctx context.Context, env *Env) []string {
	return namesOf(listMetadata(ctx, env, coreResource("namespaces"), ""))
}

func suggestNodeLabels(ctx context.Context, env *Env) []string {
	return labelPairs(listMetadata(ctx, env, coreResource("nodes"), ""))
}

// suggestPods lists the pods of the default namespace.
func suggestPods(ctx context.Context, env *Env) []metav1.PartialObjectMetadata {
	namespace, _, err := env.Cluster.Namespace()
	if err != nil {
		return nil
	}
	return listMetadata(ctx, env, coreResource("pods"), namespace)
}

func coreResource(name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: name}
}

// suggestMetadata lists the objects of the kind that the arguments name first.
func suggestMetadata(ctx context.Context, env *Env, args []string) []metav1.PartialObjectMetadata {
	if len(args) == 0 {
		return nil
	}
	mapper, err := env.Cluster.Getter().ToRESTMapper()
	if err != nil {
		return nil
	}
	kind, _, _ := strings.Cut(args[0], "/")
	mapping, err := resolveKind(mapper, kind)
	if err != nil {
		return nil
	}
	namespace := ""
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		if namespace, _, err = env.Cluster.Namespace(); err != nil {
			return nil
		}
	}
	return listMetadata(ctx, env, mapping.Resource, namespace)
}

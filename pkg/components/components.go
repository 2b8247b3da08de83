// Package components knows what the parts of an installation look like in the cluster: network
// plugins and add-ons, by the objects that they are made of, and by the Kubespray variables that ask
// for them. It is data; pkg/checks looks for the objects.
//
// Sources: Kubespray's roles (kubernetes-sigs/kubespray, roles/network_plugin and
// roles/kubernetes-apps) from release-2.7 to v2.31.0, and the projects' own manifests and charts.
package components

import "path"

// The kinds of objects that components are made of.
const (
	Deployment  = "Deployment"
	DaemonSet   = "DaemonSet"
	StatefulSet = "StatefulSet"
	// ReplicaSet is one without a Deployment.
	ReplicaSet = "ReplicaSet"
	// StaticPod is a kubelet's own pod; its name ends in the node's.
	StaticPod = "StaticPod"
	// CRD is any custom resource definition of an API group.
	CRD = "CustomResourceDefinition"
)

// Part is one of the objects that a component is made of.
type Part struct {
	Kind string
	// Names are alternatives: the name in one version or another. They may hold * as in path.Match.
	Names []string
	// Namespaces are where it may be; none means anywhere.
	Namespaces []string
	// Optional parts are absent in some configurations.
	Optional bool
	// EveryNode is set on DaemonSets that every node needs.
	EveryNode bool
}

// Matches reports whether an object of this kind is this part.
func (p Part) Matches(kind, namespace, name string) bool {
	return p.Kind == kind && p.inNamespace(namespace) && p.named(name)
}

func (p Part) inNamespace(namespace string) bool {
	if len(p.Namespaces) == 0 {
		return true
	}
	for _, n := range p.Namespaces {
		if n == namespace {
			return true
		}
	}
	return false
}

func (p Part) named(name string) bool {
	for _, pattern := range p.Names {
		if matched, err := path.Match(pattern, name); err == nil && matched {
			return true
		}
	}
	return false
}

// optional is the same part, not required.
func (p Part) optional() Part {
	p.Optional = true
	return p
}

// everyNode is the same part, required on every node.
func (p Part) everyNode() Part {
	p.EveryNode = true
	return p
}

// anyOf is a part in kube-system with one of these names.
func anyOf(kind string, names ...string) Part {
	return Part{Kind: kind, Names: names, Namespaces: []string{"kube-system"}}
}

// anywhere is a part that may be in any namespace: its name is its own.
func anywhere(kind string, names ...string) Part { return Part{Kind: kind, Names: names} }

// in is the same part in these namespaces.
func (p Part) in(namespaces ...string) Part {
	p.Namespaces = namespaces
	return p
}

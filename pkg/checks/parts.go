package checks

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-lab/kubectl-lab/pkg/components"
)

// piece is what was found of a component's part.
type piece struct {
	part components.Part
	// found are the workloads; pods and custom resource definitions are counted alone.
	found  []workload
	number int
	// faults says what is not ready.
	faults problems
}

func (p piece) exists() bool { return p.number > 0 }

// partReads are the readings that finding these parts takes.
func partReads(parts []components.Part) []reading {
	byKind := map[string]reading{
		components.Deployment:  deployments,
		components.DaemonSet:   daemonSets,
		components.StatefulSet: statefulSets,
		components.ReplicaSet:  pods,
		components.StaticPod:   pods,
		components.CRD:         crds,
	}
	var reads []reading
	seen := map[string]bool{}
	for _, p := range parts {
		if !seen[p.Kind] {
			reads = append(reads, byKind[p.Kind])
		}
		seen[p.Kind] = true
	}
	return reads
}

// find looks for a part.
func (s *Snapshot) find(part components.Part) piece {
	switch part.Kind {
	case components.Deployment:
		return findWorkload(part, s.deployments.get())
	case components.DaemonSet:
		return findWorkload(part, s.daemonSets.get())
	case components.StatefulSet:
		return findWorkload(part, s.statefulSets.get())
	case components.CRD:
		return findCRD(part, s.crds.get())
	}
	return findPods(part, s.pods.get())
}

func findWorkload(part components.Part, all []workload) piece {
	p := piece{part: part}
	for _, w := range all {
		if !part.Matches(w.kind, w.namespace, w.name) {
			continue
		}
		p.number++
		p.found = append(p.found, w)
		if !w.complete() {
			p.faults.addf(w.object(), "%s", w.shortfall())
		}
	}
	return p
}

func findCRD(part components.Part, crds map[string]bool) piece {
	p := piece{part: part}
	for name := range crds {
		if part.Matches(components.CRD, "", name) {
			p.number++
		}
	}
	return p
}

// findPods finds parts that have no workload of their own: static pods, and pods of a ReplicaSet.
func findPods(part components.Part, all []pod) piece {
	p := piece{part: part}
	for _, pod := range all {
		var mine bool
		switch part.Kind {
		case components.StaticPod:
			mine = pod.static && part.Matches(components.StaticPod, pod.namespace, pod.name)
		case components.ReplicaSet:
			mine = pod.ownerKind == "ReplicaSet" && part.Matches(components.ReplicaSet, pod.namespace, pod.owner)
		}
		if !mine {
			continue
		}
		p.number++
		if pod.ready < pod.containers {
			p.faults.addf(pod.object(), "pod %s is %s, %d of %d containers ready", pod.name, pod.status, pod.ready, pod.containers)
		}
	}
	return p
}

// assembly is what was found of a component.
type assembly struct{ pieces []piece }

func (s *Snapshot) assemble(parts []components.Part) assembly {
	var a assembly
	for _, part := range parts {
		a.pieces = append(a.pieces, s.find(part))
	}
	return a
}

// exists reports whether any of the component is there.
func (a assembly) exists() bool { return slices.ContainsFunc(a.pieces, piece.exists) }

// faults says what is missing or not ready.
func (a assembly) faults() problems {
	var all problems
	for _, p := range a.pieces {
		if !p.exists() && !p.part.Optional {
			all.addf(Object{}, "%s %s is missing", p.part.Kind, p.part.Names[0])
		}
		all.objects = append(all.objects, p.faults.objects...)
		all.lines = append(all.lines, p.faults.lines...)
	}
	return all
}

// names are the objects found, such as "deployment/metrics-server".
func (a assembly) names() string {
	var found []string
	for _, p := range a.pieces {
		for _, w := range p.found {
			found = append(found, w.String())
		}
		if len(p.found) == 0 && p.number > 0 {
			found = append(found, fmt.Sprintf("%s %s", count(p.number, p.noun()), p.part.Names[0]))
		}
	}
	return some(found, ", ")
}

func (p piece) noun() string {
	if p.part.Kind == components.CRD {
		return "resource definition"
	}
	return "pod"
}

// uncovered are the nodes' number minus that of the pods that should be on every node.
func (a assembly) uncovered(nodes int) problems {
	var found problems
	for _, p := range a.pieces {
		if !p.part.EveryNode || !p.exists() {
			continue
		}
		desired := 0
		for _, w := range p.found {
			desired += int(w.desired)
		}
		if desired < nodes {
			found.addf(p.found[0].object(), "%s runs on %d of %d nodes", p.found[0], desired, nodes)
		}
	}
	return found
}

// linuxNodes counts the nodes that Linux pods can run on.
func linuxNodes(all []node) int {
	n := 0
	for _, one := range all {
		if one.info.os == "" || one.info.os == string(corev1.Linux) {
			n++
		}
	}
	return n
}

// claimed reports whether a workload of kube-system is another check's: DNS, kube-proxy, a network
// plugin or an add-on.
func claimed(w workload) bool {
	if isDNSServer(w) || isDNSAutoscaler(w) || isNodeLocalDNS(w) || w.name == "kube-proxy" {
		return true
	}
	var parts []components.Part
	for _, p := range components.Plugins() {
		parts = append(parts, p.Parts...)
	}
	for _, a := range components.Addons() {
		parts = append(parts, a.Parts...)
	}
	return slices.ContainsFunc(parts, func(p components.Part) bool { return p.Matches(w.kind, w.namespace, w.name) })
}

package checks

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-lab/kubectl-lab/pkg/skew"
)

// What nodes are held to.
const (
	// heartbeatLate is how old a node's Lease may be: kubelets renew it every ten seconds and it
	// lasts forty. The controller manager calls a node NotReady after another ten.
	// See https://kubernetes.io/docs/reference/node/node-status/#heartbeats.
	heartbeatLate = 40 * time.Second
	// fullPercent is how full of pods a node is before it is worth a word.
	fullPercent = 90
)

// uninitialized is the taint that a node has until a cloud controller manager knows it.
const uninitialized = "node.cloudprovider.kubernetes.io/uninitialized"

func nodeChecks() []Check {
	return []Check{
		{
			ID: "nodes-present", Category: CategoryNodes, Severity: Error, Retry: true,
			Asserts: "the cluster has nodes",
			Hint:    "join some: kubeadm join, or with Kubespray: ansible-playbook scale.yml",
			reads:   readings(nodes), run: checkNodesPresent,
		},
		{
			ID: "nodes-ready", Category: CategoryNodes, Severity: Error, Retry: true,
			Asserts: "every node is Ready",
			Hint:    "look at the kubelet on that node: systemctl status kubelet, journalctl -u kubelet; and: kubectl describe node NODE",
			Needs:   []string{"nodes-present"},
			reads:   readings(nodes), run: checkNodesReady,
		},
		{
			ID: "nodes-heartbeat", Category: CategoryNodes, Severity: Error, Retry: true,
			Asserts: "every node that is called Ready has renewed its Lease in time",
			Hint:    "the kubelet stopped, or cannot reach the API server: journalctl -u kubelet on that node",
			Needs:   []string{"nodes-present"},
			reads:   readings(nodes, nodeLeases), run: checkHeartbeats,
		},
		condition("nodes-memory-pressure", corev1.NodeMemoryPressure, Error, "no node is short of memory",
			"see what uses it: kubectl top pods -A --sort-by=memory; pods are being evicted from that node"),
		condition("nodes-disk-pressure", corev1.NodeDiskPressure, Error, "no node is short of disk space",
			"make room on that node: crictl rmi --prune, and look at /var/log and /var/lib"),
		condition("nodes-pid-pressure", corev1.NodePIDPressure, Error, "no node is short of process IDs",
			"find what starts so many processes on that node: ps -eLf | wc -l"),
		condition("nodes-network", corev1.NodeNetworkUnavailable, Error, "no node's network is called unavailable",
			"look at the network plugin's pod on that node: kubectl get pods -n kube-system -o wide"),
		{
			ID: "nodes-cordoned", Category: CategoryNodes, Severity: Warning,
			Asserts: "no node is cordoned",
			Hint:    "if its maintenance is over: kubectl uncordon NODE",
			Needs:   []string{"nodes-present"},
			reads:   readings(nodes), run: checkCordoned,
		},
		{
			ID: "nodes-schedulable", Category: CategoryNodes, Severity: Error, Retry: true,
			Asserts: "ordinary pods can be placed on some node",
			Hint:    "join a worker, uncordon one, or remove a taint: kubectl taint nodes NODE KEY-",
			Needs:   []string{"nodes-ready"},
			reads:   readings(nodes), run: checkSchedulable,
		},
		{
			ID: "nodes-initialized", Category: CategoryNodes, Severity: Error, Retry: true,
			Asserts: "no node waits for a cloud controller manager",
			Hint:    "install the cloud's controller manager, or do not set the kubelet's --cloud-provider=external",
			Needs:   []string{"nodes-present"},
			reads:   readings(nodes), run: checkInitialized,
		},
		{
			ID: "nodes-addresses", Category: CategoryNodes, Severity: Error,
			Asserts: "every node has an internal address of its own",
			Hint:    "set the kubelet's --node-ip on that node; with Kubespray, the host variable ip",
			Needs:   []string{"nodes-present"},
			reads:   readings(nodes), run: checkAddresses,
		},
		{
			ID: "nodes-kubelet-versions", Category: CategoryNodes, Severity: Error,
			Asserts: "every kubelet's version fits the API server's",
			Hint:    "upgrade that node's kubelet; see " + skew.Policy,
			Needs:   []string{"nodes-present"},
			reads:   readings(nodes, server), run: checkKubeletVersions,
		},
		alike("nodes-same-kubelets", Info, "all nodes run the same kubelet version",
			"finish the upgrade, node by node", func(n node) string { return n.info.kubelet }),
		alike("nodes-same-runtimes", Warning, "all nodes run the same container runtime",
			"bring the nodes to one runtime; with Kubespray: container_manager", func(n node) string { return runtimeName(n.info.runtime) }),
		alike("nodes-same-kernels", Info, "all nodes of one operating system run the same kernel",
			"update and reboot the nodes that are behind, one by one", func(n node) string { return n.info.kernel }),
		{
			ID: "nodes-roles", Category: CategoryNodes, Severity: Info,
			Asserts: "a node is labeled as control plane",
			Hint:    "usual for a hosted control plane; otherwise: kubectl label nodes NODE " + controlPlaneRole + "=",
			Needs:   []string{"nodes-present"},
			reads:   readings(nodes), run: checkRoles,
		},
		{
			ID: "nodes-zones", Category: CategoryNodes, Severity: Warning,
			Asserts: "if zones are used, every node is in one, and the control plane is not all in the same",
			Hint:    "label the node: kubectl label nodes NODE " + corev1.LabelTopologyZone + "=ZONE",
			Needs:   []string{"nodes-present"},
			reads:   readings(nodes), run: checkZones,
		},
		{
			ID: "nodes-full", Category: CategoryNodes, Severity: Warning,
			Asserts: "every node has room for more pods",
			Hint:    "add a node, or raise the kubelet's maxPods together with the node's pod CIDR",
			Needs:   []string{"nodes-present"},
			reads:   readings(nodes, pods), run: checkFull,
		},
		{
			ID: "nodes-lost-pods", Category: CategoryNodes, Severity: Warning, Retry: true,
			Asserts: "no pod is bound to a node that does not exist",
			Hint:    "the controller manager's pod garbage collector removes them; otherwise: kubectl delete pod POD --force",
			Needs:   []string{"nodes-present"},
			reads:   readings(nodes, pods), run: checkLostPods,
		},
		{
			ID: "nodes-certificates", Category: CategoryNodes, Severity: Warning, Retry: true,
			Asserts: "no certificate signing request is pending, has failed, or gave a certificate that has ended",
			Hint:    "look at it, then: kubectl certificate approve NAME; serving certificates need kubelet-csr-approver or somebody who does it",
			reads:   readings(requests), run: checkRequests,
		},
	}
}

// condition is a check that no node has a condition that should be False.
func condition(id string, kind corev1.NodeConditionType, severity Severity, asserts, hint string) Check {
	return Check{
		ID: id, Category: CategoryNodes, Severity: severity, Retry: true, Asserts: asserts, Hint: hint,
		Needs: []string{"nodes-present"},
		reads: readings(nodes),
		run: func(_ context.Context, s *Snapshot) Outcome {
			var found problems
			for _, n := range s.nodes.get() {
				if c := n.conditions[kind]; c.Status == corev1.ConditionTrue {
					found.addf(n.object(), "%s: %s", n.name, nonEmpty(c.Message, c.Reason))
				}
			}
			return found.outcome(passf(""))
		},
	}
}

// alike is a check that all nodes of one operating system have the same value of something.
func alike(id string, severity Severity, asserts, hint string, value func(node) string) Check {
	return Check{
		ID: id, Category: CategoryNodes, Severity: severity, Asserts: asserts, Hint: hint,
		Needs: []string{"nodes-present"},
		reads: readings(nodes),
		run: func(_ context.Context, s *Snapshot) Outcome {
			return compareNodes(s.nodes.get(), value)
		},
	}
}

func compareNodes(all []node, value func(node) string) Outcome {
	byOS := map[string]map[string][]string{}
	for _, n := range all {
		if byOS[n.info.os] == nil {
			byOS[n.info.os] = map[string][]string{}
		}
		byOS[n.info.os][value(n)] = append(byOS[n.info.os][value(n)], n.name)
	}
	var mixed, same []string
	for _, os := range slices.Sorted(maps.Keys(byOS)) {
		values := byOS[os]
		for _, v := range slices.Sorted(maps.Keys(values)) {
			same = append(same, v)
			if len(values) > 1 {
				mixed = append(mixed, fmt.Sprintf("%s on %s", v, names(values[v])))
			}
		}
	}
	if len(mixed) > 0 {
		return failf(nil, "%s", some(mixed, "; "))
	}
	return passf("%s", strings.Join(same, ", "))
}

// runtimeName is "containerd" of "containerd://2.4.2".
func runtimeName(version string) string {
	name, _, _ := strings.Cut(version, "://")
	return name
}

func checkNodesPresent(_ context.Context, s *Snapshot) Outcome {
	if len(s.nodes.get()) == 0 {
		return failf(nil, "no node has joined")
	}
	return passf("%s", count(len(s.nodes.get()), "node"))
}

func checkNodesReady(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, n := range s.nodes.get() {
		if n.ready() {
			continue
		}
		c, reported := n.conditions[corev1.NodeReady]
		if !reported {
			found.addf(n.object(), "%s has never reported its state", n.name)
			continue
		}
		found.addf(n.object(), "%s is not Ready since %s: %s", n.name, ago(s.age(c.LastTransitionTime.Time)), nonEmpty(c.Message, c.Reason))
	}
	total := len(s.nodes.get())
	return found.outcome(passf("%d of %d", total, total))
}

// checkHeartbeats looks at nodes that are still called Ready: the others are another check's.
func checkHeartbeats(_ context.Context, s *Snapshot) Outcome {
	leases := map[string]lease{}
	for _, l := range s.nodeLeases.get() {
		leases[l.name] = l
	}
	var found problems
	oldest := time.Duration(0)
	for _, n := range s.nodes.get() {
		if !n.ready() {
			continue
		}
		l, exists := leases[n.name]
		age := s.age(l.renewed)
		switch {
		case !exists:
			found.addf(n.object(), "%s has no Lease in %s", n.name, corev1.NamespaceNodeLease)
		case age > max(heartbeatLate, l.duration):
			found.addf(n.object(), "%s was last heard of %s ago", n.name, ago(age))
		}
		oldest = max(oldest, age)
	}
	return found.outcome(passf("the latest %s ago", ago(oldest)))
}

func checkCordoned(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, n := range s.nodes.get() {
		if n.unschedulable {
			found.addf(n.object(), "%s takes no new pods", n.name)
		}
	}
	return found.outcome(passf(""))
}

func checkSchedulable(_ context.Context, s *Snapshot) Outcome {
	free := 0
	for _, n := range s.nodes.get() {
		if n.ready() && n.schedulable() {
			free++
		}
	}
	if free == 0 {
		return failf(nil, "every node is cordoned or tainted")
	}
	return passf("on %s", count(free, "node"))
}

func checkInitialized(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, n := range s.nodes.get() {
		waits := slices.ContainsFunc(n.taints, func(t corev1.Taint) bool { return t.Key == uninitialized })
		if age := s.age(n.created); waits && age > s.patience {
			found.addf(n.object(), "%s waits since %s", n.name, ago(age))
		}
	}
	return found.outcome(passf(""))
}

func checkAddresses(_ context.Context, s *Snapshot) Outcome {
	var found problems
	owner := map[string]string{}
	for _, n := range s.nodes.get() {
		if len(n.internalIPs) == 0 {
			found.addf(n.object(), "%s has no internal address", n.name)
		}
		for _, ip := range n.internalIPs {
			if other, taken := owner[ip]; taken {
				found.addf(n.object(), "%s and %s both have %s", other, n.name, ip)
			}
			owner[ip] = n.name
		}
	}
	return found.outcome(passf(""))
}

func checkKubeletVersions(_ context.Context, s *Snapshot) Outcome {
	server := s.server.get().gitVersion
	if server == "" {
		return notPermitted(toGetPath("/version"))
	}
	var found problems
	for _, n := range s.nodes.get() {
		problem, err := skew.Check(skew.Kubelet, n.info.kubelet, server)
		switch {
		case n.simulated && err != nil: // kwok names no version unless it is told one
		case err != nil:
			found.addf(n.object(), "%s: %v", n.name, err)
		case problem != "":
			found.addf(n.object(), "%s: %s", n.name, problem)
		}
	}
	return found.outcome(passf(""))
}

func checkRoles(_ context.Context, s *Snapshot) Outcome {
	labeled := 0
	for _, n := range s.nodes.get() {
		if n.controlPlane() {
			labeled++
		}
	}
	if labeled == 0 {
		return failf(nil, "no node is labeled as control plane")
	}
	return passf("%s, %s", count(labeled, "control plane node"), count(len(s.nodes.get())-labeled, "worker"))
}

func checkZones(_ context.Context, s *Snapshot) Outcome {
	var found problems
	zones, control := map[string]int{}, map[string]int{}
	for _, n := range s.nodes.get() {
		zone := n.labels[corev1.LabelTopologyZone]
		zones[zone]++
		if n.controlPlane() {
			control[zone]++
		}
	}
	unzoned := zones[""]
	delete(zones, "")
	if len(zones) == 0 {
		return absentf("no zones are used")
	}
	for _, n := range s.nodes.get() {
		if unzoned > 0 && n.labels[corev1.LabelTopologyZone] == "" {
			found.addf(n.object(), "%s is in no zone", n.name)
		}
	}
	if only, n := onlyKey(control); len(zones) > 1 && n > 1 && only != "" {
		found.addf(Object{}, "all %d control plane nodes are in zone %s", n, only)
	}
	return found.outcome(passf("%s", count(len(zones), "zone")))
}

// onlyKey is the key of a map with one entry, and its value.
func onlyKey(m map[string]int) (string, int) {
	if len(m) != 1 {
		return "", 0
	}
	for k, v := range m {
		return k, v
	}
	return "", 0
}

func checkFull(_ context.Context, s *Snapshot) Outcome {
	used := podsPerNode(s.pods.get())
	var found problems
	fullest := 0
	for _, n := range s.nodes.get() {
		if n.maxPods == 0 {
			continue
		}
		percent := int(int64(used[n.name]) * 100 / n.maxPods)
		fullest = max(fullest, percent)
		if percent >= fullPercent {
			found.addf(n.object(), "%s has %d of at most %d pods", n.name, used[n.name], n.maxPods)
		}
	}
	return found.outcome(passf("the fullest is at %d%%", fullest))
}

// podsPerNode counts the pods that take up one of a node's places.
func podsPerNode(all []pod) map[string]int {
	used := map[string]int{}
	for _, p := range all {
		if p.node != "" && !p.finished() {
			used[p.node]++
		}
	}
	return used
}

func checkLostPods(_ context.Context, s *Snapshot) Outcome {
	exists := map[string]bool{"": true}
	for _, n := range s.nodes.get() {
		exists[n.name] = true
	}
	var found problems
	for _, p := range s.pods.get() {
		if !exists[p.node] {
			found.addf(p.object(), "%s is bound to %s", p, p.node)
		}
	}
	return found.outcome(passf(""))
}

func checkRequests(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, r := range s.requests.get() {
		object := Object{APIVersion: "certificates.k8s.io/v1", Kind: "CertificateSigningRequest", Name: r.name}
		age := s.age(r.created)
		switch {
		case r.failed != "":
			found.addf(object, "%s of %s failed: %s", r.name, r.user, r.failed)
		case !r.decided && age > s.patience:
			found.addf(object, "%s of %s is pending since %s", r.name, r.user, ago(age))
		case !r.ends.IsZero() && s.serverTime().After(r.ends):
			found.addf(object, "the certificate of %s for %s ended %s ago", r.name, r.user, ago(s.age(r.ends)))
		}
	}
	return found.outcome(passf("%s", count(len(s.requests.get()), "request")))
}

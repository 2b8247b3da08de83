package checks

import (
	"context"
	"slices"
)

// nodeLocalDNS is the address on which Kubespray's node-local cache listens.
// See https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/.
const nodeLocalDNS = "169.254.25.10"

func dnsChecks() []Check {
	return []Check{
		{
			ID: "dns-server", Category: CategoryDNS, Severity: Error, Retry: true,
			Asserts: "the cluster's DNS server runs",
			Hint:    "see what its pods wait for: kubectl describe pods -n kube-system -l k8s-app=kube-dns",
			reads:   readings(deployments, nodes), run: checkDNSServer,
		},
		{
			ID: "dns-replicas", Category: CategoryDNS, Severity: Warning,
			Asserts: "it survives the loss of a node",
			Hint:    "run two: kubectl scale deployment -n kube-system coredns --replicas=2",
			Needs:   []string{"dns-server"},
			reads:   readings(deployments, nodes), run: checkDNSReplicas,
		},
		{
			ID: "dns-service", Category: CategoryDNS, Severity: Error, Retry: true,
			Asserts: "its Service has endpoints",
			Hint:    "compare the Service's selector with the pods' labels: kubectl describe service -n kube-system -l k8s-app=kube-dns",
			Needs:   []string{"dns-server"},
			reads:   readings(deployments, services, endpointsOf), run: checkDNSServiceEndpoints,
		},
		{
			ID: "dns-kubelets", Category: CategoryDNS, Severity: Error,
			Asserts: "the kubelets send pods to that Service",
			Hint:    "correct clusterDNS in ConfigMap kube-system/kubelet-config and in /var/lib/kubelet/config.yaml of the nodes",
			Needs:   []string{"dns-server"},
			reads:   readings(services, kubelets, daemonSets), run: checkKubeletDNS,
		},
		{
			ID: "dns-nodelocal", Category: CategoryDNS, Severity: Error, Retry: true,
			Asserts: "the node-local DNS cache, if there is one, runs on every node",
			Hint:    "pods on that node cannot resolve names: kubectl get pods -n kube-system -l k8s-app=node-local-dns -o wide",
			reads:   readings(daemonSets), run: checkNodeLocalDNS,
		},
		{
			ID: "dns-autoscaler", Category: CategoryDNS, Severity: Warning, Retry: true,
			Asserts: "the DNS autoscaler, if there is one, runs",
			Hint:    "see what its pod waits for: kubectl get pods -n kube-system | grep autoscaler",
			reads:   readings(deployments), run: checkDNSAutoscaler,
		},
		{
			ID: "dns-lookup", Category: CategoryDNS, Severity: Error, Retry: true,
			Asserts: "it knows the API server's Service",
			Hint:    "look at its log: kubectl logs -n kube-system -l k8s-app=kube-dns",
			Needs:   []string{"dns-service"},
			reads:   readings(pods, nodes, services, endpointsOf), uses: readings(kubelets), run: checkLookup,
			takes: []Permission{toForward()},
		},
	}
}

// dnsLabel is the label that CoreDNS keeps from its predecessor, so that the Service needn't change.
const dnsLabel = "kube-dns"

// isDNSServer picks CoreDNS (Kubespray also makes a second Deployment, coredns-secondary) and
// kube-dns.
func isDNSServer(w workload) bool {
	return w.namespace == kubeSystem && w.kind == "Deployment" &&
		(w.labels["k8s-app"] == dnsLabel || slices.Contains([]string{"coredns", "coredns-secondary", "kube-dns"}, w.name)) &&
		!isDNSAutoscaler(w)
}

// isDNSService picks the Service that pods ask: kubeadm calls it kube-dns, Kubespray coredns.
func isDNSService(s service) bool {
	return s.namespace == kubeSystem && (s.labels["k8s-app"] == dnsLabel || s.selector["k8s-app"] == dnsLabel || s.name == "coredns" || s.name == "kube-dns")
}

func isDNSAutoscaler(w workload) bool {
	return w.namespace == kubeSystem && slices.Contains([]string{"dns-autoscaler", "kubedns-autoscaler", "coredns-autoscaler", "kube-dns-autoscaler"}, w.name)
}

func isNodeLocalDNS(w workload) bool {
	return w.namespace == kubeSystem && slices.Contains([]string{"nodelocaldns", "nodelocaldns-second", "node-local-dns"}, w.name)
}

func checkDNSServer(_ context.Context, s *Snapshot) Outcome {
	var found problems
	var fine []string
	for _, w := range s.deployments.get() {
		switch {
		case !isDNSServer(w):
		case w.desired == 0:
			found.addf(w.object(), "%s is scaled to 0", w)
		case !w.complete():
			found.addf(w.object(), "%s", w.shortfall())
		default:
			fine = append(fine, w.name)
		}
	}
	switch {
	case len(fine) > 0 || found.any():
		return found.outcome(passf("%s", names(fine)))
	case allSimulated(s.nodes.get()):
		return skipf("there is neither CoreDNS nor kube-dns; the nodes are simulated")
	}
	return failf(nil, "there is neither CoreDNS nor kube-dns").
		hintf("install CoreDNS: kubeadm init phase addon coredns; with Kubespray: dns_mode: coredns")
}

func checkDNSReplicas(_ context.Context, s *Snapshot) Outcome {
	replicas := 0
	for _, w := range s.deployments.get() {
		if isDNSServer(w) {
			replicas += int(w.ready)
		}
	}
	switch {
	case replicas == 0:
		return skipf("there is no DNS server")
	case replicas == 1 && len(s.nodes.get()) > 1:
		return failf(nil, "it has a single pod")
	}
	return passf("%s", count(replicas, "pod"))
}

func checkDNSServiceEndpoints(_ context.Context, s *Snapshot) Outcome {
	if !slices.ContainsFunc(s.deployments.get(), isDNSServer) {
		return skipf("there is no DNS server")
	}
	var found problems
	var fine []string
	for _, svc := range s.services.get() {
		if !isDNSService(svc) || len(svc.clusterIPs) == 0 {
			continue
		}
		if e := s.endpoints.get()[svc.key()]; e.ready == 0 {
			found.addf(svc.object(), "Service %s has no ready endpoint", svc.key())
			continue
		}
		fine = append(fine, svc.name+" at "+svc.clusterIPs[0])
	}
	if len(fine) == 0 && !found.any() {
		return failf(nil, "there is no Service for it in %s", kubeSystem)
	}
	return found.outcome(passf("%s", names(fine)))
}

func checkKubeletDNS(_ context.Context, s *Snapshot) Outcome {
	cfg := s.kubelet.get()
	if cfg == nil || len(cfg.ClusterDNS) == 0 {
		return skipf("ConfigMap %s/kubelet-config names no clusterDNS", kubeSystem)
	}
	var serving []string
	for _, svc := range s.services.get() {
		if isDNSService(svc) {
			serving = append(serving, svc.clusterIPs...)
		}
	}
	if slices.ContainsFunc(s.daemonSets.get(), isNodeLocalDNS) {
		serving = append(serving, nodeLocalDNS)
	}
	for _, ip := range cfg.ClusterDNS {
		if !slices.Contains(serving, ip) {
			return failf(nil, "clusterDNS is %s, but DNS answers at %s", ip, nonEmpty(names(serving), "no address"))
		}
	}
	return passf("%s", names(cfg.ClusterDNS))
}

func checkNodeLocalDNS(_ context.Context, s *Snapshot) Outcome {
	return optionalWorkload(s.daemonSets.get(), isNodeLocalDNS)
}

func checkDNSAutoscaler(_ context.Context, s *Snapshot) Outcome {
	return optionalWorkload(s.deployments.get(), isDNSAutoscaler)
}

// optionalWorkload passes if what is picked is complete, or absent.
func optionalWorkload(all []workload, pick func(workload) bool) Outcome {
	var found problems
	var fine []string
	for _, w := range all {
		switch {
		case !pick(w):
		case w.complete():
			fine = append(fine, w.name)
		default:
			found.addf(w.object(), "%s", w.shortfall())
		}
	}
	if len(fine) == 0 && !found.any() {
		return absentf("there is none")
	}
	return found.outcome(passf("%s", names(fine)))
}

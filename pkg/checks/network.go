package checks

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-lab/kubectl-lab/pkg/components"
)

// crowdedPercent is how full an address range is before it is worth a word.
const crowdedPercent = 80

func networkChecks() []Check {
	return []Check{
		{
			ID: "network-plugin", Category: CategoryNetwork, Severity: Warning,
			Asserts: "one known network plugin is installed",
			Hint:    "keep one plugin, and one that is maintained; with Kubespray: kube_network_plugin",
			reads:   pluginReads(), run: checkPlugin,
		},
		{
			ID: "network-plugin-complete", Category: CategoryNetwork, Severity: Error, Retry: true,
			Asserts: "the network plugin is complete, on every node",
			Hint:    "look at its pods on the nodes that lack it: kubectl get pods -A -o wide",
			reads:   append(pluginReads(), nodes), run: checkPluginComplete,
		},
		{
			ID: "network-proxy", Category: CategoryNetwork, Severity: Error, Retry: true,
			Asserts: "kube-proxy runs on every node, or something replaces it",
			Hint:    "look at its pods: kubectl get pods -n kube-system -l k8s-app=kube-proxy -o wide",
			reads:   readings(daemonSets, pods, nodes), run: checkProxy,
		},
		{
			ID: "network-proxy-mode", Category: CategoryNetwork, Severity: Warning,
			Asserts: "kube-proxy's mode suits this version and this number of services",
			Hint:    "change mode in ConfigMap kube-system/kube-proxy, then: kubectl rollout restart daemonset -n kube-system kube-proxy; with Kubespray: kube_proxy_mode",
			reads:   readings(proxyConfig, services, server), run: checkProxyMode,
		},
		{
			ID: "network-pod-ips", Category: CategoryNetwork, Severity: Error, Retry: true,
			Asserts: "every running pod has an IP",
			Hint:    "look at the network plugin's pod on that node: kubectl get pods -A -o wide",
			reads:   readings(pods), run: checkPodIPs,
		},
		{
			ID: "network-cidrs", Category: CategoryNetwork, Severity: Error,
			Asserts: "the ranges of services, pods and nodes are disjoint",
			Hint:    "overlapping ranges cannot be told apart by routing; they are chosen at installation (kube_service_addresses, kube_pods_subnet)",
			reads:   readings(nodes), uses: readings(kubeadm, serviceCIDRs), run: checkDisjoint,
		},
		{
			ID: "network-service-cidr", Category: CategoryNetwork, Severity: Warning,
			Asserts: "the services' range has room",
			Hint:    "add a ServiceCIDR (Kubernetes 1.33 and newer); see https://kubernetes.io/docs/tasks/network/extend-service-ip-ranges/",
			reads:   readings(services), uses: readings(kubeadm, serviceCIDRs), run: checkServiceRoom,
		},
		{
			ID: "network-pod-cidr", Category: CategoryNetwork, Severity: Warning,
			Asserts: "the pods' range has room for more nodes",
			Hint:    "every node takes a part of the range; a larger one has to be chosen at installation (kube_pods_subnet, kube_network_node_prefix)",
			reads:   readings(nodes), uses: readings(kubeadm), run: checkPodRoom,
		},
		{
			ID: "network-node-cidrs", Category: CategoryNetwork, Severity: Error,
			Asserts: "no two nodes share a pod range",
			Hint:    "remove and join one of the two nodes again, so that it gets a range of its own",
			reads:   readings(nodes), run: checkNodeRanges,
		},
		{
			ID: "network-api-service", Category: CategoryNetwork, Severity: Error, Retry: true,
			Asserts: "pods find the API server through Service default/kubernetes",
			Hint:    "the API server itself keeps it: look at its log",
			reads:   readings(services, endpointsOf), run: checkAPIService,
		},
		{
			ID: "network-load-balancers", Category: CategoryNetwork, Severity: Warning, Retry: true,
			Asserts: "every service of type LoadBalancer has an address",
			Hint:    "something has to hand out addresses: a cloud controller manager, MetalLB or kube-vip; or give the service externalIPs",
			reads:   readings(services), run: checkLoadBalancers,
		},
		{
			ID: "network-external-ips", Category: CategoryNetwork, Severity: Info,
			Asserts: "no service uses externalIPs",
			Hint:    "fine for a lab; elsewhere anybody who may create services can catch traffic by them (CVE-2020-8554), and the field is deprecated",
			reads:   readings(services), run: checkExternalIPs,
		},
		{
			ID: "network-ingress-class", Category: CategoryNetwork, Severity: Error,
			Asserts: "at most one IngressClass is the default",
			Hint:    "unmark all but one: kubectl annotate ingressclass NAME ingressclass.kubernetes.io/is-default-class-",
			reads:   readings(ingresses), run: checkIngressClass,
		},
	}
}

func pluginReads() []reading {
	var parts []components.Part
	for _, p := range components.Plugins() {
		parts = append(parts, p.Parts...)
	}
	return partReads(parts)
}

// installed lists the network plugins of which anything is there.
func (s *Snapshot) installed() []components.Plugin {
	var found []components.Plugin
	for _, p := range components.Plugins() {
		if s.assemble(p.Parts).exists() {
			found = append(found, p)
		}
	}
	return found
}

// checkPlugin only notes that it knows none: plugins may be set up on the nodes themselves, and no
// node would be Ready without one.
func checkPlugin(_ context.Context, s *Snapshot) Outcome {
	var titles, removed []string
	main := 0
	for _, p := range s.installed() {
		titles = append(titles, p.Title)
		if !p.Beside {
			main++
		}
		if p.RemovedIn != "" {
			removed = append(removed, fmt.Sprintf("%s (Kubespray dropped it in %s)", p.Title, p.RemovedIn))
		}
	}
	switch {
	case main == 0:
		return skipf("none of the plugins that leave objects in the cluster was found")
	case main > 1:
		return failf(nil, "more than one is: %s", names(titles))
	case len(removed) > 0:
		return failf(nil, "%s", names(removed)).hintf("it is no longer maintained: plan to move to another plugin")
	}
	return passf("%s", names(titles))
}

func checkPluginComplete(_ context.Context, s *Snapshot) Outcome {
	installed := s.installed()
	if len(installed) == 0 {
		return skipf("none of the plugins that leave objects in the cluster was found")
	}
	var all problems
	var fine []string
	for _, p := range installed {
		found := s.assemble(p.Parts)
		for _, faults := range []problems{found.faults(), found.uncovered(linuxNodes(s.nodes.get()))} {
			all.objects = append(all.objects, faults.objects...)
			all.lines = append(all.lines, faults.lines...)
		}
		fine = append(fine, found.names())
	}
	return all.outcome(passf("%s", strings.Join(fine, ", ")))
}

// isProxyPod picks kube-proxy's pods: of its DaemonSet, or static ones as Kubespray made until v2.8
// and some clouds still do.
func isProxyPod(p pod) bool {
	return p.labels["k8s-app"] == "kube-proxy" || p.labels["component"] == "kube-proxy"
}

func checkProxy(ctx context.Context, s *Snapshot) Outcome {
	ready := map[string]bool{}
	seen := false
	for _, p := range s.pods.get() {
		if isProxyPod(p) {
			seen = true
			ready[p.node] = ready[p.node] || p.ready == p.containers
		}
	}
	if !seen && !hasProxyDaemonSet(s) {
		return proxyAbsent(ctx, s)
	}
	var found problems
	for _, n := range s.nodes.get() {
		if n.ready() && !ready[n.name] { // a node that isn't Ready is another check's finding
			found.addf(n.object(), "none is ready on %s", n.name)
		}
	}
	return found.outcome(passf("on %s", count(len(ready), "node")))
}

func hasProxyDaemonSet(s *Snapshot) bool {
	return slices.ContainsFunc(s.daemonSets.get(), func(w workload) bool {
		return w.namespace == kubeSystem && w.name == "kube-proxy"
	})
}

// proxyAbsent says whether something replaces kube-proxy.
func proxyAbsent(ctx context.Context, s *Snapshot) Outcome {
	for _, replaces := range []func(context.Context, *Snapshot) (string, error){byKubeRouter, byK3s, byCilium, byCalico} {
		by, err := replaces(ctx, s)
		switch {
		case apierrors.IsForbidden(err):
			return notPermitted(toGet(kubeSystem, "configmaps", "cilium-config"))
		case err != nil:
			return skipf("there is no kube-proxy, and what may replace it could not be read: %s", s.words(err))
		case by != "":
			return passf("replaced by %s", by)
		}
	}
	if allSimulated(s.nodes.get()) {
		return skipf("there is no kube-proxy; the nodes are simulated")
	}
	return failf(nil, "there is no kube-proxy, and nothing that replaces it is known").
		hintf("services do not work without one: kubeadm init phase addon kube-proxy; with Kubespray: kube_proxy_remove: false")
}

func allSimulated(all []node) bool {
	return len(all) > 0 && !slices.ContainsFunc(all, func(n node) bool { return !n.simulated })
}

func byKubeRouter(_ context.Context, s *Snapshot) (string, error) {
	for _, w := range s.daemonSets.get() {
		if w.name == "kube-router" && slices.ContainsFunc(w.args, func(a string) bool {
			return a == "--run-service-proxy" || a == "--run-service-proxy=true"
		}) {
			return "kube-router", nil
		}
	}
	return "", nil
}

// byK3s: k3s runs kube-proxy inside its own process.
func byK3s(_ context.Context, s *Snapshot) (string, error) {
	for _, n := range s.nodes.get() {
		if strings.Contains(n.info.kubelet, "+k3s") {
			return "k3s", nil
		}
	}
	return "", nil
}

// byCilium: "strict" was the word for "true" until Cilium 1.14.
func byCilium(ctx context.Context, s *Snapshot) (string, error) {
	cfg, err := s.cilium.fetchNow(ctx)
	if mode := cfg["kube-proxy-replacement"]; mode == "true" || mode == "strict" {
		return "Cilium", nil
	}
	return "", err
}

func byCalico(ctx context.Context, s *Snapshot) (string, error) {
	spec, err := s.felix.fetchNow(ctx)
	if enabled, _ := spec["bpfEnabled"].(bool); enabled {
		return "Calico's eBPF data plane", nil
	}
	return "", err
}

// proxyMode is what a mode of kube-proxy means.
// Source: https://kubernetes.io/docs/reference/networking/virtual-ips/ and k8s.io/kubernetes/cmd/kube-proxy.
type proxyMode struct {
	name string
	// since, deprecated and removed are minor versions; 0 if it has always been, or is, there.
	since, deprecated, removed int
	// services is up to how many services it does well; 0 if their number hardly matters.
	services int
	meaning  string
}

func proxyModes() []proxyMode {
	return []proxyMode{
		{name: "userspace", deprecated: 23, removed: 26, services: 100, meaning: "every connection passes through kube-proxy itself"},
		{name: "iptables", services: 1000, meaning: "rules are a list, so changes and first packets get slower with every service"},
		{name: "ipvs", deprecated: 35, removed: 43, meaning: "a hash table in the kernel, which needs iptables beside it"},
		{name: "nftables", since: 31, meaning: "a map in the kernel, so the number of services hardly matters"},
		{name: "kernelspace", meaning: "Windows nodes"},
	}
}

func checkProxyMode(_ context.Context, s *Snapshot) Outcome {
	cfg := s.proxyConfig.get()
	if cfg == nil {
		return skipf("there is no ConfigMap %s/kube-proxy", kubeSystem)
	}
	name := nonEmpty(cfg.Mode, "iptables") // the default on Linux
	i := slices.IndexFunc(proxyModes(), func(m proxyMode) bool { return m.name == name })
	if i < 0 {
		return failf(nil, "mode %q is not known", name).as(Error)
	}
	return proxyModes()[i].judge(s.minor(), len(s.services.get()))
}

func (m proxyMode) judge(minor, services int) Outcome {
	with := count(services, "service")
	switch {
	case m.removed > 0 && minor >= m.removed:
		return failf(nil, "mode %s was removed in Kubernetes v1.%d", m.name, m.removed).as(Error)
	case m.since > minor && minor > 0:
		return failf(nil, "mode %s exists since Kubernetes v1.%d only", m.name, m.since).as(Error)
	case m.deprecated > 0 && minor >= m.deprecated:
		return failf(nil, "mode %s is deprecated since Kubernetes v1.%d, and goes with v1.%d", m.name, m.deprecated, m.removed).
			hintf("change to nftables (kernel 5.13 and newer): mode in ConfigMap kube-system/kube-proxy; with Kubespray: kube_proxy_mode: nftables")
	case m.services > 0 && services > m.services:
		return failf(nil, "mode %s with %s (%s)", m.name, with, m.meaning)
	}
	return passf("%s with %s (%s)", m.name, with, m.meaning)
}

func checkPodIPs(_ context.Context, s *Snapshot) Outcome {
	var found problems
	running := 0
	for _, p := range s.pods.get() {
		if p.status != string(corev1.PodRunning) || p.deleted != nil {
			continue
		}
		running++
		if p.ip == "" {
			found.addf(p.object(), "%s on %s has none", p, p.node)
		}
	}
	return found.outcome(passf("%s", count(running, "pod")))
}

// serviceRanges are the services' CIDRs: of the ServiceCIDR API, else of kubeadm's configuration.
// known is false if neither may be read, or neither has them.
func (s *Snapshot) serviceRanges() (ranges []netip.Prefix, known bool) {
	if s.serviceCIDRs.ok() && len(s.serviceCIDRs.get()) > 0 {
		return prefixes(strings.Join(s.serviceCIDRs.get(), ",")), true
	}
	if s.kubeadm.ok() && s.kubeadm.get() != nil {
		ranges = prefixes(s.kubeadm.get().Networking.ServiceSubnet)
	}
	return ranges, len(ranges) > 0
}

// podRanges are the pods' CIDRs of kubeadm's configuration, else the nodes' parts of them.
func (s *Snapshot) podRanges() []netip.Prefix {
	if s.kubeadm.ok() && s.kubeadm.get() != nil {
		if ranges := prefixes(s.kubeadm.get().Networking.PodSubnet); len(ranges) > 0 {
			return ranges
		}
	}
	var ranges []netip.Prefix
	for _, n := range s.nodes.get() {
		ranges = append(ranges, prefixes(strings.Join(n.podCIDRs, ","))...)
	}
	return ranges
}

func checkDisjoint(_ context.Context, s *Snapshot) Outcome {
	serviceRanges, _ := s.serviceRanges()
	podRanges := s.podRanges()
	if len(serviceRanges)+len(podRanges) == 0 {
		return skipf("the ranges are not known: no ServiceCIDR, no kubeadm configuration, no pod range on a node")
	}
	var found problems
	for _, svc := range serviceRanges {
		for _, p := range podRanges {
			if svc.Overlaps(p) {
				found.addf(Object{}, "services %s and pods %s overlap", svc, p)
			}
		}
	}
	for _, n := range s.nodes.get() {
		checkNodeAddress(&found, n, "services", serviceRanges)
		checkNodeAddress(&found, n, "pods", podRanges)
	}
	return found.outcome(passf("services %s, pods %s", joinRanges(serviceRanges), joinRanges(podRanges)))
}

func checkNodeAddress(found *problems, n node, whose string, ranges []netip.Prefix) {
	for _, text := range n.internalIPs {
		ip, err := netip.ParseAddr(text)
		for _, r := range ranges {
			if err == nil && r.Contains(ip) {
				found.addf(n.object(), "%s's address %s is within the %s' range %s", n.name, ip, whose, r)
			}
		}
	}
}

func joinRanges(ranges []netip.Prefix) string {
	var all []string
	for _, r := range ranges {
		all = append(all, r.String())
	}
	if len(all) == 0 {
		return "unknown"
	}
	return some(all, ",")
}

// usable is how many addresses of a range services can have, as far as an int64 counts: neither the
// first, nor the last of IPv4 (k8s.io/kubernetes/pkg/registry/core/service/ipallocator).
func usable(r netip.Prefix) int64 {
	reserved := int64(1)
	if r.Addr().Is4() {
		reserved = 2
	}
	return max(pow2(r.Addr().BitLen()-r.Bits())-reserved, 1)
}

func pow2(bits int) int64 {
	if bits >= 63 {
		return math.MaxInt64
	}
	return 1 << max(bits, 0)
}

func checkServiceRoom(_ context.Context, s *Snapshot) Outcome {
	ranges, known := s.serviceRanges()
	if !known {
		return skipf("the range is not known: no ServiceCIDR, no kubeadm configuration")
	}
	var found problems
	var room []string
	for _, r := range ranges {
		used := int64(0)
		for _, svc := range s.services.get() {
			for _, text := range svc.clusterIPs {
				if ip, err := netip.ParseAddr(text); err == nil && r.Contains(ip) {
					used++
				}
			}
		}
		line := fmt.Sprintf("%d of %s used in %s", used, sizeText(usable(r)), r)
		room = append(room, line)
		if used*100/usable(r) >= crowdedPercent {
			found.addf(Object{}, "%s", line)
		}
	}
	return found.outcome(passf("%s", strings.Join(room, ", ")))
}

// sizeText is a number, or an approximation of one that nobody would read.
func sizeText(n int64) string {
	if n > 1<<32 {
		return "billions"
	}
	return fmt.Sprint(n)
}

// checkPodRoom counts the parts that the controller manager cuts out for nodes. Plugins that hand out
// addresses by themselves (Calico, Cilium) leave the nodes without one.
func checkPodRoom(_ context.Context, s *Snapshot) Outcome {
	if !s.kubeadm.ok() || s.kubeadm.get() == nil {
		return skipf("the range is not known: kubeadm's configuration cannot be read, or there is none")
	}
	var found problems
	var room []string
	for _, r := range prefixes(s.kubeadm.get().Networking.PodSubnet) {
		used, parts := partsOf(r, s.nodes.get())
		if used == 0 {
			continue
		}
		line := fmt.Sprintf("%d of %s parts used of %s", used, sizeText(parts), r)
		room = append(room, line)
		if int64(used)*100/parts >= crowdedPercent {
			found.addf(Object{}, "%s", line)
		}
	}
	if len(room) == 0 {
		return skipf("the network plugin hands out the addresses by itself")
	}
	return found.outcome(passf("%s", strings.Join(room, ", ")))
}

// partsOf counts the nodes' parts of a range, and how many there can be.
func partsOf(r netip.Prefix, all []node) (used int, parts int64) {
	parts = 1
	for _, n := range all {
		for _, p := range prefixes(strings.Join(n.podCIDRs, ",")) {
			if r.Contains(p.Addr()) {
				used++
				parts = pow2(p.Bits() - r.Bits())
			}
		}
	}
	return used, parts
}

func checkNodeRanges(_ context.Context, s *Snapshot) Outcome {
	type owned struct {
		netip.Prefix
		node node
	}
	var all []owned
	for _, n := range s.nodes.get() {
		for _, r := range prefixes(strings.Join(n.podCIDRs, ",")) {
			all = append(all, owned{r, n})
		}
	}
	if len(all) == 0 {
		return skipf("the network plugin hands out the addresses by itself")
	}
	// Sorted by address, ranges that overlap are neighbors.
	slices.SortFunc(all, func(a, b owned) int { return a.Prefix.Compare(b.Prefix) })
	var found problems
	for i := 1; i < len(all); i++ {
		if a, b := all[i-1], all[i]; a.Overlaps(b.Prefix) {
			found.addf(b.node.object(), "%s (%s) and %s (%s)", a.node.name, a.Prefix, b.node.name, b.Prefix)
		}
	}
	return found.outcome(passf("%s", count(len(all), "range")))
}

func checkAPIService(_ context.Context, s *Snapshot) Outcome {
	const key = "default/kubernetes"
	object := []Object{{APIVersion: "v1", Kind: "Service", Namespace: "default", Name: "kubernetes"}}
	if !slices.ContainsFunc(s.services.get(), func(svc service) bool { return svc.key() == key }) {
		return failf(object, "there is no Service %s", key)
	}
	e := s.endpoints.get()[key]
	if e.ready == 0 {
		return failf(object, "Service %s has no endpoint", key)
	}
	return passf("%s", count(e.ready, "endpoint"))
}

func checkLoadBalancers(_ context.Context, s *Snapshot) Outcome {
	var found problems
	looked := 0
	for _, svc := range s.services.get() {
		if svc.kind != corev1.ServiceTypeLoadBalancer {
			continue
		}
		looked++
		if age := s.age(svc.created); !svc.hasIngress && len(svc.externalIPs) == 0 && age > s.patience {
			found.addf(svc.object(), "%s waits for one since %s", svc.key(), ago(age))
		}
	}
	return found.outcome(passf("%s", count(looked, "service")))
}

func checkExternalIPs(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, svc := range s.services.get() {
		if len(svc.externalIPs) > 0 {
			found.addf(svc.object(), "%s (%s)", svc.key(), strings.Join(svc.externalIPs, ", "))
		}
	}
	return found.outcome(passf(""))
}

// checkIngressClass: with two defaults, the API server refuses Ingresses that name no class.
// See https://kubernetes.io/docs/concepts/services-networking/ingress/#default-ingress-class.
func checkIngressClass(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, c := range s.ingressClasses.get() {
		if c.isDefault {
			found.addf(Object{APIVersion: "networking.k8s.io/v1", Kind: "IngressClass", Name: c.name}, "%s", c.name)
		}
	}
	if len(found.lines) > 1 {
		return found.outcome(Outcome{})
	}
	return passf("%s", count(len(s.ingressClasses.get()), "IngressClass"))
}

package checks

import (
	"fmt"
	"slices"
	"strings"
)

// reachable is the check that all others need.
const reachable = "api-reachable"

// All lists every check of an installation, category by category.
func All() []Check {
	var all []Check
	for _, group := range [][]Check{
		apiChecks(), controlPlaneChecks(), nodeChecks(), networkChecks(), dnsChecks(), storageChecks(),
		workloadChecks(), addonChecks(), accessChecks(), limitChecks(),
		inventoryChecks(),
	} {
		all = append(all, group...)
	}
	for i := range all {
		if all[i].ID != reachable {
			all[i].Needs = append(slices.Clip(all[i].Needs), reachable)
		}
	}
	return all
}

// Select keeps the checks of these categories, and those that they need; no category keeps all. The
// error names the category that doesn't exist.
func Select(all []Check, categories []string) ([]Check, error) {
	if len(categories) == 0 {
		return all, nil
	}
	for _, c := range categories {
		if !slices.Contains(Categories(), Category(c)) {
			return nil, fmt.Errorf("no category %q: choose from %s", c, categoryList())
		}
	}
	wanted := map[string]bool{}
	for _, c := range all {
		if slices.Contains(categories, string(c.Category)) {
			want(all, c, wanted)
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(c Check) bool { return !wanted[c.ID] }), nil
}

// want marks a check and all that it needs.
func want(all []Check, c Check, wanted map[string]bool) {
	if wanted[c.ID] {
		return
	}
	wanted[c.ID] = true
	for _, need := range c.Needs {
		if i := slices.IndexFunc(all, func(other Check) bool { return other.ID == need }); i >= 0 {
			want(all, all[i], wanted)
		}
	}
}

func categoryList() string {
	var names []string
	for _, c := range Categories() {
		names = append(names, string(c))
	}
	return strings.Join(names, ", ")
}

// readings lists reads; it keeps the tables of checks short.
func readings(r ...reading) []reading { return r }

// The readings, by the name of what they read.
func server(s *Snapshot) anyRead        { return s.server }
func readyz(s *Snapshot) anyRead        { return s.readyz }
func livez(s *Snapshot) anyRead         { return s.livez }
func anonymous(s *Snapshot) anyRead     { return s.anon }
func componentList(s *Snapshot) anyRead { return s.compons }
func nodes(s *Snapshot) anyRead         { return s.nodes }
func pods(s *Snapshot) anyRead          { return s.pods }
func staticPods(s *Snapshot) anyRead    { return s.staticPods }
func namespaces(s *Snapshot) anyRead    { return s.namespaces }
func deployments(s *Snapshot) anyRead   { return s.deployments }
func daemonSets(s *Snapshot) anyRead    { return s.daemonSets }
func statefulSets(s *Snapshot) anyRead  { return s.statefulSets }
func services(s *Snapshot) anyRead      { return s.services }
func endpointsOf(s *Snapshot) anyRead   { return s.endpoints }
func systemLeases(s *Snapshot) anyRead  { return s.systemLeases }
func nodeLeases(s *Snapshot) anyRead    { return s.nodeLeases }
func apiServices(s *Snapshot) anyRead   { return s.apiServices }
func webhooks(s *Snapshot) anyRead      { return s.webhooks }
func crds(s *Snapshot) anyRead          { return s.crds }
func requests(s *Snapshot) anyRead      { return s.requests }
func kubeadm(s *Snapshot) anyRead       { return s.kubeadm }
func proxyConfig(s *Snapshot) anyRead   { return s.proxyConfig }
func kubelets(s *Snapshot) anyRead      { return s.kubelet }
func classes(s *Snapshot) anyRead       { return s.storageClasses }
func csiDrivers(s *Snapshot) anyRead    { return s.csiDrivers }
func csiNodes(s *Snapshot) anyRead      { return s.csiNodes }
func claims(s *Snapshot) anyRead        { return s.claims }
func volumes(s *Snapshot) anyRead       { return s.volumes }
func attachments(s *Snapshot) anyRead   { return s.attachments }
func serviceCIDRs(s *Snapshot) anyRead  { return s.serviceCIDRs }
func ingresses(s *Snapshot) anyRead     { return s.ingressClasses }
func bindings(s *Snapshot) anyRead      { return s.bindings }
func adminAccount(s *Snapshot) anyRead  { return s.adminUser }
func tokens(s *Snapshot) anyRead        { return s.tokens }
func declaration(s *Snapshot) anyRead   { return s.declared }

package checks

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubectl-lab/kubectl-lab/pkg/components"
)

// addonPrefix begins the ids of the checks of single add-ons.
const addonPrefix = "addons-"

// addonChecks has one check for each add-on of the table, and those that look at more than one.
func addonChecks() []Check {
	var all []Check
	for _, a := range components.Addons() {
		all = append(all, addonCheck(a))
	}
	return append(all, Check{
		ID: "addons-dashboard-public", Category: CategoryAddons, Severity: Warning,
		Asserts: "the dashboard is not both public and cluster-admin",
		Hint:    "make its Service a ClusterIP and reach it by kubectl port-forward; and remove the binding of its own ServiceAccount: users bring their own token",
		reads:   readings(services, bindings), run: checkDashboardPublic,
	})
}

func addonCheck(a components.Addon) Check {
	return Check{
		ID: addonPrefix + a.ID, Category: CategoryAddons, Severity: Error, Retry: true,
		Asserts: a.Title,
		Hint:    "see what its pods wait for: kubectl get pods -A | grep " + a.ID,
		reads:   partReads(a.Parts),
		run: func(_ context.Context, s *Snapshot) Outcome {
			found := s.assemble(a.Parts)
			if !found.exists() {
				return absentf("not installed")
			}
			if faults := found.faults(); faults.any() {
				o := faults.outcome(Outcome{})
				o.Message = "incomplete: " + o.Message
				return o
			}
			if a.Retired != "" {
				return failf(nil, "%s, but %s", found.names(), a.Retired).as(Warning).hintf("plan to replace it")
			}
			return passf("%s", found.names())
		},
	}
}

// IsAddon reports whether a check is that of a single add-on: it asserts nothing if the add-on is not
// installed.
func IsAddon(id string) bool {
	return slices.ContainsFunc(components.Addons(), func(a components.Addon) bool { return addonPrefix+a.ID == id })
}

// isDashboard picks the dashboard's Service: of Kubespray, of the project's manifest and of its
// chart.
func isDashboard(s service) bool {
	return slices.Contains([]string{"kubernetes-dashboard", "kubernetes-dashboard-kong-proxy", "kubernetes-dashboard-web"}, s.name)
}

// isDashboardAccount picks the ServiceAccounts that the dashboard itself runs as.
func isDashboardAccount(s rbacv1.Subject) bool {
	return s.Kind == rbacv1.ServiceAccountKind && strings.HasPrefix(s.Name, "kubernetes-dashboard")
}

// checkDashboardPublic: whoever reaches a dashboard whose own account is cluster-admin, and skips the
// login, owns the cluster.
func checkDashboardPublic(_ context.Context, s *Snapshot) Outcome {
	admin := slices.ContainsFunc(adminSubjects(s.bindings.get()), func(b bound) bool { return isDashboardAccount(b.subject) })
	var found problems
	present := false
	for _, svc := range s.services.get() {
		if !isDashboard(svc) {
			continue
		}
		present = true
		public := svc.kind == corev1.ServiceTypeNodePort || svc.kind == corev1.ServiceTypeLoadBalancer || len(svc.externalIPs) > 0
		if admin && public {
			found.addf(svc.object(), "Service %s is reachable from outside (%s), and the dashboard's own ServiceAccount is cluster-admin", svc.key(), svc.kind)
		}
	}
	if !present {
		return absentf("there is no dashboard")
	}
	return found.outcome(passf(""))
}

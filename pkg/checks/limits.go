package checks

import (
	"context"
	"maps"
	"slices"

	"github.com/kubectl-lab/kubectl-lab/pkg/limits"
)

// limitChecks hold the cluster against the sizes that Kubernetes is designed and tested for.
func limitChecks() []Check {
	return []Check{
		limitCheck("limits-nodes", limits.Nodes(), readings(nodes), func(s *Snapshot) map[string]int {
			return whole(len(s.nodes.get()))
		}),
		limitCheck("limits-pods", limits.Pods(), readings(pods), func(s *Snapshot) map[string]int {
			return whole(len(s.pods.get()))
		}),
		limitCheck("limits-containers", limits.Containers(), readings(pods), func(s *Snapshot) map[string]int {
			total := 0
			for _, p := range s.pods.get() {
				total += p.containers
			}
			return whole(total)
		}),
		limitCheck("limits-pods-per-node", limits.PodsPerNode(), readings(pods), func(s *Snapshot) map[string]int {
			return podsPerNode(s.pods.get())
		}),
		limitCheck("limits-services", limits.Services(), readings(services), func(s *Snapshot) map[string]int {
			return whole(len(s.services.get()))
		}),
		limitCheck("limits-namespaces", limits.Namespaces(), readings(namespaces), func(s *Snapshot) map[string]int {
			return whole(len(s.namespaces.get()))
		}),
		limitCheck("limits-pods-per-namespace", limits.PodsPerNamespace(), readings(pods), func(s *Snapshot) map[string]int {
			return tally(s.pods.get(), func(p pod) string { return p.namespace })
		}),
		limitCheck("limits-services-per-namespace", limits.ServicesPerNamespace(), readings(services), func(s *Snapshot) map[string]int {
			return tally(s.services.get(), func(svc service) string { return svc.namespace })
		}),
		limitCheck("limits-deployments-per-namespace", limits.DeploymentsPerNamespace(), readings(deployments), func(s *Snapshot) map[string]int {
			return tally(s.deployments.get(), func(w workload) string { return w.namespace })
		}),
		limitCheck("limits-endpoints-per-service", limits.EndpointsPerService(), readings(endpointsOf), func(s *Snapshot) map[string]int {
			used := map[string]int{}
			for service, e := range s.endpoints.get() {
				used[service] = e.total
			}
			return used
		}),
	}
}

// limitCheck warns when a quantity is close to its limit. used counts it for each place in which it
// is counted; the whole cluster is the place "".
func limitCheck(id string, limit limits.Limit, reads []reading, used func(*Snapshot) map[string]int) Check {
	return Check{
		ID: id, Category: CategoryLimits, Severity: Warning,
		Asserts: limit.Quantity + " are well within what Kubernetes is designed for",
		Hint:    "plan for a second cluster, or for fewer and larger units; see " + limit.Source,
		reads:   reads,
		run: func(_ context.Context, s *Snapshot) Outcome {
			return heldAgainst(limit, used(s))
		},
	}
}

func heldAgainst(limit limits.Limit, used map[string]int) Outcome {
	var found problems
	most := limit.Of(0)
	for _, place := range slices.Sorted(maps.Keys(used)) {
		use := limit.Of(used[place])
		if use.Used > most.Used {
			most = use
		}
		if use.Level() != limits.Within {
			where := ""
			if place != "" {
				where = " (" + place + ")"
			}
			found.addf(Object{}, "%d of %d%s", use.Used, use.Max, where)
		}
	}
	if limit.Scope == limits.Cluster {
		return found.outcome(passf("%d of %d", most.Used, most.Max))
	}
	return found.outcome(passf("at most %d of %d", most.Used, most.Max))
}

// whole counts over the whole cluster.
func whole(n int) map[string]int { return map[string]int{"": n} }

// tally counts items by a key.
func tally[T any](items []T, key func(T) string) map[string]int {
	n := map[string]int{}
	for _, item := range items {
		n[key(item)]++
	}
	return n
}

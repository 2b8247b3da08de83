package checks

import (
	"context"
	"maps"
	"slices"

	"github.com/kubectl-lab/kubectl-lab/pkg/limits"
)

// limited is a quantity that is held against a limit.
type limited struct {
	id    string
	limit limits.Limit
	reads []reading
	// used counts the quantity for each place in which it is counted; the whole cluster is the place "".
	used func(*Snapshot) map[string]int
}

func limitedQuantities() []limited {
	return []limited{
		{"limits-nodes", limits.Nodes(), readings(nodes), func(s *Snapshot) map[string]int {
			return whole(len(s.nodes.get()))
		}},
		{"limits-pods", limits.Pods(), readings(pods), func(s *Snapshot) map[string]int {
			return whole(len(s.pods.get()))
		}},
		{"limits-containers", limits.Containers(), readings(pods), func(s *Snapshot) map[string]int {
			total := 0
			for _, p := range s.pods.get() {
				total += p.containers
			}
			return whole(total)
		}},
		{"limits-pods-per-node", limits.PodsPerNode(), readings(pods), func(s *Snapshot) map[string]int {
			return podsPerNode(s.pods.get())
		}},
		{"limits-services", limits.Services(), readings(services), func(s *Snapshot) map[string]int {
			return whole(len(s.services.get()))
		}},
		{"limits-namespaces", limits.Namespaces(), readings(namespaces), func(s *Snapshot) map[string]int {
			return whole(len(s.namespaces.get()))
		}},
		{"limits-pods-per-namespace", limits.PodsPerNamespace(), readings(pods), func(s *Snapshot) map[string]int {
			return tally(s.pods.get(), func(p pod) string { return p.namespace })
		}},
		{"limits-services-per-namespace", limits.ServicesPerNamespace(), readings(services), func(s *Snapshot) map[string]int {
			return tally(s.services.get(), func(svc service) string { return svc.namespace })
		}},
		{"limits-deployments-per-namespace", limits.DeploymentsPerNamespace(), readings(deployments), func(s *Snapshot) map[string]int {
			return tally(s.deployments.get(), func(w workload) string { return w.namespace })
		}},
		{"limits-endpoints-per-service", limits.EndpointsPerService(), readings(endpointsOf), func(s *Snapshot) map[string]int {
			used := map[string]int{}
			for service, e := range s.endpoints.get() {
				used[service] = e.total
			}
			return used
		}},
	}
}

// limitChecks hold the cluster against the sizes that Kubernetes is designed and tested for. They warn
// when a quantity is close to its limit.
func limitChecks() []Check { return checksOf(limitedQuantities()) }

func checksOf(quantities []limited) []Check {
	var all []Check
	for _, q := range quantities {
		all = append(all, Check{
			ID: q.id, Category: CategoryLimits, Severity: Warning,
			Asserts: q.limit.Quantity + " are well within what Kubernetes is designed for",
			Hint:    "plan for a second cluster, or for fewer and larger units; see " + q.limit.Source,
			reads:   q.reads,
			run: func(_ context.Context, s *Snapshot) Outcome {
				return heldAgainst(q.limit, q.used(s))
			},
		})
	}
	return all
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

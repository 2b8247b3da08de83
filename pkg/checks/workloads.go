package checks

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

func workloadChecks() []Check {
	return []Check{
		systemWorkloads("workloads-system-deployments", "Deployment", deployments,
			"the Deployments of kube-system are complete", func(s *Snapshot) []workload { return s.deployments.get() }),
		systemWorkloads("workloads-system-daemonsets", "DaemonSet", daemonSets,
			"the DaemonSets of kube-system are complete", func(s *Snapshot) []workload { return s.daemonSets.get() }),
		systemWorkloads("workloads-system-statefulsets", "StatefulSet", statefulSets,
			"the StatefulSets of kube-system are complete", func(s *Snapshot) []workload { return s.statefulSets.get() }),
		{
			ID: "workloads-rollouts", Category: CategoryWorkloads, Severity: Warning, Retry: true,
			Asserts: "no rollout of a Deployment is stuck",
			Hint:    "see which pods hold it up: kubectl rollout status deployment NAME, kubectl describe deployment NAME",
			reads:   readings(deployments), run: checkRollouts,
		},
		troubledPods("workloads-crash-loops", "no container crashes again and again",
			"read its last words: kubectl logs POD --previous",
			"CrashLoopBackOff", "Error", "OOMKilled"),
		troubledPods("workloads-images", "every image can be pulled",
			"check the image's name and tag, the registry and the pull secret: kubectl describe pod POD",
			"ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"),
		troubledPods("workloads-config", "every container can be created",
			"create what the container refers to, or correct its command: kubectl describe pod POD",
			"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreStartHookError", "PostStartHookError", "StartError", "ContainerCannotRun"),
		{
			ID: "workloads-pending", Category: CategoryWorkloads, Severity: Error, Retry: true,
			Asserts: "no pod is waiting for long to start",
			Hint:    "see what it waits for: kubectl describe pod POD",
			reads:   readings(pods), run: checkPending,
		},
		{
			ID: "workloads-terminating", Category: CategoryWorkloads, Severity: Warning, Retry: true,
			Asserts: "no pod is stuck while it is deleted",
			Hint:    "is its node alive? otherwise: kubectl delete pod POD --force",
			reads:   readings(pods), run: checkTerminating,
		},
		{
			ID: "workloads-evicted", Category: CategoryWorkloads, Severity: Warning,
			Asserts: "no pod was evicted",
			Hint:    "see why, then remove what is left: kubectl delete pods -A --field-selector status.phase=Failed",
			reads:   readings(pods), run: checkEvicted,
		},
		{
			ID: "workloads-restarts", Category: CategoryWorkloads, Severity: Warning, Retry: true,
			Asserts: "no pod of kube-system restarted within the last hour",
			Hint:    "read its last words: kubectl logs -n kube-system POD --previous",
			reads:   readings(pods), run: checkRestarts,
		},
		{
			ID: "workloads-services", Category: CategoryWorkloads, Severity: Warning, Retry: true,
			Asserts: "every service that selects pods has a ready endpoint",
			Hint:    "compare the service's selector with the pods' labels: kubectl describe service NAME",
			reads:   readings(services, endpointsOf), run: checkServices,
		},
	}
}

// systemWorkloads is a check of one kind in kube-system. What other checks look at more closely, DNS,
// the network plugin, kube-proxy and the add-ons, is left to them.
func systemWorkloads(id, kind string, from reading, asserts string, list func(*Snapshot) []workload) Check {
	return Check{
		ID: id, Category: CategoryWorkloads, Severity: Error, Retry: true, Asserts: asserts,
		Hint:  fmt.Sprintf("see what its pods wait for: kubectl describe %s -n kube-system NAME, kubectl get pods -n kube-system", strings.ToLower(kind)),
		reads: readings(from),
		run: func(_ context.Context, s *Snapshot) Outcome {
			var found problems
			looked, elsewhere := 0, 0
			for _, w := range list(s) {
				switch {
				case w.namespace != kubeSystem:
					continue
				case claimed(w):
					elsewhere++
					continue
				}
				looked++
				if !w.complete() {
					found.addf(w.object(), "%s", w.shortfall())
				}
			}
			if elsewhere == 0 {
				return found.outcome(passf("%s", count(looked, kind)))
			}
			return found.outcome(passf("%s, and %d with a check of their own", count(looked, kind), elsewhere))
		},
	}
}

// shortfall says how far a workload is from complete.
func (w workload) shortfall() string {
	if !w.observed {
		return fmt.Sprintf("%s has not been looked at by the controller manager yet", w)
	}
	text := fmt.Sprintf("%s has %d of %d pods ready", w, w.ready, w.desired)
	if w.stalled != "" {
		text += ": " + w.stalled
	}
	return text
}

func checkRollouts(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, w := range s.deployments.get() {
		if w.stalled != "" && w.namespace != kubeSystem && !claimed(w) {
			found.addf(w.object(), "%s/%s: %s", w.namespace, w.name, w.stalled)
		}
	}
	return found.outcome(passf("%s", count(len(s.deployments.get()), "Deployment")))
}

// troubledPods is a check for pods whose STATUS is one of these. The kubelet's reasons are listed in
// k8s.io/kubernetes/pkg/kubelet/images/types.go and pkg/kubelet/container/sync_result.go.
func troubledPods(id, asserts, hint string, statuses ...string) Check {
	return Check{
		ID: id, Category: CategoryWorkloads, Severity: Error, Retry: true, Asserts: asserts, Hint: hint,
		reads: readings(pods),
		run: func(ctx context.Context, s *Snapshot) Outcome {
			var troubled []pod
			for _, p := range s.pods.get() {
				if slices.Contains(statuses, strings.TrimPrefix(p.status, "Init:")) && !isFinishedJob(p) {
					troubled = append(troubled, p)
				}
			}
			return s.troubles(ctx, troubled)
		},
	}
}

// isFinishedJob reports whether a pod's failure is its Job's business: the Job counts attempts.
func isFinishedJob(p pod) bool {
	return p.ownerKind == "Job" && (p.status == "Error" || p.status == "OOMKilled")
}

// troubles describes troubled pods: the first few in full, the others by their status.
func (s *Snapshot) troubles(ctx context.Context, troubled []pod) Outcome {
	words := s.lookClosely(ctx, troubled)
	var found problems
	for i, p := range troubled {
		line := fmt.Sprintf("%s: %s", p, p.status)
		if i < len(words) && words[i].message != "" {
			line = fmt.Sprintf("%s: %s", p, words[i].message)
		}
		found.addf(p.object(), "%s", line)
	}
	o := found.outcome(passf("%s", count(len(s.pods.get()), "pod")))
	if len(words) > 0 {
		o.Hint = words[0].hint
	}
	return o
}

func checkTerminating(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, p := range s.pods.get() {
		if p.deleted == nil {
			continue
		}
		// deletionTimestamp is the end of the grace period.
		if age := s.age(*p.deleted); age > 2*s.patience {
			found.addf(p.object(), "%s should have been gone since %s", p, ago(age))
		}
	}
	return found.outcome(passf(""))
}

func checkEvicted(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, p := range s.pods.get() {
		if p.status == "Evicted" {
			found.addf(p.object(), "%s", p)
		}
	}
	return found.outcome(passf(""))
}

func checkRestarts(_ context.Context, s *Snapshot) Outcome {
	var found problems
	for _, p := range s.pods.get() {
		controlPlane := p.labels["tier"] == "control-plane"
		crashing := strings.HasSuffix(p.status, "CrashLoopBackOff")
		if p.namespace != kubeSystem || controlPlane || crashing || p.restarts == 0 || p.restartedAgo == 0 {
			continue
		}
		if p.restartedAgo < recently {
			found.addf(p.object(), "%s restarted %s ago (%s)", p.name, ago(p.restartedAgo), count(p.restarts, "restart"))
		}
	}
	return found.outcome(passf(""))
}

func checkServices(_ context.Context, s *Snapshot) Outcome {
	var found problems
	looked := 0
	for _, svc := range s.services.get() {
		if len(svc.selector) == 0 || svc.kind == corev1.ServiceTypeExternalName || isDNSService(svc) {
			continue
		}
		looked++
		switch e := s.endpoints.get()[svc.key()]; {
		case e.total == 0:
			found.addf(svc.object(), "%s has no endpoint", svc.key())
		case e.ready == 0:
			found.addf(svc.object(), "%s has none that is ready of %s", svc.key(), count(e.total, "endpoint"))
		}
	}
	return found.outcome(passf("%s", count(looked, "service")))
}

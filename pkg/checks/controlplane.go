package checks

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-lab/kubectl-lab/pkg/skew"
)

// What the control plane is held to.
const (
	// leaseSlack is how much later than its duration a component's Lease may be renewed: the leader
	// renews every two seconds and gives up after ten (--leader-elect-renew-deadline).
	leaseSlack = 15 * time.Second
	// recently is how far back a restart is news.
	recently = time.Hour
)

func controlPlaneChecks() []Check {
	return []Check{
		{
			ID: "control-plane-etcd", Category: CategoryControlPlane, Severity: Error, Retry: true,
			Asserts: "etcd is healthy, as the API server sees it",
			Hint:    "look at etcd's log (journalctl -u etcd, or kubectl logs -n kube-system etcd-NODE) and its members: etcdctl endpoint health --cluster",
			reads:   readings(readyz), run: checkEtcd,
		},
		{
			ID: "control-plane-etcd-members", Category: CategoryControlPlane, Severity: Warning,
			Asserts: "etcd has an odd number of members",
			Hint:    "an even number bears no more failures than one fewer: add or remove a member",
			reads:   readings(staticPods, kubeadm), run: checkEtcdMembers,
		},
		{
			ID: "control-plane-scheduler", Category: CategoryControlPlane, Severity: Error, Retry: true,
			Asserts: "the scheduler holds and renews its Lease",
			Hint:    "look at its log: kubectl logs -n kube-system -l component=kube-scheduler",
			reads:   readings(systemLeases), run: checkComponentLease("kube-scheduler"),
		},
		{
			ID: "control-plane-controller-manager", Category: CategoryControlPlane, Severity: Error, Retry: true,
			Asserts: "the controller manager holds and renews its Lease",
			Hint:    "look at its log: kubectl logs -n kube-system -l component=kube-controller-manager",
			reads:   readings(systemLeases), run: checkComponentLease("kube-controller-manager"),
		},
		{
			ID: "control-plane-cloud-controller-manager", Category: CategoryControlPlane, Severity: Error, Retry: true,
			Asserts: "the cloud controller manager, if there is one, renews its Lease",
			Hint:    "look at its pods: kubectl get pods -n kube-system | grep cloud-controller-manager",
			reads:   readings(systemLeases), run: checkCloudLease,
		},
		{
			ID: "control-plane-apiservers", Category: CategoryControlPlane, Severity: Warning, Retry: true,
			Asserts: "every API server renews its identity Lease",
			Hint:    "look at the API server on that machine: kubectl get leases -n kube-system -l apiserver.kubernetes.io/identity=kube-apiserver -o yaml",
			reads:   readings(systemLeases), run: checkAPIServerLeases,
		},
		{
			ID: "control-plane-pods", Category: CategoryControlPlane, Severity: Error, Retry: true,
			Asserts: "each control plane node runs its static pods",
			Hint:    "look on that node: crictl ps -a, and the files in /etc/kubernetes/manifests",
			reads:   readings(staticPods, nodes), run: checkStaticPods,
		},
		{
			ID: "control-plane-versions", Category: CategoryControlPlane, Severity: Error,
			Asserts: "its components' versions fit each other",
			Hint:    "finish the upgrade: the API servers first, then controller managers and schedulers; see " + skew.Policy,
			reads:   readings(staticPods, server), run: checkComponentVersions,
		},
		{
			ID: "control-plane-restarts", Category: CategoryControlPlane, Severity: Warning, Retry: true,
			Asserts: "none of its containers restarted within the last hour",
			Hint:    "see how the container ended: kubectl describe pod -n kube-system POD, and kubectl logs -n kube-system POD --previous",
			reads:   readings(staticPods), run: checkControlPlaneRestarts,
		},
		{
			ID: "control-plane-componentstatuses", Category: CategoryControlPlane, Severity: Info,
			Asserts: `"kubectl get componentstatuses" agrees with the checks above`,
			Hint:    "believe the Leases and /readyz: the resource is deprecated since Kubernetes 1.19 and probes fixed local ports",
			Needs:   []string{"control-plane-etcd", "control-plane-scheduler", "control-plane-controller-manager"},
			reads:   readings(componentList), run: checkComponentStatuses,
		},
	}
}

func checkEtcd(_ context.Context, s *Snapshot) Outcome {
	h := s.readyz.get()
	if broken := h.broken(isEtcd); len(broken) > 0 {
		return failf(nil, "not ready: %s", partNames(broken))
	}
	if !slices.ContainsFunc(h.parts, func(p healthPart) bool { return isEtcd(p.name) }) {
		return skipf("the API server says nothing about etcd")
	}
	return passf("")
}

// checkEtcdMembers counts static pods (etcd_deployment_type kubeadm) or the external endpoints that
// kubeadm was given (host, docker). Hosted control planes show neither.
func checkEtcdMembers(_ context.Context, s *Snapshot) Outcome {
	members, where := etcdMembers(s)
	switch {
	case len(members) == 0:
		return skipf("etcd's members are not visible from the cluster")
	case len(members)%2 == 0:
		return failf(nil, "%s (%s): %s", count(len(members), "member"), where, names(members))
	}
	return passf("%s (%s)", count(len(members), "member"), where)
}

// etcdMembers are the names or hosts of etcd's members, and how they were found.
func etcdMembers(s *Snapshot) (members []string, where string) {
	if cfg := s.kubeadm.get(); cfg != nil && cfg.Etcd.External != nil {
		for _, endpoint := range cfg.Etcd.External.Endpoints {
			members = append(members, hostOf(endpoint))
		}
		return members, "external"
	}
	for _, p := range s.staticPods.get() {
		if p.Labels["component"] == "etcd" {
			members = append(members, p.Spec.NodeName)
		}
	}
	return members, "static pods"
}

func hostOf(endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return endpoint
}

// checkComponentLease works wherever the component runs: static pods, systemd units, or a hosted
// control plane. See https://kubernetes.io/docs/concepts/architecture/leases/.
func checkComponentLease(component string) func(context.Context, *Snapshot) Outcome {
	return func(_ context.Context, s *Snapshot) Outcome {
		l, found := findLease(s.systemLeases.get(), component)
		if !found {
			return failf(nil, "there is no Lease %s/%s: the component never ran, or runs without leader election", kubeSystem, component)
		}
		return s.freshLease(l)
	}
}

func checkCloudLease(_ context.Context, s *Snapshot) Outcome {
	l, found := findLease(s.systemLeases.get(), "cloud-controller-manager")
	if !found {
		return absentf("there is none")
	}
	return s.freshLease(l)
}

func findLease(leases []lease, name string) (lease, bool) {
	i := slices.IndexFunc(leases, func(l lease) bool { return l.name == name })
	if i < 0 {
		return lease{}, false
	}
	return leases[i], true
}

func (s *Snapshot) freshLease(l lease) Outcome {
	object := []Object{{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Namespace: kubeSystem, Name: l.name}}
	age := s.age(l.renewed)
	switch {
	case l.holder == "":
		return failf(object, "nobody holds the Lease %s/%s", kubeSystem, l.name)
	case age > l.duration+leaseSlack:
		return failf(object, "%s renewed its Lease %s ago, although it is due every %s", holderName(l.holder), ago(age), l.duration)
	}
	return passf("held by %s", holderName(l.holder))
}

// holderName is the host of a holder such as "k8s01_4d1c5f1e-…".
func holderName(holder string) string {
	name, _, _ := strings.Cut(holder, "_")
	return name
}

// apiServerIdentity labels the Leases by which API servers know of each other (KEP-1965).
const apiServerIdentity = "apiserver.kubernetes.io/identity"

func checkAPIServerLeases(_ context.Context, s *Snapshot) Outcome {
	var found problems
	servers := 0
	for _, l := range s.systemLeases.get() {
		if l.labels[apiServerIdentity] != "kube-apiserver" {
			continue
		}
		servers++
		if age := s.age(l.renewed); age > l.duration+leaseSlack {
			object := Object{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Namespace: kubeSystem, Name: l.name}
			found.addf(object, "%s renewed its Lease %s ago", nonEmpty(l.labels[corev1.LabelHostname], l.name), ago(age))
		}
	}
	if servers == 0 {
		return skipf("the API servers keep no identity Leases (Kubernetes before 1.26)")
	}
	return found.outcome(passf("%s", count(servers, "API server")))
}

func nonEmpty(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// staticComponents are the control plane's own static pods. etcd's are not required: it may run
// outside the cluster.
func staticComponents() []string {
	return []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"}
}

func checkStaticPods(_ context.Context, s *Snapshot) Outcome {
	running := map[string]map[string]corev1.Pod{}
	for _, p := range s.staticPods.get() {
		if running[p.Spec.NodeName] == nil {
			running[p.Spec.NodeName] = map[string]corev1.Pod{}
		}
		running[p.Spec.NodeName][p.Labels["component"]] = p
	}
	if len(running) == 0 {
		return skipf("the control plane does not run as pods of this cluster")
	}
	var found problems
	for _, n := range s.nodes.get() {
		if n.controlPlane() {
			checkNodeStaticPods(&found, n, running[n.name])
		}
	}
	return found.outcome(passf("%s", count(len(s.staticPods.get()), "pod")))
}

func checkNodeStaticPods(found *problems, n node, running map[string]corev1.Pod) {
	for _, component := range staticComponents() {
		if _, ok := running[component]; !ok {
			found.addf(n.object(), "%s has no pod %s", n.name, component)
		}
	}
	for _, p := range running {
		if reason := unready(p); reason != "" {
			found.addf(Object{APIVersion: "v1", Kind: "Pod", Namespace: p.Namespace, Name: p.Name}, "pod %s: %s", p.Name, reason)
		}
	}
}

// unready says why a pod is not ready; empty if it is.
func unready(p corev1.Pod) string {
	for _, c := range p.Status.ContainerStatuses {
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "":
			return "waiting: " + c.State.Waiting.Reason
		case c.State.Terminated != nil:
			return fmt.Sprintf("ended with exit code %d", c.State.Terminated.ExitCode)
		case !c.Ready:
			return "not ready"
		}
	}
	if p.Status.Phase != corev1.PodRunning {
		return string(p.Status.Phase)
	}
	return ""
}

func checkComponentVersions(_ context.Context, s *Snapshot) Outcome {
	server := s.server.get().gitVersion
	if server == "" {
		return notPermitted(toGetPath("/version"))
	}
	var found problems
	looked := 0
	for _, p := range s.staticPods.get() {
		tag := componentTag(p)
		if tag == "" {
			continue
		}
		looked++
		problem, err := skew.Check(skew.Component(p.Labels["component"]), tag, server)
		if err == nil && problem != "" {
			found.addf(Object{APIVersion: "v1", Kind: "Pod", Namespace: p.Namespace, Name: p.Name}, "%s: %s", p.Spec.NodeName, problem)
		}
	}
	if looked == 0 {
		return skipf("the control plane does not run as pods of this cluster")
	}
	return found.outcome(passf("%s", server))
}

// componentTag is the version in a component's image name; empty if it has none, or is pinned by
// digest alone.
func componentTag(p corev1.Pod) string {
	if !slices.Contains(staticComponents(), p.Labels["component"]) || len(p.Spec.Containers) == 0 {
		return ""
	}
	image, _, _ := strings.Cut(p.Spec.Containers[0].Image, "@")
	tag := image[strings.LastIndex(image, "/")+1:]
	_, tag, _ = strings.Cut(tag, ":")
	return tag
}

func checkControlPlaneRestarts(_ context.Context, s *Snapshot) Outcome {
	if len(s.staticPods.get()) == 0 {
		return skipf("the control plane does not run as pods of this cluster")
	}
	var found problems
	for _, p := range s.staticPods.get() {
		for _, c := range p.Status.ContainerStatuses {
			last := c.LastTerminationState.Terminated
			if c.RestartCount == 0 || last == nil {
				continue
			}
			if age := s.age(last.FinishedAt.Time); age < recently {
				object := Object{APIVersion: "v1", Kind: "Pod", Namespace: p.Namespace, Name: p.Name}
				found.addf(object, "%s restarted %s ago (%s, %s)", p.Name, ago(age), terminationReason(last), count(int(c.RestartCount), "restart"))
			}
		}
	}
	return found.outcome(passf(""))
}

func terminationReason(t *corev1.ContainerStateTerminated) string {
	if t.Reason != "" && t.Reason != "Error" && t.Reason != "Completed" {
		return t.Reason
	}
	return fmt.Sprintf("exit code %d", t.ExitCode)
}

func checkComponentStatuses(_ context.Context, s *Snapshot) Outcome {
	var unhealthy []string
	for _, c := range s.compons.get() {
		if !c.healthy {
			unhealthy = append(unhealthy, c.name)
		}
	}
	if len(unhealthy) > 0 {
		return failf(nil, "componentstatuses calls %s unhealthy, although the checks above found nothing wrong", names(unhealthy))
	}
	return passf("%s", count(len(s.compons.get()), "component"))
}

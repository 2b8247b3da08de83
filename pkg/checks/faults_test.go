package checks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/checks"
)

// fault is something wrong with the cluster, and the one finding that it must give.
type fault struct {
	// id is the check that must fail, alone; also is one that cannot but fail with it.
	id, also string
	severity checks.Severity
	// says is a part of the finding's message.
	says string
	// inject breaks the cluster; what it changes is changed back when l's test ends.
	inject func(l *lab)
	// source changes how the cluster is reached.
	source func(cfg *rest.Config)
	// front is a server before the API server, through which the cluster is reached.
	front *front
	// config changes what the checks go by.
	config func(cfg *checks.Config)
}

// impatient calls a second long.
func impatient(cfg *checks.Config) { cfg.Patience = time.Second }

// long ago, for times that cannot be waited for.
const longAgo = "2020-01-01T00:00:00.000000Z"

// TestFaults injects one fault after the other, and expects each to be found by exactly its check,
// with a hint, and to be gone when it is mended.
func TestFaults(t *testing.T) {
	all := newLab(t)
	awaitFindings(all, nil, checks.Config{}, nil, nil)
	for _, f := range faults() {
		t.Run(f.id+"/"+strings.Fields(f.says)[0], func(t *testing.T) { all.in(t).tryFault(f) })
		if !awaitFindings(all, nil, checks.Config{}, nil, nil) {
			return // what follows would blame the wrong fault
		}
	}
}

// TestEveryCheckIsProvoked proves that no check is without a test that makes it fail.
func TestEveryCheckIsProvoked(t *testing.T) {
	provoked := map[string]string{
		"api-reachable": "TestUnreachable",
		"dns-lookup":    "TestJudgeLookup, as nodes that are simulated have no DNS server",
	}
	for _, f := range faults() {
		provoked[f.id] = "TestFaults"
	}
	for _, tt := range inventoryDifferences() {
		provoked[tt.id] = "TestInventory"
	}
	provoked["inventory-etcd-members"] = "TestInventoryEtcdMembers"
	for _, a := range addonObjects() {
		provoked["addons-"+a.id] = "TestAddons"
	}
	for _, c := range checks.All() {
		if c.Category == checks.CategoryLimits {
			provoked[c.ID] = "TestLimits"
		}
		if provoked[c.ID] == "" {
			t.Errorf("%s: no test makes it fail", c.ID)
		}
	}
}

func (l *lab) tryFault(f fault) {
	l.Helper()
	cfg := checks.Config{}
	if f.config != nil {
		f.config(&cfg)
	}
	if f.inject != nil {
		f.inject(l)
	}
	source := f.source
	if f.front != nil {
		source = f.front.start(l)
	}
	want := []string{f.id}
	if f.also != "" {
		want = append(want, f.also)
	}
	awaitFindings(l, source, cfg, want, func(r checks.Result) error {
		switch {
		case r.ID != f.id:
			return nil
		case r.Severity != f.severity:
			return fmt.Errorf("severity is %s, want %s", r.Severity, f.severity)
		case !strings.Contains(r.Message, f.says):
			return fmt.Errorf("message %q does not say %q", r.Message, f.says)
		case r.Hint == "" || !strings.HasSuffix(r.Documentation, "#"+f.id):
			return fmt.Errorf("hint %q, documentation %q", r.Hint, r.Documentation)
		}
		return nil
	})
}

// awaitFindings runs the checks until the findings are those of these checks, no others, and as they
// should be.
func awaitFindings(l *lab, change func(*rest.Config), cfg checks.Config, want []string, verify func(checks.Result) error) bool {
	l.Helper()
	client := config(l.T)
	if change != nil {
		change(client)
	}
	src := source(l.T, client)
	var found []checks.Result
	var wrong error
	err := wait.PollUntilContextTimeout(l.Context(), 100*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		found, wrong = findings(run(l.T, src, cfg), want...), nil
		if verify != nil {
			for _, r := range found {
				wrong = errors.Join(wrong, verify(r))
			}
		}
		return wrong == nil && sameChecks(found, want), nil
	})
	if err == nil {
		return true
	}
	l.Errorf("want findings of %v, and have:", want)
	for _, r := range found {
		l.Errorf("  %s: %s: %s", r.ID, r.Severity, r.Message)
	}
	if wrong != nil {
		l.Error(wrong)
	}
	return false
}

func sameChecks(found []checks.Result, want []string) bool {
	if len(found) != len(want) {
		return false
	}
	ids := map[string]bool{}
	for _, r := range found {
		ids[r.ID] = true
	}
	for _, id := range want {
		if !ids[id] {
			return false
		}
	}
	return true
}

// pod is a manifest of a pod that sleeps.
func pod(namespace, name, more string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {namespace: %s, name: %s}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: sleep}]
%s`, namespace, name, more)
}

// workload is a manifest of a Deployment, DaemonSet or StatefulSet. With huge set, its pods fit on no
// node.
func workload(kind, namespace, name, more string, huge bool) string {
	resources := ""
	if huge {
		resources = ", resources: {requests: {cpu: 4000}}"
	}
	manifest := fmt.Sprintf(`
apiVersion: apps/v1
kind: %s
metadata: {namespace: %s, name: %s}
spec:
  selector: {matchLabels: {fault: %s}}
  template:
    metadata: {labels: {fault: %s}}
    spec:
      terminationGracePeriodSeconds: 0
      tolerations: [{operator: Exists}]
      containers: [{name: c, image: sleep%s}]
%s`, kind, namespace, name, name, name, resources, more)
	return manifest
}

func faults() []fault {
	var all []fault
	for _, group := range [][]fault{
		apiFaults(), controlPlaneFaults(), nodeFaults(), networkFaults(), dnsFaults(),
		storageFaults(), workloadFaults(), addonFaults(), accessFaults(),
	} {
		all = append(all, group...)
	}
	return all
}

func apiFaults() []fault {
	return []fault{
		{
			id: "api-latency", severity: checks.Warning, says: "GET /version took 1.",
			front: &front{lasts: 365 * 24 * time.Hour, delay: 1100 * time.Millisecond},
		},
		{
			id: "api-version", severity: checks.Warning, says: "v1.34.1 is no longer maintained", also: "nodes-kubelet-versions",
			front: &front{lasts: 365 * 24 * time.Hour, version: `{"major":"1","minor":"34","gitVersion":"v1.34.1"}`},
		},
		{
			id: "api-certificate", severity: checks.Warning, says: `the certificate of "front" ends in 9 days`,
			front: &front{lasts: 10*24*time.Hour - time.Minute},
		},
		{
			id: "api-certificate", severity: checks.Error, says: `the certificate of "front" ended on`, also: "api-tls",
			front: &front{lasts: -time.Hour, unverified: true},
		},
		{
			id: "api-tls", severity: checks.Warning, says: "not verified",
			source: func(cfg *rest.Config) { cfg.Insecure, cfg.CAData, cfg.CAFile = true, nil, "" },
		},
		{
			id: "api-clock", severity: checks.Warning, says: "behind this machine's",
			config: func(cfg *checks.Config) { cfg.Now = func() time.Time { return time.Now().Add(time.Hour) } },
		},
		{
			id: "api-readyz", severity: checks.Error, says: "informer-sync",
			source: func(cfg *rest.Config) {
				cfg.Wrap(answering("/readyz", 500, "[+]ping ok\n[+]etcd ok\n[-]informer-sync failed: reason withheld\n"))
			},
		},
		{
			id: "api-livez", severity: checks.Error, says: "poststarthook/crd-informer-synced",
			source: func(cfg *rest.Config) {
				cfg.Wrap(answering("/livez", 500, "[+]ping ok\n[-]poststarthook/crd-informer-synced failed: reason withheld\n"))
			},
		},
		{
			id: "api-answers", severity: checks.Error, says: "could not read services",
			source: func(cfg *rest.Config) { cfg.Wrap(answering("/api/v1/services", 500, "broken")) },
		},
		{
			id: "api-aggregation", severity: checks.Error, says: "v1.fault.example",
			inject: func(l *lab) {
				l.create(`
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.fault.example}
spec: {group: fault.example, version: v1, groupPriorityMinimum: 100, versionPriority: 100, insecureSkipTLSVerify: true, service: {namespace: default, name: missing}}`)
			},
		},
		{
			id: "api-webhooks", severity: checks.Error, says: "default/missing does not exist",
			inject: func(l *lab) {
				l.create(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: fault}
webhooks:
- name: fault.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {service: {namespace: default, name: missing}}
  rules: [{apiGroups: [fault.example.com], apiVersions: [v1], operations: [CREATE], resources: [faults]}]`)
			},
		},
		{
			id: "api-namespaces", severity: checks.Warning, says: "stuck-namespace is being removed", config: impatient,
			inject: func(l *lab) {
				l.create(`
apiVersion: v1
kind: Namespace
metadata: {name: stuck-namespace, finalizers: [fault.example.com/hold]}`)
				if err := l.client.CoreV1().Namespaces().Delete(l.Context(), "stuck-namespace", metav1.DeleteOptions{}); err != nil {
					l.Fatal(err)
				}
			},
		},
	}
}

func controlPlaneFaults() []fault {
	stale := fmt.Sprintf(`{"spec":{"holderIdentity":"fault_1","renewTime":%q}}`, longAgo)
	return []fault{
		{
			id: "control-plane-etcd", severity: checks.Error, says: "etcd",
			source: func(cfg *rest.Config) {
				cfg.Wrap(answering("/readyz", 500, "[+]ping ok\n[-]etcd failed: reason withheld\n"))
			},
		},
		{
			id: "control-plane-scheduler", severity: checks.Error, says: "renewed its Lease",
			inject: func(l *lab) {
				l.stop(testcluster.Scheduler)
				l.patch("coordination.k8s.io/v1", "Lease", "kube-system", "kube-scheduler", "", stale, "")
			},
		},
		{
			id: "control-plane-controller-manager", severity: checks.Error, says: "there is no Lease",
			inject: func(l *lab) {
				l.stop(testcluster.ControllerManager)
				if err := l.client.CoordinationV1().Leases("kube-system").Delete(l.Context(), "kube-controller-manager", metav1.DeleteOptions{}); err != nil {
					l.Fatal(err)
				}
			},
		},
		{
			id: "control-plane-cloud-controller-manager", severity: checks.Error, says: "renewed its Lease",
			inject: func(l *lab) { l.create(staleLease("cloud-controller-manager", "")) },
		},
		{
			id: "control-plane-apiservers", severity: checks.Warning, says: "renewed its Lease",
			inject: func(l *lab) {
				l.create(staleLease("apiserver-fault", "{apiserver.kubernetes.io/identity: kube-apiserver}"))
			},
		},
		{
			id: "control-plane-etcd-members", severity: checks.Warning, says: "2 members (external): 10.0.0.1, 10.0.0.2",
			inject: func(l *lab) {
				l.patchConfig("kubeadm-config", "ClusterConfiguration", "etcd: {external: {endpoints: ['https://10.0.0.1:2379', 'https://10.0.0.2:2379']}}")
			},
		},
		{
			id: "control-plane-componentstatuses", severity: checks.Info, says: "componentstatuses calls scheduler unhealthy",
			source: func(cfg *rest.Config) {
				cfg.Wrap(answering("/api/v1/componentstatuses", 200, `{"kind":"ComponentStatusList","apiVersion":"v1","items":[{"metadata":{"name":"scheduler"},"conditions":[{"type":"Healthy","status":"False","message":"connection refused"}]}]}`))
			},
		},
		{
			id: "control-plane-pods", severity: checks.Error, says: "k8s01 has no pod kube-scheduler",
			inject: func(l *lab) {
				l.running(staticPod("kube-apiserver", "v1.37.2"), "kube-system", "kube-apiserver-k8s01")
				l.running(staticPod("kube-controller-manager", "v1.37.2"), "kube-system", "kube-controller-manager-k8s01")
			},
		},
		{
			id: "control-plane-versions", severity: checks.Error, says: "kube-scheduler v1.35.0 is 2 minor versions older",
			inject: func(l *lab) {
				l.running(staticPod("kube-apiserver", "v1.37.2"), "kube-system", "kube-apiserver-k8s01")
				l.running(staticPod("kube-controller-manager", "v1.36.1"), "kube-system", "kube-controller-manager-k8s01")
				l.running(staticPod("kube-scheduler", "v1.35.0"), "kube-system", "kube-scheduler-k8s01")
			},
		},
		{
			id: "control-plane-restarts", severity: checks.Warning, says: "kube-scheduler-k8s01 restarted",
			inject: func(l *lab) {
				for _, component := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
					l.running(staticPod(component, "v1.37.2"), "kube-system", component+"-k8s01")
				}
				l.patch("v1", "Pod", "kube-system", "kube-scheduler-k8s01", "status", containerStatus(fmt.Sprintf(
					`"ready":true,"restartCount":3,"state":{"running":{}},"lastState":{"terminated":{"exitCode":1,"finishedAt":%q}}`,
					time.Now().UTC().Format(time.RFC3339))), "")
			},
		},
	}
}

func staleLease(name, labels string) string {
	if labels == "" {
		labels = "{}"
	}
	return fmt.Sprintf(`
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {namespace: kube-system, name: %s, labels: %s}
spec: {holderIdentity: fault_1, leaseDurationSeconds: 15, renewTime: %q}`, name, labels, longAgo)
}

func staticPod(component, version string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {namespace: kube-system, name: %s-k8s01, labels: {tier: control-plane, component: %s}}
spec:
  nodeName: k8s01
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: "registry.k8s.io/%s:%s"}]`, component, component, component, version)
}

// containerStatus is a merge patch of the status of container c.
func containerStatus(fields string) string {
	return `{"status":{"containerStatuses":[{"name":"c","image":"sleep","imageID":"",` + fields + `}]}}`
}

func nodeFaults() []fault {
	return []fault{
		{
			id: "nodes-present", severity: checks.Error, says: "no node has joined",
			source: func(cfg *rest.Config) {
				cfg.Wrap(answering("/api/v1/nodes", 200, `{"kind":"NodeList","apiVersion":"v1","items":[]}`))
			},
		},
		{
			id: "nodes-ready", severity: checks.Error, says: "k8s02 is not Ready",
			inject: func(l *lab) {
				l.stopNodes() // they would report themselves Ready again
				l.setCondition("k8s02", corev1.NodeReady, corev1.ConditionFalse, corev1.ConditionTrue)
			},
		},
		{
			id: "nodes-heartbeat", severity: checks.Error, says: "k8s03 was last heard of",
			inject: func(l *lab) {
				l.stopNodes()
				l.patch("coordination.k8s.io/v1", "Lease", "kube-node-lease", "k8s03", "", fmt.Sprintf(`{"spec":{"renewTime":%q}}`, longAgo), "")
			},
		},
		pressure("nodes-memory-pressure", corev1.NodeMemoryPressure),
		pressure("nodes-disk-pressure", corev1.NodeDiskPressure),
		pressure("nodes-pid-pressure", corev1.NodePIDPressure),
		pressure("nodes-network", corev1.NodeNetworkUnavailable),
		{
			id: "nodes-cordoned", severity: checks.Warning, says: "k8s02 takes no new pods",
			inject: func(l *lab) {
				l.patch("v1", "Node", "", "k8s02", "", `{"spec":{"unschedulable":true}}`, `{"spec":{"unschedulable":null}}`)
			},
		},
		{
			id: "nodes-schedulable", severity: checks.Error, says: "every node is cordoned or tainted",
			inject: func(l *lab) {
				for _, node := range []string{"k8s01", "k8s02", "k8s03"} {
					l.patch("v1", "Node", "", node, "", `{"spec":{"taints":[{"key":"fault","effect":"NoSchedule"}]}}`, `{"spec":{"taints":null}}`)
				}
			},
		},
		{
			id: "nodes-initialized", severity: checks.Error, says: "k8s02 waits since", config: impatient,
			inject: func(l *lab) {
				l.patch("v1", "Node", "", "k8s02", "", `{"spec":{"taints":[{"key":"node.cloudprovider.kubernetes.io/uninitialized","value":"true","effect":"NoSchedule"}]}}`, `{"spec":{"taints":null}}`)
			},
		},
		{
			id: "nodes-addresses", severity: checks.Error, says: "k8s02 and k8s03 both have",
			inject: func(l *lab) {
				l.patch("v1", "Node", "", "k8s03", "status",
					`{"status":{"addresses":[{"type":"InternalIP","address":"192.168.0.105"}]}}`,
					`{"status":{"addresses":[{"type":"InternalIP","address":"192.168.0.106"},{"type":"Hostname","address":"k8s03"}]}}`)
			},
		},
		{
			id: "nodes-kubelet-versions", severity: checks.Error, says: "kubelet v1.38.0 is newer",
			inject: func(l *lab) { l.nodeInfo("k8s02", "kubeletVersion", "v1.38.0", "v1.37.2") },
		},
		{
			id: "nodes-same-kubelets", severity: checks.Info, says: "v1.36.1 on k8s02",
			inject: func(l *lab) { l.nodeInfo("k8s02", "kubeletVersion", "v1.36.1", "v1.37.2") },
		},
		{
			id: "nodes-same-kernels", severity: checks.Info, says: "6.1.0-old on k8s02",
			inject: func(l *lab) { l.nodeInfo("k8s02", "kernelVersion", "6.1.0-old", "6.12.0-simulated") },
		},
		{
			id: "nodes-roles", severity: checks.Info, says: "no node is labeled as control plane",
			inject: func(l *lab) {
				l.patch("v1", "Node", "", "k8s01", "", `{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":null}}}`, `{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":""}}}`)
			},
		},
		{
			id: "nodes-same-runtimes", severity: checks.Warning, says: "docker on k8s02",
			inject: func(l *lab) {
				l.nodeInfo("k8s02", "containerRuntimeVersion", "docker://20.10.7", "containerd://2.4.2")
			},
		},
		{
			id: "nodes-zones", severity: checks.Warning, says: "k8s01 is in no zone",
			inject: func(l *lab) {
				l.patch("v1", "Node", "", "k8s02", "", `{"metadata":{"labels":{"topology.kubernetes.io/zone":"a"}}}`, `{"metadata":{"labels":{"topology.kubernetes.io/zone":null}}}`)
			},
		},
		{
			id: "nodes-full", severity: checks.Warning, says: "k8s02 has",
			inject: func(l *lab) {
				l.patch("v1", "Node", "", "k8s02", "status", `{"status":{"allocatable":{"pods":"1"}}}`, `{"status":{"allocatable":{"pods":"110"}}}`)
			},
		},
		{
			id: "nodes-lost-pods", severity: checks.Warning, says: "default/lost is bound to ghost",
			inject: func(l *lab) { l.create(pod("default", "lost", "  nodeName: ghost")) },
		},
		{
			id: "nodes-certificates", severity: checks.Warning, says: "is pending since", config: impatient,
			inject: func(l *lab) { l.create(signingRequest(l)) },
		},
		{
			id: "nodes-certificates", severity: checks.Warning, says: "ended 60m ago",
			inject: func(l *lab) {
				l.create(signingRequest(l))
				l.patch("certificates.k8s.io/v1", "CertificateSigningRequest", "", "fault", "approval",
					`{"status":{"conditions":[{"type":"Approved","status":"True","reason":"Fault"}]}}`, "")
				_, ended := front{lasts: -time.Hour}.certificate(l)
				l.patch("certificates.k8s.io/v1", "CertificateSigningRequest", "", "fault", "status",
					fmt.Sprintf(`{"status":{"certificate":%q}}`, base64.StdEncoding.EncodeToString(ended)), "")
			},
		},
	}
}

func pressure(id string, kind corev1.NodeConditionType) fault {
	return fault{
		id: id, severity: checks.Error, says: "k8s03: injected",
		inject: func(l *lab) { l.setCondition("k8s03", kind, corev1.ConditionTrue, corev1.ConditionFalse) },
	}
}

func (l *lab) nodeInfo(node, field, bad, good string) {
	l.Helper()
	patch := func(value string) string { return fmt.Sprintf(`{"status":{"nodeInfo":{%q:%q}}}`, field, value) }
	l.patch("v1", "Node", "", node, "status", patch(bad), patch(good))
}

// signingRequest is a manifest of a request that no signer of the cluster looks at.
func signingRequest(l *lab) string {
	l.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		l.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "fault"}}, key)
	if err != nil {
		l.Fatal(err)
	}
	return fmt.Sprintf(`
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: fault}
spec: {signerName: example.com/fault, usages: [client auth], request: %s}`,
		base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})))
}

func networkFaults() []fault {
	networking := func(pods, services string) string {
		return fmt.Sprintf("kubernetesVersion: v1.37.2\nnetworking: {dnsDomain: cluster.local, podSubnet: %q, serviceSubnet: %s}\n", pods, services)
	}
	return []fault{
		{
			id: "network-plugin", severity: checks.Warning, says: "Weave Net (Kubespray dropped it in v2.29)",
			inject: func(l *lab) { l.create(workload("DaemonSet", "kube-system", "weave-net", "", false)) },
		},
		{
			id: "network-plugin", severity: checks.Warning, says: "more than one",
			inject: func(l *lab) {
				l.create(workload("DaemonSet", "kube-system", "kube-router", "", false))
				l.create(workload("DaemonSet", "kube-system", "calico-node", "", false))
			},
		},
		{
			id: "network-plugin-complete", severity: checks.Error, says: "Deployment cilium-operator is missing",
			inject: func(l *lab) { l.create(workload("DaemonSet", "kube-system", "cilium", "", false)) },
		},
		{
			id: "network-plugin-complete", severity: checks.Error, says: "daemonset/calico-node runs on 1 of 3 nodes",
			inject: func(l *lab) {
				l.create(workload("DaemonSet", "kube-system", "calico-node", "      nodeSelector: {kubernetes.io/hostname: k8s02}", false))
			},
		},
		{
			id: "network-proxy", severity: checks.Error, says: "none is ready on k8s02",
			inject: func(l *lab) {
				l.patch("apps/v1", "DaemonSet", "kube-system", "kube-proxy", "",
					`{"spec":{"template":{"spec":{"nodeSelector":{"kubernetes.io/hostname":"k8s01"}}}}}`,
					`{"spec":{"template":{"spec":{"nodeSelector":{"kubernetes.io/hostname":null}}}}}`)
			},
		},
		{
			id: "network-proxy-mode", severity: checks.Error, says: "mode userspace was removed in Kubernetes v1.26",
			inject: func(l *lab) { l.patchConfig("kube-proxy", "config.conf", "mode: userspace") },
		},
		{
			id: "network-proxy-mode", severity: checks.Warning, says: "ipvs is deprecated",
			inject: func(l *lab) { l.patchConfig("kube-proxy", "config.conf", "mode: ipvs") },
		},
		{
			id: "network-pod-ips", severity: checks.Error, says: "default/no-ip on",
			inject: func(l *lab) {
				l.running(pod("default", "no-ip", ""), "default", "no-ip")
				l.patch("v1", "Pod", "default", "no-ip", "status", `{"status":{"podIP":null,"podIPs":null}}`, "")
			},
		},
		{
			id: "network-cidrs", severity: checks.Error, says: "services 10.233.0.0/18 and pods 10.233.0.0/16 overlap",
			inject: func(l *lab) {
				l.patchConfig("kubeadm-config", "ClusterConfiguration", networking("10.233.0.0/16", "10.233.0.0/18"))
			},
		},
		{
			id: "network-cidrs", severity: checks.Error, says: "k8s01's address 192.168.0.104 is within the pods' range",
			inject: func(l *lab) {
				l.patchConfig("kubeadm-config", "ClusterConfiguration", networking("192.168.0.0/16", "10.233.0.0/18"))
			},
		},
		{
			id: "network-pod-cidr", severity: checks.Warning, says: "2 of 2 parts used of 10.233.64.0/23",
			inject: func(l *lab) {
				l.patchConfig("kubeadm-config", "ClusterConfiguration", networking("10.233.64.0/23", "10.233.0.0/18"))
			},
		},
		{
			id: "network-service-cidr", severity: checks.Warning, says: "2 of 2 used in 10.99.0.0/30",
			inject: func(l *lab) {
				l.create("apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: small}\nspec: {cidrs: [10.99.0.0/30]}")
				l.until("the range is in use", func(ctx context.Context) (bool, error) {
					cidr, err := l.client.NetworkingV1().ServiceCIDRs().Get(ctx, "small", metav1.GetOptions{})
					return err == nil && meta.IsStatusConditionTrue(cidr.Status.Conditions, networkingv1.ServiceCIDRConditionReady), nil
				})
				for _, ip := range []string{"10.99.0.1", "10.99.0.2"} {
					l.create(fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {namespace: default, name: crowd-%s}\nspec: {clusterIP: %s, ports: [{port: 80}]}", ip[len(ip)-1:], ip))
				}
			},
		},
		{
			id: "network-node-cidrs", severity: checks.Error, says: "k8s01 (10.233.64.0/24) and k8s02 (10.233.64.0/24)",
			source: func(cfg *rest.Config) {
				cfg.Wrap(rewriting("/api/v1/nodes", `"10\.233\.6[4-6]\.0/24"`, `"10.233.64.0/24"`))
			},
		},
		{
			id: "network-api-service", severity: checks.Error, says: "Service default/kubernetes has no endpoint",
			inject: func(l *lab) { l.keepAway("default", "kubernetes") },
		},
		{
			id: "network-external-ips", severity: checks.Info, says: "default/external (192.168.0.104)",
			inject: func(l *lab) {
				l.create("apiVersion: v1\nkind: Service\nmetadata: {namespace: default, name: external}\nspec: {externalIPs: [192.168.0.104], ports: [{port: 80}]}")
			},
		},
		{
			id: "network-load-balancers", severity: checks.Warning, says: "default/no-address waits", config: impatient,
			inject: func(l *lab) {
				l.create(`
apiVersion: v1
kind: Service
metadata: {namespace: default, name: no-address}
spec: {type: LoadBalancer, ports: [{port: 80}]}`)
			},
		},
		{
			id: "network-ingress-class", severity: checks.Error, says: "one; two",
			inject: func(l *lab) {
				for _, name := range []string{"one", "two"} {
					l.create(fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: %s, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
spec: {controller: example.com/fault}`, name))
				}
			},
		},
	}
}

func dnsFaults() []fault {
	scale := func(l *lab, replicas int) {
		l.patch("apps/v1", "Deployment", "kube-system", "coredns", "", fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas), `{"spec":{"replicas":2}}`)
	}
	return []fault{
		{
			id: "dns-server", severity: checks.Error, says: "deployment/coredns is scaled to 0",
			inject: func(l *lab) { scale(l, 0) },
		},
		{
			id: "dns-replicas", severity: checks.Warning, says: "it has a single pod",
			inject: func(l *lab) { scale(l, 1) },
		},
		{
			id: "dns-service", severity: checks.Error, says: "Service kube-system/kube-dns has no ready endpoint",
			inject: func(l *lab) {
				l.patch("v1", "Service", "kube-system", "kube-dns", "", `{"spec":{"selector":{"k8s-app":"nobody"}}}`, `{"spec":{"selector":{"k8s-app":"kube-dns"}}}`)
			},
		},
		{
			id: "dns-kubelets", severity: checks.Error, says: "clusterDNS is 10.233.0.3",
			inject: func(l *lab) {
				l.patchConfig("kubelet-config", "kubelet", "clusterDNS: [10.233.0.3]\nclusterDomain: cluster.local\n")
			},
		},
		{
			id: "dns-nodelocal", severity: checks.Error, says: "daemonset/nodelocaldns has 0 of 3 pods ready",
			inject: func(l *lab) { l.create(workload("DaemonSet", "kube-system", "nodelocaldns", "", true)) },
		},
		{
			id: "dns-autoscaler", severity: checks.Warning, says: "deployment/dns-autoscaler has 0 of 1 pods ready",
			inject: func(l *lab) { l.create(workload("Deployment", "kube-system", "dns-autoscaler", "", true)) },
		},
	}
}

func storageClass(name, provisioner, isDefault string) string {
	return fmt.Sprintf(`
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: %s, annotations: {storageclass.kubernetes.io/is-default-class: %q}}
provisioner: %s`, name, isDefault, provisioner)
}

func storageFaults() []fault {
	volume := func(name string) string {
		return fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: %s}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /fault}, persistentVolumeReclaimPolicy: Delete, claimRef: {namespace: default, name: gone, uid: 11111111-1111-1111-1111-111111111111}}`, name)
	}
	claim := func(name string) string {
		return fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {namespace: default, name: %s}
spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 1Gi}}}`, name)
	}
	return []fault{
		{
			id: "storage-default-class", severity: checks.Error, says: "2 are: one, two",
			inject: func(l *lab) {
				l.create(storageClass("one", "example.com/fault", "true"))
				l.create(storageClass("two", "example.com/fault", "true"))
			},
		},
		{
			id: "storage-default-class", severity: checks.Warning, says: "none of 1 StorageClass is",
			inject: func(l *lab) { l.create(storageClass("one", "example.com/fault", "false")) },
		},
		{
			id: "storage-provisioners", severity: checks.Error, says: "kubernetes.io/glusterfs was removed from Kubernetes in v1.26",
			inject: func(l *lab) { l.create(storageClass("one", "kubernetes.io/glusterfs", "true")) },
		},
		{
			id: "storage-provisioners", severity: checks.Error, says: "CSI driver ebs.csi.aws.com is not installed",
			inject: func(l *lab) { l.create(storageClass("one", "ebs.csi.aws.com", "true")) },
		},
		{
			id: "storage-csi-nodes", severity: checks.Warning, says: "fault.csi.example.com is not on k8s02",
			inject: func(l *lab) {
				l.create(`
apiVersion: storage.k8s.io/v1
kind: CSINode
metadata: {name: k8s01}
spec: {drivers: [{name: fault.csi.example.com, nodeID: k8s01}]}`)
			},
		},
		{
			id: "storage-claims", severity: checks.Error, says: "default/unbound is unbound", config: impatient,
			inject: func(l *lab) { l.create(claim("unbound")) },
		},
		{
			// The controller manager may not remove what is outside of /tmp, and says so.
			id: "storage-volumes", severity: checks.Error, says: "/fault",
			inject: func(l *lab) { l.create(volume("failed")) },
		},
		{
			id: "storage-attachments", severity: checks.Error, says: "volume gone on k8s02: injected",
			inject: func(l *lab) {
				l.create(`
apiVersion: storage.k8s.io/v1
kind: VolumeAttachment
metadata: {name: fault}
spec: {attacher: fault.csi.example.com, nodeName: k8s02, source: {persistentVolumeName: gone}}`)
				l.patch("storage.k8s.io/v1", "VolumeAttachment", "", "fault", "status", `{"status":{"attached":false,"attachError":{"message":"injected"}}}`, "")
			},
		},
	}
}

func workloadFaults() []fault {
	const selector = `
apiVersion: v1
kind: Service
metadata: {namespace: default, name: nobody}
spec: {selector: {app: nobody}, ports: [{port: 80}]}`
	waiting := func(l *lab, name, reason, more string) {
		l.running(pod("default", name, ""), "default", name)
		l.patch("v1", "Pod", "default", name, "status", containerStatus(fmt.Sprintf(`"ready":false,"restartCount":7,"state":{"waiting":{"reason":%q,"message":"injected"}}%s`, reason, more)), "")
	}
	return []fault{
		{
			id: "workloads-system-deployments", severity: checks.Error, says: "deployment/fault has 0 of 1 pods ready",
			inject: func(l *lab) { l.create(workload("Deployment", "kube-system", "fault", "", true)) },
		},
		{
			id: "workloads-system-daemonsets", severity: checks.Error, says: "daemonset/fault has 0 of 3 pods ready",
			inject: func(l *lab) { l.create(workload("DaemonSet", "kube-system", "fault", "", true)) },
		},
		{
			id: "workloads-system-statefulsets", severity: checks.Error, says: "statefulset/fault has 0 of 1 pods ready",
			inject: func(l *lab) { l.create(workload("StatefulSet", "kube-system", "fault", "", true)) },
		},
		{
			id: "workloads-rollouts", severity: checks.Warning, says: "default/slow",
			inject: func(l *lab) {
				l.create(strings.Replace(workload("Deployment", "default", "slow", "", true), "spec:\n", "spec:\n  progressDeadlineSeconds: 1\n", 1))
			},
		},
		{
			id: "workloads-crash-loops", severity: checks.Error, says: "exit code 3: no such table",
			inject: func(l *lab) {
				waiting(l, "crashing", "CrashLoopBackOff", `,"lastState":{"terminated":{"exitCode":3,"message":"no such table"}}`)
			},
		},
		{
			id: "workloads-images", severity: checks.Error, says: "registry.invalid/app",
			inject: func(l *lab) {
				l.create(strings.Replace(pod("default", "no-image", ""), "image: sleep", "image: registry.invalid/app", 1))
			},
		},
		{
			id: "workloads-config", severity: checks.Error, says: "injected",
			inject: func(l *lab) { waiting(l, "no-config", "CreateContainerConfigError", "") },
		},
		{
			id: "workloads-pending", severity: checks.Error, says: "default/homeless", config: impatient,
			inject: func(l *lab) { l.create(pod("default", "homeless", "  nodeSelector: {home: none}")) },
		},
		{
			id: "workloads-terminating", severity: checks.Warning, says: "default/held should have been gone", config: impatient,
			inject: func(l *lab) {
				l.running(strings.Replace(pod("default", "held", ""), "name: held}", "name: held, finalizers: [fault.example.com/hold]}", 1), "default", "held")
				now := int64(0)
				if err := l.client.CoreV1().Pods("default").Delete(l.Context(), "held", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
					l.Fatal(err)
				}
			},
		},
		{
			id: "workloads-evicted", severity: checks.Warning, says: "default/evicted",
			inject: func(l *lab) {
				l.running(pod("default", "evicted", ""), "default", "evicted")
				l.patch("v1", "Pod", "default", "evicted", "status", `{"status":{"phase":"Failed","reason":"Evicted"}}`, "")
			},
		},
		{
			id: "workloads-restarts", severity: checks.Warning, says: "restarter restarted",
			inject: func(l *lab) {
				l.running(pod("kube-system", "restarter", ""), "kube-system", "restarter")
				l.patch("v1", "Pod", "kube-system", "restarter", "status", containerStatus(fmt.Sprintf(
					`"ready":true,"restartCount":2,"state":{"running":{}},"lastState":{"terminated":{"exitCode":1,"finishedAt":%q}}`,
					time.Now().UTC().Format(time.RFC3339))), "")
			},
		},
		{
			id: "workloads-services", severity: checks.Warning, says: "default/nobody has no endpoint",
			inject: func(l *lab) { l.create(selector) },
		},
	}
}

func addonFaults() []fault {
	bind := func(name, account string) string {
		return binding(name, "cluster-admin", fmt.Sprintf("{kind: ServiceAccount, namespace: kube-system, name: %s}", account))
	}
	return []fault{
		{
			id: "addons-metrics-server", severity: checks.Error, says: "incomplete: deployment/metrics-server has 0 of 1 pods ready",
			inject: func(l *lab) { l.create(workload("Deployment", "kube-system", "metrics-server", "", true)) },
		},
		{
			id: "addons-cert-manager", severity: checks.Error, says: "Deployment cert-manager-webhook is missing",
			inject: func(l *lab) {
				l.create(workload("Deployment", "default", "cert-manager", "", false))
				l.create(workload("Deployment", "default", "cert-manager-cainjector", "", false))
			},
		},
		{
			id: "addons-tiller", severity: checks.Warning, says: "Helm 2 ended in November 2020",
			inject: func(l *lab) { l.create(workload("Deployment", "kube-system", "tiller-deploy", "", false)) },
		},
		{
			id: "addons-dashboard-public", severity: checks.Warning, says: "reachable from outside (NodePort)",
			inject: func(l *lab) {
				l.create(bind("fault", "kubernetes-dashboard"))
				l.create(`
apiVersion: v1
kind: Service
metadata: {namespace: kube-system, name: kubernetes-dashboard}
spec: {type: NodePort, ports: [{port: 443}]}`)
			},
		},
	}
}

func binding(name, role, subject string) string {
	return fmt.Sprintf(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %s}
subjects: [%s]`, name, role, subject)
}

func accessFaults() []fault {
	return []fault{
		{
			id: "access-cluster-admins", severity: checks.Info, says: "User mallory (by fault)",
			inject: func(l *lab) {
				l.create(binding("fault", "cluster-admin", "{apiGroup: rbac.authorization.k8s.io, kind: User, name: mallory}"))
			},
		},
		{
			id: "access-admin-user", severity: checks.Warning, says: "exists, but no binding",
			inject: func(l *lab) {
				l.create("apiVersion: v1\nkind: ServiceAccount\nmetadata: {namespace: kube-system, name: admin-user}")
			},
		},
		{
			id: "access-everybody", severity: checks.Error, says: "Group system:authenticated is cluster-admin",
			inject: func(l *lab) {
				l.create(binding("fault", "cluster-admin", "{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'system:authenticated'}"))
			},
		},
		{
			id: "access-anonymous", severity: checks.Error, says: "ClusterRoleBinding fault gives view to system:unauthenticated",
			inject: func(l *lab) {
				l.create(binding("fault", "view", "{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'system:unauthenticated'}"))
			},
		},
		{
			id: "access-legacy-tokens", severity: checks.Warning, says: "default/old-token",
			inject: func(l *lab) {
				l.create(`
apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata: {namespace: default, name: old-token, annotations: {kubernetes.io/service-account.name: default}}`)
			},
		},
		{
			id: "access-default-accounts", severity: checks.Warning, says: "ServiceAccount default/default is cluster-admin",
			inject: func(l *lab) {
				l.create(binding("fault", "cluster-admin", "{kind: ServiceAccount, namespace: default, name: default}"))
			},
		},
	}
}

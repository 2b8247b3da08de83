package checks_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/kubectl-lab/kubectl-lab/pkg/checks"
)

// addonObject is what an add-on is made of, as its own manifests or Kubespray's call it.
type addonObject struct {
	id      string
	objects []string // KIND NAMESPACE NAME
	// retired is said of an add-on that should be replaced.
	retired string
	// whole add-ons cannot be incomplete: they are nothing but resource definitions.
	whole bool
}

func addonObjects() []addonObject {
	return []addonObject{
		{id: "dashboard", objects: []string{"Deployment kube-system kubernetes-dashboard", "Deployment kube-system kubernetes-metrics-scraper"}, retired: "archived"},
		{id: "headlamp", objects: []string{"Deployment kube-system headlamp"}},
		{id: "metrics-server", objects: []string{"Deployment kube-system metrics-server"}},
		{id: "ingress-nginx", objects: []string{"DaemonSet ingress-nginx ingress-nginx-controller"}, retired: "ended in March 2026"},
		{id: "ingress-alb", objects: []string{"Deployment kube-system alb-ingress-controller"}},
		{id: "traefik", objects: []string{"Deployment traefik traefik"}},
		{id: "gateway-api", objects: []string{"CustomResourceDefinition gateway.networking.k8s.io gateways"}, whole: true},
		{id: "cert-manager", objects: []string{"Deployment cert-manager cert-manager", "Deployment cert-manager cert-manager-cainjector", "Deployment cert-manager cert-manager-webhook"}},
		{id: "metallb", objects: []string{"Deployment metallb-system controller", "DaemonSet metallb-system speaker"}},
		{id: "kube-vip", objects: []string{"Pod kube-system kube-vip-k8s01"}},
		{id: "argocd", objects: []string{"Deployment argocd argocd-server", "Deployment argocd argocd-repo-server", "StatefulSet argocd argocd-application-controller"}},
		{id: "registry", objects: []string{"ReplicaSet kube-system registry"}},
		{id: "local-path-provisioner", objects: []string{"Deployment local-path-storage local-path-provisioner"}},
		{id: "local-volume-provisioner", objects: []string{"DaemonSet kube-system local-volume-provisioner"}},
		{id: "cephfs-provisioner", objects: []string{"Deployment cephfs-provisioner cephfs-provisioner"}, retired: "Ceph CSI"},
		{id: "rbd-provisioner", objects: []string{"Deployment rbd-provisioner rbd-provisioner"}, retired: "Ceph CSI"},
		{id: "snapshot-controller", objects: []string{"Deployment kube-system snapshot-controller"}},
		{id: "aws-ebs-csi", objects: []string{"Deployment kube-system ebs-csi-controller", "DaemonSet kube-system ebs-csi-node"}},
		{id: "azure-csi", objects: []string{"Deployment kube-system csi-azuredisk-controller", "DaemonSet kube-system csi-azuredisk-node"}},
		{id: "cinder-csi", objects: []string{"Deployment kube-system csi-cinder-controllerplugin", "DaemonSet kube-system csi-cinder-nodeplugin"}},
		{id: "gcp-pd-csi", objects: []string{"Deployment kube-system csi-gce-pd-controller", "DaemonSet kube-system csi-gce-pd-node"}},
		{id: "upcloud-csi", objects: []string{"StatefulSet kube-system csi-upcloud-controller", "DaemonSet kube-system csi-upcloud-node"}},
		{id: "vsphere-csi", objects: []string{"Deployment kube-system vsphere-csi-controller", "DaemonSet kube-system vsphere-csi-node"}},
		{id: "node-feature-discovery", objects: []string{
			"Deployment node-feature-discovery node-feature-discovery-master", "Deployment node-feature-discovery node-feature-discovery-gc",
			"DaemonSet node-feature-discovery node-feature-discovery-worker",
		}},
		{id: "nvidia", objects: []string{"DaemonSet kube-system nvidia-gpu-device-plugin", "DaemonSet kube-system nvidia-driver-installer"}},
		{id: "prometheus-crds", objects: []string{"CustomResourceDefinition monitoring.coreos.com prometheuses"}, whole: true},
		{id: "kubelet-csr-approver", objects: []string{"Deployment kube-system kubelet-csr-approver"}},
		{id: "cloud-controller-manager", objects: []string{"DaemonSet kube-system openstack-cloud-controller-manager"}},
		{id: "netchecker", objects: []string{"Deployment netcheck netchecker-server", "DaemonSet netcheck netchecker-agent", "DaemonSet netcheck netchecker-agent-hostnet"}, retired: "no longer maintained"},
		{id: "tiller", objects: []string{"Deployment kube-system tiller-deploy"}, retired: "Helm 2 ended"},
	}
}

// manifest is the manifest of an object; with huge set, its pods fit on no node.
func (a addonObject) manifest(object string, huge bool) string {
	words := strings.Fields(object)
	kind, namespace, name := words[0], words[1], words[2]
	switch kind {
	case "CustomResourceDefinition":
		return fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[2]s.%[1]s, annotations: {api-approved.kubernetes.io: "https://github.com/kubernetes-sigs/gateway-api/pull/891"}}
spec:
  group: %[1]s
  scope: Namespaced
  names: {kind: Fault, plural: %[2]s, singular: fault}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]`, namespace, name)
	case "Pod": // a static one's mirror
		node := "k8s01"
		if huge {
			node = "ghost" // where nothing runs it
		}
		return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {namespace: %s, name: %s, annotations: {kubernetes.io/config.mirror: fault}}
spec:
  nodeName: %s
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: sleep}]`, namespace, name, node)
	}
	return workload(kind, namespace, name, "", huge)
}

// TestAddons shows every add-on of the table as absent, found and incomplete.
func TestAddons(t *testing.T) {
	l := newLab(t)
	l.awaitAddons("each is absent", func(_ addonObject, r checks.Result) bool {
		return r.Status == checks.StatusOK && r.Absent && r.Message == "not installed"
	})
	l.createAddonNamespaces()
	t.Run("found", func(t *testing.T) {
		l := l.in(t)
		l.createAddons(false)
		l.awaitAddons("each is found", func(a addonObject, r checks.Result) bool {
			if a.retired != "" {
				return r.Status == checks.StatusFailed && r.Severity == checks.Warning && strings.Contains(r.Message, a.retired) && r.Hint == "plan to replace it"
			}
			return r.Status == checks.StatusOK && !r.Absent && a.named(r.Message)
		})
	})
	t.Run("incomplete", func(t *testing.T) {
		l := l.in(t)
		l.createAddons(true)
		l.awaitAddons("each is incomplete", func(a addonObject, r checks.Result) bool {
			return a.whole || r.Status == checks.StatusFailed && r.Severity == checks.Error && strings.HasPrefix(r.Message, "incomplete: ") && len(r.Objects) == len(a.objects)
		})
	})
	// Other tests want a healthy cluster, and pods take a moment to go.
	l.awaitAddons("each is gone", func(_ addonObject, r checks.Result) bool { return r.Absent })
}

// named reports whether a message names every object of the add-on that has a name of its own there.
func (a addonObject) named(message string) bool {
	return !slices.ContainsFunc(a.objects, func(object string) bool {
		words := strings.Fields(object)
		byCount := words[0] == "Pod" || words[0] == "ReplicaSet" || words[0] == "CustomResourceDefinition"
		return !byCount && !strings.Contains(message, strings.ToLower(words[0])+"/"+words[2])
	})
}

// awaitAddons runs the checks of the add-ons until each is as it should be.
func (l *lab) awaitAddons(what string, ok func(addonObject, checks.Result) bool) {
	l.Helper()
	selected, err := checks.Select(checks.All(), []string{"addons"})
	if err != nil {
		l.Fatal(err)
	}
	src := source(l.T, config(l.T))
	var wrong []string
	l.untilOr(what, func(context.Context) (bool, error) {
		results := map[string]checks.Result{}
		for _, r := range run(l.T, src, checks.Config{}, selected...).Results {
			results[r.ID] = r
		}
		wrong = nil
		for _, a := range addonObjects() {
			if r := results["addons-"+a.id]; !ok(a, r) {
				wrong = append(wrong, fmt.Sprintf("%s: %s %s %q", a.id, r.Status, r.Severity, r.Message))
			}
		}
		return len(wrong) == 0, nil
	}, func() string { return strings.Join(wrong, "\n") })
}

// createAddonNamespaces makes the namespaces that add-ons live in. They stay, as they are no finding.
func (l *lab) createAddonNamespaces() {
	l.Helper()
	for _, a := range addonObjects() {
		for _, object := range a.objects {
			words := strings.Fields(object)
			if words[0] == "CustomResourceDefinition" {
				continue
			}
			_, err := l.client.CoreV1().Namespaces().Create(l.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: words[1]}}, metav1.CreateOptions{})
			if err != nil && !errors.IsAlreadyExists(err) {
				l.Fatal(err)
			}
		}
	}
}

// createAddons makes all objects of all add-ons, and removes them side by side when l's test ends.
func (l *lab) createAddons(huge bool) {
	l.Helper()
	var removals []func()
	l.Cleanup(func() {
		var all sync.WaitGroup
		for _, remove := range removals {
			all.Go(remove)
		}
		all.Wait()
	})
	for _, a := range addonObjects() {
		for _, manifest := range a.objects {
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(a.manifest(manifest, huge)), &object.Object); err != nil {
				l.Fatal(err)
			}
			client := l.resource(object.GetAPIVersion(), object.GetKind(), object.GetNamespace())
			if _, err := client.Create(l.Context(), object, metav1.CreateOptions{}); err != nil {
				l.Fatalf("%s: create %s: %v", a.id, manifest, err)
			}
			removals = append(removals, func() { l.remove(client, object.GetName()) })
		}
	}
}

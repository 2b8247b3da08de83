package addons

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

func TestRender(t *testing.T) {
	objects, err := render(cluster.New("/x", cluster.Simulated, "lab", nil))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*unstructured.Unstructured{}
	for _, object := range objects {
		found[object.GetKind()+"/"+object.GetName()] = object
		if object.GetLabels()["app.kubernetes.io/managed-by"] != fieldManager {
			t.Errorf("%s %s is not marked as ours", object.GetKind(), object.GetName())
		}
	}
	for _, want := range []string{
		"ConfigMap/kubeadm-config", "ConfigMap/kubelet-config", "ConfigMap/kube-proxy", "ConfigMap/coredns",
		"Deployment/coredns", "Service/kube-dns", "DaemonSet/kube-proxy",
	} {
		if found[want] == nil {
			t.Errorf("no %s", want)
		}
	}

	text, _, err := unstructured.NestedString(found["ConfigMap/kubeadm-config"].Object, "data", "ClusterConfiguration")
	if err != nil {
		t.Fatal(err)
	}
	var configuration struct {
		KubernetesVersion string            `json:"kubernetesVersion"`
		Networking        map[string]string `json:"networking"`
	}
	if err := yaml.Unmarshal([]byte(text), &configuration); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"dnsDomain": "cluster.local", "podSubnet": "10.233.64.0/18", "serviceSubnet": "10.233.0.0/18"}
	if diff := cmp.Diff(want, configuration.Networking); diff != "" {
		t.Error(diff)
	}
	if configuration.KubernetesVersion != cluster.KubernetesVersion {
		t.Errorf("kubernetesVersion is %s", configuration.KubernetesVersion)
	}
}

func TestDecodeBroken(t *testing.T) {
	if _, err := decode(strings.NewReader("kind: [")); err == nil {
		t.Error("broken YAML is read")
	}
}

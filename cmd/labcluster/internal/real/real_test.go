package real

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

func TestCheckNodes(t *testing.T) {
	tests := map[string]struct {
		nodes []string
		want  string // part of the error
	}{
		"the manual's": {[]string{"k8s01", "k8s02", "k8s03"}, ""},
		"one":          {[]string{"k8s01"}, ""},
		"none":         {nil, "at least one"},
		"too many":     {make([]string, 8), "addresses for 7"},
		"bad name":     {[]string{"k8s01", "network"}, `called "network"`},
	}
	audited := cluster.New("/x", cluster.Real, "lab-real", []string{"k8s01"})
	audited.AuditLog = true
	if err := checkNodes(audited); err == nil {
		t.Error("--audit-log was accepted, and nothing would be written")
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := checkNodes(cluster.New("/x", cluster.Real, "lab-real", test.nodes))
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestCheckPrograms(t *testing.T) {
	dir := t.TempDir()
	err := checkPrograms(dir)
	if err == nil || !strings.Contains(err.Error(), "hack/build-real.sh") {
		t.Errorf("an empty folder: error %v, want one that names the script", err)
	}
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "runc", "kubelet", "kubeadm", "kubectl", "images/index.json"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := checkPrograms(dir); err != nil {
		t.Error(err)
	}
}

// TestTemplates fills in every template, and reads what comes out as YAML.
func TestTemplates(t *testing.T) {
	values := map[string]any{
		"Token": "abcdef.0123456789abcdef", "Name": "k8s01", "IP": "192.168.0.104", "Alone": true, "ControlPlane": true,
		"Cluster": "lab-real", "Version": "v1.37.2", "Endpoint": "192.168.0.1:6443", "APIPort": "6443",
		"ServiceCIDR": "10.233.0.0/18", "PodCIDR": "10.233.64.0/18", "DNSDomain": "cluster.local",
		"Discovery": discoveryFileForTest, "MetricsServer": "v0.9.0", "LocalPath": "v0.0.30", "Traefik": "v3.7.13",
	}
	for name, text := range map[string]string{
		"init": initTemplate, "join": joinTemplate, "local-path": localPathTemplate, "metrics-server": metricsServerTemplate,
		"traefik": traefikTemplate,
	} {
		filled, err := fill(text, values)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for document := range strings.SplitSeq(filled, "\n---\n") {
			var object struct{ APIVersion, Kind string }
			if err := yaml.Unmarshal([]byte(document), &object); err != nil || object.Kind == "" || object.APIVersion == "" {
				t.Errorf("%s: %v: a document without a kind:\n%s", name, err, document)
			}
		}
	}
}

const discoveryFileForTest = "/etc/kubernetes/lab-discovery.conf"

func TestLastLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte(strings.Repeat("line\n", 20)+"last\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(lastLines(file), "\n")
	if len(got) != 8 || got[7] != "last" {
		t.Errorf("lastLines = %q", got)
	}
	if got := lastLines(file + "x"); !strings.Contains(got, "no such file") {
		t.Errorf("lastLines of a missing file = %q", got)
	}
}

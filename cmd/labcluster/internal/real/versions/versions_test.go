package versions_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/modfile"
	"k8s.io/kubernetes/cmd/kubeadm/app/constants"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/versions"
)

// TestKubeadm compares with what kubeadm of this version asks for.
func TestKubeadm(t *testing.T) {
	for what, versions := range map[string][2]string{
		"CoreDNS":    {versions.CoreDNS, constants.CoreDNSVersion},
		"pause":      {versions.Pause, constants.PauseVersion},
		"etcd":       {versions.EtcdImage, constants.DefaultEtcdVersion},
		"Kubernetes": {versions.Kubernetes, cluster.KubernetesVersion},
	} {
		if versions[0] != versions[1] {
			t.Errorf("%s is %s here, and %s where it is used", what, versions[0], versions[1])
		}
	}
}

// TestModules compares with the modules that the programs are built from.
func TestModules(t *testing.T) {
	for dir, module := range map[string]struct{ path, version string }{
		"containerd":             {"github.com/containerd/containerd/v2", versions.Containerd},
		"runc":                   {"github.com/opencontainers/runc", versions.Runc},
		"coredns":                {"github.com/coredns/coredns", versions.CoreDNS},
		"metrics-server":         {"sigs.k8s.io/metrics-server", versions.MetricsServer},
		"local-path-provisioner": {"github.com/rancher/local-path-provisioner", versions.LocalPath},
		"traefik":                {"github.com/traefik/traefik/v3", versions.Traefik},
	} {
		if got := required(t, filepath.Join("../../../../../hack/real", dir, "go.mod"), module.path); got != module.version {
			t.Errorf("hack/real/%s requires %s, and versions says %s", dir, got, module.version)
		}
	}
}

func required(t *testing.T, file, module string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := modfile.Parse(file, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, require := range parsed.Require {
		if require.Mod.Path == module {
			return require.Mod.Version
		}
	}
	t.Fatalf("%s does not require %s", file, module)
	return ""
}

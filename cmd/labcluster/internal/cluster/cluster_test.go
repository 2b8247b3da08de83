package cluster_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/modfile"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

// The version that nodes and kubeadm-config tell has to be the one that is compiled in.
func TestVersionIsTheModules(t *testing.T) {
	const file = "../../go.mod"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	module, err := modfile.Parse(file, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, require := range module.Require {
		if require.Mod.Path == "k8s.io/kubernetes" && require.Mod.Version != cluster.KubernetesVersion {
			t.Errorf("go.mod has Kubernetes %s, cluster.KubernetesVersion is %s", require.Mod.Version, cluster.KubernetesVersion)
		}
	}
}

func TestNodePlaces(t *testing.T) {
	manual := cluster.New("/x", cluster.Simulated, "lab", []string{"k8s01", "k8s02", "k8s03"})
	many := cluster.New("/x", cluster.Simulated, "lab", make([]string, 5000))
	tests := map[string]struct {
		config *cluster.Config
		index  int
		want   cluster.Node
	}{
		"the manual's first": {manual, 0, cluster.Node{Name: "k8s01", IP: "192.168.0.104", PodCIDR: "10.233.64.0/24"}},
		"the manual's third": {manual, 2, cluster.Node{Name: "k8s03", IP: "192.168.0.106", PodCIDR: "10.233.66.0/24"}},
		"the 5,000th":        {many, 4999, cluster.Node{IP: "192.168.19.239", PodCIDR: "10.147.135.0/24"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := test.config.Node(test.index)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRoom(t *testing.T) {
	for nodes, want := range map[int]int{0: 64, 3: 64, 64: 64, 65: 8192, 5000: 8192} {
		if got := cluster.New("/x", cluster.Simulated, "lab", make([]string, nodes)).Room(); got != want {
			t.Errorf("%d nodes: room for %d, want %d", nodes, got, want)
		}
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir := cluster.Dir(t.TempDir())
	if _, err := cluster.Load(dir); !errors.Is(err, cluster.ErrNoCluster) {
		t.Errorf("an empty folder: got %v, want ErrNoCluster", err)
	}
	saved := cluster.New(dir, cluster.Simulated, "lab", []string{"k8s01"})
	saved.AuditLog = true
	if err := saved.Save(); err != nil {
		t.Fatal(err)
	}
	loaded, err := cluster.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(saved, loaded, cmp.AllowUnexported(cluster.Config{})); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(dir.ConfigFile(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Load(dir); err == nil || !strings.Contains(err.Error(), dir.ConfigFile()) {
		t.Errorf("a broken file: got %v, want an error that names it", err)
	}
}

func TestPorts(t *testing.T) {
	config := cluster.New("/x", cluster.Simulated, "lab", nil)
	if config.PortsFree() {
		t.Error("ports that were never chosen are free")
	}
	if err := config.ChoosePorts(); err != nil {
		t.Fatal(err)
	}
	p := config.Ports
	ports := []int{p.Etcd, p.EtcdPeer, p.APIServer, p.ControllerManager, p.Scheduler}
	slices.Sort(ports)
	if len(slices.Compact(slices.Clone(ports))) != len(ports) {
		t.Errorf("a port was chosen twice: %v", ports)
	}
	if ports[0] < 20000 || ports[len(ports)-1] > 32767 {
		t.Errorf("ports outside the range: %v", ports)
	}
	if !config.PortsFree() {
		t.Errorf("the chosen ports are not free: %v", ports)
	}
	taken, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Scheduler)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if config.PortsFree() {
		t.Error("a taken port is free")
	}
}

func TestPlanIsLoopbackOnly(t *testing.T) {
	config := prepared(t)
	components, err := config.Plan()
	if err != nil {
		t.Fatal(err)
	}
	for _, component := range components {
		for _, arg := range component.Args {
			name, value, _ := strings.Cut(arg, "=")
			if (strings.Contains(name, "bind-address") || strings.Contains(name, "listen")) && !strings.Contains(value, "127.0.0.1") {
				t.Errorf("%s: %s", component.Name, arg)
			}
		}
	}
}

func TestFilesAreClosed(t *testing.T) {
	config := prepared(t)
	err := filepath.Walk(string(config.Dir()), func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLongSocketPath(t *testing.T) {
	t.Setenv("TMPDIR", "/tmp")
	dir := cluster.Dir(filepath.Join(t.TempDir(), strings.Repeat("long", 30)))
	config := cluster.New(dir, cluster.Simulated, "lab", nil)
	if err := config.MakeFolders(); err != nil {
		t.Fatal(err)
	}
	if err := config.MakeSocketDir(); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(config.SocketDir)
	listener, err := net.Listen("unix", config.ControlSocket())
	if err != nil {
		t.Fatalf("the path is no good for a socket: %v", err)
	}
	listener.Close()
}

func TestDefaultDir(t *testing.T) {
	tests := map[string]struct{ state, home, want string }{
		"XDG":              {"/state", "/home/me", "/state/labcluster/lab"},
		"XDG not absolute": {"state", "/home/me", "/home/me/.local/state/labcluster/lab"},
		"home":             {"", "/home/me", "/home/me/.local/state/labcluster/lab"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", test.state)
			t.Setenv("HOME", test.home)
			got, err := cluster.DefaultDir("lab")
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "")
	if _, err := cluster.DefaultDir("lab"); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("without a home: got %v, want the way out", err)
	}
}

// prepared returns a cluster whose files are all written.
func prepared(t *testing.T) *cluster.Config {
	t.Helper()
	config := cluster.New(cluster.Dir(t.TempDir()), cluster.Simulated, "lab", []string{"k8s01"})
	for _, step := range []func() error{
		config.MakeFolders, config.MakeSocketDir, config.ChoosePorts, config.Save, config.WriteCertificates,
		func() error { return config.WriteSettings("") },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return config
}

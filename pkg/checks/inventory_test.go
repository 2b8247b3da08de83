package checks_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/checks"
	"github.com/kubectl-lab/kubectl-lab/pkg/inventory"
)

// declare reads an inventory.
func declare(t *testing.T, text string) *inventory.Declaration {
	t.Helper()
	files := fstest.MapFS{"inventory.ini": &fstest.MapFile{Data: []byte(text)}}
	inv, err := inventory.LoadFS(t.Context(), files, "inventory.ini", "", inventory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return inventory.Declare(inv, "")
}

// difference is one thing that an inventory declares otherwise than it is.
type difference struct {
	name     string
	old, new string // replaced in testcluster.Inventory
	id       string // of the check that must fail; empty if none
	want     checks.Comparison
}

func inventoryDifferences() []difference {
	return []difference{
		{name: "as it is"},
		{
			name: "host missing from the cluster", old: "[kube_control_plane]", new: "k8s04 ip=192.168.0.107\n[kube_node]\nk8s04\n[kube_control_plane]",
			id: "inventory-hosts", want: checks.Comparison{Subject: "k8s04", Declared: "k8s04", Verdict: checks.Differs, Source: "inventory.ini:6"},
		},
		{
			name: "node unknown to the inventory", old: "k8s03\n", new: "",
			id: "inventory-hosts", want: checks.Comparison{Subject: "node k8s03", Live: "k8s03", Verdict: checks.Differs},
		},
		{
			name: "node name unresolved", old: "k8s03 ip=192.168.0.106", new: "k8s03 ip=192.168.0.106 kube_override_hostname='{{ name }}'",
			want: checks.Comparison{Subject: "k8s03", Declared: "{{ name }}", Verdict: checks.Unresolved, Reason: "only a running playbook knows its value", Source: "inventory.ini:5"},
		},
		{
			name: "role", old: "[kube_control_plane]\n", new: "[kube_control_plane]\nk8s02\n",
			id: "inventory-roles", want: checks.Comparison{Subject: "k8s02 role", Declared: "control-plane", Live: "worker", Verdict: checks.Differs, Source: "inventory.ini:4"},
		},
		{
			name: "address", old: "ip=192.168.0.106", new: "ip=192.168.0.206",
			id: "inventory-addresses", want: checks.Comparison{Subject: "k8s03 ip", Declared: "192.168.0.206", Live: "192.168.0.106", Verdict: checks.Differs, Source: "inventory.ini:5"},
		},
		{
			name: "access address", old: "ip=192.168.0.106", new: "ip=10.0.0.6 access_ip=192.168.0.106",
			want: checks.Comparison{Subject: "k8s03 ip", Declared: "10.0.0.6", Live: "192.168.0.106", Verdict: checks.Match, Source: "inventory.ini:5"},
		},
		{
			name: "label", old: "ip=192.168.0.106", new: `ip=192.168.0.106 node_labels='{"disk": "ssd"}'`,
			id: "inventory-labels", want: checks.Comparison{Subject: "k8s03 label disk", Declared: "ssd", Verdict: checks.Differs, Source: "inventory.ini:5"},
		},
		{
			name: "taint", old: "ip=192.168.0.106", new: `ip=192.168.0.106 node_taints='["gpu=yes:NoSchedule"]'`,
			id: "inventory-taints", want: checks.Comparison{Subject: "k8s03 taint", Declared: "gpu=yes:NoSchedule", Live: "none", Verdict: checks.Differs, Source: "inventory.ini:5"},
		},
		{
			name: "control plane taint", old: "[kube_node]\nk8s01\n", new: "[kube_node]\n",
			id: "inventory-taints", want: checks.Comparison{Subject: "k8s01 control plane taint", Declared: "present", Live: "absent", Verdict: checks.Differs, Source: "inventory.ini:3"},
		},
		{
			name: "version", old: "kube_version=1.37.2", new: "kube_version=1.36.0",
			id: "inventory-version", want: checks.Comparison{Subject: "kube_version", Declared: "1.36.0", Live: "v1.37.2", Verdict: checks.Differs, Source: "inventory.ini:18"},
		},
		{
			name: "services' range", old: "10.233.0.0/18", new: "10.96.0.0/12",
			id: "inventory-service-cidr", want: checks.Comparison{Subject: "kube_service_addresses", Declared: "10.96.0.0/12", Live: "10.233.0.0/18", Verdict: checks.Differs, Source: "inventory.ini:21"},
		},
		{
			name: "pods' range", old: "10.233.64.0/18", new: "10.244.0.0/16",
			id: "inventory-pod-cidr", want: checks.Comparison{Subject: "kube_pods_subnet", Declared: "10.244.0.0/16", Live: "10.233.64.0/18", Verdict: checks.Differs, Source: "inventory.ini:22"},
		},
		{
			name: "DNS domain", old: "dns_domain=cluster.local", new: "dns_domain=lab.example",
			id: "inventory-dns-domain", want: checks.Comparison{Subject: "dns_domain", Declared: "lab.example", Live: "cluster.local", Verdict: checks.Differs, Source: "inventory.ini:24"},
		},
		{
			name: "network plugin", old: "kube_network_plugin=cni", new: "kube_network_plugin=calico",
			id: "inventory-network-plugin", want: checks.Comparison{Subject: "kube_network_plugin", Declared: "calico", Live: "none", Verdict: checks.Differs, Source: "inventory.ini:19"},
		},
		{
			name: "Multus", old: "kube_network_plugin_multus=False", new: "kube_network_plugin_multus=True",
			id: "inventory-multus", want: checks.Comparison{Subject: "kube_network_plugin_multus", Declared: "true", Live: "false", Verdict: checks.Differs, Source: "inventory.ini:20"},
		},
		{
			name: "proxy mode", old: "kube_proxy_mode=nftables", new: "kube_proxy_mode=ipvs",
			id: "inventory-proxy", want: checks.Comparison{Subject: "kube_proxy_mode", Declared: "ipvs", Live: "nftables", Verdict: checks.Differs, Source: "inventory.ini:25"},
		},
		{
			name: "no kube-proxy", old: "kube_proxy_mode=nftables", new: "kube_proxy_remove=True",
			id: "inventory-proxy", want: checks.Comparison{Subject: "no kube-proxy (kube_proxy_remove)", Declared: "true", Live: "false", Verdict: checks.Differs, Source: "inventory.ini:25"},
		},
		{
			name: "container runtime", old: "container_manager=containerd", new: "container_manager=crio",
			id: "inventory-runtime", want: checks.Comparison{Subject: "k8s01 container_manager", Declared: "crio", Live: "containerd", Verdict: checks.Differs, Source: "inventory.ini:26"},
		},
		{
			name: "etcd deployment", old: "etcd_deployment_type=kubeadm", new: "etcd_deployment_type=host",
			id: "inventory-etcd", want: checks.Comparison{Subject: "etcd_deployment_type", Declared: "host", Live: "kubeadm", Verdict: checks.Differs, Source: "inventory.ini:27"},
		},
		{
			name: "add-on", old: "metrics_server_enabled=False", new: "metrics_server_enabled=True",
			id: "inventory-addons", want: checks.Comparison{Subject: "metrics_server_enabled", Declared: "true", Live: "absent", Verdict: checks.Differs, Source: "inventory.ini:28"},
		},
		{
			name: "a template is never compared", old: "kube_version=1.37.2", new: "kube_version='{{ wanted }}'",
			want: checks.Comparison{Subject: "kube_version", Declared: "{{ wanted }}", Live: "v1.37.2", Verdict: checks.Unresolved, Reason: "only a running playbook knows its value", Source: "inventory.ini:18"},
		},
	}
}

// TestInventory declares the test cluster with one thing otherwise, and expects exactly the finding
// of that: both values, and where the declared one is from.
func TestInventory(t *testing.T) {
	src := source(t, config(t))
	for _, tt := range inventoryDifferences() {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(testcluster.Inventory, tt.old, tt.new, 1)
			if tt.name == "node unknown to the inventory" {
				text = strings.ReplaceAll(strings.Replace(text, "k8s03 ip=192.168.0.106\n", "", 1), "k8s03\n", "")
			}
			report := run(t, src, checks.Config{Declared: declare(t, text)})
			verifyInventory(t, report, tt.id, tt.want)
		})
	}
}

func verifyInventory(t *testing.T, report *checks.Report, id string, want checks.Comparison) {
	t.Helper()
	for _, r := range findings(report) {
		if r.ID != id {
			t.Errorf("%s: %s", r.ID, r.Message)
		}
	}
	var all []checks.Comparison
	for _, r := range report.Results {
		all = append(all, r.Comparisons...)
		if r.ID != id {
			continue
		}
		if r.Severity != checks.Error || r.Hint == "" || !strings.Contains(r.Message, want.Subject) {
			t.Errorf("%s: severity %q, hint %q, message %q", r.ID, r.Severity, r.Hint, r.Message)
		}
	}
	if want.Subject != "" && !slices.Contains(all, want) {
		t.Errorf("want %+v among", want)
		for _, c := range all {
			t.Logf("  %+v", c)
		}
	}
}

// TestInventoryEtcdMembers compares with external endpoints, and with static pods.
func TestInventoryEtcdMembers(t *testing.T) {
	l := newLab(t)
	src := source(t, config(t))
	t.Run("external", func(t *testing.T) {
		l.in(t).patchConfig("kubeadm-config", "ClusterConfiguration", "etcd: {external: {endpoints: ['https://192.168.0.104:2379', 'https://192.168.0.105:2379', 'https://192.168.0.109:2379']}}")
		declared := declare(t, strings.NewReplacer("[etcd]\n", "[etcd]\nk8s02\nk8s03\n", "=kubeadm", "=host").Replace(testcluster.Inventory))
		report := run(t, src, checks.Config{Declared: declared})
		verifyInventory(t, report, "inventory-etcd-members", checks.Comparison{
			Subject: "etcd k8s03", Declared: "192.168.0.106", Live: "no such member", Verdict: checks.Differs, Source: "inventory.ini:5",
		})
		verifyInventory(t, report, "inventory-etcd-members", checks.Comparison{
			Subject: "etcd 192.168.0.109", Live: "192.168.0.109", Verdict: checks.Differs,
		})
	})
	t.Run("static pods", func(t *testing.T) {
		l := l.in(t)
		for _, component := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
			l.running(staticPod(component, "v1.37.2"), "kube-system", component+"-k8s01")
		}
		report := run(t, src, checks.Config{Declared: declare(t, testcluster.Inventory)})
		verifyInventory(t, report, "", checks.Comparison{
			Subject: "etcd k8s01", Declared: "k8s01", Live: "k8s01", Verdict: checks.Match, Source: "inventory.ini:3",
		})
	})
}

// TestInventoryAddon installs an add-on that is declared, halfway and whole.
func TestInventoryAddon(t *testing.T) {
	l := newLab(t)
	src := source(t, config(t))
	on := declare(t, strings.Replace(testcluster.Inventory, "metrics_server_enabled=False", "metrics_server_enabled=True", 1))
	l.create(workload("Deployment", "kube-system", "metrics-server", "", false))
	awaitFindings(l, nil, checks.Config{}, nil, nil)
	verifyInventory(t, run(t, src, checks.Config{Declared: on}), "", checks.Comparison{
		Subject: "metrics_server_enabled", Declared: "true", Live: "found", Verdict: checks.Match, Source: "inventory.ini:28",
	})
	verifyInventory(t, run(t, src, checks.Config{Declared: declare(t, testcluster.Inventory)}), "inventory-addons", checks.Comparison{
		Subject: "metrics_server_enabled", Declared: "false", Live: "found", Verdict: checks.Differs, Source: "inventory.ini:28",
	})
}

package inventory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"
)

// loadText loads an inventory from a txtar archive; the inventory is its first file.
func loadText(t testing.TB, text string) (*Inventory, error) {
	t.Helper()
	archive := txtar.Parse([]byte(text))
	fsys := fstest.MapFS{}
	for _, f := range archive.Files {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o644}
	}
	return LoadFS(context.Background(), fsys, archive.Files[0].Name, "inv", Options{})
}

func mustLoad(t testing.TB, text string) *Inventory {
	t.Helper()
	inv, err := loadText(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// healthy is an inventory without any finding.
const healthy = `
-- hosts.ini --
[kube_control_plane]
cp1 ip=192.168.0.101 ansible_host=192.168.0.101
cp2 ip=192.168.0.102 ansible_host=192.168.0.102
cp3 ip=192.168.0.103 ansible_host=192.168.0.103

[etcd:children]
kube_control_plane

[kube_node]
w1 ip=192.168.0.104 ansible_host=192.168.0.104 node_labels="{'zone': 'a'}" node_taints="['a=b:NoSchedule']"
w2 ip=192.168.0.105 ansible_host=192.168.0.105

[k8s_cluster:children]
kube_control_plane
kube_node
-- group_vars/k8s_cluster/k8s-cluster.yml --
kube_version: 1.35.2
kube_network_plugin: calico
kube_service_addresses: 10.233.0.0/18
kube_pods_subnet: 10.233.64.0/18
`

// with returns the healthy inventory plus lines of group_vars.
func with(vars string) string { return healthy + vars + "\n" }

// instead returns the healthy inventory with a part replaced.
func instead(old, replacement string) string {
	if !strings.Contains(healthy, old) {
		panic("the healthy inventory does not contain " + old)
	}
	return strings.Replace(healthy, old, replacement, 1)
}

// also returns the healthy inventory with one more file.
func also(name, content string) string { return healthy + "-- " + name + " --\n" + content + "\n" }

type checkCase struct {
	name    string
	text    string
	release string
	facts   map[string]Facts
	want    []string // "id severity position"
}

func checkCases() []checkCase {
	const vars = "inv/group_vars/k8s_cluster/k8s-cluster.yml"
	return []checkCase{
		{name: "healthy", text: healthy},
		{name: "healthy with the newest release", text: healthy, release: "v2.31.0"},
		{name: "not readable", text: "-- hosts.ini --\n[a\n", want: []string{"refused error inv/hosts.ini:1"}},
		{name: "too many hosts", text: "-- hosts.ini --\nh[1:999999]\n", want: []string{"too-large error inv/hosts.ini:1"}},
		{name: "undefined child", text: "-- hosts.ini --\n[a:children]\nb\n", want: []string{"undefined-child error inv/hosts.ini:2"}},
		{name: "undefined group with variables", text: "-- hosts.ini --\nx\n[a:vars]\nb=1\n", want: []string{"undefined-child error inv/hosts.ini:2"}},
		{name: "group loop", text: "-- hosts.ini --\n[a:children]\nb\n[b:children]\na\n", want: []string{"group-loop error inv/hosts.ini:2"}},
		{name: "broken group_vars of a group that Kubespray makes", text: strings.Replace(also("group_vars/kube_node.yml", "x: 1"), "[k8s_cluster:children]\nkube_control_plane\nkube_node\n", "", 1) +
			"-- group_vars/k8s_cluster/broken.yml --\na: [\n", want: []string{"source-skipped error inv/group_vars/k8s_cluster/broken.yml:1"}},
		{name: "duplicate key", text: with("kube_network_plugin: calico"), want: []string{"odd-syntax warning " + vars + ":5"}},
		{name: "encrypted file", text: also("group_vars/all/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n00"), want: []string{"encrypted-file info inv/group_vars/all/vault.yml"}},
		{name: "old folder of variables", text: also("group_vars/k8s-cluster/a.yml", "a: 1"), want: []string{"unused-variables warning inv/group_vars/k8s-cluster"}},
		{name: "variables for an unknown host", text: also("host_vars/w9.yml", "a: 1"), want: []string{"unused-variables warning inv/host_vars/w9.yml"}},
		{name: "no hosts", text: "-- hosts.ini --\n[kube_node]\n", want: []string{"no-hosts error inv/hosts.ini"}},
		{name: "no control plane", text: "-- hosts.ini --\n[kube_control_plane]\n[kube_node]\na\n[etcd]\na\n", want: []string{"control-plane-empty error inv/hosts.ini:1"}},
		{name: "no nodes", text: "-- hosts.ini --\n[kube_control_plane]\na\n[etcd]\na\n", want: []string{"nodes-empty warning inv/hosts.ini"}},
		{name: "no nodes, older Kubespray", release: "v2.27.0", text: "-- hosts.ini --\n[kube_control_plane]\na\n[etcd]\na\n", want: []string{"nodes-empty error inv/hosts.ini"}},
		{name: "no group etcd", text: "-- hosts.ini --\n[kube_control_plane]\na\n[kube_node]\na\n", want: []string{"etcd-empty info inv/hosts.ini"}},
		{name: "empty group etcd", text: "-- hosts.ini --\n[etcd]\n[kube_control_plane]\na\n[kube_node]\na\n", want: []string{"etcd-empty error inv/hosts.ini:1"}},
		{name: "two members of etcd", text: "-- hosts.ini --\n[kube_control_plane]\na\n[kube_node]\na\n[etcd]\na\nb\n", want: []string{"etcd-even error inv/hosts.ini:5"}},
		{name: "same member name", text: "-- hosts.ini --\n[kube_control_plane]\na\n[kube_node]\na\n[etcd]\na etcd_member_name=x\nb etcd_member_name=x\nc\n", want: []string{"etcd-member-name error inv/hosts.ini:7"}},
		{name: "old names only", text: "-- hosts.ini --\n[kube-master]\na\n[kube-node]\na\n[etcd]\na\n[k8s-cluster:children]\nkube-master\nkube-node\n", want: []string{"old-group-names warning inv/hosts.ini:7"}},
		{name: "old names only, new Kubespray", release: "v2.27.0", text: "-- hosts.ini --\n[kube-master]\na\n[kube-node]\na\n[etcd]\na\n", want: []string{"old-group-names error inv/hosts.ini:1"}},
		{name: "old names only, old Kubespray", release: "v2.11.0", text: "-- hosts.ini --\n[kube-master]\na\n[kube-node]\na\n[etcd]\na\n"},
		{
			name: "old names mended", release: "v2.31.0", text: "-- hosts.ini --\n[kube-master]\na\n[kube-node]\na\n[etcd]\na\n[k8s_cluster:children]\nkube-master\nkube-node\n",
			want: []string{"old-group-names info inv/hosts.ini:1"},
		},
		{name: "host without a role", text: instead("[kube_control_plane]", "spare\n[kube_control_plane]"), want: []string{"host-without-role info inv/hosts.ini:1"}},
		{name: "bastion has a role", text: instead("[kube_control_plane]", "[bastion]\nb\n[kube_control_plane]")},
		{name: "bad host name", text: instead("w2 ", "W_2 "), want: []string{"hostname-invalid error inv/hosts.ini:11"}},
		{name: "bad node name", text: instead("w2 ", "w2 kube_override_hostname=-x "), want: []string{"hostname-invalid error inv/hosts.ini:11"}},
		{name: "same node name", text: instead("w2 ", "w2 kube_override_hostname=w1 "), want: []string{"node-name-duplicate error inv/hosts.ini:11"}},
		{name: "bad address", text: instead("w2 ip=192.168.0.105", "w2 ip=192.168.0.305"), want: []string{"address-invalid error inv/hosts.ini:11"}},
		{name: "loopback address", text: instead("w2 ip=192.168.0.105", "w2 ip=127.0.1.1"), want: []string{"address-invalid error inv/hosts.ini:11"}},
		{name: "same address", text: instead("w2 ip=192.168.0.105", "w2 ip=192.168.0.104"), want: []string{"address-duplicate error inv/hosts.ini:11"}},
		{name: "same ansible_host with other ports", text: strings.Replace(instead("ansible_host=192.168.0.105", "ansible_host=10.0.0.1 ansible_port=2205"), "ansible_host=192.168.0.104", "ansible_host=10.0.0.1 ansible_port=2204", 1)},
		{name: "bad label", text: instead("'zone': 'a'", "'zo ne': 'a'"), want: []string{"labels-invalid error inv/hosts.ini:10"}},
		{name: "labels as a list", text: instead("{'zone': 'a'}", "['zone=a']"), want: []string{"labels-invalid error inv/hosts.ini:10"}},
		{name: "bad taint", text: instead("a=b:NoSchedule", "a=b:Never"), want: []string{"taints-invalid error inv/hosts.ini:10"}},
		{name: "little memory by facts", text: healthy, facts: map[string]Facts{"w1": {MemoryMB: 512}, "cp1": {MemoryMB: 1200}, "cp2": {MemoryMB: 1500}}, want: []string{"memory-too-small error inv/hosts.ini:2", "memory-too-small error inv/hosts.ini:10"}},
		{name: "little memory by variable", text: instead("w2 ", "w2 ansible_memtotal_mb=1000 "), want: []string{"memory-too-small error inv/hosts.ini:11"}},
		{name: "lower minimum", text: instead("w2 ", "w2 ansible_memtotal_mb=1000 minimal_node_memory_mb=900 ")},
		{name: "bad range", text: instead("kube_pods_subnet: 10.233.64.0/18", "kube_pods_subnet: 10.233.64.0"), want: []string{"cidr-invalid error " + vars + ":4"}},
		{name: "range with host bits", text: instead("10.233.64.0/18", "10.233.64.1/18"), want: []string{"cidr-invalid warning " + vars + ":4"}},
		{name: "overlap", text: instead("10.233.64.0/18", "10.233.0.0/16"), want: []string{"cidr-overlap error " + vars + ":4"}},
		{name: "hosts within the pod range", text: instead("10.233.64.0/18", "192.168.0.104/30"), want: []string{"cidr-overlap error inv/hosts.ini:10", "cidr-overlap error inv/hosts.ini:11"}},
		{
			name: "IPv6 overlap", text: with("ipv6_stack: true\nkube_service_addresses_ipv6: fd00::/112\nkube_pods_subnet_ipv6: fd00::/108"),
			want: []string{"cidr-overlap error " + vars + ":7"},
		},
		{
			name: "pod range too small", text: strings.Replace(instead("10.233.64.0/18", "10.233.64.0/22"), "calico", "flannel", 1) + "kube_network_node_prefix: 24\n",
			want: []string{"pod-range-too-small error " + vars + ":4"},
		},
		{name: "small pod range with calico", text: instead("10.233.64.0/18", "10.233.64.0/22") + "kube_network_node_prefix: 24\n"},
		{
			name: "node prefix above the range", text: instead("calico", "flannel") + "kube_network_node_prefix: 16\n",
			want: []string{"pod-range-too-small error " + vars + ":4"},
		},
		{name: "node range too small", text: instead("calico", "flannel") + "kube_network_node_prefix: 26\n", want: []string{"node-range-too-small error " + vars + ":5"}},
		{name: "unknown plugin", text: instead("calico", "calcio"), want: []string{"network-plugin error " + vars + ":2"}},
		{name: "removed plugin", text: instead("calico", "weave"), want: []string{"network-plugin warning " + vars + ":2"}},
		{name: "removed plugin, new Kubespray", text: instead("calico", "weave"), release: "v2.31.0", want: []string{"network-plugin error " + vars + ":2"}},
		{name: "removed plugin, old Kubespray", text: strings.Replace(instead("calico", "canal"), "1.35.2", "v1.20.7", 1), release: "v2.16.0"},
		{name: "plugin of a later release", text: strings.Replace(instead("calico", "custom_cni"), "1.35.2", "v1.20.7", 1), release: "v2.16.0", want: []string{"network-plugin error " + vars + ":2"}},
		{name: "MetalLB without strict ARP", text: with("metallb_enabled: true"), want: []string{"strict-arp error " + vars + ":5"}},
		{name: "MetalLB with strict ARP", text: with("metallb_enabled: true\nkube_proxy_strict_arp: yes")},
		{name: "MetalLB with iptables", text: with("metallb_enabled: true\nkube_proxy_mode: iptables")},
		{name: "MetalLB without kube-proxy", text: with("metallb_enabled: true\nkube_proxy_remove: true")},
		{name: "kube-vip with ARP", text: with("kube_vip_enabled: true\nkube_vip_arp_enabled: true"), want: []string{"strict-arp error " + vars + ":5"}},
		{name: "kube-vip with BGP", text: with("kube_vip_enabled: true")},
		{name: "version as a number", text: instead("1.35.2", "1.30"), want: []string{"kube-version error " + vars + ":1"}},
		{name: "version that no release has", text: instead("1.35.2", "1.99.0"), want: []string{"kube-version warning " + vars + ":1"}},
		{name: "version of an older release", text: instead("1.35.2", "v1.15.3"), want: []string{"kube-version warning " + vars + ":1"}},
		{name: "version that this release lacks", text: instead("1.35.2", "1.32.0"), release: "v2.31.0", want: []string{"kube-version error " + vars + ":1"}},
		{name: "version with v", text: instead("1.35.2", "v1.35.2"), release: "v2.31.0", want: []string{"kube-version error " + vars + ":1"}},
		{name: "version without v", text: instead("1.35.2", "1.15.3"), release: "v2.11.0", want: []string{"kube-version error " + vars + ":1"}},
		{name: "removed add-on", text: with("dashboard_enabled: true"), want: []string{"removed-variable warning " + vars + ":5"}},
		{name: "removed add-on that is off", text: with("ingress_nginx_enabled: false"), want: []string{"removed-variable info " + vars + ":5"}},
		{name: "removed add-on, old Kubespray", text: strings.Replace(with("dashboard_enabled: true"), "1.35.2", "1.34.2", 1), release: "v2.30.0"},
		{name: "refused variable", text: with("kubelet_static_pod_path: /x"), release: "v2.31.0", want: []string{"removed-variable error " + vars + ":5"}},
		{name: "removed variable on other hosts only", text: instead("w2 ", "w2 x=1 ") + "-- group_vars/kube_node.yml --\nmetallb_ip_range: [a]\n", want: []string{"removed-variable warning inv/group_vars/kube_node.yml:1"}},
		{name: "unsupported option", text: with("kube_proxy_mode: userspace"), want: []string{"unsupported-option error " + vars + ":5"}},
		{name: "etcd in docker without docker", text: with("etcd_deployment_type: docker\ncontainer_manager: containerd"), want: []string{"unsupported-option error " + vars + ":5"}},
		{name: "text for a boolean", text: instead("[k8s_cluster:children]", "[k8s_cluster:vars]\nhelm_enabled=true\n[k8s_cluster:children]"), want: []string{"boolean-as-text error inv/hosts.ini:14"}},
		{name: "differs", text: instead("w2 ", "w2 kube_network_plugin=cilium "), want: []string{"differs-between-hosts warning inv/hosts.ini:11"}},
		{name: "template", text: with(`dns_domain: "{{ cluster_name }}"`), want: []string{"unresolved info " + vars + ":5"}},
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range checkCases() {
		t.Run(tt.name, func(t *testing.T) {
			findings := findingsOf(t, tt)
			var got []string
			for _, f := range findings {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", f.ID, f.Severity, f.Pos)))
				if f.Message == "" {
					t.Errorf("%s has no message", f.ID)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("findings:\n  got  %q\n  want %q\n  %v", got, tt.want, findings)
			}
		})
	}
}

func findingsOf(t *testing.T, tt checkCase) []Finding {
	t.Helper()
	inv, err := loadText(t, tt.text)
	if err != nil {
		f, ok := FindingOf(err)
		if !ok {
			t.Fatal(err)
		}
		return []Finding{f}
	}
	findings, err := Check(context.Background(), inv, CheckOptions{Release: tt.release, Facts: tt.facts})
	if err != nil {
		t.Fatal(err)
	}
	return findings
}

// TestEveryCheckIsProvoked proves that each check of the table can find something, and that ids are
// unique and say what they assert.
func TestEveryCheckIsProvoked(t *testing.T) {
	provoked := map[string]bool{}
	for _, tt := range checkCases() {
		for _, want := range tt.want {
			id, _, _ := strings.Cut(want, " ")
			provoked[id] = true
		}
	}
	seen := map[string]bool{}
	for _, c := range Checks() {
		if seen[c.ID] {
			t.Errorf("the id %s is there twice", c.ID)
		}
		seen[c.ID] = true
		if !provoked[c.ID] {
			t.Errorf("no case provokes %s", c.ID)
		}
		if c.Asserts == "" {
			t.Errorf("%s asserts nothing", c.ID)
		}
	}
	for id := range provoked {
		if !seen[id] {
			t.Errorf("%s is not in the table", id)
		}
	}
}

func TestFindingsAreSortedAndBounded(t *testing.T) {
	var hosts strings.Builder
	for i := range 300 {
		fmt.Fprintf(&hosts, "Bad_%d\n", i)
	}
	inv := mustLoad(t, "-- hosts.ini --\nspare\n[kube_control_plane]\n"+hosts.String()+"[kube_node]\nn\n")
	findings, err := Check(context.Background(), inv, CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bad := 0
	for i, f := range findings {
		if f.ID == "hostname-invalid" {
			bad++
		}
		if i > 0 && severityRank(f.Severity) < severityRank(findings[i-1].Severity) {
			t.Errorf("%v comes after %v", f, findings[i-1])
		}
	}
	if bad != maxFindings {
		t.Errorf("%d findings of one id, want %d", bad, maxFindings)
	}
	if Worst(findings) != SeverityError || Worst(nil) != "" {
		t.Error("Worst is wrong")
	}
}

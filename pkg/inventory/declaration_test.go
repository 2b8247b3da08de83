package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; write it with go test -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", file, diff)
	}
}

func corpusInventory(t testing.TB, name string) *Inventory {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", "corpus", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return mustLoad(t, string(txtar.Format(archive)))
}

func TestDeclareGolden(t *testing.T) {
	for _, tt := range []struct{ corpus, release string }{
		{"manual", ""}, {"manual", "v2.11.0"}, {"kubespray-sample", "v2.31.0"}, {"rke-size", ""},
	} {
		name := tt.corpus
		if tt.release != "" {
			name += "-" + tt.release
		}
		t.Run(name, func(t *testing.T) {
			out, err := json.MarshalIndent(Declare(corpusInventory(t, tt.corpus), tt.release), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".golden", append(out, '\n'))
		})
	}
}

func TestDeclareManual(t *testing.T) {
	d := Declare(corpusInventory(t, "manual"), "")
	if got := len(d.WithRole(RoleControlPlane)); got != 1 {
		t.Errorf("%d control plane hosts, want 1", got)
	}
	if got := len(d.WithRole(RoleNode)); got != 2 {
		t.Errorf("%d nodes, want 2", got)
	}
	dashboard, ok := d.Addon("dashboard")
	if !ok || !dashboard.Enabled.True() || dashboard.Enabled.Source != "inv/group_vars/k8s-cluster/addons.yml:1" {
		t.Errorf("dashboard: %+v", dashboard)
	}
	if cidrs, known := d.PodCIDRs(); cidrs != "10.233.64.0/18" || !known {
		t.Errorf("pod CIDRs: %q %v", cidrs, known)
	}
	if d.KubeVersion.State != NotDeclared {
		t.Errorf("without a release kube_version is %+v", d.KubeVersion)
	}
	if d := Declare(corpusInventory(t, "manual"), "v2.11.0"); d.KubeVersion.Value != "1.15.3" || d.KubeVersion.State != Default {
		t.Errorf("with v2.11.0 kube_version is %+v", d.KubeVersion)
	}
}

func TestDeclareSettings(t *testing.T) {
	tests := []struct {
		name, vars, release string
		get                 func(*Declaration) any
		want                any
	}{
		{"derived k8s_cluster", "", "", func(d *Declaration) any { return d.KubeVersion.Value }, "1.35.2"},
		{"leading v", "kube_version: v1.20.7", "", func(d *Declaration) any { return d.KubeVersion.Value }, "1.20.7"},
		{"template", `kube_pods_subnet: "{{ x }}"`, "", func(d *Declaration) any { return d.PodCIDR.String() }, "unresolved: {{ x }}"},
		{"template hides the whole", `kube_pods_subnet: "{{ x }}"`, "", func(d *Declaration) any { _, known := d.PodCIDRs(); return known }, false},
		{"encrypted", "kube_pods_subnet: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00", "", func(d *Declaration) any { return d.PodCIDR.String() }, "unresolved: " + Encrypted},
		{"unsafe text is no template", "dns_domain: !unsafe '{{x}}'", "", func(d *Declaration) any { return d.DNSDomain.State }, Declared},
		{"wrong kind", "kube_pods_subnet: [a]", "", func(d *Declaration) any { return d.PodCIDR.State }, Invalid},
		{"dual stack", "ipv6_stack: true\nkube_service_addresses_ipv6: fd00::/112", "", func(d *Declaration) any { c, _ := d.ServiceCIDRs(); return c }, "10.233.0.0/18,fd00::/112"},
		{"dual stack, old switch", "enable_dual_stack_networks: true", "v2.20.0", func(d *Declaration) any { c, _ := d.PodCIDRs(); return c }, "10.233.64.0/18,fd85:ee78:d8a6:8607::1:0000/112"},
		{"IPv6 only", "ipv4_stack: false\nipv6_stack: true\nkube_pods_subnet_ipv6: fd00::/112", "", func(d *Declaration) any { c, _ := d.PodCIDRs(); return c }, "fd00::/112"},
		{"cluster_name", "cluster_name: lab.local", "", func(d *Declaration) any { return d.DNSDomain.Value + " " + d.DNSDomain.Variable }, "lab.local cluster_name"},
		{"kube-proxy", "", "", func(d *Declaration) any { return d.NoKubeProxy.String() }, "false"},
		{"kube-proxy removed", "kube_proxy_remove: yes", "", func(d *Declaration) any { return d.NoKubeProxy.Value + " " + d.NoKubeProxy.Variable }, "true kube_proxy_remove"},
		{"kube-proxy replaced", "kube_network_plugin: cilium\ncilium_kube_proxy_replacement: strict", "", func(d *Declaration) any { return d.NoKubeProxy.Value + " " + d.NoKubeProxy.Variable }, "true cilium_kube_proxy_replacement"},
		{"kube-proxy replaced by eBPF", "calico_bpf_enabled: true", "", func(d *Declaration) any { return d.NoKubeProxy.Variable }, "calico_bpf_enabled"},
		{"kubeadm etcd of old", "etcd_kubeadm_enabled: true", "v2.20.0", func(d *Declaration) any { return d.EtcdDeployment.Value }, "kubeadm"},
		{"etcd default", "", "v2.17.0", func(d *Declaration) any { return d.EtcdDeployment.Value }, "docker"},
		{"cloud controller", "external_cloud_provider: huaweicloud", "", func(d *Declaration) any { a, _ := d.Addon("cloud-controller-manager"); return a.Enabled.Value }, "true"},
		{"cloud controller of one's own", "external_cloud_provider: manual", "", func(d *Declaration) any { a, _ := d.Addon("cloud-controller-manager"); return a.Enabled.Value }, "false"},
		{"namespace", "metallb_enabled: 1\nmetallb_namespace: lb", "", func(d *Declaration) any { a, _ := d.Addon("metallb"); return a.Enabled.Value + " " + a.Namespace.Value }, "true lb"},
		{"etcd members", "", "", func(d *Declaration) any { return d.WithRole(RoleEtcd)[2].EtcdMember.Value }, "etcd3"},
		{"labels", "", "", func(d *Declaration) any { return d.WithRole(RoleNode)[0].Labels["zone"] }, "a"},
		{"taints", "", "", func(d *Declaration) any { return d.WithRole(RoleNode)[0].Taints[0] }, "a=b:NoSchedule"},
		{"access_ip falls back", "", "", func(d *Declaration) any { n := d.Nodes[0]; return string(n.AccessIP.State) + " " + n.AccessIP.Value }, "default 192.168.0.101"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Declare(mustLoad(t, with(tt.vars)), tt.release)
			if got := tt.get(d); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestStoredDeclaration(t *testing.T) {
	var hosts strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&hosts, "w%d ip=10.%d.%d.%d node_labels=\"{'zone': 'z%d'}\"\n", i, i/65536, i/256%256, i%256, i%7)
	}
	large := "-- hosts.ini --\n[kube_control_plane]\ncp ip=10.255.0.1\n[kube_node]\n" + hosts.String()
	for name, text := range map[string]string{"small": healthy, "5,000 nodes": large} {
		t.Run(name, func(t *testing.T) {
			d := Declare(mustLoad(t, text), "v2.31.0")
			data, err := MarshalDeclaration(d)
			if err != nil {
				t.Fatal(err)
			}
			if len(data) > 768<<10 {
				t.Errorf("%d bytes do not fit into a ConfigMap", len(data))
			}
			back, err := UnmarshalDeclaration(data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(d, back); diff != "" {
				t.Errorf("(-stored +read)\n%s", diff)
			}
		})
	}
}

func TestUnmarshalDeclarationRefuses(t *testing.T) {
	for _, data := range []string{
		"", "null", "[]", "{}", "x", `{"apiVersion":"inventory.kubectl-lab.io/v9","kind":"Declaration"}`, `{"apiVersion":"inventory.kubectl-lab.io/v1","kind":"Pod"}`,
		`{"apiVersion":"inventory.kubectl-lab.io/v1","kind":"Declaration","nodes":1}`, "\x1f\x8b", "\x1f\x8bxxxxxxxxxxxxxxxxxxxx",
	} {
		if _, err := UnmarshalDeclaration([]byte(data)); !errors.Is(err, ErrUnknownDeclaration) {
			t.Errorf("%q: %v", data, err)
		}
	}
}

// secretInventory has the word "hunter2" in every place where a secret can be.
const secretInventory = `
-- hosts.ini --
[kube_control_plane]
a ansible_password=hunter2 ansible_become_pass='hunter2' ansible_ssh_pass=hunter2 http_proxy=http://me:hunter2@proxy:3128 kube_pods_subnet="http://u:hunter2@x"
[kube_node]
b
[etcd:children]
kube_control_plane
[all:vars]
ansible_become_password = hunter2
kube_encrypt_token=hunter2
registry_auth = [{'registry': 'r', 'password': 'hunter2'}]
nested = {'a': {'secret_key': 'hunter2', 'b': ['x']}, 'token': ['hunter2']}
-- group_vars/all.yml --
vsphere_password: "hunter2"
kubeadm_certificate_key: hunter2
calico_peers: [{address: 1.2.3.4, password: hunter2}]
list_of_urls: ["https://x:hunter2@h/p?q"]
kube_network_plugin: !vault |
  $ANSIBLE_VAULT;1.1;AES256
  68756e74657232
`

func TestSecretsStayInside(t *testing.T) {
	inv := mustLoad(t, secretInventory)
	var out bytes.Buffer
	for _, h := range inv.Hosts() {
		for _, v := range h.Vars() {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%t"} {
				fmt.Fprintf(&out, verb+verb+verb+"\n", v, v.Value, &v)
			}
			text, _ := v.Value.Text()
			fmt.Fprintln(&out, text, v.Value.List(), v.Value.Entries())
			data, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(data)
		}
	}
	for _, release := range []string{"", "v2.31.0"} {
		d := Declare(inv, release)
		data, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(data)
		fmt.Fprintf(&out, "%+v %#v", d, d)
	}
	findings, err := Check(t.Context(), inv, CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&out, "%v", findings)
	if at := strings.Index(out.String(), "hunter2"); at >= 0 {
		t.Errorf("a secret got out: …%s…", out.String()[max(0, at-200):at+20])
	}
	if strings.Contains(out.String(), "68756e74657232") {
		t.Error("a secret got out in hex")
	}
}

func TestErrorsQuoteNoSecrets(t *testing.T) {
	for _, text := range []string{
		"-- hosts --\na ansible_password=hunter2 hunter2\n", "-- hosts --\na ansible_password=\"hunter2\n", "-- hosts --\n[a]\n[a:vars]\nhunter2\n", "-- hosts --\na[hunter2\n",
		"-- hosts --\na x=\"{[]: 'hunter2'}\"\n", "-- hosts --\n[hunter2 x]\n", "-- hosts.yml --\nall:\n  vars: {ansible_password: 'hunter2}\n", "-- hosts.yml --\nall: {vars: {p: !!int hunter2}}\n",
		"-- hosts.yml --\nall: {vars: {p: !!binary hunter2!}}\n", "-- hosts.yml --\nall: {hosts: {h: hunter2}}\n", "-- hosts.yml --\nall:\n  hosts: {h: }\n  vars: hunter2: x: y\n",
		"-- hosts --\na\n-- group_vars/all.yml --\nhunter2\n", "-- hosts --\n[a]\n[b:children]\na x=hunter2\n", "-- hosts --\n[a:vars]\nansible_group_priority=hunter2\n",
	} {
		_, err := loadText(t, text)
		if err == nil {
			t.Errorf("accepted:\n%s", text)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error quotes the secret: %v", err)
		}
		f, ok := FindingOf(err)
		if !ok || f.Pos.File == "" {
			t.Errorf("no position in %v", err)
		}
	}
}

package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kubectl-lab/kubectl-lab/pkg/components"
)

func TestLimits(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := range 12 {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 9), ","))
	}
	var chain, wide strings.Builder
	for i := range 9999 {
		fmt.Fprintf(&chain, "[g%d:children]\ng%d\n", i, i+1)
	}
	for i := range 400 {
		fmt.Fprintf(&wide, "[g%d]\nh[1:9999]\n", i)
	}
	for name, text := range map[string]string{
		"range":             "-- hosts --\nh[1:100001]\n",
		"huge range":        "-- hosts --\nh[0:99999999999999999999999999]\n",
		"nested ranges":     "-- hosts --\nh[1:999]-[1:999]-[1:999]\n",
		"many short ranges": "-- hosts --\nh" + strings.Repeat("[0:1]", 200) + "\n",
		"empty ranges":      "-- hosts --\nh[0:99999][0:99999][1:0]\n",
		"long range name":   "-- hosts --\nh" + strings.Repeat("x", 5000) + "[1:3]\n",
		"memberships":       "-- hosts --\n" + wide.String(),
		"groups":            "-- hosts --\n" + chain.String() + "[x]\n[y]\n",
		"alias bomb":        "-- hosts --\na\n-- group_vars/all.yml --\n" + bomb.String(),
		"alias bomb source": "-- hosts.yml --\n" + bomb.String(),
		"deep YAML":         "-- hosts.yml --\na: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "\n",
		"deep JSON":         "-- hosts.json --\n" + strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000) + "\n",
		"deep groups":       "-- hosts.yml --\n" + strings.Repeat("{a: {children: ", 500) + "{}" + strings.Repeat("}}", 500) + "\n",
		"many values":       "-- hosts.yml --\na: [" + strings.Repeat("1,", 1_100_000) + "1]\n",
		"large file":        "-- hosts --\n# " + strings.Repeat("x", 9<<20) + "\n",
		"self alias":        "-- hosts.yml --\na: &a {b: *a}\n",
		"variables":         "-- hosts --\n" + strings.Repeat("h[1:50000] a=1\n", 11),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loadText(t, text)
			var refused *Error
			if !errors.As(err, &refused) {
				t.Fatalf("err = %v, want a refusal", err)
			}
		})
	}
}

func TestLongChainOfGroups(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "[g%d:children]\ng%d\n[g%d:vars]\nx=%d\n", i, i+1, i, i)
	}
	inv := mustLoad(t, "-- hosts --\n"+b.String()+"[g5000]\nh[1:1000]\n")
	v, ok := inv.Host("h1000").Var("x")
	if !ok || v.String() != "4999" {
		t.Errorf("x = %v, %v", v, ok)
	}
	if _, err := Check(context.Background(), inv, CheckOptions{}); err != nil {
		t.Error(err)
	}
}

func TestLoadHonoursContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	fsys := fstest.MapFS{"hosts": {Data: []byte("a\n")}}
	if _, err := LoadFS(ctx, fsys, "hosts", "inv", Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("LoadFS: %v", err)
	}
	inv := mustLoad(t, healthy)
	if _, err := Check(ctx, inv, CheckOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Check: %v", err)
	}
	if _, err := LoadFacts(ctx, t.TempDir(), inv); !errors.Is(err, context.Canceled) {
		t.Errorf("LoadFacts: %v", err)
	}
}

func TestFolderErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"ini only", "-- f/inventory.ini --\na\n", "ansible ignores .ini files in a folder; name the file: inv/f/inventory.ini"},
		{"nothing", "-- f/group_vars/x.yml --\na: 1\n", "the folder holds no inventory"},
		{"broken only", "-- f/hosts --\n[a\n", "inv/f/hosts:1:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fstest.MapFS{}
			name, data, _ := strings.Cut(strings.TrimPrefix(tt.text, "-- "), " --\n")
			fsys[name] = &fstest.MapFile{Data: []byte(data), Mode: 0o644}
			_, err := LoadFS(context.Background(), fsys, "f", "inv", Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := Load(context.Background(), filepath.Join(t.TempDir(), "none"), Options{}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("missing path: %v", err)
	}
}

func TestBrokenFileOfAFolder(t *testing.T) {
	fsys := fstest.MapFS{"1": {Data: []byte("[kube_node]\na\n")}, "2": {Data: []byte("[a\n")}}
	inv, err := LoadFS(context.Background(), fsys, ".", "inv", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.Refused) != 1 || inv.Refused[0].Pos.String() != "inv/2:1" || inv.Host("a") == nil {
		t.Errorf("refused %v, hosts %v", inv.Refused, inv.Hosts())
	}
}

// TestScripts proves that a script is run only if ansible-inventory is named, and then read through it.
func TestScripts(t *testing.T) {
	dir := t.TempDir()
	script, marker := filepath.Join(dir, "inventory.sh"), filepath.Join(dir, "ran")
	body := `#!/bin/sh
touch ` + marker + `
echo '{"kube_control_plane": {"hosts": ["a"], "vars": {"x": 1}}, "kube_node": {"hosts": ["b"]}, "k8s_cluster": {"children": ["kube_control_plane", "kube_node"]}, "_meta": {"hostvars": {"a": {"ip": "10.0.0.1", "ansible_password": "hunter2"}}}}'
`
	if err := os.WriteFile(script, []byte(body), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Load(context.Background(), script, Options{})
	if !errors.Is(err, ErrNotStatic) {
		t.Errorf("without the program: %v", err)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Fatal("the script was run")
	}
	ansiblePython(t)
	program, err := exec.LookPath("ansible-inventory")
	if err != nil {
		t.Fatal(err)
	}
	inv, err := Load(context.Background(), script, Options{AnsibleInventory: program})
	if err != nil {
		t.Fatal(err)
	}
	a := inv.Host("a")
	if a == nil || !a.In("k8s_cluster") || a.Vars()["x"].String() != "1" || a.Vars()["ip"].String() != "10.0.0.1" || a.Vars()["ansible_password"].String() != Redacted {
		t.Errorf("host a: %v", a.Vars())
	}
	if got := len(inv.View("").Cluster()); got != 2 {
		t.Errorf("%d hosts in the cluster", got)
	}
}

func TestNotStatic(t *testing.T) {
	for name, file := range map[string]*fstest.MapFile{
		"aws.yml":    {Data: []byte("plugin: amazon.aws.aws_ec2\n")},
		"hosts.toml": {Data: []byte("[all.hosts.a]\nx = \"1\"\n[all.vars]\ny = [1, 2]\n")},
		"binary":     {Data: []byte("\x7fELF\x00"), Mode: 0o755},
	} {
		_, err := LoadFS(context.Background(), fstest.MapFS{name: file}, name, "inv", Options{})
		if !errors.Is(err, ErrNotStatic) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExecutableText(t *testing.T) {
	fsys := fstest.MapFS{"hosts": {Data: []byte("[g]\na\n"), Mode: 0o755}}
	inv, err := LoadFS(context.Background(), fsys, "hosts", "inv", Options{})
	if err != nil || inv.Host("a") == nil || len(inv.Diagnostics) != 1 {
		t.Errorf("%v, %v", inv, err)
	}
}

func TestFailingProgram(t *testing.T) {
	script := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho hunter2 >&2; exit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Load(context.Background(), script, Options{AnsibleInventory: script})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("err = %v", err)
	}
}

func TestBoundedBuffer(t *testing.T) {
	b := &boundedBuffer{limit: 10}
	if _, err := b.Write(bytes.Repeat([]byte("x"), 11)); err == nil {
		t.Error("accepted too much")
	}
}

func TestLoadFacts(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"cp1": `{"ansible_memtotal_mb": 1999, "ansible_x": [1]}`, "w1": "not json", "w2": `{}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	facts, err := LoadFacts(context.Background(), dir, mustLoad(t, healthy))
	if err != nil {
		t.Fatal(err)
	}
	if facts["cp1"].MemoryMB != 1999 || facts["w1"].MemoryMB != 0 || len(facts) != 2 {
		t.Errorf("facts: %v", facts)
	}
}

func TestDetectRelease(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "inventory", "mycluster")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		filepath.Join(root, "galaxy.yml"): "---\nnamespace: kubernetes_sigs\nname: kubespray\nversion: 2.31.0\nauthors:\n  - name: x\n    version: 1\n",
		filepath.Join(dir, "hosts"):       "[kube_control_plane]\na\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "hosts")} {
		inv, err := Load(context.Background(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if inv.KubesprayRelease != "v2.31.0" {
			t.Errorf("%s: release %q", path, inv.KubesprayRelease)
		}
		if d := Declare(inv, ""); d.KubeVersion.Value != "1.35.4" || d.KubeVersion.State != Default {
			t.Errorf("kube_version: %+v", d.KubeVersion)
		}
	}
}

func TestReleases(t *testing.T) {
	var last semver
	for _, r := range Releases() {
		v, err := parseVersion(r.Version)
		if err != nil || !last.less(v) {
			t.Errorf("%s is no release, or out of order", r.Version)
		}
		last = v
		if !r.Supports(r.Kubernetes) {
			t.Errorf("%s does not support its own default, %s", r.Version, r.Kubernetes)
		}
		oldest, newest := r.Range()
		if !r.Supports(oldest) || !r.Supports(newest) || r.Supports("0.0.1") || r.Supports("x") {
			t.Errorf("%s: range %s to %s", r.Version, oldest, newest)
		}
	}
	for version, want := range map[string]string{"2.31.0": "v2.31.0", "v2.29": "v2.29.1", "v2.12.10": "v2.12.10"} {
		if r, err := FindRelease(version); err != nil || r.Version != want {
			t.Errorf("FindRelease(%s) = %s, %v", version, r.Version, err)
		}
	}
	for _, version := range []string{"", "x", "v1.0.0", "v2.99.0", "2"} {
		if _, err := FindRelease(version); err == nil {
			t.Errorf("FindRelease(%q) found one", version)
		}
	}
}

// TestComponentTables holds the tables of this package and of pkg/components together.
func TestComponentTables(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range Addons() {
		if seen[a.ID] || a.Variable == "" || a.Title == "" {
			t.Errorf("add-on %q is there twice, or lacks its variable or title", a.ID)
		}
		seen[a.ID] = true
		checkLifetime(t, a.ID, a.lifetime)
	}
	installed := map[string]components.Addon{}
	for _, a := range components.Addons() {
		installed[a.ID] = a
		_, placed := placements()[a.ID]
		if byKubespray := len(a.Variables) > 0; byKubespray != placed {
			t.Errorf("add-on %s: installed by Kubespray %v, but placed %v", a.ID, byKubespray, placed)
		}
	}
	for id, p := range placements() {
		if v := installed[id].NamespaceVariable; v != "" && v != p.namespaceVariable {
			t.Errorf("add-on %s: namespace variable %s here, %s in components", id, p.namespaceVariable, v)
		}
	}
	plugins := map[string]NetworkPlugin{}
	for _, p := range NetworkPlugins() {
		if _, twice := plugins[p.Name]; twice {
			t.Errorf("plugin %s is there twice", p.Name)
		}
		plugins[p.Name] = p
		checkLifetime(t, p.Name, p.lifetime)
	}
	for _, p := range components.Plugins() {
		if p.RemovedIn != "" && mustVersion(plugins[p.Name].Gone) != mustVersion(p.RemovedIn) {
			t.Errorf("plugin %s went in %s here, in %s in components", p.Name, plugins[p.Name].Gone, p.RemovedIn)
		}
	}
}

func checkLifetime(t *testing.T, name string, l lifetime) {
	t.Helper()
	for _, v := range []string{l.Since, l.Gone} {
		if _, err := parseVersion(v); v != "" && err != nil {
			t.Errorf("%s: %q is no version", name, v)
		}
	}
	if l.Since != "" && l.Gone != "" && !mustVersion(l.Since).less(mustVersion(l.Gone)) {
		t.Errorf("%s went before it came", name)
	}
}

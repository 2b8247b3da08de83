package inventory

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// example is one inventory of testdata/corpus. The comment of its archive has lines "key: value":
// inventory (the path to load), refused (ansible refuses it) and config (kubespray: its ansible.cfg).
type example struct {
	name    string
	path    string
	refused bool
	config  string
	files   []txtar.File
}

func loadCorpus(t testing.TB) []example {
	t.Helper()
	archives, err := filepath.Glob(filepath.Join("testdata", "corpus", "*.txtar"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	var examples []example
	for _, file := range archives {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ex := example{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), files: archive.Files}
		for line := range strings.Lines(string(archive.Comment)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch key {
			case "inventory":
				ex.path = value
			case "refused":
				ex.refused = true
			case "config":
				ex.config = value
			}
		}
		examples = append(examples, ex)
	}
	return examples
}

// write puts the example's files into a folder and returns the path of the inventory.
func (ex example) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range ex.files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, ex.path)
}

func (ex example) options() Options {
	settings := AnsibleSettings()
	if ex.config == "kubespray" {
		settings = KubespraySettings()
	}
	return Options{Settings: &settings}
}

// kubesprayCfg has the lines of Kubespray's ansible.cfg that matter to inventories.
const kubesprayCfg = `[defaults]
force_valid_group_names = ignore
inventory_ignore_extensions = ~, .orig, .bak, .ini, .cfg, .retry, .pyc, .pyo, .creds, .gpg
[inventory]
ignore_patterns = artifacts, credentials
`

// strictCfg makes ansible refuse what it would skip with a warning.
const strictCfg = "[inventory]\nany_unparsed_is_failed = true\nunparsed_is_failed = true\n"

// TestCorpusAgainstAnsible loads each inventory of the corpus here and with ansible-inventory, and
// compares groups, hosts and variables; or, for those that ansible refuses, that both refuse.
func TestCorpusAgainstAnsible(t *testing.T) {
	usual, strict, kubespray := startOracle(t, ""), startOracle(t, strictCfg), startOracle(t, kubesprayCfg)
	for _, ex := range loadCorpus(t) {
		t.Run(ex.name, func(t *testing.T) {
			path := ex.write(t)
			inv, err := Load(context.Background(), path, ex.options())
			if ex.refused {
				if list := strict.list(t, path); list.Status == 0 {
					t.Errorf("ansible accepts it:\n%s", list.Out)
				}
				if err == nil && len(inv.Refused) == 0 {
					t.Error("we accept what ansible refuses")
				}
				return
			}
			if err != nil {
				t.Fatalf("we refuse it: %v", err)
			}
			o := usual
			if ex.config == "kubespray" {
				o = kubespray
			}
			o.compare(t, inv, path)
		})
	}
}

type listing struct {
	Status int    `json:"status"`
	Out    string `json:"out"`
	Err    string `json:"err"`
}

func (o *oracle) list(t testing.TB, path string, flags ...string) listing {
	t.Helper()
	args := append([]string{"-i", path, "--list"}, flags...)
	answer, failure := o.ask("list", args)
	if failure != "" {
		t.Fatalf("ask ansible for %s: %s", path, failure)
	}
	var l listing
	if err := json.Unmarshal(answer, &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// compare asks ansible for the inventory twice, with variables merged per host and with variables
// where they were set, and compares both with inv.
func (o *oracle) compare(t testing.TB, inv *Inventory, path string) {
	t.Helper()
	for _, flags := range [][]string{nil, {"--export"}} {
		theirs := o.list(t, path, flags...)
		if theirs.Status != 0 {
			t.Errorf("ansible refuses what we accept: status %d\n%s", theirs.Status, theirs.Err)
			return
		}
		if diff := cmp.Diff(decode(t, []byte(theirs.Out)), listOf(inv, len(flags) > 0)); diff != "" {
			t.Errorf("ansible-inventory --list %v: (-ansible +ours)\n%s", flags, diff)
		}
	}
}

// listOf builds what `ansible-inventory --list` prints (cli/inventory.py, json_inventory).
func listOf(inv *Inventory, export bool) any {
	out := map[string]any{}
	seen := map[string]bool{}
	listGroup(out, seen, inv.Group("all"), export)
	hostvars := map[string]any{}
	for _, h := range inv.Group("all").Hosts() {
		vars := h.Vars()
		if export {
			vars = h.OwnVars()
		}
		if m := publicVars(vars); len(m) > 0 {
			hostvars[h.Name] = m
		}
	}
	out["_meta"] = map[string]any{"hostvars": hostvars}
	return out
}

func listGroup(out map[string]any, seen map[string]bool, g *Group, export bool) {
	entry := map[string]any{}
	var hosts, children []any
	for _, h := range g.hosts {
		hosts = append(hosts, h.Name)
	}
	for _, c := range g.Children() {
		children = append(children, c.Name)
		if !seen[c.Name] {
			listGroup(out, seen, c, export)
			seen[c.Name] = true
		}
	}
	if len(hosts) > 0 && g.Name != "all" {
		entry["hosts"] = hosts
	}
	if len(children) > 0 {
		entry["children"] = children
	}
	if export {
		vars := publicVars(g.Vars())
		if p := bigValue(g.priority); !p.Equal(intValue(1)) {
			vars["ansible_group_priority"] = plain(p)
		}
		if len(vars) > 0 {
			entry["vars"] = vars
		}
	}
	if len(entry) > 0 {
		out[g.Name] = entry
	}
}

// publicVars leaves out the names that ansible owns (cli/inventory.py, INTERNAL_VARS).
func publicVars(vars map[string]Variable) map[string]any {
	internal := []string{
		"ansible_diff_mode", "ansible_config_file", "ansible_facts", "ansible_forks", "ansible_inventory_sources", "ansible_limit",
		"ansible_playbook_python", "ansible_run_tags", "ansible_skip_tags", "ansible_verbosity", "ansible_version", "inventory_dir",
		"inventory_file", "inventory_hostname", "inventory_hostname_short", "groups", "group_names", "omit", "playbook_dir",
	}
	out := map[string]any{}
	for name, v := range vars {
		if !slices.Contains(internal, name) {
			out[name] = plain(v.Value)
		}
	}
	return out
}

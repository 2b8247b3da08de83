package inventory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestGeneratedAgainstAnsible compares random inventories, INI and YAML, single files and folders, with
// ansible. INVENTORY_GENERATED sets how many, INVENTORY_SEED where to begin.
func TestGeneratedAgainstAnsible(t *testing.T) {
	count, seed := envInt("INVENTORY_GENERATED", 30), envInt("INVENTORY_SEED", 1)
	o := startOracle(t, "")
	settings := AnsibleSettings()
	for i := range count {
		t.Run(strconv.Itoa(seed+i), func(t *testing.T) {
			g := &generator{rng: rand.New(rand.NewPCG(uint64(seed+i), 7))}
			dir := t.TempDir()
			path := g.write(t, dir)
			inv, err := Load(context.Background(), path, Options{Settings: &settings})
			if err != nil {
				if list := o.list(t, path); list.Status == 0 && !strings.Contains(list.Err, "Unable to parse") {
					t.Errorf("we refuse what ansible accepts: %v\n%s", err, list.Out)
				}
			} else {
				o.compare(t, inv, path)
			}
			if t.Failed() {
				g.dump(t, dir)
			}
		})
	}
}

func envInt(name string, fallback int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return fallback
}

type generator struct{ rng *rand.Rand }

func (g *generator) pick(options ...string) string { return options[g.rng.IntN(len(options))] }

func (g *generator) group() string {
	return g.pick("all", "ungrouped", "kube_control_plane", "kube-node", "kube_node", "etcd", "k8s_cluster", "k8s-cluster", "zone.a", "gö")
}

func (g *generator) host() string {
	return g.pick("n1", "n2", "n[1:3]", "n[01:03]", "n[1:9:4]", "h[a:c]", "n1.example.com", "10.0.0.[1:2]", "n3:22", "[::1]:2022", "x-[a:b][1:2]")
}

func (g *generator) name() string {
	return g.pick("ip", "ansible_host", "x", "y", "kube_version", "labels", "ansible_user")
}

func (g *generator) iniText() string {
	return g.pick("1", "true", "True", "v1.2.3", "'q s'", `"d q"`, "[1,2]", "{'a':1}", "1.50", "010", "None", "a=b", "{{ y }}", "ü", "0x10", "-3", "(1,)", "")
}

func (g *generator) shellText() string {
	return g.pick("1", "true", "True", "v1.2.3", "'q s'", `"d q"`, `"['a', 1]"`, `'{"a": 1}'`, "1.50", "010", "a\\ b", "a=b", `"{{ y }}"`, "ü", `"'1'"`)
}

func (g *generator) yamlText() string {
	return g.pick("1", "yes", "True", "v1.2.3", "'q s'", `"d q"`, "[1, no]", "{a: 1}", "1.50", "010", "~", "1:30", `"{{ y }}"`, "ü", "2020-01-02", "1e3", "!unsafe x")
}

func (g *generator) write(t *testing.T, dir string) string {
	t.Helper()
	files := map[string]string{}
	path := ""
	switch g.rng.IntN(4) {
	case 0, 1:
		path = g.pick("hosts", "inventory.ini")
		files[path] = g.ini()
	case 2:
		path = g.pick("hosts.yml", "hosts")
		files[path] = g.yaml()
	default:
		files["1"], files["2.yml"] = g.ini(), g.yaml()
	}
	for range g.rng.IntN(5) {
		folder, entity := "group_vars", g.group()
		if g.rng.IntN(3) == 0 {
			folder, entity = "host_vars", g.pick("n1", "n2", "ha")
		}
		name := folder + "/" + entity + g.pick("", ".yml", ".yaml", "/a.yml", "/sub/b", "/c.json")
		files[name] = fmt.Sprintf("%s: %s\n%s: %s\n", g.name(), g.yamlText(), g.name(), g.yamlText())
		if strings.HasSuffix(name, ".json") {
			files[name] = fmt.Sprintf("{%q: [1, 2.0, null]}", g.name())
		}
	}
	for name, text := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if os.MkdirAll(filepath.Dir(full), 0o755) != nil {
			continue // a file is where a folder should be
		}
		if info, err := os.Stat(full); err == nil && info.IsDir() {
			continue
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, path)
}

func (g *generator) ini() string {
	var b strings.Builder
	for range g.rng.IntN(3) {
		fmt.Fprintf(&b, "%s %s=%s\n", g.host(), g.name(), g.shellText())
	}
	for range 1 + g.rng.IntN(8) {
		name := g.group()
		switch g.rng.IntN(4) {
		case 0:
			fmt.Fprintf(&b, "[%s:vars]\n", name)
			for range g.rng.IntN(3) {
				fmt.Fprintf(&b, "%s%s%s\n", g.name(), g.pick("=", " = "), g.iniText())
			}
			if g.rng.IntN(4) == 0 {
				fmt.Fprintf(&b, "ansible_group_priority=%d\n", g.rng.IntN(5))
			}
		case 1:
			fmt.Fprintf(&b, "[%s:children]\n%s\n", name, g.group())
		default:
			fmt.Fprintf(&b, "[%s]%s\n", name, g.pick("", " # c"))
			for range g.rng.IntN(4) {
				fmt.Fprintf(&b, "%s %s=%s%s\n", g.host(), g.name(), g.shellText(), g.pick("", " # c"))
			}
		}
	}
	return b.String()
}

func (g *generator) yaml() string {
	var b strings.Builder
	for range 1 + g.rng.IntN(3) {
		g.yamlGroup(&b, g.group(), "", 2)
	}
	return b.String()
}

func (g *generator) yamlGroup(b *strings.Builder, name, indent string, depth int) {
	fmt.Fprintf(b, "%s%s:\n", indent, name)
	if g.rng.IntN(2) == 0 {
		fmt.Fprintf(b, "%s  hosts:\n", indent)
		for range 1 + g.rng.IntN(2) {
			fmt.Fprintf(b, "%s    %q: {%s: %s}\n", indent, g.host(), g.name(), g.yamlText())
		}
	}
	if g.rng.IntN(2) == 0 {
		fmt.Fprintf(b, "%s  vars:\n%s    %s: %s\n", indent, indent, g.name(), g.yamlText())
	}
	if depth > 0 && g.rng.IntN(2) == 0 {
		fmt.Fprintf(b, "%s  children:\n", indent)
		g.yamlGroup(b, g.group(), indent+"    ", depth-1)
	}
}

func (g *generator) dump(t *testing.T, dir string) {
	_ = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			data, _ := os.ReadFile(path)
			t.Logf("-- %s --\n%s", path, data)
		}
		return nil
	})
}

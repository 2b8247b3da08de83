package actions

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// forEachAction runs a test on every action of the registry.
func forEachAction(t *testing.T, test func(t *testing.T, a Action)) {
	t.Helper()
	for _, a := range All() {
		t.Run(strings.ReplaceAll(a.Words, " ", "-"), func(t *testing.T) {
			t.Parallel()
			test(t, a)
		})
	}
}

func TestRegistryDeclarations(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, a := range All() {
		if seen[a.Words] {
			t.Errorf("%q is listed twice", a.Words)
		}
		seen[a.Words] = true
	}
	forEachAction(t, func(t *testing.T, a Action) {
		if a.Words != strings.ToLower(strings.Join(a.Path(), " ")) || len(a.Path()) < 1 || len(a.Path()) > 2 {
			t.Errorf("words %q", a.Words)
		}
		if a.Short == "" || len(a.Short) > 80 || strings.HasSuffix(a.Short, ".") || !unicode.IsUpper(rune(a.Short[0])) {
			t.Errorf("Short is one sentence without its period: %q", a.Short)
		}
		if len(a.Long) < len(a.Short) || !strings.HasSuffix(a.Long, ".") {
			t.Errorf("Long says no more than Short: %q", a.Long)
		}
		if !slices.Contains(Groups(), a.Group) {
			t.Errorf("group %q is not on the help page", a.Group)
		}
		if len(a.Examples) == 0 {
			t.Error("no example")
		}
		if o := a.New(); reflect.TypeOf(o).Elem().Size() > 0 && o == a.New() {
			t.Error("New returns the same options twice")
		}
	})
}

// TestRegistryExamples checks that each example is a command line that the verb takes.
func TestRegistryExamples(t *testing.T) {
	t.Parallel()
	forEachAction(t, func(t *testing.T, a Action) {
		for _, example := range a.Examples {
			if example.Comment == "" || strings.HasSuffix(example.Comment, ".") {
				t.Errorf("%s: comment %q", example.Line, example.Comment)
			}
			words := withoutCommonFlags(splitQuoted(example.Line))
			found, rest, ok := Find(All(), words)
			if !ok || found.Words != a.Words {
				t.Errorf("%s: this is the verb %q", example.Line, found.Words)
				continue
			}
			if _, err := parse(append([]string{a.Words}, rest...)...); err != nil {
				t.Errorf("%s: %s", example.Line, explained(err))
			}
		}
	})
}

// splitQuoted splits a line as a shell does, as far as examples need it: single quotes.
func splitQuoted(line string) []string {
	quoted := false
	return strings.FieldsFunc(strings.Map(func(r rune) rune {
		if r == '\'' {
			quoted = !quoted
			return '\''
		}
		if quoted && r == ' ' {
			return '\u00a0'
		}
		return r
	}, line), func(r rune) bool { return r == ' ' || r == '\'' })
}

// withoutCommonFlags drops -n and -o with their values, which the front ends bind, not the verbs.
func withoutCommonFlags(words []string) []string {
	var kept []string
	for i := 0; i < len(words); i++ {
		if words[i] == "-n" || words[i] == "-o" {
			i++
			continue
		}
		kept = append(kept, strings.ReplaceAll(words[i], "\u00a0", " "))
	}
	return kept
}

// TestRegistryFlags checks that no verb takes a flag that belongs to the front ends, or that would let
// somebody in a channel choose a cluster or a person.
func TestRegistryFlags(t *testing.T) {
	t.Parallel()
	reserved := []string{
		"namespace", "output", "no-headers", "template", "help", "version", "v",
		"context", "cluster", "user", "as", "as-group", "as-uid", "kubeconfig", "server", "token", "request-timeout", "cache-dir",
		"insecure-skip-tls-verify", "certificate-authority", "client-certificate", "client-key", "tls-server-name", "disable-compression",
	}
	forEachAction(t, func(t *testing.T, a Action) {
		flagsOf(a.New()).VisitAll(func(f *pflag.Flag) {
			if slices.Contains(reserved, f.Name) || strings.Contains("nohvs", f.Shorthand) && f.Shorthand != "" {
				t.Errorf("--%s (-%s) belongs to the front ends", f.Name, f.Shorthand)
			}
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("--%s: usage %q", f.Name, f.Usage)
			}
		})
	})
}

func TestRegistryEffects(t *testing.T) {
	t.Parallel()
	forEachAction(t, func(t *testing.T, a Action) {
		options := a.New()
		flag := flagsOf(options).Lookup("dry-run")
		runner, ok := options.(DryRunner)
		if a.Effect == Reads {
			return
		}
		if !ok || flag == nil {
			t.Fatalf("%s, but has no --dry-run: it cannot be previewed", a.Effect)
		}
		if got := runner.DryRunStrategy(); got != DryRunNone {
			t.Errorf("the default is a dry run: %s", got)
		}
		runner.SetDryRun(DryRunServer)
		if got := a.EffectOf(options); a.Effect == Writes && got != Reads {
			t.Errorf("a dry run %s", got)
		}
	})
}

// resultLines are a line for each verb whose result the test cluster can give without much ado.
func resultLines() map[string]string {
	return map[string]string{
		"create":           "create -f m.yml --dry-run=client",
		"create pod":       "create pod other --image " + nginx + " --dry-run=server",
		"create service":   "create service other --port 80 --selector app=nt --dry-run=server",
		"create namespace": "create namespace other --dry-run=server",
		"delete":           "delete pod p --dry-run=server",
		"describe":         "describe",
		"describe node":    "describe node k8s01",
		"describe pod":     "describe pod p",
		"describe service": "describe service s",
		"exercise clean":   "exercise clean service --dry-run=client",
		"exercise list":    "exercise list",
		"exercise run":     "exercise run service --dry-run=client",
		"exercise show":    "exercise show service",
		"get":              "get pods",
		"inventory check":  "inventory check inventory.ini",
		"inventory show":   "inventory show inventory.ini",
		"label nodes":      "label nodes --list",
		"logs":             "logs p",
		"status":           "status",
		"token":            "token --create --dry-run=server",
		"traffic":          "traffic s --dry-run=client",
		"version":          "version",
	}
}

// TestRegistryResults checks that each verb's result prints as a document, as JSON and as YAML. (That
// documents render is internal/render's test.)
func TestRegistryResults(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("m.yml", podManifest)
	inventory := filepath.Join(t.TempDir(), "inventory.ini")
	if err := os.WriteFile(inventory, []byte("[kube_control_plane]\nk8s01\n[etcd]\nk8s01\n[kube_node]\nk8s02\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.must(t, "create pod p --labels app=nt --port 80 --wait --image "+nginx)
	l.must(t, "create service s --port 80 --selector app=nt")
	for _, a := range All() {
		t.Run(strings.ReplaceAll(a.Words, " ", "-"), func(t *testing.T) {
			line, ok := resultLines()[a.Words]
			if !ok {
				t.Fatalf("no line for %q in resultLines", a.Words)
			}
			result, err := l.run(t.Context(), strings.ReplaceAll(line, "inventory.ini", inventory))
			if result == nil {
				t.Fatalf("%s: %s", line, explained(err))
			}
			checkDocument(t, result.Document())
			checkEncodings(t, result)
			checkChanges(t, result)
		})
	}
}

func checkDocument(t *testing.T, doc *document.Document) {
	t.Helper()
	if doc == nil || doc.Title == "" && len(doc.Blocks) == 0 {
		t.Error("the document is empty")
		return
	}
	for _, block := range doc.Blocks {
		table, ok := block.(document.Table)
		if !ok {
			continue
		}
		for _, row := range table.Rows {
			if len(row) != len(table.Columns) {
				t.Errorf("a row has %d cells in %d columns: %v", len(row), len(table.Columns), row)
			}
		}
	}
}

// checkEncodings checks the result's JSON and YAML, and that they agree.
func checkEncodings(t *testing.T, result Result) {
	t.Helper()
	asJSON, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	var header Header
	if err := json.Unmarshal(asJSON, &header); err != nil || header.APIVersion != APIVersion || !strings.HasSuffix(header.Kind, "Result") {
		t.Errorf("header %+v, %v", header, err)
	}
	asYAML, err := yaml.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	again, err := yaml.YAMLToJSON(asYAML)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(asJSON, &a) != nil || json.Unmarshal(again, &b) != nil {
		t.Fatal("JSON cannot be read back")
	}
	left, _ := json.Marshal(a)
	right, _ := json.Marshal(b)
	if string(left) != string(right) {
		t.Errorf("JSON and YAML differ:\n%s\n%s", left, right)
	}
	if objects, ok := result.(Objects); ok && objects.Objects() == nil {
		t.Error("the objects are nil")
	}
}

func checkChanges(t *testing.T, result Result) {
	t.Helper()
	changer, ok := result.(Changer)
	if !ok {
		return
	}
	for _, c := range changer.Changes() {
		if c.Object.Kind == "" || c.Object.Name == "" || c.Outcome == "" && c.Err == nil {
			if _, listing := result.(*LabelNodesResult); !listing {
				t.Errorf("a change without object or outcome: %+v", c)
			}
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][2]string{
		"create pod x":        {"create pod", "x"},
		"create -f x":         {"create", "-f x"},
		"CREATE Pod x":        {"create pod", "x"},
		"label nodes k8s01 a": {"label nodes", "k8s01 a"},
		"label":               {"", ""},
		"":                    {"", ""},
		"podcast":             {"", ""},
	} {
		action, rest, ok := Find(All(), strings.Fields(line))
		if action.Words != want[0] || strings.Join(rest, " ") != want[1] || ok != (want[0] != "") {
			t.Errorf("%q: %q, %q, %t", line, action.Words, rest, ok)
		}
	}
}

func TestFamilies(t *testing.T) {
	t.Parallel()
	want := map[string]bool{}
	for _, a := range All() {
		if path := a.Path(); len(path) > 1 {
			want[path[0]] = true
		}
	}
	for word := range want {
		if Families()[word] == "" {
			t.Errorf("the verbs that begin with %q have no text in common", word)
		}
	}
	for word := range Families() {
		if !want[word] {
			t.Errorf("no verb of several words begins with %q", word)
		}
	}
}

package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseNodes(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
		err  string
	}{
		"names":          {text: "k8s01,k8s02", want: []string{"k8s01", "k8s02"}},
		"spaces":         {text: " a , b ", want: []string{"a", "b"}},
		"number":         {text: "3", want: []string{"k8s01", "k8s02", "k8s03"}},
		"none":           {text: "0", want: []string{}},
		"empty":          {text: "", want: nil},
		"twice":          {text: "a,b,a", err: `"a" is given twice`},
		"bad name":       {text: "a,B_", err: `node name "B_"`},
		"no name":        {text: "a,,b", err: `node name ""`},
		"long name":      {text: strings.Repeat("x", 64), err: "63"},
		"negative":       {text: "-1", err: "-1 nodes"},
		"too many":       {text: "5001", err: "0 to 5000"},
		"number in list": {text: "3,4", want: []string{"3", "4"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseNodes(test.text)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("got %v, want an error with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestManyNodesHaveTheirOwnNames(t *testing.T) {
	names, err := parseNodes("200")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != 200 || names[98] != "k8s99" || names[99] != "k8s100" || names[199] != "k8s200" {
		t.Errorf("got %d names, %v", len(names), names)
	}
}

func FuzzParseNodes(f *testing.F) {
	for _, text := range []string{"k8s01,k8s02", "200", "", ",", "-3", "a.b,c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		names, err := parseNodes(text)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, name := range names {
			if name == "" || seen[name] {
				t.Errorf("%q: name %q is empty or there twice", text, name)
			}
			seen[name] = true
		}
	})
}

// Everything that is refused before anything is done.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign")
	if err := os.WriteFile(foreign, []byte("contexts: [{name: lab, context: {cluster: a, user: b}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	used := filepath.Join(dir, "used")
	if err := os.MkdirAll(filepath.Join(used, "thesis"), 0o700); err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(dir, "fresh")
	kubeconfig := filepath.Join(dir, "kubeconfig")
	tests := map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown command":  {[]string{"upp"}, ExitUsage, `"upp"`},
		"unknown flag":     {[]string{"up", "--node"}, ExitUsage, "--node"},
		"extra argument":   {[]string{"up", "now"}, ExitUsage, `"now"`},
		"bad name":         {[]string{"up", "--name", "My Lab"}, ExitUsage, `--name "My Lab"`},
		"bad nodes":        {[]string{"up", "--nodes", "K8S"}, ExitUsage, `"K8S"`},
		"too many nodes":   {[]string{"up", "--nodes", "9999"}, ExitUsage, "--nodes"},
		"bad timeout":      {[]string{"up", "--timeout", "-1s"}, ExitUsage, "--timeout"},
		"bad owner":        {[]string{"up", "--owner-pid", "1073741824"}, ExitUsage, "--owner-pid"},
		"bad output":       {[]string{"status", "-o", "yaml"}, ExitUsage, `"yaml"`},
		"no component":     {[]string{"logs"}, ExitUsage, "one component"},
		"foreign context":  {[]string{"up", "--data-dir", fresh, "--kubeconfig", foreign}, ExitFailed, "--name"},
		"folder in use":    {[]string{"up", "--data-dir", used, "--kubeconfig", kubeconfig}, ExitFailed, "thesis"},
		"folder is a file": {[]string{"up", "--data-dir", foreign, "--kubeconfig", kubeconfig}, ExitFailed, "--data-dir"},
		"below a file":     {[]string{"up", "--data-dir", filepath.Join(foreign, "x"), "--kubeconfig", kubeconfig}, ExitFailed, "--data-dir"},
		"bad kubeconfig":   {[]string{"up", "--data-dir", fresh, "--kubeconfig", filepath.Join(foreign, "x")}, ExitFailed, "--kubeconfig"},
		"status of none":   {[]string{"status", "--data-dir", fresh}, ExitFailed, "labcluster up"},
		"logs of none":     {[]string{"logs", "etcd", "--data-dir", fresh}, ExitFailed, "labcluster up"},
		"kill in none":     {[]string{"component", "kill", "etcd", "--data-dir", fresh}, ExitFailed, "labcluster up"},
		"config of none":   {[]string{"kubeconfig", "--data-dir", fresh}, ExitFailed, "labcluster up"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			code := Run(t.Context(), test.args, Streams{Out: &out, Err: &errOut})
			if code != test.code || !strings.Contains(errOut.String(), test.want) {
				t.Errorf("got exit code %d and %q, want %d and a message with %q", code, errOut.String(), test.code, test.want)
			}
			if out.Len() > 0 {
				t.Errorf("unexpected output: %s", out.String())
			}
		})
	}
	for _, path := range []string{fresh, kubeconfig, filepath.Join(used, "command.lock")} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s was made", path)
		}
	}
}

func TestDownOfNone(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	if code := Run(t.Context(), []string{"down", "--data-dir", dir}, Streams{Out: &out, Err: &out}); code != ExitOK {
		t.Errorf("exit code %d: %s", code, out.String())
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	args := []string{"up", "--data-dir", filepath.Join(t.TempDir(), "d"), "--kubeconfig", filepath.Join(t.TempDir(), "k")}
	if code := Run(ctx, args, Streams{Out: &out, Err: &out}); code != ExitInterrupted {
		t.Errorf("exit code %d: %s", code, out.String())
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"up", "--help"}, {"component"}, {"help", "status"}} {
		var out bytes.Buffer
		if code := Run(t.Context(), args, Streams{Out: &out, Err: &out}); code != ExitOK {
			t.Errorf("%v: exit code %d", args, code)
		}
		if !strings.Contains(out.String(), "Usage:") {
			t.Errorf("%v: no usage in %s", args, out.String())
		}
	}
}

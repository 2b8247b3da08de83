package kubecontext_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/kubecontext"
)

const (
	owner = "/var/lib/lab"

	foreign = `apiVersion: v1
kind: Config
current-context: work
clusters:
- name: work
  cluster: {server: "https://work.example:6443"}
users:
- name: me
  user: {token: t}
contexts:
- name: work
  context: {cluster: work, user: me, namespace: team}
`
)

func lab(server string) *clientcmdapi.Config {
	config := clientcmdapi.NewConfig()
	config.Clusters["lab"] = &clientcmdapi.Cluster{Server: server}
	config.AuthInfos["lab"] = &clientcmdapi.AuthInfo{Token: "x"}
	config.Contexts["lab"] = &clientcmdapi.Context{Cluster: "lab", AuthInfo: "lab"}
	return config
}

func write(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if content == "" {
		return file
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func load(t *testing.T, file string) *clientcmdapi.Config {
	t.Helper()
	config, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func merge(t *testing.T, kube *kubecontext.File, server string) {
	t.Helper()
	if err := kube.Check("lab"); err != nil {
		t.Fatal(err)
	}
	if err := kube.Merge(lab(server), "lab"); err != nil {
		t.Fatal(err)
	}
}

func TestMergeAndRemove(t *testing.T) {
	file := write(t, foreign)
	before := load(t, file)
	kube := kubecontext.Open([]string{file}, owner)

	previous, err := kube.Current()
	if err != nil {
		t.Fatal(err)
	}
	merge(t, kube, "https://127.0.0.1:1")
	merge(t, kube, "https://127.0.0.1:2") // the cluster was started again elsewhere
	merged := load(t, file)
	if merged.CurrentContext != "lab" || merged.Clusters["lab"].Server != "https://127.0.0.1:2" {
		t.Errorf("merged: current %q, server %q", merged.CurrentContext, merged.Clusters["lab"].Server)
	}
	if diff := cmp.Diff(before.Contexts["work"], merged.Contexts["work"]); diff != "" {
		t.Errorf("the other context changed: %s", diff)
	}
	if err := kube.Remove("lab", previous); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, load(t, file)); diff != "" {
		t.Errorf("not as it was before: %s", diff)
	}
}

func TestKeepsNamespace(t *testing.T) {
	file := write(t, "")
	kube := kubecontext.Open([]string{file}, owner)
	merge(t, kube, "https://127.0.0.1:1")
	config := load(t, file)
	config.Contexts["lab"].Namespace = "mine"
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	merge(t, kube, "https://127.0.0.1:2")
	if got := load(t, file).Contexts["lab"].Namespace; got != "mine" {
		t.Errorf("the namespace is %q now", got)
	}
}

func TestForeignEntries(t *testing.T) {
	tests := map[string]string{
		"context": "contexts: [{name: lab, context: {cluster: a, user: b}}]",
		"cluster": `clusters: [{name: lab, cluster: {server: "https://elsewhere:6443"}}]`,
		"user":    "users: [{name: lab, user: {token: t}}]",
	}
	for kind, entries := range tests {
		t.Run(kind, func(t *testing.T) {
			file := write(t, "apiVersion: v1\nkind: Config\n"+entries+"\n")
			before := load(t, file)
			kube := kubecontext.Open([]string{file}, owner)

			var foreign *kubecontext.ForeignError
			if err := kube.Check("lab"); !errors.As(err, &foreign) {
				t.Fatalf("got %v, want a ForeignError", err)
			}
			if foreign.Kind != kind || foreign.File != file {
				t.Errorf("the error is about the %s in %s", foreign.Kind, foreign.File)
			}
			if err := kube.Merge(lab("https://127.0.0.1:1"), "lab"); err == nil {
				t.Error("a foreign entry is overwritten")
			}
			if err := kube.Remove("lab", ""); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(before, load(t, file)); diff != "" {
				t.Errorf("changed: %s", diff)
			}
		})
	}
}

func TestOtherClusterOfThatName(t *testing.T) {
	file := write(t, "")
	merge(t, kubecontext.Open([]string{file}, "/somewhere/else"), "https://127.0.0.1:1")
	var foreign *kubecontext.ForeignError
	if err := kubecontext.Open([]string{file}, owner).Check("lab"); !errors.As(err, &foreign) {
		t.Errorf("got %v, want a ForeignError: another labcluster has that name", err)
	}
}

func TestRemoveKeepsLaterChoice(t *testing.T) {
	file := write(t, foreign)
	kube := kubecontext.Open([]string{file}, owner)
	merge(t, kube, "https://127.0.0.1:1")
	config := load(t, file)
	config.CurrentContext = "work" // kubectl config use-context work
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	if err := kube.Remove("lab", "gone"); err != nil {
		t.Fatal(err)
	}
	if got := load(t, file).CurrentContext; got != "work" {
		t.Errorf("the current context is %q now", got)
	}
}

func TestRemoveWithoutPrevious(t *testing.T) {
	file := write(t, foreign)
	kube := kubecontext.Open([]string{file}, owner)
	merge(t, kube, "https://127.0.0.1:1")
	if err := kube.Remove("lab", "deleted meanwhile"); err != nil {
		t.Fatal(err)
	}
	if got := load(t, file).CurrentContext; got != "" {
		t.Errorf("the current context is %q now", got)
	}
}

func TestSeveralFiles(t *testing.T) {
	first, second, missing := write(t, foreign), write(t, "apiVersion: v1\nkind: Config\n"), write(t, "")
	files := []string{missing, first, second}
	kube := kubecontext.Open(files, owner)
	if got := kube.Path(); got != first {
		t.Errorf("new entries go to %s, want the first file that exists", got)
	}
	before, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	merge(t, kube, "https://127.0.0.1:1")
	if _, ok := load(t, first).Contexts["lab"]; !ok {
		t.Error("the context is not in the first file that exists")
	}
	if err := kube.Remove("lab", "work"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("the missing file was made")
	}
	after, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("the other file changed: %s", diff)
	}
}

func TestResolve(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	tests := map[string]struct {
		explicit, env string
		want          []string
	}{
		"explicit":     {"/a", "/b:/c", []string{"/a"}},
		"environment":  {"", "/b::/c:/b", []string{"/b", "/c"}},
		"only colons":  {"", "::", []string{"/home/me/.kube/config"}},
		"nothing":      {"", "", []string{"/home/me/.kube/config"}},
		"not absolute": {"/a/../b", "", []string{"/b"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := kubecontext.Resolve(test.explicit, test.env)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnusableFiles(t *testing.T) {
	notDir := write(t, foreign)
	tests := map[string]string{
		"below a file": filepath.Join(notDir, "config"),
		"a folder":     t.TempDir(),
		"not YAML":     write(t, "{"),
	}
	for name, file := range tests {
		t.Run(name, func(t *testing.T) {
			if err := kubecontext.Open([]string{file}, owner).Check("lab"); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestRemoveIfEmpty(t *testing.T) {
	empty, full := write(t, "apiVersion: v1\nkind: Config\n"), write(t, foreign)
	for _, file := range []string{empty, full, filepath.Join(t.TempDir(), "none")} {
		if err := kubecontext.RemoveIfEmpty(file); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(empty); err == nil {
		t.Error("the empty file is still there")
	}
	if _, err := os.Stat(full); err != nil {
		t.Error("the file with entries is gone")
	}
}

//go:build e2e

package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/kubectl-lab/kubectl-lab/internal/cli"
	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
)

// TestKrew installs the release archives with real krew from an index of its own, runs the plugin
// through real kubectl, and uninstalls it.
func TestKrew(t *testing.T) {
	dist := filepath.Join(root(t), "bin", "dist")
	server := httptest.NewServer(http.FileServer(http.Dir(dist)))
	defer server.Close()
	index, manifest := makeIndex(t, dist, server.URL)

	krewRoot := t.TempDir()
	krew := tool(t, "krew")
	sh := newShell(t, filepath.Join(krewRoot, "bin"), kubectlWithKrew(t, krew))
	sh.set("KREW_ROOT", krewRoot)
	sh.set("KREW_DEFAULT_INDEX_URI", index)
	sh.set("KREW_NO_UPGRADE_CHECK", "1")

	// It installs every platform's archive, and wants LICENSE in each.
	sh.must(tool(t, "validate-krew-manifest"), "-manifest", manifest)

	sh.must(krew, "index", "add", "own", index)
	sh.must(krew, "install", "own/"+cli.Plugin)
	contains(t, sh.must(krew, "list"), cli.Plugin)
	store := filepath.Join(krewRoot, "store", cli.Plugin, "v0.1.0")
	for _, name := range []string{"LICENSE", "kubectl_complete-" + cli.Plugin} {
		if _, err := os.Stat(filepath.Join(store, name)); err != nil {
			t.Errorf("the archive lacks it: %v", err)
		}
	}

	cluster := testcluster.New(t, testcluster.Options{})
	sh.set("KUBECONFIG", cluster.Kubeconfig)
	contains(t, sh.must("kubectl", cli.Plugin, "version"), "Client Version:  v0.1.0")
	contains(t, sh.must("kubectl", cli.Plugin, "describe"), "3, 3 ready")
	checkCompletion(t, sh, store)
	checkExitCode(t, sh)

	sh.must(krew, "uninstall", cli.Plugin)
	if out, err := sh.run("kubectl", cli.Plugin, "version"); err == nil {
		t.Errorf("the plugin still runs after its uninstallation:\n%s", out)
	}
}

// kubectlWithKrew returns a folder that has kubectl, in which it finds krew as "kubectl krew", and
// nothing else: bin/ has the plugin itself.
func kubectlWithKrew(t *testing.T, krew string) string {
	t.Helper()
	dir := t.TempDir()
	for name, program := range map[string]string{"kubectl": tool(t, "kubectl"), "kubectl-krew": krew} {
		if err := os.Symlink(program, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// makeIndex makes a krew index whose archives a local server hands out, and returns its folder and
// the manifest in it.
func makeIndex(t *testing.T, dist, url string) (index, manifest string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dist, "plugins.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	uri := regexp.MustCompile(`https://\S*/releases/download/v[^/]*/`)
	if n := len(uri.FindAllIndex(data, -1)); n != 6 {
		t.Fatalf("the manifest names %d archives, want 6", n)
	}
	index = t.TempDir()
	manifest = filepath.Join(index, "plugins", cli.Plugin+".yaml")
	if err := os.MkdirAll(filepath.Dir(manifest), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(manifest, uri.ReplaceAll(data, []byte(url+"/")), 0o644); err != nil {
		t.Fatal(err)
	}
	sh := newShell(t)
	sh.must("git", "-C", index, "init", "--quiet")
	sh.must("git", "-C", index, "add", ".")
	sh.must("git", "-C", index, "commit", "--quiet", "-m", "index")
	return index, manifest
}

// checkCompletion asks real kubectl to complete the plugin's words, through the shim.
func checkCompletion(t *testing.T, sh *shell, store string) {
	t.Helper()
	withShim := *sh
	withShim.env = append(append([]string{}, sh.env...), "PATH="+store+string(os.PathListSeparator)+pathOf(sh))
	contains(t, withShim.must("kubectl", "__complete", cli.Plugin, "label", "no"), "nodes")
	contains(t, withShim.must("kubectl", "__complete", cli.Plugin, "label", "nodes", "k8s0"), "k8s02")
}

func pathOf(sh *shell) string {
	path := ""
	for _, entry := range sh.env {
		if value, found := strings.CutPrefix(entry, "PATH="); found {
			path = value
		}
	}
	return path
}

// checkExitCode shows that kubectl passes the plugin's exit code on.
func checkExitCode(t *testing.T, sh *shell) {
	t.Helper()
	_, err := sh.run("kubectl", cli.Plugin, "label", "nodes")
	if err == nil || err.Error() != "exit status 2" {
		t.Errorf("kubectl %s with a usage error: %v, want exit status 2", cli.Plugin, err)
	}
}

// TestKrewChecksTheArchive shows that the checksums in the manifest are those of the archives.
func TestKrewChecksTheArchive(t *testing.T) {
	dist := filepath.Join(root(t), "bin", "dist")
	manifest := filepath.Join(dist, "plugins.yaml")
	archive := filepath.Join(dist, "kubectl-"+cli.Plugin+"_v0.1.0_"+runtime.GOOS+"_"+runtime.GOARCH+".tar.gz")
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	tampered := filepath.Join(t.TempDir(), filepath.Base(archive))
	if err := os.WriteFile(tampered, append(data, 0), 0o644); err != nil {
		t.Fatal(err)
	}
	sh := newShell(t)
	sh.set("KREW_ROOT", t.TempDir())
	sh.set("KREW_NO_UPGRADE_CHECK", "1")
	out, err := sh.run(tool(t, "krew"), "install", "--manifest", manifest, "--archive", tampered)
	if err == nil {
		t.Fatal("krew installed an archive with another checksum")
	}
	contains(t, out, "checksum")
	sh.must(tool(t, "krew"), "install", "--manifest", manifest, "--archive", archive)
}

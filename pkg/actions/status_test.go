package actions

import (
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/checks"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// The faults themselves are injected in pkg/checks; here it is about the verb.

// diskFiles opens the file system, as the terminal's files do.
type diskFiles struct{}

func (diskFiles) Open(name string) (io.ReadCloser, error)      { return os.Open(name) }
func (diskFiles) Stat(name string) (info fs.FileInfo, _ error) { return os.Stat(name) }

// onDisk writes a file into a folder of the test's own.
func onDisk(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// statusInventory declares the test cluster, and has secrets.
const statusInventory = testcluster.Inventory + `
ansible_become_password=hunter2
kube_encrypt_token=hunter2
registry_auth=[{'registry': 'r', 'password': 'hunter2'}]
`

func TestStatusIsHealthy(t *testing.T) {
	l := newLab(t)
	result := l.must(t, "status --category api,control-plane").(*StatusResult)
	if result.Verdict != StatusHealthy || result.Broken() || result.Summary.Failed != 0 || result.Summary.OK < 10 {
		t.Errorf("verdict %s, %s", result.Verdict, result.Summary)
	}
	text, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	var printed struct {
		Kind   string
		Checks []map[string]any
	}
	if err := json.Unmarshal(text, &printed); err != nil || printed.Kind != "StatusResult" {
		t.Fatalf("%v: %s", err, text)
	}
	for _, c := range printed.Checks {
		if _, ok := c["durationSeconds"].(float64); !ok || c["id"] == "" || c["status"] == "" {
			t.Errorf("%v", c)
		}
	}
	for _, c := range result.Checks {
		if c.Category == checks.CategoryInventory {
			t.Errorf("%s is reported although there is no inventory", c.ID)
		}
	}
	if !slices.ContainsFunc(l.events.all(), func(e Event) bool { _, partial := e.(Partial); return partial }) {
		t.Error("the observer saw no results while they came")
	}
}

func TestStatusUnreachable(t *testing.T) {
	kubeconfig := onDisk(t, "config", `
apiVersion: v1
kind: Config
current-context: gone
clusters: [{name: gone, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: gone, context: {cluster: gone, user: nobody}}]
users: [{name: nobody, user: {}}]
`)
	l := connect(t, kubeconfig, "default", "")
	result, err := l.run(t.Context(), "status")
	if code := Explain(err).Code; err == nil || code != ExitUnreachable {
		t.Errorf("exit code %d, error %v", code, err)
	}
	if status := result.(*StatusResult); status.Verdict != StatusUnreachable || status.Summary.OK != 0 {
		t.Errorf("verdict %s, %s", status.Verdict, status.Summary)
	}
}

// TestStatusInventory saves a declaration and compares with it, then without the files.
func TestStatusInventory(t *testing.T) {
	l := newLab(t)
	l.Files = diskFiles{}
	maps := l.client.CoreV1().ConfigMaps(checks.DeclarationNamespace)
	good := onDisk(t, "good.ini", statusInventory)
	bad := onDisk(t, "bad.ini", strings.Replace(statusInventory, "nftables", "ipvs", 1))

	preview := l.must(t, "status --category inventory --save-inventory --dry-run=server --inventory "+good).(*StatusResult)
	if c := preview.Changes(); preview.Broken() || len(c) != 1 || c[0].Outcome != OutcomeCreated {
		t.Errorf("preview: verdict %s, changes %+v", preview.Verdict, c)
	}
	if _, err := maps.Get(t.Context(), checks.DeclarationName, metav1.GetOptions{}); err == nil {
		t.Error("the dry run has saved the declaration")
	}
	saved := l.must(t, "status --category inventory --save-inventory --inventory "+bad).(*StatusResult)
	t.Cleanup(func() { _ = maps.Delete(t.Context(), checks.DeclarationName, metav1.DeleteOptions{}) })
	if c := saved.Changes(); !saved.Broken() || len(c) != 1 || c[0].Outcome != OutcomeCreated {
		t.Errorf("saved: verdict %s, changes %+v", saved.Verdict, c)
	}
	cm, err := maps.Get(t.Context(), checks.DeclarationName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if stored := string(cm.BinaryData[checks.DeclarationKey]); strings.Contains(stored, "hunter2") || cm.Labels[ManagedByLabel] != ManagedBy {
		t.Errorf("stored %s with labels %v", stored, cm.Labels)
	}
	later := l.must(t, "status --category inventory").(*StatusResult)
	if !later.Broken() || !hasFinding(later, "inventory-proxy", "declared ipvs, live nftables") {
		t.Errorf("without the files: verdict %s", later.Verdict)
	}
	if given := l.must(t, "status --category inventory --inventory "+good).(*StatusResult); given.Broken() {
		t.Error("--inventory does not win over what is saved")
	}
	if again := l.must(t, "status --category inventory --save-inventory --inventory "+bad).(*StatusResult).Changes(); again[0].Outcome != OutcomeUnchanged {
		t.Errorf("saved again: %+v", again)
	}
	if err := maps.Delete(t.Context(), checks.DeclarationName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func hasFinding(r *StatusResult, id, says string) bool {
	return slices.ContainsFunc(r.Checks, func(c checks.Result) bool {
		return c.ID == id && c.Status == checks.StatusFailed && strings.Contains(c.Message, says)
	})
}

func TestStatusUsage(t *testing.T) {
	tests := []struct{ words, says string }{
		{"status extra", "extra"},
		{"status --category weather", "weather"},
		{"status --timeout 1m", "--wait"},
		{"status --wait --timeout -1s", "--timeout"},
		{"status --pre", "--inventory"},
		{"status --save-inventory", "--inventory"},
		{"status --dry-run=server", "--save-inventory"},
		{"status --pre --inventory x --wait", "--wait"},
		{"status --install-log x --category dns", "--install-log"},
		{"status --follow", "--install-log"},
		{"status --install-log - --follow", "standard input"},
		{"status --inventory x --kubespray-release newest", "newest"},
		{"status --list-checks --wait", "--wait"},
		{"inventory show", "inventory show PATH"},
		{"inventory check a b", "b"},
	}
	l := connect(t, os.DevNull, "default", "")
	for _, tt := range tests {
		t.Run(tt.words, func(t *testing.T) {
			_, err := l.run(t.Context(), strings.Fields(tt.words)...)
			if err == nil || Explain(err).Code != ExitUsage || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want a usage error that says %q", err, tt.says)
			}
		})
	}
}

func TestInventoryVerbs(t *testing.T) {
	l := connect(t, os.DevNull, "default", "") // no cluster
	l.Files = diskFiles{}
	path := onDisk(t, "inventory.ini", statusInventory)

	shown := l.must(t, "inventory show "+path).(*InventoryShowResult)
	if n := len(shown.Declaration.Nodes); n != 3 || shown.Declaration.KubeProxyMode.Value != "nftables" {
		t.Errorf("%d nodes, mode %q", n, shown.Declaration.KubeProxyMode.Value)
	}
	text, err := json.Marshal(shown)
	if err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("%v: %s", err, text)
	}

	even := onDisk(t, "even.ini", strings.Replace(statusInventory, "[etcd]\n", "[etcd]\nk8s02\n", 1))
	for _, words := range []string{"inventory check " + even, "status --pre --inventory " + even} {
		checked := l.must(t, words).(*InventoryCheckResult)
		if !checked.Broken() || !strings.Contains(checked.Findings[0].Message, "etcd") {
			t.Errorf("%s: %+v", words, checked.Findings)
		}
	}
	if checked := l.must(t, "inventory check "+path).(*InventoryCheckResult); checked.Broken() {
		t.Errorf("%+v", checked.Findings)
	}
	broken := onDisk(t, "broken.ini", "[kube_node:oops]\n")
	if checked := l.must(t, "inventory check "+broken).(*InventoryCheckResult); !checked.Broken() || checked.Findings[0].Pos.Line != 1 {
		t.Errorf("%+v", checked.Findings)
	}
	for _, words := range []string{"inventory show " + broken, "inventory show " + path + ".gone"} {
		if _, err := l.run(t.Context(), strings.Fields(words)...); err == nil || Explain(err).Code != ExitUsage {
			t.Errorf("%s: %v", words, err)
		}
	}
	l.Files = nil // as in Slack
	if _, err := l.run(t.Context(), "inventory", "check", path); err == nil || !strings.Contains(err.Error(), "files cannot be read here") {
		t.Errorf("without files: %v", err)
	}
}

const failedRun = `2026-08-21 10:00:00,000 p=1 u=root n=ansible | PLAY [Install etcd] **********************************
2026-08-21 10:00:01,000 p=1 u=root n=ansible | TASK [etcd : Start etcd] *********************************
2026-08-21 10:00:02,000 p=1 u=root n=ansible | fatal: [k8s01]: FAILED! => {"changed": false, "msg": "etcd did not start"}
2026-08-21 10:00:03,000 p=1 u=root n=ansible | PLAY RECAP ***********************************************
2026-08-21 10:00:03,000 p=1 u=root n=ansible | k8s01 : ok=3 changed=1 unreachable=0 failed=1 skipped=0 rescued=0 ignored=0
`

func TestStatusInstallLog(t *testing.T) {
	l := connect(t, os.DevNull, "default", "") // no cluster
	l.Files = diskFiles{}
	path := onDisk(t, "ansible.log", failedRun)
	for _, words := range []string{"status --install-log " + path, "status -f --install-log " + path} {
		result := l.must(t, words).(*InstallResult)
		if !result.Broken() || result.Phase.Number != 8 || len(result.Failures) != 1 || result.Failures[0].Message != "etcd did not start" {
			t.Errorf("%s: %+v", words, result.Run)
		}
		facts := result.Document().Blocks[0].(document.Facts)
		if facts[1].Value.Value != "8 of 15: Install etcd" {
			t.Errorf("%s: facts %+v", words, facts)
		}
	}
	running := l.must(t, "status --install-log "+onDisk(t, "half.log", failedRun[:strings.Index(failedRun, "2026-08-21 10:00:02")])).(*InstallResult)
	if running.Broken() || running.State != "running" {
		t.Errorf("%+v", running.Run)
	}
}

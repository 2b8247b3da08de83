package slackbot

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

func TestCutBlock(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]struct{ line, block string }{
		"create -f - ```kind: Pod```":                               {"create -f -", "kind: Pod"},
		"create -f -\n```\nkind: Pod\nmetadata:\n  name: x\n```":    {"create -f -", "kind: Pod\nmetadata:\n  name: x\n"},
		"create -f - ```yaml\nkind: Pod\n``` -n lab":                {"create -f -  -n lab", "kind: Pod\n"},
		"create -f - ```a: &lt;b&gt; &amp;amp; c```":                {"create -f -", "a: <b> &amp; c"},
		"create -f - ```image: <http://a.example/b|a.example/b>```": {"create -f -", "image: a.example/b"},
		"create -f - ```a: “b”```":                                  {"create -f -", "a: “b”"},
		"create -f - ```kind: Pod":                                  {"create -f -", "kind: Pod"},
	} {
		line, files := cutBlock(raw)
		want := []attachment{{Name: blockName, Content: want.block}}
		if diff := cmp.Diff(want, files); diff != "" || line != strings.TrimSpace(line) {
			t.Errorf("%q: line %q, files (-want +got):\n%s", raw, line, diff)
		}
	}
	if line, files := cutBlock("get pods"); line != "get pods" || files != nil {
		t.Errorf("a line without a block: %q, %v", line, files)
	}
}

func TestAttachmentNamesHaveNoFolders(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"pod.yaml": "pod.yaml", "my pod.yaml": "my pod.yaml", "/etc/passwd": "passwd", `..\..\x`: "x",
		"..": "file", "": "file", "-": "file", "a/": "a", "/": "file",
	} {
		if got := attachmentName(name); got != want {
			t.Errorf("attachmentName(%q) = %q, want %q", name, got, want)
		}
	}
}

// podManifest is a Pod that the stage's people can create.
func (s *stage) podManifest(name string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " + name + "\nspec:\n  containers:\n  - name: c\n    image: example.com/c:1 # <b> & co\n"
}

func (s *stage) podExists(name string) bool {
	s.t.Helper()
	_, err := s.admin.CoreV1().Pods(s.namespace).Get(s.ctx, name, metav1.GetOptions{})
	return err == nil
}

func TestManifestInACodeBlock(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	in, err := s.alice.Mention(s.room, "create -f -\n```yaml\n"+s.podManifest("in-block")+"```")
	must(t, err)
	preview := s.answer(in, "pod/in-block to be created")
	if s.podExists("in-block") {
		t.Fatal("created before it was confirmed")
	}
	leases, err := s.admin.CoordinationV1().Leases(s.records).List(s.ctx, metav1.ListOptions{})
	must(t, err)
	if text := leases.String(); strings.Contains(text, "example.com") {
		t.Error("the manifest is in the record in clear")
	}
	s.click(s.alice, preview, "Confirm")
	s.waitChanged(preview, "pod/in-block created")
	if line := s.waitAudit(1)[0]; line["arguments"] != "create -f -" {
		t.Errorf("audit line %v", line)
	}

	in, err = s.alice.Slash(s.room, "/lab", "create -f - ```"+s.podManifest("in-command")+"```")
	must(t, err)
	s.answer(in, "pod/in-command to be created")
	s.slash(s.alice, "create -f -", "- did not come with the command")
}

func TestManifestAsAFile(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	s.start(nil) // the click may reach another replica, which reads the file again
	file := fakeslack.Upload{Name: "pod.yaml", Content: []byte(s.podManifest("in-file"))}
	in, err := s.alice.Mention(s.room, "create -f pod.yaml", file)
	must(t, err)
	preview := s.answer(in, "pod/in-file to be created")
	s.click(s.alice, preview, "Confirm")
	s.waitChanged(preview, "pod/in-file created")
	in, err = s.alice.DM("delete -f pod.yaml", file)
	must(t, err)
	s.answer(in, "pod/in-file to be deleted")

	for _, test := range []struct {
		line, want string
		file       fakeslack.Upload
	}{
		{"create -f other.yaml", "what came with it: pod.yaml", file},
		{"create -f /etc/hosts", "/etc/hosts did not come with the command", file},
		{"create -f big.yaml", "it is larger than 1 MiB", fakeslack.Upload{Name: "big.yaml", Content: bytes.Repeat([]byte("#"), maxFile+1)}},
	} {
		in, err := s.alice.DM(test.line, test.file)
		must(t, err)
		s.answer(in, test.want)
	}
	s.Team().SetScopes("chat:write", "files:write", "im:history", "app_mentions:read")
	in, err = s.alice.DM("create -f pod.yaml", file)
	must(t, err)
	s.answer(in, "missing_scope")
}

func TestInventoryAsAFile(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	inventory := fakeslack.Upload{Name: "/etc/hosts.ini", Content: []byte("[kube_control_plane]\nk8s01\n[etcd]\nk8s01\n[kube_node]\nk8s02\n")}
	in, err := s.bob.DM("inventory check hosts.ini", inventory)
	must(t, err)
	s.answer(in, "hosts.ini: 0 errors")
	in, err = s.bob.Mention(s.room, "inventory show - ```"+string(inventory.Content)+"```")
	must(t, err)
	s.answer(in, "k8s02")
	in, err = s.bob.DM("inventory check /etc/hosts.ini", inventory)
	must(t, err)
	s.answer(in, "/etc/hosts.ini did not come with the command")
}

func TestTheBotTokenStaysWithSlack(t *testing.T) {
	t.Parallel()
	s, err := fakeslack.New(fakeslack.Options{})
	must(t, err)
	t.Cleanup(s.Close)
	client, err := newSlackClient("", "xoxb-test", "", newMetrics())
	must(t, err)
	for address, want := range map[string]bool{
		"https://files.slack.com/files-pri/T1-F1/x": true,
		"https://slack.com/x":                       true,
		"http://files.slack.com/x":                  false,
		"https://files.slack.com.evil.example/x":    false,
		"https://evil.example/files.slack.com":      false,
		"https://notslack.com/x":                    false,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		must(t, err)
		if got := client.isSlack(request.URL); got != want {
			t.Errorf("%s is Slack's: %v, want %v", address, got, want)
		}
	}
	here, err := newSlackClient(s.APIURL(), "xoxb-unknown", "", newMetrics())
	must(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.BaseURL()+"/files-pri/F1/download/x", nil)
	must(t, err)
	if _, err := here.get(t.Context(), request.URL); err == nil || !strings.Contains(err.Error(), "files:read") {
		t.Errorf("a redirection to the login page: %v", err)
	}
}

func TestAttachedFS(t *testing.T) {
	t.Parallel()
	m := &messageFiles{attached: []attachment{{Name: "a.yaml", Content: "x: 1"}}}
	data, err := fs.ReadFile(m.FS(), "a.yaml")
	if err != nil || string(data) != "x: 1" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := fs.Stat(m.FS(), "group_vars"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
}

package actions

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func manifestNames(objects []manifestObject) []string {
	var names []string
	for _, m := range objects {
		names = append(names, fmt.Sprintf("%s %s/%s", m.where(), m.object.GetKind(), m.object.GetName()))
	}
	return names
}

func TestParseManifest(t *testing.T) {
	t.Parallel()
	const manifest = `# The manual's service
---
apiVersion: v1
kind: Service
metadata:
  name: nginx-test-svc
--- # nothing but a remark

---

# and its pods
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: a}}
- apiVersion: v1
  kind: PodList
  items:
  - {apiVersion: v1, kind: Pod, metadata: {generateName: b-}}
---
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c"}}
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "d"}, "spec": {"priority": 3}}
---
{apiVersion: v1, kind: Pod, metadata: {name: e}}
---
null
---
{}
`
	objects, err := parseManifest("m.yml", []byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"m.yml:3 Service/nginx-test-svc", "m.yml:12 Pod/a", "m.yml:12 Pod/",
		"m.yml:21 Pod/c", "m.yml:21 Pod/d", "m.yml:24 Pod/e",
	}
	if diff := cmp.Diff(want, manifestNames(objects)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if priority := objects[4].object.Object["spec"].(map[string]any)["priority"]; priority != int64(3) {
		t.Errorf("an integer became a %T", priority)
	}
}

func TestParseManifestRefuses(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: v1\nkind: Service\n"
	for manifest, want := range map[string]string{
		head + "metadata:\n  name: x\n bad: y\n":                     "f: line 5: did not find expected key",
		"---\n# remark\n\n---\n\n" + head + "metadata:\n\tname: x\n": "f: line 9: found character that cannot start any token",
		head + "metadata:\n  name: x: y\n":                           "f: line 4: mapping values are not allowed in this context",
		head + "metadata: {name: \"x\n":                              "f: line 3: found unexpected end of stream",
		head + "metadata: [\n":                                       "f: line 3: did not find expected node content",
		head + "kind: Pod\nmetadata: {name: x}\n":                    `f: line 3: key "kind" already set in map`,
		"just words\n":                 "f:1: this is no object: an object has apiVersion, kind and metadata",
		"---\n- a\n- b\n":              "f:2: this is no object: an object has apiVersion, kind and metadata",
		"apiVersion: v1\n":             "f:1: kind is missing",
		"kind: Pod\n":                  "f:1: apiVersion of the Pod is missing",
		head:                           "f:1: metadata.name of the Service is missing",
		head + "metadata: x\n":         "f:1: metadata.name of the Service is missing",
		head + "metadata: {name: 3}\n": "f:1: metadata.name of the Service is missing",
		head + "metadata: {name: x, labels: {a: 1}}\n":                     "f:1: metadata.labels of service/x must be strings: put numbers and true or false in quotes",
		"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod}]": "f:1: item 1 of the List: metadata.name of the Pod is missing",
		"\x00": "f: line 1: control characters are not allowed",
	} {
		_, err := parseManifest("f", []byte(manifest))
		if err == nil || err.Error() != want || Explain(err).Code != ExitUsage {
			t.Errorf("%q\n got: %v\nwant: %s", manifest, err, want)
		}
	}
}

// TestParseManifestKeepsSecrets checks that a syntax error does not quote what the manifest says.
func TestParseManifestKeepsSecrets(t *testing.T) {
	t.Parallel()
	for _, manifest := range []string{
		"hunter2", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData:\n  password: hunter2\n bad", "- hunter2", "{\"a\": \"hunter2\"",
		"a: &x hunter2\nb: *y\n", "a: !!int hunter2\n", "? {hunter2: x}\n: y\n", "? [hunter2]\n: y\n",
	} {
		if _, err := parseManifest("f", []byte(manifest)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", manifest, err)
		}
	}
}

func TestReadManifests(t *testing.T) {
	t.Parallel()
	object := func(name string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\n")}
	}
	env := &Env{Files: memoryFiles{fstest.MapFS{
		"dir/b.yml": object("b"), "dir/a.yaml": object("a"), "dir/c.json": object("c"), "dir/README.md": object("no"), "dir/sub/d.yml": object("d"),
		"stdin": object("in"), "empty.yml": {}, "other/README.md": object("no"), "large.yml": {Data: make([]byte, maxManifest+1)},
	}}}
	for names, want := range map[string][]string{
		"dir":   {"dir/a.yaml:1 Pod/a", "dir/b.yml:1 Pod/b", "dir/c.json:1 Pod/c"},
		"dir -": {"dir/a.yaml:1 Pod/a", "dir/b.yml:1 Pod/b", "dir/c.json:1 Pod/c", "standard input:1 Pod/in"},
	} {
		objects, err := readManifests(env, strings.Fields(names), false)
		if diff := cmp.Diff(want, manifestNames(objects)); err != nil || diff != "" {
			t.Errorf("%s: error %v; -want +got:\n%s", names, err, diff)
		}
	}
	objects, err := readManifests(env, []string{"dir"}, true)
	if err != nil || len(objects) != 4 {
		t.Errorf("recursive: %v, %v", manifestNames(objects), err)
	}
	for name, want := range map[string]string{
		"nowhere.yml":        `file "nowhere.yml" does not exist`,
		"empty.yml":          "empty.yml holds no object",
		"other":              "other holds no object",
		"large.yml":          "large.yml is larger than 32 MiB: no manifest is",
		"https://x.io/a.yml": "https://x.io/a.yml: addresses are not fetched",
	} {
		_, err := readManifests(env, []string{name}, false)
		if err == nil || err.Error() != want || Explain(err).Code != ExitUsage {
			t.Errorf("%s\n got: %v\nwant: %s", name, err, want)
		}
	}
	if _, err := readManifests(&Env{}, []string{"a.yml"}, false); err == nil || err.Error() != "files cannot be read here" {
		t.Errorf("without files: %v", err)
	}
}

// FuzzParseManifest checks that nothing makes the parser panic, and that what it accepts has a kind,
// a name and a place in the file.
func FuzzParseManifest(f *testing.F) {
	for _, seed := range []string{
		"", "---", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\nfoo", "{}{}", "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{}]}",
		"a: &a [*a]", "--- x\n...\n", "\xef\xbb\xbfapiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {a: b}}", "a: !!binary x", "? a\n: b", "1e999", "{\"a\":1e999}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		objects, err := parseManifest("f", content)
		if err != nil {
			if Explain(err).Code != ExitUsage {
				t.Fatalf("exit code %d: %v", Explain(err).Code, err)
			}
			return
		}
		lines := strings.Count(string(content), "\n") + 1
		for _, m := range objects {
			if m.object.GetKind() == "" || m.object.GetName() == "" && m.object.GetGenerateName() == "" || m.line < 1 || m.line > lines {
				t.Fatalf("%s: %v", m.where(), m.object)
			}
			addLabel(m.object.DeepCopy())
		}
	})
}

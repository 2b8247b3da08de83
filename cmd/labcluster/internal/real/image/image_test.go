package image_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/image"
)

// makeLayout makes two images that share a layer.
func makeLayout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("#!"), 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "images")
	store, err := image.NewStore(out)
	if err != nil {
		t.Fatal(err)
	}
	shared := &image.Layer{Files: []image.File{
		{Path: "/bin/program", Source: program},
		{Path: "/bin/link", Link: "program"},
		{Path: "/etc/motd", Content: "hello\n"},
		{Path: "/tmp", Dir: true, Mode: 0o1777},
	}}
	for _, one := range []image.Image{
		{Names: []string{"docker.io/library/a:1", "docker.io/library/a:2"}, Layers: []*image.Layer{shared}},
		{Names: []string{"lab.local/b:1"}, Layers: []*image.Layer{shared, {Files: []image.File{{Path: "/x", Content: "x"}}}}},
	} {
		if err := store.Add(one); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLayout checks what was written against its own digests, and that it does not depend on time.
func TestLayout(t *testing.T) {
	first, second := makeLayout(t), makeLayout(t)
	blobs, err := filepath.Glob(filepath.Join(first, "blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	const want = 2 + 2 + 2 // layers, configurations, manifests
	if len(blobs) != want {
		t.Errorf("%d blobs, want %d", len(blobs), want)
	}
	for _, blob := range blobs {
		data, err := os.ReadFile(blob)
		if err != nil {
			t.Fatal(err)
		}
		if got := digest.FromBytes(data).Encoded(); got != filepath.Base(blob) {
			t.Errorf("blob %s has digest %s", filepath.Base(blob), got)
		}
	}
	if diff := cmp.Diff(read(t, filepath.Join(first, "index.json")), read(t, filepath.Join(second, "index.json"))); diff != "" {
		t.Errorf("the same files gave other images:\n%s", diff)
	}
}

func TestStoreErrors(t *testing.T) {
	store, err := image.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]string{"missing file": "/nonexistent/file", "folder": "/"} {
		broken := image.Image{
			Names:  []string{"lab.local/broken:1"},
			Layers: []*image.Layer{{Files: []image.File{{Path: "/x", Source: source}}}},
		}
		if err := store.Add(broken); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRegistry(t *testing.T) {
	registry, err := image.OpenRegistry(makeLayout(t))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry)
	defer server.Close()
	tests := []struct {
		method, path string
		want         int
	}{
		{"GET", "/v2/", 200},
		{"GET", "/v2/library/a/manifests/1?ns=docker.io", 200},
		{"HEAD", "/v2/library/a/manifests/2?ns=docker.io", 200},
		{"GET", "/v2/b/manifests/1?ns=lab.local", 200},
		{"GET", "/v2/lab.local/b/manifests/1", 200},
		{"GET", "/v2/library/a/manifests/3?ns=docker.io", 404},
		{"GET", "/v2/library/a/manifests/1?ns=quay.io", 404},
		{"GET", "/v2/b/blobs/sha256:" + digest.FromString("nothing").Encoded() + "?ns=lab.local", 404},
		{"GET", "/v2/b/blobs/sha256:..%2f..%2findex.json?ns=lab.local", 404},
		{"GET", "/v2/b/blobs/nonsense", 400},
		{"GET", "/etc/passwd", 404},
		{"PUT", "/v2/b/manifests/1?ns=lab.local", 405},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			if status, _, _ := ask(t, test.method, server.URL+test.path); status != test.want {
				t.Errorf("status %d, want %d", status, test.want)
			}
		})
	}
}

// TestPull follows a manifest to its blobs, as a runtime does.
func TestPull(t *testing.T) {
	registry, err := image.OpenRegistry(makeLayout(t))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry)
	defer server.Close()
	_, contentType, body := ask(t, "GET", server.URL+"/v2/b/manifests/1?ns=lab.local")
	if got := contentType; got != v1.MediaTypeImageManifest {
		t.Errorf("content type %q", got)
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(body, &manifest); err != nil {
		t.Fatal(err)
	}
	for _, blob := range append(manifest.Layers, manifest.Config) {
		_, _, body := ask(t, "GET", server.URL+"/v2/b/blobs/"+blob.Digest.String())
		if digest.FromBytes(body) != blob.Digest || int64(len(body)) != blob.Size {
			t.Errorf("blob %s came as %s, %d bytes", blob.Digest, digest.FromBytes(body), len(body))
		}
	}
}

func ask(t *testing.T, method, url string) (status int, contentType string, body []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("Content-Type"), body
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

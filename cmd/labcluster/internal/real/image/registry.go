package image

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Registry answers pulls from an image layout (opencontainers/distribution-spec, the pull part). It
// stands in for every registry at once: containerd says in the query's ns which one it means.
type Registry struct {
	dir   string
	index map[string]v1.Descriptor // by full reference
}

// OpenRegistry reads the layout in dir.
func OpenRegistry(dir string) (*Registry, error) {
	data, err := os.ReadFile(filepath.Join(dir, v1.ImageIndexFile))
	if err != nil {
		return nil, fmt.Errorf("read the images: %w", err)
	}
	var index v1.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("read the images' index in %s: %w", dir, err)
	}
	registry := &Registry{dir: dir, index: map[string]v1.Descriptor{}}
	for _, descriptor := range index.Manifests {
		registry.index[descriptor.Annotations[v1.AnnotationRefName]] = descriptor
	}
	return registry, nil
}

// distributionPath splits a path into name, kind and reference.
var distributionPath = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs)/([^/]+)$`)

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "this registry only serves")
		return
	}
	if request.URL.Path == "/v2/" {
		return
	}
	match := distributionPath.FindStringSubmatch(request.URL.Path)
	if match == nil {
		fail(w, http.StatusNotFound, "NAME_UNKNOWN", "no such path")
		return
	}
	name, kind, reference := match[1], match[2], match[3]
	if registry := request.URL.Query().Get("ns"); registry != "" {
		name = registry + "/" + name
	}
	if kind == "blobs" {
		r.serveBlob(w, request, reference, "application/octet-stream")
		return
	}
	if strings.Contains(reference, ":") { // a digest
		r.serveBlob(w, request, reference, v1.MediaTypeImageManifest)
		return
	}
	descriptor, ok := r.index[name+":"+reference]
	if !ok {
		fail(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "the lab has no image "+name+":"+reference)
		return
	}
	r.serveBlob(w, request, descriptor.Digest.String(), descriptor.MediaType)
}

func (r *Registry) serveBlob(w http.ResponseWriter, request *http.Request, reference, mediaType string) {
	d, err := digest.Parse(reference)
	if err != nil {
		fail(w, http.StatusBadRequest, "DIGEST_INVALID", err.Error())
		return
	}
	path := blobPath(r.dir, d)
	if _, err := os.Stat(path); err != nil {
		fail(w, http.StatusNotFound, "BLOB_UNKNOWN", "the lab has no blob "+reference)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", reference)
	http.ServeFile(w, request, path)
}

// fail answers with an error as the distribution-spec has it.
func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the asker is gone
		"errors": []map[string]string{{"code": code, "message": message}},
	})
}

// Package image makes container images out of this machine's files, and serves them to container
// runtimes. It needs no registry, no daemon and no network.
//
// Images are kept as an OCI image layout (opencontainers/image-spec, image-layout.md) whose index
// names each one by its full reference.
package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is an image to make.
type Image struct {
	Names  []string // full references, such as docker.io/library/nginx:1.15
	Layers []*Layer // lowest first; a layer that images share is stored once
	Config v1.ImageConfig
}

// Layer is a set of files.
type Layer struct{ Files []File }

// File is a file, folder or symbolic link in a layer. Its parent folders need not be listed.
type File struct {
	Path    string // absolute
	Source  string // the file to copy, symbolic links followed
	Content string // or what is in it
	Link    string // or where it points to
	Dir     bool   // or that it is a folder
	Mode    int64  // its permissions; 0 for those of Source, or 0644, or 0755 for a folder
}

// Store is an image layout being written.
type Store struct {
	dir    string
	index  v1.Index
	layers map[*Layer]storedLayer
}

type storedLayer struct {
	descriptor v1.Descriptor
	diffID     digest.Digest
}

// NewStore starts an image layout in an empty folder.
func NewStore(dir string) (*Store, error) {
	if err := os.MkdirAll(filepath.Join(dir, v1.ImageBlobsDir, string(digest.Canonical)), 0o755); err != nil {
		return nil, err
	}
	return &Store{
		dir:    dir,
		layers: map[*Layer]storedLayer{},
		index: v1.Index{
			Versioned: specs.Versioned{SchemaVersion: 2},
			MediaType: v1.MediaTypeImageIndex,
		},
	}, nil
}

// Add makes an image.
func (s *Store) Add(image Image) error {
	manifest := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest,
	}
	config := v1.Image{
		Platform: v1.Platform{Architecture: runtime.GOARCH, OS: "linux"},
		Config:   image.Config,
		RootFS:   v1.RootFS{Type: "layers"},
	}
	for _, layer := range image.Layers {
		stored, err := s.addLayer(layer)
		if err != nil {
			return fmt.Errorf("make image %s: %w", image.Names[0], err)
		}
		manifest.Layers = append(manifest.Layers, stored.descriptor)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, stored.diffID)
	}
	var err error
	if manifest.Config, err = s.addJSON(v1.MediaTypeImageConfig, config); err != nil {
		return err
	}
	descriptor, err := s.addJSON(v1.MediaTypeImageManifest, manifest)
	if err != nil {
		return err
	}
	descriptor.Platform = &config.Platform
	for _, name := range image.Names {
		descriptor.Annotations = map[string]string{v1.AnnotationRefName: name}
		s.index.Manifests = append(s.index.Manifests, descriptor)
	}
	return nil
}

// Close writes the index. The layout is whole only after it.
func (s *Store) Close() error {
	layout, err := json.Marshal(v1.ImageLayout{Version: v1.ImageLayoutVersion})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, v1.ImageLayoutFile), layout, 0o644); err != nil {
		return err
	}
	index, err := json.MarshalIndent(s.index, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, v1.ImageIndexFile), index, 0o644)
}

func (s *Store) addJSON(mediaType string, value any) (v1.Descriptor, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return s.addBlob(mediaType, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// addLayer stores a layer uncompressed: it never travels further than this machine.
func (s *Store) addLayer(layer *Layer) (storedLayer, error) {
	if stored, ok := s.layers[layer]; ok {
		return stored, nil
	}
	descriptor, err := s.addBlob(v1.MediaTypeImageLayer, layer.write)
	if err != nil {
		return storedLayer{}, err
	}
	stored := storedLayer{descriptor: descriptor, diffID: descriptor.Digest}
	s.layers[layer] = stored
	return stored, nil
}

func (s *Store) addBlob(mediaType string, write func(io.Writer) error) (v1.Descriptor, error) {
	file, err := os.CreateTemp(s.dir, "blob-")
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer os.Remove(file.Name()) // fails once it has been renamed
	defer file.Close()
	digester := digest.Canonical.Digester()
	if err := write(io.MultiWriter(file, digester.Hash())); err != nil {
		return v1.Descriptor{}, err
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return v1.Descriptor{}, err
	}
	if err := file.Chmod(0o644); err != nil {
		return v1.Descriptor{}, err
	}
	descriptor := v1.Descriptor{MediaType: mediaType, Digest: digester.Digest(), Size: size}
	return descriptor, os.Rename(file.Name(), blobPath(s.dir, descriptor.Digest))
}

func blobPath(dir string, d digest.Digest) string {
	return filepath.Join(dir, v1.ImageBlobsDir, string(d.Algorithm()), d.Encoded())
}

// write writes the layer as a tar archive. The same files give the same archive.
func (l *Layer) write(w io.Writer) error {
	archive := tar.NewWriter(w)
	for _, file := range l.withParents() {
		if err := file.write(archive); err != nil {
			return fmt.Errorf("add %s: %w", file.Path, err)
		}
	}
	return archive.Close()
}

// withParents returns the files in order, each after its folder.
func (l *Layer) withParents() []File {
	all := map[string]File{}
	for _, file := range l.Files {
		all[file.Path] = file
	}
	for _, file := range l.Files {
		for dir := filepath.Dir(file.Path); dir != "/"; dir = filepath.Dir(dir) {
			if _, ok := all[dir]; !ok {
				all[dir] = File{Path: dir, Dir: true}
			}
		}
	}
	files := make([]File, 0, len(all))
	for _, file := range all {
		files = append(files, file)
	}
	sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	return files
}

func (f File) write(archive *tar.Writer) error {
	header := &tar.Header{
		Name:    strings.TrimPrefix(f.Path, "/"),
		Mode:    f.Mode,
		ModTime: time.Unix(0, 0),
		Format:  tar.FormatPAX,
	}
	switch {
	case f.Link != "":
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, f.Link, 0o777
		return archive.WriteHeader(header)
	case f.Dir:
		header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
		header.Mode = modeOr(f.Mode, 0o755)
		return archive.WriteHeader(header)
	case f.Source != "":
		return f.copy(archive, header)
	}
	header.Typeflag, header.Size, header.Mode = tar.TypeReg, int64(len(f.Content)), modeOr(f.Mode, 0o644)
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.WriteString(archive, f.Content)
	return err
}

func (f File) copy(archive *tar.Writer, header *tar.Header) error {
	source, err := os.Open(f.Source)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file: " + f.Source)
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	header.Mode = modeOr(f.Mode, int64(info.Mode().Perm()))
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, source)
	return err
}

func modeOr(mode, otherwise int64) int64 {
	if mode == 0 {
		return otherwise
	}
	return mode
}

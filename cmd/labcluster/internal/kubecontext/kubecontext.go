// Package kubecontext puts a cluster into the user's kubeconfig and takes it out again, the way
// kubectl config does: $KUBECONFIG may list several files, and nothing of others is touched.
package kubecontext

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// extensionName marks the entries that are ours.
const extensionName = "labcluster"

// mark is what the extension holds: whose entry it is.
type mark struct {
	DataDir string `json:"dataDir"`
}

// File is the kubeconfig to change, which may be spread over several files.
type File struct {
	access access
	owner  string
}

// Resolve tells which files make up the kubeconfig: explicit if given, else what $KUBECONFIG lists,
// else ~/.kube/config. The paths are absolute.
func Resolve(explicit, env string) ([]string, error) {
	files := []string{explicit}
	if explicit == "" {
		files = filepath.SplitList(env)
	}
	var resolved []string
	for _, file := range files {
		if file == "" {
			continue
		}
		absolute, err := filepath.Abs(file)
		if err != nil {
			return nil, fmt.Errorf("find kubeconfig %s: %w", file, err)
		}
		if !slices.Contains(resolved, absolute) {
			resolved = append(resolved, absolute)
		}
	}
	if len(resolved) > 0 {
		return resolved, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("find the kubeconfig: %w; name a file with --kubeconfig", err)
	}
	return []string{filepath.Join(home, clientcmd.RecommendedHomeDir, clientcmd.RecommendedFileName)}, nil
}

// Open returns the kubeconfig made up of files. Entries are marked as belonging to the cluster in
// the folder owner. No file is read yet.
func Open(files []string, owner string) *File {
	return &File{access: access{files}, owner: owner}
}

// ForeignError tells that the kubeconfig has an entry of that name which isn't this cluster's.
type ForeignError struct{ Kind, Name, File string }

// Error implements error.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s has a %s %q that labcluster did not make; choose another name with --name, "+
		"or another file with --kubeconfig", e.File, e.Kind, e.Name)
}

// Path returns the file that new entries go to.
func (f *File) Path() string { return f.access.GetDefaultFilename() }

// Check returns an error if entries of that name can't be written: *ForeignError if they are somebody
// else's.
func (f *File) Check(name string) error {
	config, err := f.load()
	if err != nil {
		return fmt.Errorf("%w; choose another file with --kubeconfig", err)
	}
	if err := f.checkOwn(config, name); err != nil {
		return err
	}
	return checkWritable(f.Path())
}

// Current returns the name of the current context.
func (f *File) Current() (string, error) {
	config, err := f.load()
	if err != nil {
		return "", err
	}
	return config.CurrentContext, nil
}

// Merge writes the context, cluster and user of that name from add, and makes the context the
// current one.
func (f *File) Merge(add *clientcmdapi.Config, name string) error {
	config, err := f.load()
	if err != nil {
		return err
	}
	if err := f.checkOwn(config, name); err != nil {
		return err
	}
	extensions, err := f.extensions()
	if err != nil {
		return err
	}
	cluster, user, context := add.Clusters[name], add.AuthInfos[name], add.Contexts[name]
	cluster.Extensions, user.Extensions, context.Extensions = extensions, extensions, extensions
	if old, ok := config.Clusters[name]; ok {
		cluster.LocationOfOrigin = old.LocationOfOrigin
	}
	if old, ok := config.AuthInfos[name]; ok {
		user.LocationOfOrigin = old.LocationOfOrigin
	}
	if old, ok := config.Contexts[name]; ok {
		context.LocationOfOrigin = old.LocationOfOrigin
		context.Namespace = old.Namespace // kubectl config set-context --current --namespace
	}
	config.Clusters[name], config.AuthInfos[name], config.Contexts[name] = cluster, user, context
	config.CurrentContext = name
	return f.save(config)
}

// Remove takes the entries of that name out, if they are this cluster's. If the context was the
// current one, previous becomes it again, provided that it still exists.
func (f *File) Remove(name, previous string) error {
	config, err := f.load()
	if err != nil {
		return err
	}
	found := false
	if entry, ok := config.Contexts[name]; ok && f.owns(entry.Extensions) {
		delete(config.Contexts, name)
		found = true
		if config.CurrentContext == name {
			config.CurrentContext = existing(config, previous)
		}
	}
	if entry, ok := config.Clusters[name]; ok && f.owns(entry.Extensions) {
		delete(config.Clusters, name)
		found = true
	}
	if entry, ok := config.AuthInfos[name]; ok && f.owns(entry.Extensions) {
		delete(config.AuthInfos, name)
		found = true
	}
	if !found {
		return nil
	}
	return f.save(config)
}

// RemoveIfEmpty removes the file at path if nothing is left in it.
func RemoveIfEmpty(path string) error {
	config, err := clientcmd.LoadFromFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read kubeconfig %s: %w", path, err)
	}
	if len(config.Clusters)+len(config.AuthInfos)+len(config.Contexts) > 0 {
		return nil
	}
	return os.Remove(path)
}

func existing(config *clientcmdapi.Config, name string) string {
	if _, ok := config.Contexts[name]; ok {
		return name
	}
	return ""
}

func (f *File) load() (*clientcmdapi.Config, error) {
	config, err := f.access.GetStartingConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	return config, nil
}

func (f *File) save(config *clientcmdapi.Config) error {
	if err := clientcmd.ModifyConfig(f.access, *config, true); err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", f.Path(), err)
	}
	return nil
}

func (f *File) checkOwn(config *clientcmdapi.Config, name string) error {
	entries := []struct {
		kind       string
		extensions map[string]runtime.Object
		file       string
		exists     bool
	}{{kind: "context"}, {kind: "cluster"}, {kind: "user"}}
	if e, ok := config.Contexts[name]; ok {
		entries[0].extensions, entries[0].file, entries[0].exists = e.Extensions, e.LocationOfOrigin, true
	}
	if e, ok := config.Clusters[name]; ok {
		entries[1].extensions, entries[1].file, entries[1].exists = e.Extensions, e.LocationOfOrigin, true
	}
	if e, ok := config.AuthInfos[name]; ok {
		entries[2].extensions, entries[2].file, entries[2].exists = e.Extensions, e.LocationOfOrigin, true
	}
	for _, e := range entries {
		if e.exists && !f.owns(e.extensions) {
			return &ForeignError{Kind: e.kind, Name: name, File: e.file}
		}
	}
	return nil
}

func (f *File) extensions() (map[string]runtime.Object, error) {
	raw, err := json.Marshal(mark{DataDir: f.owner})
	if err != nil {
		return nil, err
	}
	return map[string]runtime.Object{
		extensionName: &runtime.Unknown{Raw: raw, ContentType: runtime.ContentTypeJSON},
	}, nil
}

// owns reports whether an entry with those extensions belongs to this cluster.
func (f *File) owns(extensions map[string]runtime.Object) bool {
	unknown, ok := extensions[extensionName].(*runtime.Unknown)
	if !ok {
		return false
	}
	var m mark
	return json.Unmarshal(unknown.Raw, &m) == nil && m.DataDir == f.owner
}

// checkWritable tells in time what writing the file would run into.
func checkWritable(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return checkDir(path)
	}
	if err != nil {
		return fmt.Errorf("write kubeconfig: %w; choose another file with --kubeconfig", err)
	}
	return file.Close()
}

// checkDir looks at the nearest folder above path that exists.
func checkDir(path string) error {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			continue
		}
		if err != nil {
			return fmt.Errorf("write kubeconfig %s: %w; choose another file with --kubeconfig", path, err)
		}
		if !info.IsDir() {
			return fmt.Errorf("write kubeconfig %s: %s is not a folder; choose another file with --kubeconfig", path, dir)
		}
		return nil
	}
}

// access implements clientcmd.ConfigAccess over a list of files, as clientcmd.PathOptions does over
// the present $KUBECONFIG.
type access struct{ files []string }

// GetLoadingPrecedence implements clientcmd.ConfigAccess.
func (a access) GetLoadingPrecedence() []string { return a.files }

// GetStartingConfig implements clientcmd.ConfigAccess.
func (a access) GetStartingConfig() (*clientcmdapi.Config, error) {
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: a.files, DoNotResolvePaths: true}
	config, err := rules.Load()
	if errors.Is(err, fs.ErrNotExist) {
		return clientcmdapi.NewConfig(), nil
	}
	return config, err
}

// GetDefaultFilename implements clientcmd.ConfigAccess: the first file that exists, or the last one.
func (a access) GetDefaultFilename() string {
	for _, file := range a.files {
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return a.files[len(a.files)-1]
}

// IsExplicitFile implements clientcmd.ConfigAccess.
func (a access) IsExplicitFile() bool { return len(a.files) == 1 }

// GetExplicitFile implements clientcmd.ConfigAccess.
func (a access) GetExplicitFile() string { return a.files[0] }

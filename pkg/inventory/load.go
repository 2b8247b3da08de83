package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Options say how an inventory is read. The zero value reads files only and runs nothing.
type Options struct {
	// AnsibleInventory is the ansible-inventory program that reads what is not static: scripts,
	// plugin configurations, TOML. Empty means never: reading a script runs it. A bot leaves it empty.
	AnsibleInventory string
	// Settings say what a folder ignores; nil stands for DefaultSettings.
	Settings *Settings
	// Limits bound the cost; nil stands for DefaultLimits.
	Limits *Limits
}

// Settings are the parts of an ansible.cfg that decide which files of a folder are inventory sources.
type Settings struct {
	IgnoreExtensions []string // inventory_ignore_extensions, such as .ini
	IgnorePatterns   []string // ignore_patterns of [inventory]: regular expressions
}

// AnsibleSettings returns the defaults of ansible-core (config/base.yml, INVENTORY_IGNORE_EXTS).
func AnsibleSettings() Settings {
	return Settings{IgnoreExtensions: []string{
		".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".ini", ".cfg", ".retry",
	}}
}

// KubespraySettings returns those of the ansible.cfg that Kubespray ships.
func KubespraySettings() Settings {
	return Settings{
		IgnoreExtensions: []string{"~", ".orig", ".bak", ".ini", ".cfg", ".retry", ".pyc", ".pyo", ".creds", ".gpg"},
		IgnorePatterns:   []string{"artifacts", "credentials"},
	}
}

// DefaultSettings ignores what either ansible's defaults or Kubespray's ansible.cfg ignore. What only
// one of them ignores is never an inventory.
func DefaultSettings() Settings {
	s := KubespraySettings()
	for _, ext := range AnsibleSettings().IgnoreExtensions {
		if !slices.Contains(s.IgnoreExtensions, ext) {
			s.IgnoreExtensions = append(s.IgnoreExtensions, ext)
		}
	}
	return s
}

// Load reads the inventory at path, an inventory file or a folder, as `ansible -i path` would, with
// the group_vars and host_vars beside it.
//
// What ansible refuses is refused with an *Error that names file and line. In a folder, a source that
// ansible would skip with a warning is kept in Refused. A source that needs ansible to be read gives
// an error that wraps ErrNotStatic, unless opts name the program.
func Load(ctx context.Context, inventoryPath string, opts Options) (*Inventory, error) {
	info, err := os.Stat(inventoryPath)
	if err != nil {
		return nil, pathError("read the inventory", inventoryPath, err)
	}
	root, name := inventoryPath, "."
	if !info.IsDir() {
		root, name = filepath.Split(inventoryPath)
		root = filepath.Clean(root)
	}
	inv, err := LoadFS(ctx, os.DirFS(root), name, root, opts)
	if errors.Is(err, ErrNotStatic) && opts.AnsibleInventory != "" {
		inv, err = loadDynamic(ctx, inventoryPath, opts)
	}
	if err != nil {
		return nil, err
	}
	inv.Path = inventoryPath
	inv.KubesprayRelease = detectRelease(inventoryPath)
	return inv, nil
}

func pathError(doing, name string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("%s %s: %w", doing, name, err)
}

// LoadFS reads the inventory file or folder name of fsys. Positions name files below display. It runs
// no program, whatever opts say.
func LoadFS(ctx context.Context, fsys fs.FS, name, display string, opts Options) (*Inventory, error) {
	l, err := newLoader(ctx, fsys, display, opts)
	if err != nil {
		return nil, err
	}
	inv := l.graph.inv
	inv.Path = l.display(name)
	if err := l.source(name, 0); err != nil {
		return nil, err
	}
	if len(inv.Sources) == 0 {
		return nil, l.nothingParsed(name)
	}
	if err := l.graph.finish(); err != nil {
		return nil, err
	}
	if err := l.variableFiles(); err != nil {
		return nil, err
	}
	return inv, nil
}

type loader struct {
	ctx     context.Context
	fsys    fs.FS
	root    string
	graph   *graph
	limits  Limits
	ignored *regexp.Regexp
	single  bool // the inventory is one file
	skipped []string
	files   int
	bytes   int64
}

func newLoader(ctx context.Context, fsys fs.FS, display string, opts Options) (*loader, error) {
	limits := DefaultLimits()
	if opts.Limits != nil {
		limits = *opts.Limits
	}
	settings := DefaultSettings()
	if opts.Settings != nil {
		settings = *opts.Settings
	}
	ignored, err := settings.pattern()
	if err != nil {
		return nil, err
	}
	l := &loader{ctx: ctx, fsys: fsys, root: display, limits: limits, ignored: ignored}
	l.graph = newGraph(&Inventory{}, limits)
	return l, nil
}

// pattern matches the names in a folder that are no sources.
func (s Settings) pattern() (*regexp.Regexp, error) {
	parts := []string{`^\.`, `^host_vars$`, `^group_vars$`, `^vars_plugins$`}
	parts = append(parts, s.IgnorePatterns...)
	for _, ext := range s.IgnoreExtensions {
		parts = append(parts, regexp.QuoteMeta(ext)+"$")
	}
	re, err := regexp.Compile(strings.Join(parts, "|"))
	if err != nil {
		return nil, fmt.Errorf("read the ignore patterns for inventories: %w", err)
	}
	return re, nil
}

func (l *loader) display(name string) string {
	if name == "." {
		return l.root
	}
	return filepath.Join(l.root, filepath.FromSlash(name))
}

// source reads one file, or every file of a folder in the order of their names.
func (l *loader) source(name string, depth int) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	info, err := fs.Stat(l.fsys, name)
	if err != nil {
		return pathError("read the inventory", l.display(name), err)
	}
	if !info.IsDir() {
		l.single = depth == 0
		return l.file(name, info)
	}
	if depth > l.limits.Depth {
		return &Error{ID: idTooLarge, Pos: Position{File: l.display(name)}, Msg: "the folders are nested too deeply", Fix: "look for a link that points upwards"}
	}
	entries, err := fs.ReadDir(l.fsys, name)
	if err != nil {
		return pathError("read the folder", l.display(name), err)
	}
	for _, e := range entries {
		child := path.Join(name, e.Name())
		if l.ignored.MatchString(e.Name()) {
			l.skipped = append(l.skipped, child)
			continue
		}
		if err := l.source(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// file reads one source. Like ansible, it goes on after a broken file of a folder, but remembers it.
func (l *loader) file(name string, info fs.FileInfo) error {
	err := l.parse(name, info)
	if err == nil {
		l.graph.inv.Sources = append(l.graph.inv.Sources, l.display(name))
		return nil
	}
	var refused *Error
	if l.single || !errors.As(err, &refused) || refused.ID == idTooLarge {
		return err
	}
	l.graph.inv.Refused = append(l.graph.inv.Refused, refused)
	return nil
}

func (l *loader) nothingParsed(name string) error {
	if refused := l.graph.inv.Refused; len(refused) > 0 {
		return refused[0]
	}
	e := &Error{ID: idRefused, Pos: Position{File: l.display(name)}, Msg: "the folder holds no inventory", Fix: "name the inventory file"}
	for _, skipped := range l.skipped {
		if path.Ext(skipped) == ".ini" {
			e.Msg = "the folder holds no inventory: ansible ignores .ini files in a folder"
			e.Fix = "name the file: " + l.display(skipped)
		}
	}
	return e
}

// read returns a file's content within the limits.
func (l *loader) read(name string) ([]byte, error) {
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	if l.files++; l.files > l.limits.Files {
		return nil, &Error{ID: idTooLarge, Pos: Position{File: l.display(name)}, Msg: fmt.Sprintf("the inventory has more than %d files", l.limits.Files)}
	}
	f, err := l.fsys.Open(name)
	if err != nil {
		return nil, pathError("read", l.display(name), err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, &Error{ID: idRefused, Pos: Position{File: l.display(name)}, Msg: "this is no regular file"}
	}
	data, err := io.ReadAll(io.LimitReader(f, l.limits.FileBytes+1))
	if err != nil {
		return nil, pathError("read", l.display(name), err)
	}
	l.bytes += int64(len(data))
	if int64(len(data)) > l.limits.FileBytes || l.bytes > l.limits.TotalBytes {
		return nil, &Error{ID: idTooLarge, Pos: Position{File: l.display(name)}, Msg: fmt.Sprintf("an inventory may have %d bytes a file and %d in all", l.limits.FileBytes, l.limits.TotalBytes)}
	}
	return data, nil
}

// vaultHeader begins a file that ansible-vault encrypted as a whole.
const vaultHeader = "$ANSIBLE_VAULT;"

// parse tries what ansible tries, in its order: a script, a plugin's configuration, YAML, INI, TOML.
func (l *loader) parse(name string, info fs.FileInfo) error {
	data, err := l.read(name)
	if err != nil {
		return err
	}
	file := l.display(name)
	if bytes.HasPrefix(data, []byte(vaultHeader)) {
		return &Error{ID: idRefused, Pos: Position{File: file}, Msg: "the file is encrypted with ansible-vault", Fix: "decrypt it first; secrets belong in group_vars or host_vars"}
	}
	if err := l.checkScript(file, data, info); err != nil {
		return err
	}
	var yamlErr error
	ext := path.Ext(path.Base(strings.TrimLeft(path.Base(name), ".")))
	if slices.Contains([]string{"", ".yml", ".yaml", ".json"}, ext) {
		if yamlErr = l.parseYAML(file, data); yamlErr == nil || errors.Is(yamlErr, ErrNotStatic) {
			return yamlErr
		}
	}
	iniErr := parseINI(l.graph, file, data)
	switch {
	case iniErr == nil:
		return nil
	case ext == ".toml":
		return notStatic(file, "a TOML inventory")
	case ext != "" || yamlErr != nil && looksLikeYAML(data):
		return cmpErr(yamlErr, iniErr)
	}
	return iniErr
}

func cmpErr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// looksLikeYAML guesses which of two errors helps for a file without an extension.
func looksLikeYAML(data []byte) bool {
	for _, line := range splitLines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		return line == "---" || line[0] == '{' || strings.HasSuffix(line, ":")
	}
	return false
}

func (l *loader) parseYAML(file string, data []byte) error {
	said := len(l.graph.inv.Diagnostics)
	doc, err := parseYAML(file, data, l.limits, l.graph.warn)
	if err == nil {
		err = parseYAMLInventory(l.graph, doc)
	}
	if err != nil {
		l.graph.inv.Diagnostics = l.graph.inv.Diagnostics[:said]
	}
	return err
}

func notStatic(file, what string) error {
	return fmt.Errorf("%s: %s is read by ansible-inventory only: %w", file, what, ErrNotStatic)
}

// checkScript recognises what ansible would run. An executable text file without #! cannot be run and
// is read as text, by ansible too.
func (l *loader) checkScript(file string, data []byte, info fs.FileInfo) error {
	if info.Mode().Perm()&0o111 == 0 {
		return nil
	}
	if bytes.HasPrefix(data, []byte("#!")) || bytes.IndexByte(data, 0) >= 0 || !utf8.Valid(data) {
		return notStatic(file, "an executable inventory")
	}
	l.graph.warn(Position{File: file}, "the file is executable, so ansible tries to run it before it reads it; chmod -x it")
	return nil
}

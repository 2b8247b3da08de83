package inventory

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"strings"
)

// varFileExtensions are tried in this order; the first that exists wins (DataLoader.find_vars_files).
func varFileExtensions() []string { return []string{"", ".yml", ".yaml", ".json"} }

// variableFiles reads group_vars and host_vars beside the inventory (plugins/vars/host_group_vars.py).
func (l *loader) variableFiles() error {
	groups, err := l.openVarDir("group_vars")
	if err != nil {
		return err
	}
	for _, g := range l.graph.inv.groupOrder {
		if err := groups.load(g.Name, &g.files); err != nil {
			return err
		}
	}
	l.dynamicGroups(groups)
	hosts, err := l.openVarDir("host_vars")
	if err != nil {
		return err
	}
	for _, h := range l.graph.inv.hostOrder {
		if err := hosts.load(h.Name, &h.files); err != nil {
			return err
		}
	}
	l.graph.inv.UnusedVarFiles = append(groups.unused(), hosts.unused()...)
	return nil
}

// dynamicGroups reads the group_vars of groups that Kubespray itself makes when they are missing. Ansible
// reads them only then, so an error is no reason to refuse the inventory.
func (l *loader) dynamicGroups(groups *varDir) {
	inv := l.graph.inv
	inv.dynamicVars = map[string]varSet{}
	for _, name := range dynamicGroupNames() {
		if inv.groups[name] != nil {
			continue
		}
		var vars varSet
		err := groups.load(name, &vars)
		inv.dynamicVars[name] = vars
		var refused *Error
		if errors.As(err, &refused) {
			inv.Refused = append(inv.Refused, refused)
		}
	}
}

// varDir is a group_vars or host_vars folder.
type varDir struct {
	loader *loader
	name   string
	names  []string        // entries, in their order
	exists map[string]bool // entries
	used   map[string]bool
}

func (l *loader) openVarDir(name string) (*varDir, error) {
	d := &varDir{loader: l, name: name, exists: map[string]bool{}, used: map[string]bool{}}
	info, err := fs.Stat(l.fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return nil, pathError("read", l.display(name), err)
	}
	if !info.IsDir() {
		l.graph.warn(Position{File: l.display(name)}, "%s is not a folder; ansible ignores it", name)
		return d, nil
	}
	entries, err := fs.ReadDir(l.fsys, name)
	if err != nil {
		return nil, pathError("read the folder", l.display(name), err)
	}
	for _, e := range entries {
		d.names = append(d.names, e.Name())
		d.exists[e.Name()] = true
	}
	return d, nil
}

// load adds the variables that the folder has for one group or host.
func (d *varDir) load(entity string, vars *varSet) error {
	if len(d.names) == 0 || strings.HasPrefix(entity, "/") || entity == "." || !fs.ValidPath(entity) {
		return nil
	}
	for _, ext := range varFileExtensions() {
		file := entity + ext
		if !d.has(file) {
			continue
		}
		d.used[strings.SplitN(file, "/", 2)[0]] = true
		return d.loadAny(path.Join(d.name, file), vars, 0)
	}
	return nil
}

// has also looks for names with a slash, which ansible finds in a folder of the folder.
func (d *varDir) has(file string) bool {
	if !strings.Contains(file, "/") {
		return d.exists[file]
	}
	_, err := fs.Stat(d.loader.fsys, path.Join(d.name, file))
	return err == nil
}

func (d *varDir) loadAny(name string, vars *varSet, depth int) error {
	info, err := fs.Stat(d.loader.fsys, name)
	if err != nil {
		return pathError("read", d.loader.display(name), err)
	}
	if !info.IsDir() {
		return d.loadFile(name, vars)
	}
	if depth > d.loader.limits.Depth {
		return &Error{ID: idTooLarge, Pos: Position{File: d.loader.display(name)}, Msg: "the folders are nested too deeply", Fix: "look for a link that points upwards"}
	}
	entries, err := fs.ReadDir(d.loader.fsys, name)
	if err != nil {
		return pathError("read the folder", d.loader.display(name), err)
	}
	for _, e := range entries {
		child := path.Join(name, e.Name())
		if skip, err := d.skips(child); err != nil || skip {
			if err != nil {
				return err
			}
			continue
		}
		if err := d.loadAny(child, vars, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// skips leaves out hidden files, backups, and what has a foreign extension.
func (d *varDir) skips(name string) (bool, error) {
	base := path.Base(name)
	if strings.HasPrefix(base, ".") || strings.HasSuffix(base, "~") {
		return true, nil
	}
	info, err := fs.Stat(d.loader.fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // a dangling link
	}
	if err != nil {
		return false, pathError("read", d.loader.display(name), err)
	}
	ext := path.Ext(base)
	if info.IsDir() {
		return ext != "", nil
	}
	known := ext == "" || ext == ".yml" || ext == ".yaml" || ext == ".json"
	return !known || !info.Mode().IsRegular(), nil
}

func (d *varDir) loadFile(name string, vars *varSet) error {
	l := d.loader
	data, err := l.read(name)
	if err != nil {
		return err
	}
	file := l.display(name)
	if bytes.HasPrefix(data, []byte(vaultHeader)) {
		l.graph.inv.EncryptedFiles = append(l.graph.inv.EncryptedFiles, file)
		return nil
	}
	doc, err := parseYAML(file, data, l.limits, l.graph.warn)
	if err != nil {
		return err
	}
	if err := doc.check(); err != nil {
		return err
	}
	if doc.falsy(doc.root) {
		return nil
	}
	if kind := doc.kindOf(doc.root); kind != KindMap {
		return doc.refuse(doc.root, "a file of variables is a map, this is a %s", kind)
	}
	found, err := doc.variables(doc.root)
	if err != nil {
		return err
	}
	for _, v := range found {
		if err := l.graph.countVariable(v.Pos); err != nil {
			return err
		}
		vars.set(v)
	}
	return nil
}

// unused lists what no group or host of the inventory reads.
func (d *varDir) unused() []string {
	var out []string
	for _, name := range d.names {
		ext := path.Ext(name)
		known := ext == "" || ext == ".yml" || ext == ".yaml" || ext == ".json"
		if !d.used[name] && known && !strings.HasPrefix(name, ".") {
			out = append(out, d.loader.display(path.Join(d.name, name)))
		}
	}
	return out
}

package inventory

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// parseYAMLInventory reads a YAML source into the graph (ansible's plugins/inventory/yaml.py).
func parseYAMLInventory(g *graph, doc *yamlDoc) error {
	if err := doc.check(); err != nil {
		return err
	}
	p := &yamlInventory{graph: g, doc: doc}
	top, err := p.topLevel()
	if err != nil {
		return err
	}
	for _, entry := range top {
		if _, err := p.group(entry); err != nil {
			return err
		}
	}
	return nil
}

type yamlInventory struct {
	graph *graph
	doc   *yamlDoc
	depth int
}

func (p *yamlInventory) topLevel() ([]pair, error) {
	if p.doc.falsy(p.doc.root) {
		return nil, p.doc.refuse(nil, "the file is empty")
	}
	if p.doc.kindOf(p.doc.root) != KindMap {
		return nil, p.doc.refuse(p.doc.root, "a YAML inventory is a map of groups, this is a %s", p.doc.kindOf(p.doc.root))
	}
	top, err := p.doc.pairs(p.doc.root)
	if err != nil {
		return nil, err
	}
	for _, entry := range top {
		if text, ok := entry.key.v.(string); ok && text == "plugin" && !p.doc.falsy(entry.val) {
			return nil, fmt.Errorf("%s: this is the configuration of an inventory plugin: %w", p.doc.pos(entry.node), ErrNotStatic)
		}
	}
	return top, nil
}

// falsy is Python's `not value`.
func (d *yamlDoc) falsy(n *yaml.Node) bool {
	n = target(n)
	if n == nil {
		return true
	}
	if n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode {
		return len(n.Content) == 0
	}
	v, err := d.scalar(n)
	if err != nil {
		return false
	}
	text, _ := v.Text()
	switch v.rawKind() {
	case KindNull:
		return true
	case KindBool:
		return text == "False"
	case KindInt, KindFloat:
		return text == "0" || text == "0.0" || text == "-0.0"
	}
	return text == ""
}

// name returns a key that must be text.
func (p *yamlInventory) name(entry pair, what string) (string, error) {
	text, ok := entry.key.v.(string)
	if !ok {
		return "", &Error{
			ID: idRefused, Pos: p.doc.pos(entry.node),
			Msg: fmt.Sprintf("the name of a %s must be text, this is a %s", what, entry.key.rawKind()),
			Fix: "quote it",
		}
	}
	return text, nil
}

// group reads one group. A group whose content is no map is skipped, as in ansible.
func (p *yamlInventory) group(entry pair) (string, error) {
	if p.depth++; p.depth > p.doc.limits.Depth {
		return "", p.doc.refuse(entry.node, "groups are nested more than %d deep", p.doc.limits.Depth)
	}
	defer func() { p.depth-- }()
	kind := p.doc.kindOf(entry.val)
	if kind != KindMap && kind != KindNull {
		p.graph.warn(p.doc.pos(entry.node), "%s is skipped: a group is a map with hosts, vars and children", jsonKey(entry.key))
		return jsonKey(entry.key), nil
	}
	name, err := p.name(entry, "group")
	if err != nil {
		return "", err
	}
	group, err := p.graph.addGroup(name, p.doc.pos(entry.node))
	if err != nil || kind == KindNull {
		return name, err
	}
	sections, err := p.doc.pairs(entry.val)
	if err != nil {
		return "", err
	}
	for _, section := range sections {
		if err := p.checkSection(section, group); err != nil {
			return "", err
		}
	}
	for _, section := range sections {
		if err := p.section(section, group); err != nil {
			return "", err
		}
	}
	return name, nil
}

func isSection(name string) bool { return name == "vars" || name == "children" || name == "hosts" }

func (p *yamlInventory) checkSection(section pair, group *Group) error {
	name, _ := section.key.v.(string)
	kind := p.doc.kindOf(section.val)
	if !isSection(name) || kind == KindMap || kind == KindNull || kind == KindString {
		return nil
	}
	return p.doc.refuse(section.node, "%s of group %q must be a map, this is a %s", name, group.Name, kind)
}

func (p *yamlInventory) section(section pair, group *Group) error {
	name := jsonKey(section.key)
	entries, err := p.sectionEntries(section)
	if err != nil {
		return err
	}
	if kind := p.doc.kindOf(section.val); !isSection(name) {
		if kind != KindNull {
			p.graph.warn(p.doc.pos(section.node), "%s in group %s is skipped: only vars, children and hosts count", name, group.Name)
		}
		return nil
	}
	for _, entry := range entries {
		switch name {
		case "vars":
			err = p.variable(entry, group)
		case "children":
			err = p.child(entry, group)
		case "hosts":
			err = p.hosts(entry, group)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sectionEntries allows a single name in the place of a map: `hosts: node1`.
func (p *yamlInventory) sectionEntries(section pair) ([]pair, error) {
	switch p.doc.kindOf(section.val) {
	case KindMap:
		return p.doc.pairs(section.val)
	case KindString:
		key, err := p.doc.scalar(target(section.val))
		return []pair{{key: key, node: section.val}}, err
	}
	return nil, nil
}

func (p *yamlInventory) variable(entry pair, group *Group) error {
	value, err := p.doc.construct(entry.val)
	if err != nil {
		return err
	}
	return p.graph.setVariable(group.Name, Variable{Name: jsonKey(entry.key), Value: value, Pos: p.doc.pos(entry.node)})
}

func (p *yamlInventory) child(entry pair, group *Group) error {
	name, err := p.group(entry)
	if err != nil {
		return err
	}
	return p.graph.addChild(group, name, p.doc.pos(entry.node))
}

func (p *yamlInventory) hosts(entry pair, group *Group) error {
	pattern, err := p.name(entry, "host")
	if err != nil {
		return err
	}
	pos := p.doc.pos(entry.node)
	names, port, err := expandHostPattern(pattern, p.graph.limits.Hosts)
	if err != nil {
		return &Error{ID: idRefused, Pos: pos, Msg: err.Error()}
	}
	vars, err := p.hostVariables(entry)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := p.graph.addHost(name, group, port, pos); err != nil {
			return err
		}
		for _, v := range vars {
			if err := p.graph.setVariable(name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *yamlInventory) hostVariables(entry pair) ([]Variable, error) {
	if p.doc.falsy(entry.val) {
		return nil, nil
	}
	if kind := p.doc.kindOf(entry.val); kind != KindMap {
		return nil, p.doc.refuse(entry.node, "the variables of host %q must be a map, this is a %s", jsonKey(entry.key), kind)
	}
	return p.doc.variables(entry.val)
}

// variables reads a map of variables, each with its line.
func (d *yamlDoc) variables(n *yaml.Node) ([]Variable, error) {
	pairs, err := d.pairs(n)
	if err != nil {
		return nil, err
	}
	vars := make([]Variable, 0, len(pairs))
	for _, entry := range pairs {
		value, err := d.construct(entry.val)
		if err != nil {
			return nil, err
		}
		value = inheritUnsafe(target(n), value)
		vars = append(vars, Variable{Name: jsonKey(entry.key), Value: value, Pos: d.pos(entry.node)})
	}
	return vars, nil
}

package inventory

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// The section and group name patterns of ansible's plugins/inventory/ini.py. [\s\pZ\x1c-\x1f\x85] is
// Python's \s, near enough for a stripped line.
var (
	sectionPattern   = regexp.MustCompile(`^\[([^:\]\s\pZ]+)(?::([\pL\pN_]+))?\][\s\pZ]*(?:#.*)?$`)
	groupNamePattern = regexp.MustCompile(`^([^:\]\s\pZ]+)[\s\pZ]*(?:#.*)?$`)
)

// iniParser reads one INI source into the graph, line by line, as ansible does.
type iniParser struct {
	graph *graph
	file  string
	line  int

	group   *Group
	kind    string // hosts, children or vars
	pending map[string]*pendingGroup
	order   []string
}

// pendingGroup is a group that was named before it was declared.
type pendingGroup struct {
	pos     Position
	parents []pendingParent // those that name it as their child; none if it was named by :vars
}

type pendingParent struct {
	group *Group
	pos   Position
}

func parseINI(g *graph, file string, data []byte) error {
	p := &iniParser{graph: g, file: file, kind: "hosts", group: g.inv.groups[groupUngrouped], pending: map[string]*pendingGroup{}}
	for _, line := range splitLines(string(data)) {
		p.line++
		if err := p.parseLine(line); err != nil {
			return p.located(err)
		}
	}
	return p.checkPending()
}

func (p *iniParser) pos() Position { return Position{File: p.file, Line: p.line} }

// located gives an error its place, if it has none.
func (p *iniParser) located(err error) error {
	var located *Error
	if errors.As(err, &located) {
		return err
	}
	id := idRefused
	if errors.Is(err, errTooManyHosts) {
		id = idTooLarge
	}
	return &Error{ID: id, Pos: p.pos(), Msg: err.Error()}
}

func (p *iniParser) refuse(fix, format string, args ...any) error {
	return &Error{ID: idRefused, Pos: p.pos(), Msg: fmt.Sprintf(format, args...), Fix: fix}
}

func (p *iniParser) parseLine(line string) error {
	line = strings.TrimFunc(line, isPythonSpace)
	if line == "" || line[0] == '#' || line[0] == ';' {
		return nil
	}
	if !utf8.ValidString(line) {
		return p.refuse("save the file as UTF-8", "the line is not UTF-8")
	}
	if m := sectionPattern.FindStringSubmatch(line); m != nil {
		return p.section(m[1], m[2])
	}
	if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
		return p.refuse("write [group], [group:vars] or [group:children], without spaces", "the section header is not valid")
	}
	switch p.kind {
	case "vars":
		return p.variable(line)
	case "children":
		return p.child(line)
	}
	return p.hosts(line)
}

func (p *iniParser) section(name, kind string) error {
	if kind == "" {
		kind = "hosts"
	}
	if kind != "hosts" && kind != "children" && kind != "vars" {
		return p.refuse("write :vars, :children or nothing", "section [%s:%s] is of an unknown kind", name, kind)
	}
	_, known := p.graph.inv.groups[name]
	if _, waiting := p.pending[name]; !known && !waiting && kind == "vars" {
		p.wait(name)
	}
	group, err := p.graph.addGroup(name, p.pos())
	if err != nil {
		return err
	}
	p.group, p.kind = group, kind
	if waiting := p.pending[name]; waiting != nil && kind != "vars" {
		delete(p.pending, name)
		return p.adopt(waiting, name)
	}
	return nil
}

func (p *iniParser) wait(name string) *pendingGroup {
	waiting := &pendingGroup{pos: p.pos()}
	p.pending[name] = waiting
	p.order = append(p.order, name)
	return waiting
}

// adopt puts a group below the parents that named it before it was declared.
func (p *iniParser) adopt(waiting *pendingGroup, name string) error {
	for _, parent := range waiting.parents {
		if err := p.graph.addChild(parent.group, name, parent.pos); err != nil {
			return err
		}
	}
	return nil
}

func (p *iniParser) child(line string) error {
	m := groupNamePattern.FindStringSubmatch(line)
	if m == nil {
		return p.refuse("write one group a line in a :children section", "this is not the name of a group")
	}
	name := m[1]
	if _, known := p.graph.inv.groups[name]; known {
		return p.graph.addChild(p.group, name, p.pos())
	}
	waiting := p.pending[name]
	if waiting == nil {
		waiting = p.wait(name)
	}
	waiting.parents = append(waiting.parents, pendingParent{p.group, p.pos()})
	return nil
}

func (p *iniParser) variable(line string) error {
	name, text, found := strings.Cut(line, "=")
	if !found {
		return p.refuse("write NAME=VALUE in a :vars section", "this is not NAME=VALUE")
	}
	value, err := iniValue(strings.TrimFunc(text, isPythonSpace))
	if err != nil {
		return err
	}
	v := Variable{Name: strings.TrimFunc(name, isPythonSpace), Value: value, Pos: p.pos()}
	return p.graph.setVariable(p.group.Name, v)
}

func (p *iniParser) hosts(line string) error {
	tokens, err := splitHostLine(line)
	if err != nil {
		return p.refuse("close the quote, or write \\ before it", "the host line cannot be split into words: %s", err)
	}
	if len(tokens) == 0 {
		return p.refuse("", "the host line has no host")
	}
	vars, err := p.hostVariables(tokens[1:])
	if err != nil {
		return err
	}
	if err := p.checkHostPattern(tokens[0]); err != nil {
		return err
	}
	names, port, err := expandHostPattern(tokens[0], p.graph.limits.Hosts)
	if err != nil {
		return err
	}
	if port == nil && strings.HasSuffix(strings.TrimFunc(tokens[0], isPythonSpace), ":") {
		return p.refuse("write NAME:PORT or NAME", "the host name ends in a colon, but no port follows")
	}
	for _, name := range names {
		if strings.TrimFunc(name, isPythonSpace) == "---" {
			return p.refuse("name the file .yml or .yaml, or write INI", "--- begins a YAML file, not an INI inventory")
		}
		if _, err := p.graph.addHost(name, p.group, port, p.pos()); err != nil {
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

// checkHostPattern names a common mistake better than the general message would.
func (p *iniParser) checkHostPattern(pattern string) error {
	if strings.HasPrefix(pattern, "\ufeff") {
		return p.refuse("save the file as UTF-8 without it", "the file begins with a byte order mark")
	}
	return nil
}

func (p *iniParser) hostVariables(words []string) ([]Variable, error) {
	vars := make([]Variable, 0, len(words))
	for i, word := range words {
		name, text, found := strings.Cut(word, "=")
		if !found {
			return nil, p.refuse("quote values that hold spaces", "word %d of the host line is not NAME=VALUE", i+2)
		}
		value, err := iniValue(text)
		if err != nil {
			return nil, err
		}
		vars = append(vars, Variable{Name: name, Value: value, Pos: p.pos()})
	}
	return vars, nil
}

// checkPending refuses groups that were named but never declared; like ansible, it reports the first.
func (p *iniParser) checkPending() error {
	for _, name := range p.order {
		waiting := p.pending[name]
		if waiting == nil {
			continue
		}
		if len(waiting.parents) > 0 {
			first := waiting.parents[0]
			return undefinedChild(first.group.Name, name, first.pos)
		}
		return &Error{
			ID: idUndefinedChild, Pos: waiting.pos,
			Msg: fmt.Sprintf("section [%s:vars] is for a group that is not defined", name),
			Fix: fmt.Sprintf("add a [%s] section, or remove this one", name),
		}
	}
	return nil
}

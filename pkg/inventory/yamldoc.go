package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// yamlDoc is one parsed YAML or JSON file. Scalars are resolved by YAML 1.1 rules, as PyYAML and so
// ansible do: `yes` is true, 0644 is octal and 1:30 is 90.
type yamlDoc struct {
	file   string
	root   *yaml.Node // nil for an empty file
	limits Limits
	json   bool
	values int
	depth  int
	open   map[*yaml.Node]bool // mappings whose entries are being read
	shared map[*yaml.Node]sharedValue
	warn   func(pos Position, format string, args ...any)
}

// sharedValue is the value of a node that aliases refer to, and how many values it counts for.
type sharedValue struct {
	value Value
	count int
}

// parseYAML reads a file as ansible's DataLoader does: as JSON if it is JSON, else as YAML.
func parseYAML(file string, data []byte, limits Limits, warn func(Position, string, ...any)) (*yamlDoc, error) {
	d := newYAMLDoc(file, limits)
	d.warn = warn
	if !utf8.Valid(data) {
		return nil, d.refuse(nil, "the file is not UTF-8")
	}
	if bytes.Count(data, []byte("\n"))+countAny(data, ",:[{-?&*") > 2*limits.Values {
		return nil, &Error{ID: idTooLarge, Pos: Position{File: file}, Msg: "the file holds too many values", Fix: "split the file"}
	}
	if root, err := parseJSON(data, limits.Depth); err == nil {
		d.root, d.json = root, true
		return d, nil
	}
	return d, d.parse(data)
}

func newYAMLDoc(file string, limits Limits) *yamlDoc {
	return &yamlDoc{file: file, limits: limits, open: map[*yaml.Node]bool{}, shared: map[*yaml.Node]sharedValue{}}
}

func countAny(data []byte, chars string) int {
	n := 0
	for _, c := range data {
		if strings.IndexByte(chars, c) >= 0 {
			n++
		}
	}
	return n
}

func (d *yamlDoc) parse(data []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return d.syntaxError(err)
	}
	if err := decoder.Decode(&second); err == nil {
		return d.refuse(&second, "the file holds more than one YAML document")
	} else if !errors.Is(err, io.EOF) {
		return d.syntaxError(err)
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		d.root = doc.Content[0]
	}
	return d.checkAnchors(d.root, map[string]bool{})
}

// checkAnchors refuses an anchor that is set twice, as PyYAML does.
func (d *yamlDoc) checkAnchors(n *yaml.Node, seen map[string]bool) error {
	if n == nil || n.Kind == yaml.AliasNode {
		return nil
	}
	if n.Anchor != "" && seen[n.Anchor] {
		return d.refuse(n, "the anchor &%s is set twice", n.Anchor)
	}
	if n.Anchor != "" {
		seen[n.Anchor] = true
	}
	for _, child := range n.Content {
		if err := d.checkAnchors(child, seen); err != nil {
			return err
		}
	}
	return nil
}

var yamlErrorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntaxError turns the library's "yaml: line 3: …" into an Error with a position. The library names a
// line, an anchor or a tag, but never quotes values.
func (d *yamlDoc) syntaxError(err error) error {
	out := &Error{ID: idRefused, Pos: Position{File: d.file}, Msg: "not valid YAML"}
	if m := yamlErrorLine.FindStringSubmatch(err.Error()); m != nil {
		out.Pos.Line, _ = strconv.Atoi(m[1])
		out.Msg = "not valid YAML: " + m[2]
	}
	return out
}

func (d *yamlDoc) pos(n *yaml.Node) Position {
	if n == nil {
		return Position{File: d.file}
	}
	return Position{File: d.file, Line: n.Line}
}

func (d *yamlDoc) refuse(n *yaml.Node, format string, args ...any) error {
	return &Error{ID: idRefused, Pos: d.pos(n), Msg: fmt.Sprintf(format, args...)}
}

// pair is one entry of a mapping, merge keys (<<) resolved.
type pair struct {
	key  Value
	node *yaml.Node // of the key
	val  *yaml.Node // of the value
}

// target follows an alias.
func target(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// kindOf tells what ansible would see at a node.
func (d *yamlDoc) kindOf(n *yaml.Node) Kind {
	n = target(n)
	if n == nil {
		return KindNull
	}
	switch n.Kind {
	case yaml.MappingNode:
		return KindMap
	case yaml.SequenceNode:
		return KindList
	}
	v, err := d.scalar(n)
	if err != nil {
		return KindString
	}
	return v.rawKind()
}

// pairs returns the entries of a mapping: those that it merges first, then its own; of equal keys the
// last one counts, in the place of the first.
func (d *yamlDoc) pairs(n *yaml.Node) ([]pair, error) {
	n = target(n)
	if err := d.count(n); err != nil {
		return nil, err
	}
	if d.open[n] || len(d.open) > d.limits.Depth {
		return nil, d.refuse(n, "a YAML alias refers to itself, or the values are nested more than %d deep", d.limits.Depth)
	}
	d.open[n] = true
	defer delete(d.open, n)
	var merged, own []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		if isMergeKey(key) {
			more, err := d.mergePairs(val)
			if err != nil {
				return nil, err
			}
			merged = append(merged, more...)
			continue
		}
		k, err := d.key(key)
		if err != nil {
			return nil, err
		}
		own = append(own, pair{key: k, node: key, val: val})
	}
	return d.lastWins(merged, own), nil
}

func isMergeKey(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && isPlain(n) && n.Value == "<<" || n.Kind == yaml.ScalarNode && n.Style&yaml.TaggedStyle != 0 && n.Tag == "!!merge"
}

func (d *yamlDoc) mergePairs(val *yaml.Node) ([]pair, error) {
	val = target(val)
	switch val.Kind {
	case yaml.MappingNode:
		return d.pairs(val)
	case yaml.SequenceNode:
		var merged []pair
		for i := len(val.Content) - 1; i >= 0; i-- {
			item := target(val.Content[i])
			if item.Kind != yaml.MappingNode {
				return nil, d.refuse(item, "<< can merge maps only")
			}
			more, err := d.pairs(item)
			if err != nil {
				return nil, err
			}
			merged = append(merged, more...)
		}
		return merged, nil
	}
	return nil, d.refuse(val, "<< can merge maps only")
}

// key constructs a mapping's key. Python can use text and other scalars as keys, but no list or map.
func (d *yamlDoc) key(n *yaml.Node) (Value, error) {
	n = target(n)
	if n.Kind != yaml.ScalarNode {
		return Value{}, d.refuse(n, "a list or a map cannot be the key of a map")
	}
	if isPlain(n) && n.Value == "=" {
		return stringValue("="), nil
	}
	k, err := d.scalar(n)
	if err == nil && k.rawKind() == KindVault {
		return Value{}, d.refuse(n, "an encrypted value cannot be the key of a map")
	}
	return k, err
}

func (d *yamlDoc) lastWins(merged, own []pair) []pair {
	out := make([]pair, 0, len(merged)+len(own))
	index := make(map[string]int, cap(out))
	for i, p := range append(merged, own...) {
		name := p.key.rawKind().String() + " " + jsonKey(p.key)
		at, seen := index[name]
		if !seen {
			index[name] = len(out)
			out = append(out, p)
			continue
		}
		if i >= len(merged) && at >= len(merged) && d.warn != nil {
			d.warn(d.pos(p.node), "the key %q is set twice; the last one counts", jsonKey(p.key))
		}
		out[at] = p
	}
	return out
}

func (d *yamlDoc) count(n *yaml.Node) error {
	if d.values++; d.values > d.limits.Values {
		return &Error{ID: idTooLarge, Pos: d.pos(n), Msg: fmt.Sprintf("the file holds more than %d values, aliases included", d.limits.Values), Fix: "split the file, or use fewer aliases"}
	}
	return nil
}

// check refuses what ansible refuses to construct anywhere in the file, used or not.
func (d *yamlDoc) check() error {
	_, err := d.construct(d.root)
	d.values = 0
	return err
}

// construct builds the value of a node. What an alias refers to is built once, but counted each time.
func (d *yamlDoc) construct(n *yaml.Node) (Value, error) {
	if n == nil {
		return Value{}, nil
	}
	if n.Kind != yaml.AliasNode {
		return d.build(n)
	}
	n = target(n)
	known, ok := d.shared[n]
	if ok {
		d.values += known.count
		return known.value, d.count(n)
	}
	before := d.values
	v, err := d.build(n)
	if err == nil {
		d.shared[n] = sharedValue{v, d.values - before}
	}
	return v, err
}

func (d *yamlDoc) build(n *yaml.Node) (Value, error) {
	if d.depth++; d.depth > d.limits.Depth {
		return Value{}, &Error{ID: idTooLarge, Pos: d.pos(n), Msg: fmt.Sprintf("values are nested more than %d deep", d.limits.Depth)}
	}
	defer func() { d.depth-- }()
	switch n.Kind {
	case yaml.MappingNode:
		return d.constructMap(n)
	case yaml.SequenceNode:
		return d.constructList(n)
	}
	if err := d.count(n); err != nil {
		return Value{}, err
	}
	return d.scalar(n)
}

func (d *yamlDoc) constructMap(n *yaml.Node) (Value, error) {
	if err := d.checkCollectionTag(n, "!!map", "!!python/dict", "!!set", "!unsafe"); err != nil {
		return Value{}, err
	}
	pairs, err := d.pairs(n)
	if err != nil {
		return Value{}, err
	}
	entries := make([]Entry, 0, len(pairs))
	for _, p := range pairs {
		v, err := d.construct(p.val)
		if err != nil {
			return Value{}, err
		}
		entries = append(entries, Entry{Key: jsonKey(p.key), Value: v})
	}
	if v, ok := fromAnsibleJSON(entries); ok && d.json {
		return v, nil
	}
	return inheritUnsafe(n, mapValue(entries)), nil
}

// fromAnsibleJSON recognises the two marks that ansible writes to JSON and reads from it.
func fromAnsibleJSON(entries []Entry) (Value, bool) {
	for _, e := range entries {
		text, isText := e.Value.v.(string)
		switch {
		case e.Key == "__ansible_vault" && isText:
			return Value{v: vaultText(text)}, true
		case e.Key == "__ansible_unsafe" && isText:
			return Value{v: text, flags: flagUnsafe}, true
		}
	}
	return Value{}, false
}

func (d *yamlDoc) constructList(n *yaml.Node) (Value, error) {
	if err := d.checkCollectionTag(n, "!!seq", "!unsafe"); err != nil {
		return Value{}, err
	}
	if err := d.count(n); err != nil {
		return Value{}, err
	}
	items := make([]Value, 0, len(n.Content))
	for _, item := range n.Content {
		v, err := d.construct(item)
		if err != nil {
			return Value{}, err
		}
		items = append(items, v)
	}
	return inheritUnsafe(n, listValue(items)), nil
}

func (d *yamlDoc) checkCollectionTag(n *yaml.Node, allowed ...string) error {
	if n.Style&yaml.TaggedStyle == 0 || n.Tag == "!" {
		return nil
	}
	for _, tag := range allowed {
		if n.Tag == tag {
			return nil
		}
	}
	return d.refuse(n, "ansible knows no YAML tag %s here", n.Tag)
}

// inheritUnsafe marks every text below a node with the !unsafe tag.
func inheritUnsafe(n *yaml.Node, v Value) Value {
	if n.Style&yaml.TaggedStyle == 0 || n.Tag != "!unsafe" {
		return v
	}
	return allUnsafe(v)
}

func allUnsafe(v Value) Value {
	switch x := v.v.(type) {
	case string:
		v.flags |= flagUnsafe
	case []Value:
		items := make([]Value, len(x))
		for i := range x {
			items[i] = allUnsafe(x[i])
		}
		v.v = items
	case *mapping:
		m := &mapping{index: x.index, entries: make([]Entry, len(x.entries))}
		for i, e := range x.entries {
			m.entries[i] = Entry{Key: e.Key, Value: allUnsafe(e.Value)}
		}
		v.v = m
	}
	return v
}

// errNotJSON makes the caller try YAML.
var errNotJSON = errors.New("not JSON")

// parseJSON reads JSON into YAML nodes, so that both formats share what follows.
func parseJSON(data []byte, depth int) (*yaml.Node, error) {
	p := &jsonParser{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1, depth: depth}
	p.decoder.UseNumber()
	root, err := p.value()
	if err != nil {
		return nil, err
	}
	if _, err := p.decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON
	}
	return root, nil
}

type jsonParser struct {
	data    []byte
	decoder *json.Decoder
	read    int // bytes whose lines are counted
	line    int
	depth   int
}

func (p *jsonParser) token() (json.Token, int, error) {
	token, err := p.decoder.Token()
	end := int(p.decoder.InputOffset())
	p.line += bytes.Count(p.data[p.read:end], []byte("\n"))
	p.read = end
	return token, p.line, err
}

func (p *jsonParser) value() (*yaml.Node, error) {
	token, line, err := p.token()
	if err != nil {
		return nil, errNotJSON
	}
	return p.node(token, line)
}

func (p *jsonParser) node(token json.Token, line int) (*yaml.Node, error) {
	tagged := func(tag, value string) (*yaml.Node, error) {
		return &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.TaggedStyle, Tag: tag, Value: value, Line: line}, nil
	}
	switch t := token.(type) {
	case json.Delim:
		return p.collection(t, line)
	case string:
		return tagged("!!str", t)
	case bool:
		return tagged("!!bool", strconv.FormatBool(t))
	case json.Number:
		if strings.ContainsAny(t.String(), ".eE") {
			return tagged("!!float", t.String())
		}
		return tagged(tagJSONInt, t.String())
	}
	return tagged("!!null", "")
}

// tagJSONInt keeps -0 and 08 apart from YAML's integers. It cannot be written in a YAML file.
const tagJSONInt = "json int"

func (p *jsonParser) collection(delim json.Delim, line int) (*yaml.Node, error) {
	if p.depth--; p.depth < 0 {
		return nil, errNotJSON
	}
	defer func() { p.depth++ }()
	node := &yaml.Node{Kind: yaml.SequenceNode, Line: line}
	if delim == '{' {
		node.Kind = yaml.MappingNode
	}
	for p.decoder.More() {
		if delim == '{' {
			key, err := p.value()
			if err != nil {
				return nil, err
			}
			key.Style = yaml.TaggedStyle
			node.Content = append(node.Content, key)
		}
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, value)
	}
	if _, _, err := p.token(); err != nil {
		return nil, errNotJSON
	}
	return node, nil
}

package fakeslack

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// checker collects what is wrong with a set of blocks, in Slack's words: a sentence and a JSON
// pointer.
type checker struct {
	errs    []string
	surface surface
}

// surface is where blocks are shown; some blocks are allowed on some surfaces only.
type surface int

const (
	onMessage surface = iota
	onModal
	onHome
)

func (c *checker) fail(at, format string, a ...any) {
	c.errs = append(c.errs, fmt.Sprintf(format, a...)+" [json-pointer:"+at+"]")
}

// rule checks the value at a JSON pointer.
type rule func(c *checker, at string, v any)

// property is one key of an object.
type property struct {
	check    rule
	required bool
}

// schema lists the keys that an object may have. Slack refuses any other.
type schema map[string]property

func required(check rule) property { return property{check: check, required: true} }
func optional(check rule) property { return property{check: check} }

// with returns the schema extended by more keys.
func (s schema) with(more schema) schema {
	out := maps.Clone(s)
	maps.Copy(out, more)
	return out
}

// object checks the keys of an object, and then with each of also.
func object(s schema, also ...func(c *checker, at string, o map[string]any)) rule {
	return func(c *checker, at string, v any) {
		o, ok := v.(map[string]any)
		if !ok {
			c.fail(at, "must be an object")
			return
		}
		for _, key := range sortedKeys(o) {
			p, known := s[key]
			if !known {
				c.fail(at, "invalid additional property: %s", key)
				continue
			}
			p.check(c, at+"/"+key, o[key])
		}
		for _, key := range sortedKeys(s) {
			if _, present := o[key]; s[key].required && !present {
				c.fail(at, "missing required field: %s", key)
			}
		}
		for _, check := range also {
			check(c, at, o)
		}
	}
}

// oneOf checks an object by its type.
func oneOf(kinds map[string]rule) rule {
	return func(c *checker, at string, v any) {
		o, ok := v.(map[string]any)
		if !ok {
			c.fail(at, "must be an object")
			return
		}
		kind, ok := o["type"].(string)
		if !ok {
			c.fail(at, "missing required field: type")
			return
		}
		check, ok := kinds[kind]
		if !ok {
			c.fail(at+"/type", "unsupported type: %s", kind)
			return
		}
		check(c, at, v)
	}
}

// str checks a string's length in characters.
func str(minLen, maxLen int) rule {
	return func(c *checker, at string, v any) {
		s, ok := v.(string)
		switch n := runes(s); {
		case !ok:
			c.fail(at, "must be a string")
		case n < minLen:
			c.fail(at, "must be more than %d characters", minLen-1)
		case maxLen > 0 && n > maxLen:
			c.fail(at, "must be less than %d characters", maxLen+1)
		}
	}
}

func oneWord(words ...string) rule {
	return func(c *checker, at string, v any) {
		if s, ok := v.(string); !ok || !slices.Contains(words, s) {
			c.fail(at, "must be one of %s", strings.Join(words, ", "))
		}
	}
}

func boolean(c *checker, at string, v any) {
	if _, ok := v.(bool); !ok {
		c.fail(at, "must be a boolean")
	}
}

func number(c *checker, at string, v any) {
	if _, ok := v.(float64); !ok {
		c.fail(at, "must be a number")
	}
}

func integer(low, high int) rule {
	return func(c *checker, at string, v any) {
		n, ok := v.(float64)
		if !ok || n != float64(int(n)) || int(n) < low || int(n) > high {
			c.fail(at, "must be an integer between %d and %d", low, high)
		}
	}
}

func anything(*checker, string, any) {}

// list checks an array's length and its items.
func list(minItems, maxItems int, item rule) rule {
	return func(c *checker, at string, v any) {
		items, ok := v.([]any)
		switch {
		case !ok:
			c.fail(at, "must be an array")
			return
		case len(items) < minItems:
			c.fail(at, "must provide at least %d items", minItems)
		case len(items) > maxItems:
			c.fail(at, "no more than %d items allowed", maxItems)
		}
		for i, it := range items {
			item(c, fmt.Sprintf("%s/%d", at, i), it)
		}
	}
}

// plainText is a plain_text object.
func plainText(maxLen int) rule {
	return oneOf(map[string]rule{"plain_text": object(schema{
		"type":  required(anything),
		"text":  required(str(1, maxLen)),
		"emoji": optional(boolean),
	})})
}

// mrkdwnText is a mrkdwn object.
func mrkdwnText(maxLen int) rule {
	return oneOf(map[string]rule{"mrkdwn": object(schema{
		"type":     required(anything),
		"text":     required(str(1, maxLen)),
		"verbatim": optional(boolean),
	})})
}

// anyText is a plain_text or mrkdwn object. Slack reports two errors for a bad one.
func anyText(maxLen int) rule {
	return func(c *checker, at string, v any) {
		sub := &checker{surface: c.surface}
		check := mrkdwnText(maxLen)
		if o, ok := v.(map[string]any); ok && o["type"] == "plain_text" {
			check = plainText(maxLen)
		}
		check(sub, at, v)
		if len(sub.errs) > 0 {
			c.fail(at, "failed to match all allowed schemas")
			c.errs = append(c.errs, sub.errs...)
		}
	}
}

// checkMessageBlocks refuses what Slack refuses in the blocks of a message.
func checkMessageBlocks(blocks []map[string]any) *apiError {
	if len(blocks) == 0 {
		return nil
	}
	c := &checker{surface: onMessage}
	c.blocks("/blocks", toAny(blocks), MaxMessageBlocks)
	if len(c.errs) > 0 {
		return fail("invalid_blocks", c.errs...)
	}
	if n := countTables(blocks); n > MaxTablesPerPost {
		return fail("invalid_attachments", "only_one_table_allowed")
	}
	if runes(compactJSON(blocks)) > MaxBlocksTotal {
		return fail("msg_blocks_too_long")
	}
	return nil
}

// checkAttachments refuses bad legacy attachments and the blocks in them.
func checkAttachments(attachments []map[string]any) *apiError {
	if len(attachments) > MaxAttachments {
		return fail("too_many_attachments")
	}
	c := &checker{surface: onMessage}
	for i, a := range attachments {
		if blocks, ok := a["blocks"]; ok {
			c.blocks(fmt.Sprintf("/attachments/%d/blocks", i), blocks, MaxMessageBlocks)
		}
	}
	if len(c.errs) > 0 {
		return fail("invalid_attachments", c.errs...)
	}
	return nil
}

// blocks checks an array of blocks and the rules that span several of them.
func (c *checker) blocks(at string, v any, maxBlocks int) {
	items, ok := v.([]any)
	if !ok {
		c.fail(at, "must be an array")
		return
	}
	count := 0
	for _, item := range items {
		count += expandedBlocks(item)
	}
	if count > maxBlocks {
		c.fail(at, "no more than %d items allowed", maxBlocks)
	}
	check := oneOf(blockKinds(c.surface))
	for i, item := range items {
		check(c, fmt.Sprintf("%s/%d", at, i), item)
	}
	c.uniqueIDs(at, items)
	c.markdownTotal(at, items)
}

// uniqueIDs refuses a block_id used twice, and an action_id used twice within one block.
// Different blocks may share an action_id.
func (c *checker) uniqueIDs(at string, blocks []any) {
	seen := map[string]bool{}
	for i, item := range blocks {
		block, ok := item.(map[string]any)
		if !ok {
			continue
		}
		here := fmt.Sprintf("%s/%d", at, i)
		if id, _ := block["block_id"].(string); id != "" {
			if seen[id] {
				c.fail(here+"/block_id", "`block_id` already exists: %s", id)
			}
			seen[id] = true
		}
		actions := map[string]bool{}
		for _, e := range interactiveElements(block) {
			if e.ActionID != "" && actions[e.ActionID] {
				c.fail(here, "`action_id` already exists: %s", e.ActionID)
			}
			actions[e.ActionID] = true
		}
	}
}

// markdownTotal holds the cumulative limit of the markdown blocks of one message.
func (c *checker) markdownTotal(at string, blocks []any) {
	total := 0
	for _, item := range blocks {
		if b, ok := item.(map[string]any); ok && b["type"] == "markdown" {
			text, _ := b["text"].(string)
			total += runes(text)
		}
	}
	if total > MaxMarkdownTotal {
		c.fail(at, "no more than %d characters allowed in all markdown blocks", MaxMarkdownTotal)
	}
}

// expandedBlocks is how many blocks Slack makes of one. It splits a markdown block into headings,
// dividers, code fences and runs of other text, and counts the result; reported by users who
// measured it, not documented.
func expandedBlocks(v any) int {
	block, ok := v.(map[string]any)
	if !ok || block["type"] != "markdown" {
		return 1
	}
	text, _ := block["text"].(string)
	count, inRun, inFence := 0, false, false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			if !inFence {
				count++
			}
			inFence, inRun = !inFence, false
		case inFence:
		case headingOrRule.MatchString(line):
			count++
			inRun = false
		case line != "" && !inRun:
			count++
			inRun = true
		}
	}
	return max(count, 1)
}

var (
	headingOrRule = regexp.MustCompile(`^(#{1,6}\s.*|-{3,}|\*{3,}|_{3,})$`)
	tableRuler    = regexp.MustCompile(`(?m)^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)+\|?\s*$`)
)

// countTables counts table blocks and the tables inside of markdown blocks, which Slack turns into
// table blocks.
func countTables(blocks []map[string]any) int {
	n := 0
	for _, b := range blocks {
		switch b["type"] {
		case "table", "data_table":
			n++
		case "markdown":
			text, _ := b["text"].(string)
			n += len(tableRuler.FindAllString(text, -1))
		}
	}
	return n
}

// checkView refuses what Slack refuses in a modal or a Home tab.
func checkView(v map[string]any, want ...string) *apiError {
	if len(compactJSON(v)) > MaxViewBytes {
		return fail("view_too_large")
	}
	kind, _ := v["type"].(string)
	if !slices.Contains(want, kind) {
		return fail("invalid_arguments", fmt.Sprintf("unsupported type: %s [json-pointer:/view/type]", kind))
	}
	c := &checker{surface: onModal}
	if kind == "home" {
		c.surface = onHome
	}
	object(viewSchema(kind), needsSubmit)(c, "/view", v)
	if len(c.errs) > 0 {
		return fail("invalid_arguments", c.errs...)
	}
	return nil
}

func viewSchema(kind string) schema {
	s := schema{
		"type": required(anything),
		"blocks": required(func(c *checker, at string, v any) {
			c.blocks(at, v, MaxViewBlocks)
		}),
		"private_metadata": optional(str(0, MaxPrivateMeta)),
		"callback_id":      optional(str(0, MaxCallbackID)),
		"external_id":      optional(str(0, MaxCallbackID)),
	}
	if kind == "home" {
		return s
	}
	return s.with(schema{
		"title":           required(plainText(MaxViewTitle)),
		"submit":          optional(plainText(MaxViewButton)),
		"close":           optional(plainText(MaxViewButton)),
		"clear_on_close":  optional(boolean),
		"notify_on_close": optional(boolean),
		"submit_disabled": optional(boolean),
	})
}

// needsSubmit refuses a modal with inputs and no way to send them.
func needsSubmit(c *checker, at string, v map[string]any) {
	if _, ok := v["submit"]; ok || c.surface != onModal {
		return
	}
	blocks, _ := v["blocks"].([]any)
	for i, item := range blocks {
		if b, ok := item.(map[string]any); ok && b["type"] == "input" {
			c.fail(fmt.Sprintf("%s/blocks/%d/input", at, i), "must define `submit` to use an `input` block in modals")
		}
	}
}

// Element is something in a message or view that a person can operate.
type Element struct {
	Type     string         `json:"type"`
	ActionID string         `json:"action_id"`
	BlockID  string         `json:"block_id"`
	Text     string         `json:"text,omitempty"` // a button's label
	Value    string         `json:"value,omitempty"`
	Style    string         `json:"style,omitempty"`
	URL      string         `json:"url,omitempty"`
	Confirm  map[string]any `json:"confirm,omitempty"` // the dialog that asks first
	Options  []Option       `json:"options,omitempty"`

	raw map[string]any
}

// Option is a choice of a menu, of radio buttons or of checkboxes.
type Option struct {
	Text  string `json:"text"`
	Value string `json:"value"`

	raw map[string]any
}

// Elements lists what a person can operate in the message.
func (m Message) Elements() []Element {
	var out []Element
	for _, b := range m.Blocks {
		out = append(out, interactiveElements(b)...)
	}
	return out
}

// Button finds a button by its label or its action_id.
func (m Message) Button(labelOrActionID string) (Element, bool) {
	return findButton(m.Elements(), labelOrActionID)
}

func findButton(elements []Element, labelOrActionID string) (Element, bool) {
	for _, e := range elements {
		if e.Type == "button" && (e.Text == labelOrActionID || e.ActionID == labelOrActionID) {
			return e, true
		}
	}
	return Element{}, false
}

// interactiveElements lists the elements of one block.
func interactiveElements(block map[string]any) []Element {
	blockID, _ := block["block_id"].(string)
	var out []Element
	for _, c := range elementsOf(block) {
		if e, ok := c.(map[string]any); ok && e["type"] != "image" {
			out = append(out, newElement(blockID, e))
		}
	}
	children, _ := block["child_blocks"].([]any)
	for _, child := range children {
		if b, ok := child.(map[string]any); ok {
			out = append(out, interactiveElements(b)...)
		}
	}
	return out
}

// elementsOf finds where a block of each type keeps its elements.
func elementsOf(block map[string]any) []any {
	switch block["type"] {
	case "actions", "context_actions":
		return below(block, "elements")
	case "card":
		return below(block, "actions")
	case "carousel":
		return below(block, "elements", "actions")
	case "data_table":
		return below(block, "rows", "element")
	case "section":
		return below(block, "accessory")
	case "input":
		return below(block, "element")
	}
	return nil
}

// below follows keys through objects and the items of arrays.
func below(v any, keys ...string) []any {
	if items, ok := v.([]any); ok {
		var out []any
		for _, item := range items {
			out = append(out, below(item, keys...)...)
		}
		return out
	}
	if len(keys) == 0 {
		return []any{v}
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	return below(o[keys[0]], keys[1:]...)
}

func newElement(blockID string, raw map[string]any) Element {
	e := Element{BlockID: blockID, raw: raw}
	e.Type, _ = raw["type"].(string)
	e.ActionID, _ = raw["action_id"].(string)
	e.Value, _ = raw["value"].(string)
	e.Style, _ = raw["style"].(string)
	e.URL, _ = raw["url"].(string)
	e.Confirm, _ = raw["confirm"].(map[string]any)
	e.Text = textOf(raw["text"])
	e.Options = optionsOf(raw)
	return e
}

// optionsOf lists the options of an element, those of its groups included.
func optionsOf(element map[string]any) []Option {
	var out []Option
	items, _ := element["options"].([]any)
	groups, _ := element["option_groups"].([]any)
	for _, g := range groups {
		if group, ok := g.(map[string]any); ok {
			more, _ := group["options"].([]any)
			items = append(items, more...)
		}
	}
	for _, item := range items {
		if o, ok := item.(map[string]any); ok {
			value, _ := o["value"].(string)
			out = append(out, Option{Text: textOf(o["text"]), Value: value, raw: o})
		}
	}
	return out
}

// textOf is the text of a text object.
func textOf(v any) string {
	o, _ := v.(map[string]any)
	s, _ := o["text"].(string)
	return s
}

func runes(s string) int { return utf8.RuneCountInString(s) }

// compactJSON encodes v without escaping < > &, as most clients of Slack do not.
func compactJSON(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func toAny(blocks []map[string]any) []any {
	out := make([]any, len(blocks))
	for i, b := range blocks {
		out[i] = b
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

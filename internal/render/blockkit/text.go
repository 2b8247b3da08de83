package blockkit

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/slack-go/slack"
)

// style is how a span is set.
type style int

const (
	stylePlain style = iota
	styleBold
	styleItalic
)

func (s style) slack() *slack.RichTextSectionTextStyle {
	switch s {
	case styleBold:
		return &slack.RichTextSectionTextStyle{Bold: true}
	case styleItalic:
		return &slack.RichTextSectionTextStyle{Italic: true}
	default:
		return nil
	}
}

// span is a run of text in one style, or a link.
type span struct {
	text  string
	style style
	url   string
}

func (s span) element() slack.RichTextSectionElement {
	if s.url != "" {
		return slack.NewRichTextSectionLinkElement(s.url, s.text, s.style.slack())
	}
	return slack.NewRichTextSectionTextElement(s.text, s.style.slack())
}

// cost is the most bytes that a span takes as JSON: its text and the object around it.
func (s span) cost() int { return jsonBytes(s.text) + jsonBytes(s.url) + 90 }

// line is spans that belong together.
type line []span

// lines shows lines below each other, as many in one block as its limit allows.
func (r *renderer) lines(lines []line) {
	var section []span
	used := 0
	flush := func() {
		if len(section) > 0 {
			r.blocks = append(r.blocks, richText(slack.NewRichTextSection(elements(section)...)))
		}
		section, used = nil, 0
	}
	for i, l := range lines {
		for _, s := range splitSpans(l) {
			if used > 0 && used+s.cost() > maxTextBytes {
				flush()
			}
			section = append(section, s)
			used += s.cost()
		}
		if i < len(lines)-1 {
			section = append(section, span{text: "\n"})
		}
	}
	flush()
}

// splitSpans cuts spans that are too long for one block.
func splitSpans(l line) []span {
	var spans []span
	for _, s := range l {
		if s.text == "" {
			continue
		}
		for _, part := range split(s.text, maxTextBytes/2) {
			spans = append(spans, span{text: part, style: s.style, url: s.url})
		}
	}
	return spans
}

// elements joins neighbors of one style, which saves most of the JSON.
func elements(spans []span) []slack.RichTextSectionElement {
	var merged []span
	for _, s := range spans {
		if last := len(merged) - 1; last >= 0 && s.url == "" && merged[last].url == "" && merged[last].style == s.style {
			merged[last].text += s.text
			continue
		}
		merged = append(merged, s)
	}
	out := make([]slack.RichTextSectionElement, len(merged))
	for i, s := range merged {
		out[i] = s.element()
	}
	return out
}

func richText(element slack.RichTextElement) slack.Block {
	return slack.NewRichTextBlock("", element)
}

// preformatted shows lines in a fixed-width font, each block under the header lines.
func (r *renderer) preformatted(lines, header []string) {
	used := 0
	var block []string
	start := func() {
		block, used = append([]string(nil), header...), 0
		for _, h := range header {
			used += jsonBytes(h) + 2
		}
	}
	flush := func() {
		if len(block) > len(header) {
			r.blocks = append(r.blocks, fence(strings.Join(block, "\n")))
		}
		start()
	}
	start()
	for _, l := range lines {
		for _, part := range split(l, maxTextBytes-used0(header)) {
			cost := jsonBytes(part) + 2
			if len(block) > len(header) && used+cost > maxTextBytes {
				flush()
			}
			block = append(block, part)
			used += cost
		}
	}
	flush()
}

// used0 is what header lines take of a block, at most half of it.
func used0(header []string) int {
	total := 0
	for _, h := range header {
		total += jsonBytes(h) + 2
	}
	return min(total, maxTextBytes/2)
}

func fence(text string) slack.Block {
	if text == "" {
		text = " "
	}
	return richText(&slack.RichTextPreformatted{
		Type:     slack.RTEPreformatted,
		Elements: []slack.RichTextSectionElement{slack.NewRichTextSectionTextElement(text, nil)},
	})
}

// split cuts s into parts of at most most bytes of JSON each, between characters. An empty s is one
// empty part.
func split(s string, most int) []string {
	if jsonBytes(s) <= most {
		return []string{s}
	}
	var parts []string
	start, used := 0, 0
	for i, r := range s {
		cost := jsonBytes(string(r))
		if used+cost > most && i > start {
			parts = append(parts, s[start:i])
			start, used = i, 0
		}
		used += cost
	}
	return append(parts, s[start:])
}

// jsonBytes is the length of s as a JSON string without its quotes.
func jsonBytes(s string) int {
	if !utf8.ValidString(s) || strings.ContainsAny(s, "<>&\\\"\u2028\u2029") || strings.ContainsFunc(s, isControl) {
		data, err := json.Marshal(s)
		if err != nil {
			return 6 * len(s) // the most that escaping makes of a byte
		}
		return len(data) - 2
	}
	return len(s)
}

func isControl(r rune) bool { return r < ' ' }

package fakeslack

import (
	"fmt"
	"regexp"
	"strings"
)

// SpanKind is what a piece of mrkdwn is.
type SpanKind string

// The kinds of spans. See https://docs.slack.dev/messaging/formatting-message-text.
const (
	SpanText      SpanKind = "text"
	SpanUser      SpanKind = "user"      // <@U012>
	SpanChannel   SpanKind = "channel"   // <#C012>
	SpanGroup     SpanKind = "usergroup" // <!subteam^S012>
	SpanBroadcast SpanKind = "broadcast" // <!here>, <!channel>, <!everyone>
	SpanDate      SpanKind = "date"      // <!date^…>
	SpanLink      SpanKind = "link"      // <https://…|label>
	SpanAutoLink  SpanKind = "autolink"  // a bare https://…
)

// Span is a piece of mrkdwn.
type Span struct {
	Kind SpanKind
	// Target is the id of what is mentioned, the word of a broadcast, or the URL of a link.
	Target string
	// Text is what is shown, with entities resolved.
	Text string
	// Code is set inside of `code` and of ``` fences.
	Code bool
}

// ParseMrkdwn splits mrkdwn into spans. Every string parses: what is no reference is text.
//
// References inside of code count, since Slack resolves them before it formats.
func ParseMrkdwn(s string) []Span {
	p := &mrkdwnParser{}
	for s != "" {
		switch {
		case strings.HasPrefix(s, "```") && !p.inline:
			p.toggle("```", &p.fence)
			s = s[3:]
		case s[0] == '`' && !p.fence:
			p.toggle("`", &p.inline)
			s = s[1:]
		case s[0] == '\n' && p.inline: // inline code ends with the line
			p.toggle("\n", &p.inline)
			s = s[1:]
		case s[0] == '<':
			s = p.reference(s)
		default:
			end := strings.IndexAny(s[1:], "<`\n") + 1
			if end == 0 {
				end = len(s)
			}
			p.text(s[:end])
			s = s[end:]
		}
	}
	p.flush()
	return p.spans
}

type mrkdwnParser struct {
	spans  []Span
	buffer strings.Builder
	fence  bool
	inline bool
}

func (p *mrkdwnParser) text(s string) { p.buffer.WriteString(s) }

func (p *mrkdwnParser) code() bool { return p.fence || p.inline }

// toggle opens or closes a code state; the marker belongs to the code.
func (p *mrkdwnParser) toggle(marker string, state *bool) {
	if *state {
		p.text(marker)
		p.flush()
		*state = false
		return
	}
	p.flush()
	*state = true
	p.text(marker)
}

// flush emits the text so far, with bare URLs as links of their own.
func (p *mrkdwnParser) flush() {
	text := Unescape(p.buffer.String())
	p.buffer.Reset()
	for text != "" {
		at := bareURL.FindStringIndex(text)
		if at == nil {
			p.emit(Span{Kind: SpanText, Text: text})
			return
		}
		if at[0] > 0 {
			p.emit(Span{Kind: SpanText, Text: text[:at[0]]})
		}
		url := text[at[0]:at[1]]
		p.emit(Span{Kind: SpanAutoLink, Target: url, Text: url})
		text = text[at[1]:]
	}
}

func (p *mrkdwnParser) emit(s Span) {
	s.Code = p.code()
	p.spans = append(p.spans, s)
}

// reference consumes a <…> at the start of s and returns the rest.
func (p *mrkdwnParser) reference(s string) string {
	end := strings.IndexByte(s, '>')
	if end < 0 {
		p.text("<")
		return s[1:]
	}
	span, ok := parseReference(s[1:end])
	if !ok {
		p.text("<")
		return s[1:]
	}
	p.flush()
	p.emit(span)
	return s[end+1:]
}

// parseReference reads what stands between the angle brackets.
func parseReference(body string) (Span, bool) {
	target, label, _ := strings.Cut(body, "|")
	span := Span{Target: target, Text: Unescape(label)}
	switch {
	case strings.HasPrefix(target, "@"):
		span.Kind, span.Target = SpanUser, target[1:]
	case strings.HasPrefix(target, "#"):
		span.Kind, span.Target = SpanChannel, target[1:]
	case strings.HasPrefix(target, "!subteam^"):
		span.Kind, span.Target = SpanGroup, strings.TrimPrefix(target, "!subteam^")
	case strings.HasPrefix(target, "!date^"):
		span.Kind, span.Target = SpanDate, strings.TrimPrefix(target, "!date^")
	case strings.HasPrefix(target, "!"):
		span.Kind, span.Target = SpanBroadcast, target[1:]
		return span, isBroadcast(span.Target)
	case strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:"):
		span.Kind, span.Target = SpanLink, Unescape(target)
	default:
		return Span{}, false
	}
	return span, span.Target != ""
}

func isBroadcast(word string) bool {
	return word == "here" || word == "channel" || word == "everyone" || word == "group"
}

// bareURL finds what Slack turns into a link by itself.
var bareURL = regexp.MustCompile(`\b(?:https?://|www\.)[^\s<>|` + "`" + `]*[^\s<>|` + "`" + `.,;:!?)"'\]}*_~]`)

// Unescape resolves the three entities that mrkdwn knows.
func Unescape(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
}

// FencesBalanced reports whether every ``` fence in s is closed, so that text after it is not
// swallowed and text inside does not escape.
func FencesBalanced(s string) bool { return strings.Count(s, "```")%2 == 0 }

// Ping is something in a message that notifies people.
type Ping struct {
	Kind   SpanKind // SpanUser, SpanGroup or SpanBroadcast
	Target string   // a user's or group's id, or here, channel, everyone
	Where  string   // JSON pointer into the message, or "text"
}

func (p Ping) String() string { return fmt.Sprintf("%s %s at %s", p.Kind, p.Target, p.Where) }

// Pings lists everything in the message, its fallback text included, that notifies someone.
func (m Message) Pings() []Ping {
	var out []Ping
	m.eachSpan(func(where string, s Span) {
		switch s.Kind {
		case SpanUser, SpanGroup, SpanBroadcast:
			out = append(out, Ping{Kind: s.Kind, Target: s.Target, Where: where})
		}
	})
	return out
}

// Links lists the targets of the message's links, bare URLs included.
func (m Message) Links() []string {
	var out []string
	m.eachSpan(func(_ string, s Span) {
		if s.Kind == SpanLink || s.Kind == SpanAutoLink {
			out = append(out, s.Target)
		}
	})
	return out
}

// BrokenFences lists the JSON pointers of texts with an open ``` fence.
func (m Message) BrokenFences() []string {
	var out []string
	m.eachText(func(where, text string) {
		if !FencesBalanced(text) {
			out = append(out, where)
		}
	})
	return out
}

func (m Message) eachSpan(visit func(where string, s Span)) {
	m.eachText(func(where, text string) {
		for _, span := range ParseMrkdwn(text) {
			visit(where, span)
		}
		if m.parseFull {
			for _, span := range plainMentions(text) {
				visit(where, span)
			}
		}
	})
	walkRichText("", m.Blocks, visit)
}

// plainMentions finds @here and @name, which are mentions only under parse=full and link_names.
func plainMentions(text string) []Span {
	var out []Span
	for _, match := range atName.FindAllStringSubmatch(text, -1) {
		kind := SpanUser
		if isBroadcast(match[1]) {
			kind = SpanBroadcast
		}
		out = append(out, Span{Kind: kind, Target: match[1], Text: match[0]})
	}
	return out
}

var atName = regexp.MustCompile(`(?:^|[\s(])@([a-z0-9._-]+)`)

// eachText visits every string of the message that Slack parses as mrkdwn or markdown.
func (m Message) eachText(visit func(where, text string)) {
	if m.Text != "" {
		visit("text", m.Text)
	}
	walkMrkdwn("/blocks", m.Blocks, visit)
	walkMrkdwn("/attachments", m.Attachments, visit)
}

// walkMrkdwn visits the mrkdwn text objects, the markdown blocks and the legacy attachment texts
// below v.
func walkMrkdwn(at string, v any, visit func(where, text string)) {
	switch v := v.(type) {
	case []map[string]any:
		for i, item := range v {
			walkMrkdwn(fmt.Sprintf("%s/%d", at, i), item, visit)
		}
	case []any:
		for i, item := range v {
			walkMrkdwn(fmt.Sprintf("%s/%d", at, i), item, visit)
		}
	case map[string]any:
		kind, typed := v["type"].(string)
		for _, key := range sortedKeys(v) {
			text, isString := v[key].(string)
			switch {
			case !isString:
				walkMrkdwn(at+"/"+key, v[key], visit)
			case kind == "mrkdwn" && key == "text", kind == "markdown" && key == "text", !typed && isAttachmentText(key):
				visit(at+"/"+key, text)
			}
		}
	}
}

// isAttachmentText tells the keys of a legacy attachment that are parsed as mrkdwn.
func isAttachmentText(key string) bool {
	return key == "text" || key == "pretext" || key == "fallback" || key == "value"
}

// walkRichText visits the mentions and links of rich text, which are elements, not mrkdwn.
func walkRichText(at string, v any, visit func(where string, s Span)) {
	switch v := v.(type) {
	case []map[string]any:
		for i, item := range v {
			walkRichText(fmt.Sprintf("%s/blocks/%d", at, i), item, visit)
		}
	case []any:
		for i, item := range v {
			walkRichText(fmt.Sprintf("%s/%d", at, i), item, visit)
		}
	case map[string]any:
		if span, ok := richTextSpan(v); ok {
			visit(at, span)
		}
		for _, key := range sortedKeys(v) {
			walkRichText(at+"/"+key, v[key], visit)
		}
	}
}

func richTextSpan(element map[string]any) (Span, bool) {
	kind, _ := element["type"].(string)
	keys := map[string]struct {
		kind SpanKind
		key  string
	}{
		"user":      {SpanUser, "user_id"},
		"usergroup": {SpanGroup, "usergroup_id"},
		"broadcast": {SpanBroadcast, "range"},
		"channel":   {SpanChannel, "channel_id"},
		"link":      {SpanLink, "url"},
	}
	k, ok := keys[kind]
	if !ok {
		return Span{}, false
	}
	target, ok := element[k.key].(string)
	return Span{Kind: k.kind, Target: target, Text: target}, ok
}

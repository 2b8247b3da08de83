// Package blockkit turns a document into Block Kit, Slack's blocks. It is apart from package render
// so that the kubectl plugin does not carry a Slack library.
//
// Everything that comes from a document is put into rich_text blocks. Slack takes their texts
// literally: data in them can neither mention somebody, nor open a link, nor end a code fence, and
// needs no escaping. Only the fallback text is mrkdwn, and that is escaped.
//
// The limits are Slack's: https://docs.slack.dev/reference/block-kit/blocks, and for all blocks of a
// message together about 13,200 characters, which Slack enforces (msg_blocks_too_long) but does not
// publish.
package blockkit

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/slack-go/slack"

	"github.com/kubectl-lab/kubectl-lab/internal/render"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// The room that a page takes. Slack allows 50 blocks and about 13,200 characters of JSON a message;
// the rest is left for buttons and remarks that the caller adds.
const (
	maxPageBlocks = 40
	maxPageBytes  = 9000
	// maxTextBytes bounds one text as JSON.
	maxTextBytes = 2800
	// maxHeader is Slack's limit for a header's text, in characters.
	maxHeader = 150
	// maxFallback keeps notifications short, in characters.
	maxFallback = 300
)

// Options say what to show.
type Options struct {
	// Wide shows a table's wide columns.
	Wide bool
	// Reveal shows secrets. Only for messages that the requester alone sees.
	Reveal bool
}

// Page is what fits into one message.
type Page struct {
	Blocks []slack.Block
	// Fallback stands in for the blocks in notifications and old clients. It is escaped.
	Fallback string
}

// Pages renders a document, at least one page of it.
func Pages(doc *document.Document, options Options) []Page {
	if doc == nil {
		doc = &document.Document{}
	}
	r := &renderer{Options: options}
	if doc.Title != "" {
		r.header(doc.Title)
	}
	for _, block := range doc.Blocks {
		r.block(block)
	}
	if len(r.blocks) == 0 {
		r.lines([]line{{{text: "Nothing found.", style: styleItalic}}})
	}
	fallback := Fallback(doc)
	var pages []Page
	for _, blocks := range pack(r.blocks) {
		pages = append(pages, Page{Blocks: blocks, Fallback: fallback})
	}
	return pages
}

// pack fills pages in order.
func pack(blocks []slack.Block) [][]slack.Block {
	var pages [][]slack.Block
	var page []slack.Block
	used := 0
	for _, block := range blocks {
		size := Size(block)
		if len(page) > 0 && (len(page) == maxPageBlocks || used+size > maxPageBytes) {
			pages = append(pages, page)
			page, used = nil, 0
		}
		page = append(page, block)
		used += size
	}
	return append(pages, page)
}

// Size is the bytes that blocks take as JSON, commas included. It is never less than the characters
// that Slack counts.
func Size(blocks ...slack.Block) int {
	total := 0
	for _, block := range blocks {
		data, err := json.Marshal(block)
		if err != nil {
			return maxPageBytes + 1 // cannot happen: blocks are plain structs
		}
		total += len(data) + 1
	}
	return total
}

// Escape makes text safe in mrkdwn: none of it is taken for a mention or a link.
// See https://docs.slack.dev/messaging/formatting-message-text#escaping.
func Escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// Fallback is a document in one escaped line.
func Fallback(doc *document.Document) string {
	var text bytes.Buffer
	if err := render.Text(&text, doc, render.TextOptions{}); err != nil {
		return "Done."
	}
	first, _, _ := strings.Cut(strings.TrimSpace(text.String()), "\n")
	first = strings.Join(strings.Fields(first), " ")
	if first == "" {
		return "Done."
	}
	first = strings.ReplaceAll(first, "```", "'''") // mrkdwn would take it for a fence
	return Escape(Truncate(first, maxFallback))
}

// Truncate cuts s to at most n characters, the last an ellipsis if something was cut.
func Truncate(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}

type renderer struct {
	Options
	blocks []slack.Block
}

func (r *renderer) block(block document.Block) {
	switch b := block.(type) {
	case document.Heading:
		r.lines([]line{{{text: render.Clean(b.Text), style: styleBold}}})
	case document.Facts:
		r.facts(b)
	case document.Table:
		r.table(b)
	case document.Verdicts:
		r.verdicts(b)
	case document.Note:
		r.lines([]line{{{text: noteIcon(b.Tone) + render.Clean(b.Text)}}})
	case document.Preformatted:
		r.titled(b.Title, render.CleanLines(b.Text))
	case document.Bars:
		r.bars(b)
	case document.Secret:
		r.secret(b)
	}
}

func (r *renderer) header(title string) {
	text := slack.NewTextBlockObject(slack.PlainTextType, Truncate(render.Clean(title), maxHeader), false, false)
	r.blocks = append(r.blocks, slack.NewHeaderBlock(text))
}

func (r *renderer) facts(facts document.Facts) {
	lines := make([]line, 0, len(facts))
	for _, f := range facts {
		lines = append(lines, line{
			{text: render.Clean(f.Name) + ": ", style: styleBold},
			{text: toneIcon(f.Value.Tone) + render.Clean(f.Value.Value)},
		})
	}
	r.lines(lines)
}

func (r *renderer) verdicts(verdicts document.Verdicts) {
	lines := make([]line, 0, len(verdicts))
	for _, v := range verdicts {
		lines = append(lines, verdictLine(v))
	}
	r.lines(lines)
}

// verdictLine sets what needs attention in bold, so that it stands out on a small screen.
func verdictLine(v document.Verdict) line {
	subject := styleBold
	if v.Status == document.OK || v.Status == document.Skipped {
		subject = stylePlain
	}
	l := line{{text: statusIcon(v.Status) + " "}, {text: render.Clean(v.Subject), style: subject}}
	if v.Message != "" {
		l = append(l, span{text: separator(v.Subject) + render.Clean(v.Message)})
	}
	if v.Hint != "" {
		l = append(l, span{text: "\n     " + render.Clean(v.Hint), style: styleItalic})
	}
	if isLink(v.URL) {
		l = append(l, span{text: " "}, span{text: "more", url: v.URL})
	}
	return l
}

func separator(subject string) string {
	if subject == "" {
		return ""
	}
	return " "
}

// isLink reports whether Slack would take the address; anything else is left out.
func isLink(url string) bool {
	const maxURL = 3000
	return (strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://")) && len(url) <= maxURL
}

func (r *renderer) secret(s document.Secret) {
	if !r.Reveal {
		r.lines([]line{{{text: render.Clean(s.Name) + ": ", style: styleBold}, {text: "[not shown here]"}}})
		return
	}
	r.titled(s.Name, render.Clean(s.Value.Reveal()))
}

// titled shows text as it is, under a title in bold.
func (r *renderer) titled(title, text string) {
	if title != "" {
		r.lines([]line{{{text: render.Clean(title), style: styleBold}}})
	}
	r.preformatted(strings.Split(strings.TrimRight(text, "\n"), "\n"), nil)
}

func statusIcon(s document.Status) string {
	switch s {
	case document.OK:
		return "✅"
	case document.Attention:
		return "⚠️"
	case document.Failed:
		return "❌"
	case document.Skipped:
		return "➖"
	default:
		return "⏳"
	}
}

func toneIcon(t document.Tone) string {
	switch t {
	case document.Warning:
		return "⚠️ "
	case document.Bad:
		return "❌ "
	default:
		return ""
	}
}

func noteIcon(t document.Tone) string {
	switch t {
	case document.Good:
		return "✅ "
	case document.Info:
		return "ℹ️ "
	default:
		return toneIcon(t)
	}
}

// Package render turns an action's neutral document into what a place can show: text for a
// terminal here, Block Kit for Slack in blocks.go. It knows results, not front ends.
package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// TextOptions say what the terminal can show and what the reader asked for.
type TextOptions struct {
	// Width is the number of columns; 0 means unlimited, as for a pipe.
	Width int
	// Color allows ANSI colors.
	Color bool
	// Wide shows a table's wide columns.
	Wide bool
	// NoHeaders leaves out the tables' header rows.
	NoHeaders bool
	// Reveal shows secrets in clear. Only for output that the requester alone sees.
	Reveal bool
}

// Text writes a document as text.
func Text(w io.Writer, doc *document.Document, options TextOptions) error {
	if doc == nil {
		return nil
	}
	t := &text{TextOptions: options}
	t.document(doc)
	_, err := w.Write(t.out.Bytes())
	return err
}

type text struct {
	TextOptions
	out bytes.Buffer
}

func (t *text) document(doc *document.Document) {
	if doc.Title != "" {
		t.line(t.paint(Clean(doc.Title), styleBold))
	}
	for i, block := range doc.Blocks {
		if needsSpace(doc, i) {
			t.line("")
		}
		t.block(block)
	}
}

// needsSpace keeps sections, tables and unlike blocks apart by an empty line.
func needsSpace(doc *document.Document, i int) bool {
	if i == 0 {
		return false
	}
	if _, afterHeading := doc.Blocks[i-1].(document.Heading); afterHeading {
		return false
	}
	switch b := doc.Blocks[i].(type) {
	case document.Heading, document.Table:
		return true
	case document.Preformatted:
		return b.Title != "" || differ(doc.Blocks[i-1], b)
	default:
		return differ(doc.Blocks[i-1], b)
	}
}

// differ reports whether two blocks are of different kinds.
func differ(a, b document.Block) bool { return fmt.Sprintf("%T", a) != fmt.Sprintf("%T", b) }

func (t *text) block(block document.Block) {
	switch b := block.(type) {
	case document.Heading:
		t.line(t.paint(Clean(b.Text), styleBold))
	case document.Facts:
		t.facts(b)
	case document.Table:
		t.table(b)
	case document.Verdicts:
		t.verdicts(b)
	case document.Note:
		t.wrapped("", Clean(b.Text), toneStyle(b.Tone))
	case document.Preformatted:
		t.preformatted(b)
	case document.Bars:
		t.bars(b)
	case document.Secret:
		t.secret(b)
	}
}

func (t *text) line(s string) {
	t.out.WriteString(strings.TrimRight(s, " "))
	t.out.WriteByte('\n')
}

func (t *text) facts(facts document.Facts) {
	widest := 0
	for _, f := range facts {
		widest = max(widest, width(Clean(f.Name)))
	}
	for _, f := range facts {
		t.line(fillRight(Clean(f.Name)+":", widest+3) + t.paint(Clean(f.Value.Value), toneStyle(f.Value.Tone)))
	}
}

// columnGap is the space between columns, as kubectl leaves it.
const columnGap = 3

func (t *text) table(table document.Table) {
	shown := t.shownColumns(table)
	widths := make([]int, len(table.Columns))
	for _, c := range shown {
		if !t.NoHeaders {
			widths[c] = width(Clean(table.Columns[c].Name))
		}
		for _, row := range table.Rows {
			widths[c] = max(widths[c], width(Clean(row[c].Value)))
		}
	}
	if !t.NoHeaders {
		header := make([]document.Text, len(table.Columns))
		for c, column := range table.Columns {
			header[c] = document.T(column.Name)
		}
		t.row(table, shown, widths, header)
	}
	for _, row := range table.Rows {
		t.row(table, shown, widths, row)
	}
	if table.Omitted > 0 {
		t.line(t.paint(fmt.Sprintf("… and %d more", table.Omitted), styleDim))
	}
}

func (t *text) shownColumns(table document.Table) []int {
	var shown []int
	for c, column := range table.Columns {
		if t.Wide || !column.Wide {
			shown = append(shown, c)
		}
	}
	return shown
}

func (t *text) row(table document.Table, shown, widths []int, cells []document.Text) {
	var line strings.Builder
	for i, c := range shown {
		cell := Clean(cells[c].Value)
		padding := strings.Repeat(" ", max(0, widths[c]-width(cell)))
		painted := t.paint(cell, toneStyle(cells[c].Tone))
		if table.Columns[c].Right {
			painted = padding + painted
		} else {
			painted += padding
		}
		line.WriteString(painted)
		if i < len(shown)-1 {
			line.WriteString(strings.Repeat(" ", columnGap))
		}
	}
	t.line(line.String())
}

func (t *text) verdicts(verdicts document.Verdicts) {
	for _, v := range verdicts {
		icon := t.paint(statusIcon(v.Status), statusStyle(v.Status))
		message := Clean(v.Subject)
		if v.Subject != "" && v.Message != "" {
			message += " "
		}
		t.wrapped(icon+" ", message+Clean(v.Message), styleNone)
		for _, more := range []string{v.Hint, v.URL} {
			if more != "" {
				t.wrapped("  ", Clean(more), styleDim)
			}
		}
	}
}

// wrapped writes words behind a prefix, broken at spaces to fit the width; continuation lines are
// indented by the prefix's width. A word longer than the line stays whole, so that it can be copied.
func (t *text) wrapped(prefix, words string, s style) {
	indent := 0
	if prefix != "" {
		indent = 2
	}
	line, used := "", indent
	flush := func() {
		t.line(prefix + t.paint(line, s))
		prefix = strings.Repeat(" ", indent)
		line, used = "", indent
	}
	for _, word := range strings.Split(words, " ") {
		w := width(word)
		if line != "" && t.Width > 0 && used+1+w > t.Width {
			flush()
		}
		if line != "" {
			line += " "
			used++
		}
		line += word
		used += w
	}
	flush()
}

func (t *text) preformatted(p document.Preformatted) {
	if p.Title != "" {
		t.line(t.paint(Clean(p.Title), styleBold))
	}
	body := CleanLines(p.Text)
	t.out.WriteString(body)
	if !strings.HasSuffix(body, "\n") {
		t.out.WriteByte('\n')
	}
}

// barWidth is the longest bar, in cells.
const barWidth = 30

func (t *text) bars(bars document.Bars) {
	if bars.Title != "" {
		t.line(t.paint(Clean(bars.Title), styleBold))
	}
	widest, most := 0, 0.0
	for _, item := range bars.Items {
		widest = max(widest, width(Clean(item.Label)))
		most = max(most, item.Value)
	}
	for _, item := range bars.Items {
		cells := 0
		if most > 0 {
			cells = min(barWidth, max(0, int(item.Value/most*barWidth+0.5)))
		}
		bar := fillRight(strings.Repeat("█", cells), barWidth)
		t.line(fmt.Sprintf("%s  %s  %s", fillRight(Clean(item.Label), widest), t.paint(bar, toneStyle(item.Tone)), Clean(item.Note)))
	}
}

func (t *text) secret(s document.Secret) {
	if !t.Reveal {
		t.line(Clean(s.Name) + ": [not shown here]")
		return
	}
	t.line(t.paint(Clean(s.Name)+":", styleBold))
	t.line(Clean(s.Value.Reveal()))
}

package blockkit

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"github.com/kubectl-lab/kubectl-lab/internal/render"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// maxFence is the widest table, in characters, that is shown in columns: about what a desktop
// shows without wrapping lines, and what a phone shows when it is turned. Wider ones become a list.
const maxFence = 76

func (r *renderer) table(table document.Table) {
	if len(table.Rows) == 0 && table.Omitted == 0 {
		r.lines([]line{{{text: "No rows.", style: styleItalic}}})
		return
	}
	rows := r.columns(table)
	if widest(rows) <= maxFence {
		r.preformatted(rows[1:], rows[:1])
	} else {
		r.cards(table)
	}
	if table.Omitted > 0 {
		r.lines([]line{{{text: fmt.Sprintf("… and %d more", table.Omitted), style: styleItalic}}})
	}
}

// columns is the table as lines of text, the header first.
func (r *renderer) columns(table document.Table) []string {
	table.Omitted = 0
	var text bytes.Buffer
	doc := &document.Document{Blocks: []document.Block{table}}
	if err := render.Text(&text, doc, render.TextOptions{Wide: r.Wide}); err != nil {
		return []string{""}
	}
	return strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
}

func widest(rows []string) int {
	most := 0
	for _, row := range rows {
		most = max(most, len([]rune(row)))
	}
	return most
}

// cards shows each row as its first cell in bold and the others below it, which reads well on a
// screen that is narrower than the table.
func (r *renderer) cards(table document.Table) {
	lines := make([]line, 0, len(table.Rows))
	for _, row := range table.Rows {
		lines = append(lines, r.card(table.Columns, row))
	}
	r.lines(lines)
}

func (r *renderer) card(columns []document.Column, row []document.Text) line {
	var title string
	var rest []string
	for c, column := range columns {
		if column.Wide && !r.Wide {
			continue
		}
		value := render.Clean(row[c].Value)
		switch {
		case title == "":
			title = value
		case value != "" && value != "<none>":
			rest = append(rest, strings.ToLower(render.Clean(column.Name))+" "+toneIcon(row[c].Tone)+value)
		}
	}
	return line{{text: title, style: styleBold}, {text: "\n     " + strings.Join(rest, " · ")}}
}

// barCells is the longest bar: short enough for a phone.
const barCells = 12

func (r *renderer) bars(bars document.Bars) {
	label, most := 0, 0.0
	for _, item := range bars.Items {
		label = max(label, len([]rune(render.Clean(item.Label))))
		most = math.Max(most, item.Value)
	}
	lines := make([]string, 0, len(bars.Items))
	for _, item := range bars.Items {
		lines = append(lines, barLine(item, label, most))
	}
	if bars.Title != "" {
		r.lines([]line{{{text: render.Clean(bars.Title), style: styleBold}}})
	}
	r.preformatted(lines, nil)
}

func barLine(item document.Bar, label int, most float64) string {
	cells := 0
	if most > 0 {
		cells = min(barCells, max(0, int(item.Value/most*barCells+0.5)))
	}
	bar := strings.Repeat("█", cells) + strings.Repeat(" ", barCells-cells)
	return fmt.Sprintf("%-*s  %s  %s", label, render.Clean(item.Label), bar, render.Clean(item.Note))
}

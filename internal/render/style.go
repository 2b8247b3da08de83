package render

import (
	"strings"
	"unicode"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// style is an ANSI "select graphic rendition" parameter; the sixteen basic colors follow the
// terminal's own theme, so that they stay readable on dark and on light backgrounds.
type style string

const (
	styleNone   style = ""
	styleBold   style = "1"
	styleDim    style = "2"
	styleRed    style = "31"
	styleGreen  style = "32"
	styleYellow style = "33"
	styleCyan   style = "36"
)

func (t *text) paint(s string, st style) string {
	if !t.Color || st == styleNone || s == "" {
		return s
	}
	return "\x1b[" + string(st) + "m" + s + "\x1b[0m"
}

func toneStyle(tone document.Tone) style {
	switch tone {
	case document.Muted:
		return styleDim
	case document.Info:
		return styleCyan
	case document.Good:
		return styleGreen
	case document.Warning:
		return styleYellow
	case document.Bad:
		return styleRed
	default:
		return styleNone
	}
}

func statusStyle(s document.Status) style {
	switch s {
	case document.OK:
		return styleGreen
	case document.Attention:
		return styleYellow
	case document.Failed:
		return styleRed
	default:
		return styleDim
	}
}

// statusIcon is one cell wide; the icons differ in shape, so that color is never needed.
func statusIcon(s document.Status) string {
	switch s {
	case document.OK:
		return "✓"
	case document.Attention:
		return "!"
	case document.Failed:
		return "✗"
	case document.Skipped:
		return "-"
	default:
		return "…"
	}
}

// Clean makes data fit for one line of a terminal: line breaks become spaces, and control
// characters, which could move the cursor or retitle the window, are dropped.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, s)
}

// CleanLines is Clean for text whose line breaks and tabs matter.
func CleanLines(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

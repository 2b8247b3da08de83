package render

import (
	"strings"

	"github.com/mattn/go-runewidth"
)

// width is the number of terminal cells that s takes. Characters of ambiguous width count as one
// cell in every locale: terminals draw them so by default, a Korean or Japanese locale included.
func width(s string) int {
	narrow := runewidth.Condition{StrictEmojiNeutral: true}
	return narrow.StringWidth(s)
}

func fillRight(s string, cells int) string {
	return s + strings.Repeat(" ", max(0, cells-width(s)))
}

// Truncate cuts a painted line to the given number of cells, keeping its escape sequences whole; 0
// means unlimited.
func Truncate(line string, cells int) string {
	if cells <= 0 {
		return line
	}
	var kept strings.Builder
	used, escape := 0, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			used += width(string(r))
			if used > cells {
				continue
			}
		}
		kept.WriteRune(r)
	}
	return kept.String()
}

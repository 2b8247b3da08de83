package inventory

import (
	"strings"
	"unicode"
)

// isPythonSpace is str.isspace, which str.strip goes by.
func isPythonSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}

// splitLines splits like Python's str.splitlines, so that line numbers agree with ansible's.
func splitLines(text string) []string {
	var lines []string
	start := 0
	for i, r := range text {
		if i < start || !isLineBreak(r) {
			continue
		}
		lines = append(lines, text[start:i])
		start = i + len(string(r))
		if r == '\r' && strings.HasPrefix(text[start:], "\n") {
			start++
		}
	}
	if start < len(text) {
		lines = append(lines, text[start:])
	}
	return lines
}

func isLineBreak(r rune) bool {
	switch r {
	case '\n', '\r', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
		return true
	}
	return false
}

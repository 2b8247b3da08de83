// Package suggest finds what somebody meant who mistyped a word.
package suggest

import "strings"

// Closest returns the candidate most like word, or "" if none is like it: one that word begins, or
// that differs from it by at most two edits, one for words of one or two letters.
func Closest(word string, candidates []string) string {
	word = strings.ToLower(word)
	best, distance := "", min(3, (len(word)+1)/2+1)
	for _, candidate := range candidates {
		if len(word) > 1 && strings.HasPrefix(candidate, word) {
			return candidate
		}
		if d := edits(word, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// edits is the Levenshtein distance: the fewest insertions, deletions and substitutions of bytes
// that turn a into b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

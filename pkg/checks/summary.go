package checks

import (
	"fmt"
	"strings"
)

// Summary counts results by outcome.
type Summary struct {
	Checks int `json:"checks"`
	OK     int `json:"ok"`
	// Failed are findings of severity fatal or error.
	Failed   int `json:"failed"`
	Warnings int `json:"warnings"`
	// Notes are findings of severity info.
	Notes int `json:"notes"`
	// Skipped are all that were not looked at, NotPermitted those among them for want of a
	// permission.
	Skipped      int `json:"skipped"`
	NotPermitted int `json:"notPermitted"`
	Pending      int `json:"pending,omitempty"`
}

// Summary counts the report's results.
func (r *Report) Summary() Summary {
	sum := Summary{Checks: len(r.Results)}
	for _, result := range r.Results {
		sum.count(result)
	}
	return sum
}

func (s *Summary) count(r Result) {
	switch {
	case r.Status == StatusOK:
		s.OK++
	case r.Status == StatusPending:
		s.Pending++
	case r.Broken():
		s.Failed++
	case r.Status == StatusFailed && r.Severity == Warning:
		s.Warnings++
	case r.Status == StatusFailed:
		s.Notes++
	default:
		s.Skipped++
		if r.MissingPermission != nil {
			s.NotPermitted++
		}
	}
}

// String is the summary in one line, such as "71 checks: 65 ok, 3 warnings, 1 failed, 2 skipped: not
// permitted".
func (s Summary) String() string {
	parts := []string{fmt.Sprintf("%d ok", s.OK)}
	add := func(n int, words string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, words))
		}
	}
	if s.Warnings > 0 {
		parts = append(parts, count(s.Warnings, "warning"))
	}
	add(s.Failed, "failed")
	if s.Notes > 0 {
		parts = append(parts, count(s.Notes, "note"))
	}
	add(s.Skipped-s.NotPermitted, "skipped")
	add(s.NotPermitted, "skipped: not permitted")
	add(s.Pending, "to go")
	return fmt.Sprintf("%s: %s", count(s.Checks, "check"), strings.Join(parts, ", "))
}

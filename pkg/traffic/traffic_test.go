package traffic

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	p := parser{}
	for _, test := range []struct {
		line string
		want Answer
	}{
		{"1 0 100.000000 100.002000 nginx-1", Answer{Number: 1, At: 2 * time.Millisecond, Latency: 2 * time.Millisecond, From: "nginx-1"}},
		{"2 1 100.1 102.1 wget: download timed out", Answer{Number: 2, At: 2100 * time.Millisecond, Latency: 2 * time.Second, Failure: "timed out"}},
		{"3 1 103 103 wget: can't connect to remote host (10.0.0.1): Connection refused", Answer{Number: 3, At: 3 * time.Second, Failure: "connection refused"}},
		{"4 1 104 104 wget: bad address 'x:80'", Answer{Number: 4, At: 4 * time.Second, Failure: "the name does not resolve"}},
		{"5 0 105 105 ", Answer{Number: 5, At: 5 * time.Second}},
		{"5 4 105 106 ", Answer{Number: 5, At: 6 * time.Second, Latency: time.Second, Failure: "no connection"}},
		{"5 8 105 106", Answer{Number: 5, At: 6 * time.Second, Latency: time.Second, Failure: "the server answered with an error"}},
		{"6 0 106 90 clock went back", Answer{Number: 6, From: "clock went back"}},
	} {
		got, err := p.parse(test.line)
		if err != nil {
			t.Errorf("%q: %v", test.line, err)
			continue
		}
		got.At, got.Latency = got.At.Round(time.Millisecond), got.Latency.Round(time.Millisecond)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.line, diff)
		}
	}
	for _, line := range []string{"", "sh: wget: not found", "x 0 1 2 y", "0 0 1 2 y"} {
		if _, err := p.parse(line); err == nil {
			t.Errorf("%q was taken for an answer", line)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1 0 100.000000 100.002000 nginx-1")
	f.Add("2 1 1e400 -1 wget: x")
	f.Fuzz(func(t *testing.T, line string) {
		p := parser{}
		answer, err := p.parse(line)
		if err == nil && (answer.Latency < 0 || answer.At < 0 || len([]rune(answer.From)) > 63) {
			t.Errorf("%q gave %+v", line, answer)
		}
	})
}

func TestSummarize(t *testing.T) {
	var answers []Answer
	for i := range 60 {
		answers = append(answers, Answer{Number: i + 1, From: []string{"a", "b", "c"}[i%3], Latency: time.Duration(i+1) * time.Millisecond})
	}
	answers = append(answers, Answer{Failure: "timed out"}, Answer{Failure: "timed out"})
	spread := Summarize(answers, []Backend{{Pod: "a", Node: "k8s02"}, {Pod: "b"}, {Pod: "c"}, {Pod: "idle"}})
	if spread.Requests != 62 || spread.Failed() != 2 || spread.Failures["timed out"] != 2 || spread.Reached() != 3 {
		t.Errorf("counted wrongly: %+v", spread)
	}
	if spread.P50Seconds != 0.03 || spread.P99Seconds != 0.06 {
		t.Errorf("p50 %v, p99 %v", spread.P50Seconds, spread.P99Seconds)
	}
	want := []Share{{Pod: "a", Node: "k8s02", Known: true, Requests: 20}, {Pod: "b", Known: true, Requests: 20}, {Pod: "c", Known: true, Requests: 20}, {Pod: "idle", Known: true}}
	if diff := cmp.Diff(want, spread.Shares); diff != "" {
		t.Errorf("shares (-want +got):\n%s", diff)
	}
	if spread.Even == nil || spread.Even.Plausible() {
		t.Errorf("a pod that gets nothing of 60 requests is no chance: %v", spread.Even)
	}
}

// TestEvenness compares with the values of a chi-squared table: P(X² ≥ 7.815 | 3) = 0.05 and
// P(X² ≥ 16.266 | 3) = 0.001.
func TestEvenness(t *testing.T) {
	shares := func(counts ...int) []Share {
		var s []Share
		for _, n := range counts {
			s = append(s, Share{Known: true, Requests: n})
		}
		return s
	}
	for _, test := range []struct {
		counts []int
		chi, p float64
		words  string
	}{
		{[]int{10, 10, 14, 6}, 3.2, 0.3618, "as even as a random choice"},
		{[]int{10, 10, 10, 10}, 0, 1, "more even than chance"},
		{[]int{40, 0, 0, 0}, 120, 0, "uneven"},
	} {
		e := evenness(shares(test.counts...))
		if e == nil || math.Abs(e.ChiSquared-test.chi) > 1e-9 || math.Abs(e.P-test.p) > 1e-3 {
			t.Errorf("%v: %+v, want chi-squared %v, p %v", test.counts, e, test.chi, test.p)
			continue
		}
		if !strings.HasPrefix(e.String(), test.words) {
			t.Errorf("%v: %s", test.counts, e)
		}
	}
	for _, none := range [][]Share{nil, shares(100), shares(1, 2), append(shares(50, 50), Share{Requests: 1})} {
		if e := evenness(none); e != nil {
			t.Errorf("%v was judged: %v", none, e)
		}
	}
}

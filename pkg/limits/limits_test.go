package limits_test

import (
	"net/url"
	"testing"

	"github.com/kubectl-lab/kubectl-lab/pkg/limits"
)

func TestUse(t *testing.T) {
	tests := []struct {
		name    string
		use     limits.Use
		percent int
		left    int
		level   limits.Level
	}{
		{"nothing", limits.Nodes().Of(0), 0, 5000, limits.Within},
		{"rounded down", limits.Nodes().Of(3_999), 79, 1001, limits.Within},
		{"close", limits.Nodes().Of(4_000), 80, 1000, limits.Close},
		{"full is not beyond", limits.Pods().Of(150_000), 100, 0, limits.Close},
		{"beyond", limits.PodsPerNode().Of(111), 100, -1, limits.Beyond},
		{"no limit", limits.Limit{}.Of(0), 0, 0, limits.Within},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.use.Percent(); got != tt.percent {
				t.Errorf("Percent() = %d, want %d", got, tt.percent)
			}
			if got := tt.use.Left(); got != tt.left {
				t.Errorf("Left() = %d, want %d", got, tt.left)
			}
			if got := tt.use.Level(); got != tt.level {
				t.Errorf("Level() = %q, want %q", got, tt.level)
			}
		})
	}
}

func TestAllAreStated(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range limits.All() {
		if seen[l.Quantity] {
			t.Errorf("%s is listed twice", l.Quantity)
		}
		seen[l.Quantity] = true
		if l.Max <= 0 || l.Scope == "" {
			t.Errorf("%+v is incomplete", l)
		}
		if u, err := url.Parse(l.Source); err != nil || u.Scheme != "https" {
			t.Errorf("%s has no source: %q", l.Quantity, l.Source)
		}
	}
}

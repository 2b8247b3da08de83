package actions

import (
	"context"
	"sync/atomic"
	"testing"
)

func TestForEach(t *testing.T) {
	t.Parallel()
	const n, workers = 100, 7
	var running, most atomic.Int32
	done := make([]int, n)
	forEach(t.Context(), n, workers, func(_ context.Context, i int) {
		now := running.Add(1)
		defer running.Add(-1)
		for {
			before := most.Load()
			if now <= before || most.CompareAndSwap(before, now) {
				break
			}
		}
		done[i]++
	})
	for i, times := range done {
		if times != 1 {
			t.Errorf("%d was done %d times", i, times)
		}
	}
	if most.Load() > workers {
		t.Errorf("%d at once, want at most %d", most.Load(), workers)
	}
}

// TestForEachAfterTheEnd checks that every object gets its turn even if ctx has ended, so that each has
// an outcome.
func TestForEachAfterTheEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var told atomic.Int32
	forEach(ctx, 10, 3, func(ctx context.Context, _ int) {
		if ctx.Err() != nil {
			told.Add(1)
		}
	})
	if told.Load() != 10 {
		t.Errorf("%d were told, want 10", told.Load())
	}
	forEach(t.Context(), 0, 3, func(context.Context, int) { t.Error("called for nothing") })
}

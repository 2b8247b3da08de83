package actions

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// writeWorkers bounds how many writing requests one action has under way. The API server's priority
// and fairness queues requests beyond its own limits; this only keeps one user from filling a queue.
const writeWorkers = 16

// forEach calls do for 0…n-1 with at most workers at once and returns when all have returned. It calls
// do even when ctx has ended, so that every object gets an outcome; do's requests then fail at once.
func forEach(ctx context.Context, n, workers int, do func(ctx context.Context, i int)) {
	var g errgroup.Group
	g.SetLimit(workers)
	for i := range n {
		g.Go(func() error {
			do(ctx, i)
			return nil
		})
	}
	_ = g.Wait() // do returns no error
}

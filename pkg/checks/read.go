package checks

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// read is one resource of the cluster, read at most once and shared by all the checks.
type read[T any] struct {
	what    string
	perm    Permission
	timeout time.Duration
	fetch   func(context.Context) (T, error)

	once  sync.Once
	done  chan struct{}
	value T
	err   error
}

// anyRead is a read whatever its type.
type anyRead interface {
	// start begins reading, the first time; ctx is that of the whole run.
	start(ctx context.Context)
	// wait returns when the answer is there, or when ctx ends.
	wait(ctx context.Context) error
	// failure is the error of a finished read; nil if it is unfinished.
	failure() error
	finished() bool
	permission() Permission
	name() string
}

// reading picks a read out of a Snapshot.
type reading func(*Snapshot) anyRead

func newRead[T any](what string, perm Permission, timeout time.Duration, fetch func(context.Context) (T, error)) *read[T] {
	return &read[T]{what: what, perm: perm, timeout: timeout, fetch: fetch, done: make(chan struct{})}
}

func (r *read[T]) name() string           { return r.what }
func (r *read[T]) permission() Permission { return r.perm }

func (r *read[T]) start(ctx context.Context) {
	r.once.Do(func() {
		go func() {
			defer close(r.done)
			defer func() {
				if p := recover(); p != nil {
					r.err = fmt.Errorf("reading %s: internal error: %v", r.what, p)
				}
			}()
			limited, cancel := context.WithTimeout(ctx, r.timeout)
			defer cancel()
			r.value, r.err = r.fetch(limited)
			if r.err != nil && limited.Err() != nil && ctx.Err() == nil {
				r.err = fmt.Errorf("no answer within %s", r.timeout)
			}
		}()
	})
}

func (r *read[T]) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *read[T]) finished() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (r *read[T]) failure() error {
	select {
	case <-r.done:
		return r.err
	default:
		return nil
	}
}

// get is the value of a read that the check declared.
func (r *read[T]) get() T {
	select {
	case <-r.done:
		return r.value
	default:
		panic("read of " + r.what + " is not declared by the check")
	}
}

// ok reports whether a read that the check uses was answered.
func (r *read[T]) ok() bool {
	select {
	case <-r.done:
		return r.err == nil
	default:
		panic("use of " + r.what + " is not declared by the check")
	}
}

// fetchNow reads what only some clusters need and a check therefore doesn't declare.
func (r *read[T]) fetchNow(ctx context.Context) (T, error) {
	r.start(ctx)
	err := r.wait(ctx)
	return r.value, err
}

// pageSize is how many objects one request asks for. Larger pages cost memory, smaller ones round
// trips; 500 is kubectl's own choice.
const pageSize = 500

// paged is a typed list.
type paged interface{ GetContinue() string }

// collect lists page by page and keeps only what take makes of each page, so that the objects of
// one page at a time are in memory. If the server drops the list's version in between (410 Gone),
// it starts again, in one page.
func collect[L paged, T any](ctx context.Context, list func(context.Context, metav1.ListOptions) (L, error), take func(page L, sofar []T) []T) ([]T, error) {
	var kept []T
	options := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := list(ctx, options)
		if apierrors.IsResourceExpired(err) && options.Continue != "" {
			kept, options = nil, metav1.ListOptions{}
			continue
		}
		if err != nil {
			return nil, err
		}
		kept = take(page, kept)
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return kept, nil
		}
	}
}

// optional turns "not found" into the zero value: the object, or its whole API, is not there.
func optional[T any](value T, err error) (T, error) {
	if apierrors.IsNotFound(err) {
		var none T
		return none, nil
	}
	return value, err
}

// isForbidden reports whether the API server refused for want of a permission.
func isForbidden(err error) bool { return apierrors.IsForbidden(err) }

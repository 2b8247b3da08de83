package slackbot

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter bounds how many commands each person starts.
type limiter struct {
	now func() time.Time

	mu     sync.Mutex
	people map[string]*rate.Limiter
}

// maxPeople bounds the memory that the limiter takes; beyond it, everybody starts afresh.
const maxPeople = 10_000

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, people: map[string]*rate.Limiter{}}
}

// allow reports whether a person may start a command now. A quarter of a minute's commands may come
// at once.
func (l *limiter) allow(person string, perMinute int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.people) >= maxPeople {
		clear(l.people)
	}
	limit, burst := rate.Limit(float64(perMinute)/60), max(1, perMinute/4)
	one, ok := l.people[person]
	if !ok || one.Burst() != burst {
		one = rate.NewLimiter(limit, burst)
		l.people[person] = one
	}
	return one.AllowN(l.now(), 1)
}

// seen remembers the ids of deeds that this process has received, so that it need not ask the API
// server about redeliveries to itself.
type seen struct {
	now func() time.Time

	mu         sync.Mutex
	deliveries map[string]*delivery
	swept      time.Time
}

// delivery is the first delivery of a deed.
type delivery struct {
	at      time.Time
	decided chan struct{} // closed when it is known whether the deed was taken
	taken   bool          // valid then
}

// wasTaken waits until it is known whether the deed was taken.
func (d *delivery) wasTaken(ctx context.Context) bool {
	select {
	case <-d.decided:
		return d.taken
	case <-ctx.Done():
		return false
	}
}

func newSeen(now func() time.Time) *seen {
	return &seen{now: now, deliveries: map[string]*delivery{}}
}

// first reports whether the id is new, and returns its first delivery.
func (s *seen) first(id string) (bool, *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.sweep(now)
	if d, ok := s.deliveries[id]; ok {
		return false, d
	}
	d := &delivery{at: now, decided: make(chan struct{})}
	s.deliveries[id] = d
	return true, d
}

// decide notes whether a deed was taken. One that was not is forgotten: the next delivery is a new
// attempt.
func (s *seen) decide(id string, d *delivery, taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.taken = taken
	close(d.decided)
	if !taken {
		delete(s.deliveries, id)
	}
}

// sweep forgets what is older than any redelivery: Slack gives up after an hour.
func (s *seen) sweep(now time.Time) {
	if now.Sub(s.swept) < time.Minute {
		return
	}
	s.swept = now
	for id, d := range s.deliveries {
		if now.Sub(d.at) > keepRecords {
			delete(s.deliveries, id)
		}
	}
}

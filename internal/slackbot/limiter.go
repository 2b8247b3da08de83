package slackbot

import (
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

	mu    sync.Mutex
	times map[string]time.Time
	swept time.Time
}

func newSeen(now func() time.Time) *seen { return &seen{now: now, times: map[string]time.Time{}} }

// first reports whether the id is new.
func (s *seen) first(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.sweep(now)
	if _, ok := s.times[id]; ok {
		return false
	}
	s.times[id] = now
	return true
}

// sweep forgets what is older than any redelivery: Slack gives up after an hour.
func (s *seen) sweep(now time.Time) {
	if now.Sub(s.swept) < time.Minute {
		return
	}
	s.swept = now
	for id, at := range s.times {
		if now.Sub(at) > keepRecords {
			delete(s.times, id)
		}
	}
}

package fakeslack

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// Fault is something that goes wrong on Slack's side. Set one of Status, Error, Hang and Drop.
type Fault struct {
	// Status answers with this HTTP status instead of doing the call. With 429, RetryAfter goes
	// into the header.
	Status     int
	RetryAfter time.Duration
	// Error answers 200 with ok:false and this error string.
	Error string
	// Hang never answers, until the client gives up, the fault is cleared or the server closes.
	Hang bool
	// Drop closes the connection without an answer.
	Drop bool
	// AfterEffect does the call first and then fails, as when an answer is lost.
	AfterEffect bool
	// Times is how many calls fail; zero means all, until the fault is cleared.
	Times int
}

type fault struct {
	Fault
	left    int
	cleared chan struct{}
}

// Targets of faults that are no Web API methods.
const (
	ResponseURLTarget = "response_url"
	UploadTarget      = "upload"
	DownloadTarget    = "download"
	SocketTarget      = "socket" // the WebSocket handshake
	AnyTarget         = "*"
)

// Inject makes calls of a target fail: a Web API method, or one of the targets above. It returns a
// function that clears the fault.
func (s *Server) Inject(target string, f Fault) (clearFault func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	added := &fault{Fault: f, left: f.Times, cleared: make(chan struct{})}
	s.faults[target] = append(s.faults[target], added)
	return func() { s.clearFault(target, added) }
}

func (s *Server) clearFault(target string, f *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.faults[target] {
		if other == f {
			s.faults[target] = append(s.faults[target][:i:i], s.faults[target][i+1:]...)
		}
	}
	select {
	case <-f.cleared:
	default:
		close(f.cleared)
	}
}

// takeFault returns the fault that the next call of target meets, if any, and counts it.
func (s *Server) takeFault(target string) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range []string{target, AnyTarget} {
		for _, f := range s.faults[name] {
			if f.Times == 0 {
				return f
			}
			if f.left > 0 {
				f.left--
				return f
			}
		}
	}
	return nil
}

// apply answers a request as the fault says. ErrAbortHandler makes net/http close the connection.
func (f *fault) apply(s *Server, w http.ResponseWriter, r *http.Request) {
	switch {
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-f.cleared:
		case <-s.ctx.Done():
		}
		panic(http.ErrAbortHandler)
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.Error != "":
		writeJSON(w, http.StatusOK, fail(f.Error).body())
	case f.Status == http.StatusTooManyRequests:
		tooMany(w, f.RetryAfter)
	default:
		http.Error(w, http.StatusText(f.Status), f.Status)
	}
}

// tooMany answers 429. Retry-After is in whole seconds.
func tooMany(w http.ResponseWriter, wait time.Duration) {
	seconds := max(1, int(math.Ceil(wait.Seconds())))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	writeJSON(w, http.StatusTooManyRequests, fail("ratelimited").body())
}

// RateLimits are limits as https://docs.slack.dev/apis/web-api/rate-limits describes them.
type RateLimits struct {
	// Tiers holds the calls a minute of each method's tier.
	Tiers bool
	// ChannelBurst is how many messages a channel takes at once before it takes one a second. Zero
	// means no limit.
	ChannelBurst int
}

// bucket is a token bucket.
type bucket struct {
	tokens float64
	last   time.Time
}

// take spends a token, or says how long until there is one. The caller holds s.mu.
func (s *Server) take(key string, size int, perSecond float64) (time.Duration, bool) {
	now := s.opts.Now()
	b := s.buckets[key]
	if b == nil {
		b = &bucket{tokens: float64(size), last: now}
		s.buckets[key] = b
	}
	b.tokens = math.Min(float64(size), b.tokens+now.Sub(b.last).Seconds()*perSecond)
	b.last = now
	if b.tokens >= 1 {
		b.tokens--
		return 0, true
	}
	return time.Duration((1 - b.tokens) / perSecond * float64(time.Second)), false
}

// rateLimited spends a call of a tier, and reports the pause that the caller must make if there is
// none left.
func (s *Server) rateLimited(key string, perMinute int) (time.Duration, bool) {
	if !s.opts.RateLimits.Tiers || perMinute == 0 {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	wait, ok := s.take(key, perMinute, float64(perMinute)/60)
	return wait, !ok
}

// channelLimited spends a message of a channel. The caller holds s.mu.
func (s *Server) channelLimited(c *Channel) bool {
	burst := s.opts.RateLimits.ChannelBurst
	if burst == 0 {
		return false
	}
	_, ok := s.take("channel "+c.ID, burst, 1)
	return !ok
}

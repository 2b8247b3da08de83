package fakeslack

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options configures a [Server]. The zero value is a good start: one workspace, Socket Mode,
// Slack's own deadlines, no rate limits.
type Options struct {
	// Addr is the loopback address to listen on. Default "127.0.0.1:0".
	Addr string
	// Now is the clock for timestamps, response URLs, trigger ids, signatures and rate limits.
	// Default time.Now; see [Clock] for one that a test moves.
	Now func() time.Time

	// TeamName names the first workspace. Default "acme".
	TeamName string
	// BotName is the name of the app's bot user. Default "labbot".
	BotName string
	// Commands are the slash commands of the app. Default "/lab".
	Commands []string
	// Events are the bot events that the app subscribed to. Default app_mention, message.im and
	// app_home_opened.
	Events []string
	// BotScopes are the scopes of the bot tokens. Default AllBotScopes().
	BotScopes []string

	// AckTimeout is how long the app has to acknowledge. Default [AckDeadline].
	AckTimeout time.Duration
	// Retries are the pauses before each redelivery of an event that nobody acknowledged.
	// Default: at once, after a minute, after five minutes.
	Retries []time.Duration
	// RetryCommands redelivers slash commands and interactions over Socket Mode too, as events are.
	// Slack gives a person's command up after the deadline; with this a test is stricter.
	RetryCommands bool

	// TriggerTTL and ResponseURLTTL default to [TriggerLifetime] and [ResponseURLLifetime].
	TriggerTTL, ResponseURLTTL time.Duration

	// PingInterval is the pause between WebSocket pings. Default 5 s.
	PingInterval time.Duration
	// DisconnectGrace is how long a socket stays open after its disconnect frame. Default 10 s.
	DisconnectGrace time.Duration

	// RateLimits makes the server answer 429. The zero value never does.
	RateLimits RateLimits
	// KeepTraffic bounds the number of recorded exchanges; the oldest go first. Zero keeps all.
	KeepTraffic int
}

// withDefaults returns the options with every unset field filled.
func (o Options) withDefaults() Options {
	setDefault(&o.Addr, "127.0.0.1:0")
	setDefault(&o.TeamName, "acme")
	setDefault(&o.BotName, "labbot")
	setDefault(&o.AckTimeout, AckDeadline)
	setDefault(&o.TriggerTTL, TriggerLifetime)
	setDefault(&o.ResponseURLTTL, ResponseURLLifetime)
	setDefault(&o.PingInterval, 5*time.Second)
	setDefault(&o.DisconnectGrace, 10*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Commands == nil {
		o.Commands = []string{"/lab"}
	}
	if o.Events == nil {
		o.Events = []string{"app_mention", "message.im", "app_home_opened"}
	}
	if o.BotScopes == nil {
		o.BotScopes = AllBotScopes()
	}
	if o.Retries == nil {
		o.Retries = []time.Duration{0, time.Minute, 5 * time.Minute}
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Server is the fake Slack with one app installed in one or more workspaces. Its methods are safe
// for concurrent use.
type Server struct {
	opts  Options
	appID string
	base  string
	http  *http.Server

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // deliveries and socket loops

	appToken          string
	signingSecret     string
	verificationToken string

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change of state
	seq     int
	lastTS  int64 // microseconds of the newest timestamp
	revoked bool

	world     world
	messages  []*Message
	views     map[string]*View
	homes     map[string]*View // by user id
	files     map[string]*File
	urls      map[string]*responseURL
	triggers  map[string]*trigger
	envelopes map[string]*envelope
	order     []*envelope

	sockets sockets
	target  *HTTPTarget // nil: Socket Mode
	sent    map[string][]sentRequest

	faults  map[string][]*fault
	buckets map[string]*bucket
	traffic []*Exchange
	exSeq   int
}

// New starts a fake Slack. Close it when done.
func New(opts Options) (*Server, error) {
	opts = opts.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", opts.Addr)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("fake Slack: listen on %s: %w", opts.Addr, err)
	}
	if tcp, ok := listener.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		cancel()
		_ = listener.Close()
		return nil, fmt.Errorf("fake Slack: %s is no loopback address; what people say here is not protected", opts.Addr)
	}
	s := &Server{
		opts:      opts,
		base:      "http://" + listener.Addr().String(),
		ctx:       ctx,
		cancel:    cancel,
		changed:   make(chan struct{}),
		views:     map[string]*View{},
		homes:     map[string]*View{},
		files:     map[string]*File{},
		urls:      map[string]*responseURL{},
		triggers:  map[string]*trigger{},
		envelopes: map[string]*envelope{},
		sent:      map[string][]sentRequest{},
		faults:    map[string][]*fault{},
		buckets:   map[string]*bucket{},
		sockets:   newSockets(),
		world:     newWorld(),
	}
	s.appID = s.newID("A")
	s.appToken = "xapp-1-" + s.appID + "-" + randomHex(16)
	s.signingSecret = randomHex(16)
	s.verificationToken = randomHex(12)
	s.AddTeam(opts.TeamName)

	s.http = &http.Server{Handler: onlyHost(listener.Addr().String(), s.routes()), ReadHeaderTimeout: 10 * time.Second}
	s.wg.Go(func() { _ = s.http.Serve(listener) })
	return s, nil
}

// Close drops every socket, ends every delivery and stops listening.
func (s *Server) Close() {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	_ = s.http.Close()
	for _, socket := range s.Sockets() {
		socket.Drop()
	}
	s.wg.Wait()
}

// background runs f in a goroutine that Close waits for. It returns false when the server is closed.
func (s *Server) background(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.goLocked(f)
}

// goLocked is background for callers that hold s.mu.
func (s *Server) goLocked(f func()) bool {
	if s.ctx.Err() != nil {
		return false
	}
	s.wg.Go(f)
	return true
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{method}", s.serveAPI)
	mux.HandleFunc("POST /commands/{team}/{id}/{secret}", s.serveResponseURL)
	mux.HandleFunc("POST /actions/{team}/{id}/{secret}", s.serveResponseURL)
	mux.HandleFunc("/upload/v1/{ticket}", s.serveUpload)
	mux.HandleFunc("GET /files-pri/{file}/{name}", s.serveFile)
	mux.HandleFunc("GET /files-pri/{file}/download/{name}", s.serveDownload)
	mux.HandleFunc("GET /link/", s.serveSocket)
	return mux
}

// onlyHost refuses requests for other host names, with which a web page could reach a server on
// loopback through a name of its own (DNS rebinding).
func onlyHost(host string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			http.Error(w, "this fake Slack is "+host, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// BaseURL is the server's origin, without a trailing slash.
func (s *Server) BaseURL() string { return s.base }

// APIURL is the base of the Web API, to be given to slack.OptionAPIURL.
func (s *Server) APIURL() string { return s.base + "/api/" }

// AppID is the id of the app.
func (s *Server) AppID() string { return s.appID }

// AppToken is the app-level token (xapp-…), which opens sockets.
func (s *Server) AppToken() string { return s.appToken }

// SigningSecret is the key of the HTTP request signatures.
func (s *Server) SigningSecret() string { return s.signingSecret }

// RevokeTokens makes every token invalid from now on: all methods answer invalid_auth.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = true
}

// Changed returns a channel that is closed at the next change of anything that the server keeps:
// messages, views, sockets, deliveries. Ask for it before looking, or a change may be missed.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// notify wakes everyone who waits. The caller holds s.mu.
func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait returns when done reports true, and ctx's error when ctx ends first. done is called without
// s.mu, at the start and after every change.
func (s *Server) wait(ctx context.Context, done func() bool) error {
	for {
		changed := s.Changed()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.ctx.Done():
			return errors.New("the fake Slack was closed")
		}
	}
}

// newID returns an id of Slack's form: a letter for the kind, then upper-case letters and digits.
// The caller holds s.mu, or nobody else has the server yet.
func (s *Server) newID(prefix string) string {
	s.seq++
	return fmt.Sprintf("%s0LAB%05X", prefix, s.seq)
}

// newTS returns a message timestamp, which is unique and grows. The caller holds s.mu.
func (s *Server) newTS() string {
	micros := s.opts.Now().UnixMicro()
	if micros <= s.lastTS {
		micros = s.lastTS + 1
	}
	s.lastTS = micros
	return fmt.Sprintf("%d.%06d", micros/1e6, micros%1e6)
}

func randomHex(bytes int) string {
	buf := make([]byte, bytes)
	_, _ = rand.Read(buf) // never fails, says crypto/rand
	return hex.EncodeToString(buf)
}

func newUUID() string {
	h := randomHex(16)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// Clock is a clock that stands still until it is moved. Its Now fits [Options].Now.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows t.
func NewClock(t time.Time) *Clock { return &Clock{now: t} }

// Now returns what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock forward by d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

package slackbot

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/slack-go/slack"
)

const (
	// maxBody is the largest request that is read. Slack's are smaller.
	maxBody = 1 << 20
	// signatureWindow is how old a signed request may be: Slack's own rule.
	signatureWindow = 5 * time.Minute
)

// httpMode serves Slack's requests.
type httpMode struct {
	bot    *Bot
	secret string
	replay *replayCache
}

// serveHTTP serves the three request URLs of the Slack app until ctx ends.
func (b *Bot) serveHTTP(ctx, work context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", b.HTTP)
	if err != nil {
		return notListening("Slack", "--http", err)
	}
	b.listening(listener.Addr().String(), "")
	server := &http.Server{
		Handler:           b.httpHandler(work),
		ReadHeaderTimeout: slackTimeout,
		ReadTimeout:       slackTimeout,
		IdleTimeout:       time.Minute,
	}
	return serveUntil(ctx, server, listener)
}

func (b *Bot) httpHandler(work context.Context) http.Handler {
	h := &httpMode{bot: b, secret: b.Secrets.SigningSecret, replay: newReplayCache(b.Now)}
	mux := http.NewServeMux()
	mux.Handle("POST /slack/commands", h.verified(work, h.command))
	mux.Handle("POST /slack/interactions", h.verified(work, h.interaction))
	mux.Handle("POST /slack/events", h.verified(work, h.event))
	return mux
}

// verified hands on requests that Slack signed, recently, and that were not handed on before.
func (h *httpMode) verified(work context.Context, next func(context.Context, []byte) (ack, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "the request is too large", http.StatusRequestEntityTooLarge)
			return
		}
		if !h.signed(r.Header, body) {
			http.Error(w, "the signature is not valid", http.StatusUnauthorized)
			return
		}
		if !h.replay.first(r.Header.Get("X-Slack-Signature")) {
			w.WriteHeader(http.StatusOK) // an answer was given the first time
			return
		}
		answer, err := next(work, body)
		if err != nil {
			http.Error(w, "the request cannot be read", http.StatusBadRequest)
			return
		}
		if !answer.taken {
			h.replay.forget(r.Header.Get("X-Slack-Signature"))
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		writeAnswer(w, answer.answer)
	})
}

// signed checks Slack's signature. See
// https://docs.slack.dev/authentication/verifying-requests-from-slack.
func (h *httpMode) signed(header http.Header, body []byte) bool {
	verifier, err := slack.NewSecretsVerifier(header, h.secret)
	if err != nil {
		return false
	}
	if _, err := verifier.Write(body); err != nil {
		return false
	}
	return verifier.Ensure() == nil
}

func writeAnswer(w http.ResponseWriter, answer any) {
	if answer == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // Slack has gone if this fails
}

func (h *httpMode) command(ctx context.Context, body []byte) (ack, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ack{}, err
	}
	fields := map[string]string{}
	for key := range form {
		fields[key] = form.Get(key)
	}
	delete(fields, "is_enterprise_install") // a string here, a boolean in Socket Mode; not used
	payload, err := json.Marshal(fields)
	if err != nil {
		return ack{}, err
	}
	return h.bot.receive(ctx, envelopeCommand, payload), nil
}

func (h *httpMode) interaction(ctx context.Context, body []byte) (ack, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ack{}, err
	}
	return h.bot.receive(ctx, envelopeInteraction, []byte(form.Get("payload"))), nil
}

func (h *httpMode) event(ctx context.Context, body []byte) (ack, error) {
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return ack{}, err
	}
	if e.Type == "url_verification" {
		return ack{taken: true, answer: map[string]string{"challenge": e.Challenge}}, nil
	}
	return h.bot.receive(ctx, envelopeEvent, body), nil
}

// replayCache remembers the signatures of the last minutes, so that a request that somebody recorded
// cannot be sent again.
type replayCache struct {
	now func() time.Time

	mu    sync.Mutex
	seen  map[[sha256.Size]byte]time.Time
	swept time.Time
}

func newReplayCache(now func() time.Time) *replayCache {
	return &replayCache{now: now, seen: map[[sha256.Size]byte]time.Time{}}
}

// first reports whether a signature is new.
func (c *replayCache) first(signature string) bool {
	key := sha256.Sum256([]byte(signature))
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.swept) > time.Minute {
		c.swept = now
		for k, at := range c.seen {
			if now.Sub(at) > 2*signatureWindow {
				delete(c.seen, k)
			}
		}
	}
	if _, found := c.seen[key]; found {
		return false
	}
	c.seen[key] = now
	return true
}

// forget lets a request be sent again that was not taken.
func (c *replayCache) forget(signature string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.seen, sha256.Sum256([]byte(signature)))
}

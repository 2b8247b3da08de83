package slackbot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

const (
	// healthEvery is how often Slack and the API server are asked.
	healthEvery = 10 * time.Second
	// healthGrace is how long either may be away before the bot is not ready: less than the 60
	// seconds after which it must not be.
	healthGrace = 35 * time.Second
)

// health is what the bot knows about those it depends on.
type health struct {
	now func() time.Time

	mu     sync.Mutex
	seen   map[string]time.Time // when each was last known to be well
	config error                // why the newest configuration is not in force
}

const (
	dependencySlack     = "slack"
	dependencyAPIServer = "api-server"
)

func newHealth(now func() time.Time) *health {
	return &health{now: now, seen: map[string]time.Time{}}
}

// well notes that a dependency works.
func (h *health) well(dependency string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen[dependency] = h.now()
}

func (h *health) configured(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.config = err
}

// notListening says that an address could not be opened.
func notListening(what, flag string, err error) error {
	return &actions.Error{
		Message: fmt.Sprintf("listening for %s: %s", what, err),
		Hint:    "choose another address with " + flag,
		Code:    actions.ExitFailed,
		Err:     err,
	}
}

// problems lists what keeps the bot from being ready.
func (h *health) problems() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []string
	for _, dependency := range []string{dependencySlack, dependencyAPIServer} {
		seen, ever := h.seen[dependency]
		switch {
		case !ever:
			found = append(found, dependency+": not reached yet")
		case h.now().Sub(seen) > healthGrace:
			found = append(found, fmt.Sprintf("%s: lost %s ago", dependency, h.now().Sub(seen).Round(time.Second)))
		}
	}
	return found
}

// watchHealth asks the API server, and with HTTP also Slack, regularly. Sockets tell by themselves. It
// returns an error only if Slack refuses the token for good.
func (b *Bot) watchHealth(ctx context.Context) error {
	ticker := time.NewTicker(healthEvery)
	defer ticker.Stop()
	for {
		b.askAPIServer(ctx)
		if err := b.askSlack(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (b *Bot) askAPIServer(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	_, err := b.home.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	switch {
	case err == nil:
		b.health.well(dependencyAPIServer)
	case ctx.Err() == nil:
		b.Log.Warn("the API server is not ready", "error", err)
	}
}

func (b *Bot) askSlack(ctx context.Context) error {
	if b.HTTP == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, slackTimeout)
	defer cancel()
	_, err := b.slack.AuthTestContext(ctx)
	switch {
	case err == nil:
		b.health.well(dependencySlack)
	case isInvalidAuth(err):
		return fmt.Errorf("Slack does not accept the bot token any more (%w)", err)
	case ctx.Err() == nil:
		b.Log.Warn("Slack does not answer", "error", err)
	}
	return nil
}

// serveHealth serves /livez, /readyz and /metrics until ctx ends.
func (b *Bot) serveHealth(ctx context.Context) error {
	if b.Health == "" {
		<-ctx.Done()
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", b.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(b.metrics.registry, promhttp.HandlerOpts{}))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", b.Health)
	if err != nil {
		return notListening("health checks", "--health", err)
	}
	b.listening("", listener.Addr().String())
	return serveUntil(ctx, &http.Server{Handler: mux, ReadHeaderTimeout: slackTimeout}, listener)
}

func (b *Bot) readyz(w http.ResponseWriter, _ *http.Request) {
	found := b.health.problems()
	if len(found) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, strings.Join(slices.Sorted(slices.Values(found)), "\n"))
		return
	}
	fmt.Fprintln(w, "ok")
}

func (b *Bot) listening(slack, health string) {
	if b.Listening != nil {
		b.Listening(slack, health)
	}
}

// serveUntil serves until ctx ends, then lets the requests under way end.
func serveUntil(ctx context.Context, server *http.Server, listener net.Listener) error {
	stopped := context.AfterFunc(ctx, func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), slackTimeout)
		defer cancel()
		_ = server.Shutdown(ending) // what does not end in time is cut off with the process
	})
	defer stopped()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

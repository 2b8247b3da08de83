package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// serve answers on the socket; shutdown is called when somebody asks for the end.
func (s *Supervisor) serve(ctx context.Context, shutdown func()) (io.Closer, error) {
	if err := os.Remove(s.config.Socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", s.config.Socket)
	if err != nil {
		return nil, fmt.Errorf("listen for commands: %w", err)
	}
	server := &http.Server{Handler: s.handler(shutdown), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	return server, nil
}

func (s *Supervisor) handler(shutdown func()) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.Status()) // the asker is gone
	})
	mux.HandleFunc("POST /shutdown", func(http.ResponseWriter, *http.Request) { shutdown() })
	mux.HandleFunc("POST /grow", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Grow(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	commands := map[string]func(context.Context, string) error{
		"stop":  s.Stop,
		"start": s.Start,
		"kill":  func(_ context.Context, name string) error { return s.Kill(name) },
	}
	mux.HandleFunc("POST /components/{name}/{command}", func(w http.ResponseWriter, r *http.Request) {
		command, ok := commands[r.PathValue("command")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if err := command(r.Context(), r.PathValue("name")); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	return mux
}

// Client speaks to a supervisor over its socket.
type Client struct{ http *http.Client }

// NewClient returns a client for the supervisor that listens on socket.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status asks for the present status.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var status Status
	body, err := c.do(ctx, http.MethodGet, "/status")
	if err != nil {
		return status, err
	}
	if err := json.Unmarshal(body, &status); err != nil {
		return status, fmt.Errorf("read the supervisor's answer: %w", err)
	}
	return status, nil
}

// Command tells the supervisor to "stop", "start" or "kill" a component. It returns when that is
// done: stopped, or ready after a start.
func (c *Client) Command(ctx context.Context, command, component string) error {
	_, err := c.do(ctx, http.MethodPost, "/components/"+url.PathEscape(component)+"/"+command)
	return err
}

// Grow asks the supervisor to start the components that are new, and returns when they are ready.
func (c *Client) Grow(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodPost, "/grow")
	return err
}

// Shutdown asks the supervisor to end with everything it runs. It does not wait for that.
func (c *Client) Shutdown(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodPost, "/shutdown")
	return err
}

func (c *Client) do(ctx context.Context, method, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://supervisor"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the supervisor: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("ask the supervisor: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(string(bytes.TrimSpace(body)))
	}
	return body, nil
}

package fakeslack_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// httpApp is an app's server that verifies signatures with slack-go and remembers its requests.
type httpApp struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string // "path attempt reason"
	answer   http.HandlerFunc
}

func newHTTPApp(t *testing.T, l *lab, answer http.HandlerFunc) *httpApp {
	t.Helper()
	app := &httpApp{answer: answer}
	app.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		verifier, err := slack.NewSecretsVerifier(r.Header, l.SigningSecret())
		if err == nil {
			_, _ = verifier.Write(body)
			err = verifier.Ensure()
		}
		if err != nil {
			http.Error(w, "bad signature", http.StatusUnauthorized)
			return
		}
		record(&app.mu, &app.requests, r.URL.Path+" "+r.Header.Get("X-Slack-Retry-Num")+" "+r.Header.Get("X-Slack-Retry-Reason"))
		r.Body = io.NopCloser(bytes.NewReader(body))
		app.mu.Lock()
		answer := app.answer
		app.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(app.Close)
	l.UseHTTP(fakeslack.HTTPTarget{Commands: app.URL + "/commands", Interactions: app.URL + "/interactions", Events: app.URL + "/events"})
	return app
}

func (a *httpApp) setAnswer(answer http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

func TestHTTPMode(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	app := newHTTPApp(t, l, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/commands":
			cmd, err := slack.SlashCommandParse(r)
			if err != nil || cmd.UserID != l.ann.ID || cmd.TeamID != l.Team().ID {
				t.Errorf("slash command: %+v, %v", cmd, err)
			}
			if cmd.Text == "plain" {
				_, _ = io.WriteString(w, "just text")
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"response_type":"in_channel","text":"for all"}`)
		case "/interactions":
			var click slack.InteractionCallback
			if err := json.Unmarshal([]byte(r.FormValue("payload")), &click); err != nil || click.Type != slack.InteractionTypeBlockActions {
				t.Errorf("interaction: %+v, %v", click, err)
			}
		}
	})
	plain := must(l.ann.Slash(l.room, "/lab", "plain"))(t)
	if m := must(plain.WaitMessage(ctx, nil))(t); m.Text != "just text" || m.EphemeralTo != l.ann.ID {
		t.Errorf("plain answer: %+v", m)
	}
	all := must(l.ann.Slash(l.room, "/lab", "status & more"))(t)
	if m := must(all.WaitMessage(ctx, nil))(t); m.Text != "for all" || m.EphemeralTo != "" {
		t.Errorf("answer for all: %+v", m)
	}
	ts := must(postTS(l, slack.MsgOptionText("x", false), button("go", "Go")))(t)
	m, _ := l.Message(l.room.ID, ts)
	if err := must(l.ann.Click(m, "Go"))(t).WaitAck(ctx); err != nil {
		t.Error(err)
	}
	if err := must(l.ann.Mention(l.room, "hi"))(t).WaitAck(ctx); err != nil {
		t.Error(err)
	}
	app.mu.Lock()
	defer app.mu.Unlock()
	if diff := cmp.Diff([]string{"/commands  ", "/commands  ", "/interactions  ", "/events  "}, app.requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestHTTPRetries(t *testing.T) {
	l := newLab(t, fakeslack.Options{AckTimeout: 300 * time.Millisecond, Retries: []time.Duration{0, 0, 0}})
	ctx := within(t)
	var mu sync.Mutex
	tries := 0
	app := newHTTPApp(t, l, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		tries++
		n := tries
		mu.Unlock()
		switch n {
		case 1:
			<-r.Context().Done()
		case 2:
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	event := must(l.ann.Mention(l.room, "hi"))(t)
	if err := event.WaitAck(ctx); err != nil {
		t.Fatal(err)
	}
	app.mu.Lock()
	if diff := cmp.Diff([]string{"/events  ", "/events 1 http_timeout", "/events 2 http_error"}, app.requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	app.mu.Unlock()

	app.setAnswer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Slack-No-Retry", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	stopped := must(l.ann.Mention(l.room, "hi"))(t)
	if err := stopped.WaitAck(ctx); err == nil || len(stopped.Deliveries()) != 1 {
		t.Errorf("after X-Slack-No-Retry: %v, %d deliveries, want one", err, len(stopped.Deliveries()))
	}
	cmd := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	if err := cmd.WaitAck(ctx); err == nil || cmd.Failure() != "dispatch_failed" || len(cmd.Deliveries()) != 1 {
		t.Errorf("a refused command: %v, failure %q, %d deliveries", err, cmd.Failure(), len(cmd.Deliveries()))
	}
	app.Close()
	gone := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	if err := gone.WaitAck(ctx); err == nil || gone.Deliveries()[0].Failure != "connection_failed" {
		t.Errorf("without a server: %v, %+v", err, gone.Deliveries())
	}
}

func TestSignatures(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	newHTTPApp(t, l, func(http.ResponseWriter, *http.Request) {})
	body := []byte(url.Values{"command": {"/lab"}}.Encode())
	for _, tc := range []struct {
		name string
		req  fakeslack.HTTPRequest
		want int
	}{
		{"valid", fakeslack.HTTPRequest{}, http.StatusOK},
		{"wrong", fakeslack.HTTPRequest{Forge: fakeslack.WrongSignature}, http.StatusUnauthorized},
		{"none", fakeslack.HTTPRequest{Forge: fakeslack.NoSignature}, http.StatusUnauthorized},
		{"four minutes old", fakeslack.HTTPRequest{Age: 4 * time.Minute}, http.StatusOK},
		{"six minutes old", fakeslack.HTTPRequest{Age: 6 * time.Minute}, http.StatusUnauthorized},
		{"from the future", fakeslack.HTTPRequest{Age: -6 * time.Minute}, http.StatusUnauthorized},
	} {
		tc.req.Kind, tc.req.Body = "slash_commands", body
		resp, err := l.SendHTTP(ctx, tc.req)
		if err != nil || resp.Status != tc.want {
			t.Errorf("%s: %d, %v, want %d", tc.name, resp.Status, err, tc.want)
		}
	}
	cmd := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	if err := cmd.WaitAck(ctx); err != nil {
		t.Fatal(err)
	}
	if resp, err := l.Replay(ctx, cmd.ID); err != nil || resp.Status != http.StatusOK {
		t.Errorf("replay: %d, %v; slack-go has no replay cache", resp.Status, err)
	}
	if _, err := l.Replay(ctx, "nonsense"); err == nil {
		t.Error("something that was never sent was replayed")
	}
}

func TestURLVerification(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	if err := l.VerifyEventsURL(ctx); err == nil {
		t.Error("verified without an URL")
	}
	app := newHTTPApp(t, l, func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Type, Challenge string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Type != "url_verification" {
			t.Errorf("body: %+v, %v", body, err)
		}
		_, _ = io.WriteString(w, body.Challenge)
	})
	if err := l.VerifyEventsURL(ctx); err != nil {
		t.Error(err)
	}
	app.setAnswer(func(http.ResponseWriter, *http.Request) {})
	if err := l.VerifyEventsURL(ctx); err == nil {
		t.Error("an empty answer passed for the challenge")
	}
}

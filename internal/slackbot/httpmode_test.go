package slackbot

import (
	"bytes"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// startHTTP runs a bot in HTTP mode and tells Slack its request URLs.
func (s *stage) startHTTP() *running {
	s.t.Helper()
	r := s.launch(func(o *Options) {
		o.HTTP = "127.0.0.1:0"
		o.Secrets.AppToken = "" // not needed
		withScripts(o)
	})
	base := "http://" + r.http + "/slack/"
	s.UseHTTP(fakeslack.HTTPTarget{Commands: base + "commands", Interactions: base + "interactions", Events: base + "events"})
	return r
}

func TestHTTPMode(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	bot := s.startHTTP()
	must(t, s.VerifyEventsURL(s.ctx))
	s.slash(s.bob, "version", "Server Version")
	in, err := s.bob.Mention(s.room, "version")
	must(t, err)
	s.answer(in, "Server Version")
	s.confirmed("label nodes k8s01 http-"+s.suffix+"=x", "node/k8s01 labeled")
	if n := len(s.Sockets()); n != 0 {
		t.Errorf("%d sockets are open", n)
	}
	if code, text := s.status(bot, "/readyz"); code != http.StatusOK {
		t.Errorf("not ready: %s", text)
	}
}

func TestHTTPModeRefuses(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.startHTTP()
	command := []byte(url.Values{
		"command": {"/lab"}, "text": {"version"}, "team_id": {s.Team().ID}, "user_id": {s.bob.ID},
		"channel_id": {s.room.ID}, "trigger_id": {"1.2.3"},
	}.Encode())
	const kind = envelopeCommand
	for name, test := range map[string]struct {
		request fakeslack.HTTPRequest
		want    int
	}{
		"wrong signature":  {fakeslack.HTTPRequest{Kind: kind, Body: command, Forge: fakeslack.WrongSignature}, http.StatusUnauthorized},
		"no signature":     {fakeslack.HTTPRequest{Kind: kind, Body: command, Forge: fakeslack.NoSignature}, http.StatusUnauthorized},
		"no timestamp":     {fakeslack.HTTPRequest{Kind: kind, Body: command, Forge: func(h http.Header) { h.Del("X-Slack-Request-Timestamp") }}, http.StatusUnauthorized},
		"too old":          {fakeslack.HTTPRequest{Kind: kind, Body: command, Age: signatureWindow + time.Second}, http.StatusUnauthorized},
		"from the future":  {fakeslack.HTTPRequest{Kind: kind, Body: command, Age: -signatureWindow - time.Minute}, http.StatusUnauthorized},
		"too large":        {fakeslack.HTTPRequest{Kind: kind, Body: bytes.Repeat([]byte("x"), maxBody+1)}, http.StatusRequestEntityTooLarge},
		"no event":         {fakeslack.HTTPRequest{Kind: envelopeEvent, Body: []byte("nonsense")}, http.StatusBadRequest},
		"no form":          {fakeslack.HTTPRequest{Kind: kind, Body: []byte("%zz")}, http.StatusBadRequest},
		"events unsigned":  {fakeslack.HTTPRequest{Kind: envelopeEvent, Body: []byte("{}"), Forge: fakeslack.NoSignature}, http.StatusUnauthorized},
		"buttons unsigned": {fakeslack.HTTPRequest{Kind: envelopeInteraction, Body: []byte("payload={}"), Forge: fakeslack.NoSignature}, http.StatusUnauthorized},
	} {
		response, err := s.SendHTTP(s.ctx, test.request)
		must(t, err)
		if response.Status != test.want {
			t.Errorf("%s: answered %d, want %d", name, response.Status, test.want)
		}
		if bytes.Contains(response.Body, []byte("v0=")) {
			t.Errorf("%s: the answer holds a signature: %s", name, response.Body)
		}
	}
	if lines := s.auditLines(); len(lines) != 0 {
		t.Errorf("refused requests were run: %v", lines)
	}
}

func TestHTTPModeIgnoresReplays(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.startHTTP()
	in, err := s.bob.Slash(s.room, "/lab", "version")
	must(t, err)
	s.answer(in, "Server Version")
	s.waitAudit(1)
	response, err := s.Replay(s.ctx, in.ID)
	must(t, err)
	if response.Status != http.StatusOK || len(response.Body) > 0 {
		t.Errorf("a replay is answered %d %q", response.Status, response.Body)
	}
	s.slash(s.bob, "empty", "Nothing found") // whatever the replay caused has come by now
	if n := len(s.waitAudit(2)); n != 2 || len(in.Messages()) != 1 {
		t.Errorf("%d commands were run, %d answers to the first", n, len(in.Messages()))
	}
}

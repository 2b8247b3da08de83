package fakeslack

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// responseURL is one response_url: a few uses, for a while.
// See https://docs.slack.dev/interactivity/handling-user-interaction#message_responses.
type responseURL struct {
	left     int
	expires  time.Time
	envelope *envelope
	// source is the message that the person acted on; nil for slash commands.
	source *MessageRef
}

// newResponseURL issues a response_url for an envelope. kind is commands or actions. The caller holds
// s.mu.
func (s *Server) newResponseURL(kind string, e *envelope, source *MessageRef) string {
	secret := randomHex(12)
	s.seq++
	s.urls[secret] = &responseURL{
		left: MaxResponseURLUse, expires: s.opts.Now().Add(s.opts.ResponseURLTTL), envelope: e, source: source,
	}
	return s.base + "/" + kind + "/" + e.user.Team.ID + "/" + strconv.Itoa(1000000+s.seq) + "/" + secret
}

// serveResponseURL takes an answer to a command or an interaction.
func (s *Server) serveResponseURL(w http.ResponseWriter, r *http.Request) {
	f := s.takeFault(ResponseURLTarget)
	ex, ok := s.record(w, r, ResponseURLTarget)
	if !ok {
		return
	}
	if f != nil && !f.AfterEffect {
		f.apply(s, w, r)
		return
	}
	status, body := s.respond(r.PathValue("secret"), ex)
	switch {
	case f != nil:
		f.apply(s, w, r)
	case status == http.StatusTooManyRequests:
		tooMany(w, time.Second)
	default:
		writeJSON(w, status, body)
	}
}

// respond does what the app asks through a response_url.
func (s *Server) respond(secret string, ex *Exchange) (int, map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.urls[secret]
	switch {
	case u == nil:
		return http.StatusNotFound, fail("invalid_url").body()
	case s.opts.Now().After(u.expires):
		return http.StatusNotFound, fail("expired_url").body()
	case u.left == 0:
		return http.StatusNotFound, fail("used_url").body()
	}
	var body args
	if err := json.Unmarshal(ex.Body, &body); err != nil {
		return http.StatusBadRequest, fail("invalid_payload").body()
	}
	if s.channelLimited(u.envelope.channel) {
		return http.StatusTooManyRequests, nil
	}
	before := len(s.messages)
	if err := s.useURL(u, body, ex); err != nil {
		return http.StatusBadRequest, err.body()
	}
	s.attribute(ex, before)
	u.left--
	s.notify()
	return http.StatusOK, map[string]any{"ok": true}
}

// useURL changes the message that the person acted on, or posts a new one. A slash command has no
// such message, so replace_original posts there. The caller holds s.mu.
func (s *Server) useURL(u *responseURL, body args, ex *Exchange) *apiError {
	source := s.sourceOf(u)
	switch {
	case body.bool("delete_original"):
		if source != nil {
			s.delete(source)
		}
		return nil
	case body.bool("replace_original") && source != nil:
		said, err := readContent(body, MaxMessageText)
		if err != nil {
			return err
		}
		s.edit(source, said)
		ex.Message = &MessageRef{Channel: source.Channel, TS: source.TS, EphemeralTo: source.EphemeralTo}
		return nil
	}
	return s.answerMessage(u.envelope, body, viaURL)
}

func (s *Server) sourceOf(u *responseURL) *Message {
	if u.source == nil {
		return nil
	}
	m := s.findMessage(u.source.Channel, u.source.TS)
	if m == nil || m.Deleted {
		return nil
	}
	return m
}

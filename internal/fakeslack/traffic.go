package fakeslack

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Exchange is something that the app sent to Slack: a request, an answer to one of Slack's requests,
// or a frame on a socket.
type Exchange struct {
	Seq  int
	At   time.Time
	Kind string // a Web API method, response_url, upload, socket, or http response
	Path string
	// Header and Body are what the app sent, to the byte.
	Header http.Header
	Body   []byte
	// Message and View are what it made Slack show.
	Message *MessageRef
	View    *ViewRef
}

// MessageRef names a message.
type MessageRef struct{ Channel, TS, EphemeralTo string }

// ViewRef names a view and the person who sees it.
type ViewRef struct{ ID, User string }

// record reads the request's body and keeps the exchange. It answers by itself when the body cannot
// be read.
func (s *Server) record(w http.ResponseWriter, r *http.Request, kind string) (*Exchange, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	ex := s.keep(&Exchange{Kind: kind, Path: r.URL.RequestURI(), Header: r.Header.Clone(), Body: body})
	if err != nil {
		http.Error(w, "request too large", http.StatusRequestEntityTooLarge)
		return nil, false
	}
	return ex, true
}

func (s *Server) keep(ex *Exchange) *Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exSeq++
	ex.Seq, ex.At = s.exSeq, s.opts.Now()
	s.traffic = append(s.traffic, ex)
	if limit := s.opts.KeepTraffic; limit > 0 && len(s.traffic) > limit {
		s.traffic = slices.Delete(s.traffic, 0, len(s.traffic)-limit)
	}
	s.notify()
	return ex
}

// Traffic returns everything that the app sent, in order, optionally of some kinds only.
func (s *Server) Traffic(kinds ...string) []Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Exchange
	for _, ex := range s.traffic {
		if len(kinds) == 0 || slices.Contains(kinds, ex.Kind) {
			out = append(out, *ex)
		}
	}
	return out
}

// Calls counts the calls of a Web API method, refused ones included.
func (s *Server) Calls(method string) int { return len(s.Traffic(method)) }

// Sighting is a place where a string was found among the bytes that the app sent.
type Sighting struct {
	Exchange Exchange
	// Count is how often the string occurs in the exchange, counting one occurrence once whatever
	// the encoding.
	Count int
	// Audience is who could read it: "user U…" for an ephemeral message or a view, "channel C…" for
	// a message, "slack" when it reached nobody.
	Audience string
}

// Find looks for needle in every byte that the app ever sent: paths, headers and bodies, as they are
// and decoded from forms, JSON and JSON within forms.
func (s *Server) Find(needle string) []Sighting {
	var out []Sighting
	for _, ex := range s.Traffic() {
		if n := ex.count(needle); n > 0 {
			out = append(out, Sighting{Exchange: ex, Count: n, Audience: ex.audience()})
		}
	}
	return out
}

func (ex Exchange) audience() string {
	switch {
	case ex.View != nil:
		return "user " + ex.View.User
	case ex.Message != nil && ex.Message.EphemeralTo != "":
		return "user " + ex.Message.EphemeralTo
	case ex.Message != nil:
		return "channel " + ex.Message.Channel
	}
	return "slack"
}

// count counts the occurrences of needle in the exchange.
func (ex Exchange) count(needle string) int {
	head := ex.Path
	for _, values := range ex.Header {
		head += "\n" + strings.Join(values, "\n")
	}
	unescaped, _ := url.QueryUnescape(ex.Path)
	return max(strings.Count(head, needle), strings.Count(unescaped, needle)) +
		max(bytes.Count(ex.Body, []byte(needle)), countDecoded(string(ex.Body), needle))
}

// countDecoded counts needle in the strings of a JSON text or of a form, whose values may be JSON.
func countDecoded(text, needle string) int {
	if n, ok := countJSON(text, needle); ok {
		return n
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return 0
	}
	n := 0
	for key, list := range values {
		n += strings.Count(key, needle)
		for _, value := range list {
			inJSON, _ := countJSON(value, needle)
			n += max(strings.Count(value, needle), inJSON)
		}
	}
	return n
}

// countJSON counts needle in the strings of a JSON text, and says whether text is one.
func countJSON(text, needle string) (int, bool) {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return 0, false
	}
	return countIn(v, needle), true
}

func countIn(v any, needle string) int {
	n := 0
	switch v := v.(type) {
	case string:
		n = strings.Count(v, needle)
	case []any:
		for _, item := range v {
			n += countIn(item, needle)
		}
	case map[string]any:
		for key, item := range v {
			n += strings.Count(key, needle) + countIn(item, needle)
		}
	}
	return n
}

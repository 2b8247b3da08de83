package fakeslack

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HTTPTarget are the app's request URLs.
type HTTPTarget struct {
	Commands     string
	Interactions string
	Events       string
}

// UseHTTP makes Slack send to the app's request URLs instead of its sockets.
func (s *Server) UseHTTP(target HTTPTarget) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.target = &target
}

// UseSocketMode turns Socket Mode on again.
func (s *Server) UseSocketMode() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.target = nil
}

// sentRequest is a request as it went over the wire, for replays.
type sentRequest struct {
	url    string
	header http.Header
	body   []byte
}

// Content types of Slack's requests.
const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// attemptHTTP sends the envelope to its request URL and waits for the answer.
func (s *Server) attemptHTTP(target *HTTPTarget, e *envelope, a *attempt) {
	req, err := s.httpRequest(target, e, a)
	if err != nil {
		s.failAttempt(a, reasonConnection)
		return
	}
	s.mu.Lock()
	s.sent[e.id] = append(s.sent[e.id], req)
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(s.ctx, s.opts.AckTimeout)
	defer cancel()
	resp, err := req.do(ctx)
	if err != nil {
		reason := reasonConnection
		if errors.Is(err, context.DeadlineExceeded) {
			reason = reasonHTTPTimeout
		}
		s.failAttempt(a, reason)
		return
	}
	s.takeHTTPAnswer(e, a, resp)
}

// httpRequest builds the signed request for an envelope.
func (s *Server) httpRequest(target *HTTPTarget, e *envelope, a *attempt) (sentRequest, error) {
	req := sentRequest{header: http.Header{}}
	req.header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	req.header.Set("Accept", "application/json,*/*")
	switch e.kind {
	case kindCommand:
		body, err := commandForm(e.payload)
		if err != nil {
			return req, err
		}
		req.url, req.body = target.Commands, []byte(body)
		req.header.Set("Content-Type", formType)
	case kindInteractive:
		req.url, req.body = target.Interactions, []byte(url.Values{"payload": {string(e.payload)}}.Encode())
		req.header.Set("Content-Type", formType)
	default:
		req.url, req.body = target.Events, e.payload
		req.header.Set("Content-Type", jsonType)
	}
	if a.Attempt > 0 && e.kind == kindEvent {
		req.header.Set("X-Slack-Retry-Num", strconv.Itoa(a.Attempt))
		req.header.Set("X-Slack-Retry-Reason", a.Reason)
	}
	s.sign(&req, s.opts.Now())
	return req, nil
}

// commandForm turns a command's payload into a form.
func commandForm(payload json.RawMessage) (string, error) {
	var fields map[string]any
	if err := json.Unmarshal(payload, &fields); err != nil {
		return "", err
	}
	values := url.Values{}
	for k, v := range fields {
		values.Set(k, fmt.Sprint(v))
	}
	return values.Encode(), nil
}

// sign adds the timestamp and the signature, version v0: an HMAC-SHA256 over "v0:TIMESTAMP:BODY".
// See https://docs.slack.dev/authentication/verifying-requests-from-slack.
func (s *Server) sign(req *sentRequest, at time.Time) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(s.signingSecret))
	_, _ = fmt.Fprintf(mac, "v0:%s:%s", stamp, req.body)
	req.header.Set("X-Slack-Request-Timestamp", stamp)
	req.header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
}

func (r sentRequest) do(ctx context.Context) (*httpAnswer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	req.Header = r.header.Clone()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return &httpAnswer{status: resp.StatusCode, header: resp.Header, body: body}, err
}

// httpAnswer is what the app's server answered.
type httpAnswer struct {
	status int
	header http.Header
	body   []byte
}

// takeHTTPAnswer takes the app's answer as the acknowledgement.
func (s *Server) takeHTTPAnswer(e *envelope, a *attempt, resp *httpAnswer) {
	ex := s.keep(&Exchange{Kind: "http response", Header: resp.header, Body: resp.body})
	s.mu.Lock()
	defer s.mu.Unlock()
	a.Status = resp.status
	if resp.status < 200 || resp.status > 299 {
		a.Failure = reasonHTTPError
		a.final = resp.header.Get("X-Slack-No-Retry") == "1"
		s.notify()
		return
	}
	before := len(s.messages)
	s.acknowledged(e, a, ackPayload(resp))
	s.attribute(ex, before)
}

// ackPayload is the answer in an HTTP response; plain text is the text of a message.
func ackPayload(resp *httpAnswer) json.RawMessage {
	text := strings.TrimSpace(string(resp.body))
	if text == "" {
		return nil
	}
	if kind, _, _ := mime.ParseMediaType(resp.header.Get("Content-Type")); kind == jsonType {
		return json.RawMessage(text)
	}
	return json.RawMessage(compactJSON(map[string]string{"text": text}))
}

// VerifyEventsURL sends the url_verification challenge, as Slack does when the events URL is
// configured, and checks the answer. See https://docs.slack.dev/reference/events/url_verification.
func (s *Server) VerifyEventsURL(ctx context.Context) error {
	challenge := randomHex(24)
	resp, err := s.SendHTTP(ctx, HTTPRequest{Kind: kindEvent, Body: []byte(compactJSON(map[string]string{
		"token": s.verificationToken, "challenge": challenge, "type": "url_verification",
	}))})
	if err != nil {
		return fmt.Errorf("verify the events URL: %w", err)
	}
	var answered struct {
		Challenge string `json:"challenge"`
	}
	got := strings.TrimSpace(string(resp.Body))
	if json.Unmarshal(resp.Body, &answered) == nil && answered.Challenge != "" {
		got = answered.Challenge
	}
	if resp.Status != http.StatusOK || got != challenge {
		return fmt.Errorf("verify the events URL: your URL answered %d without the challenge", resp.Status)
	}
	return nil
}

// HTTPRequest is a request to one of the app's request URLs, for tests of what the app refuses.
type HTTPRequest struct {
	// Kind chooses the URL: slash_commands, interactive or events_api.
	Kind string
	// Body is sent as it is. The content type follows the kind unless ContentType is set.
	Body        []byte
	ContentType string
	// Age makes the timestamp, and the signature over it, that much older; negative is the future.
	Age time.Duration
	// Forge changes the headers after signing: see WrongSignature and NoSignature.
	Forge func(http.Header)
}

// WrongSignature replaces the signature by one of another secret's length.
func WrongSignature(h http.Header) { h.Set("X-Slack-Signature", "v0="+randomHex(sha256.Size)) }

// NoSignature removes the signature.
func NoSignature(h http.Header) { h.Del("X-Slack-Signature") }

// HTTPResponse is what the app answered.
type HTTPResponse struct {
	Status int
	Body   []byte
}

// SendHTTP sends a request that no person caused, signed unless it says otherwise.
func (s *Server) SendHTTP(ctx context.Context, r HTTPRequest) (HTTPResponse, error) {
	s.mu.Lock()
	target := s.target
	s.mu.Unlock()
	if target == nil {
		return HTTPResponse{}, errors.New("send over HTTP: the fake Slack is in Socket Mode, call UseHTTP first")
	}
	urls := map[string]string{kindCommand: target.Commands, kindInteractive: target.Interactions, kindEvent: target.Events}
	req := sentRequest{url: urls[r.Kind], body: r.Body, header: http.Header{}}
	req.header.Set("Content-Type", formType)
	if r.Kind == kindEvent {
		req.header.Set("Content-Type", jsonType)
	}
	if r.ContentType != "" {
		req.header.Set("Content-Type", r.ContentType)
	}
	s.sign(&req, s.opts.Now().Add(-r.Age))
	if r.Forge != nil {
		r.Forge(req.header)
	}
	return s.exchange(ctx, req)
}

// Replay sends the newest request for an envelope again, byte by byte, old timestamp and signature
// included, as somebody who recorded it would.
func (s *Server) Replay(ctx context.Context, envelopeID string) (HTTPResponse, error) {
	s.mu.Lock()
	sent := slices.Clone(s.sent[envelopeID])
	s.mu.Unlock()
	if len(sent) == 0 {
		return HTTPResponse{}, fmt.Errorf("replay: nothing was sent over HTTP for envelope %s", envelopeID)
	}
	return s.exchange(ctx, sent[len(sent)-1])
}

func (s *Server) exchange(ctx context.Context, req sentRequest) (HTTPResponse, error) {
	resp, err := req.do(ctx)
	if err != nil {
		return HTTPResponse{}, fmt.Errorf("send to %s: %w", req.url, err)
	}
	s.keep(&Exchange{Kind: "http response", Header: resp.header, Body: resp.body})
	return HTTPResponse{Status: resp.status, Body: resp.body}, nil
}

package fakeslack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The types of envelopes.
const (
	kindCommand     = "slash_commands"
	kindInteractive = "interactive"
	kindEvent       = "events_api"
)

// Delivery is one attempt to hand an envelope to the app.
type Delivery struct {
	Attempt int
	Reason  string // why the attempt before failed, as Slack tells the app
	Socket  int    // the id of the socket, zero over HTTP
	At      time.Time
	// Acked is when the acknowledgement came; zero if none did. Late is set when it came after the
	// deadline.
	Acked time.Time
	Late  bool
	// Payload is what the acknowledgement carried.
	Payload json.RawMessage
	// Dropped says why Slack ignored the acknowledgement or its payload.
	Dropped string
	// Failure is why the attempt failed: timeout, no_socket, http_error, http_timeout or
	// connection_failed.
	Failure string
	Status  int // of the HTTP answer
}

// attempt is a delivery under way.
type attempt struct {
	Delivery
	done  chan struct{} // closed by the acknowledgement
	final bool          // the app asked not to be told again
}

// envelope is something that Slack tells the app.
type envelope struct {
	id      string
	kind    string
	payload json.RawMessage
	// accepts says whether the acknowledgement may carry an answer.
	accepts bool
	// command is the word that failed, for the message that the person then sees.
	command string
	user    *User
	channel *Channel
	view    string // of a view_submission
	url     string // response_url
	trigger string

	attempts []*attempt
	failure  string
	settled  bool // acknowledged, or given up
	acked    bool
}

// Interaction is what became of something that a person did.
type Interaction struct {
	// ID is the envelope's id; over HTTP it never leaves the server.
	ID string
	// Posted is the message that the person wrote, for mentions and direct messages.
	Posted Message
	// ResponseURL and TriggerID are what the app was given.
	ResponseURL string
	TriggerID   string

	srv *Server
}

// send registers an envelope and delivers it in the background. The caller holds s.mu.
func (s *Server) send(e *envelope, payload any) *Interaction {
	e.id = newUUID()
	e.payload = json.RawMessage(compactJSON(payload))
	s.envelopes[e.id] = e
	s.order = append(s.order, e)
	s.goLocked(func() { s.deliver(e) })
	return &Interaction{ID: e.id, ResponseURL: e.url, TriggerID: e.trigger, srv: s}
}

// deliver hands the envelope to the app until the app acknowledges it or Slack gives up.
func (s *Server) deliver(e *envelope) {
	reason := ""
	for n := 0; ; n++ {
		a := s.attempt(e, n, reason, 0)
		if a.Failure == "" {
			s.settle(e, "")
			return
		}
		if n >= len(s.opts.Retries) || !s.retries(e, a) {
			s.settle(e, a.Failure)
			return
		}
		reason = a.Failure
		if !s.pause(e, s.opts.Retries[n]) {
			s.settle(e, "")
			return
		}
	}
}

// retries reports whether Slack delivers an envelope of this kind again.
func (s *Server) retries(e *envelope, a *attempt) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil || a.final || a.Failure == failureResponse {
		return false
	}
	return e.kind == kindEvent || (s.opts.RetryCommands && s.target == nil)
}

// pause waits before a retry. It returns false when a late acknowledgement made the retry needless,
// and when the server closes.
func (s *Server) pause(e *envelope, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		changed := s.Changed()
		if s.isAcked(e) {
			return false
		}
		select {
		case <-timer.C:
			return true
		case <-changed:
		case <-s.ctx.Done():
			return false
		}
	}
}

func (s *Server) isAcked(e *envelope) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.acked
}

// attempt delivers once, by the transport in use, and waits for the acknowledgement or the
// deadline. socket picks a socket by id; zero lets Slack choose.
func (s *Server) attempt(e *envelope, n int, reason string, socket int) *attempt {
	s.mu.Lock()
	a := &attempt{Delivery: Delivery{Attempt: n, Reason: reason, At: s.opts.Now()}, done: make(chan struct{})}
	e.attempts = append(e.attempts, a)
	target := s.target
	s.mu.Unlock()
	if target != nil {
		s.attemptHTTP(target, e, a)
	} else {
		s.attemptSocket(e, a, socket)
	}
	return a
}

// settle notes the end of the deliveries, and tells the person about a failure.
func (s *Server) settle(e *envelope, failure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	e.settled = true
	e.failure = shownFailure(failure)
	if e.failure != "" && e.kind == kindCommand {
		s.slackbotSays(e.channel.ID, e.user.ID, e.id, fmt.Sprintf("%s failed with the error %q", e.command, e.failure))
	}
	s.notify()
}

// shownFailure is the word that Slack shows for a failed delivery.
func shownFailure(failure string) string {
	switch failure {
	case "":
		return ""
	case reasonTimeout, reasonHTTPTimeout:
		return "operation_timeout"
	case failureResponse:
		return failureResponse
	}
	return "dispatch_failed"
}

// Reasons of failed deliveries. Over HTTP they are the values of X-Slack-Retry-Reason.
const (
	reasonTimeout     = "timeout"
	reasonNoSocket    = "no_socket"
	reasonHTTPTimeout = "http_timeout"
	reasonHTTPError   = "http_error"
	reasonConnection  = "connection_failed"
	failureResponse   = "invalid_command_response"
)

// acknowledged takes in the app's acknowledgement. The caller holds s.mu.
func (s *Server) acknowledged(e *envelope, a *attempt, payload json.RawMessage) {
	if !a.Acked.IsZero() {
		return
	}
	a.Acked = s.opts.Now()
	a.Payload = payload
	first := !e.acked
	e.acked = true
	switch {
	case a.Failure != "":
		a.Late, a.Dropped = true, "after the deadline"
	case len(payload) == 0 || string(payload) == "null" || string(payload) == "{}":
		if first {
			s.answerView(e, args{})
		}
	case !e.accepts:
		a.Dropped = "this envelope accepts no response payload"
	case first:
		s.answerInAck(e, a, payload)
	}
	close(a.done)
	s.notify()
}

// answerInAck takes the answer that came with an acknowledgement. The caller holds s.mu.
func (s *Server) answerInAck(e *envelope, a *attempt, payload json.RawMessage) {
	var body args
	if err := json.Unmarshal(payload, &body); err != nil {
		a.Dropped = "the payload is no JSON object"
		return
	}
	if e.kind == kindInteractive {
		if err := s.answerView(e, body); err != nil {
			a.Dropped = err.code
		}
		return
	}
	if err := s.answerMessage(e, body, viaAck); err != nil {
		a.Dropped = err.code
		a.Failure = failureResponse
	}
}

// answerMessage posts an answer to a command: to the person alone, or with response_type in_channel
// to everyone. The caller holds s.mu.
func (s *Server) answerMessage(e *envelope, body args, via string) *apiError {
	said, err := readContent(body, MaxMessageText)
	if err != nil {
		return err
	}
	team := e.user.Team
	m := &Message{
		Channel: e.channel.ID, ThreadTS: body.str("thread_ts"), User: team.bot.ID, BotID: team.botID, Via: via,
		Interaction: e.id, Text: said.text, Blocks: said.blocks, Attachments: said.attachments, parseFull: said.parseFull,
	}
	if body.str("response_type") != "in_channel" {
		m.EphemeralTo = e.user.ID
	}
	s.post(m)
	return nil
}

// answerView does what the app answered to a view_submission. Without an answer the modal closes.
// See https://docs.slack.dev/surfaces/modals. The caller holds s.mu.
func (s *Server) answerView(e *envelope, body args) *apiError {
	v := s.views[e.view]
	if v == nil {
		return nil
	}
	raw := body.object("view")
	action := body.str("response_action")
	switch action {
	case "":
		v.Open = false
	case "clear":
		for _, other := range s.views {
			if other.Root == v.Root {
				other.Open = false
			}
		}
	case "errors":
		v.Errors = map[string]string{}
		for block, text := range body.object("errors") {
			v.Errors[block] = fmt.Sprint(text)
		}
	case "update", "push":
		if err := checkView(raw, "modal"); err != nil {
			return err
		}
		if action == "push" {
			s.addModal(v.team, e.user, raw, v)
		} else {
			s.fillView(v, raw)
		}
	default:
		return fail("invalid_arguments")
	}
	return nil
}

// Envelopes lists what was sent to the app, by id, in order, optionally of some types only
// (slash_commands, interactive, events_api).
func (s *Server) Envelopes(kinds ...string) []Interaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Interaction
	for _, e := range s.order {
		if len(kinds) == 0 || slices.Contains(kinds, e.kind) {
			out = append(out, Interaction{ID: e.id, ResponseURL: e.url, TriggerID: e.trigger, srv: s})
		}
	}
	return out
}

// Redeliver sends an envelope once more, acknowledged or not, as Slack does when it did not see the
// acknowledgement. Over Socket Mode it prefers another socket than the last time. It returns when
// the app acknowledged, or an error after the deadline.
func (s *Server) Redeliver(ctx context.Context, envelopeID string) error {
	return s.redeliver(ctx, envelopeID, 0)
}

// RedeliverTo is Redeliver on a given socket.
func (s *Server) RedeliverTo(ctx context.Context, envelopeID string, socket *Socket) error {
	return s.redeliver(ctx, envelopeID, socket.ID)
}

func (s *Server) redeliver(ctx context.Context, envelopeID string, socket int) error {
	s.mu.Lock()
	e := s.envelopes[envelopeID]
	n := 0
	if e != nil {
		n = len(e.attempts)
	}
	s.mu.Unlock()
	if e == nil {
		return fmt.Errorf("redeliver: there is no envelope %s", envelopeID)
	}
	done := make(chan *attempt, 1)
	deliver := func() { done <- s.attempt(e, n, reasonTimeout, socket) } //nolint:contextcheck // ends by Slack's deadline, not by the caller's
	if !s.background(deliver) {
		return errors.New("redeliver: the fake Slack was closed")
	}
	select {
	case a := <-done:
		if a.Failure != "" {
			return fmt.Errorf("redeliver %s: %s", envelopeID, a.Failure)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("redeliver %s: %w", envelopeID, context.Cause(ctx))
	}
}

// RedeliverAll redelivers every envelope once, in order. The first failure ends it.
func (s *Server) RedeliverAll(ctx context.Context) error {
	for _, i := range s.Envelopes() {
		if err := s.Redeliver(ctx, i.ID); err != nil {
			return err
		}
	}
	return nil
}

// Deliveries are the attempts so far.
func (i *Interaction) Deliveries() []Delivery {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	var out []Delivery
	for _, a := range i.srv.envelopes[i.ID].attempts {
		out = append(out, a.Delivery)
	}
	return out
}

// Payload is what the app was told.
func (i *Interaction) Payload() json.RawMessage {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	return i.srv.envelopes[i.ID].payload
}

// Failure is what Slack shows the person when the app did not take the envelope: operation_timeout,
// dispatch_failed or invalid_command_response. Empty means that it went well, or is still under way.
func (i *Interaction) Failure() string {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	return i.srv.envelopes[i.ID].failure
}

// WaitAck waits until the app acknowledged in time. It returns an error when Slack gave up.
func (i *Interaction) WaitAck(ctx context.Context) error {
	var failure string
	err := i.srv.wait(ctx, func() bool {
		i.srv.mu.Lock()
		defer i.srv.mu.Unlock()
		e := i.srv.envelopes[i.ID]
		failure = e.failure
		return e.settled
	})
	if err != nil {
		return fmt.Errorf("wait for the acknowledgement of %s: %w", i.ID, err)
	}
	if failure != "" {
		return fmt.Errorf("the app did not acknowledge %s: %s", i.ID, failure)
	}
	return nil
}

// Messages are the present messages that answer this interaction: those that came through its
// acknowledgement or its response_url, and those in the thread of the message that the person
// posted.
func (i *Interaction) Messages() []Message {
	return i.srv.messagesWhere(func(m *Message) bool { return !m.Deleted && i.owns(*m) })
}

func (i *Interaction) owns(m Message) bool {
	if m.Interaction == i.ID {
		return true
	}
	p := i.Posted
	if p.TS == "" || m.Channel != p.Channel || m.Via == viaUser || m.TS <= p.TS {
		return false
	}
	return m.ThreadTS == p.TS || (p.ThreadTS != "" && m.ThreadTS == p.ThreadTS) || m.Channel[0] == 'D'
}

// WaitMessage waits for a message among Messages for which match holds; a nil match takes the first.
func (i *Interaction) WaitMessage(ctx context.Context, match func(Message) bool) (Message, error) {
	return i.srv.WaitMessage(ctx, func(m Message) bool {
		return i.owns(m) && (match == nil || match(m))
	})
}

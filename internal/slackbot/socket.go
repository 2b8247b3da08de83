package slackbot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack/socketmode"
	"golang.org/x/sync/errgroup"
)

const (
	// socketCount is how many connections are kept, so that one is left when Slack closes another.
	socketCount = 2
	// pingTimeout is how long a connection may be silent. Slack pings every few seconds.
	pingTimeout = 30 * time.Second
	// maxFrame bounds what is read of a connection at a time.
	maxFrame = 1 << 20
	// maxAck is where Slack drops an acknowledgement silently: 20 KB.
	maxAck = 20_000
	// maxDialWait is the longest pause between attempts to connect.
	maxDialWait = 20 * time.Second
)

// serveSockets keeps the connections open until ctx ends. It returns an error only if Slack refuses
// the app token for good.
func (b *Bot) serveSockets(ctx, work context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for range socketCount {
		group.Go(func() error { return b.keepSocket(ctx, work) })
	}
	return group.Wait()
}

// keepSocket keeps one connection open. When Slack announces the end of it, the next is opened before
// it is closed, so that nothing is delivered into a gap.
func (b *Bot) keepSocket(ctx, work context.Context) error {
	var old *socket
	var retired sync.WaitGroup
	defer retired.Wait()
	defer func() { old.close() }()
	for {
		next, err := b.dialUntil(ctx, work)
		if err != nil || next == nil {
			return err
		}
		old.retire(ctx, &retired)
		old = next
		select {
		case <-ctx.Done():
			return nil
		case <-next.leaving:
		case <-next.ended:
		}
	}
}

// dialUntil connects, again and again if need be. It returns nil when ctx ends.
func (b *Bot) dialUntil(ctx, work context.Context) (*socket, error) {
	wait := 250 * time.Millisecond
	for {
		s, err := b.dial(ctx, work)
		switch {
		case err == nil:
			return s, nil
		case ctx.Err() != nil:
			return nil, nil //nolint:nilerr // the bot is stopping, which is no error
		case isInvalidAuth(err):
			return nil, fmt.Errorf("Slack does not accept the app token (%w): take a valid one from the app's page, Basic Information", err)
		}
		b.Log.Warn("no connection to Slack", "error", err)
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(wait + rand.N(wait)):
			wait = min(2*wait, maxDialWait)
		}
	}
}

// socket is a connection to Slack.
type socket struct {
	bot  *Bot
	conn *websocket.Conn

	writing sync.Mutex
	acks    sync.WaitGroup // added to by the reader only, so nothing is added once ended is closed
	leaving chan struct{}  // closed when Slack announces the end
	ended   chan struct{}  // closed when nothing is read any more
	leave   func()
	closing atomic.Bool
}

// dial opens a connection and waits for Slack's hello.
func (b *Bot) dial(ctx, work context.Context) (*socket, error) {
	_, url, err := b.slack.StartSocketModeContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking Slack for a connection: %w", err)
	}
	dialer := websocket.Dialer{HandshakeTimeout: slackTimeout}
	conn, response, err := dialer.DialContext(ctx, url, nil)
	if response != nil && response.Body != nil {
		_ = response.Body.Close()
	}
	if err != nil {
		return nil, errors.New("Slack does not open the connection") // the error would show the address, which holds a ticket
	}
	s := &socket{bot: b, conn: conn, leaving: make(chan struct{}), ended: make(chan struct{})}
	s.leave = sync.OnceFunc(func() { close(s.leaving) })
	conn.SetReadLimit(maxFrame)
	conn.SetPingHandler(s.pong)
	if err := s.awaitHello(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	b.metrics.sockets.Inc()
	b.health.well(dependencySlack)
	go s.read(work)
	return s, nil
}

func (s *socket) awaitHello() error {
	if err := s.conn.SetReadDeadline(time.Now().Add(slackTimeout)); err != nil {
		return fmt.Errorf("waiting for Slack's hello: %w", err)
	}
	var hello socketmode.Request
	if err := s.conn.ReadJSON(&hello); err != nil {
		return fmt.Errorf("waiting for Slack's hello: %w", err)
	}
	if hello.Type != socketmode.RequestTypeHello {
		return fmt.Errorf("Slack began with %q (%s), not with hello", hello.Type, hello.Reason)
	}
	return nil
}

// pong answers a ping, which also shows that Slack is there.
func (s *socket) pong(data string) error {
	s.bot.health.well(dependencySlack)
	if err := s.alive(); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(slackTimeout))
}

// errClosing ends the reading of a connection that is being closed.
var errClosing = errors.New("the connection is being closed")

// alive lets the connection be silent for another pingTimeout. It looks at closing after the deadline
// was set, and stopReading sets closing before it sets the deadline: so the last deadline is the past.
func (s *socket) alive() error {
	if err := s.conn.SetReadDeadline(time.Now().Add(pingTimeout)); err != nil {
		return err
	}
	if s.closing.Load() {
		return errClosing
	}
	return nil
}

// stopReading ends the reader and waits for its end.
func (s *socket) stopReading() {
	s.closing.Store(true)
	_ = s.conn.NetConn().SetReadDeadline(time.Now()) // fails if it is closed already, which ends the reader too
	<-s.ended
}

// read takes envelopes until the connection ends.
func (s *socket) read(work context.Context) {
	defer close(s.ended)
	defer s.bot.metrics.sockets.Dec()
	for {
		if err := s.alive(); err != nil {
			return
		}
		_, frame, err := s.conn.ReadMessage()
		if err != nil {
			return
		}
		s.take(work, frame)
	}
}

func (s *socket) take(work context.Context, frame []byte) {
	var envelope socketmode.Request
	if err := json.Unmarshal(frame, &envelope); err != nil {
		s.bot.Log.Warn("Slack sent a frame that is no JSON", "error", err)
		return
	}
	switch {
	case envelope.Type == socketmode.RequestTypeDisconnect:
		s.bot.Log.Info("Slack is about to close a connection", "reason", envelope.Reason)
		s.leave()
	case envelope.EnvelopeID != "":
		s.acks.Add(1)
		go func() {
			defer s.acks.Done()
			if ack := s.bot.receive(work, envelope.Type, envelope.Payload); ack.taken {
				s.ack(envelope, ack.answer)
			}
		}()
	}
}

// ack acknowledges an envelope on the connection that it came by.
func (s *socket) ack(envelope socketmode.Request, answer any) {
	response := map[string]any{"envelope_id": envelope.EnvelopeID}
	if answer != nil && envelope.AcceptsResponsePayload {
		response["payload"] = answer
	}
	data, err := json.Marshal(response)
	if err != nil || len(data) >= maxAck {
		s.bot.Log.Error("an acknowledgement has no valid answer", "error", err, "bytes", len(data))
		return
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(slackTimeout)) // the write says whether it worked
	if err := s.conn.WriteMessage(websocket.TextMessage, data); err != nil {
		s.bot.Log.Warn("an acknowledgement was not sent; Slack delivers again", "error", err)
	}
}

// lingerTime is how long a connection that was replaced is still read: Slack may have sent envelopes
// by it before it knew of the new one. Slack itself closes it after some seconds.
const lingerTime = 2 * time.Second

// retire closes a connection that was replaced, after what still comes by it was taken.
func (s *socket) retire(ctx context.Context, done *sync.WaitGroup) {
	if s == nil {
		return
	}
	done.Go(func() {
		select {
		case <-s.ended:
		case <-time.After(lingerTime):
		case <-ctx.Done():
		}
		s.close()
	})
}

// close ends the connection after what it delivered was acknowledged.
func (s *socket) close() {
	if s == nil {
		return
	}
	s.stopReading()
	s.acks.Wait()
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	_ = s.conn.Close()
}

package fakeslack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// sockets is the state of Socket Mode.
type sockets struct {
	open    []*Socket // in order of connection
	tickets map[string]time.Time
	lastID  int
	next    int // round robin
}

func newSockets() sockets { return sockets{tickets: map[string]time.Time{}} }

// minPongWait is how long an app may leave a ping unanswered at least, so that short ping intervals
// do not make a busy machine lose its connections.
const minPongWait = 2 * time.Second

// ticketTTL is how long a URL of apps.connections.open can be used.
const ticketTTL = 30 * time.Second

// connectionsOpen implements https://docs.slack.dev/reference/methods/apps.connections.open.
func connectionsOpen(c *call) (answer, *apiError) {
	ticket := randomHex(16)
	c.sockets.tickets[ticket] = c.opts.Now().Add(ticketTTL)
	host := strings.TrimPrefix(c.base, "http://")
	return answer{"url": "ws://" + host + "/link/?ticket=" + ticket + "&app_id=" + c.appID}, nil
}

// Socket is one Socket Mode connection.
type Socket struct {
	ID int

	srv     *Server
	conn    *websocket.Conn
	write   sync.Mutex // gorilla takes one writer at a time
	leaving bool       // told to go: gets no more envelopes
	resume  chan struct{}
	gone    chan struct{} // closed with the connection
	once    sync.Once
}

// Sockets are the open connections, oldest first.
func (s *Server) Sockets() []*Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Socket(nil), s.sockets.open...)
}

// WaitSockets waits until exactly n sockets are open and none of them was told to go.
func (s *Server) WaitSockets(ctx context.Context, n int) error {
	err := s.wait(ctx, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, socket := range s.sockets.open {
			if socket.leaving {
				return false
			}
		}
		return len(s.sockets.open) == n
	})
	if err != nil {
		return fmt.Errorf("wait for %d sockets: %w; %d are open", n, err, len(s.Sockets()))
	}
	return nil
}

// serveSocket takes a WebSocket connection.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	if f := s.takeFault(SocketTarget); f != nil {
		f.apply(s, w, r)
		return
	}
	if !s.takeTicket(r.URL.Query().Get("ticket")) {
		http.Error(w, "invalid ticket", http.StatusForbidden)
		return
	}
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	socket, count := s.addSocket(conn)
	if socket == nil {
		s.refuseSocket(conn, count)
		return
	}
	_ = conn.WriteMessage(websocket.TextMessage, []byte(compactJSON(s.hello(count, r.URL.Query().Get("debug_reconnects") == "true"))))
	socket.write.Unlock()
	s.background(socket.ping)
	socket.read()
}

func (s *Server) takeTicket(ticket string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	expires, ok := s.sockets.tickets[ticket]
	delete(s.sockets.tickets, ticket)
	return ok && !s.opts.Now().After(expires) && s.ctx.Err() == nil
}

// addSocket registers a connection, or returns nil when the app has too many. The caller holds the
// socket's write lock afterwards: whatever is sent to the socket from now on, hello comes first.
func (s *Server) addSocket(conn *websocket.Conn) (*Socket, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.sockets.open); n >= MaxSocketsPerApp || s.ctx.Err() != nil {
		return nil, n
	}
	s.sockets.lastID++
	socket := &Socket{ID: s.sockets.lastID, srv: s, conn: conn, gone: make(chan struct{})}
	socket.write.Lock()
	s.sockets.open = append(s.sockets.open, socket)
	s.notify()
	return socket, len(s.sockets.open)
}

func (s *Server) refuseSocket(conn *websocket.Conn, count int) {
	_ = conn.WriteJSON(s.disconnectFrame("too_many_websockets", count))
	_ = conn.Close()
}

// removeSocket forgets a connection.
func (s *Server) removeSocket(gone *Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, socket := range s.sockets.open {
		if socket == gone {
			s.sockets.open = append(s.sockets.open[:i:i], s.sockets.open[i+1:]...)
			s.notify()
			return
		}
	}
}

// hello is the first frame of a connection.
// See https://docs.slack.dev/apis/events-api/using-socket-mode#connect.
func (s *Server) hello(connections int, debugReconnects bool) map[string]any {
	lifetime := 18060 // seconds
	if debugReconnects {
		lifetime = 360
	}
	return map[string]any{
		"type":            "hello",
		"num_connections": connections,
		"connection_info": map[string]any{"app_id": s.appID},
		"debug_info": map[string]any{
			"host": "applink-fake", "build_number": 1, "approximate_connection_time": lifetime,
		},
	}
}

func (s *Server) disconnectFrame(reason string, connections int) map[string]any {
	return map[string]any{
		"type":            "disconnect",
		"reason":          reason,
		"num_connections": connections,
		"connection_info": map[string]any{"app_id": s.appID},
		"debug_info":      map[string]any{"host": "applink-fake"},
	}
}

// Disconnect tells the app to reconnect, for a reason: warning, refresh_requested, link_disabled or
// too_many_websockets. The socket stays open for Options.DisconnectGrace; after a warning it still
// gets envelopes, otherwise no more.
func (c *Socket) Disconnect(reason string) error {
	c.srv.mu.Lock()
	c.leaving = c.leaving || reason != "warning"
	count := len(c.srv.sockets.open)
	c.srv.notify()
	c.srv.mu.Unlock()
	c.srv.background(func() {
		select {
		case <-time.After(c.srv.opts.DisconnectGrace):
			c.Drop()
		case <-c.gone:
		case <-c.srv.ctx.Done():
		}
	})
	return c.send(c.srv.disconnectFrame(reason, count))
}

// Drop closes the connection without a closing handshake.
func (c *Socket) Drop() {
	c.once.Do(func() {
		close(c.gone)
		_ = c.conn.Close()
		c.srv.removeSocket(c)
	})
}

// Stall makes the server neither read from the socket nor ping it, as when the network swallows
// everything, until the returned function is called. Envelopes may still be sent into it.
func (c *Socket) Stall() (resume func()) {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	if c.resume == nil {
		c.resume = make(chan struct{})
	}
	stalled := c.resume
	return sync.OnceFunc(func() {
		c.srv.mu.Lock()
		defer c.srv.mu.Unlock()
		if c.resume == stalled {
			c.resume = nil
		}
		close(stalled)
	})
}

// waitStall blocks while the socket is stalled. It returns false when the socket is gone.
func (c *Socket) waitStall() bool {
	for {
		c.srv.mu.Lock()
		stalled := c.resume
		c.srv.mu.Unlock()
		if stalled == nil {
			return true
		}
		select {
		case <-stalled:
		case <-c.gone:
			return false
		}
	}
}

// Alive reports whether the connection is open.
func (c *Socket) Alive() bool {
	select {
	case <-c.gone:
		return false
	default:
		return true
	}
}

// SendRaw sends a text frame as it is, for frames that no app should choke on.
func (c *Socket) SendRaw(frame string) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.conn.WriteMessage(websocket.TextMessage, []byte(frame))
}

func (c *Socket) send(frame any) error { return c.SendRaw(compactJSON(frame)) }

// ping keeps the connection alive, from its start.
func (c *Socket) ping() {
	ticker := time.NewTicker(c.srv.opts.PingInterval)
	defer ticker.Stop()
	for c.waitStall() {
		deadline := time.Now().Add(c.srv.opts.PingInterval)
		if err := c.conn.WriteControl(websocket.PingMessage, []byte("Ping from applink-fake"), deadline); err != nil {
			c.Drop()
			return
		}
		select {
		case <-ticker.C:
		case <-c.gone:
			return
		}
	}
}

// read takes the app's frames until the connection ends. A socket whose pongs stay out is closed.
func (c *Socket) read() {
	defer c.Drop()
	patience := max(4*c.srv.opts.PingInterval, minPongWait)
	alive := func() error { return c.conn.SetReadDeadline(time.Now().Add(patience)) }
	c.conn.SetReadLimit(maxBody)
	c.conn.SetPongHandler(func(string) error { return alive() })
	for {
		if err := alive(); err != nil {
			return
		}
		kind, frame, err := c.conn.ReadMessage()
		if err != nil || !c.waitStall() {
			return
		}
		ex := c.srv.keep(&Exchange{Kind: "socket", Body: frame})
		if kind == websocket.TextMessage {
			c.srv.takeFrame(c, frame, ex)
		}
	}
}

// takeFrame handles a frame of the app: an acknowledgement.
func (s *Server) takeFrame(c *Socket, frame []byte, ex *Exchange) {
	var ack struct {
		EnvelopeID string          `json:"envelope_id"`
		Payload    json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(frame, &ack); err != nil {
		return // Slack ignores what it does not understand
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.envelopes[ack.EnvelopeID]
	if e == nil {
		return
	}
	a := e.openAttempt(c.ID)
	if a == nil {
		return
	}
	if len(frame) >= MaxAckBytes {
		a.Dropped = fmt.Sprintf("a frame of %d bytes, Slack takes less than %d", len(frame), MaxAckBytes)
		s.notify()
		return
	}
	before := len(s.messages)
	s.acknowledged(e, a, ack.Payload)
	s.attribute(ex, before)
}

// attribute notes in the exchange which message it made, if any. The caller holds s.mu.
func (s *Server) attribute(ex *Exchange, before int) {
	if len(s.messages) > before {
		m := s.messages[before]
		ex.Message = &MessageRef{Channel: m.Channel, TS: m.TS, EphemeralTo: m.EphemeralTo}
	}
}

// openAttempt is the newest attempt on a socket that was not acknowledged. The caller holds s.mu.
func (e *envelope) openAttempt(socket int) *attempt {
	for i := len(e.attempts) - 1; i >= 0; i-- {
		if a := e.attempts[i]; a.Socket == socket && a.Acked.IsZero() {
			return a
		}
	}
	return nil
}

// envelopeFrame is an envelope on the wire.
// See https://docs.slack.dev/apis/events-api/using-socket-mode#events.
type envelopeFrame struct {
	EnvelopeID             string          `json:"envelope_id"`
	Payload                json.RawMessage `json:"payload"`
	Type                   string          `json:"type"`
	AcceptsResponsePayload bool            `json:"accepts_response_payload"`
	RetryAttempt           *int            `json:"retry_attempt,omitempty"`
	RetryReason            *string         `json:"retry_reason,omitempty"`
}

// attemptSocket sends the envelope on one socket and waits for the acknowledgement.
func (s *Server) attemptSocket(e *envelope, a *attempt, wanted int) {
	frame := envelopeFrame{EnvelopeID: e.id, Payload: e.payload, Type: e.kind, AcceptsResponsePayload: e.accepts}
	if e.kind == kindEvent || a.Attempt > 0 {
		frame.RetryAttempt, frame.RetryReason = &a.Attempt, &a.Reason
	}
	for {
		socket := s.pickSocket(e, a, wanted)
		if socket == nil {
			s.failAttempt(a, reasonNoSocket)
			return
		}
		if err := socket.send(frame); err == nil {
			break
		}
		socket.Drop()
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.opts.AckTimeout)
	defer cancel()
	select {
	case <-a.done:
	case <-ctx.Done():
		s.failAttempt(a, reasonTimeout)
	}
}

// pickSocket chooses the socket for an attempt and notes it there: the one that is wanted, else the
// next in turn, but not the one of the attempt before if there is another.
func (s *Server) pickSocket(e *envelope, a *attempt, wanted int) *Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := 0
	if n := len(e.attempts); n > 1 {
		last = e.attempts[n-2].Socket
	}
	var ready, others []*Socket
	for _, socket := range s.sockets.open {
		if socket.ID == wanted {
			a.Socket = socket.ID
			return socket
		}
		if socket.leaving || wanted != 0 {
			continue
		}
		ready = append(ready, socket)
		if socket.ID != last {
			others = append(others, socket)
		}
	}
	if len(others) > 0 {
		ready = others
	}
	if len(ready) == 0 {
		return nil
	}
	s.sockets.next++
	picked := ready[s.sockets.next%len(ready)]
	a.Socket = picked.ID
	return picked
}

// failAttempt ends an attempt that was not acknowledged in time.
func (s *Server) failAttempt(a *attempt, failure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.Acked.IsZero() {
		a.Failure = failure
	}
	s.notify()
}

package fakeslack_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// rawSocket is a Socket Mode connection without a client library.
type rawSocket struct {
	*websocket.Conn
	t *testing.T
}

// dial opens a raw connection and reads its hello.
func (l *lab) dial(t *testing.T) (*rawSocket, map[string]any) {
	t.Helper()
	_, url, err := l.api.StartSocketModeContext(within(t))
	if err != nil {
		t.Fatal(err)
	}
	conn, resp, err := websocket.DefaultDialer.DialContext(within(t), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = resp.Body.Close(), conn.Close() })
	s := &rawSocket{Conn: conn, t: t}
	return s, s.next()
}

// next reads one frame.
func (s *rawSocket) next() map[string]any {
	s.t.Helper()
	_ = s.SetReadDeadline(time.Now().Add(20 * time.Second))
	var frame map[string]any
	if err := s.ReadJSON(&frame); err != nil {
		s.t.Fatalf("read a frame: %v", err)
	}
	return frame
}

func (s *rawSocket) ack(frame map[string]any, payload any) {
	s.t.Helper()
	ack := map[string]any{"envelope_id": frame["envelope_id"]}
	if payload != nil {
		ack["payload"] = payload
	}
	if err := s.WriteJSON(ack); err != nil {
		s.t.Fatalf("acknowledge: %v", err)
	}
}

func TestSlashCommandEndToEnd(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	var answers sync.WaitGroup
	defer answers.Wait()
	l.bot(t, func(r *socketmode.Request) (any, bool) {
		var cmd slack.SlashCommand
		if err := json.Unmarshal(r.Payload, &cmd); err != nil {
			t.Errorf("slash command: %v", err)
		}
		answers.Go(func() {
			err := slack.PostWebhookContext(ctx, cmd.ResponseURL, &slack.WebhookMessage{Text: "later: " + cmd.Text, ResponseType: "in_channel"})
			if err != nil {
				t.Errorf("response_url: %v", err)
			}
		})
		return map[string]any{"text": "working on " + cmd.Text}, true
	})
	cmd, err := l.ann.Slash(l.room, "/lab", "status --wait")
	if err != nil {
		t.Fatal(err)
	}
	first, err := cmd.WaitMessage(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Contains("status --wait") {
		t.Errorf("first answer: %v", first)
	}
	later, err := cmd.WaitMessage(ctx, func(m fakeslack.Message) bool { return m.Text == "later: status --wait" })
	if err != nil {
		t.Fatal(err)
	}
	if later.EphemeralTo != "" || later.Via != "response_url" {
		t.Errorf("later answer: %+v", later)
	}
	if err := cmd.WaitAck(ctx); err != nil {
		t.Error(err)
	}
	private, err := l.ann.WaitEphemeral(ctx, nil)
	if err != nil || private.Text != "working on status --wait" || private.Via != "ack" {
		t.Errorf("ephemeral: %+v, %v", private, err)
	}
}

func TestEventsEndToEnd(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	var mu sync.Mutex
	var kinds []string
	l.bot(t, func(r *socketmode.Request) (any, bool) {
		event, err := slackevents.ParseEvent(r.Payload, slackevents.OptionNoVerifyToken())
		if err != nil {
			t.Errorf("parse event: %v", err)
			return nil, true
		}
		switch e := event.InnerEvent.Data.(type) {
		case *slackevents.AppMentionEvent:
			record(&mu, &kinds, "mention "+e.Channel+" "+e.User)
			_, _, err = l.api.PostMessageContext(ctx, e.Channel, slack.MsgOptionText("in the thread", false), slack.MsgOptionTS(e.TimeStamp))
		case *slackevents.MessageEvent:
			record(&mu, &kinds, fmt.Sprintf("dm %s bot=%v", e.Channel, e.BotID != ""))
			if e.BotID == "" {
				_, _, err = l.api.PostMessageContext(ctx, e.Channel, slack.MsgOptionText("in the dm", false))
			}
		case *slackevents.AppHomeOpenedEvent:
			_, err = l.api.PublishViewContext(ctx, slack.PublishViewContextRequest{UserID: e.User, View: slack.HomeTabViewRequest{
				Type:   "home",
				Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewSectionBlock(slack.NewTextBlockObject("mrkdwn", "welcome", false, false), nil, nil)}},
			}})
		}
		if err != nil {
			t.Errorf("answer: %v", err)
		}
		return nil, true
	})
	mention := must(l.ann.Mention(l.room, "status <now>"))(t)
	if got := mention.Posted.Text; !strings.HasSuffix(got, "> status &lt;now&gt;") {
		t.Errorf("the mention reads %q", got)
	}
	reply := must(mention.WaitMessage(ctx, nil))(t)
	if reply.ThreadTS != mention.Posted.TS {
		t.Errorf("reply %+v is not in the thread of %s", reply, mention.Posted.TS)
	}
	dm := must(l.ben.DM("status"))(t)
	if got := must(dm.WaitMessage(ctx, nil))(t); got.Text != "in the dm" || got.Channel != l.ben.DirectMessages().ID {
		t.Errorf("direct message: %+v", got)
	}
	l.ann.OpenHome()
	home := must(l.ann.WaitHome(ctx, nil))(t)
	if !strings.Contains(home.Visible(), "welcome") {
		t.Errorf("home: %q", home.Visible())
	}
	if _, ok := l.ben.Home(); ok {
		t.Error("ben has a Home tab that nobody published")
	}
	// Slack tells the app of its own direct message, too.
	waitFor(t, l, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(kinds) == 3 && strings.HasSuffix(kinds[2], "bot=true")
	})
}

func record(mu *sync.Mutex, list *[]string, s string) {
	mu.Lock()
	defer mu.Unlock()
	*list = append(*list, s)
}

// waitFor waits for done, which it asks at every change of the fake Slack and every few
// milliseconds, for state that the test keeps itself.
func waitFor(t *testing.T, l *lab, done func() bool) {
	t.Helper()
	ctx := within(t)
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-l.Changed():
		case <-ctx.Done():
			t.Fatalf("waited in vain; messages: %v", l.Messages())
		}
	}
}

func TestClickEndToEnd(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	var mu sync.Mutex
	var seen []string
	var answers sync.WaitGroup
	defer answers.Wait()
	l.bot(t, func(r *socketmode.Request) (any, bool) {
		var click slack.InteractionCallback
		if err := json.Unmarshal(r.Payload, &click); err != nil {
			t.Errorf("interaction: %v", err)
		}
		answers.Go(func() {
			_, _, err := l.api.PostMessageContext(ctx, "", slack.MsgOptionReplaceOriginal(click.ResponseURL), slack.MsgOptionText("done", false))
			if err != nil {
				t.Errorf("replace: %v", err)
			}
		})
		record(&mu, &seen, fmt.Sprintf("%s %s %s message=%v", click.User.ID, click.ActionCallback.BlockActions[0].ActionID,
			click.ActionCallback.BlockActions[0].Value, click.Message.Timestamp != ""))
		return nil, true
	})
	_, err := l.api.PostEphemeralContext(ctx, l.room.ID, l.ann.ID, slack.MsgOptionText("sure?", false), button("confirm", "Confirm"))
	if err != nil {
		t.Fatal(err)
	}
	ask := must(l.ann.WaitEphemeral(ctx, nil))(t)
	if _, err := l.ben.Click(ask, "Confirm"); err == nil {
		t.Error("ben clicked a button that only ann sees")
	}
	if _, err := l.ann.Click(ask, "Cancel"); err == nil || !strings.Contains(err.Error(), `"Confirm"`) {
		t.Errorf("a missing button: %v, want an error that lists the buttons", err)
	}
	click := must(l.ann.Click(ask, "Confirm"))(t)
	if err := click.WaitAck(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := l.ann.WaitEphemeral(ctx, func(m fakeslack.Message) bool { return m.TS == ask.TS && m.Text == "done" && len(m.Blocks) == 0 }); err != nil {
		t.Error(err)
	}
	ts := must(postTS(l, slack.MsgOptionText("open", false), button("go", "Go")))(t)
	public, _ := l.Message(l.room.ID, ts)
	must(l.ben.Click(public, "go"))(t)
	waitFor(t, l, func() bool { mu.Lock(); defer mu.Unlock(); return len(seen) == 2 })
	mu.Lock()
	defer mu.Unlock()
	if seen[0] != l.ann.ID+" confirm v message=false" || seen[1] != l.ben.ID+" go v message=true" {
		t.Errorf("clicks: %q", seen)
	}
}

func TestNobodyAcknowledges(t *testing.T) {
	l := newLab(t, fakeslack.Options{AckTimeout: 50 * time.Millisecond, Retries: []time.Duration{0, time.Millisecond}})
	ctx := within(t)

	lonely := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	if err := lonely.WaitAck(ctx); err == nil || lonely.Failure() != "dispatch_failed" {
		t.Errorf("without a socket: %v, failure %q", err, lonely.Failure())
	}

	socket, _ := l.dial(t)
	cmd := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	frame := socket.next()
	if err := cmd.WaitAck(ctx); err == nil || cmd.Failure() != "operation_timeout" {
		t.Errorf("without an acknowledgement: %v, failure %q", err, cmd.Failure())
	}
	told := must(l.ann.WaitEphemeral(ctx, func(m fakeslack.Message) bool { return m.Interaction == cmd.ID }))(t)
	if told.Text != `/lab failed with the error "operation_timeout"` || told.User != "USLACKBOT" {
		t.Errorf("ann was told %+v", told)
	}
	socket.ack(frame, map[string]any{"text": "too late"})
	waitFor(t, l, func() bool { d := cmd.Deliveries(); return d[len(d)-1].Late })
	if got := l.Messages(); len(got) != 2 {
		t.Errorf("a late answer was shown: %v", got)
	}

	must(l.ann.Mention(l.room, "status"))(t)
	for n, reason := range []string{"", "timeout", "timeout"} {
		frame := socket.next()
		if frame["retry_attempt"] != float64(n) || frame["retry_reason"] != reason {
			t.Errorf("delivery %d: retry_attempt %v, retry_reason %q", n, frame["retry_attempt"], frame["retry_reason"])
		}
	}
}

func TestRetryIsStoppedByALateAck(t *testing.T) {
	l := newLab(t, fakeslack.Options{AckTimeout: 20 * time.Millisecond, Retries: []time.Duration{time.Hour}})
	socket, _ := l.dial(t)
	mention := must(l.ann.Mention(l.room, "status"))(t)
	frame := socket.next()
	waitFor(t, l, func() bool { return mention.Deliveries()[0].Failure == "timeout" })
	socket.ack(frame, nil)
	if err := mention.WaitAck(within(t)); err != nil {
		t.Error(err)
	}
	if n := len(mention.Deliveries()); n != 1 {
		t.Errorf("%d deliveries, want 1", n)
	}
}

func TestEachEnvelopeGoesToOneSocket(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	a, _ := l.dial(t)
	b, hello := l.dial(t)
	if hello["num_connections"] != float64(2) {
		t.Errorf("second hello: %v", hello)
	}
	sockets := map[int]int{}
	for range 4 {
		cmd := must(l.ann.Slash(l.room, "/lab", "status"))(t)
		waitFor(t, l, func() bool { d := cmd.Deliveries(); return len(d) == 1 && d[0].Socket != 0 })
		id := cmd.Deliveries()[0].Socket
		sockets[id]++
		on := a
		if id == l.Sockets()[1].ID {
			on = b
		}
		frame := on.next()
		if frame["envelope_id"] != cmd.ID {
			t.Fatalf("socket %d got %v, want %s", id, frame["envelope_id"], cmd.ID)
		}
		on.ack(frame, nil)
		if err := cmd.WaitAck(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if len(sockets) != 2 {
		t.Errorf("four commands went to sockets %v, want both in turn", sockets)
	}
}

func TestRedeliver(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	var mu sync.Mutex
	counts := map[string]int{}
	count := func(r *socketmode.Request) (any, bool) {
		mu.Lock()
		defer mu.Unlock()
		counts[r.EnvelopeID]++
		if n := counts[r.EnvelopeID]; r.RetryAttempt != n-1 {
			t.Errorf("delivery %d of %s says retry_attempt %d", n, r.EnvelopeID, r.RetryAttempt)
		}
		return nil, true
	}
	l.bot(t, count)
	l.bot(t, count)
	if err := l.WaitSockets(ctx, 2); err != nil {
		t.Fatal(err)
	}
	cmd := must(l.ann.Slash(l.room, "/lab", "create pod x"))(t)
	if err := cmd.WaitAck(ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.Redeliver(ctx, cmd.ID); err != nil {
		t.Fatal(err)
	}
	if d := cmd.Deliveries(); len(d) != 2 || d[0].Socket == d[1].Socket || d[1].Reason != "timeout" {
		t.Errorf("deliveries %+v, want the second on the other socket", d)
	}
	if err := l.RedeliverTo(ctx, cmd.ID, l.Sockets()[0]); err != nil {
		t.Fatal(err)
	}
	if err := l.RedeliverAll(ctx); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if counts[cmd.ID] != 4 {
		t.Errorf("delivered %d times, want 4", counts[cmd.ID])
	}
	if err := l.Redeliver(ctx, "nonsense"); err == nil {
		t.Error("an unknown envelope was redelivered")
	}
}

func TestLargeAckIsDroppedSilently(t *testing.T) {
	l := newLab(t, fakeslack.Options{AckTimeout: 100 * time.Millisecond})
	socket, _ := l.dial(t)
	cmd := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	socket.ack(socket.next(), map[string]any{"text": strings.Repeat("x", 20*1024)})
	if err := cmd.WaitAck(within(t)); err == nil {
		t.Error("an acknowledgement of more than 20 KB counted")
	}
	if d := cmd.Deliveries()[0]; !strings.Contains(d.Dropped, "bytes") {
		t.Errorf("delivery: %+v", d)
	}
}

func TestAckPayloads(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	socket, _ := l.dial(t)
	cmd := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	socket.ack(socket.next(), map[string]any{"blocks": []any{map[string]any{"type": "nonsense"}}})
	if err := cmd.WaitAck(ctx); err == nil || cmd.Failure() != "invalid_command_response" {
		t.Errorf("bad blocks in an acknowledgement: %v, failure %q", err, cmd.Failure())
	}
	ts := must(postTS(l, slack.MsgOptionText("x", false), button("go", "Go")))(t)
	m, _ := l.Message(l.room.ID, ts)
	click := must(l.ann.Click(m, "Go"))(t)
	socket.ack(socket.next(), map[string]any{"text": "ignored"})
	if err := click.WaitAck(ctx); err != nil {
		t.Error(err)
	}
	if d := click.Deliveries()[0]; d.Dropped != "this envelope accepts no response payload" {
		t.Errorf("delivery: %+v", d)
	}
}

func TestSocketFaults(t *testing.T) {
	l := newLab(t, fakeslack.Options{DisconnectGrace: 10 * time.Millisecond})
	ctx := within(t)
	l.bot(t, ackOnly)
	for _, breaks := range []func(*fakeslack.Socket){
		func(s *fakeslack.Socket) { _ = s.Disconnect("refresh_requested") },
		func(s *fakeslack.Socket) { _ = s.Disconnect("warning") },
		(*fakeslack.Socket).Drop,
	} {
		if err := l.WaitSockets(ctx, 1); err != nil {
			t.Fatal(err)
		}
		before := l.Sockets()[0]
		breaks(before)
		waitFor(t, l, func() bool { s := l.Sockets(); return len(s) == 1 && s[0].ID != before.ID })
		cmd := must(l.ann.Slash(l.room, "/lab", "status"))(t)
		if err := cmd.WaitAck(ctx); err != nil {
			t.Errorf("after the reconnection: %v", err)
		}
	}
}

func TestStalledSocket(t *testing.T) {
	l := newLab(t, fakeslack.Options{AckTimeout: 50 * time.Millisecond})
	ctx := within(t)
	l.bot(t, ackOnly)
	if err := l.WaitSockets(ctx, 1); err != nil {
		t.Fatal(err)
	}
	resume := l.Sockets()[0].Stall()
	cmd := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	if err := cmd.WaitAck(ctx); err == nil {
		t.Error("acknowledged through a stalled socket")
	}
	resume()
	resume() // twice is once
	waitFor(t, l, func() bool { return cmd.Deliveries()[0].Late })
}

func TestRefusedConnections(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	clearOpen := l.Inject("apps.connections.open", fakeslack.Fault{Error: "internal_error"})
	_, _, err := l.api.StartSocketModeContext(ctx)
	wantSlackError(t, err, "internal_error")
	clearOpen()

	_, url, err := l.api.StartSocketModeContext(ctx)
	if err != nil {
		t.Fatal(err)
	}
	l.Inject(fakeslack.SocketTarget, fakeslack.Fault{Status: http.StatusServiceUnavailable, Times: 1})
	dial := func() int {
		conn, resp, err := websocket.DefaultDialer.DialContext(ctx, url, nil)
		if resp == nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err == nil {
			_ = conn.Close()
		}
		return resp.StatusCode
	}
	for i, want := range []int{http.StatusServiceUnavailable, http.StatusSwitchingProtocols, http.StatusForbidden} {
		if got := dial(); got != want {
			t.Errorf("dial %d answered %d, want %d", i, got, want)
		}
	}
}

func TestAtMostTenSockets(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	for range fakeslack.MaxSocketsPerApp {
		l.dial(t)
	}
	if _, frame := l.dial(t); frame["type"] != "disconnect" || frame["reason"] != "too_many_websockets" {
		t.Errorf("the eleventh socket got %v", frame)
	}
}

func TestPings(t *testing.T) {
	l := newLab(t, fakeslack.Options{PingInterval: 5 * time.Millisecond})
	socket, _ := l.dial(t)
	pings := 0
	socket.SetPingHandler(func(data string) error {
		if pings++; pings == 3 {
			return io.EOF // enough seen
		}
		return socket.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
	})
	if _, _, err := socket.ReadMessage(); !errors.Is(err, io.EOF) {
		t.Fatalf("read: %v after %d pings", err, pings)
	}
	// From here on nobody reads, so no pong goes back.
	waitFor(t, l, func() bool { return len(l.Sockets()) == 0 })
}

func TestHelloComesBeforeAnyEnvelope(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	for range 50 {
		typed := make(chan error, 1)
		go func() {
			err := l.WaitSockets(within(t), 1)
			if err == nil {
				_, err = l.ann.Slash(l.room, "/lab", "status")
			}
			typed <- err
		}()
		socket, hello := l.dial(t)
		if hello["type"] != "hello" {
			t.Fatalf("the first frame is %v", hello)
		}
		must(0, <-typed)(t)
		socket.ack(socket.next(), nil)
		_ = socket.Close()
		must(0, l.WaitSockets(within(t), 0))(t)
	}
}

package fakeslack_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

func TestPeopleAndChannels(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	team := l.Team()
	secret := team.AddChannel("secret", fakeslack.PrivateChannel, l.ann)
	if u, ok := l.UserByID(l.ann.ID); !ok || u != l.ann {
		t.Errorf("UserByID: %v, %v", u, ok)
	}
	if c, ok := l.ChannelByID(secret.ID); !ok || c.Name() != "secret" {
		t.Errorf("ChannelByID: %v, %v", c, ok)
	}
	if got := len(l.Users()); got != 3 || !team.Bot().IsBot() || l.ann.IsBot() {
		t.Errorf("%d users, want ann, ben and the bot", got)
	}
	if got := len(l.Channels()); got != 2 {
		t.Errorf("%d channels, want 2", got)
	}
	if diff := cmp.Diff([]string{team.Bot().ID, l.ann.ID}, secret.Members()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if got := secret.History(l.ben); len(got) != 0 {
		t.Errorf("ben reads a private channel: %v", got)
	}
	for what, try := range map[string]func() error{
		"a private channel of others": func() error { _, err := l.ben.Slash(secret, "/lab", "x"); return err },
		"an unknown command":          func() error { _, err := l.ann.Slash(l.room, "/nope", "x"); return err },
		"an archived channel": func() error {
			old := team.AddChannel("old", fakeslack.PublicChannel, l.ann)
			old.Archive()
			_, err := l.ann.Write(old, "x")
			return err
		},
		"a channel without the bot": func() error {
			quiet := team.AddChannel("quiet", fakeslack.PublicChannel, l.ann)
			quiet.Kick(team.Bot())
			_, err := l.ann.Mention(quiet, "x")
			return err
		},
		"after leaving": func() error {
			gone := team.AddUser("gone")
			l.room.Invite(gone)
			gone.Deactivate()
			_, err := gone.Slash(l.room, "/lab", "x")
			return err
		},
	} {
		if err := try(); err == nil {
			t.Errorf("typing is possible in %s", what)
		}
	}
}

func TestSharedChannel(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	socket, _ := l.dial(t)
	guest := l.AddTeam("other").AddUser("guest")
	l.room.Invite(guest)
	must(guest.Mention(l.room, "status"))(t)
	frame := socket.next()
	var body struct {
		TeamID string `json:"team_id"`
		Shared bool   `json:"is_ext_shared_channel"`
		Event  struct {
			User, Team string
			UserTeam   string `json:"user_team"`
		}
	}
	decode(t, frame["payload"], &body)
	if body.TeamID != l.Team().ID || !body.Shared || body.Event.Team != guest.Team.ID || body.Event.UserTeam != guest.Team.ID {
		t.Errorf("a guest's mention: %+v", body)
	}
	ts := must(postTS(l, slack.MsgOptionText("x", false), button("go", "Go")))(t)
	m, _ := l.Message(l.room.ID, ts)
	must(guest.Click(m, "Go"))(t)
	socket.ack(frame, nil)
	var click slack.InteractionCallback
	decode(t, socket.next()["payload"], &click)
	if click.User.TeamID != guest.Team.ID || click.User.ID != guest.ID {
		t.Errorf("a guest's click: %+v", click.User)
	}
}

func TestDirectMessageEvents(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	socket, _ := l.dial(t)
	next := func() (kind, subtype, thread string) {
		frame := socket.next()
		socket.ack(frame, nil)
		var body struct {
			Event struct {
				Type, Subtype string
				ThreadTS      string `json:"thread_ts"`
			}
		}
		decode(t, frame["payload"], &body)
		return body.Event.Type, body.Event.Subtype, body.Event.ThreadTS
	}
	first := must(l.ann.DM("hello"))(t)
	next()
	must(l.ann.DMInThread(first.Posted.TS, "more"))(t)
	if _, _, thread := next(); thread != first.Posted.TS {
		t.Errorf("thread_ts %q, want %q", thread, first.Posted.TS)
	}
	dm := l.ann.DirectMessages()
	_, ts, err := l.api.PostMessageContext(ctx, dm.ID, slack.MsgOptionText("answer", false))
	if err != nil {
		t.Fatal(err)
	}
	next()
	if _, _, _, err := l.api.UpdateMessageContext(ctx, dm.ID, ts, slack.MsgOptionText("changed", false)); err != nil {
		t.Fatal(err)
	}
	if _, subtype, _ := next(); subtype != "message_changed" {
		t.Errorf("an update sent subtype %q", subtype)
	}
}

func TestSubscriptions(t *testing.T) {
	l := newLab(t, fakeslack.Options{Events: []string{"message.channels"}})
	socket, _ := l.dial(t)
	if _, err := l.ann.Mention(l.room, "x"); err == nil {
		t.Error("a mention without the subscription")
	}
	socket.ack(socket.next(), nil) // the mention is a channel message, too
	said := must(l.ann.Write(l.room, "plain"))(t)
	frame := socket.next()
	if frame["envelope_id"] != said.ID || !strings.Contains(string(said.Payload()), `"channel_type":"channel"`) {
		t.Errorf("got %v, want a channel message", frame)
	}
	if l.ann.OpenHome() != nil {
		t.Error("app_home_opened without the subscription")
	}
}

func TestRetryCommands(t *testing.T) {
	l := newLab(t, fakeslack.Options{RetryCommands: true, AckTimeout: 20 * time.Millisecond, Retries: []time.Duration{0}})
	var mu sync.Mutex
	var attempts []int
	l.bot(t, func(r *socketmode.Request) (any, bool) {
		mu.Lock()
		defer mu.Unlock()
		attempts = append(attempts, r.RetryAttempt)
		return nil, len(attempts) > 1
	})
	cmd := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	waitFor(t, l, func() bool { mu.Lock(); defer mu.Unlock(); return len(attempts) == 2 })
	waitFor(t, l, func() bool { d := cmd.Deliveries(); return len(d) == 2 && !d[1].Acked.IsZero() })
	if diff := cmp.Diff([]int{0, 1}, attempts); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
}

func TestHomeButtonAndPush(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	socket, _ := l.dial(t)
	again := slack.NewButtonBlockElement("again", "v", plainText("Run again"))
	home := slack.HomeTabViewRequest{Type: "home", Blocks: slack.Blocks{BlockSet: []slack.Block{
		slack.NewActionBlock("", again), slack.NewSectionBlock(slack.NewTextBlockObject("mrkdwn", "by <@U1>", false, false), nil, nil),
	}}}
	if _, err := l.api.PublishViewContext(ctx, slack.PublishViewContextRequest{UserID: l.ann.ID, View: home}); err != nil {
		t.Fatal(err)
	}
	seen := must(l.ann.WaitHome(ctx, nil))(t)
	if len(seen.Pings()) != 1 {
		t.Errorf("pings of the Home tab: %v", seen.Pings())
	}
	if _, err := l.ann.ClickView(seen, "nonsense"); err == nil {
		t.Error("clicked a button that is not there")
	}
	click := must(l.ann.ClickView(seen, "Run again"))(t)
	var body slack.InteractionCallback
	frame := socket.next()
	decode(t, frame["payload"], &body)
	if body.View.ID != seen.ID || body.ResponseURL != "" || body.Container.Type != "view" {
		t.Errorf("a click on the Home tab: %+v", body)
	}
	socket.ack(frame, nil)

	_, err := l.api.PushViewContext(ctx, click.TriggerID, modal("Push"))
	wantSlackError(t, err, "not_found") // nothing to push onto; the trigger is spent
	first := modal("First")
	first.ExternalID = "only-one"
	cmd := must(l.ann.Slash(l.room, "/lab", "x"))(t)
	if _, err := l.api.OpenViewContext(ctx, cmd.TriggerID, first); err != nil {
		t.Fatal(err)
	}
	cmd = must(l.ann.Slash(l.room, "/lab", "x"))(t)
	_, err = l.api.OpenViewContext(ctx, cmd.TriggerID, first)
	wantSlackError(t, err, "duplicate_external_id")
	pushed, err := l.api.PushViewContext(ctx, cmd.TriggerID, modal("Second"))
	if err != nil {
		t.Fatal(err)
	}
	if top, _ := l.ann.Modal(); top.ID != pushed.ID || top.Previous == "" {
		t.Errorf("on top is %+v", top)
	}
	first.Title = plainText("Changed")
	if _, err := l.api.UpdateViewContext(ctx, first, "only-one", "", ""); err != nil {
		t.Errorf("views.update by external_id: %v", err)
	}
}

func TestAttachments(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	good := slack.Attachment{Text: "old <!here>", Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock()}}}
	ts := must(postTS(l, slack.MsgOptionAttachments(good)))(t)
	m, _ := l.Message(l.room.ID, ts)
	if !m.Contains("old") || len(m.Pings()) != 1 {
		t.Errorf("attachment: %q, pings %v", m.Visible(), m.Pings())
	}
	_, err := postTS(l, slack.MsgOptionAttachments(slack.Attachment{Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewHeaderBlock(plainText(""))}}}))
	wantSlackError(t, err, "invalid_attachments")
	_, err = postTS(l, slack.MsgOptionAttachments(make([]slack.Attachment, 101)...))
	wantSlackError(t, err, "too_many_attachments")
}

func TestUploadedFileCanBeRead(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	upload := slack.UploadFileParameters{Channel: l.room.ID, Filename: "a.txt", Content: "<b>", FileSize: 3}
	if _, err := l.api.UploadFileContext(within(t), upload); err != nil {
		t.Fatal(err)
	}
	id := l.room.History(l.ann)[0].Files[0].ID
	for path, want := range map[string]int{"/files-pri/" + id + "/a.txt": http.StatusOK, "/files-pri/F0/a.txt": http.StatusNotFound} {
		req, err := http.NewRequestWithContext(within(t), http.MethodGet, l.BaseURL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != want || (want == http.StatusOK && string(body) != "<b>") {
			t.Errorf("GET %s: %d %q, %v", path, resp.StatusCode, body, err)
		}
	}
}

func TestWaitingEnds(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	must(postTS(l, slack.MsgOptionText("something else", false)))(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := l.WaitMessage(ctx, func(m fakeslack.Message) bool { return m.Text == "never" })
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "something else") {
		t.Errorf("%v, want the deadline and what was posted instead", err)
	}
	if _, err := l.ann.WaitModal(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitModal: %v", err)
	}
	if err := l.WaitSockets(ctx, 3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitSockets: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- l.WaitSockets(context.Background(), 3) }()
	l.Close()
	if err := <-done; err == nil {
		t.Error("waiting outlived the server")
	}
	if _, err := l.ann.Slash(l.room, "/lab", "x"); err != nil {
		t.Errorf("after Close a command goes nowhere, but it was refused: %v", err)
	}
}

func TestOnlyLoopback(t *testing.T) {
	for _, addr := range []string{"256.0.0.1:0", "0.0.0.0:0", ":0"} {
		if srv, err := fakeslack.New(fakeslack.Options{Addr: addr}); err == nil {
			srv.Close()
			t.Errorf("listens on %s", addr)
		}
	}
	l := newLab(t, fakeslack.Options{})
	req, err := http.NewRequestWithContext(within(t), http.MethodPost, l.APIURL()+"api.test", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a request for another host: %d, want 421", resp.StatusCode)
	}
}

func TestMalformedFramesAreIgnored(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	socket, _ := l.dial(t)
	for _, frame := range []string{"{", `{"envelope_id":"unknown"}`, `[]`, `"x"`} {
		if err := socket.WriteMessage(1, []byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Sockets()[0].SendRaw("not json"); err != nil {
		t.Fatal(err)
	}
	if _, raw, err := socket.ReadMessage(); err != nil || string(raw) != "not json" {
		t.Errorf("raw frame: %q, %v", raw, err)
	}
	cmd := must(l.ann.Slash(l.room, "/lab", "x"))(t)
	socket.ack(socket.next(), json.RawMessage(`[1]`))
	if err := cmd.WaitAck(within(t)); err != nil {
		t.Error(err)
	}
	if d := cmd.Deliveries()[0]; d.Dropped != "the payload is no JSON object" || !l.Sockets()[0].Alive() {
		t.Errorf("delivery: %+v", d)
	}
	if got := len(l.Traffic("socket")); got != 5 {
		t.Errorf("%d frames recorded, want 5", got)
	}
}

// TestConcurrentUse drives everything at once, for the race detector.
func TestConcurrentUse(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	l.bot(t, ackOnly)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				ts, err := postTS(l, slack.MsgOptionText("x", false), button("go", "Go"))
				if err != nil {
					t.Error(err)
					return
				}
				m, _ := l.Message(l.room.ID, ts)
				click, err := l.ann.Click(m, "Go")
				if err != nil {
					t.Error(err)
					return
				}
				if _, _, _, err := l.api.UpdateMessageContext(ctx, l.room.ID, ts, slack.MsgOptionText("y", false)); err != nil {
					t.Error(err)
				}
				if err := click.WaitAck(ctx); err != nil {
					t.Error(err)
				}
				_ = m.Visible()
				l.Find("y")
				l.room.History(l.ben)
			}
		})
	}
	wg.Wait()
	if got := len(l.room.History(l.ann)); got != 80 {
		t.Errorf("%d messages, want 80", got)
	}
}

package fakeslack_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// start starts a fake Slack for the test.
func start(t *testing.T, opts fakeslack.Options) *fakeslack.Server {
	t.Helper()
	srv, err := fakeslack.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	return srv
}

// lab is a fake Slack with two people in one channel, and slack-go's client for the bot.
type lab struct {
	*fakeslack.Server
	ann, ben *fakeslack.User
	room     *fakeslack.Channel
	api      *slack.Client
}

func newLab(t *testing.T, opts fakeslack.Options) *lab {
	t.Helper()
	srv := start(t, opts)
	l := &lab{Server: srv}
	l.ann, l.ben = srv.Team().AddUser("ann"), srv.Team().AddUser("ben")
	l.room = srv.Team().AddChannel("lab", fakeslack.PublicChannel, l.ann, l.ben)
	l.api = slack.New(srv.Team().BotToken(), slack.OptionAPIURL(srv.APIURL()), slack.OptionAppLevelToken(srv.AppToken()))
	return l
}

// within is the context of everything that a test waits for. It outlives the test's other cleanups,
// in which a bot may still be answering.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// must returns a function that returns v, or fails the test on an error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantSlackError checks for one of Slack's error strings.
func wantSlackError(t *testing.T, err error, want string) {
	t.Helper()
	var refused slack.SlackErrorResponse
	switch {
	case err == nil:
		t.Errorf("no error, want %s", want)
	case errors.As(err, &refused) && refused.Err == want:
	case err.Error() == want:
	default:
		t.Errorf("error %v, want %s", err, want)
	}
}

// bot runs slack-go's Socket Mode client and hands every request to handle, which returns the
// payload of the acknowledgement, or false to keep silent.
func (l *lab) bot(t *testing.T, handle func(*socketmode.Request) (any, bool)) {
	t.Helper()
	client := socketmode.New(l.api, socketmode.OptionLog(log.New(io.Discard, "", 0)))
	others := len(l.Sockets())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			select {
			case event := <-client.Events:
				if event.Request == nil || event.Request.EnvelopeID == "" {
					continue
				}
				if payload, ack := handle(event.Request); ack {
					_ = client.Ack(*event.Request, payload)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		_ = client.RunContext(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done; <-done })
	if err := l.WaitSockets(within(t), others+1); err != nil {
		t.Fatal(err)
	}
}

// ackOnly acknowledges without an answer.
func ackOnly(*socketmode.Request) (any, bool) { return nil, true }

// button is a message's blocks with one button.
func button(actionID, label string) slack.MsgOption {
	b := slack.NewButtonBlockElement(actionID, "v", slack.NewTextBlockObject("plain_text", label, false, false))
	return slack.MsgOptionBlocks(slack.NewActionBlock("", b))
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	return string(must(json.Marshal(v))(t))
}

package fakeslack_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// postURL posts JSON to a response_url and returns the status and the body.
func postURL(t *testing.T, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(within(t), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func wantAnswer(t *testing.T, status int, body string, wantStatus int, wantBody string) {
	t.Helper()
	if status != wantStatus || !strings.Contains(body, wantBody) {
		t.Errorf("answered %d %s, want %d with %s", status, body, wantStatus, wantBody)
	}
}

func TestResponseURLLimits(t *testing.T) {
	clock := fakeslack.NewClock(time.Unix(1_700_000_000, 0))
	l := newLab(t, fakeslack.Options{Now: clock.Now})
	cmd := must(l.ann.Slash(l.room, "/lab", "status"))(t)

	status, body := postURL(t, cmd.ResponseURL, `{"text":""}`)
	wantAnswer(t, status, body, http.StatusBadRequest, "no_text")
	status, body = postURL(t, cmd.ResponseURL, `{"blocks":[{"type":"header"}]}`)
	wantAnswer(t, status, body, http.StatusBadRequest, "missing required field: text [json-pointer:/blocks/0]")
	status, body = postURL(t, cmd.ResponseURL, `nonsense`)
	wantAnswer(t, status, body, http.StatusBadRequest, "invalid_payload")
	for range 5 {
		status, body = postURL(t, cmd.ResponseURL, `{"text":"hi"}`)
		wantAnswer(t, status, body, http.StatusOK, `"ok":true`)
	}
	status, body = postURL(t, cmd.ResponseURL, `{"text":"hi"}`)
	wantAnswer(t, status, body, http.StatusNotFound, "used_url")

	late := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	clock.Advance(30 * time.Minute)
	status, body = postURL(t, late.ResponseURL, `{"text":"just in time"}`)
	wantAnswer(t, status, body, http.StatusOK, `"ok":true`)
	clock.Advance(time.Second)
	status, body = postURL(t, late.ResponseURL, `{"text":"hi"}`)
	wantAnswer(t, status, body, http.StatusNotFound, "expired_url")

	status, body = postURL(t, late.ResponseURL+"x", `{"text":"hi"}`)
	wantAnswer(t, status, body, http.StatusNotFound, "invalid_url")
}

func TestResponseURLActions(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	parent := must(postTS(l, slack.MsgOptionText("parent", false)))(t)
	ts := must(postTS(l, slack.MsgOptionText("ask", false), button("go", "Go"), slack.MsgOptionTS(parent)))(t)
	m, _ := l.Message(l.room.ID, ts)
	click := must(l.ann.Click(m, "Go"))(t)

	postURL(t, click.ResponseURL, `{"text":"only for ann"}`)
	postURL(t, click.ResponseURL, `{"text":"in the thread","response_type":"in_channel","thread_ts":"`+parent+`"}`)
	postURL(t, click.ResponseURL, `{"text":"replaced","replace_original":true}`)
	if m, _ := l.Message(l.room.ID, ts); m.Text != "replaced" || len(m.Blocks) != 0 || m.Revisions[0].Text != "ask" {
		t.Errorf("replaced message: %+v", m)
	}
	got := l.room.History(l.ben)
	if last := got[len(got)-1]; last.Text != "in the thread" || last.ThreadTS != parent {
		t.Errorf("ben sees last %+v", last)
	}
	if n, want := len(l.room.History(l.ann)), len(got)+1; n != want {
		t.Errorf("ann sees %d messages, want %d", n, want)
	}
	postURL(t, click.ResponseURL, `{"delete_original":true}`)
	if m, _ := l.Message(l.room.ID, ts); !m.Deleted {
		t.Errorf("still there: %+v", m)
	}

	cmd := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	postURL(t, cmd.ResponseURL, `{"text":"first"}`)
	postURL(t, cmd.ResponseURL, `{"text":"second","replace_original":true}`)
	if got := cmd.Messages(); len(got) < 2 {
		t.Errorf("a command has no original to replace, yet there are %v", got)
	}
}

func TestFaults(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	post := func() error { _, err := postTS(l, slack.MsgOptionText("x", false)); return err }

	l.Inject("chat.postMessage", fakeslack.Fault{Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second, Times: 2})
	for range 2 {
		var limited *slack.RateLimitedError
		if err := post(); !errors.As(err, &limited) || limited.RetryAfter != 7*time.Second {
			t.Errorf("%v, want 429 with Retry-After 7", err)
		}
	}
	if err := post(); err != nil {
		t.Errorf("after the storm: %v", err)
	}

	clearFault := l.Inject("chat.postMessage", fakeslack.Fault{Status: http.StatusBadGateway})
	var code slack.StatusCodeError
	if err := post(); !errors.As(err, &code) || code.Code != http.StatusBadGateway {
		t.Errorf("%v, want 502", err)
	}
	clearFault()
	clearFault()

	l.Inject(fakeslack.AnyTarget, fakeslack.Fault{Error: "fatal_error", Times: 1})
	wantSlackError(t, post(), "fatal_error")

	l.Inject("chat.postMessage", fakeslack.Fault{Drop: true, Times: 1})
	if err := post(); err == nil {
		t.Error("a dropped connection gave no error")
	}

	before := len(l.Messages())
	l.Inject("chat.postMessage", fakeslack.Fault{Drop: true, AfterEffect: true, Times: 1})
	if err := post(); err == nil {
		t.Error("a lost answer gave no error")
	}
	if n := len(l.Messages()); n != before+1 {
		t.Errorf("%d messages, want %d: the call took effect", n, before+1)
	}

	release := l.Inject("chat.postMessage", fakeslack.Fault{Hang: true})
	done := make(chan error, 1)
	calls := l.Calls("chat.postMessage")
	go func() { done <- post() }()
	waitFor(t, l, func() bool { return l.Calls("chat.postMessage") == calls+1 })
	select {
	case err := <-done:
		t.Errorf("a hanging call returned %v", err)
	default:
	}
	release()
	if err := <-done; err == nil {
		t.Error("a released call gave no error")
	}

	cmd := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	l.Inject(fakeslack.ResponseURLTarget, fakeslack.Fault{Status: http.StatusInternalServerError, Times: 1})
	status, _ := postURL(t, cmd.ResponseURL, `{"text":"x"}`)
	wantAnswer(t, status, "", http.StatusInternalServerError, "")
	status, body := postURL(t, cmd.ResponseURL, `{"text":"x"}`)
	wantAnswer(t, status, body, http.StatusOK, "")
}

func TestFindSecret(t *testing.T) {
	const secret = "eyJhbGciOi.J9-é&<x>"
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	if got := l.Find(secret); len(got) != 0 {
		t.Fatalf("found before it was sent: %+v", got)
	}
	if _, err := l.api.PostEphemeralContext(ctx, l.room.ID, l.ann.ID, slack.MsgOptionText("token "+secret, false)); err != nil {
		t.Fatal(err)
	}
	got := l.Find(secret)
	if len(got) != 1 || got[0].Count != 1 || got[0].Audience != "user "+l.ann.ID || got[0].Exchange.Kind != "chat.postEphemeral" {
		t.Fatalf("in an ephemeral form: %+v", got)
	}
	if _, err := postTS(l, slack.MsgOptionBlocks(slack.NewMarkdownBlock("", secret))); err != nil {
		t.Fatal(err)
	}
	cmd := must(l.ann.Slash(l.room, "/lab", "token"))(t)
	if err := slack.PostWebhookContext(ctx, cmd.ResponseURL, &slack.WebhookMessage{Text: secret}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.api.PublishViewContext(ctx, slack.PublishViewContextRequest{UserID: l.ben.ID, View: slack.HomeTabViewRequest{
		Type: "home", PrivateMetadata: secret, Blocks: slack.Blocks{BlockSet: []slack.Block{}},
	}}); err != nil {
		t.Fatal(err)
	}
	_, err := l.api.GetUserInfoContext(ctx, secret)
	wantSlackError(t, err, "user_not_found")
	want := []string{"user " + l.ann.ID, "channel " + l.room.ID, "user " + l.ann.ID, "user " + l.ben.ID, "slack"}
	got = l.Find(secret)
	if len(got) != len(want) {
		t.Fatalf("found %d times, want %d: %+v", len(got), len(want), got)
	}
	for i, s := range got {
		if s.Audience != want[i] || s.Count != 1 {
			t.Errorf("sighting %d: %d times for %s, want once for %s", i, s.Count, s.Audience, want[i])
		}
	}
}

func TestKeepTraffic(t *testing.T) {
	l := newLab(t, fakeslack.Options{KeepTraffic: 3})
	for range 5 {
		must(postTS(l, slack.MsgOptionText("x", false)))(t)
	}
	if got := l.Traffic(); len(got) != 3 || got[2].Seq != 5 {
		t.Errorf("kept %d exchanges", len(got))
	}
}

package fakeslack_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// TestFrameShapes holds every frame of the fake against the shape of Slack's own: the same keys, the
// same types. See testdata/frames/README.md for where the shapes come from.
func TestFrameShapes(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	socket, hello := l.dial(t)
	got := map[string]map[string]any{"hello": hello}
	next := func(name string) {
		t.Helper()
		got[name] = socket.next()
		socket.ack(got[name], nil)
	}

	cmd := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	next("slash_commands")
	must(l.ann.Mention(l.room, "hi"))(t)
	next("app_mention")
	must(l.ann.DM("hi"))(t)
	next("message_im")
	l.ann.OpenHome()
	next("app_home_opened")

	go_ := slack.NewButtonBlockElement("go", "v", slack.NewTextBlockObject("plain_text", "Go", true, false))
	ts := must(postTS(l, slack.MsgOptionText("fallback", false), slack.MsgOptionBlocks(slack.NewActionBlock("b", go_))))(t)
	m, _ := l.Message(l.room.ID, ts)
	must(l.ann.Click(m, "go"))(t)
	next("block_actions_message")

	form := modal("Create")
	form.Title.Emoji, form.Submit.Emoji = slack.NewTextBlockObject("", "", true, false).Emoji, slack.NewTextBlockObject("", "", true, false).Emoji
	form.Close = slack.NewTextBlockObject("plain_text", "Cancel", true, false)
	if _, err := l.api.OpenViewContext(ctx, cmd.TriggerID, form); err != nil {
		t.Fatal(err)
	}
	view := must(l.ann.WaitModal(ctx, nil))(t)
	must(l.ann.ActView(view, element(t, view, "kind"), "pod"))(t)
	next("block_actions_view")
	must(l.ann.Submit(view, map[string]string{"name": "x"}))(t)
	next("view_submission")
	again := must(l.ann.Slash(l.room, "/lab", "status"))(t)
	socket.ack(socket.next(), nil)
	if _, err := l.api.OpenViewContext(ctx, again.TriggerID, form); err != nil {
		t.Fatal(err)
	}
	must(l.ann.CloseView(must(l.ann.WaitModal(ctx, nil))(t)))(t)
	next("view_closed")

	if err := l.Sockets()[0].Disconnect("warning"); err != nil {
		t.Fatal(err)
	}
	got["disconnect"] = socket.next()
	got["auth_test"] = rawCall(t, l, "auth.test", url.Values{"token": {l.Team().BotToken()}})
	got["slash_command_form"] = commandForm(t, l)

	files, err := filepath.Glob("testdata/frames/*.json")
	if err != nil || len(files) != len(got) {
		t.Fatalf("%d shapes for %d frames, %v", len(files), len(got), err)
	}
	for _, file := range files {
		name := filepath.Base(file[:len(file)-len(".json")])
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want map[string]any
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(shape(want), shape(got[name])); diff != "" {
				t.Errorf("(-Slack +fake):\n%s", diff)
			}
		})
	}
}

// shape replaces values by their types. The content of lists of blocks is the app's own and is left
// out, and so is what is keyed by the app's ids.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			switch key {
			case "blocks":
				out[key] = "list"
			case "values":
				out[key] = "object"
			case "selected_option", "text", "title", "submit", "close":
				out[key] = fmt.Sprintf("%T", value)
			default:
				out[key] = shape(value)
			}
		}
		return out
	case []any:
		if len(v) == 0 {
			return []any{}
		}
		return []any{shape(v[0])}
	}
	return fmt.Sprintf("%T", v)
}

// commandForm is a slash command as it comes over HTTP.
func commandForm(t *testing.T, l *lab) map[string]any {
	t.Helper()
	forms := make(chan url.Values, 1)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		forms <- r.PostForm
	}))
	defer app.Close()
	l.UseHTTP(fakeslack.HTTPTarget{Commands: app.URL})
	defer l.UseSocketMode()
	if err := must(l.ann.Slash(l.room, "/lab", "status"))(t).WaitAck(within(t)); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for key, values := range <-forms {
		out[key] = values[0]
	}
	return out
}

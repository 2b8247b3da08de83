package slackbot

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeEvents(t *testing.T) {
	t.Parallel()
	event := func(fields string) []byte {
		return []byte(`{"type":"event_callback","team_id":"T1","event_id":"Ev1","event":{"user":"U1","channel":"C1","ts":"1.1",` + fields + `}}`)
	}
	type want struct {
		kind         kind
		person, text string
		thread       string
		files        []attachment
	}
	for name, test := range map[string]struct {
		payload []byte
		want    *want
	}{
		"mention":             {event(`"type":"app_mention","text":"<@U9> get pods"`), &want{kindMention, "T1:U1", "get pods", "1.1", nil}},
		"mention in thread":   {event(`"type":"app_mention","text":"<@U9>: /lab version","thread_ts":"0.5"`), &want{kindMention, "T1:U1", "version", "0.5", nil}},
		"another workspace":   {event(`"type":"app_mention","text":"<@U9> version","user_team":"T2"`), &want{kindMention, "T2:U1", "version", "1.1", nil}},
		"direct message":      {event(`"type":"message","channel_type":"im","text":"get &lt;x&gt;"`), &want{kindMessage, "T1:U1", "get <x>", "", nil}},
		"message with files":  {event(`"type":"message","channel_type":"im","subtype":"file_share","text":"create -f a","files":[{"id":"F1","name":"/x/a"}]`), &want{kindMessage, "T1:U1", "create -f a", "", []attachment{{Name: "a", ID: "F1"}}}},
		"home":                {event(`"type":"app_home_opened","tab":"home"`), &want{kindHome, "T1:U1", "", "", nil}},
		"messages tab":        {event(`"type":"app_home_opened","tab":"messages"`), nil},
		"an edit":             {event(`"type":"app_mention","text":"<@U9> get pods","edited":{"user":"U1"}`), nil},
		"a bot":               {event(`"type":"message","channel_type":"im","text":"version","bot_id":"B1"`), nil},
		"a deletion":          {event(`"type":"message","channel_type":"im","subtype":"message_deleted"`), nil},
		"a channel's message": {event(`"type":"message","channel_type":"channel","text":"version"`), nil},
	} {
		r, err := decode(envelopeEvent, test.payload)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if (r == nil) != (test.want == nil) {
			t.Errorf("%s: decoded as %+v", name, r)
			continue
		}
		if r == nil {
			continue
		}
		got := want{r.kind, r.person(), r.text, r.thread, r.files}
		if diff := cmp.Diff(*test.want, got, cmp.AllowUnexported(want{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// FuzzDecode looks for payloads that crash, and for what must not come out of any: an attachment whose
// name leads into a folder, and a line that holds the manifest of a code block.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{"get pods", "<@U1> create -f - ```a: b```", "```", "``````x```", "<@U1|x>: /lab version", "a\x00b"} {
		f.Add(envelopeEvent, "app_mention", text, "pod.yaml")
		f.Add(envelopeEvent, "message", text, "../../etc/passwd")
		f.Add(envelopeCommand, "", text, "")
		f.Add(envelopeInteraction, "block_actions", text, `..\x`)
	}
	f.Fuzz(func(t *testing.T, envelope, kind, text, name string) {
		payload, err := json.Marshal(map[string]any{
			"type": kind, "team_id": "T1", "event_id": "Ev1", "trigger_id": "1.1", "text": text, "user_id": "U1",
			"event":   map[string]any{"type": kind, "channel_type": "im", "user": "U1", "text": text, "files": []any{map[string]string{"id": "F1", "name": name}}},
			"actions": []any{map[string]string{"action_id": text, "value": name}},
			"view":    map[string]string{"callback_id": kind, "private_metadata": text},
		})
		if err != nil {
			t.Skip(err)
		}
		r, err := decode(envelope, payload)
		if err != nil || r == nil {
			return
		}
		if _, block, found := strings.Cut(text, fence); found && r.isCommand() && envelope != envelopeInteraction && len(r.files) == 0 {
			t.Fatalf("the code block %q got lost", block)
		}
		for _, a := range r.files {
			if !fs.ValidPath(a.Name) || strings.ContainsAny(a.Name, `/\`) {
				t.Fatalf("%q becomes the attachment %q", name, a.Name)
			}
		}
		_, _ = decode(envelope, []byte(text)) // and what is no such payload at all
	})
}

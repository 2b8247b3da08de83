package fakeslack_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

func TestPostUpdateDelete(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	channel, ts, err := l.api.PostMessageContext(ctx, l.room.ID, slack.MsgOptionText("one", false), button("go", "Go"))
	if err != nil {
		t.Fatal(err)
	}
	if channel != l.room.ID {
		t.Errorf("posted to %s, want %s", channel, l.room.ID)
	}
	reply, err := postTS(l, slack.MsgOptionText("reply", false), slack.MsgOptionTS(ts))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := l.api.UpdateMessageContext(ctx, channel, ts, slack.MsgOptionText("two", false)); err != nil {
		t.Fatal(err)
	}
	m, _ := l.Message(channel, ts)
	if m.Text != "two" || len(m.Blocks) != 1 || m.Visible() != "Go" || len(m.Revisions) != 1 || m.Revisions[0].Text != "one" {
		t.Errorf("updated message: %+v", m)
	}
	if _, _, _, err := l.api.UpdateMessageContext(ctx, channel, ts, slack.MsgOptionText("two", false), slack.MsgOptionBlocks([]slack.Block{}...)); err != nil {
		t.Fatal(err)
	}
	if m, _ := l.Message(channel, ts); len(m.Blocks) != 0 {
		t.Errorf("an empty array left %d blocks", len(m.Blocks))
	}
	if thread := l.room.Thread(l.ann, ts); len(thread) != 2 || thread[1].TS != reply {
		t.Errorf("thread: %v", thread)
	}
	if _, _, err := l.api.DeleteMessageContext(ctx, channel, ts); err != nil {
		t.Fatal(err)
	}
	if got := l.room.History(l.ann); len(got) != 1 || got[0].TS != reply {
		t.Errorf("history after delete: %v", got)
	}
	_, _, err = l.api.DeleteMessageContext(ctx, channel, ts)
	wantSlackError(t, err, "message_not_found")
}

func postTS(l *lab, options ...slack.MsgOption) (string, error) {
	_, ts, err := l.api.PostMessage(l.room.ID, options...)
	return ts, err
}

func TestEphemeral(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	ts, err := l.api.PostEphemeralContext(ctx, l.room.ID, l.ann.ID, slack.MsgOptionText("for ann", false))
	if err != nil {
		t.Fatal(err)
	}
	if got := l.room.History(l.ann); len(got) != 1 || got[0].Text != "for ann" {
		t.Errorf("ann sees %v", got)
	}
	if got := l.room.History(l.ben); len(got) != 0 {
		t.Errorf("ben sees %v", got)
	}
	_, _, _, err = l.api.UpdateMessageContext(ctx, l.room.ID, ts, slack.MsgOptionText("x", false))
	wantSlackError(t, err, "message_not_found")
	_, err = l.api.PostEphemeralContext(ctx, l.room.ID, "U0", slack.MsgOptionText("x", false))
	wantSlackError(t, err, "user_not_in_channel")
}

func TestRefusals(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	team := l.Team()
	private := team.AddChannel("secret", fakeslack.PrivateChannel, l.ann)
	private.Kick(team.Bot())
	elsewhere := team.AddChannel("elsewhere", fakeslack.PublicChannel, l.ann)
	elsewhere.Kick(team.Bot())
	archived := team.AddChannel("old", fakeslack.PublicChannel, l.ann)
	archived.Archive()

	text := func(n int) slack.MsgOption { return slack.MsgOptionText(strings.Repeat("界", n), false) }
	post := func(channel string, options ...slack.MsgOption) error {
		_, _, err := l.api.PostMessageContext(ctx, channel, options...)
		return err
	}
	wantSlackError(t, post("C0", text(1)), "channel_not_found")
	wantSlackError(t, post(private.ID, text(1)), "channel_not_found")
	wantSlackError(t, post(elsewhere.ID, text(1)), "not_in_channel")
	wantSlackError(t, post(archived.ID, text(1)), "is_archived")
	wantSlackError(t, post(l.room.ID, text(0)), "no_text")
	wantSlackError(t, post(l.room.ID, text(40001)), "msg_too_long")
	if err := post(l.room.ID, text(40000)); err != nil {
		t.Errorf("a text of 40,000 characters: %v", err)
	}

	err := post(l.room.ID, slack.MsgOptionBlocks(slack.NewHeaderBlock(slack.NewTextBlockObject("plain_text", strings.Repeat("界", 151), false, false))))
	wantSlackError(t, err, "invalid_blocks")
	var refused slack.SlackErrorResponse
	if errors.As(err, &refused) {
		want := []string{"[ERROR] must be less than 151 characters [json-pointer:/blocks/0/text/text]"}
		if diff := cmp.Diff(want, refused.ResponseMetadata.Messages); diff != "" {
			t.Errorf("response_metadata.messages (-want +got):\n%s", diff)
		}
	}

	ts, err := postTS(l, text(1))
	if err != nil {
		t.Fatal(err)
	}
	update := func(channel, ts string, options ...slack.MsgOption) error {
		_, _, _, err := l.api.UpdateMessageContext(ctx, channel, ts, options...)
		return err
	}
	wantSlackError(t, update(l.room.ID, ts, text(4001)), "msg_too_long")
	wantSlackError(t, update(l.room.ID, "1.000000", text(1)), "message_not_found")
	typed, err := l.ann.Write(l.room, "mine")
	if err != nil || typed != nil {
		t.Fatalf("Write: %v, %v; the app does not subscribe to channel messages", typed, err)
	}
	mine := l.room.History(l.ann)[len(l.room.History(l.ann))-1]
	wantSlackError(t, update(l.room.ID, mine.TS, text(1)), "cant_update_message")
	_, _, err = l.api.DeleteMessageContext(ctx, l.room.ID, mine.TS)
	wantSlackError(t, err, "cant_delete_message")

	_, err = l.api.GetUserInfoContext(ctx, "U0")
	wantSlackError(t, err, "user_not_found")
	_, err = l.api.GetUserGroupMembersContext(ctx, "S0")
	wantSlackError(t, err, "no_such_subteam")
	_, _, _, err = l.api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{"U0"}})
	wantSlackError(t, err, "user_not_found")
}

func TestTokensAndScopes(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	client := func(token, app string) *slack.Client {
		return slack.New(token, slack.OptionAPIURL(l.APIURL()), slack.OptionAppLevelToken(app))
	}
	_, err := client("xoxb-wrong", "").AuthTestContext(ctx)
	wantSlackError(t, err, "invalid_auth")
	_, err = client("", "").AuthTestContext(ctx)
	wantSlackError(t, err, "not_authed")
	_, err = client(l.AppToken(), "").AuthTestContext(ctx)
	wantSlackError(t, err, "not_allowed_token_type")
	_, _, err = client("", l.Team().BotToken()).StartSocketModeContext(ctx)
	wantSlackError(t, err, "not_allowed_token_type")
	_, _, err = client("", "xapp-wrong").StartSocketModeContext(ctx)
	wantSlackError(t, err, "invalid_auth")

	l.Team().SetScopes("users:read")
	_, _, err = l.api.PostMessageContext(ctx, l.room.ID, slack.MsgOptionText("x", false))
	wantSlackError(t, err, "missing_scope")
	body := rawCall(t, l, "chat.postMessage", url.Values{"token": {l.Team().BotToken()}})
	if body["needed"] != "chat:write" || body["provided"] != "users:read" {
		t.Errorf("missing_scope says %v", body)
	}
	if body := rawCall(t, l, "no.method", nil); body["error"] != "unknown_method" {
		t.Errorf("an unknown method answers %v", body)
	}

	l.RevokeTokens()
	_, err = l.api.AuthTestContext(ctx)
	wantSlackError(t, err, "invalid_auth")
}

func rawCall(t *testing.T, l *lab, method string, form url.Values) map[string]any {
	t.Helper()
	resp, err := http.PostForm(l.APIURL()+method, form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body
}

func TestBadBodies(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	for _, tc := range []struct{ contentType, body, want string }{
		{"application/json", "{", "invalid_json"},
		{"application/x-www-form-urlencoded", "a=%zz", "invalid_form_data"},
		{"text/plain", "hi", "invalid_post_type"},
		{"application/x-www-form-urlencoded", "channel=" + l.room.ID + "&blocks=[", "invalid_blocks_format"},
		{"application/x-www-form-urlencoded", "channel=" + l.room.ID + "&blocks={}", "invalid_blocks_format"},
	} {
		req, err := http.NewRequestWithContext(within(t), http.MethodPost, l.APIURL()+"chat.postMessage", strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", tc.contentType)
		req.Header.Set("Authorization", "Bearer "+l.Team().BotToken())
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !strings.Contains(string(raw), `"error":"`+tc.want+`"`) {
			t.Errorf("%s %q answers %s (%v), want %s", tc.contentType, tc.body, raw, err, tc.want)
		}
	}
}

func TestLookups(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	team := l.Team()
	group := team.AddUserGroup("oncall", l.ann)

	who := must(l.api.AuthTestContext(ctx))(t)
	if who.TeamID != team.ID || who.UserID != team.Bot().ID || who.BotID == "" {
		t.Errorf("auth.test: %+v", who)
	}
	user, err := l.api.GetUserInfoContext(ctx, l.ann.ID)
	if err != nil || user.Name != "ann" || user.TeamID != team.ID {
		t.Errorf("users.info: %+v, %v", user, err)
	}
	channel, err := l.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: l.room.ID})
	if err != nil || channel.Name != "lab" || !channel.IsMember || channel.IsPrivate {
		t.Errorf("conversations.info: %+v, %v", channel, err)
	}
	l.room.Rename("renamed")
	channel, err = l.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: l.room.ID})
	if err != nil || channel.Name != "renamed" {
		t.Errorf("conversations.info after a rename: %+v, %v", channel, err)
	}
	members, _, err := l.api.GetUsersInConversationContext(ctx, &slack.GetUsersInConversationParameters{ChannelID: l.room.ID})
	if err != nil || len(members) != 3 {
		t.Errorf("conversations.members: %v, %v", members, err)
	}
	got, err := l.api.GetUserGroupMembersContext(ctx, group.ID)
	if diff := cmp.Diff([]string{l.ann.ID}, got); diff != "" || err != nil {
		t.Errorf("usergroups.users.list: %v (-want +got):\n%s", err, diff)
	}
	group.SetMembers(l.ben)
	groups, err := l.api.GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeUsers(true))
	if err != nil || len(groups) != 1 || groups[0].Handle != "oncall" || groups[0].Users[0] != l.ben.ID {
		t.Errorf("usergroups.list: %+v, %v", groups, err)
	}
	dm, _, _, err := l.api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{l.ann.ID}})
	if err != nil || dm.ID != l.ann.DirectMessages().ID {
		t.Errorf("conversations.open: %+v, %v", dm, err)
	}
	if _, _, err := l.api.PostMessageContext(ctx, l.ann.ID, slack.MsgOptionText("hi", false)); err != nil {
		t.Errorf("post to a user's id: %v", err)
	}
	if seen := l.ann.DirectMessages().History(l.ann); len(seen) != 1 {
		t.Errorf("direct messages of ann: %v", seen)
	}
	if seen := l.ann.DirectMessages().History(l.ben); len(seen) != 0 {
		t.Errorf("ben reads ann's direct messages: %v", seen)
	}
}

func TestReactions(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	ts, err := postTS(l, slack.MsgOptionText("x", false))
	if err != nil {
		t.Fatal(err)
	}
	item := slack.NewRefToMessage(l.room.ID, ts)
	if err := l.api.AddReactionContext(ctx, "eyes", item); err != nil {
		t.Fatal(err)
	}
	wantSlackError(t, l.api.AddReactionContext(ctx, "eyes", item), "already_reacted")
	if m, _ := l.Message(l.room.ID, ts); len(m.Reactions) != 1 {
		t.Errorf("reactions: %v", m.Reactions)
	}
	if err := l.api.RemoveReactionContext(ctx, "eyes", item); err != nil {
		t.Fatal(err)
	}
	wantSlackError(t, l.api.RemoveReactionContext(ctx, "eyes", item), "no_reaction")
}

func TestFileUpload(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	parent, err := postTS(l, slack.MsgOptionText("x", false))
	if err != nil {
		t.Fatal(err)
	}
	const content = "pod-1 Running\npod-2 Running\n"
	upload := slack.UploadFileParameters{
		Channel: l.room.ID, ThreadTimestamp: parent, Filename: "pods.txt", Title: "Pods", Content: content, FileSize: len(content),
		InitialComment: "all of it",
	}
	if _, err := l.api.UploadFileContext(ctx, upload); err != nil {
		t.Fatal(err)
	}
	thread := l.room.Thread(l.ann, parent)
	if len(thread) != 2 || len(thread[1].Files) != 1 {
		t.Fatalf("thread: %+v", thread)
	}
	f := thread[1].Files[0]
	if string(f.Content) != content || f.Name != "pods.txt" || f.Title != "Pods" || thread[1].Text != "all of it" {
		t.Errorf("file %+v with %q", f, thread[1].Text)
	}
	if got := l.Find("pod-2 Running"); len(got) != 1 {
		t.Errorf("the content was seen %d times, want once: %+v", len(got), got)
	}

	upload.FileSize++ // announces more than it sends
	if _, err := l.api.UploadFileContext(ctx, upload); err == nil {
		t.Error("an upload of the wrong length was accepted")
	}
	_, err = l.api.CompleteUploadExternalContext(ctx, slack.CompleteUploadExternalParameters{Files: []slack.FileSummary{{ID: "F0"}}})
	wantSlackError(t, err, "file_not_found")
}

func TestRateLimits(t *testing.T) {
	clock := fakeslack.NewClock(time.Unix(1_700_000_000, 0))
	l := newLab(t, fakeslack.Options{Now: clock.Now, RateLimits: fakeslack.RateLimits{ChannelBurst: 2, Tiers: true}})
	post := func() error {
		_, err := postTS(l, slack.MsgOptionText("x", false))
		return err
	}
	for range 2 {
		if err := post(); err != nil {
			t.Fatal(err)
		}
	}
	var limited *slack.RateLimitedError
	if err := post(); !errors.As(err, &limited) || limited.RetryAfter != time.Second {
		t.Fatalf("third message: %v, want 429 with Retry-After 1", err)
	}
	clock.Advance(time.Second)
	if err := post(); err != nil {
		t.Errorf("a second later: %v", err)
	}

	calls := 0
	for ; calls < 60; calls++ {
		if _, err := l.api.GetUserGroupsContext(within(t)); err != nil {
			break
		}
	}
	if calls != 20 {
		t.Errorf("a tier 2 method took %d calls at once, want 20", calls)
	}
}

func TestTeams(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	other := l.AddTeam("other")
	stranger := other.AddUser("stranger")
	otherAPI := slack.New(other.BotToken(), slack.OptionAPIURL(l.APIURL()))
	_, _, err := otherAPI.PostMessageContext(ctx, l.room.ID, slack.MsgOptionText("x", false))
	wantSlackError(t, err, "channel_not_found")
	_, err = l.api.GetUserInfoContext(ctx, stranger.ID)
	wantSlackError(t, err, "user_not_found")
	if _, err := stranger.Slash(l.room, "/lab", "status"); err == nil {
		t.Error("a stranger typed in a channel of another workspace")
	}
	l.room.Invite(stranger)
	if _, err := l.api.GetUserInfoContext(ctx, stranger.ID); err != nil {
		t.Errorf("users.info of somebody in a shared channel: %v", err)
	}
	if l.ann.Team.ID == stranger.Team.ID {
		t.Error("two workspaces with one id")
	}
}

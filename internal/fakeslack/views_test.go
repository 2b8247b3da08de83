package fakeslack_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

func plainText(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject("plain_text", s, false, false)
}

// modal is a form with one input and one menu.
func modal(title string) slack.ModalViewRequest {
	input := slack.NewInputBlock("name-block", plainText("Name"), nil, slack.NewPlainTextInputBlockElement(nil, "name"))
	menu := slack.NewOptionsSelectBlockElement("static_select", plainText("Kind"), "kind",
		slack.NewOptionBlockObject("pod", plainText("Pod"), nil), slack.NewOptionBlockObject("service", plainText("Service"), nil))
	return slack.ModalViewRequest{
		Type: "modal", Title: plainText(title), Submit: plainText("Create"), CallbackID: "create", NotifyOnClose: true,
		Blocks: slack.Blocks{BlockSet: []slack.Block{input, slack.NewActionBlock("menus", menu)}},
	}
}

func TestTriggers(t *testing.T) {
	clock := fakeslack.NewClock(time.Unix(1_700_000_000, 0))
	l := newLab(t, fakeslack.Options{Now: clock.Now})
	ctx := within(t)
	open := func(trigger string) error {
		_, err := l.api.OpenViewContext(ctx, trigger, modal("Create"))
		return err
	}
	cmd := must(l.ann.Slash(l.room, "/lab", "create"))(t)
	if err := open(cmd.TriggerID); err != nil {
		t.Fatal(err)
	}
	wantSlackError(t, open(cmd.TriggerID), "exchanged_trigger_id")
	wantSlackError(t, open("1.2.x"), "invalid_trigger_id")
	wantSlackError(t, open("nonsense"), "invalid_trigger_id")
	late := must(l.ann.Slash(l.room, "/lab", "create"))(t)
	clock.Advance(3001 * time.Millisecond)
	wantSlackError(t, open(late.TriggerID), "expired_trigger_id")
}

func TestModal(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	socket, _ := l.dial(t)
	cmd := must(l.ann.Slash(l.room, "/lab", "create"))(t)
	socket.ack(socket.next(), nil)
	if _, err := l.api.OpenViewContext(ctx, cmd.TriggerID, modal("Create")); err != nil {
		t.Fatal(err)
	}
	view := must(l.ann.WaitModal(ctx, nil))(t)
	if !strings.Contains(view.Visible(), "Name") || view.Title != "Create" {
		t.Errorf("view: %q", view.Visible())
	}
	if _, ok := l.ben.Modal(); ok {
		t.Error("ben sees ann's modal")
	}

	must(l.ann.ActView(view, element(t, view, "kind"), "service"))(t)
	frame := socket.next()
	var click slack.InteractionCallback
	decode(t, frame["payload"], &click)
	if got := click.ActionCallback.BlockActions[0].SelectedOption.Value; got != "service" || click.View.ID != view.ID {
		t.Errorf("selected %q in view %s", got, click.View.ID)
	}
	socket.ack(frame, nil)

	if _, err := l.ann.Submit(view, nil); err == nil {
		t.Error("submitted without the required input")
	}
	if _, err := l.ann.Submit(view, map[string]string{"nonsense": "x"}); err == nil {
		t.Error("submitted an input that the view does not have")
	}
	if _, err := l.ben.Submit(view, map[string]string{"name": "x"}); err == nil {
		t.Error("ben submitted ann's modal")
	}
	must(l.ann.Submit(view, map[string]string{"name": "Bad Name"}))(t)
	frame = socket.next()
	var submission slack.InteractionCallback
	decode(t, frame["payload"], &submission)
	if got := submission.View.State.Values["name-block"]["name"].Value; got != "Bad Name" || submission.Type != slack.InteractionTypeViewSubmission {
		t.Errorf("submitted %q as %s", got, submission.Type)
	}
	socket.ack(frame, map[string]any{"response_action": "errors", "errors": map[string]any{"name-block": "lower case only"}})
	view = must(l.ann.WaitModal(ctx, func(v fakeslack.View) bool { return v.Errors["name-block"] == "lower case only" }))(t)

	must(l.ann.Submit(view, map[string]string{"name": "web"}))(t)
	socket.ack(socket.next(), map[string]any{"response_action": "update", "view": json.RawMessage(asJSON(t, modal("Sure?")))})
	view = must(l.ann.WaitModal(ctx, func(v fakeslack.View) bool { return v.Title == "Sure?" }))(t)

	updated, err := l.api.UpdateViewContext(ctx, modal("Really?"), "", view.Hash, view.ID)
	if err != nil || updated.Title.Text != "Really?" {
		t.Errorf("views.update: %+v, %v", updated, err)
	}
	_, err = l.api.UpdateViewContext(ctx, modal("Again"), "", view.Hash, view.ID)
	wantSlackError(t, err, "hash_conflict")

	must(l.ann.Submit(view, map[string]string{"name": "web"}))(t)
	socket.ack(socket.next(), map[string]any{"response_action": "push", "view": json.RawMessage(asJSON(t, modal("On top")))})
	top := must(l.ann.WaitModal(ctx, func(v fakeslack.View) bool { return v.Title == "On top" }))(t)
	if top.Root != view.ID || top.Previous != view.ID {
		t.Errorf("pushed view: root %s, previous %s, want %s", top.Root, top.Previous, view.ID)
	}
	if closed := must(l.ann.CloseView(top))(t); closed == nil {
		t.Fatal("no view_closed, though the view asked for it")
	}
	frame = socket.next()
	var closing slack.InteractionCallback
	decode(t, frame["payload"], &closing)
	if closing.Type != slack.InteractionTypeViewClosed {
		t.Errorf("closing sent %s", closing.Type)
	}
	socket.ack(frame, nil)

	must(l.ann.Submit(view, map[string]string{"name": "web"}))(t)
	socket.ack(socket.next(), map[string]any{"response_action": "clear"})
	waitFor(t, l, func() bool { _, open := l.ann.Modal(); return !open })
	_, err = l.api.UpdateViewContext(ctx, modal("Gone"), "", "", view.ID)
	wantSlackError(t, err, "not_found")
}

func element(t *testing.T, v fakeslack.View, actionID string) fakeslack.Element {
	t.Helper()
	for _, e := range v.Elements() {
		if e.ActionID == actionID {
			return e
		}
	}
	t.Fatalf("the view has no %q", actionID)
	return fakeslack.Element{}
}

func decode(t *testing.T, from, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(asJSON(t, from)), into); err != nil {
		t.Fatal(err)
	}
}

func TestHomeHashes(t *testing.T) {
	l := newLab(t, fakeslack.Options{})
	ctx := within(t)
	publish := func(hash *string) (*slack.ViewResponse, error) {
		return l.api.PublishViewContext(ctx, slack.PublishViewContextRequest{UserID: l.ann.ID, Hash: hash, View: slack.HomeTabViewRequest{
			Type: "home", Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock()}},
		}})
	}
	first := must(publish(nil))(t)
	second := must(publish(&first.Hash))(t)
	if second.ID != first.ID {
		t.Errorf("home %s became %s", first.ID, second.ID)
	}
	_, err := publish(&first.Hash)
	wantSlackError(t, err, "hash_conflict")
}

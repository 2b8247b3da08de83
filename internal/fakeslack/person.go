package fakeslack

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Slash types a slash command in a channel. It returns at once; see [Interaction] for what follows.
func (u *User) Slash(in *Channel, command, text string) (*Interaction, error) {
	s := u.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := u.canType(in); err != nil {
		return nil, err
	}
	if !slices.Contains(s.opts.Commands, command) {
		return nil, fmt.Errorf("%s is not a valid command in this fake Slack", command)
	}
	e := &envelope{kind: kindCommand, accepts: true, command: command, user: u, channel: in}
	e.url, e.trigger = s.newResponseURL("commands", e, nil), s.newTrigger(u)
	return s.send(e, map[string]any{
		"token":                 s.verificationToken,
		"team_id":               u.Team.ID,
		"team_domain":           u.Team.Name,
		"channel_id":            in.ID,
		"channel_name":          in.channelName(),
		"user_id":               u.ID,
		"user_name":             u.Name,
		"command":               command,
		"text":                  text,
		"api_app_id":            s.appID,
		"is_enterprise_install": false,
		"response_url":          e.url,
		"trigger_id":            e.trigger,
	}), nil
}

// canType refuses what a client of Slack would not let the person do. The caller holds s.mu.
func (u *User) canType(in *Channel) error {
	switch {
	case u.deleted:
		return fmt.Errorf("%s has left %s", u.Name, u.Team.Name)
	case in.archived:
		return fmt.Errorf("#%s is archived", in.name)
	case !in.members[u.ID]:
		return fmt.Errorf("%s is not in #%s", u.Name, in.name)
	}
	return nil
}

// Mention writes "@bot text" in a channel, with files attached. Slack tells the app only where the app is
// a member.
func (u *User) Mention(in *Channel, text string, attached ...Upload) (*Interaction, error) {
	return u.MentionInThread(in, "", text, attached...)
}

// MentionInThread is Mention as a reply to the message with timestamp threadTS.
func (u *User) MentionInThread(in *Channel, threadTS, text string, attached ...Upload) (*Interaction, error) {
	s := u.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := u.canType(in); err != nil {
		return nil, err
	}
	bot := in.Team.bot
	if !in.members[bot.ID] {
		return nil, fmt.Errorf("@%s is not in #%s, so Slack would not tell it", bot.Name, in.name)
	}
	body := strings.TrimSpace(fmt.Sprintf("<@%s> %s", bot.ID, escape(text)))
	m := s.post(&Message{Channel: in.ID, ThreadTS: threadTS, User: u.ID, Text: body, Via: viaUser, Blocks: typedBlocks(bot.ID, text), Files: s.addFiles(u, attached)})
	s.sendEvent(u, in, s.messageEvent("message", u, in, m))
	i := s.sendEvent(u, in, s.messageEvent("app_mention", u, in, m))
	if i == nil {
		return nil, fmt.Errorf("the app does not subscribe to app_mention")
	}
	i.Posted = m.clone()
	return i, nil
}

// Write posts text in a channel without mentioning the bot. The interaction is nil unless the app
// subscribes to the channel's messages.
func (u *User) Write(in *Channel, text string) (*Interaction, error) {
	return u.write(in, "", text, nil)
}

// DM writes to the bot in a direct message, with files attached.
func (u *User) DM(text string, attached ...Upload) (*Interaction, error) {
	return u.write(u.DirectMessages(), "", text, attached)
}

// DMInThread is DM as a reply to the message with timestamp threadTS.
func (u *User) DMInThread(threadTS, text string) (*Interaction, error) {
	return u.write(u.DirectMessages(), threadTS, text, nil)
}

func (u *User) write(in *Channel, threadTS, text string, attached []Upload) (*Interaction, error) {
	s := u.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := u.canType(in); err != nil {
		return nil, err
	}
	m := s.post(&Message{
		Channel: in.ID, ThreadTS: threadTS, User: u.ID, Text: escape(text), Via: viaUser, Blocks: typedBlocks("", text),
		Files: s.addFiles(u, attached),
	})
	i := s.sendEvent(u, in, s.messageEvent("message", u, in, m))
	if i != nil {
		i.Posted = m.clone()
	}
	return i, nil
}

// escape writes text as Slack stores what people type.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// typedBlocks are the rich text that clients send with what people type.
func typedBlocks(mention, text string) []map[string]any {
	var line []any
	if mention != "" {
		line = append(line, map[string]any{"type": "user", "user_id": mention})
		text = " " + text
	}
	if strings.TrimSpace(text) != "" {
		line = append(line, map[string]any{"type": "text", "text": text})
	}
	return []map[string]any{{
		"type":     "rich_text",
		"elements": []any{map[string]any{"type": "rich_text_section", "elements": line}},
	}}
}

// messageEvent is a message or app_mention event for a message.
// See https://docs.slack.dev/reference/events/app_mention and .../message.
func (s *Server) messageEvent(kind string, u *User, in *Channel, m *Message) map[string]any {
	event := map[string]any{
		"type":     kind,
		"user":     m.User,
		"text":     m.Text,
		"ts":       m.TS,
		"team":     u.Team.ID,
		"blocks":   m.Blocks,
		"channel":  in.ID,
		"event_ts": m.TS,
	}
	if m.Via == viaUser {
		event["client_msg_id"] = newUUID()
	}
	if kind == "message" {
		event["channel_type"] = channelType(in)
	}
	if m.ThreadTS != "" {
		event["thread_ts"] = m.ThreadTS
	}
	if len(m.Files) > 0 {
		s.addFilesTo(event, m)
	}
	if u.Team != in.Team { // Slack Connect
		event["user_team"], event["source_team"] = u.Team.ID, u.Team.ID
	}
	if m.BotID != "" {
		event["bot_id"], event["app_id"] = m.BotID, s.appID
	}
	return event
}

func channelType(c *Channel) string {
	switch c.Kind {
	case DirectMessage:
		return "im"
	case PrivateChannel:
		return "group"
	}
	return "channel"
}

// echo tells the app of its own message in a direct message, as Slack does; apps must ignore it. The
// caller holds s.mu.
func (s *Server) echo(in *Channel, m *Message) {
	if in.Kind == DirectMessage {
		s.sendEvent(in.Team.bot, in, s.messageEvent("message", in.Team.bot, in, m))
	}
}

// echoChange tells the app that a message of a direct message was updated. The caller holds s.mu.
func (s *Server) echoChange(in *Channel, m *Message) {
	if in.Kind != DirectMessage {
		return
	}
	s.sendEvent(in.Team.bot, in, map[string]any{
		"type":         "message",
		"subtype":      "message_changed",
		"message":      s.messagePayload(m.clone()),
		"channel":      in.ID,
		"hidden":       true,
		"ts":           s.newTS(),
		"event_ts":     s.newTS(),
		"channel_type": channelType(in),
	})
}

// sendEvent sends an event if the app subscribes to it and can see the channel, else it returns nil.
// The caller holds s.mu.
func (s *Server) sendEvent(u *User, in *Channel, event map[string]any) *Interaction {
	kind, _ := event["type"].(string)
	subscription := kind
	if channel, ok := event["channel_type"].(string); ok {
		subscription = kind + "." + map[string]string{"channel": "channels", "group": "groups", "im": "im"}[channel]
	}
	bot := in.Team.bot
	if !slices.Contains(s.opts.Events, subscription) || !in.members[bot.ID] {
		return nil
	}
	e := &envelope{kind: kindEvent, user: u, channel: in}
	return s.send(e, map[string]any{
		"token":      s.verificationToken,
		"team_id":    in.Team.ID,
		"api_app_id": s.appID,
		"event":      event,
		"type":       "event_callback",
		"event_id":   s.newID("Ev"),
		"event_time": s.opts.Now().Unix(),
		"authorizations": []any{map[string]any{
			"enterprise_id": nil, "team_id": in.Team.ID, "user_id": bot.ID, "is_bot": true, "is_enterprise_install": false,
		}},
		"is_ext_shared_channel": s.isShared(in),
		"event_context":         "1-" + kind + "-" + in.Team.ID + "-" + in.ID,
	})
}

// OpenHome opens the app's Home tab. The interaction is nil unless the app subscribes to
// app_home_opened.
func (u *User) OpenHome() *Interaction {
	s := u.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	dm := s.openDM(u)
	event := map[string]any{
		"type": "app_home_opened", "user": u.ID, "channel": dm.ID, "tab": "home", "event_ts": s.newTS(),
	}
	if v := s.homes[u.ID]; v != nil {
		event["view"] = s.viewPayload(v)
	}
	return s.sendEvent(u, dm, event)
}

// Click presses a button of a message, found by its label or action_id, and says yes if it asks for
// confirmation. The message is what the person has before their eyes, which may be out of date.
func (u *User) Click(m Message, labelOrActionID string) (*Interaction, error) {
	element, ok := m.Button(labelOrActionID)
	if !ok {
		return nil, fmt.Errorf("there is no button %q in %s; it has %s", labelOrActionID, m, buttonNames(m.Elements()))
	}
	return u.Act(m, element, "")
}

func buttonNames(elements []Element) string {
	names := []string{}
	for _, e := range elements {
		names = append(names, fmt.Sprintf("%s %q (%s)", e.Type, e.Text, e.ActionID))
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// Act operates an element of a message. choice is the value of the option for menus, radio buttons
// and checkboxes, the id for users and channels, the text for inputs and pickers.
func (u *User) Act(m Message, element Element, choice string) (*Interaction, error) {
	s := u.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.world.channels[m.Channel]
	switch {
	case in == nil:
		return nil, fmt.Errorf("there is no channel %s", m.Channel)
	case m.EphemeralTo != "" && m.EphemeralTo != u.ID:
		return nil, fmt.Errorf("%s does not see the message, only %s does", u.Name, m.EphemeralTo)
	case !in.members[u.ID]:
		return nil, fmt.Errorf("%s is not in #%s", u.Name, in.name)
	}
	action, err := s.action(element, choice)
	if err != nil {
		return nil, err
	}
	e := &envelope{kind: kindInteractive, user: u, channel: in}
	e.url = s.newResponseURL("actions", e, &MessageRef{Channel: m.Channel, TS: m.TS})
	e.trigger = s.newTrigger(u)
	container := map[string]any{
		"type": "message", "message_ts": m.TS, "channel_id": m.Channel, "is_ephemeral": m.EphemeralTo != "",
	}
	if m.ThreadTS != "" {
		container["thread_ts"] = m.ThreadTS
	}
	payload := s.interaction("block_actions", u, e)
	maps.Copy(payload, map[string]any{
		"container":    container,
		"channel":      map[string]any{"id": in.ID, "name": in.channelName()},
		"state":        map[string]any{"values": map[string]any{}},
		"response_url": e.url,
		"actions":      []any{action},
	})
	if m.EphemeralTo == "" { // Slack keeps no ephemeral messages that it could send along
		payload["message"] = s.messagePayload(m)
	}
	return s.send(e, payload), nil
}

// ClickView presses a button of a view, found by its label or action_id.
func (u *User) ClickView(v View, labelOrActionID string) (*Interaction, error) {
	element, ok := v.Button(labelOrActionID)
	if !ok {
		return nil, fmt.Errorf("there is no button %q in the view; it has %s", labelOrActionID, buttonNames(v.Elements()))
	}
	return u.ActView(v, element, "")
}

// ActView operates an element of a view; see [User.Act].
func (u *User) ActView(v View, element Element, choice string) (*Interaction, error) {
	s := u.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := s.ownView(u, v)
	if err != nil {
		return nil, err
	}
	action, err := s.action(element, choice)
	if err != nil {
		return nil, err
	}
	e := &envelope{kind: kindInteractive, user: u}
	e.trigger = s.newTrigger(u)
	payload := s.interaction("block_actions", u, e)
	payload["container"] = map[string]any{"type": "view", "view_id": v.ID}
	payload["view"] = s.viewPayload(now)
	payload["actions"] = []any{action}
	return s.send(e, payload), nil
}

// ownView is the present state of a view that u sees. The caller holds s.mu.
func (s *Server) ownView(u *User, v View) (*View, error) {
	now := s.views[v.ID]
	if now == nil || now.User != u.ID || !now.Open {
		return nil, fmt.Errorf("%s does not see view %s", u.Name, v.ID)
	}
	return now, nil
}

// Submit fills the inputs of a modal, by action_id, and submits it. It refuses what Slack's client
// refuses: an empty input that is not optional.
func (u *User) Submit(v View, inputs map[string]string) (*Interaction, error) {
	s := u.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := s.ownView(u, v)
	if err != nil {
		return nil, err
	}
	values, err := s.viewState(now, inputs)
	if err != nil {
		return nil, err
	}
	e := &envelope{kind: kindInteractive, accepts: true, user: u, view: v.ID}
	e.trigger = s.newTrigger(u)
	view := s.viewPayload(now)
	view["state"] = map[string]any{"values": values}
	payload := s.interaction("view_submission", u, e)
	payload["view"] = view
	payload["response_urls"] = []any{}
	return s.send(e, payload), nil
}

// viewState is state.values of a submission: block_id, action_id, value. The caller holds s.mu.
func (s *Server) viewState(v *View, inputs map[string]string) (map[string]any, error) {
	values, used := map[string]any{}, map[string]bool{}
	for _, block := range v.Blocks {
		if block["type"] != "input" {
			continue
		}
		for _, element := range interactiveElements(block) {
			given, filled := inputs[element.ActionID]
			used[element.ActionID] = true
			if !filled {
				given, _ = element.raw["initial_value"].(string)
			}
			if given == "" && block["optional"] != true {
				return nil, fmt.Errorf("the input %q must be filled", element.ActionID)
			}
			action, err := s.action(element, given)
			if err != nil {
				return nil, err
			}
			for _, key := range []string{"action_id", "block_id", "action_ts", "text", "placeholder"} {
				delete(action, key)
			}
			values[element.BlockID] = map[string]any{element.ActionID: action}
		}
	}
	for name := range inputs {
		if !used[name] {
			return nil, fmt.Errorf("the view has no input %q", name)
		}
	}
	return values, nil
}

// CloseView closes a modal with its cancel button. The interaction is nil unless the view asked to
// be notified.
func (u *User) CloseView(v View) (*Interaction, error) {
	s := u.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := s.ownView(u, v)
	if err != nil {
		return nil, err
	}
	now.Open = false
	s.notify()
	if now.raw["notify_on_close"] != true {
		return nil, nil
	}
	e := &envelope{kind: kindInteractive, user: u}
	payload := s.interaction("view_closed", u, e)
	delete(payload, "trigger_id")
	payload["view"] = s.viewPayload(now)
	payload["is_cleared"] = false
	return s.send(e, payload), nil
}

// interaction is what all interaction payloads have in common.
// See https://docs.slack.dev/reference/interaction-payloads.
func (s *Server) interaction(kind string, u *User, e *envelope) map[string]any {
	return map[string]any{
		"type":                  kind,
		"user":                  map[string]any{"id": u.ID, "username": u.Name, "name": u.Name, "team_id": u.Team.ID},
		"api_app_id":            s.appID,
		"token":                 s.verificationToken,
		"trigger_id":            e.trigger,
		"team":                  map[string]any{"id": u.Team.ID, "domain": u.Team.Name},
		"enterprise":            nil,
		"is_enterprise_install": false,
	}
}

// action is the entry of actions for an element. The caller holds s.mu.
func (s *Server) action(e Element, choice string) (map[string]any, error) {
	out := map[string]any{
		"type": e.Type, "action_id": e.ActionID, "block_id": e.BlockID, "action_ts": s.newTS(),
	}
	for _, key := range []string{"text", "value", "style", "placeholder"} {
		if v, ok := e.raw[key]; ok {
			out[key] = v
		}
	}
	key := choiceKeys()[e.Type]
	switch {
	case e.Type == "button" || e.Type == "workflow_button" || e.Type == "icon_button":
		return out, nil
	case key == "":
		return nil, fmt.Errorf("a person cannot operate a %s here", e.Type)
	case choice == "":
		out[key] = nil
		return out, nil
	}
	var picked any = choice
	if strings.HasPrefix(key, "selected_option") {
		option, ok := optionByValue(e.Options, choice)
		if !ok {
			return nil, fmt.Errorf("%s %q has no option %q", e.Type, e.ActionID, choice)
		}
		picked = option
	}
	if strings.HasSuffix(key, "s") {
		picked = []any{picked}
	}
	out[key] = picked
	return out, nil
}

// choiceKeys is the table of elements and the key under which their choice is reported.
func choiceKeys() map[string]string {
	return map[string]string{
		"static_select":              "selected_option",
		"external_select":            "selected_option",
		"overflow":                   "selected_option",
		"radio_buttons":              "selected_option",
		"checkboxes":                 "selected_options",
		"multi_static_select":        "selected_options",
		"multi_external_select":      "selected_options",
		"users_select":               "selected_user",
		"multi_users_select":         "selected_users",
		"conversations_select":       "selected_conversation",
		"multi_conversations_select": "selected_conversations",
		"channels_select":            "selected_channel",
		"multi_channels_select":      "selected_channels",
		"datepicker":                 "selected_date",
		"timepicker":                 "selected_time",
		"plain_text_input":           "value",
		"email_text_input":           "value",
		"url_text_input":             "value",
		"number_input":               "value",
	}
}

func optionByValue(options []Option, value string) (map[string]any, bool) {
	for _, o := range options {
		if o.Value == value {
			return o.raw, true
		}
	}
	return nil, false
}

// WaitEphemeral waits for a message that only u sees and for which match holds; a nil match takes
// any.
func (u *User) WaitEphemeral(ctx context.Context, match func(Message) bool) (Message, error) {
	return u.srv.WaitMessage(ctx, func(m Message) bool {
		return m.EphemeralTo == u.ID && (match == nil || match(m))
	})
}

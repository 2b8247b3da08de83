package slackbot

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/slack-go/slack"
)

// The types of envelopes, by their names in Socket Mode.
const (
	envelopeCommand     = "slash_commands"
	envelopeInteraction = "interactive"
	envelopeEvent       = "events_api"
)

// decode reads an envelope's payload. It returns nil for what needs no answer, such as the bot's own
// messages.
func decode(envelope string, payload []byte) (*request, error) {
	switch envelope {
	case envelopeCommand:
		return decodeCommand(payload)
	case envelopeInteraction:
		return decodeInteraction(payload)
	case envelopeEvent:
		return decodeEvent(payload)
	default:
		return nil, nil
	}
}

func decodeCommand(payload []byte) (*request, error) {
	var c slack.SlashCommand
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, fmt.Errorf("reading a slash command: %w", err)
	}
	return requestOf(c), nil
}

func requestOf(c slack.SlashCommand) *request {
	line, block := cutBlock(c.Text)
	return &request{
		id:          c.TriggerID,
		kind:        kindSlash,
		team:        c.TeamID,
		user:        c.UserID,
		channel:     c.ChannelID,
		direct:      isDirect(c.ChannelID),
		text:        strings.TrimSpace(typed(line)),
		files:       block,
		responseURL: c.ResponseURL,
		trigger:     c.TriggerID,
	}
}

// isDirect reports whether a channel's id is one of a direct message.
func isDirect(channel string) bool { return strings.HasPrefix(channel, "D") }

// interaction is what the bot reads of an interaction's payload. slack-go's type decodes every block
// of the message too, which costs more and fails at blocks that it does not know.
type interaction struct {
	Type        slack.InteractionType `json:"type"`
	TriggerID   string                `json:"trigger_id"`
	ResponseURL string                `json:"response_url"`
	Team        struct {
		ID string `json:"id"`
	} `json:"team"`
	User struct {
		ID     string `json:"id"`
		TeamID string `json:"team_id"`
	} `json:"user"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Container struct {
		MessageTS   string `json:"message_ts"`
		ThreadTS    string `json:"thread_ts"`
		IsEphemeral bool   `json:"is_ephemeral"`
	} `json:"container"`
	Message struct {
		ThreadTS string `json:"thread_ts"`
	} `json:"message"`
	Actions []struct {
		ActionID string `json:"action_id"`
		Value    string `json:"value"`
		ActionTS string `json:"action_ts"`
	} `json:"actions"`
	View struct {
		ID              string `json:"id"`
		CallbackID      string `json:"callback_id"`
		PrivateMetadata string `json:"private_metadata"`
		State           struct {
			Values map[string]map[string]struct {
				Value string `json:"value"`
			} `json:"values"`
		} `json:"state"`
	} `json:"view"`
}

func decodeInteraction(payload []byte) (*request, error) {
	var in interaction
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, fmt.Errorf("reading an interaction: %w", err)
	}
	r := &request{
		id:          in.TriggerID,
		team:        in.User.TeamID,
		user:        in.User.ID,
		channel:     in.Channel.ID,
		direct:      isDirect(in.Channel.ID),
		responseURL: in.ResponseURL,
		trigger:     in.TriggerID,
		thread:      in.Container.ThreadTS,
	}
	if r.team == "" {
		r.team = in.Team.ID
	}
	if r.thread == "" {
		r.thread = in.Message.ThreadTS
	}
	if !in.Container.IsEphemeral {
		r.message = in.Container.MessageTS
	}
	switch {
	case in.Type == slack.InteractionTypeBlockActions && len(in.Actions) > 0:
		r.kind, r.value = kindClick, in.Actions[0].Value
		r.action, _, _ = strings.Cut(in.Actions[0].ActionID, "-")
	case in.Type == slack.InteractionTypeViewSubmission:
		r.kind, r.action, r.value = kindSubmit, in.View.CallbackID, in.View.PrivateMetadata
		r.text = typed(in.View.State.Values[typedBlock][typedInput].Value)
		if r.id == "" {
			r.id = in.View.ID
		}
	default:
		return nil, nil
	}
	return r, nil
}

// event is what the bot reads of an event's payload.
type event struct {
	Type      string `json:"type"`
	Challenge string `json:"challenge"`
	TeamID    string `json:"team_id"`
	EventID   string `json:"event_id"`
	Event     struct {
		Type        string          `json:"type"`
		Subtype     string          `json:"subtype"`
		ChannelType string          `json:"channel_type"`
		User        string          `json:"user"`
		UserTeam    string          `json:"user_team"`
		Team        string          `json:"team"`
		BotID       string          `json:"bot_id"`
		Text        string          `json:"text"`
		TS          string          `json:"ts"`
		ThreadTS    string          `json:"thread_ts"`
		Channel     string          `json:"channel"`
		Tab         string          `json:"tab"`
		Edited      json.RawMessage `json:"edited"`
		Files       []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"files"`
	} `json:"event"`
}

// personTeam is the workspace of the person, which differs from the one that delivers the event in
// channels that two workspaces share.
func (e *event) personTeam() string {
	for _, team := range []string{e.Event.UserTeam, e.Event.Team, e.TeamID} {
		if team != "" {
			return team
		}
	}
	return ""
}

// subtypeFile marks direct messages that came with files. Mentions with files have no subtype.
const subtypeFile = "file_share"

func decodeEvent(payload []byte) (*request, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, fmt.Errorf("reading an event: %w", err)
	}
	in := &e.Event
	if in.BotID != "" || in.User == "" || len(in.Edited) > 0 {
		return nil, nil
	}
	line, files := cutBlock(in.Text)
	for _, f := range in.Files {
		files = append(files, attachment{Name: attachmentName(f.Name), ID: f.ID})
	}
	r := &request{
		id: e.EventID, team: e.personTeam(), user: in.User, channel: in.Channel, direct: isDirect(in.Channel), files: files,
	}
	switch {
	case in.Type == "app_mention" && in.Subtype == "":
		r.kind, r.text, r.thread = kindMention, mentioned(line), firstOf(in.ThreadTS, in.TS)
	case in.Type == "message" && in.ChannelType == "im" && (in.Subtype == "" || in.Subtype == subtypeFile):
		r.kind, r.text, r.thread = kindMessage, mentioned(line), in.ThreadTS
	case in.Type == "app_home_opened" && in.Tab == "home":
		r.kind = kindHome
	default:
		return nil, nil
	}
	return r, nil
}

// leadingMention is the bot's name in front of a command: "<@U0123>" or "<@U0123|labbot>".
var leadingMention = regexp.MustCompile(`^\s*<@[A-Z0-9]+(?:\|[^>]*)?>[\s:,]*`)

// mentioned is the command in a message: what stands behind the bot's name, if that comes first. The
// word "/lab" in front of it is left out, since people copy whole commands.
func mentioned(text string) string {
	text = strings.TrimSpace(typed(leadingMention.ReplaceAllString(text, "")))
	if rest, found := strings.CutPrefix(text, "/lab"); found && (rest == "" || rest[0] == ' ') {
		return strings.TrimSpace(rest)
	}
	return text
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

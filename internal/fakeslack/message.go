package fakeslack

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Message is a message as a client of Slack would show it. The server hands out copies.
type Message struct {
	Channel  string `json:"channel"`
	TS       string `json:"ts"`
	ThreadTS string `json:"thread_ts,omitempty"`
	// User is the author's id; BotID is set when the app posted it.
	User  string `json:"user"`
	BotID string `json:"bot_id,omitempty"`
	// Text is what the app sent as text: the message itself, or with blocks the fallback for
	// notifications and old clients.
	Text        string           `json:"text"`
	Blocks      []map[string]any `json:"blocks,omitempty"`
	Attachments []map[string]any `json:"attachments,omitempty"`
	Files       []File           `json:"files,omitempty"`
	Reactions   []string         `json:"reactions,omitempty"`
	// EphemeralTo is the only person who sees the message; empty means everyone in the channel.
	EphemeralTo string `json:"ephemeral_to,omitempty"`
	Deleted     bool   `json:"deleted,omitempty"`
	// Via is how the message came: chat.postMessage, chat.postEphemeral, response_url, ack,
	// files.completeUploadExternal, user or slackbot.
	Via string `json:"via"`
	// Interaction is the id of the envelope that the message answers, when Slack can tell: through
	// its response_url or its acknowledgement.
	Interaction string    `json:"interaction,omitempty"`
	At          time.Time `json:"at"`
	// Revisions are the earlier contents, oldest first.
	Revisions []Revision `json:"revisions,omitempty"`

	parseFull bool // parse=full or link_names: plain @names are mentions
}

// Revision is what a message showed before it was updated.
type Revision struct {
	Text   string           `json:"text"`
	Blocks []map[string]any `json:"blocks,omitempty"`
	At     time.Time        `json:"at"` // when it was replaced
}

// clone copies the message so that the caller may keep it. Blocks are replaced as a whole by
// updates and never changed in place, so they are shared.
func (m *Message) clone() Message {
	c := *m
	c.Files = slices.Clone(m.Files)
	c.Reactions = slices.Clone(m.Reactions)
	c.Revisions = slices.Clone(m.Revisions)
	return c
}

// Visible is all text that a person reads in the message: the blocks' texts, one a line, or Text
// when there are no blocks; then attachments and names of files.
func (m Message) Visible() string {
	var lines []string
	if len(m.Blocks) == 0 && m.Text != "" {
		lines = append(lines, m.Text)
	}
	for _, block := range m.Blocks {
		lines = append(lines, blockTexts(block)...)
	}
	for _, attachment := range m.Attachments {
		lines = append(lines, blockTexts(attachment)...)
	}
	for _, f := range m.Files {
		lines = append(lines, "["+f.Name+"]")
	}
	return strings.Join(lines, "\n")
}

// Contains reports whether a person reads s in the message, or in its notification.
func (m Message) Contains(s string) bool {
	return strings.Contains(m.Visible(), s) || strings.Contains(m.Text, s)
}

// String is a short form for test failures.
func (m Message) String() string {
	to := "all"
	if m.EphemeralTo != "" {
		to = m.EphemeralTo
	}
	return fmt.Sprintf("%s in %s to %s via %s: %q", m.TS, m.Channel, to, m.Via, m.Visible())
}

// VisibleTo reports whether u sees the message: not deleted, in a channel of u, and not for someone
// else only.
func (s *Server) visibleTo(m *Message, u *User) bool {
	if m.Deleted || (m.EphemeralTo != "" && m.EphemeralTo != u.ID) {
		return false
	}
	c := s.world.channels[m.Channel]
	return c != nil && (c.members[u.ID] || (c.Kind == PublicChannel && c.Team == u.Team))
}

// Messages returns every message that was ever posted, deleted and ephemeral ones included, in
// order.
func (s *Server) Messages() []Message {
	return s.messagesWhere(func(*Message) bool { return true })
}

// History is what u sees in the channel now, in order, threads included.
func (c *Channel) History(u *User) []Message {
	return c.srv.messagesWhere(func(m *Message) bool {
		return m.Channel == c.ID && c.srv.visibleTo(m, u)
	})
}

// Thread is what u sees under the message with timestamp ts, the parent first.
func (c *Channel) Thread(u *User, ts string) []Message {
	return c.srv.messagesWhere(func(m *Message) bool {
		return m.Channel == c.ID && (m.TS == ts || m.ThreadTS == ts) && c.srv.visibleTo(m, u)
	})
}

// Message returns the present state of a message.
func (s *Server) Message(channel, ts string) (Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.findMessage(channel, ts)
	if m == nil {
		return Message{}, false
	}
	return m.clone(), true
}

func (s *Server) messagesWhere(keep func(*Message) bool) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	for _, m := range s.messages {
		if keep(m) {
			out = append(out, m.clone())
		}
	}
	return out
}

func (s *Server) findMessage(channel, ts string) *Message {
	for _, m := range s.messages {
		if m.Channel == channel && m.TS == ts {
			return m
		}
	}
	return nil
}

// WaitMessage waits for a message, new or old, in its present state, for which match holds. Messages
// typed by people are not considered, nor deleted ones.
func (s *Server) WaitMessage(ctx context.Context, match func(Message) bool) (Message, error) {
	var found Message
	err := s.wait(ctx, func() bool {
		for _, m := range s.Messages() {
			if m.Via != viaUser && !m.Deleted && match(m) {
				found = m
				return true
			}
		}
		return false
	})
	if err != nil {
		return Message{}, fmt.Errorf("wait for a message: %w; posted so far:\n%s", err, s.transcript())
	}
	return found, nil
}

// transcript lists what was posted, for errors.
func (s *Server) transcript() string {
	var lines []string
	for _, m := range s.Messages() {
		lines = append(lines, "  "+m.String())
	}
	if len(lines) == 0 {
		return "  nothing"
	}
	return strings.Join(lines, "\n")
}

// Values of Message.Via that no API method names.
const (
	viaUser     = "user"
	viaSlackbot = "slackbot"
	viaAck      = "ack"
	viaURL      = "response_url"
)

// slackbotID is the user under which Slack itself speaks.
const slackbotID = "USLACKBOT"

// post stores a message. The caller holds s.mu and has validated it.
func (s *Server) post(m *Message) *Message {
	m.TS = s.newTS()
	m.At = s.opts.Now()
	assignBlockIDs(m.Blocks)
	s.messages = append(s.messages, m)
	s.notify()
	return m
}

// edit replaces the content of a message and keeps the former as a revision. The caller holds s.mu.
func (s *Server) edit(m *Message, with content) {
	m.Revisions = append(m.Revisions, Revision{Text: m.Text, Blocks: m.Blocks, At: s.opts.Now()})
	m.Text, m.Blocks, m.Attachments, m.parseFull = with.text, with.blocks, with.attachments, with.parseFull
	assignBlockIDs(m.Blocks)
	s.notify()
}

// delete removes a message from view. The caller holds s.mu.
func (s *Server) delete(m *Message) {
	m.Deleted = true
	s.notify()
}

// slackbotSays shows text to one person, as Slack does when a command failed. The caller holds s.mu.
func (s *Server) slackbotSays(channel, user, envelope, text string) {
	s.post(&Message{
		Channel: channel, User: slackbotID, EphemeralTo: user, Text: text, Via: viaSlackbot, Interaction: envelope,
	})
}

// assignBlockIDs gives each block that has none a block_id, as Slack does. Blocks come freshly
// decoded, so nobody else holds them.
func assignBlockIDs(blocks []map[string]any) {
	for _, b := range blocks {
		if id, _ := b["block_id"].(string); id == "" {
			b["block_id"] = randomHex(3)
		}
	}
}

// payload is the message object that events, interactions and API answers carry.
func (s *Server) messagePayload(m Message) map[string]any {
	out := map[string]any{"type": "message", "user": m.User, "ts": m.TS, "text": m.Text}
	if t := s.teamOfUser(m.User); t != nil {
		out["team"] = t.ID
	}
	if m.BotID != "" {
		out["bot_id"] = m.BotID
		out["app_id"] = s.appID
	}
	if len(m.Blocks) > 0 {
		out["blocks"] = m.Blocks
	}
	if len(m.Attachments) > 0 {
		out["attachments"] = m.Attachments
	}
	if m.ThreadTS != "" {
		out["thread_ts"] = m.ThreadTS
	}
	if n := len(m.Revisions); n > 0 {
		out["edited"] = map[string]any{"user": m.User, "ts": m.TS}
	}
	return out
}

func (s *Server) teamOfUser(id string) *Team {
	if u := s.world.users[id]; u != nil {
		return u.Team
	}
	return nil
}

// content is what an app says in a message, before it is posted.
type content struct {
	text        string
	blocks      []map[string]any
	attachments []map[string]any
	parseFull   bool
}

// readContent reads and validates a message's text, blocks and attachments. textLimit is in
// characters.
func readContent(a args, textLimit int) (content, *apiError) {
	c := content{text: a.str("text")}
	var err *apiError
	if c.blocks, err = a.objects("blocks", "invalid_blocks_format"); err != nil {
		return c, err
	}
	if c.attachments, err = a.objects("attachments", "invalid_attachments"); err != nil {
		return c, err
	}
	c.parseFull = a.str("parse") == "full" || a.bool("link_names")
	if c.text == "" && len(c.blocks) == 0 && len(c.attachments) == 0 {
		return c, fail("no_text")
	}
	if runes(c.text) > textLimit {
		return c, fail("msg_too_long")
	}
	if err := checkMessageBlocks(c.blocks); err != nil {
		return c, err
	}
	return c, checkAttachments(c.attachments)
}

// blockTexts collects the readable strings below v, in order of appearance for arrays and of a fixed
// list of keys for objects.
func blockTexts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, item := range v {
			out = append(out, blockTexts(item)...)
		}
		return out
	case []map[string]any:
		var out []string
		for _, item := range v {
			out = append(out, blockTexts(item)...)
		}
		return out
	case map[string]any:
		var out []string
		for _, key := range readableKeys() {
			if child, ok := v[key]; ok {
				out = append(out, readable(key, child)...)
			}
		}
		return out
	}
	return nil
}

// readable leaves out strings that are identifiers under keys that also hold objects.
func readable(key string, v any) []string {
	if n, ok := v.(json.Number); ok {
		return []string{n.String()}
	}
	if n, ok := v.(float64); ok {
		return []string{fmt.Sprint(n)}
	}
	if s, ok := v.(string); ok {
		if key == "value" {
			return nil
		}
		return []string{s}
	}
	return blockTexts(v)
}

// readableKeys are the keys of Block Kit objects whose content is shown, in reading order.
func readableKeys() []string {
	return []string{
		"pretext", "author_name", "title", "rich_text_title", "subtitle", "caption", "label", "text", "body", "fields", "alt_text",
		"rows", "elements", "element", "positive_button", "negative_button", "accessory", "placeholder", "options", "option_groups", "description", "hint",
		"tasks", "details", "output", "value", "child_blocks", "actions", "blocks", "subtext", "footer", "fallback",
	}
}

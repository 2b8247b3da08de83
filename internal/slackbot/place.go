package slackbot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slack-go/slack"
)

// The life of a response_url. See
// https://docs.slack.dev/interactivity/handling-user-interaction#message_responses.
const (
	responseUses = 5
	responseLife = 29 * time.Minute // 30 by Slack's clock
)

// place is where the answers to a command go. It is kept, sealed, in the command's record, so that
// another replica can answer too.
type place struct {
	Channel string `json:"channel,omitempty"`
	User    string `json:"user"`
	// Thread is the message under which to answer.
	Thread string `json:"thread,omitempty"`
	Direct bool   `json:"direct,omitempty"`
	// Public answers are for the whole channel.
	Public bool `json:"public,omitempty"`
	// Message is the bot's message that the next answer replaces.
	Message string `json:"message,omitempty"`
	// ResponseURL can be posted to Uses times until Until. Replaces says that an answer there
	// replaces the message whose button was pressed.
	ResponseURL string    `json:"responseURL,omitempty"`
	Uses        int       `json:"uses,omitempty"`
	Until       time.Time `json:"until,omitzero"`
	Replaces    bool      `json:"replaces,omitempty"`
}

// placeOf is where a request wants its answer.
func placeOf(r *request, public bool, now time.Time) *place {
	p := &place{
		Channel: r.channel,
		User:    r.user,
		Thread:  r.thread,
		Direct:  r.direct,
		Public:  public || r.kind != kindSlash,
	}
	if p.Channel == "" {
		p.Channel = r.user // a button of the App Home; Slack takes a person for their direct messages
	}
	p.use(r, now)
	return p
}

// use lets answers go where a button was pressed, or a command given. Only the requester's own clicks
// may be used: what is posted to a response_url in private is shown to whoever clicked.
func (p *place) use(r *request, now time.Time) {
	if r.responseURL == "" {
		return
	}
	p.ResponseURL, p.Uses, p.Until = r.responseURL, responseUses, now.Add(responseLife)
	p.Replaces = r.kind == kindClick
	if r.kind == kindClick {
		p.Message = r.message
		p.Public = r.message != ""
	}
	switch {
	case r.action == actionAgain:
		p.Message, p.Replaces = "", false // the first answer stays, whoever asks again
	case r.action == actionPage && !r.ownsPages():
		p.whisper()
	}
}

// whisper makes the next answer a new one, for the person alone.
func (p *place) whisper() { p.Message, p.Replaces, p.Public = "", false, false }

// finalUses are the uses of a response_url that are kept for the answer itself.
const finalUses = 2

// updates reports whether what is shown can be replaced, and the answer after that too. A private message
// can be only by the response_url of a button in it: Slack replaces nothing by that of the command. See
// https://github.com/slackapi/bolt-js/issues/2287.
func (p *place) updates() bool { return p.Message != "" || p.Replaces && p.Uses > finalUses }

// follow goes on in the message whose button was pressed.
func (p *place) follow(to *place) {
	p.ResponseURL, p.Uses, p.Until, p.Replaces = to.ResponseURL, to.Uses, to.Until, true
}

// pause is how long to wait before the next update: the fewer are left, the longer.
func (p *place) pause() time.Duration {
	if p.Message != "" || !p.Replaces {
		return updateEvery
	}
	return updateEvery << (2 * max(0, responseUses-p.Uses)) // 3 s, 12 s, 48 s …
}

// speaker says things in places.
type speaker struct {
	slack *slackClient
	now   func() time.Time
}

// errPrivate says that no private way was left for a private message.
var errPrivate = errors.New("Slack gives no private way to answer")

// say shows a message: in place of the one before it where that is possible, else as a new one. It
// tries every way that Slack leaves open, the least noisy first, and a direct message last.
func (s *speaker) say(ctx context.Context, p *place, m message) error {
	var failed []error
	for _, way := range s.ways(p, m) {
		err := way(ctx, p, m)
		if err == nil {
			return s.attach(ctx, p, m)
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

type way func(context.Context, *place, message) error

// ways lists how a message can get to its place.
func (s *speaker) ways(p *place, m message) []way {
	var ways []way
	responds := p.ResponseURL != "" && p.Uses > 0 && s.now().Before(p.Until)
	switch {
	case m.private:
		if responds {
			ways = append(ways, s.respond)
		}
		return append(ways, s.ephemeral, s.refuse)
	case p.Message != "":
		ways = append(ways, s.update)
	case p.Public && !p.Replaces:
		ways = append(ways, s.post)
	}
	if responds {
		ways = append(ways, s.respond)
	}
	if !p.Public && p.Channel != "" {
		ways = append(ways, s.ephemeral)
	}
	return append(ways, s.direct)
}

func (s *speaker) options(m message) []slack.MsgOption {
	return []slack.MsgOption{
		slack.MsgOptionText(m.text, false),
		slack.MsgOptionBlocks(m.blocks...),
		slack.MsgOptionDisableLinkUnfurl(),
		slack.MsgOptionDisableMediaUnfurl(),
	}
}

func (s *speaker) inThread(p *place, m message) []slack.MsgOption {
	options := s.options(m)
	if p.Thread != "" {
		options = append(options, slack.MsgOptionTS(p.Thread))
	}
	return options
}

func (s *speaker) post(ctx context.Context, p *place, m message) error {
	channel, ts, err := s.slack.PostMessageContext(ctx, p.Channel, s.inThread(p, m)...)
	if err != nil {
		return fmt.Errorf("posting in %s: %w", p.Channel, err)
	}
	p.Channel, p.Message = channel, ts
	return nil
}

func (s *speaker) update(ctx context.Context, p *place, m message) error {
	if _, _, _, err := s.slack.UpdateMessageContext(ctx, p.Channel, p.Message, s.options(m)...); err != nil {
		return fmt.Errorf("updating a message in %s: %w", p.Channel, err)
	}
	return nil
}

func (s *speaker) ephemeral(ctx context.Context, p *place, m message) error {
	if _, err := s.slack.PostEphemeralContext(ctx, p.Channel, p.User, s.inThread(p, m)...); err != nil {
		return fmt.Errorf("answering privately in %s: %w", p.Channel, err)
	}
	return nil
}

func (s *speaker) respond(ctx context.Context, p *place, m message) error {
	p.Uses--
	body := &slack.WebhookMessage{
		Text:            m.text,
		Blocks:          &slack.Blocks{BlockSet: m.blocks},
		ResponseType:    slack.ResponseTypeEphemeral,
		ReplaceOriginal: p.Replaces && !m.private,
	}
	if p.Public && !m.private {
		body.ResponseType = slack.ResponseTypeInChannel
	}
	return s.slack.respond(ctx, p.ResponseURL, body)
}

// direct writes to the person, who may have left the channel.
func (s *speaker) direct(ctx context.Context, p *place, m message) error {
	if _, _, err := s.slack.PostMessageContext(ctx, p.User, s.options(m)...); err != nil {
		return fmt.Errorf("writing a direct message to %s: %w", p.User, err)
	}
	return nil
}

func (s *speaker) refuse(context.Context, *place, message) error { return errPrivate }

// attach puts the whole output into a file: in the thread if everybody may read it, else in the
// person's direct messages.
func (s *speaker) attach(ctx context.Context, p *place, m message) error {
	if m.file == "" || m.private {
		return nil
	}
	channel, thread := p.Channel, firstOf(p.Thread, p.Message)
	if !p.Public {
		opened, _, _, err := s.slack.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{p.User}})
		if err != nil {
			return fmt.Errorf("opening the direct messages of %s: %w", p.User, err)
		}
		channel, thread = opened.ID, ""
	}
	_, err := s.slack.UploadFileContext(ctx, slack.UploadFileParameters{
		Filename:        "output.txt",
		Title:           "The whole output",
		Content:         m.file,
		FileSize:        len(m.file),
		Channel:         channel,
		ThreadTimestamp: thread,
	})
	if err != nil {
		return fmt.Errorf("attaching the output: %w", err)
	}
	return nil
}

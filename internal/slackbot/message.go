package slackbot

import (
	"encoding/json"
	"strings"

	"github.com/slack-go/slack"

	"github.com/kubectl-lab/kubectl-lab/internal/render/blockkit"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// The action ids of buttons, and the names of the modal's parts.
const (
	actionConfirm = "confirm"
	actionCancel  = "cancel" // a preview
	actionApprove = "approve"
	actionDeny    = "deny"
	actionStop    = "stop" // a running command
	actionFollow  = "follow"
	actionAgain   = "again"
	actionPage    = "page"
	actionRevoke  = "revoke"

	callbackTyped = "typed"
	typedBlock    = "typed"
	typedInput    = "line"
)

// message is what the bot says once.
type message struct {
	blocks []slack.Block
	// text is the fallback, escaped.
	text string
	// private messages are shown to the requester alone, wherever the command was given.
	private bool
	// file is attached in the thread, if the message did not hold everything.
	file string
}

// textMessage is a message of one line of ours, without data of others.
func textMessage(text string) message {
	doc := new(document.Document).Add(document.Note{Text: text})
	return documentMessage(doc, blockkit.Options{})
}

// documentMessage is the first page of a document.
func documentMessage(doc *document.Document, options blockkit.Options) message {
	page := blockkit.Pages(doc, options)[0]
	return message{blocks: page.Blocks, text: page.Fallback}
}

// add appends blocks.
func (m *message) add(blocks ...slack.Block) { m.blocks = append(m.blocks, blocks...) }

// note appends a small gray line.
func (m *message) note(text string) {
	const most = 500
	m.add(slack.NewContextBlock("", slack.NewTextBlockObject(slack.PlainTextType, blockkit.Truncate(text, most), false, false)))
}

// buttons appends a row of buttons; nil ones are left out.
func (m *message) buttons(buttons ...*slack.ButtonBlockElement) {
	var elements []slack.BlockElement
	for _, b := range buttons {
		if b != nil {
			elements = append(elements, b)
		}
	}
	if len(elements) > 0 {
		m.add(slack.NewActionBlock("", elements...))
	}
}

// maxValue is Slack's limit for a button's value.
const maxValue = 2000

// button is nil if its value is too long for Slack.
func button(action, value, label string, style slack.Style) *slack.ButtonBlockElement {
	if len([]rune(value)) > maxValue {
		return nil
	}
	b := slack.NewButtonBlockElement(action, value, slack.NewTextBlockObject(slack.PlainTextType, label, false, false))
	return b.WithStyle(style)
}

// pageValue is the value of the buttons that run a line again.
type pageValue struct {
	Line string `json:"line"`
	Page int    `json:"page,omitempty"`
	// Person, if set, is the only one for whom the message may be replaced.
	Person string `json:"person,omitempty"`
}

func (v pageValue) encode() string {
	data, err := json.Marshal(v)
	if err != nil {
		return strings.Repeat("x", maxValue+1) // cannot happen; too long, so no button
	}
	return string(data)
}

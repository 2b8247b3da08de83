package fakeslack_test

import (
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// TestEveryBlockOfSlackGoIsAccepted posts one of each block and element that slack-go can build, with
// every optional field that bots commonly set, so that the fake refuses nothing that Slack takes.
func TestEveryBlockOfSlackGoIsAccepted(t *testing.T) {
	plain := func(s string) *slack.TextBlockObject {
		return slack.NewTextBlockObject(slack.PlainTextType, s, true, false)
	}
	mrkdwn := func(s string) *slack.TextBlockObject {
		return slack.NewTextBlockObject(slack.MarkdownType, s, false, true)
	}
	confirm := slack.NewConfirmationBlockObject(plain("Sure?"), mrkdwn("This *deletes* it."), plain("Yes"), plain("No"))
	confirm.Style = slack.StyleDanger
	press := func(id string) *slack.ButtonBlockElement {
		b := slack.NewButtonBlockElement(id, "value", plain("Press")).WithStyle(slack.StyleDanger).WithConfirm(confirm)
		b.AccessibilityLabel = "press"
		return b
	}
	option := slack.NewOptionBlockObject("a", plain("A"), plain("described"))
	options := []*slack.OptionBlockObject{option, slack.NewOptionBlockObject("b", plain("B"), nil)}
	menu := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plain("Pick"), "menu", options...).WithInitialOption(option)
	grouped := slack.NewOptionsGroupSelectBlockElement(slack.OptTypeStatic, plain("Pick"), "grouped", slack.NewOptionGroupBlockElement(plain("G"), options...))
	users := slack.NewOptionsSelectBlockElement(slack.OptTypeUser, plain("Who"), "users")
	multi := slack.NewOptionsMultiSelectBlockElement(slack.MultiOptTypeStatic, plain("Pick"), "multi", options...)
	image := slack.NewImageBlockElement("https://example.com/a.png", "alt")
	line := slack.NewRichTextSection(
		slack.NewRichTextSectionTextElement("text", &slack.RichTextSectionTextStyle{Bold: true, Code: true}),
		slack.NewRichTextSectionLinkElement("https://example.com", "label", nil),
		slack.NewRichTextSectionEmojiElement("tada", 0, nil),
		slack.NewRichTextSectionUserElement("U1", nil),
		slack.NewRichTextSectionChannelElement("C1", nil),
		slack.NewRichTextSectionUserGroupElement("S1"),
		slack.NewRichTextSectionBroadcastElement("here"),
		slack.NewRichTextSectionDateElement(1700000000, "{date}", nil, nil),
	)
	rich := slack.NewRichTextBlock("", line, slack.NewRichTextList(slack.RTEListBullet, 1, line),
		&slack.RichTextPreformatted{Type: slack.RTEPreformatted, Elements: []slack.RichTextSectionElement{
			slack.NewRichTextSectionTextElement("code", nil),
		}},
		&slack.RichTextQuote{Type: slack.RTEQuote, Elements: []slack.RichTextSectionElement{slack.NewRichTextSectionTextElement("quote", nil)}})
	dataTable := slack.NewDataTableBlock("Nodes").WithPageSize(10).
		AddRow(slack.NewDataTableRawTextCell("name"), slack.NewDataTableRawTextCell("pods"), slack.NewDataTableRawTextCell("")).
		AddRow(slack.NewDataTableRawTextCell("k8s01"), slack.NewDataTableRawNumberCell(3), slack.NewDataTableActionCell(press("cell")))
	dataTable.Rows[0][2] = slack.NewDataTableRawTextCell("act")

	blocks := map[string]slack.Block{
		"section":          slack.NewSectionBlock(mrkdwn("text"), nil, slack.NewAccessory(press("p"))),
		"fields":           slack.NewSectionBlock(nil, []*slack.TextBlockObject{mrkdwn("a"), plain("b")}, slack.NewAccessory(image)),
		"multi accessory":  slack.NewSectionBlock(mrkdwn("text"), nil, slack.NewAccessory(multi)),
		"header":           slack.NewHeaderBlock(plain("Header")),
		"divider":          slack.NewDividerBlock(),
		"context":          slack.NewContextBlock("id", mrkdwn("a"), plain("b"), image),
		"image":            slack.NewImageBlock("https://example.com/a.png", "alt", "", plain("Title")),
		"actions":          slack.NewActionBlock("", press("a"), menu, grouped, users, slack.NewOverflowBlockElement("o", options...), slack.NewDatePickerBlockElement("d"), slack.NewTimePickerBlockElement("t"), slack.NewCheckboxGroupsBlockElement("c", options...), slack.NewRadioButtonsBlockElement("r", options...)),
		"input":            slack.NewInputBlock("", plain("Name"), plain("hint"), slack.NewPlainTextInputBlockElement(plain("type"), "i").WithMaxLength(20)),
		"markdown":         slack.NewMarkdownBlock("", "# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"),
		"rich text":        rich,
		"table":            slack.NewTableBlock("").WithColumnSettings(slack.ColumnSetting{Align: slack.ColumnAlignmentRight, IsWrapped: true}).AddRow(slack.NewTableRawTextCell("a"), slack.NewTableRichTextCell(line)),
		"data table":       dataTable,
		"context actions":  slack.NewContextActionsBlock("", slack.NewFeedbackButtonsBlockElement("f", slack.NewFeedbackButton(plain("+"), "1"), slack.NewFeedbackButton(plain("-"), "0"))),
		"alert":            slack.NewAlertBlock(mrkdwn("careful")),
		"container of one": &slack.ContainerBlock{Type: slack.MBTContainer, Title: plain("Box"), IsCollapsible: true, ChildBlocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock(), slack.NewActionBlock("", press("inner"))}}},
	}
	l := newLab(t, fakeslack.Options{})
	for name, block := range blocks {
		t.Run(name, func(t *testing.T) {
			ts, err := postTS(l, slack.MsgOptionText("fallback", false), slack.MsgOptionBlocks(block))
			if err != nil {
				t.Fatalf("%v for %s", err, asJSON(t, block))
			}
			m, _ := l.Message(l.room.ID, ts)
			if name != "divider" && m.Visible() == "" {
				t.Error("nobody sees anything of it")
			}
			for _, e := range m.Elements() {
				choice := ""
				if len(e.Options) > 0 {
					choice = e.Options[0].Value
				}
				if _, err := l.ann.Act(m, e, choice); err != nil && !strings.Contains(err.Error(), "cannot operate") {
					t.Errorf("operate %s: %v", e.Type, err)
				}
			}
			if strings.Contains(asJSON(t, block), `"Press"`) {
				if _, ok := m.Button("Press"); !ok {
					t.Error("the button cannot be found")
				}
			}
		})
	}
}

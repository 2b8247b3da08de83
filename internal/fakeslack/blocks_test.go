package fakeslack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// text returns n characters that take three bytes each.
func text(n int) string { return strings.Repeat("界", n) }

func plain(n int) string  { return fmt.Sprintf(`{"type":"plain_text","text":%q}`, text(n)) }
func mrkdwn(n int) string { return fmt.Sprintf(`{"type":"mrkdwn","text":%q}`, text(n)) }

func times(n int, item string) string {
	return "[" + strings.Join(slices.Repeat([]string{item}, n), ",") + "]"
}

func section(n int) string { return `{"type":"section","text":` + mrkdwn(n) + `}` }

func buttonJSON(textLen, valueLen, idLen int) string {
	return fmt.Sprintf(`{"type":"button","text":%s,"value":%q,"action_id":%q}`, plain(textLen), text(valueLen), text(idLen))
}

func actions(elements string) string { return `{"type":"actions","elements":` + elements + `}` }

func confirmed(textLen int) string {
	return fmt.Sprintf(`{"type":"button","text":%s,"confirm":{"title":%s,"text":%s,"confirm":%s,"deny":%s}}`,
		plain(1), plain(1), mrkdwn(textLen), plain(1), plain(1))
}

func menuJSON(valueLen int) string {
	return fmt.Sprintf(`{"type":"static_select","options":[{"text":%s,"value":%q}]}`, plain(1), text(valueLen))
}

func table(rows, columns, textLen int) string {
	cell := fmt.Sprintf(`{"type":"raw_text","text":%q}`, text(textLen))
	return `{"type":"table","rows":` + times(rows, times(columns, cell)) + `}`
}

func TestMessageBlocks(t *testing.T) {
	for _, tc := range []struct {
		name   string
		blocks string // the content of the array
		code   string // empty: accepted
		detail string // one of the messages
	}{
		{name: "a section at its limit", blocks: section(3000)},
		{
			name: "a section over its limit", blocks: section(3001),
			code: "invalid_blocks", detail: "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
		},
		{
			name: "the schema line comes too", blocks: section(3001),
			code: "invalid_blocks", detail: "failed to match all allowed schemas [json-pointer:/blocks/0/text]",
		},
		{
			name: "an empty text", blocks: section(0),
			code: "invalid_blocks", detail: "must be more than 0 characters [json-pointer:/blocks/0/text/text]",
		},
		{name: "a section with nothing", blocks: `{"type":"section"}`, code: "invalid_blocks", detail: "missing required field: text [json-pointer:/blocks/0]"},
		{name: "ten fields", blocks: `{"type":"section","fields":` + times(10, mrkdwn(9)) + `}`},
		{
			name: "eleven fields", blocks: `{"type":"section","fields":` + times(11, mrkdwn(9)) + `}`,
			code: "invalid_blocks", detail: "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
		},
		{
			name: "a long field", blocks: `{"type":"section","fields":` + times(1, mrkdwn(2001)) + `}`,
			code: "invalid_blocks", detail: "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
		},
		{name: "a header at its limit", blocks: `{"type":"header","text":` + plain(150) + `}`},
		{
			name: "a header over its limit", blocks: `{"type":"header","text":` + plain(151) + `}`,
			code: "invalid_blocks", detail: "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
		},
		{
			name: "mrkdwn in a header", blocks: `{"type":"header","text":` + mrkdwn(1) + `}`,
			code: "invalid_blocks", detail: "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]",
		},
		{name: "ten context elements", blocks: `{"type":"context","elements":` + times(10, mrkdwn(1)) + `}`},
		{
			name: "eleven context elements", blocks: `{"type":"context","elements":` + times(11, mrkdwn(1)) + `}`,
			code: "invalid_blocks", detail: "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
		},
		{name: "a button at its limits", blocks: actions("[" + buttonJSON(75, 2000, 255) + "]")},
		{
			name: "a long label", blocks: actions("[" + buttonJSON(76, 1, 1) + "]"),
			code: "invalid_blocks", detail: "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
		},
		{
			name: "a long value", blocks: actions("[" + buttonJSON(1, 2001, 1) + "]"),
			code: "invalid_blocks", detail: "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
		},
		{
			name: "a long action_id", blocks: actions("[" + buttonJSON(1, 1, 256) + "]"),
			code: "invalid_blocks", detail: "must be less than 256 characters [json-pointer:/blocks/0/elements/0/action_id]",
		},
		{name: "25 buttons", blocks: actions(times(25, buttonJSON(1, 1, 0)))},
		{
			name: "26 buttons", blocks: actions(times(26, buttonJSON(1, 1, 0))),
			code: "invalid_blocks", detail: "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
		},
		{
			name: "no buttons", blocks: actions("[]"),
			code: "invalid_blocks", detail: "must provide at least 1 items [json-pointer:/blocks/0/elements]",
		},
		{
			name: "one action_id twice in a block", blocks: actions(times(2, buttonJSON(1, 1, 3))),
			code: "invalid_blocks", detail: "`action_id` already exists: 界界界 [json-pointer:/blocks/0]",
		},
		{name: "one action_id in two blocks", blocks: actions("["+buttonJSON(1, 1, 3)+"]") + "," + actions("["+buttonJSON(1, 1, 3)+"]")},
		{
			name:   "one block_id twice",
			blocks: `{"type":"divider","block_id":"x"},{"type":"divider","block_id":"x"}`,
			code:   "invalid_blocks", detail: "`block_id` already exists: x [json-pointer:/blocks/1/block_id]",
		},
		{
			name: "an unknown style", blocks: actions(`[{"type":"button","text":` + plain(1) + `,"style":"warning"}]`),
			code: "invalid_blocks", detail: "must be one of primary, danger [json-pointer:/blocks/0/elements/0/style]",
		},
		{name: "a confirm text at its limit", blocks: actions("[" + confirmed(300) + "]")},
		{
			name: "a confirm text over its limit", blocks: actions("[" + confirmed(301) + "]"),
			code: "invalid_blocks", detail: "must be less than 301 characters [json-pointer:/blocks/0/elements/0/confirm/text/text]",
		},
		{name: "an option value at its limit", blocks: actions("[" + menuJSON(150) + "]")},
		{
			name: "an option value over its limit", blocks: actions("[" + menuJSON(151) + "]"),
			code: "invalid_blocks", detail: "must be less than 151 characters [json-pointer:/blocks/0/elements/0/options/0/value]",
		},
		{
			name: "a menu without options", blocks: actions(`[{"type":"static_select"}]`),
			code: "invalid_blocks", detail: "must provide either options or option_groups [json-pointer:/blocks/0/elements/0]",
		},
		{
			name: "a multi select in actions", blocks: actions(`[{"type":"multi_users_select","action_id":"a"}]`),
			code: "invalid_blocks", detail: "unsupported element: multi_users_select [json-pointer:/blocks/0/elements/0]",
		},
		{
			name: "an unknown element", blocks: actions(`[{"type":"slider"}]`),
			code: "invalid_blocks", detail: "unsupported type: slider [json-pointer:/blocks/0/elements/0/type]",
		},
		{
			name: "an unknown block", blocks: `{"type":"sections"}`,
			code: "invalid_blocks", detail: "unsupported type: sections [json-pointer:/blocks/0/type]",
		},
		{
			name: "an unknown key", blocks: `{"type":"divider","colour":"red"}`,
			code: "invalid_blocks", detail: "invalid additional property: colour [json-pointer:/blocks/0]",
		},
		{name: "fifty blocks", blocks: strings.Trim(times(50, `{"type":"divider"}`), "[]")},
		{
			name: "51 blocks", blocks: strings.Trim(times(51, `{"type":"divider"}`), "[]"),
			code: "invalid_blocks", detail: "no more than 50 items allowed [json-pointer:/blocks]",
		},
		{name: "long together", blocks: strings.Trim(times(5, section(2700)), "[]"), code: "msg_blocks_too_long"},
		{name: "not too long together", blocks: strings.Trim(times(4, section(2700)), "[]")},
		{name: "a markdown block at its limit", blocks: fmt.Sprintf(`{"type":"markdown","text":%q}`, text(12000))},
		{
			name: "markdown blocks over the limit together", blocks: strings.Trim(times(2, fmt.Sprintf(`{"type":"markdown","text":%q}`, text(6001))), "[]"),
			code: "invalid_blocks", detail: "no more than 12000 characters allowed in all markdown blocks [json-pointer:/blocks]",
		},
		{
			name: "markdown that becomes 51 blocks", blocks: fmt.Sprintf(`{"type":"markdown","text":%q}`, strings.Repeat("# a\n", 51)),
			code: "invalid_blocks", detail: "no more than 50 items allowed [json-pointer:/blocks]",
		},
		{name: "a table of 100 rows", blocks: table(100, 2, 1)},
		{
			name: "a table of 101 rows", blocks: table(101, 1, 1),
			code: "invalid_blocks", detail: "no more than 100 items allowed [json-pointer:/blocks/0/rows]",
		},
		{name: "a table of 20 columns", blocks: table(2, 20, 1)},
		{
			name: "a table of 21 columns", blocks: table(1, 21, 1),
			code: "invalid_blocks", detail: "no more than 20 items allowed [json-pointer:/blocks/0/rows/0]",
		},
		{name: "a table with 10,000 characters", blocks: table(2, 2, 2500)},
		{
			name: "a table with 10,004 characters", blocks: table(2, 2, 2501),
			code: "invalid_blocks", detail: "must be less than 10001 characters [json-pointer:/blocks/0/rows]",
		},
		{
			name: "an empty cell", blocks: table(1, 1, 0),
			code: "invalid_blocks", detail: "must be more than 0 characters [json-pointer:/blocks/0/rows/0/0/text]",
		},
		{name: "two tables", blocks: table(1, 1, 1) + "," + table(1, 1, 1), code: "invalid_attachments", detail: "only_one_table_allowed"},
		{
			name:   "a table and one in markdown",
			blocks: table(1, 1, 1) + "," + fmt.Sprintf(`{"type":"markdown","text":%q}`, "| a | b |\n|---|---|\n| 1 | 2 |\n"),
			code:   "invalid_attachments", detail: "only_one_table_allowed",
		},
		{
			name:   "a data table",
			blocks: `{"type":"data_table","caption":"c","rows":[[{"type":"raw_text","text":"n"}],[{"type":"raw_number","value":3}]]}`,
		},
		{
			name:   "a data table without a caption",
			blocks: `{"type":"data_table","rows":[[{"type":"raw_text","text":"n"}],[{"type":"raw_number","value":3}]]}`,
			code:   "invalid_blocks", detail: "missing required field: caption [json-pointer:/blocks/0]",
		},
		{
			name:   "a ragged data table",
			blocks: `{"type":"data_table","caption":"c","rows":[[{"type":"raw_text","text":"n"}],[]]}`,
			code:   "invalid_blocks", detail: "must have the same number of cells as the header [json-pointer:/blocks/0/rows/1]",
		},
		{
			name:   "rich text",
			blocks: `{"type":"rich_text","elements":[{"type":"rich_text_preformatted","elements":[{"type":"text","text":"x"}]}]}`,
		},
		{
			name:   "rich text with an empty piece",
			blocks: `{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":""}]}]}`,
			code:   "invalid_blocks", detail: "must be more than 0 characters [json-pointer:/blocks/0/elements/0/elements/0/text]",
		},
		{name: "an image", blocks: `{"type":"image","image_url":"https://example.com/a.png","alt_text":"a"}`},
		{
			name: "an image from nowhere", blocks: `{"type":"image","alt_text":"a"}`,
			code: "invalid_blocks", detail: "must provide either image_url or slack_file [json-pointer:/blocks/0]",
		},
		{
			name: "text that is no text object", blocks: `{"type":"section","text":"hi"}`,
			code: "invalid_blocks", detail: "must be an object [json-pointer:/blocks/0/text]",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			blocks, err := args{"blocks": "[" + tc.blocks + "]"}.objects("blocks", "invalid_blocks_format")
			if err != nil {
				t.Fatalf("decode: %s", err.code)
			}
			checkRefusal(t, checkMessageBlocks(blocks), tc.code, tc.detail)
		})
	}
}

func checkRefusal(t *testing.T, err *apiError, code, detail string) {
	t.Helper()
	switch {
	case err == nil && code != "":
		t.Errorf("accepted, want %s", code)
	case err != nil && err.code != code:
		t.Errorf("refused with %s %q, want %q", err.code, err.messages, code)
	case err != nil && detail != "" && !slices.Contains(err.messages, detail):
		t.Errorf("messages %q, want one to be %q", err.messages, detail)
	}
}

func TestViews(t *testing.T) {
	divider := `{"type":"divider"}`
	input := `{"type":"input","label":` + plain(1) + `,"element":{"type":"plain_text_input","action_id":"a"}}`
	for _, tc := range []struct {
		name, view, code, detail string
	}{
		{name: "a modal of 100 blocks", view: `{"type":"modal","title":` + plain(24) + `,"blocks":` + times(100, divider) + `}`},
		{
			name: "a modal of 101 blocks", view: `{"type":"modal","title":` + plain(24) + `,"blocks":` + times(101, divider) + `}`,
			code: "invalid_arguments", detail: "no more than 100 items allowed [json-pointer:/view/blocks]",
		},
		{
			name: "a long title", view: `{"type":"modal","title":` + plain(25) + `,"blocks":[]}`,
			code: "invalid_arguments", detail: "must be less than 25 characters [json-pointer:/view/title/text]",
		},
		{
			name: "no title", view: `{"type":"modal","blocks":[]}`,
			code: "invalid_arguments", detail: "missing required field: title [json-pointer:/view]",
		},
		{
			name: "an input without submit", view: `{"type":"modal","title":` + plain(1) + `,"blocks":[` + input + `]}`,
			code: "invalid_arguments", detail: "must define `submit` to use an `input` block in modals [json-pointer:/view/blocks/0/input]",
		},
		{name: "an input with submit", view: `{"type":"modal","title":` + plain(1) + `,"submit":` + plain(1) + `,"blocks":[` + input + `]}`},
		{name: "a home", view: `{"type":"home","blocks":` + times(100, divider) + `}`},
		{
			name: "a home with a title", view: `{"type":"home","title":` + plain(1) + `,"blocks":[]}`,
			code: "invalid_arguments", detail: "invalid additional property: title [json-pointer:/view]",
		},
		{
			name: "markdown, which is for messages", view: `{"type":"home","blocks":[{"type":"markdown","text":"x"}]}`,
			code: "invalid_arguments", detail: "unsupported type: markdown [json-pointer:/view/blocks/0/type]",
		},
		{
			name: "long metadata", view: fmt.Sprintf(`{"type":"home","blocks":[],"private_metadata":%q}`, text(3001)),
			code: "invalid_arguments", detail: "must be less than 3001 characters [json-pointer:/view/private_metadata]",
		},
		{name: "too large", view: fmt.Sprintf(`{"type":"home","blocks":[],"private_metadata":%q}`, text(100000)), code: "view_too_large"},
		{name: "an unknown type", view: `{"type":"tab"}`, code: "invalid_arguments", detail: "unsupported type: tab [json-pointer:/view/type]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			checkRefusal(t, checkView(args{"view": tc.view}.object("view"), "modal", "home"), tc.code, tc.detail)
		})
	}
}

// FuzzBlocks holds that no JSON makes the checks or the readers of blocks fail, and that what is
// accepted can be shown and operated.
func FuzzBlocks(f *testing.F) {
	for _, seed := range []string{
		"[" + section(3) + "]", "[" + table(2, 2, 1) + "]", "[" + actions("["+confirmed(3)+","+menuJSON(2)+"]") + "]",
		`[{"type":"section","text":null}]`, `[{"type":"table","rows":[null,[null]]}]`, `[{"type":["x"]}]`, `[[]]`, `{}`,
		`[{"type":"carousel","elements":[{"type":"card","actions":[1]}]}]`, `[{"type":"input","element":[]}]`,
		`[{"type":"markdown","text":"` + "```\\n# a\\n```" + `"}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		blocks, err := args{"blocks": raw}.objects("blocks", "invalid_blocks_format")
		if err != nil {
			return
		}
		m := Message{Blocks: blocks}
		m.Elements()
		m.Pings()
		m.Links()
		m.BrokenFences()
		m.Visible()
		if checkMessageBlocks(blocks) != nil {
			return
		}
		if n := len(blocks); n > MaxMessageBlocks {
			t.Errorf("accepted %d blocks", n)
		}
		if _, err := json.Marshal(blocks); err != nil {
			t.Errorf("accepted blocks cannot be encoded: %v", err)
		}
	})
}

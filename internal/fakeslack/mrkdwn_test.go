package fakeslack

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMrkdwn(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []Span
	}{
		{"", nil},
		{"a &lt;b&gt; &amp;amp;", []Span{{Kind: SpanText, Text: "a <b> &amp;"}}},
		{"<@U1>", []Span{{Kind: SpanUser, Target: "U1"}}},
		{"<@U1|ann>", []Span{{Kind: SpanUser, Target: "U1", Text: "ann"}}},
		{"<#C1|lab> x", []Span{{Kind: SpanChannel, Target: "C1", Text: "lab"}, {Kind: SpanText, Text: " x"}}},
		{"<!channel>", []Span{{Kind: SpanBroadcast, Target: "channel"}}},
		{"<!here|here>", []Span{{Kind: SpanBroadcast, Target: "here", Text: "here"}}},
		{"<!subteam^S1|@oncall>", []Span{{Kind: SpanGroup, Target: "S1", Text: "@oncall"}}},
		{"<!date^1^{date}|x>", []Span{{Kind: SpanDate, Target: "1^{date}", Text: "x"}}},
		{"<!nobody>", []Span{{Kind: SpanText, Text: "<!nobody>"}}},
		{"&lt;!channel&gt;", []Span{{Kind: SpanText, Text: "<!channel>"}}},
		{"a < b > c", []Span{{Kind: SpanText, Text: "a < b > c"}}},
		{"a <", []Span{{Kind: SpanText, Text: "a <"}}},
		{"<https://x.io/?a&amp;b|l>", []Span{{Kind: SpanLink, Target: "https://x.io/?a&b", Text: "l"}}},
		{"see https://x.io/a.", []Span{
			{Kind: SpanText, Text: "see "}, {Kind: SpanAutoLink, Target: "https://x.io/a", Text: "https://x.io/a"}, {Kind: SpanText, Text: "."},
		}},
		{"`<!here>`", []Span{
			{Kind: SpanText, Text: "`", Code: true}, {Kind: SpanBroadcast, Target: "here", Code: true}, {Kind: SpanText, Text: "`", Code: true},
		}},
		{"a```b `c`\n```d", []Span{
			{Kind: SpanText, Text: "a"}, {Kind: SpanText, Text: "```b `c`\n```", Code: true}, {Kind: SpanText, Text: "d"},
		}},
	} {
		if diff := cmp.Diff(tc.want, ParseMrkdwn(tc.in)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.in, diff)
		}
	}
}

func TestPings(t *testing.T) {
	for _, tc := range []struct {
		name string
		m    Message
		want []string
	}{
		{"escaped text", Message{Text: "&lt;!channel&gt; @here"}, nil},
		{"text", Message{Text: "<!channel> <@U1>"}, []string{"broadcast channel at text", "user U1 at text"}},
		{"in a fence", Message{Text: "```<!here>```"}, []string{"broadcast here at text"}},
		{"parse=full", Message{Text: "@here (@ann) a@b", parseFull: true}, []string{"broadcast here at text", "user ann at text"}},
		{
			"a section", Message{Blocks: decodeBlocks(t, `[{"type":"section","text":{"type":"mrkdwn","text":"<!subteam^S1>"}}]`)},
			[]string{"usergroup S1 at /blocks/0/text/text"},
		},
		{"plain text", Message{Blocks: decodeBlocks(t, `[{"type":"header","text":{"type":"plain_text","text":"<!channel>"}}]`)}, nil},
		{"a raw cell", Message{Blocks: decodeBlocks(t, `[{"type":"table","rows":[[{"type":"raw_text","text":"<!channel>"}]]}]`)}, nil},
		{
			"a rich cell",
			Message{Blocks: decodeBlocks(t, `[{"type":"table","rows":[[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"broadcast","range":"here"}]}]}]]}]`)},
			[]string{"broadcast here at /blocks/0/rows/0/0/elements/0/elements/0"},
		},
		{"markdown", Message{Blocks: decodeBlocks(t, `[{"type":"markdown","text":"<!channel>"}]`)}, []string{"broadcast channel at /blocks/0/text"}},
		{
			"a confirm dialog",
			Message{Blocks: decodeBlocks(t, `[{"type":"actions","elements":[{"type":"button","confirm":{"text":{"type":"mrkdwn","text":"<@U9>"}}}]}]`)},
			[]string{"user U9 at /blocks/0/elements/0/confirm/text/text"},
		},
		{"an attachment", Message{Attachments: decodeBlocks(t, `[{"fallback":"x","text":"<!here>"}]`)}, []string{"broadcast here at /attachments/0/text"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, p := range tc.m.Pings() {
				got = append(got, p.String())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLinksAndFences(t *testing.T) {
	m := Message{Text: "<https://a.io|a> www.b.io", Blocks: decodeBlocks(t, `[{"type":"section","text":{"type":"mrkdwn","text":"`+"```open"+` http://c.io"}}]`)}
	if diff := cmp.Diff([]string{"https://a.io", "www.b.io", "http://c.io"}, m.Links()); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/blocks/0/text/text"}, m.BrokenFences()); diff != "" {
		t.Errorf("broken fences (-want +got):\n%s", diff)
	}
}

func decodeBlocks(t *testing.T, raw string) []map[string]any {
	t.Helper()
	blocks, err := args{"b": raw}.objects("b", "invalid")
	if err != nil {
		t.Fatal(err.code)
	}
	return blocks
}

// FuzzParseMrkdwn holds that escaped text never has a reference in it, and that no text is lost.
func FuzzParseMrkdwn(f *testing.F) {
	for _, seed := range []string{"<!channel>", "``` a <@U1|x> ```", "<https://a|b>", "`<", "a https://x.io/`b", "&lt;&amp;", "\n`a\n`"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ParseMrkdwn(s)
		var shown strings.Builder
		for _, span := range ParseMrkdwn(escape(s)) {
			if span.Kind != SpanText && span.Kind != SpanAutoLink {
				t.Errorf("escaped %q became %+v", s, span)
			}
			shown.WriteString(span.Text)
		}
		if shown.String() != s {
			t.Errorf("escaped %q is shown as %q", s, shown.String())
		}
	})
}

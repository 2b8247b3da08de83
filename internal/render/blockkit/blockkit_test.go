package blockkit

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// nasty are pieces of text that break renderers: of several bytes, escaped by JSON, mark-up, mentions.
func nasty() []string {
	return []string{
		"한글", "👩‍👩‍👧‍👦", "```", "`x`", "*bold*", "<!channel>", "<@U0LAB00005>", "<!here|x>", "&amp;", "<https://example.com|x>",
		"\"\\", "\t", "\n", "\x00\x1b[31m", "\xff\xfe", "a", " ", "", "\u2028", strings.Repeat("word ", 40), strings.Repeat("x", 400),
	}
}

type source struct{ *rand.Rand }

func (r source) text() string {
	pieces := nasty()
	var b strings.Builder
	for range r.IntN(6) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

func (r source) cell() document.Text {
	return document.Text{Value: r.text(), Tone: document.Tone(r.IntN(6))}
}

func (r source) block() document.Block {
	switch r.IntN(8) {
	case 0:
		return document.Heading{Text: r.text()}
	case 1:
		facts := make(document.Facts, r.IntN(30))
		for i := range facts {
			facts[i] = document.Fact{Name: r.text(), Value: r.cell()}
		}
		return facts
	case 2:
		return r.table()
	case 3:
		verdicts := make(document.Verdicts, r.IntN(60))
		for i := range verdicts {
			verdicts[i] = document.Verdict{
				Status: document.Status(r.IntN(5)), Subject: r.text(), Message: r.text(), Hint: r.text(), URL: "https://example.com/" + fmt.Sprint(i),
			}
		}
		return verdicts
	case 4:
		return document.Note{Tone: document.Tone(r.IntN(6)), Text: r.text()}
	case 5:
		return document.Preformatted{Title: r.text(), Text: strings.Repeat(r.text()+"\n", r.IntN(400))}
	case 6:
		bars := document.Bars{Title: r.text()}
		for range r.IntN(20) {
			bars.Items = append(bars.Items, document.Bar{Label: r.text(), Value: r.Float64()*10 - 1, Note: r.text()})
		}
		return bars
	default:
		return document.Secret{Name: r.text(), Value: shown(r.text())}
	}
}

func (r source) table() document.Table {
	table := document.Table{Omitted: r.IntN(2)}
	for range 1 + r.IntN(6) {
		table.Columns = append(table.Columns, document.Column{Name: r.text(), Wide: r.IntN(4) == 0, Right: r.IntN(2) == 0})
	}
	for range r.IntN(200) {
		row := make([]document.Text, len(table.Columns))
		for i := range row {
			row[i] = r.cell()
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

type shown string

func (s shown) Reveal() string { return string(s) }

// TestSlackTakesEveryPage posts random documents page by page: Slack refuses none, and nobody is pinged.
func TestSlackTakesEveryPage(t *testing.T) {
	t.Parallel()
	server, err := fakeslack.New(fakeslack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	room := server.Team().AddChannel("lab", fakeslack.PublicChannel, server.Team().AddUser("alice"))
	client := slack.New(server.Team().BotToken(), slack.OptionAPIURL(server.APIURL()))
	for seed := range uint64(60) {
		r := source{rand.New(rand.NewPCG(seed, 0))}
		doc := &document.Document{Title: r.text()}
		for range r.IntN(6) {
			doc.Add(r.block())
		}
		for i, page := range Pages(doc, Options{Wide: r.IntN(2) == 0, Reveal: true}) {
			_, _, err := client.PostMessageContext(t.Context(), room.ID, slack.MsgOptionText(page.Fallback, false), slack.MsgOptionBlocks(page.Blocks...))
			if err != nil {
				t.Errorf("seed %d, page %d: %v", seed, i, err)
			}
		}
	}
	for _, m := range server.Messages() {
		if pings, fences := m.Pings(), m.BrokenFences(); len(pings)+len(fences) > 0 {
			t.Errorf("pings %v, broken fences %v in %v", pings, fences, m)
		}
	}
}

func jsonOf(t *testing.T, blocks []slack.Block) string {
	t.Helper()
	data, err := json.Marshal(blocks)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestSecretIsShownOnlyWhenRevealed(t *testing.T) {
	t.Parallel()
	doc := new(document.Document).Add(document.Secret{Name: "Token", Value: shown("the-secret")})
	for _, reveal := range []bool{false, true} {
		page := Pages(doc, Options{Reveal: reveal})[0]
		text := fmt.Sprintf("%s %s", page.Fallback, jsonOf(t, page.Blocks))
		if strings.Contains(text, "the-secret") != reveal || strings.Contains(page.Fallback, "the-secret") {
			t.Errorf("reveal %v: %s", reveal, text)
		}
	}
}

func TestWideTableBecomesAList(t *testing.T) {
	t.Parallel()
	table := document.Table{Columns: []document.Column{{Name: "NAME"}, {Name: "IMAGE"}, {Name: "MORE", Wide: true}}}
	narrow := [][]document.Text{{document.T("web"), document.T("nginx"), document.T("hidden")}}
	wide := [][]document.Text{{document.T("web"), document.T(strings.Repeat("i", 90)), document.T("hidden")}}
	for want, rows := range map[string][][]document.Text{"rich_text_preformatted": narrow, "rich_text_section": wide} {
		table.Rows = rows
		text := jsonOf(t, Pages(new(document.Document).Add(table), Options{})[0].Blocks)
		if !strings.Contains(text, want) || strings.Contains(text, "hidden") {
			t.Errorf("want %s: %s", want, text)
		}
	}
}

func FuzzPages(f *testing.F) {
	for _, s := range nasty() {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, repeat int) {
		repeat = min(max(repeat, 1), 300)
		rows := make([][]document.Text, repeat)
		for i := range rows {
			rows[i] = []document.Text{document.T(s), document.T(s)}
		}
		doc := &document.Document{Title: s}
		doc.Add(
			document.Table{Columns: []document.Column{{Name: s}, {Name: "B"}}, Rows: rows},
			document.Preformatted{Text: strings.Repeat(s+"\n", repeat)},
		)
		for _, page := range Pages(doc, Options{}) {
			if len(page.Blocks) == 0 || len(page.Blocks) > maxPageBlocks || Size(page.Blocks...) > maxPageBytes {
				t.Fatalf("%d blocks of %d bytes", len(page.Blocks), Size(page.Blocks...))
			}
			if strings.ContainsAny(page.Fallback, "<>") {
				t.Fatalf("fallback %q", page.Fallback)
			}
		}
	})
}

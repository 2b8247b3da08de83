package render

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

var update = flag.Bool("update", false, "write the golden files anew")

type secret string

func (s secret) Reveal() string { return string(s) }

// everything is a document with every kind of block, multi-byte text and hostile data.
func everything() *document.Document {
	return (&document.Document{Title: "Everything"}).Add(
		document.Facts{{Name: "Server Version", Value: document.T("v1.37.2")}, {Name: "노드", Value: document.Text{Value: "3 ready", Tone: document.Good}}},
		document.Heading{Text: "Nodes"},
		document.Table{
			Columns: []document.Column{{Name: "NAME"}, {Name: "PODS", Right: true}, {Name: "IP", Wide: true}, {Name: "STATUS"}},
			Rows: [][]document.Text{
				{document.T("k8s01"), document.T("9"), document.T("192.168.0.104"), {Value: "Ready", Tone: document.Good}},
				{document.T("이름"), document.T("110"), document.T("192.168.0.105"), {Value: "NotReady", Tone: document.Bad}},
			},
			Omitted: 4998,
		},
		document.Heading{Text: "Checks"},
		document.Verdicts{
			{Status: document.OK, Subject: "node/k8s01", Message: "is ready"},
			{Status: document.Attention, Subject: "node/k8s02", Message: "is cordoned", Hint: "let pods on it again: kubectl uncordon k8s02"},
			{Status: document.Failed, Subject: "node/k8s03", Message: "has not been heard of for 5m and this sentence goes on until it no longer fits on one line of the terminal", Hint: "look at the kubelet", URL: "https://example.com/checks#node-ready"},
			{Status: document.Skipped, Message: "not permitted"},
			{Status: document.Pending, Subject: "pod/x", Message: "starting"},
		},
		document.Note{Tone: document.Warning, Text: "hostile \x1b[31mdata\x07 cannot color or ring"},
		document.Preformatted{Title: "Manifest", Text: "kind: Pod\n\tindented \x1b[2J"},
		document.Bars{Title: "Requests", Items: []document.Bar{{Label: "nginx-1", Value: 30, Note: "30 (75%)"}, {Label: "nginx-02", Value: 10, Note: "10 (25%)"}, {Label: "none", Value: 0, Note: "0"}}},
		document.Secret{Name: "Token", Value: secret("s3cret")},
	)
}

func TestTextGolden(t *testing.T) {
	for name, options := range map[string]TextOptions{
		"plain":      {Reveal: true},
		"narrow":     {Width: 48},
		"color":      {Color: true, Width: 100, Wide: true},
		"no-headers": {NoHeaders: true},
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := Text(&got, everything(), options); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".golden", got.Bytes())
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

func TestTextKeepsSecrets(t *testing.T) {
	var got bytes.Buffer
	if err := Text(&got, everything(), TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got.String(), "s3cret") {
		t.Error("a secret was shown without Reveal")
	}
}

func TestTextNil(t *testing.T) {
	var got bytes.Buffer
	if err := Text(&got, nil, TextOptions{}); err != nil || got.Len() > 0 {
		t.Errorf("Text(nil) = %q, %v", got.String(), err)
	}
}

func TestTruncate(t *testing.T) {
	for _, test := range []struct {
		line  string
		cells int
		want  string
	}{
		{"abcdef", 3, "abc"},
		{"abcdef", 0, "abcdef"},
		{"\x1b[31mabcdef\x1b[0m", 3, "\x1b[31mabc\x1b[0m"},
		{"이름", 3, "이"},
	} {
		if got := Truncate(test.line, test.cells); got != test.want {
			t.Errorf("Truncate(%q, %d) = %q, want %q", test.line, test.cells, got, test.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("name", "value\n\x1b[31m", 20)
	f.Fuzz(func(t *testing.T, a, b string, width int) {
		doc := new(document.Document).Add(
			document.Facts{{Name: a, Value: document.T(b)}},
			document.Table{Columns: []document.Column{{Name: a}}, Rows: [][]document.Text{{document.T(b)}}},
			document.Verdicts{{Subject: a, Message: b, Hint: b}},
			document.Preformatted{Text: a + b},
		)
		var got bytes.Buffer
		if err := Text(&got, doc, TextOptions{Width: width % 200}); err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsRune(got.Bytes(), '\x1b') {
			t.Errorf("an escape of the data came through: %q", got.String())
		}
	})
}

func TestTextKeepsBlocksApart(t *testing.T) {
	table := document.Table{Columns: []document.Column{{Name: "NAME"}}, Rows: [][]document.Text{{document.T("a")}}}
	doc := new(document.Document).Add(
		table, table,
		document.Heading{Text: "Files"},
		document.Preformatted{Text: "one"}, document.Preformatted{Text: "two"}, document.Preformatted{Title: "three", Text: "four"},
	)
	var got bytes.Buffer
	if err := Text(&got, doc, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	want := "NAME\na\n\nNAME\na\n\nFiles\none\ntwo\n\nthree\nfour\n"
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

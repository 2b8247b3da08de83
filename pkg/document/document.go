// Package document is the neutral form of what an action has to say: headings, facts, tables,
// verdicts, notes. It knows neither a terminal nor Slack; internal/render turns a Document into
// either. A Document holds plain text only: no escape sequences, no mark-up, no line wrapping.
package document

// A Document is an ordered list of blocks under a title. The zero Document is empty and valid.
type Document struct {
	// Title names the document in one line, such as "Labeled 3 nodes". It may be empty.
	Title string
	// Blocks are shown in order.
	Blocks []Block
}

// Add appends blocks and returns the document, so that one can be built in a single expression.
func (d *Document) Add(blocks ...Block) *Document {
	d.Blocks = append(d.Blocks, blocks...)
	return d
}

// Block is one part of a Document: a Heading, Facts, Table, Verdicts, Note, Preformatted, Bars or
// Secret. The set is closed, so that a renderer can cover it whole.
type Block interface{ block() }

// Tone says how a piece of text is meant. Renderers turn it into color, an icon, or both; they
// never rely on color alone.
type Tone int

// The tones, from neutral to bad.
const (
	Plain Tone = iota
	Muted
	Info
	Good
	Warning
	Bad
)

// Text is a piece of single-line text and its tone.
type Text struct {
	Value string
	Tone  Tone
}

// T is neutral text.
func T(value string) Text { return Text{Value: value} }

// Heading starts a section.
type Heading struct{ Text string }

// Facts is a list of names with their values, in order.
type Facts []Fact

// Fact is one name and value.
type Fact struct {
	Name  string
	Value Text
}

// Table is rows under columns. Every row has as many cells as there are columns.
type Table struct {
	Columns []Column
	Rows    [][]Text
	// Omitted is how many further rows exist that Rows leaves out.
	Omitted int
}

// Column is a column's header and when it is shown.
type Column struct {
	Name string
	// Wide columns are shown only when the reader asked for more (-o wide).
	Wide bool
	// Right aligns numbers.
	Right bool
}

// Verdicts is a checklist.
type Verdicts []Verdict

// Status is the outcome of one thing that was checked or done.
type Status int

// The outcomes. Skipped means that nothing is known, never that all is well.
const (
	OK Status = iota
	Attention
	Failed
	Skipped
	Pending
)

// Verdict is one line of a checklist.
type Verdict struct {
	Status Status
	// Subject is what was looked at, such as "node/k8s02".
	Subject string
	// Message is what was found.
	Message string
	// Hint says what to do next; empty if there is nothing to do.
	Hint string
	// URL leads to more about the hint; may be empty.
	URL string
}

// Note is a remark beside the result.
type Note struct {
	Tone Tone
	Text string
}

// Preformatted is text whose spaces and line breaks matter: a manifest, a log, a command.
type Preformatted struct {
	// Title names the text; may be empty.
	Title string
	Text  string
}

// Bars compares numbers by length, such as requests per pod.
type Bars struct {
	Title string
	Items []Bar
}

// Bar is one labeled number, with a remark behind it.
type Bar struct {
	Label string
	Value float64
	Note  string
	Tone  Tone
}

// Revealer holds a secret that only a renderer for a private place may reveal.
type Revealer interface{ Reveal() string }

// Secret is a value for the requester's eyes only. A renderer whose output others can read shows
// that there is a secret, not the secret.
type Secret struct {
	Name  string
	Value Revealer
}

func (Heading) block()      {}
func (Facts) block()        {}
func (Table) block()        {}
func (Verdicts) block()     {}
func (Note) block()         {}
func (Preformatted) block() {}
func (Bars) block()         {}
func (Secret) block()       {}

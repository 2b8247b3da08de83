package cli

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/kubectl-lab/kubectl-lab/internal/render"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// terminalObserver shows events as they come: warnings and progress on stderr, output on stdout. On
// a terminal, progress and partial results are drawn in a region that the next one replaces.
type terminalObserver struct {
	terminal terminal

	mu       sync.Mutex
	drawn    int             // lines of the region now on the screen
	warned   map[string]bool // warnings already shown
	progress map[string]string
}

func newTerminalObserver(t terminal) *terminalObserver {
	return &terminalObserver{terminal: t, warned: map[string]bool{}, progress: map[string]string{}}
}

// Observe implements actions.Observer.
func (o *terminalObserver) Observe(event actions.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := event.(type) {
	case actions.Notice:
		o.remark(document.Note{Tone: document.Info, Text: e.Text})
	case actions.Warning:
		o.warn(e.Text)
	case actions.Output:
		o.clear()
		fmt.Fprint(o.terminal.out, e.Text)
	case actions.Progress:
		o.step(e)
	case actions.Partial:
		o.draw(e.Document)
	}
}

// close removes the region; the final result follows on stdout.
func (o *terminalObserver) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
}

func (o *terminalObserver) warn(text string) {
	if o.warned[text] {
		return
	}
	o.warned[text] = true
	o.remark(document.Note{Tone: document.Warning, Text: "Warning: " + text})
}

// remark writes a line that stays.
func (o *terminalObserver) remark(note document.Note) {
	o.clear()
	o.write(new(document.Document).Add(note))
}

// step shows one step's progress: on a terminal in place, else as a line when it changes.
func (o *terminalObserver) step(p actions.Progress) {
	line := strings.TrimSpace(p.Subject + " " + p.Message)
	if p.Total > 0 {
		line = fmt.Sprintf("[%d/%d] %s", p.Done, p.Total, line)
	}
	if o.progress[p.Subject] == line {
		return
	}
	o.progress[p.Subject] = line
	doc := new(document.Document).Add(document.Note{Tone: document.Muted, Text: line})
	if o.terminal.errOut.file == nil {
		o.write(doc)
		return
	}
	o.draw(doc)
}

func (o *terminalObserver) write(doc *document.Document) {
	// A failing stderr has nowhere to be reported.
	_ = render.Text(o.terminal.errOut, doc, o.terminal.errOut.textOptions())
}

// draw replaces the region by a document, cut to the height of the terminal.
func (o *terminalObserver) draw(doc *document.Document) {
	if o.terminal.errOut.file == nil {
		return
	}
	options := o.terminal.errOut.textOptions()
	var text bytes.Buffer
	if err := render.Text(&text, doc, options); err != nil {
		return
	}
	lines := fit(strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n"), o.terminal.errOut)
	var frame strings.Builder
	frame.WriteString(erase(o.drawn))
	for _, line := range lines {
		frame.WriteString(line + "\n")
	}
	fmt.Fprint(o.terminal.errOut, frame.String())
	o.drawn = len(lines)
}

// fit keeps the last lines if there are more than fit on the screen, and cuts each to its width,
// since a line that wraps could not be erased again. The screen's first line stays free: erasing a whole
// screen makes tmux and others put it into their history.
func fit(lines []string, s stream) []string {
	width, height := s.size()
	if most := height - 2; most > 0 && len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	cut := make([]string, len(lines))
	for i, line := range lines {
		cut[i] = render.Truncate(line, width)
	}
	return cut
}

func (o *terminalObserver) clear() {
	if o.drawn > 0 {
		fmt.Fprint(o.terminal.errOut, erase(o.drawn))
		o.drawn = 0
	}
}

// erase moves the cursor up over the lines of the region and clears to the end of the screen.
func erase(lines int) string {
	if lines == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", lines)
}

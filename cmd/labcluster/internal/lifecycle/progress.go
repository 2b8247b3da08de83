package lifecycle

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress tells what is being done.
type Progress interface{ Begin(what string) Step }

// Step is one thing being done.
type Step interface {
	Update(detail string)
	Done(detail string)
}

// NewProgress writes a line per finished step to out. On a terminal it also shows what is being
// done now.
func NewProgress(out io.Writer, terminal bool) Progress {
	return &lines{out: out, terminal: terminal}
}

type lines struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
}

type line struct {
	*lines
	what    string
	started time.Time
}

const clearLine = "\r\x1b[K"

// Begin implements Progress.
func (l *lines) Begin(what string) Step {
	step := &line{lines: l, what: what, started: time.Now()}
	step.Update("")
	return step
}

// Update implements Step.
func (l *line) Update(detail string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.terminal {
		fmt.Fprintf(l.out, "%s … %s", clearLine, join(l.what, detail))
	}
}

// Done implements Step.
func (l *line) Done(detail string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	start := ""
	if l.terminal {
		start = clearLine
	}
	fmt.Fprintf(l.out, "%s ✓ %s (%.1fs)\n", start, join(l.what, detail), time.Since(l.started).Seconds())
}

func join(what, detail string) string {
	if detail == "" {
		return what
	}
	return what + ": " + detail
}

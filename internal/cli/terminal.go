package cli

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-lab/kubectl-lab/internal/render"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// terminal is the three streams and what they can show. Results go to out, all else to errOut, so
// that a pipe gets results only.
type terminal struct {
	out, errOut stream
}

// stream is an output and what it can show.
type stream struct {
	io.Writer
	file  *os.File // nil if it is no terminal
	color bool
}

func newTerminal(streams genericiooptions.IOStreams, getenv func(string) string) terminal {
	return terminal{out: newStream(streams.Out, getenv), errOut: newStream(streams.ErrOut, getenv)}
}

// newStream looks at an output. NO_COLOR (https://no-color.org) and TERM=dumb turn colors off.
func newStream(w io.Writer, getenv func(string) string) stream {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return stream{Writer: w}
	}
	return stream{Writer: w, file: file, color: getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
}

// size is the terminal's width and height in cells; zeros if it is none.
func (s stream) size() (width, height int) {
	if s.file == nil {
		return 0, 0
	}
	width, height, err := term.GetSize(int(s.file.Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

func (s stream) textOptions() render.TextOptions {
	width, _ := s.size()
	return render.TextOptions{Width: width, Color: s.color}
}

// printError shows an error and the way out on stderr.
func (t terminal) printError(e *actions.Error) {
	doc := new(document.Document).Add(document.Verdicts{{
		Status:  document.Failed,
		Subject: "error:",
		Message: e.Message,
		Hint:    e.Hint,
	}})
	options := t.errOut.textOptions()
	if err := render.Text(t.errOut, doc, options); err != nil {
		fmt.Fprintln(os.Stderr, e.Message) // the last resort; there is nowhere else to say it
	}
}

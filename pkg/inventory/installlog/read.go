package installlog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// maxLine bounds one line; a longer one is skipped. Results of modules can be large, but not this large.
const maxLine = 4 << 20

// Read reads a log to its end.
func Read(r io.Reader) (Run, error) {
	var p Parser
	if err := feed(&p, bufio.NewReaderSize(r, 64<<10), true); err != nil {
		return Run{}, fmt.Errorf("read the install log: %w", err)
	}
	return p.Run(), nil
}

// ReadFile reads the log file to its end. A run that still goes on is no error.
func ReadFile(ctx context.Context, path string) (Run, error) {
	if err := ctx.Err(); err != nil {
		return Run{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return Run{}, fmt.Errorf("open the install log: %w", err)
	}
	defer f.Close()
	return Read(&contextReader{ctx, f})
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// feed parses whole lines up to the end; the last one may lack its end if it is complete otherwise.
func feed(p *Parser, r *bufio.Reader, last bool) error {
	var line lineBuffer
	for {
		part, err := r.ReadSlice('\n')
		complete := line.add(part)
		switch {
		case complete != nil:
			p.Line(complete)
		case errors.Is(err, io.EOF):
			if rest := line.rest(); last && len(rest) > 0 {
				p.Line(rest)
			}
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// lineBuffer collects a line from its parts and forgets one that grows too long.
type lineBuffer struct {
	buf     []byte
	tooLong bool
}

// add returns the line once its end is there; nil before, and for a line that is too long.
func (b *lineBuffer) add(part []byte) []byte {
	ended := len(part) > 0 && part[len(part)-1] == '\n'
	if len(b.buf)+len(part) > maxLine {
		b.tooLong, b.buf = true, nil
	}
	if !b.tooLong {
		b.buf = append(b.buf, part...)
	}
	if !ended {
		return nil
	}
	line := b.buf
	if b.tooLong {
		line = []byte{'\n'}
	}
	b.tooLong, b.buf = false, nil
	return line
}

func (b *lineBuffer) rest() []byte { return b.buf }

// DefaultInterval is how often Follow looks at the file.
const DefaultInterval = 500 * time.Millisecond

// Follow reports the run in the file whenever it has changed, beginning with where it stands, until the
// run ends, or until ctx does, whose error it then returns. The file may not be there yet, may be
// truncated and may be replaced. interval 0 stands for DefaultInterval.
func Follow(ctx context.Context, path string, interval time.Duration, report func(Run)) error {
	if interval <= 0 {
		interval = DefaultInterval
	}
	f := &follower{path: path}
	defer f.close()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	ended := false
	for first := true; ; first = false {
		changed, err := f.poll()
		if err != nil {
			return fmt.Errorf("follow the install log: %w", err)
		}
		run := f.parser.Run()
		if changed || first {
			report(run)
		}
		if ended && run.Ended() {
			return nil
		}
		ended = run.Ended() // and once more, for what is still written of the recap
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// follower reads the file at a path, and the one that was there before: a program that has it open goes
// on writing to it after a rotation.
type follower struct {
	path   string
	parser Parser
	before *tail
	now    *tail
}

func (f *follower) close() {
	for _, t := range []*tail{f.before, f.now} {
		if t != nil {
			_ = t.file.Close() // it was only read
		}
	}
	f.before, f.now = nil, nil
}

// poll reads what is new of both files. The old one is let go once it has nothing more and the new one
// has something.
func (f *follower) poll() (changed bool, err error) {
	if err := f.reopen(); err != nil {
		return false, err
	}
	more := false
	if f.before != nil {
		if more, err = f.before.drain(&f.parser); err != nil {
			return false, err
		}
	}
	if f.now == nil {
		return more, nil
	}
	if changed, err = f.now.drain(&f.parser); err != nil {
		return more, err
	}
	if f.before != nil && !more && f.now.offset > 0 {
		_ = f.before.file.Close() // it was only read
		f.before = nil
	}
	return changed || more, nil
}

// reopen opens the file at the path if it is not the open one. A missing file will come (again).
func (f *follower) reopen() error {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if f.now != nil {
		open, err := f.now.file.Stat()
		if err != nil || os.SameFile(open, info) {
			return err
		}
	}
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if f.before != nil {
		_ = f.before.file.Close() // it was only read
	}
	f.before, f.now = f.now, &tail{file: file}
	return nil
}

// tail is a file that grows.
type tail struct {
	file   *os.File
	offset int64
	line   lineBuffer
}

// drain parses the whole lines from where it stopped. A file that shrank is read from its beginning.
func (t *tail) drain(into *Parser) (changed bool, err error) {
	info, err := t.file.Stat()
	if err != nil {
		return false, err
	}
	if info.Size() < t.offset {
		t.offset, t.line = 0, lineBuffer{}
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := t.file.ReadAt(buf, t.offset)
		t.offset += int64(n)
		changed = t.split(buf[:n], into) || changed
		if errors.Is(err, io.EOF) {
			return changed, nil
		}
		if err != nil {
			return changed, err
		}
	}
}

func (t *tail) split(data []byte, into *Parser) (changed bool) {
	for line := range bytes.Lines(data) {
		if whole := t.line.add(line); whole != nil {
			into.Line(whole)
			changed = true
		}
	}
	return changed
}

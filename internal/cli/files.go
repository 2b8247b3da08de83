package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// osFiles opens what the user names: files, and "-" for standard input.
type osFiles struct{ stdin io.Reader }

func (f osFiles) Open(name string) (io.ReadCloser, error) {
	if name != "-" {
		return os.Open(name)
	}
	if f.stdin == nil {
		return nil, &fs.PathError{Op: "open", Path: "standard input", Err: errors.New("it is closed")}
	}
	return io.NopCloser(f.stdin), nil
}

func (f osFiles) Stat(name string) (fs.FileInfo, error) {
	if name != "-" {
		return os.Stat(name)
	}
	return os.Stdin.Stat()
}

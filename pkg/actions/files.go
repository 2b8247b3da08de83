package actions

import (
	"io"
	"io/fs"
)

// Files opens what the requester names on the command line. The terminal's opens the file system
// and standard input; Slack's opens only what came with the message, so that nobody reads the bot's
// own files through it.
type Files interface {
	// Open opens a file; "-" is standard input or its equivalent.
	Open(name string) (io.ReadCloser, error)
	// Stat describes a file or folder, so that an action can tell them apart.
	Stat(name string) (fs.FileInfo, error)
}

// OpenFile opens a file that the requester named.
func (e *Env) OpenFile(name string) (io.ReadCloser, error) {
	if e.Files == nil {
		return nil, &Error{
			Message: "files cannot be read here",
			Hint:    "run the command in a terminal: kubectl lab …",
			Code:    ExitUsage,
		}
	}
	f, err := e.Files.Open(name)
	if err != nil {
		return nil, &Error{Message: fileMessage(name, err), Hint: "check the path", Code: ExitUsage, Err: err}
	}
	return f, nil
}

package actions

import (
	"errors"
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

// Attachments are Files that are no paths of this machine, such as those that came with a message.
// What reads folders or several files at once reads these through FS, and never touches the disk.
type Attachments interface {
	Files
	// FS holds the files by their names, without folders.
	FS() fs.FS
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
		return nil, fileError(name, err)
	}
	return f, nil
}

// fileError says why a file cannot be used. Files that know more say so themselves.
func fileError(name string, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	return &Error{Message: fileMessage(name, err), Hint: "check the path", Code: ExitUsage, Err: err}
}

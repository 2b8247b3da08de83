package inventory

import (
	"errors"
	"strconv"
)

// Position is a place in a file.
type Position struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"` // counted from 1; 0 stands for the whole file
}

// String returns file:line, or the file alone, or "" if the place is unknown.
func (p Position) String() string {
	if p.Line == 0 || p.File == "" {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Error is a part of an inventory that ansible refuses, or that exceeds a limit. It never quotes the
// refused line, which may hold a password.
type Error struct {
	ID  string   // the finding's id, see Checks
	Pos Position // where
	Msg string   // what is wrong
	Fix string   // what to do about it
}

// Error returns "file:line: what is wrong; what to do".
func (e *Error) Error() string {
	text := e.Msg
	if at := e.Pos.String(); at != "" {
		text = at + ": " + text
	}
	if e.Fix != "" {
		text += "; " + e.Fix
	}
	return text
}

// ErrNotStatic is wrapped by the error for a source that only ansible can read: a script, a plugin's
// configuration or TOML.
var ErrNotStatic = errors.New("not a static inventory")

// Diagnostic is something that ansible accepts, with a warning or in silence, though it is rarely
// meant so.
type Diagnostic struct {
	Pos Position `json:"position"`
	Msg string   `json:"message"`
}

// String returns "file:line: message".
func (d Diagnostic) String() string {
	if at := d.Pos.String(); at != "" {
		return at + ": " + d.Msg
	}
	return d.Msg
}

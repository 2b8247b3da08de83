package inventory

import (
	"errors"
	"strings"
)

var (
	errNoClosingQuote = errors.New("no closing quotation")
	errNoEscapedChar  = errors.New("no escaped character after the backslash")
)

// splitHostLine splits a host line as ansible does, which is Python's shlex.split(line,
// comments=True): POSIX quoting, and `#` starts a comment even inside a word.
func splitHostLine(line string) ([]string, error) {
	s := &hostLineSplitter{rest: []rune(line)}
	for len(s.rest) > 0 {
		if err := s.step(); err != nil {
			return nil, err
		}
	}
	s.finish()
	return s.tokens, nil
}

type hostLineSplitter struct {
	rest   []rune
	tokens []string
	word   strings.Builder
	inWord bool // true as soon as a word has begun, be it empty quotes
}

func (s *hostLineSplitter) next() (rune, bool) {
	if len(s.rest) == 0 {
		return 0, false
	}
	c := s.rest[0]
	s.rest = s.rest[1:]
	return c, true
}

func (s *hostLineSplitter) step() error {
	c, _ := s.next()
	switch c {
	case ' ', '\t', '\r', '\n':
		s.finish()
	case '#':
		s.rest = nil
	case '\\':
		escaped, ok := s.next()
		if !ok {
			return errNoEscapedChar
		}
		s.add(escaped)
	case '\'', '"':
		return s.quoted(c)
	default:
		s.add(c)
	}
	return nil
}

func (s *hostLineSplitter) add(c rune) {
	s.inWord = true
	s.word.WriteRune(c)
}

func (s *hostLineSplitter) finish() {
	if s.inWord {
		s.tokens = append(s.tokens, s.word.String())
	}
	s.inWord = false
	s.word.Reset()
}

// quoted reads up to the closing quote. In double quotes a backslash escapes itself and the quote.
func (s *hostLineSplitter) quoted(quote rune) error {
	s.inWord = true
	for {
		c, ok := s.next()
		if !ok {
			return errNoClosingQuote
		}
		if c == quote {
			return nil
		}
		if c != '\\' || quote != '"' {
			s.word.WriteRune(c)
			continue
		}
		escaped, ok := s.next()
		if !ok {
			return errNoEscapedChar
		}
		if escaped != '\\' && escaped != '"' {
			s.word.WriteRune('\\')
		}
		s.word.WriteRune(escaped)
	}
}

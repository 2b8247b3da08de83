package inventory

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
)

// The patterns of ansible's parsing/utils/addresses.py. Python's \w is [\pL\pN_] here; a label's "must
// not end with - or _" is a look-behind there and a final class here.
const (
	numericRange      = `\[[0-9]+:[0-9]+(?::[0-9]+)?\]`
	hexRange          = `\[[0-9a-f]+:[0-9a-f]+(?::[0-9]+)?\]`
	alphanumericRange = `\[(?:[a-z]:[a-z]|[0-9]+:[0-9]+)(?::[0-9]+)?\]`

	ipv6Component = `(?:[0-9a-f]{1,4}|` + hexRange + `)`
	ipv4Component = `(?:[01]?[0-9]{1,2}|2[0-4][0-9]|25[0-5]|` + numericRange + `)`

	hostLabel = `(?:(?:[\pL\pN_]|` + alphanumericRange + `)(?:[\pL\pN_-]|` + alphanumericRange + `)*` +
		`(?:[\pL\pN]|` + alphanumericRange + `)|[\pL\pN]|` + alphanumericRange + `)`
)

var (
	bracketedHostPort = regexp.MustCompile(`^\[([^\n]+)\]:([0-9]+)$`)
	plainHostPort     = regexp.MustCompile(`^((?:[^:\[\]]|\[[^\]]*\])*):([0-9]+)$`)

	ipv4Pattern     = regexp.MustCompile(`(?i)^(?:` + ipv4Component + `\.){3}` + ipv4Component + `$`)
	ipv6Pattern     = regexp.MustCompile(`(?i)^(?:` + strings.Join(ipv6Forms(), "|") + `)$`)
	hostnamePattern = regexp.MustCompile(`(?i)^` + hostLabel + `(?:\.` + hostLabel + `)*$`)
)

// ipv6Forms lists the ways to write an IPv6 address, ranges included.
func ipv6Forms() []string {
	c, v4 := ipv6Component, `(?:`+ipv6Component+`\.){3}`+ipv6Component
	return []string{
		`(?:` + c + `:){7}` + c,
		`(?:` + c + `:)(?::` + c + `){1,6}`,
		`(?:` + c + `:){2}(?::` + c + `){1,5}`,
		`(?:` + c + `:){3}(?::` + c + `){1,4}`,
		`(?:` + c + `:){4}(?::` + c + `){1,3}`,
		`(?:` + c + `:){5}(?::` + c + `){1,2}`,
		`(?:` + c + `:){6}(?::` + c + `)`,
		`:(?::` + c + `){1,6}`,
		c + `?::`,
		`(?:0:){6}` + v4,
		`::(?:ffff:)?` + v4,
		`(?:0:){5}ffff:` + v4,
	}
}

// splitPort separates a host pattern from its port. A pattern that is no address at all is a name as
// it stands, without a port, as in ansible.
func splitPort(pattern string) (host string, port *big.Int) {
	host = pattern
	for _, form := range []*regexp.Regexp{bracketedHostPort, plainHostPort} {
		if m := form.FindStringSubmatch(host); m != nil {
			host = m[1]
			port, _ = new(big.Int).SetString(m[2], 10)
		}
	}
	for _, form := range []*regexp.Regexp{ipv4Pattern, ipv6Pattern, hostnamePattern} {
		if form.MatchString(host) {
			return host, port
		}
	}
	return pattern, nil
}

// expandHostPattern returns the host names and the port that a pattern such as node[01:12]:22 stands
// for, at most limit names (plugins/inventory/__init__.py, _expand_hostpattern).
func expandHostPattern(pattern string, limit int) (names []string, port *big.Int, err error) {
	if len(pattern) > maxHostNameLength {
		return nil, nil, fmt.Errorf("a host name may have at most %d characters", maxHostNameLength)
	}
	host, port := splitPort(pattern)
	if !strings.Contains(host, "[") {
		return []string{host}, port, nil
	}
	e := &rangeExpander{limit: limit}
	if err := e.expand(host); err != nil {
		return nil, nil, err
	}
	return e.names, port, nil
}

// errTooManyHosts is wrapped by the error for a range that names more hosts than the limit.
var errTooManyHosts = errors.New("too many hosts")

type rangeExpander struct {
	limit int
	work  int
	names []string
}

// expand resolves the first range of the pattern, then what is left of it.
func (e *rangeExpander) expand(pattern string) error {
	head, bounds, tail, err := cutRange(pattern)
	if err != nil {
		return err
	}
	seq, err := parseRange(bounds)
	if err != nil {
		return err
	}
	for i := 0; seq.has(i); i++ {
		if e.work++; e.work > 2*e.limit {
			return e.tooMany()
		}
		if err := e.add(head + seq.at(i) + tail); err != nil {
			return err
		}
	}
	return nil
}

func (e *rangeExpander) add(name string) error {
	if strings.Contains(name, "[") {
		return e.expand(name)
	}
	if len(e.names) >= e.limit || len(name) > maxHostNameLength {
		return e.tooMany()
	}
	e.names = append(e.names, name)
	return nil
}

func (e *rangeExpander) tooMany() error {
	return fmt.Errorf("%w: a range may name at most %d hosts of %d characters", errTooManyHosts, e.limit, maxHostNameLength)
}

// maxHostNameLength bounds the memory of an expanded range. DNS allows 253 characters.
const maxHostNameLength = 1024

func cutRange(pattern string) (head, bounds, tail string, err error) {
	marked := strings.Replace(strings.Replace(pattern, "[", "|", 1), "]", "|", 1)
	parts := strings.Split(marked, "|")
	if len(parts) != 3 {
		return "", "", "", errors.New("a range needs exactly one pair of brackets, such as [1:3], and the name no |")
	}
	return parts[0], parts[1], parts[2], nil
}

// sequence is what a range stands for: letters, or numbers padded to a width.
type sequence struct {
	letters []string
	first   *big.Int
	step    *big.Int
	count   *big.Int
	width   int
}

func (s sequence) has(i int) bool {
	if s.first == nil {
		return i < len(s.letters)
	}
	return s.count.Cmp(big.NewInt(int64(i))) > 0
}

func (s sequence) at(i int) string {
	if s.first == nil {
		return s.letters[i]
	}
	n := new(big.Int).Mul(s.step, big.NewInt(int64(i)))
	return zeroFill(n.Add(n, s.first).String(), s.width)
}

// zeroFill is Python's str.zfill: zeros go behind a sign.
func zeroFill(s string, width int) string {
	missing := width - len(s)
	if missing <= 0 {
		return s
	}
	if digits, negative := strings.CutPrefix(s, "-"); negative {
		return "-" + strings.Repeat("0", missing) + digits
	}
	return strings.Repeat("0", missing) + s
}

// asciiLetters is Python's string.ascii_letters: a range may run from a to Z.
const asciiLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// parseRange reads beg:end[:step] (plugins/inventory/__init__.py, expand_hostname_range).
func parseRange(bounds string) (sequence, error) {
	parts := strings.Split(bounds, ":")
	if len(parts) != 2 && len(parts) != 3 {
		return sequence{}, errors.New("a host range must be begin:end or begin:end:step")
	}
	beg, end, step := parts[0], parts[1], "1"
	if len(parts) == 3 {
		step = parts[2]
	}
	if beg == "" {
		beg = "0"
	}
	if end == "" {
		return sequence{}, errors.New("a host range must specify its end")
	}
	width := 0
	if beg[0] == '0' && len(beg) > 1 {
		if width = len([]rune(beg)); width != len([]rune(end)) {
			return sequence{}, errors.New("a padded host range must have a begin and an end of equal length")
		}
	}
	by, err := pythonInt(step)
	if err != nil {
		return sequence{}, fmt.Errorf("the step of a host range: %w", err)
	}
	if by.Sign() == 0 {
		return sequence{}, errors.New("the step of a host range must not be 0")
	}
	if first, last := strings.Index(asciiLetters, beg), strings.Index(asciiLetters, end); first >= 0 && last >= 0 {
		return letterSequence(first, last, by)
	}
	return numberSequence(beg, end, by, width)
}

func letterSequence(first, last int, step *big.Int) (sequence, error) {
	if first > last {
		return sequence{}, errors.New("a host range must not end before it begins")
	}
	var s sequence
	if !step.IsInt64() || step.Sign() < 0 {
		if step.Sign() > 0 {
			s.letters = []string{asciiLetters[first : first+1]}
		}
		return s, nil
	}
	by := int(min(step.Int64(), int64(len(asciiLetters))))
	for i := first; i <= last; i += by {
		s.letters = append(s.letters, asciiLetters[i:i+1])
	}
	return s, nil
}

// numberSequence is Python's range(beg, end + 1, step): a begin behind the end names no host.
func numberSequence(beg, end string, step *big.Int, width int) (sequence, error) {
	first, err := pythonInt(beg)
	if err != nil {
		return sequence{}, fmt.Errorf("the begin of a host range: %w", err)
	}
	last, err := pythonInt(end)
	if err != nil {
		return sequence{}, fmt.Errorf("the end of a host range: %w", err)
	}
	stop := new(big.Int).Add(last, big.NewInt(1))
	span := new(big.Int).Sub(stop, first)
	size := new(big.Int).Abs(step)
	if span.Sign()*step.Sign() <= 0 {
		return sequence{first: first, step: step, count: new(big.Int), width: width}, nil
	}
	count := span.Abs(span).Add(span, size).Sub(span, big.NewInt(1))
	return sequence{first: first, step: step, count: count.Div(count, size), width: width}, nil
}

var pythonIntPattern = regexp.MustCompile(`^[+-]?[0-9]+(?:_[0-9]+)*$`)

// pythonInt is Python's int() of a text: surrounding space, a sign and single underscores are fine.
func pythonInt(s string) (*big.Int, error) {
	s = strings.TrimFunc(s, isPythonSpace)
	if !pythonIntPattern.MatchString(s) || len(s) > maxLiteralDigits {
		return nil, errors.New("not a whole number")
	}
	n, ok := new(big.Int).SetString(strings.ReplaceAll(s, "_", ""), 10)
	if !ok {
		return nil, errors.New("not a whole number")
	}
	return n, nil
}

package inventory

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// errUnhashable is Python's TypeError for a list or dict used as a dict key or set member. It is the
// one failure of ast.literal_eval that ansible does not forgive.
var errUnhashable = errors.New("a list or a map cannot be the key of a map or a member of a set")

// errNotLiteral means that the text is no Python literal; ansible then keeps it as a string.
var errNotLiteral = errors.New("not a Python literal")

// Limits of CPython that decide between a literal and a string: MAXLEVEL of its tokenizer and
// sys.int_info.default_max_str_digits.
const (
	maxLiteralDepth  = 199
	maxLiteralDigits = 4300
)

// iniValue turns the text of an INI value into a Value the way ansible's INI plugin does: a Python
// literal if it is one, else the text itself (plugins/inventory/ini.py, _parse_value).
func iniValue(text string) (Value, error) {
	v, err := parseLiteral(text)
	if errors.Is(err, errNotLiteral) {
		return stringValue(text), nil
	}
	return v, err
}

// parseLiteral is Python's ast.literal_eval for what JSON can hold: numbers, strings, booleans, None,
// tuples, lists, dicts and sets. Complex numbers, Ellipsis and \N{...} escapes are not literals here.
func parseLiteral(text string) (Value, error) {
	if strings.ContainsRune(text, 0) {
		return Value{}, errNotLiteral
	}
	p := &literalParser{src: strings.TrimLeft(text, " \t")}
	item, err := p.expressionList()
	if err != nil {
		return Value{}, err
	}
	p.skipSpace()
	if p.pos != len(p.src) {
		return Value{}, errNotLiteral
	}
	if p.unhashable {
		return Value{}, errUnhashable
	}
	return item.value, nil
}

// literalItem is a value with what JSON forgets about it.
type literalItem struct {
	value    Value
	hashable bool
	number   bool // an int or float constant, which a sign may precede
	bytes    bool
}

type literalParser struct {
	src        string
	pos        int
	depth      int
	unhashable bool
}

func (p *literalParser) skipSpace() {
	for p.pos < len(p.src) {
		switch p.src[p.pos] {
		case ' ', '\t', '\f':
			p.pos++
		case '#':
			p.pos = len(p.src)
		default:
			return
		}
	}
}

func (p *literalParser) peek() byte {
	p.skipSpace()
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *literalParser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.pos++
	return true
}

// expressionList reads one expression, or a tuple without parentheses.
func (p *literalParser) expressionList() (literalItem, error) {
	first, err := p.expression()
	if err != nil || p.peek() != ',' {
		return first, err
	}
	return p.tupleRest(first, 0)
}

// tupleRest reads the items after the first one up to the closing byte (0: the end of the text).
func (p *literalParser) tupleRest(first literalItem, closing byte) (literalItem, error) {
	items := []literalItem{first}
	for p.take(',') {
		if p.peek() == closing {
			break
		}
		next, err := p.expression()
		if err != nil {
			return literalItem{}, err
		}
		items = append(items, next)
	}
	return tupleOf(items), nil
}

func tupleOf(items []literalItem) literalItem {
	out := literalItem{hashable: true}
	values := make([]Value, len(items))
	for i, item := range items {
		values[i] = item.value
		out.hashable = out.hashable && item.hashable
	}
	out.value = listValue(values)
	return out
}

// expression reads a signed number or an atom. literal_eval allows one sign only.
func (p *literalParser) expression() (literalItem, error) {
	c := p.peek()
	if c != '-' && c != '+' {
		return p.atom()
	}
	p.pos++
	if next := p.peek(); next == '-' || next == '+' {
		return literalItem{}, errNotLiteral
	}
	item, err := p.atom()
	if err != nil {
		return literalItem{}, err
	}
	if !item.number {
		return literalItem{}, errNotLiteral
	}
	if c == '-' {
		item.value = negated(item.value)
	}
	item.number = false
	return item, nil
}

func negated(v Value) Value {
	switch x := v.v.(type) {
	case *big.Int:
		return bigValue(new(big.Int).Neg(x))
	case float64:
		return floatValue(-x)
	}
	return v
}

func (p *literalParser) atom() (literalItem, error) {
	c := p.peek()
	switch {
	case c == '(' || c == '[' || c == '{':
		return p.nested(c)
	case c >= '0' && c <= '9' || c == '.':
		return p.number()
	case c == '\'' || c == '"':
		return p.strings()
	case isIdentStart(c):
		return p.word()
	}
	return literalItem{}, errNotLiteral
}

func (p *literalParser) nested(open byte) (literalItem, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxLiteralDepth {
		return literalItem{}, errNotLiteral
	}
	p.pos++
	switch open {
	case '(':
		return p.parenthesis()
	case '[':
		return p.list()
	}
	return p.dictOrSet()
}

func (p *literalParser) parenthesis() (literalItem, error) {
	if p.take(')') {
		return tupleOf(nil), nil
	}
	item, err := p.expression()
	if err != nil {
		return literalItem{}, err
	}
	if p.peek() == ',' {
		if item, err = p.tupleRest(item, ')'); err != nil {
			return literalItem{}, err
		}
	}
	if !p.take(')') {
		return literalItem{}, errNotLiteral
	}
	return item, nil
}

func (p *literalParser) list() (literalItem, error) {
	var items []literalItem
	for !p.take(']') {
		item, err := p.expression()
		if err != nil {
			return literalItem{}, err
		}
		items = append(items, item)
		if p.peek() != ']' && !p.take(',') {
			return literalItem{}, errNotLiteral
		}
	}
	out := tupleOf(items)
	out.hashable = false
	return out, nil
}

func (p *literalParser) dictOrSet() (literalItem, error) {
	if p.take('}') {
		return literalItem{value: mapValue(nil)}, nil
	}
	first, err := p.expression()
	if err != nil {
		return literalItem{}, err
	}
	if p.peek() == ':' {
		return p.dict(first)
	}
	return p.set(first)
}

func (p *literalParser) dict(key literalItem) (literalItem, error) {
	var entries []Entry
	for {
		if !p.take(':') {
			return literalItem{}, errNotLiteral
		}
		value, err := p.expression()
		if err != nil {
			return literalItem{}, err
		}
		p.unhashable = p.unhashable || !key.hashable
		entries = append(entries, Entry{Key: jsonKey(key.value), Value: value.value})
		closed, err := p.nextMember(&key)
		if err != nil {
			return literalItem{}, err
		}
		if closed {
			return literalItem{value: mapValue(entries)}, nil
		}
	}
}

func (p *literalParser) set(member literalItem) (literalItem, error) {
	var members []Value
	for {
		p.unhashable = p.unhashable || !member.hashable
		members = append(members, member.value)
		closed, err := p.nextMember(&member)
		if err != nil {
			return literalItem{}, err
		}
		if closed {
			return literalItem{value: listValue(members)}, nil
		}
	}
}

// nextMember reads the separator and the next key or member; closed is true after the brace.
func (p *literalParser) nextMember(next *literalItem) (closed bool, err error) {
	if p.take('}') {
		return true, nil
	}
	if !p.take(',') {
		return false, errNotLiteral
	}
	if p.take('}') {
		return true, nil
	}
	*next, err = p.expression()
	return false, err
}

// jsonKey is the text that json.dumps makes of a key.
func jsonKey(v Value) string {
	switch x := v.v.(type) {
	case nil:
		return "null"
	case bool:
		return strings.ToLower(pythonBool(x))
	case string:
		return x
	case *big.Int:
		return x.String()
	case float64:
		return jsonFloatKey(x)
	}
	return v.String()
}

func jsonFloatKey(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return pythonFloat(f)
}

func isIdentStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

func isIdentPart(c byte) bool { return isIdentStart(c) || isDigit(c) }

// word reads a keyword constant, set() or a prefixed string.
func (p *literalParser) word() (literalItem, error) {
	start := p.pos
	end := start
	for end < len(p.src) && isIdentPart(p.src[end]) {
		end++
	}
	word := p.src[start:end]
	if end < len(p.src) && (p.src[end] == '\'' || p.src[end] == '"') {
		return p.strings()
	}
	p.pos = end
	switch word {
	case "True", "False":
		return literalItem{value: boolValue(word == "True"), hashable: true}, nil
	case "None":
		return literalItem{hashable: true}, nil
	case "set":
		if p.take('(') && p.take(')') {
			return literalItem{value: listValue(nil)}, nil
		}
	}
	return literalItem{}, errNotLiteral
}

// strings reads adjacent string literals, which Python joins.
func (p *literalParser) strings() (literalItem, error) {
	var text strings.Builder
	var asBytes bool
	for n := 0; ; n++ {
		part, isBytes, err := p.oneString()
		if err != nil {
			return literalItem{}, err
		}
		if n > 0 && isBytes != asBytes {
			return literalItem{}, errNotLiteral
		}
		asBytes = isBytes
		text.WriteString(part)
		if !p.atString() {
			break
		}
	}
	if asBytes && !utf8.ValidString(text.String()) {
		return literalItem{}, errNotLiteral
	}
	return literalItem{value: stringValue(text.String()), hashable: true, bytes: asBytes}, nil
}

func (p *literalParser) atString() bool {
	p.skipSpace()
	at := p.pos
	for at < len(p.src) && at-p.pos < 2 && isIdentStart(p.src[at]) {
		at++
	}
	return at < len(p.src) && (p.src[at] == '\'' || p.src[at] == '"')
}

func (p *literalParser) oneString() (text string, isBytes bool, err error) {
	p.skipSpace()
	start := p.pos
	for p.pos < len(p.src) && isIdentStart(p.src[p.pos]) {
		p.pos++
	}
	raw := false
	switch strings.ToLower(p.src[start:p.pos]) {
	case "", "u":
	case "r":
		raw = true
	case "b":
		isBytes = true
	case "br", "rb":
		raw, isBytes = true, true
	default:
		return "", false, errNotLiteral
	}
	body, err := p.quoted()
	if err != nil {
		return "", false, err
	}
	if isBytes && !isASCII(body) {
		return "", false, errNotLiteral
	}
	if raw {
		return body, isBytes, nil
	}
	text, err = unescape(body, isBytes)
	return text, isBytes, err
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// quoted returns what is between the quotes, escapes untouched.
func (p *literalParser) quoted() (string, error) {
	if p.pos >= len(p.src) || p.src[p.pos] != '\'' && p.src[p.pos] != '"' {
		return "", errNotLiteral
	}
	quote := p.src[p.pos : p.pos+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(p.src[p.pos:], triple) {
		quote = triple
	}
	p.pos += len(quote)
	start := p.pos
	for p.pos < len(p.src) {
		if p.src[p.pos] == '\\' {
			p.pos += 2
			continue
		}
		if strings.HasPrefix(p.src[p.pos:], quote) {
			body := p.src[start:p.pos]
			p.pos += len(quote)
			return body, nil
		}
		p.pos++
	}
	p.pos = len(p.src)
	return "", errNotLiteral
}

// simpleEscapes are the one-letter escapes of Python's string literals.
const simpleEscapes = `\'"abfnrtv`
const simpleEscaped = "\\'\"\a\b\f\n\r\t\v"

func unescape(body string, isBytes bool) (string, error) {
	var out strings.Builder
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' || i+1 >= len(body) {
			out.WriteByte(body[i])
			continue
		}
		i++
		c := body[i]
		if at := strings.IndexByte(simpleEscapes, c); at >= 0 {
			out.WriteByte(simpleEscaped[at])
			continue
		}
		used, err := numericEscape(&out, body[i:], isBytes)
		if err != nil {
			return "", err
		}
		if used == 0 {
			out.WriteByte('\\')
			out.WriteByte(c)
			used = 1
		}
		i += used - 1
	}
	return out.String(), nil
}

// numericEscape writes an octal, \x, \u or \U escape and returns how many bytes of s it was, 0 if s
// starts no such escape.
func numericEscape(out *strings.Builder, s string, isBytes bool) (int, error) {
	if s[0] >= '0' && s[0] <= '7' {
		n := 1
		for n < 3 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
			n++
		}
		code, _ := strconv.ParseUint(s[:n], 8, 32)
		writeCode(out, rune(code), isBytes)
		return n, nil
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
	if s[0] == 'N' && !isBytes {
		return 0, errNotLiteral
	}
	if digits == 0 || isBytes && s[0] != 'x' {
		return 0, nil
	}
	if len(s) < 1+digits {
		return 0, errNotLiteral
	}
	code, err := strconv.ParseUint(s[1:1+digits], 16, 32)
	if err != nil || code > utf8.MaxRune {
		return 0, errNotLiteral
	}
	writeCode(out, rune(code), isBytes)
	return 1 + digits, nil
}

func writeCode(out *strings.Builder, code rune, isBytes bool) {
	if isBytes {
		out.WriteByte(byte(code))
		return
	}
	out.WriteRune(code)
}

// number reads an int or float literal as Python's tokenizer defines it.
func (p *literalParser) number() (literalItem, error) {
	start := p.pos
	for p.pos < len(p.src) && (isIdentPart(p.src[p.pos]) || p.src[p.pos] == '.' || p.exponentSign()) {
		p.pos++
	}
	v, ok := pythonNumber(p.src[start:p.pos])
	if !ok {
		return literalItem{}, errNotLiteral
	}
	return literalItem{value: v, hashable: true, number: true}, nil
}

// exponentSign tells the sign in 1e-5 from the one in 0xe-5.
func (p *literalParser) exponentSign() bool {
	c := p.src[p.pos]
	if c != '+' && c != '-' || p.pos == 0 {
		return false
	}
	if before := p.src[p.pos-1]; before != 'e' && before != 'E' {
		return false
	}
	start := p.pos - 1
	for start > 0 && (isIdentPart(p.src[start-1]) || p.src[start-1] == '.') {
		start--
	}
	return !strings.HasPrefix(strings.ToLower(p.src[start:]), "0x")
}

func pythonNumber(s string) (Value, bool) {
	if !underscoresBetweenDigits(s) {
		return Value{}, false
	}
	plain := strings.ReplaceAll(strings.ToLower(s), "_", "")
	for prefix, base := range map[string]int{"0x": 16, "0o": 8, "0b": 2} {
		if digits, ok := strings.CutPrefix(plain, prefix); ok {
			return bigInt(digits, base)
		}
	}
	if strings.ContainsAny(plain, ".e") {
		return pythonFloatLiteral(plain)
	}
	if len(plain) > 1 && plain[0] == '0' && strings.Trim(plain, "0") != "" || len(plain) > maxLiteralDigits {
		return Value{}, false
	}
	return bigInt(plain, 10)
}

func bigInt(digits string, base int) (Value, bool) {
	if digits == "" || strings.ContainsAny(digits, "+-") {
		return Value{}, false
	}
	n, ok := new(big.Int).SetString(digits, base)
	return bigValue(n), ok
}

func pythonFloatLiteral(s string) (Value, bool) {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && !strings.ContainsRune(".e+-", rune(c)) {
			return Value{}, false
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return Value{}, false
	}
	return floatValue(f), true
}

// underscoresBetweenDigits checks that each underscore stands alone between digits, or right after a
// base prefix.
func underscoresBetweenDigits(s string) bool {
	digit := isDigit
	if len(s) > 1 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		digit = isHexDigit
	}
	for i := range len(s) {
		if s[i] != '_' {
			continue
		}
		if i == 0 || i+1 == len(s) || !digit(s[i+1]) {
			return false
		}
		prefix := i == 2 && s[0] == '0' && strings.IndexByte("xXoObB", s[1]) >= 0
		if !prefix && !digit(s[i-1]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHexDigit(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

package inventory

import (
	"encoding/base64"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The implicit types of YAML 1.1 as PyYAML's resolver.py knows them.
var (
	yamlBool  = regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`)
	yamlNull  = regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)
	yamlFloat = regexp.MustCompile(`^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|` +
		`[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
	yamlInt = regexp.MustCompile(`^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|` +
		`[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)
	yamlTime = regexp.MustCompile(`^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?` +
		`:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9]{2})?))?)$`)
	yamlTimeParts = regexp.MustCompile(`^([0-9]{4})-([0-9][0-9]?)-([0-9][0-9]?)(?:(?:[Tt]|[ \t]+)([0-9][0-9]?):([0-9]{2}):([0-9]{2})` +
		`(?:\.([0-9]*))?(?:[ \t]*(Z|([-+])([0-9][0-9]?)(?::([0-9]{2}))?))?)?$`)
)

// isPlain reports a scalar without quotes and without a tag, whose type its text decides.
func isPlain(n *yaml.Node) bool {
	return n.Style&(yaml.TaggedStyle|yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

// scalar builds the value of a scalar node.
func (d *yamlDoc) scalar(n *yaml.Node) (Value, error) {
	if n.Style&yaml.TaggedStyle != 0 {
		return d.tagged(n)
	}
	if !isPlain(n) {
		return stringValue(n.Value), nil
	}
	return d.plain(n)
}

func (d *yamlDoc) plain(n *yaml.Node) (Value, error) {
	text := n.Value
	if text != "" && !strings.ContainsRune("yYnNtTfFoO~-+.0123456789=<", rune(text[0])) {
		return stringValue(text), nil // no type but text begins like this
	}
	switch {
	case yamlBool.MatchString(text):
		return d.boolean(n)
	case yamlFloat.MatchString(text):
		return d.float(n)
	case yamlInt.MatchString(text):
		return d.integer(n)
	case yamlNull.MatchString(text):
		return Value{}, nil
	case yamlTime.MatchString(text):
		return d.timestamp(n)
	case text == "=" || text == "<<":
		return Value{}, d.refuse(n, "a lone %s is no value in YAML; quote it", text)
	}
	return stringValue(text), nil
}

func (d *yamlDoc) tagged(n *yaml.Node) (Value, error) {
	switch n.Tag {
	case "!", "!!str", "!!python/unicode":
		return stringValue(n.Value), nil
	case "!vault", "!vault-encrypted":
		return Value{v: vaultText(n.Value)}, nil
	case "!unsafe":
		return Value{v: n.Value, flags: flagUnsafe}, nil
	case "!!null":
		return Value{}, nil
	case "!!bool":
		return d.boolean(n)
	case "!!int":
		return d.integer(n)
	case tagJSONInt:
		i, ok := new(big.Int).SetString(n.Value, 10)
		if !ok || len(n.Value) > maxLiteralDigits {
			return Value{}, d.refuse(n, "the number is too long")
		}
		return bigValue(i), nil
	case "!!float":
		return d.float(n)
	case "!!timestamp":
		return d.timestamp(n)
	case "!!binary":
		return d.binary(n)
	}
	return Value{}, d.refuse(n, "ansible knows no YAML tag %s here", n.Tag)
}

func (d *yamlDoc) boolean(n *yaml.Node) (Value, error) {
	switch strings.ToLower(n.Value) {
	case "yes", "true", "on":
		return boolValue(true), nil
	case "no", "false", "off":
		return boolValue(false), nil
	}
	return Value{}, d.refuse(n, "this is no boolean")
}

// integer follows PyYAML's construct_yaml_int: bases 2, 8, 10, 16 and 60.
func (d *yamlDoc) integer(n *yaml.Node) (Value, error) {
	text := strings.ReplaceAll(n.Value, "_", "")
	text, negative := cutSign(text)
	sum, ok := unsignedInt(text)
	if !ok || len(text) > maxLiteralDigits {
		return Value{}, d.refuse(n, "this is no whole number")
	}
	if negative {
		sum.Neg(sum)
	}
	return bigValue(sum), nil
}

func cutSign(s string) (rest string, negative bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[1:], s[0] == '-'
	}
	return s, false
}

func unsignedInt(text string) (*big.Int, bool) {
	parse := func(digits string, base int) (*big.Int, bool) {
		if digits == "" || digits[0] == '+' || digits[0] == '-' {
			return nil, false
		}
		return new(big.Int).SetString(digits, base)
	}
	switch {
	case text == "0":
		return new(big.Int), true
	case strings.HasPrefix(text, "0b"):
		return parse(text[2:], 2)
	case strings.HasPrefix(text, "0x"):
		return parse(text[2:], 16)
	case strings.HasPrefix(text, "0"):
		return parse(text, 8)
	}
	sum := new(big.Int)
	for part := range strings.SplitSeq(text, ":") {
		digit, ok := parse(part, 10)
		if !ok {
			return nil, false
		}
		sum.Mul(sum, big.NewInt(60)).Add(sum, digit)
	}
	return sum, true
}

// float follows PyYAML's construct_yaml_float.
func (d *yamlDoc) float(n *yaml.Node) (Value, error) {
	text, negative := cutSign(strings.ToLower(strings.ReplaceAll(n.Value, "_", "")))
	sum, ok := unsignedFloat(text)
	if !ok {
		return Value{}, d.refuse(n, "this is no number")
	}
	if negative {
		sum = -sum
	}
	return floatValue(sum), nil
}

func unsignedFloat(text string) (float64, bool) {
	switch text {
	case ".inf":
		return math.Inf(1), true
	case ".nan":
		return math.NaN(), true
	}
	parts := strings.Split(text, ":")
	sum, base := 0.0, 1.0
	for i := len(parts) - 1; i >= 0; i-- {
		f, ok := pythonFloatLiteral(parts[i])
		if !ok {
			return 0, false
		}
		sum += f.v.(float64) * base
		base *= 60
	}
	return sum, true
}

// timestamp gives the text that json makes of Python's date and datetime.
func (d *yamlDoc) timestamp(n *yaml.Node) (Value, error) {
	m := yamlTimeParts.FindStringSubmatch(n.Value)
	if m == nil {
		return Value{}, d.refuse(n, "this is no date")
	}
	number := func(i int) int { v, _ := strconv.Atoi(m[i]); return v }
	at := time.Date(number(1), time.Month(number(2)), number(3), number(4), number(5), number(6), 0, time.UTC)
	valid := number(1) > 0 && at.Month() == time.Month(number(2)) && at.Day() == number(3) && number(4) < 24 && number(5) < 60 && number(6) < 60
	if !valid || number(10) > 23 || number(11) > 59 && number(10) > 22 {
		return Value{}, d.refuse(n, "there is no such date; quote it if it is text")
	}
	if m[4] == "" {
		return stringValue(at.Format("2006-01-02")), nil
	}
	return stringValue(at.Format("2006-01-02T15:04:05") + fraction(m[7]) + zone(m[8], m[9], number(10), number(11))), nil
}

func fraction(digits string) string {
	micros := (digits + "000000")[:6]
	if strings.Trim(micros, "0") == "" {
		return ""
	}
	return "." + micros
}

func zone(text, sign string, hours, minutes int) string {
	if text == "" {
		return ""
	}
	if sign == "" || hours*60+minutes == 0 {
		return "+00:00"
	}
	hours, minutes = hours+minutes/60, minutes%60
	two := func(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }
	return sign + two(hours) + ":" + two(minutes)
}

func (d *yamlDoc) binary(n *yaml.Node) (Value, error) {
	clean := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \n\r\t", r) {
			return -1
		}
		return r
	}, n.Value)
	data, err := base64.StdEncoding.DecodeString(clean)
	if err != nil || !utf8.Valid(data) {
		return Value{}, d.refuse(n, "the !!binary value is not base64 of text")
	}
	return stringValue(string(data)), nil
}

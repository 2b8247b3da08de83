package inventory

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kind says what a Value holds.
type Kind uint8

// The kinds of values that an ansible inventory can hold.
const (
	KindNull Kind = iota
	KindBool
	KindInt
	KindFloat
	KindString
	KindList
	KindMap
	// KindVault is a value that ansible-vault encrypted. It is never decrypted.
	KindVault
)

// String returns the kind's name as users know it from YAML.
func (k Kind) String() string {
	names := [...]string{"null", "boolean", "integer", "float", "string", "list", "map", "encrypted value"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Redacted replaces what must not be shown: passwords, tokens and the like.
const Redacted = "<redacted>"

// Encrypted replaces a value that ansible-vault encrypted.
const Encrypted = "<encrypted>"

type valueFlags uint8

const (
	// flagUnsafe marks !unsafe text, which ansible never templates.
	flagUnsafe valueFlags = 1 << iota
	// flagSecret marks a value that no accessor reveals.
	flagSecret
)

// Value is one immutable value of a variable. Its zero value is null.
//
// Secrets stay inside: every accessor of a secret value reports "not there", and String, MarshalJSON
// and every fmt verb print Redacted.
type Value struct {
	v     any // nil, bool, *big.Int, float64, string, []Value, *mapping or vaultText
	flags valueFlags
}

// Entry is one key of a map with its value.
type Entry struct {
	Key   string
	Value Value
}

type mapping struct {
	entries []Entry
	index   map[string]int
}

// vaultText is the cipher text of a vault value. It is kept only to compare with ansible in tests.
type vaultText string

func boolValue(b bool) Value        { return Value{v: b} }
func intValue(i int64) Value        { return Value{v: big.NewInt(i)} }
func bigValue(i *big.Int) Value     { return Value{v: i} }
func floatValue(f float64) Value    { return Value{v: f} }
func stringValue(s string) Value    { return Value{v: s} }
func listValue(items []Value) Value { return Value{v: items} }

// mapValue keeps the order of the first mention of each key and the value of the last, as Python does.
func mapValue(entries []Entry) Value {
	m := &mapping{index: make(map[string]int, len(entries))}
	for _, e := range entries {
		e.Value = e.Value.guarded(e.Key)
		if at, seen := m.index[e.Key]; seen {
			m.entries[at].Value = e.Value
			continue
		}
		m.index[e.Key] = len(m.entries)
		m.entries = append(m.entries, e)
	}
	return Value{v: m}
}

// guarded marks the value as secret if its name says that it is one.
func (v Value) guarded(name string) Value {
	if isSecretName(name) && v.canHoldSecret() {
		v.flags |= flagSecret
	}
	return v
}

// canHoldSecret is false for switches such as kube_token_auth: true.
func (v Value) canHoldSecret() bool {
	k := v.rawKind()
	return k != KindNull && k != KindBool
}

func (v Value) rawKind() Kind {
	switch v.v.(type) {
	case bool:
		return KindBool
	case *big.Int:
		return KindInt
	case float64:
		return KindFloat
	case string:
		return KindString
	case []Value:
		return KindList
	case *mapping:
		return KindMap
	case vaultText:
		return KindVault
	}
	return KindNull
}

// Kind returns what the value holds. A secret tells its kind but nothing else.
func (v Value) Kind() Kind { return v.rawKind() }

// IsNull reports whether there is no value.
func (v Value) IsNull() bool { return v.v == nil }

// Secret reports whether the value must not be shown.
func (v Value) Secret() bool {
	return v.flags&flagSecret != 0 || v.rawKind() == KindVault
}

// Bool returns the value as Kubespray's `| bool` filter reads it: booleans, the numbers 0 and 1 and
// the words yes/no, on/off, true/false, in any case. ok is false for anything else.
func (v Value) Bool() (b, ok bool) {
	if v.Secret() {
		return false, false
	}
	switch x := v.v.(type) {
	case bool:
		return x, true
	case *big.Int:
		return boolWord(x.String())
	case string:
		return boolWord(x)
	}
	return false, false
}

func boolWord(s string) (b, ok bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "yes", "on", "true", "1", "y", "t":
		return true, true
	case "no", "off", "false", "0", "n", "f":
		return false, true
	}
	return false, false
}

// Int returns the value as a whole number; text that reads as one counts, as for Jinja's int filter.
func (v Value) Int() (n int64, ok bool) {
	if v.Secret() {
		return 0, false
	}
	switch x := v.v.(type) {
	case *big.Int:
		return x.Int64(), x.IsInt64()
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(x), 10, 64)
		return n, err == nil
	}
	return 0, false
}

// Text returns a scalar as a template would print it, without the user and password of a URL. ok is
// false for null, lists, maps and secrets.
func (v Value) Text() (s string, ok bool) {
	if v.Secret() {
		return "", false
	}
	switch x := v.v.(type) {
	case bool:
		return pythonBool(x), true
	case *big.Int:
		return x.String(), true
	case float64:
		return pythonFloat(x), true
	case string:
		return hideUserinfo(x), true
	}
	return "", false
}

// List returns the items of a list; nil for anything else.
func (v Value) List() []Value {
	if items, ok := v.v.([]Value); ok && !v.Secret() {
		return slices.Clone(items)
	}
	return nil
}

// Entries returns the entries of a map in their order; nil for anything else.
func (v Value) Entries() []Entry {
	if m, ok := v.v.(*mapping); ok && !v.Secret() {
		return slices.Clone(m.entries)
	}
	return nil
}

// Get returns the value of a map's key.
func (v Value) Get(key string) (Value, bool) {
	m, ok := v.v.(*mapping)
	if !ok || v.Secret() {
		return Value{}, false
	}
	at, ok := m.index[key]
	if !ok {
		return Value{}, false
	}
	return m.entries[at].Value, true
}

// Unresolved returns the Jinja expression that the value, or something in it, depends on. Such a value
// is known only to a running playbook: it is shown as it stands and never compared.
func (v Value) Unresolved() (expr string, unresolved bool) {
	if v.Secret() {
		return "", false
	}
	switch x := v.v.(type) {
	case string:
		if v.flags&flagUnsafe == 0 && hasJinja(x) {
			return hideUserinfo(x), true
		}
	case []Value:
		for _, item := range x {
			if expr, ok := item.Unresolved(); ok {
				return expr, true
			}
		}
	case *mapping:
		for _, e := range x.entries {
			if expr, ok := e.Value.Unresolved(); ok {
				return expr, true
			}
		}
	}
	return "", false
}

// hasJinja tells text that ansible would template; the marks are Jinja's defaults.
func hasJinja(s string) bool {
	return strings.Contains(s, "{{") || strings.Contains(s, "{%") || strings.Contains(s, "{#")
}

// Equal reports whether two values are the same, secrets included.
func (v Value) Equal(w Value) bool {
	if v.flags != w.flags || v.rawKind() != w.rawKind() {
		return false
	}
	switch x := v.v.(type) {
	case *big.Int:
		return x.Cmp(w.v.(*big.Int)) == 0
	case []Value:
		return slices.EqualFunc(x, w.v.([]Value), Value.Equal)
	case *mapping:
		return slices.EqualFunc(x.entries, w.v.(*mapping).entries, func(a, b Entry) bool {
			return a.Key == b.Key && a.Value.Equal(b.Value)
		})
	}
	return v.v == w.v
}

// String returns the value for people: text as it is, everything else as JSON, secrets redacted.
func (v Value) String() string {
	if v.rawKind() == KindVault {
		return Encrypted
	}
	if v.Secret() {
		return Redacted
	}
	if s, ok := v.v.(string); ok {
		return hideUserinfo(s)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return "<" + v.rawKind().String() + ">"
	}
	return string(out)
}

// Format prints String for every verb, so that no verb can reach a secret.
func (v Value) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		fmt.Fprintf(f, "%q", v.String())
		return
	}
	fmt.Fprint(f, v.String())
}

// MarshalJSON writes the value with its secrets redacted.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.Secret() {
		return json.Marshal(v.String())
	}
	switch x := v.v.(type) {
	case float64:
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return json.Marshal(pythonFloat(x))
		}
		return []byte(jsonFloat(x)), nil
	case string:
		return json.Marshal(hideUserinfo(x))
	case *big.Int:
		return []byte(x.String()), nil
	case []Value:
		if x == nil {
			return []byte("[]"), nil
		}
		return json.Marshal(x)
	case *mapping:
		return x.marshal()
	}
	return json.Marshal(v.v)
}

func (m *mapping) marshal() ([]byte, error) {
	out := []byte{'{'}
	for i, e := range m.entries {
		if i > 0 {
			out = append(out, ',')
		}
		key, err := json.Marshal(e.Key)
		if err != nil {
			return nil, err
		}
		value, err := e.Value.MarshalJSON()
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}'), nil
}

func pythonBool(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// jsonFloat keeps the point of a whole float, so that 1.0 does not come back as an integer.
func jsonFloat(f float64) string {
	s := pythonFloat(f)
	if strings.ContainsAny(s, ".e") {
		return s
	}
	return s + ".0"
}

// pythonFloat prints a float like Python's repr.
func pythonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

var userinfoURL = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#"']*@`)

// hideUserinfo redacts the user part of URLs such as http_proxy: http://me:secret@proxy:3128.
func hideUserinfo(s string) string {
	if !strings.Contains(s, "@") {
		return s
	}
	return userinfoURL.ReplaceAllStringFunc(s, func(found string) string {
		scheme, rest, _ := strings.Cut(found, "://")
		if _, err := url.Parse(scheme + "://host"); err != nil || !strings.Contains(rest, ":") {
			return found
		}
		return scheme + "://" + Redacted + "@"
	})
}

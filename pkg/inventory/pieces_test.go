package inventory

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// TestPiecesAgainstAnsible compares the parsers of values, words, host patterns, lines and YAML
// scalars with ansible's own, over fixed samples and over random ones made of likely tokens.
// INVENTORY_TEXTS sets how many random ones, INVENTORY_SEED which.
func TestPiecesAgainstAnsible(t *testing.T) {
	o := startOracle(t, "")
	for _, piece := range pieces() {
		t.Run(piece.op, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(envInt("INVENTORY_SEED", 1)), uint64(len(piece.op))))
			samples := piece.samples
			for range envInt("INVENTORY_TEXTS", 1500) {
				samples = append(samples, randomText(rng, piece.tokens))
			}
			for _, text := range samples {
				if strings.Contains(text, "\\N{") {
					continue
				}
				got, err := piece.parse(text)
				answer, failure := o.ask(piece.op, text)
				if failure != "" {
					if err == nil && !piece.tolerates(failure) {
						t.Errorf("%s %q: ansible refuses it (%s), we read %v", piece.op, text, failure, got)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s %q: we refuse it (%v), ansible reads %s", piece.op, text, err, answer)
					continue
				}
				if want := decode(t, answer); !reflect.DeepEqual(want, got) {
					t.Errorf("%s %q: ansible reads %s, we read %v", piece.op, text, answer, got)
				}
			}
		})
	}
}

type piece struct {
	op      string
	samples []string
	tokens  []string
	parse   func(string) (any, error)
	// unprintable are failures of ansible to print a value that it did read.
	unprintable []string
}

func (p piece) tolerates(failure string) bool {
	for _, u := range p.unprintable {
		if strings.Contains(failure, u) {
			return true
		}
	}
	return false
}

func randomText(rng *rand.Rand, tokens []string) string {
	var b strings.Builder
	for range 1 + rng.IntN(8) {
		b.WriteString(tokens[rng.IntN(len(tokens))])
	}
	return b.String()
}

func words(values []string) any {
	out := []any{}
	for _, v := range values {
		out = append(out, v)
	}
	return out
}

func pieces() []piece {
	return []piece{
		{
			op: "literal",
			samples: []string{
				"", "1", "01", "00", "0_0", "1_000", "0x1F", "0o17", "0b11", "017", "-1", "--1", "- 1", "+1", "1.", ".5", "1e3", "1e-3",
				"01.5", "1_0.0_1", "1__0", "10_e_1", "1e1_0", "0x_e_1", "r0'a'", "b0'a'+0", "1_", "_1", "0x_f", "True", "true", "False", "None", "none", "yes", "nan", "-True",
				"'a'", `"a"`, `'a' "b"`, `'a'b'c'`, `b'a'`, `b'a' 'c'`, `r'\n'`, `u'x'`, `f'x'`, `'''x'''`, `"\x41\u0041\U00000041\101"`,
				`'\d'`, `'\'`, `"unclosed`, "[1, 2]", "[1, 2,]", "[,]", "[]", "()", "(1)", "(1,)", "1,2", "1,", "{}", "{'a': 1}", "{'a': 1,}",
				"{1, 2}", "{[]: 1}", "{[]}", "{(): 1}", "set()", "set( )", "{'a': {'b': [1, 2.0, None, True]}}", "1 # comment", "a # comment",
				"'x' # comment", "1 2", "a=b", "{{ x }}", "10.233.0.0/18", "192.168.0.1", "v1.15.3", "1.15", "1.20", "1-2", "2024-01-01",
				"[1", "1]", "a b", "'a' + 'b'", "1 + 2", "[[[[[[]]]]]]", strings.Repeat("[", 150) + strings.Repeat("]", 150), "0xg", "1e", "1e+",
				"1.e5", "1._5", "1.5.5", "0x1e-5", "1e-5-5", "lambda: 0", "(yes)", "{'a'}", "{'a' 'b': 'c' 'd'}", "\u00a01", "1\u00a0", "é", "'é'",
				"99999999999999999999999999", "1e400", "-0", "-0.0", "0.1", "1e16", "1e-7", "123456789012345678.0", `"a`, `b"\x41"`,
				`["a", b"b"]`, "{'a': 1, 'a': 2}", "not True", "[*a]", "{**a}", "1if 1else 2", "  1", "\t1",
			},
			tokens: []string{"1", "0", "_", ".", "e", "-", "+", "'", `"`, "a", "[", "]", "(", ")", "{", "}", ",", ":", " ", "True", "None", "b", "r", "x", "\\", "n", "#", "0x", "1.5", "'s'", "set()"},
			parse: func(s string) (any, error) {
				v, err := iniValue(s)
				return plain(v), err
			},
			unprintable: []string{"not JSON serializable", "keys must be", "surrogates"},
		},
		{
			op: "shlex",
			samples: []string{
				"", "a", "a b", "a  b\tc", "a=b c='d e'", `a="b c"`, `a="b \" c"`, `a='b \' c`, `a=b\ c`, `a=b#c d`, "a #b", "#a", `""`, `'' a`, `a="`, `a\`,
				`"\a"`, `"\\"`, "'\\'", `a""b`, `a=é`, "a\u00a0b", `''#x`, `a=''`,
			},
			tokens: []string{"a", "b", "=", " ", "\t", "'", `"`, "\\", "#", ";", "é", "x y", "\u00a0"},
			parse:  func(s string) (any, error) { w, err := splitHostLine(s); return words(w), err },
		},
		{
			op: "pattern",
			samples: []string{
				"", "a", "a:22", "a:", "a:0", "a:x", "node[1:3]", "node[01:03]", "node[1:10:3]", "node[a:c]", "node[A:c]", "n[a:c:2]", "n[1:2]-[a:b]", "n[1:2]:2222",
				"[::1]:22", "[2001:db8::1]:22", "2001:db8::1", "::1", "[fe80::1]", "10.0.0.[1:3]", "10.0.0.1:22", "fe80::[1:3]", "[fe80::[1:3]]:22",
				"n[:3]", "n[1:]", "n[01:3]", "n[3:1]", "n[c:a]", "n[1]", "n[1:2:3:4]", "n[1:2", "n1:2]", "n]1:2[", "a|b", "a|b[1:2]", "n[1:5:0]", "n[5:1:-1]", "n[1:5:-1]",
				"n[a:c:0]", "n[a:c:-1]", "n[ab:cd]", "n[x:3]", "n[1_0:12]", "n[ 1: 3 ]", "n[-1:1]", "n[00:02]", "n[000:010:5]", "host_name", "-host", "host-", "_host", "host_",
				"a.b.c", "a..b", "a.b.", "é", "n[1:3].example.com:22", "[foo:22]:33", "[foo]:33", "300.1.1.1", "[]:1", "a b", "n[0:0]", "n[09:11]", "n[9:011]", "n[01:1_]", "1:2:3", "a:1:2",
				"n[1:3][1:2][a:b]", "١:2", "n[1:2]x[2:1]", "a:99999999999999999999", "K[a:b]", "n[+1:3]",
			},
			tokens: []string{"a", "n", "1", "10", "[", "]", ":", "[1:3]", "[a:c]", "[01:03]", "[1:5:2]", ".", "-", "_", "::", "fe80", ":22", "0", "|", "é"},
			parse: func(s string) (any, error) {
				names, port, err := expandHostPattern(s, 100_000)
				var p any
				if port != nil {
					p = plain(bigValue(port))
				}
				return map[string]any{"hosts": words(names), "port": p}, err
			},
		},
		{
			op:      "lines",
			samples: []string{"", "\n", "a\n", "a\r\nb", "a\rb", "a\vb\fc", "a\x1cb\x1dc\x1ed", "a\u0085b\u2028c\u2029d", "a\n\nb\n"},
			tokens:  []string{"a", "\n", "\r", "\v", "\u2028", "é", "\u0085", " "},
			parse:   func(s string) (any, error) { return words(splitLines(s)), nil },
		},
		{
			op:      "yaml",
			samples: yamlSamples(),
			tokens: []string{
				"1", "0", "_", ".", "e", "-", "+", "'", `"`, "a", "[", "]", "{", "}", ", ", ": ", " ", "yes", "No", "on", "~", "null", "\n", "- ", "a: ", "0x", "0o7", "07", ":30", "1.5",
				"1e5", "|\n  ", "&x ", "*x", "<<: ", "!!str ", "!vault ", "!unsafe x", "2001-01-01", "# c", "? ", "\n  ", "\t",
			},
			parse: func(s string) (any, error) {
				doc := newYAMLDoc("f", DefaultLimits())
				if err := doc.parse([]byte(s)); err != nil {
					return nil, err
				}
				v, err := doc.construct(doc.root)
				return plain(v), err
			},
			unprintable: []string{"not JSON serializable", "keys must be", "Circular", "maximum recursion"},
		},
	}
}

func yamlSamples() []string {
	scalars := []string{
		"yes", "Yes", "YES", "yEs", "no", "on", "off", "y", "n", "true", "TRUE", "True", "~", "null", "Null", "NULL", "nULL", "", "0", "00", "07", "08", "0777", "0o17", "0x1f", "0b101",
		"1_000", "+1", "-1", "190:20:30", "1:30", "10:75", "1.5", "1.", ".5", "-.5", "+.5", "1e3", "1.0e3", "1.0e+3", "6.8523015e+5", "685.230_15e+03", "190:20:30.15", ".inf", "-.Inf", ".nan", "._1",
		"2001-12-14", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43.10 -5", "2001-12-14 21:59:43.1", "2001-1-1 1:00:00", "2001-13-45", "2001-12-15 2:59:43.10", "2001-12-14T21:59:43Z", "=", "<<", "'yes'", `"yes"`, `"\x41\u0041\n"`,
		"!!str 12", "! 12", "!!int '12'", "!!float 1", "!!bool yes", "!!null x", "!vault x", "!unsafe '{{ x }}'", "!foo x", "!!binary aGVsbG8=", "v1.15.3", "1.20", "10.0.0.0/8", "a: b", "- a", "[a, b]", "{a: b}", "{a, b}",
		"|\n  x\n  y\n", ">-\n  x\n  y\n", "a # b", "a#b", "#", "'it''s'", "0_", "0x_", "1__0", "-0", "+0", "-0x1f", "0b", "1:60", "00:30", "1_0:3_0",
	}
	var out []string
	for _, s := range scalars {
		out = append(out, s, "k: "+s, "- "+s)
		if !strings.Contains(s, "\n") && s != "" {
			out = append(out, s+": v")
		}
	}
	return append(out,
		"a: &x {b: 1}\nc: *x", "a: &x {b: 1}\nc:\n  <<: *x\n  b: 2\n  d: 3", "<<: {a: 1}\na: 2", "a: 2\n<<: {a: 1, b: 1}", "<<: [{a: 1}, {a: 2, b: 2}]", "<<: 1", "<<: [1]", "'<<': {a: 1}",
		"a: 1\na: 2", "? [a]\n: b", "? {a: b}\n: c", "? a\n: b", "a: *x", "a: &x 1\nb: &x 2", "a: &a [*a]", "---\na: 1\n...", "---\na: 1\n---\nb: 2", "%YAML 1.1\n---\na: 1", "\ta: 1", "a:\n\tb", "a: 'x\n  y'", "a: \"x\\\n  y\"",
		"a: b: c", "a:b", "[a, b", "{a: b", "'a", "a: |\n x\n  y\n", "a: @x", "a: `x`", "a: %x", "- - a\n  - b", "a:\n- b\n- c", "a:\n  - b\n c: d", "!unsafe {a: '{{ x }}', b: c}", "!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n", "a: !vault |\n  x",
		"1: a\n2: b", "true: a", "null: a", "1.5: a", "=: a", "a: {b: {c: {d: [1, [2, [3]]]}}}", "\ufeffa: b", "a: '\\n'", "a: \"\\q\"", "key with space: v", "a: [1, , 2]", "a: {x: 1, x: 2}",
	)
}

package slackbot

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// forbiddenFlags would let somebody choose a server, credentials or an identity.
func forbiddenFlags() []string {
	return []string{
		"as", "as-group", "as-uid", "as-user-extra", "kubeconfig", "context", "server", "token", "user", "username", "password",
		"insecure-skip-tls-verify", "certificate-authority", "client-certificate", "client-key", "tls-server-name",
		"request-timeout", "cache-dir", "disable-compression", "template", "proxy-url",
	}
}

func TestGrammarHasNoConnectionFlags(t *testing.T) {
	t.Parallel()
	for _, action := range actions.All() {
		set := newFlags(&command{action: action, options: action.New()}).set
		set.VisitAll(func(f *pflag.Flag) {
			if slices.Contains(forbiddenFlags(), f.Name) {
				t.Errorf("%q has --%s", action.Words, f.Name)
			}
		})
	}
}

func TestExamplesParse(t *testing.T) {
	t.Parallel()
	p := parser{actions.All()}
	for _, action := range actions.All() {
		for _, example := range action.Examples {
			_, err := p.parse(example.Line)
			if err != nil && !strings.Contains(err.Error(), "terminal only") {
				t.Errorf("%q: %v", example.Line, err)
			}
		}
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	p := parser{actions.All()}
	for line, want := range map[string]string{
		"statsu":                          "did you mean: /lab status",
		"lable nodes k8s01 a=b":           "did you mean: /lab label nodes k8s01 a=b",
		"label node k8s01":                "did you mean: /lab label nodes k8s01",
		"label":                           `"label" needs one of: nodes`,
		"version --clinet":                "did you mean: --client",
		`version "--as=system:admin"`:     "unknown flag: --as",
		"version --kubeconfig /etc/x":     "unknown flag: --kubeconfig",
		"version --as-group x":            "unknown flag: --as-group",
		"traffic svc --watch":             "--watch works in a terminal only",
		`version "unclosed`:               "a quote is not closed",
		"version -n Bad_Name":             `--namespace "Bad_Name"`,
		"version -o go-template={{.}}":    `-o "go-template={{.}}" is not a format here`,
		"version -o jsonpath-file=/etc/x": "is not a format here",
	} {
		_, err := p.parse(line)
		if err == nil {
			t.Errorf("%q was taken", line)
			continue
		}
		e := actions.Explain(err)
		if e.Code != actions.ExitUsage || !strings.Contains(e.Message+" "+e.Hint, want) {
			t.Errorf("%q: %q, hint %q; want %q", line, e.Message, e.Hint, want)
		}
	}
}

func TestTyped(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"get pods -l ‘a=b’":                         "get pods -l 'a=b'",
		"label nodes —all a=b":                      "label nodes --all a=b",
		"logs <http://web.example|web.example>":     "logs web.example",
		"get svc &lt;x&gt; &amp; y":                 "get svc <x> & y",
		"get pods -l “app in (a,b)”":                `get pods -l "app in (a,b)"`,
		"see <https://example.com/x>":               "see https://example.com/x",
		"&amp;lt;stays escaped once&amp;gt;":        "&lt;stays escaped once&gt;",
		"mail <mailto:a@example.com|a@example.com>": "mail a@example.com",
	} {
		if got := typed(raw); got != want {
			t.Errorf("typed(%q) = %q, want %q", raw, got, want)
		}
	}
}

// FuzzParse looks for a line by which somebody could reach a flag that Slack's grammar must not have,
// and for lines that crash.
func FuzzParse(f *testing.F) {
	for _, action := range actions.All() {
		for _, example := range action.Examples {
			f.Add(example.Line)
		}
	}
	for _, seed := range []string{`version "--as=x"`, `'version' --as\=x`, "token --kubeconfig=/x", "version -- --as=x", "version\n--server=x", "version --a\\s x"} {
		f.Add(seed)
	}
	p := parser{actions.All()}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := p.parse(typed(line))
		if err != nil {
			var help *helpWanted
			if e := actions.Explain(err); !errors.As(err, &help) && e.Code != actions.ExitUsage {
				t.Fatalf("%q: exit code %d: %v", line, e.Code, err)
			}
			return
		}
		c.flags.Visit(func(flag *pflag.Flag) {
			if slices.Contains(forbiddenFlags(), flag.Name) || actions.IsTerminalOnly(flag) {
				t.Fatalf("%q sets --%s", line, flag.Name)
			}
		})
		again, err := p.parse(c.line())
		if err != nil || !slices.Equal(again.words, c.words) {
			t.Fatalf("%q is no longer the same when it is run again: %q (%v)", line, c.line(), err)
		}
	})
}

// Package frontends holds both front ends to the same meaning: one corpus of command lines runs through
// the terminal and through Slack, and must make the same requests of the API server.
package frontends

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/kballard/go-shellquote"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"

	"github.com/kubectl-lab/kubectl-lab/internal/cli"
	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// The namespaces in which each front end runs the corpus; each has its own, since a namespace takes
// its time to go away.
const (
	terminalNamespace = "corpus-t"
	slackNamespace    = "corpus-s"
)

// outcome is what a command came to, in a form that both front ends have.
type outcome struct {
	// rehearsed are the requests of the command's rehearsal, if it has one, and requests all.
	rehearsed, requests []string
	// ended is the exit code.
	ended string
	// said is the result's or the error's text.
	said string
}

func TestSameRequests(t *testing.T) {
	cluster := testcluster.New(t, testcluster.Options{})
	config, err := cluster.RESTConfig()
	check(t, err)
	admin := kubernetes.NewForConfigOrDie(config)
	seen := &recorder{}
	server := httptest.NewTLSServer(seen.handler(t, config))
	t.Cleanup(server.Close)
	for _, name := range []string{terminalNamespace, slackNamespace, recordsNamespace} {
		createNamespace(t, admin, name)
	}

	var inTerminal []outcome
	shell := newTerminal(t, seen, writeKubeconfig(t, server, terminalNamespace))
	for _, l := range corpus() {
		inTerminal = append(inTerminal, shell.run(t, l))
	}
	waitGone(t, admin, terminalNamespace+"-")
	chat := startBot(t, admin, seen, writeKubeconfig(t, server, ""))
	for i, l := range corpus() {
		compare(t, l, inTerminal[i], chat.run(t, l))
	}
	t.Run("elsewhere", func(t *testing.T) {
		for _, text := range elsewhere() {
			chat.refuses(t, text, "did not come with the command")
		}
	})
	t.Run("terminal only", func(t *testing.T) {
		for _, text := range terminalOnlyLines() {
			chat.refuses(t, text, "works in a terminal only")
		}
	})
}

// waitGone waits for the end of the namespaces whose names begin so: the next front end would find them.
func waitGone(t *testing.T, admin kubernetes.Interface, prefix string) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patient, true, func(ctx context.Context) (bool, error) {
		list, err := admin.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		return !slices.ContainsFunc(list.Items, func(n corev1.Namespace) bool { return strings.HasPrefix(n.Name, prefix) }), nil
	})
	check(t, err)
}

// compare holds Slack to what the terminal did.
func compare(t *testing.T, l line, terminal, slack outcome) {
	t.Helper()
	if diff := cmp.Diff(terminal.rehearsed, slack.rehearsed); diff != "" {
		t.Errorf("%q: the requests of the terminal's --dry-run=server (-) and of Slack's preview (+) differ:\n%s\nSlack says: %s", l.text, diff, slack.said)
	}
	if diff := cmp.Diff(terminal.requests, slack.requests); diff != "" {
		t.Errorf("%q: the terminal's (-) and Slack's (+) requests differ:\n%s\nSlack says: %s", l.text, diff, slack.said)
	}
	if terminal.ended != slack.ended {
		t.Errorf("%q: ends in the terminal with %q, in Slack with %q\nterminal: %s\nSlack: %s", l.text, terminal.ended, slack.ended, terminal.said, slack.said)
	}
	if l.kind == printing && words(terminal.said) == "" {
		t.Errorf("%q: prints nothing", l.text)
	}
	if l.kind == printing && !strings.Contains(words(slack.said), words(terminal.said)) {
		t.Errorf("%q: the terminal says %q, Slack %q", l.text, terminal.said, slack.said)
	}
	said := terms(slack.said)
	for _, term := range terms(errorMessage(terminal.said)) {
		if !slices.Contains(said, term) {
			t.Errorf("%q: the terminal's error is %q, Slack says %q, without %q", l.text, errorMessage(terminal.said), slack.said, term)
		}
	}
}

// terms are a text's names and words. Slack sets the object apart from what is said of it.
func terms(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '.' })
}

// words are a text without its line breaks, which follow the width of a screen.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// errorMessage is the message of an error as the terminal prints it, without the way out, which names
// the terminal's commands.
func errorMessage(text string) string {
	_, message, found := strings.Cut(text, "error: ")
	if !found || strings.Contains(message, "unknown command") { // the front ends' own names are in it
		return ""
	}
	message, _, _ = strings.Cut(message, "\n")
	return message
}

// terminal is a person at a terminal.
type terminal struct {
	seen       *recorder
	kubeconfig string
	folder     string // with the files of the corpus
}

func newTerminal(t *testing.T, seen *recorder, kubeconfig string) *terminal {
	t.Helper()
	c := &terminal{seen: seen, kubeconfig: kubeconfig, folder: t.TempDir()}
	for name, content := range files() {
		check(t, os.WriteFile(filepath.Join(c.folder, name), []byte(content), 0o600))
	}
	return c
}

// run gives a command, after its rehearsal if Slack rehearses it.
func (c *terminal) run(t *testing.T, l line) outcome {
	t.Helper()
	var rehearsal []request
	if l.kind == writing || l.kind == stopping {
		rehearsal, _ = c.command(t, l, "--dry-run=server")
	}
	requests, end := c.command(t, l)
	if changes := slices.ContainsFunc(requests, request.changes); l.kind == writing && !changes {
		t.Errorf("%q: is to write, and writes nothing: %s", l.text, end.said)
	}
	switch l.kind {
	case writing:
		end.rehearsed = meaning(rehearsal, terminalNamespace)
		end.requests = meaning(append(rehearsal, requests...), terminalNamespace)
	case stopping:
		end.requests = meaning(rehearsal, terminalNamespace)
	default:
		end.requests = meaning(requests, terminalNamespace)
	}
	return end
}

// command runs a command line as "kubectl lab" does.
func (c *terminal) command(t *testing.T, l line, more ...string) ([]request, outcome) {
	t.Helper()
	c.seen.take()
	args, err := shellquote.Split(strings.ReplaceAll(l.text, "NS", terminalNamespace))
	check(t, err)
	if i := slices.Index(args, l.file); i >= 0 {
		args[i] = filepath.Join(c.folder, l.file)
	}
	var out, errOut bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	code := cli.Run(ctx, cli.Config{
		Streams: genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &out, ErrOut: &errOut},
		Build:   actions.BuildInfo{Version: testVersion},
		Actions: actions.All(),
		Getenv:  func(string) string { return "" },
	}, withFlags(args, append(more, "--kubeconfig="+c.kubeconfig, "--cache-dir="+filepath.Dir(c.kubeconfig))))
	if ctx.Err() != nil {
		t.Fatalf("%q does not end in the terminal; it says: %s%s", l.text, &out, &errOut)
	}
	return c.seen.take(), outcome{
		ended: fmt.Sprint(int(code)),
		said:  settle(strings.ReplaceAll(out.String()+errOut.String(), c.folder+"/", ""), terminalNamespace),
	}
}

// withFlags adds flags in front of "--", behind which words belong to a container.
func withFlags(args, flags []string) []string {
	at := slices.Index(args, "--")
	if at < 0 {
		at = len(args)
	}
	return slices.Insert(args, at, flags...)
}

// TestCorpusIsWhole fails if a verb or a flag is missing from the corpus: both front ends are held to
// the same meaning for all of them.
func TestCorpusIsWhole(t *testing.T) {
	given := map[string][]string{} // words of the lines, by verb
	for _, l := range corpus() {
		noteLine(t, given, l.text)
	}
	for _, action := range actions.All() {
		words, found := given[action.Words]
		if !found {
			t.Errorf("no line of the corpus is of the verb %q", action.Words)
			continue
		}
		flagsOf(action).VisitAll(func(flag *pflag.Flag) {
			if !actions.IsTerminalOnly(flag) && !givesFlag(words, flag) {
				t.Errorf("no line of the corpus gives --%s of %q", flag.Name, action.Words)
			}
		})
	}
}

func noteLine(t *testing.T, given map[string][]string, text string) {
	t.Helper()
	words, err := shellquote.Split(text)
	check(t, err)
	action, rest, found := actions.Find(actions.All(), words)
	if found {
		given[action.Words] = append(given[action.Words], append(rest, "")...) // not nil, even without words
	}
}

func flagsOf(action actions.Action) *pflag.FlagSet {
	flags := pflag.NewFlagSet(action.Words, pflag.ContinueOnError)
	action.New().Bind(flags)
	return flags
}

func givesFlag(words []string, flag *pflag.Flag) bool {
	return slices.ContainsFunc(words, func(word string) bool {
		name, _, _ := strings.Cut(word, "=")
		return name == "--"+flag.Name || flag.Shorthand != "" && name == "-"+flag.Shorthand
	})
}

// terminalOnlyLines gives each flag that works in a terminal only, with its verb.
func terminalOnlyLines() []string {
	var lines []string
	for _, action := range actions.All() {
		flagsOf(action).VisitAll(func(flag *pflag.Flag) {
			switch {
			case !actions.IsTerminalOnly(flag):
			case flag.NoOptDefVal != "":
				lines = append(lines, action.Words+" x --"+flag.Name)
			default:
				lines = append(lines, action.Words+" x --"+flag.Name+"=x")
			}
		})
	}
	return lines
}

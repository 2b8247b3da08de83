package slackbot

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// help answers /lab, /lab help and /lab help VERB.
func (p parser) help(words []string) (*document.Document, error) {
	if len(words) == 0 {
		return p.helpAll(p.actions), nil
	}
	if action, rest, ok := actions.Find(p.actions, words); ok && len(rest) == 0 {
		return helpVerb(action), nil
	}
	below := slices.DeleteFunc(slices.Clone(p.actions), func(a actions.Action) bool { return a.Path()[0] != words[0] })
	if len(below) > 0 && len(words) == 1 {
		return p.helpAll(below), nil
	}
	return nil, p.unknown(words)
}

// helpAll lists verbs under the headings of their groups.
func (p parser) helpAll(list []actions.Action) *document.Document {
	doc := &document.Document{Title: "A Kubernetes lab manual as commands"}
	for _, group := range actions.Groups() {
		var facts document.Facts
		for _, a := range list {
			if a.Group == group {
				facts = append(facts, document.Fact{Name: "/lab " + a.Words, Value: document.T(a.Short)})
			}
		}
		if len(facts) > 0 {
			doc.Add(document.Heading{Text: string(group)}, facts)
		}
	}
	return doc.Add(document.Note{Tone: document.Muted, Text: "/lab help VERB shows more about a verb. In a channel, mention me instead to be answered in a thread."})
}

func helpVerb(a actions.Action) *document.Document {
	c := &command{action: a, options: a.New()}
	doc := &document.Document{Title: "/lab " + a.Words}
	doc.Add(
		document.Note{Text: inSlack(a.Long)},
		document.Preformatted{Title: "Usage", Text: strings.TrimSpace("/lab " + a.Words + " " + a.Args)},
		document.Preformatted{Title: "Examples", Text: examples(a)},
		document.Preformatted{Title: "Flags", Text: flagUsages(newFlags(c).set)},
	)
	return doc
}

func examples(a actions.Action) string {
	var lines []string
	for _, e := range a.Examples {
		lines = append(lines, "# "+e.Comment, "/lab "+e.Line)
	}
	return strings.Join(lines, "\n")
}

// flagUsages is pflag's list, wrapped for a narrow screen.
func flagUsages(set *pflag.FlagSet) string {
	const columns = 70
	return strings.TrimRight(set.FlagUsagesWrapped(columns), "\n")
}

// inSlack puts the words that start a command in Slack in the place of the terminal's.
func inSlack(text string) string { return strings.ReplaceAll(text, "kubectl lab ", "/lab ") }

// errorDocument shows an error and the way out.
func errorDocument(err error) *document.Document {
	e := actions.Explain(err)
	return new(document.Document).Add(document.Verdicts{{
		Status:  document.Failed,
		Message: inSlack(e.Message),
		Hint:    inSlack(e.Hint),
	}})
}

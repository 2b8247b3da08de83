package slackbot

import (
	"regexp"
	"strings"

	"github.com/kballard/go-shellquote"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// slackLink is what Slack makes of an address or a mention that somebody types:
// <https://example.com|example.com>, <@U0123>, <#C0123|general>.
// See https://docs.slack.dev/messaging/formatting-message-text#retrieving-messages.
var slackLink = regexp.MustCompile(`<([^<>|]*)(?:\|([^<>]*))?>`)

// typed undoes what Slack and phones do to a typed line: links become the text that was typed,
// escapes become characters again, and typographic quotes and dashes become those of a command line.
func typed(text string) string {
	return strings.NewReplacer(
		"“", `"`, "”", `"`, "„", `"`, "‘", "'", "’", "'",
		"—", "--", "\u00a0", " ",
	).Replace(unescape(unlink(text)))
}

// unlink turns links into the text that was typed.
func unlink(text string) string {
	return slackLink.ReplaceAllStringFunc(text, func(link string) string {
		parts := slackLink.FindStringSubmatch(link)
		if parts[2] != "" {
			return parts[2]
		}
		return strings.TrimPrefix(parts[1], "mailto:")
	})
}

// unescape turns the three characters that Slack escapes into themselves.
func unescape(text string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}

// split cuts a line into words as a shell would: quotes and backslashes group, and that is all.
// Nothing is expanded, substituted or run.
func split(line string) ([]string, error) {
	words, err := shellquote.Split(line)
	if err != nil {
		return nil, actions.UsageErrorf("a quote is not closed, or a backslash ends the line")
	}
	return words, nil
}

// join is the line that splits into these words.
func join(words []string) string { return shellquote.Join(words...) }

package slackbot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/slack-go/slack"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-lab/kubectl-lab/internal/render/blockkit"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// preview asks for a confirmation of a command that writes: it shows what the API server says would
// happen.
func (s *session) preview(ctx context.Context) reply {
	p, err := s.rehearse(ctx)
	switch {
	case err != nil && p.result == nil:
		return s.fail(err)
	case err != nil:
		return s.refused(p, err)
	case p.unchanged():
		s.audit.objects = touched(p.result)
		return reply{message: s.show(s.resultDocument(p.result, p.watch), false), outcome: outcomeDone}
	}
	need, _ := s.config.confirmation(s.command.verb(), actions.Writes, len(p.changes))
	return s.ask(ctx, p.document(), need, p.digest())
}

// refused answers a command of which the rehearsal showed that it would fail, in whole or in part.
func (s *session) refused(p *rehearsal, err error) reply {
	doc := s.resultDocument(p.result, p.watch)
	s.addError(doc, p.result, err)
	doc.Add(document.Note{Tone: document.Info, Text: "This was a dry run: nothing was changed."})
	s.audit.reason = actions.Explain(s.explain(err)).Message
	return reply{message: s.show(doc, true), outcome: outcomeOf(p.result, err)}
}

// rehearsal is what a command would do.
type rehearsal struct {
	result  actions.Result
	changes []actions.Change
	// known says that the changes are all that there would be.
	known bool
	watch *watcher
	// again are the changes of a second run, if the command creates something. What differs between
	// the two is made up by the API server each time, such as a Service's address or the name of a
	// Pod's token volume.
	again []actions.Change
}

// rehearse runs the command without effect; twice if that shows what the API server makes up.
func (s *session) rehearse(ctx context.Context) (*rehearsal, error) {
	p, err := s.rehearseOnce(ctx)
	if err != nil || !p.creates() {
		return p, err
	}
	second, err := s.rehearseOnce(ctx)
	if err != nil {
		return second, err
	}
	p.again = second.changes
	return p, nil
}

// rehearseOnce runs the command without effect. The command itself is parsed anew for it, since options
// serve one run.
func (s *session) rehearseOnce(ctx context.Context) (*rehearsal, error) {
	c, err := s.bot.parser.parse(s.audit.line)
	if err != nil {
		return &rehearsal{}, err
	}
	dry, ok := c.options.(actions.DryRunner)
	if !ok {
		return &rehearsal{watch: newWatcher()}, nil
	}
	dry.SetDryRun(actions.DryRunServer)
	result, watch, err := s.execute(ctx, c, s.place)
	p := &rehearsal{result: result, watch: watch}
	if changer, ok := result.(actions.Changer); ok {
		p.changes, p.known = changer.Changes(), true
	}
	return p, err
}

// creates reports whether the command makes objects.
func (p *rehearsal) creates() bool {
	return slices.ContainsFunc(p.changes, func(c actions.Change) bool { return c.Before == nil && c.After != nil })
}

// unchanged reports whether the rehearsal showed that there is nothing to do.
func (p *rehearsal) unchanged() bool {
	for _, c := range p.changes {
		if c.Outcome != actions.OutcomeUnchanged && c.Outcome != actions.OutcomeSkipped {
			return false
		}
	}
	return p.known
}

// digest tells two rehearsals with different effects apart. What the API server makes up does not count;
// what is to be created does, since it may come from a file that can change.
func (p *rehearsal) digest() string {
	h := sha256.New()
	for _, c := range p.changes {
		fmt.Fprintf(h, "%s/%s %s %s\n", c.Object.Namespace, c.Object, c.Outcome, c.Message)
		for line := range p.lines(c) {
			if line.stable && line.changed() { // what stands around the change may change
				fmt.Fprint(h, line.text)
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// diffLine is a line of a unified diff.
type diffLine struct {
	text string
	// stable lines are the same whenever the command is run.
	stable bool
}

func (l diffLine) changed() bool { return l.text[0] == '+' || l.text[0] == '-' }

// lines are those of a change's diff.
func (p *rehearsal) lines(c actions.Change) iter.Seq[diffLine] {
	i := slices.IndexFunc(p.again, func(other actions.Change) bool { return other.Object == c.Object })
	known := map[string]bool{}
	if i >= 0 {
		for line := range strings.Lines(diff(p.again[i])) {
			known[line] = true
		}
	}
	return func(yield func(diffLine) bool) {
		for line := range strings.Lines(diff(c)) {
			if !yield(diffLine{text: line, stable: i < 0 || known[line]}) {
				return
			}
		}
	}
}

// text is a change's diff for people.
func (p *rehearsal) text(c actions.Change) string {
	var text strings.Builder
	for line := range p.lines(c) {
		if line.stable {
			text.WriteString(line.text)
			continue
		}
		text.WriteString(strings.TrimRight(line.text, "\n") + "  # for example\n")
	}
	return text.String()
}

// document shows what would happen, object by object.
func (p *rehearsal) document() *document.Document {
	doc := &document.Document{}
	if len(p.changes) == 0 {
		return doc.Add(document.Note{Tone: document.Warning, Text: "What this would change cannot be shown beforehand."})
	}
	verdicts := make(document.Verdicts, 0, len(p.changes))
	var text strings.Builder
	for _, c := range p.changes {
		verdicts = append(verdicts, document.Verdict{
			Status: document.Pending, Subject: c.Object.String(), Message: joinNonEmpty(": ", "to be "+string(c.Outcome), c.Message),
		})
		text.WriteString(p.text(c))
	}
	doc.Add(verdicts)
	if text.Len() > 0 {
		doc.Add(document.Preformatted{Text: text.String()})
	}
	for _, warning := range p.watch.warned() {
		doc.Add(document.Note{Tone: document.Warning, Text: "Warning: " + warning})
	}
	return doc
}

func joinNonEmpty(separator string, parts ...string) string {
	var kept []string
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, separator)
}

// diff is a change as a unified diff of YAML; empty if the objects are not known, or for deletions,
// whose name says all.
func diff(c actions.Change) string {
	if c.After == nil || c.Outcome == actions.OutcomeDeleted {
		return ""
	}
	name := c.Object.String()
	return udiff.Unified(name, name, manifest(c.Before), manifest(c.After))
}

// manifest is an object as people write it: without what the server keeps for itself. Values of
// Secrets are left out, since a preview can be public.
func manifest(object *unstructured.Unstructured) string {
	if object == nil {
		return ""
	}
	object = object.DeepCopy()
	for _, field := range [][]string{
		{"metadata", "managedFields"}, {"metadata", "resourceVersion"}, {"metadata", "uid"},
		{"metadata", "creationTimestamp"}, {"metadata", "generation"}, {"metadata", "selfLink"}, {"status"},
	} {
		unstructured.RemoveNestedField(object.Object, field...)
	}
	if object.GetKind() == "Secret" {
		for _, field := range []string{"data", "stringData"} {
			if _, found := object.Object[field]; found {
				object.Object[field] = "[redacted]"
			}
		}
	}
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		return ""
	}
	return string(text)
}

// ask shows a preview and keeps the command open until somebody decides. The record says so before
// the buttons are shown.
func (s *session) ask(ctx context.Context, doc *document.Document, need Confirmation, digest string) reply {
	if need == ConfirmPerson && (s.job.request.direct || s.place.Channel == "") {
		return s.fail(deniedError("this needs the approval of a second person", "run it in a channel, where others can see it"))
	}
	expires := s.bot.Now().Add(s.config.Timeouts.Confirm.Duration)
	at := s.place
	if need == ConfirmPerson {
		at = s.publicPlace()
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	err := s.job.record.changeOwn(ctx, func(e *entry) {
		e.state = stateWaiting
		e.need, e.digest, e.expires, e.place, e.cluster = need, digest, expires, s.place, s.cluster.Name
	})
	if err != nil {
		return s.fail(fmt.Errorf("nothing was done: %w", err))
	}
	m := s.question(doc, need)
	if need == ConfirmPerson {
		m.private = false
		s.place = at
	}
	return reply{message: m, outcome: outcomeWaiting, wait: true}
}

// publicPlace is where others can see what waits for their approval.
func (s *session) publicPlace() *place {
	p := *s.place
	p.Public = true
	return &p
}

// question is a preview with its buttons.
func (s *session) question(doc *document.Document, need Confirmation) message {
	doc.Title = "Confirm: /lab " + s.audit.line
	m := documentMessage(doc, blockkit.Options{})
	if pages := blockkit.Pages(doc, blockkit.Options{}); len(pages) > 1 {
		m.note(fmt.Sprintf("The preview is cut here: %d more pages.", len(pages)-1))
	}
	m.note(fmt.Sprintf("cluster %s · namespace %s · as %s · expires in %s", s.cluster.Name, s.namespace(), s.who.user(), s.config.Timeouts.Confirm.Duration))
	id := s.audit.id
	switch need {
	case ConfirmPerson:
		m.note("A second person must approve this, who may do the same.")
		m.buttons(button(actionApprove, id, "Approve", slack.StylePrimary), button(actionDeny, id, "Deny", slack.StyleDanger))
	case ConfirmTyped:
		m.buttons(button(actionConfirm, id, "Confirm…", slack.StyleDanger), button(actionCancel, id, "Cancel", ""))
	default:
		m.buttons(button(actionConfirm, id, "Confirm", slack.StylePrimary), button(actionCancel, id, "Cancel", ""))
	}
	return m
}

package slackbot

import (
	"context"
	"fmt"

	"github.com/slack-go/slack"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubectl-lab/kubectl-lab/internal/render/blockkit"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// lifetimeFlag is the flag by which verbs that reveal a credential take its lifetime.
const lifetimeFlag = "duration"

// check refuses a credential that would live too long.
func (t TokenConfig) check(c *command) error {
	if c.flags.Lookup(lifetimeFlag) == nil {
		return nil
	}
	asked, err := c.flags.GetDuration(lifetimeFlag)
	if err != nil {
		return fmt.Errorf("reading --%s: %w", lifetimeFlag, err)
	}
	if most := t.MaxDuration.Duration; asked > most {
		return actions.UsageErrorf("--%s %s is too long: at most %s is allowed here", lifetimeFlag, asked, most)
	}
	return nil
}

// secret answers with a credential, after an approval if the configuration asks for one, and after a
// preview if the command also writes.
func (s *session) secret(ctx context.Context) reply {
	need, _ := s.config.confirmation(s.command.verb(), actions.RevealsSecret, 0)
	writes := s.command.writes()
	if need == ConfirmClick && !writes {
		return s.reveal(ctx)
	}
	doc := new(document.Document).Add(document.Note{
		Tone: document.Warning,
		Text: s.who.user() + " asks for a credential. It will be shown to nobody else.",
	})
	digest := ""
	if writes {
		p, err := s.rehearse(ctx)
		if err != nil {
			return s.stillRefused(p, err)
		}
		doc.Add(p.document().Blocks...)
		digest = p.digest()
	}
	return s.ask(ctx, doc, need, digest)
}

// reveal runs a command whose answer is for the requester's eyes only.
func (s *session) reveal(ctx context.Context) reply {
	bound := s.bindCredential(ctx)
	result, watch, err := s.execute(ctx, s.command, s.place)
	s.audit.objects = touched(result)
	s.reportEvents(ctx, result)
	if err != nil {
		s.unbind(ctx, bound)
		return s.fail(err)
	}
	doc := s.resultDocument(result, watch)
	page := blockkit.Pages(doc, blockkit.Options{Reveal: true, Wide: s.command.output.wide()})[0]
	m := message{blocks: page.Blocks, text: "A credential, for you only", private: true}
	m.note(fmt.Sprintf("Only you can see this. cluster %s · as %s", s.cluster.Name, s.who.user()))
	if bound != nil {
		m.note("Revoke makes it useless at once.")
		m.buttons(button(actionRevoke, bound.encode(), "Revoke", slack.StyleDanger))
	}
	s.tellApprovers(ctx)
	return reply{message: m, outcome: outcomeOf(result, nil)}
}

// tellApprovers takes the buttons off the message that asked for an approval.
func (s *session) tellApprovers(ctx context.Context) {
	if s.audit.approver == "" || s.place.Message == "" {
		return
	}
	m := textMessage("Approved by " + s.audit.approver + ". The answer was shown to the requester alone.")
	if err := s.bot.speaker.update(ctx, s.place, m); err != nil {
		s.bot.Log.Warn("an approval could not be shown", "error", err, "id", s.audit.id)
	}
}

// mayReveal refuses approvers who could not get such a credential themselves: in the namespace that
// the command names, or if it names none, in every one.
func (s *session) mayReveal(ctx context.Context) error {
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: "create", Resource: "serviceaccounts", Subresource: "token", Namespace: s.command.namespace,
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("asking whether you may approve this: %w", err)
	}
	if !review.Status.Allowed {
		return deniedError("you may not approve this: you may not create tokens there yourself", "")
	}
	return nil
}

// client is the cluster as the session's person.
func (s *session) client(ctx context.Context) (kubernetes.Interface, error) {
	env, err := s.env(ctx, s.command, newWatcher())
	if err != nil {
		return nil, err
	}
	return env.Cluster.Kubernetes()
}

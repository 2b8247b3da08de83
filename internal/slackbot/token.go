package slackbot

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// secret answers with a credential, after an approval if the configuration asks for one.
func (s *session) secret(ctx context.Context) reply {
	need, _ := s.config.confirmation(s.command.verb(), actions.RevealsSecret, 0)
	if need == ConfirmClick {
		return s.reveal(ctx)
	}
	doc := new(document.Document).Add(document.Note{
		Tone: document.Warning,
		Text: s.who.user() + " asks for a credential. It will be shown to nobody else.",
	})
	return s.ask(ctx, doc, need, "")
}

// reveal runs a command whose answer is for the requester's eyes only.
func (s *session) reveal(ctx context.Context) reply {
	result, watch, err := s.execute(ctx, s.command, s.place)
	s.audit.objects = touched(result)
	if err != nil {
		return s.fail(err)
	}
	doc := s.resultDocument(result, watch)
	page := blockkit.Pages(doc, blockkit.Options{Reveal: true, Wide: s.command.output.wide()})[0]
	m := message{blocks: page.Blocks, text: "A credential, for you only", private: true}
	m.note(fmt.Sprintf("Only you can see this. cluster %s · namespace %s · as %s", s.cluster.Name, s.namespace(), s.who.user()))
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

// mayReveal refuses approvers who could not get such a credential themselves.
func (s *session) mayReveal(ctx context.Context) error {
	env, err := s.env(s.command, newWatcher())
	if err != nil {
		return err
	}
	client, err := env.Cluster.Kubernetes()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: "create", Resource: "serviceaccounts", Subresource: "token", Namespace: s.namespace(),
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("asking whether you may approve this: %w", err)
	}
	if !review.Status.Allowed {
		return deniedError(fmt.Sprintf("you may not approve this: you may not create tokens in namespace %q yourself", s.namespace()), "")
	}
	return nil
}

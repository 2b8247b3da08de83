package slackbot

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubectl-lab/kubectl-lab/internal/render/blockkit"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// Credentials are bound to Secrets like these. They hold nothing: that one exists is what keeps the
// credential valid, and deleting it ends that. See
// https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens.
const (
	labelCredential   = recordPrefix + "credential"
	annotationUseless = recordPrefix + "useless-after"
)

// binding is the Secret that a credential hangs on, as the button Revoke names it.
type binding struct {
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Person    string `json:"person"`
}

func (b *binding) encode() string {
	data, err := json.Marshal(b)
	if err != nil {
		return strings.Repeat("x", maxValue+1) // cannot happen; too long, so no button
	}
	return string(data)
}

// bindCredential lets the credential that is about to be asked for be revoked. Where the person may
// make no Secrets, the credential is as it would be without: it ends by itself, but cannot be ended.
func (s *session) bindCredential(ctx context.Context) *binding {
	bindable, ok := s.command.options.(actions.Bindable)
	if !ok {
		return nil
	}
	client, err := s.client(ctx)
	if err != nil {
		return nil // running the command says why
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	b := &binding{
		Cluster:   s.cluster.Name,
		Namespace: bindable.CredentialNamespace(s.command.namespace),
		Name:      "labbot-credential-" + strings.TrimPrefix(s.audit.id, "lab-"),
		Person:    s.who.person,
	}
	sweepCredentials(ctx, client, b.Namespace, s.bot.Now())
	useless := s.bot.Now().Add(s.config.Token.MaxDuration.Duration)
	_, err = client.CoreV1().Secrets(b.Namespace).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Name:        b.Name,
		Labels:      map[string]string{actions.ManagedByLabel: managedByBot, labelCredential: "true"},
		Annotations: map[string]string{annotationUseless: formatTime(useless), annotationPerson: s.who.person},
	}}, metav1.CreateOptions{FieldManager: managedByBot})
	if err != nil {
		s.bot.Log.Info("a credential is handed out that cannot be revoked", "error", err, "id", s.audit.id)
		return nil
	}
	if !bindable.BindTo(b.Name) {
		s.unbind(ctx, b)
		return nil
	}
	return b
}

// unbind removes the Secret of a credential that came to nothing.
func (s *session) unbind(ctx context.Context, b *binding) {
	if b == nil {
		return
	}
	client, err := s.client(ctx)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	if err := client.CoreV1().Secrets(b.Namespace).Delete(ctx, b.Name, metav1.DeleteOptions{}); err != nil {
		s.bot.Log.Warn("an empty Secret was left behind", "namespace", b.Namespace, "name", b.Name, "error", err)
	}
}

// sweepCredentials removes Secrets whose credentials have ended by themselves, as the person who asks
// for the next one: the bot's own account may touch no Secrets.
func sweepCredentials(ctx context.Context, client kubernetes.Interface, namespace string, now time.Time) {
	list, err := client.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{LabelSelector: labelCredential})
	if err != nil {
		return // not allowed; somebody who is removes them
	}
	for _, secret := range list.Items {
		useless, err := time.Parse(time.RFC3339, secret.Annotations[annotationUseless])
		if err != nil || now.Before(useless) {
			continue
		}
		_ = client.CoreV1().Secrets(namespace).Delete(ctx, secret.Name, metav1.DeleteOptions{}) // the next one tries again
	}
}

// revoke ends a credential, as the person to whom it was given.
func (d *decision) revoke(ctx context.Context) error {
	var b binding
	if err := json.Unmarshal([]byte(d.request.value), &b); err != nil {
		return &actions.Error{Message: "this button is damaged", Code: actions.ExitFailed}
	}
	start := d.bot.Now()
	err := d.deleteBinding(ctx, b)
	line := auditLine{
		id: d.request.recordName(), team: d.request.team, user: d.request.user, channel: d.request.channel,
		verb: "revoke", line: b.Name, cluster: b.Cluster, namespace: b.Namespace,
		objects: []string{b.Namespace + "/secret/" + b.Name + " deleted"}, outcome: outcomeOf(nil, err),
	}
	if err != nil {
		line.objects, line.reason = nil, actions.Explain(err).Message
	}
	line.duration = d.bot.Now().Sub(start)
	d.bot.auditor.write(ctx, line)
	d.bot.metrics.commands.WithLabelValues("revoke", string(line.outcome)).Inc()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	doc := new(document.Document).Add(document.Note{Tone: document.Good, Text: "Revoked. The credential is no longer accepted, at the latest in some seconds."})
	return d.bot.speaker.say(ctx, placeOf(d.request, false, d.bot.Now()), documentMessage(doc, blockkit.Options{}))
}

func (d *decision) deleteBinding(ctx context.Context, b binding) error {
	if b.Person != d.request.person() {
		return deniedError("only the person to whom it was given can revoke it", "")
	}
	who, err := d.bot.identify(ctx, d.config, b.Person)
	if err != nil {
		return err
	}
	config, err := d.config.choose(b.Cluster, ChannelRule{})
	if err != nil {
		return err
	}
	reached, err := d.bot.clusters.get(config)
	if err != nil {
		return err
	}
	client, err := actions.NewCluster(&connection{cluster: reached, who: who, namespace: b.Namespace}).Kubernetes()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	secrets := client.CoreV1().Secrets(b.Namespace)
	secret, err := secrets.Get(ctx, b.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil // revoked before
	case err != nil:
		return fmt.Errorf("revoking: %w", err)
	case secret.Labels[labelCredential] == "":
		return deniedError("Secret "+b.Name+" holds no credential of labbot", "")
	}
	if err := secrets.Delete(ctx, b.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("revoking: %w", err)
	}
	return nil
}

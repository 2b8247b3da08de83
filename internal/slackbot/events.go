package slackbot

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	eventsclient "k8s.io/client-go/kubernetes/typed/events/v1"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

const (
	// eventController is who reports the Events.
	eventController = "kubectl-lab.github.io/labbot"
	// eventTime bounds the Events of one command together.
	eventTime = 15 * time.Second
	// maxEvents bounds the Events of one command: they are a help to readers, not the record.
	maxEvents = 100
)

// reasonOf is the reason of the Event for an outcome. Others leave no Event.
func reasonOf(o actions.Outcome) (reason string, ok bool) {
	reason, ok = map[actions.Outcome]string{
		actions.OutcomeCreated:    "Created",
		actions.OutcomeConfigured: "Configured",
		actions.OutcomeLabeled:    "Labeled",
		actions.OutcomeUnlabeled:  "Unlabeled",
		actions.OutcomeDeleted:    "Deleted",
	}[o]
	return reason, ok
}

// reportEvents leaves a Kubernetes Event on each object that the command changed, if the configuration
// asks for it. It is written with the bot's own account, beside the answer: nobody waits for it, and
// where it fails the log says so.
func (s *session) reportEvents(ctx context.Context, result actions.Result) {
	changer, ok := result.(actions.Changer)
	if !ok || !s.config.Events || !s.command.writes() || !s.bot.begin() {
		return
	}
	changes := changer.Changes()
	go func() {
		defer s.bot.busy.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), eventTime)
		defer cancel()
		if err := s.writeEvents(ctx, changes); err != nil {
			s.bot.Log.Warn("not every Event was written", "error", err, "id", s.audit.id)
		}
	}()
}

func (s *session) writeEvents(ctx context.Context, changes []actions.Change) error {
	reached, err := s.bot.clusters.get(s.cluster)
	if err != nil {
		return err
	}
	client, err := eventsclient.NewForConfig(reached.config)
	if err != nil {
		return fmt.Errorf("making a client for Events: %w", err)
	}
	written := 0
	for _, c := range changes {
		reason, ok := reasonOf(c.Outcome)
		if !ok {
			continue
		}
		if written == maxEvents {
			return fmt.Errorf("a command leaves at most %d Events", maxEvents)
		}
		event := s.eventOf(c, reason)
		if _, err := client.Events(event.Namespace).Create(ctx, event, metav1.CreateOptions{FieldManager: managedByBot}); err != nil {
			return fmt.Errorf("writing the Event on %s: %w", c.Object, err)
		}
		written++
	}
	return nil
}

// eventOf is the Event about a change. Those about objects of the whole cluster are in the namespace
// "default", as Kubernetes' own are. It says who and what, but not the words of the command.
func (s *session) eventOf(c actions.Change, reason string) *eventsv1.Event {
	now := s.bot.Now()
	namespace := firstOf(c.Object.Namespace, metav1.NamespaceDefault)
	regarding := corev1.ObjectReference{
		APIVersion: c.Object.APIVersion, Kind: c.Object.Kind, Namespace: c.Object.Namespace, Name: c.Object.Name,
	}
	for _, object := range []*unstructured.Unstructured{c.Before, c.After} {
		if object != nil && object.GetUID() != "" {
			regarding.UID = object.GetUID()
		}
	}
	return &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Name: "labbot-" + strings.ToLower(randomID()), Namespace: namespace},
		EventTime:           metav1.NewMicroTime(now),
		ReportingController: eventController,
		ReportingInstance:   s.bot.records.holder,
		Action:              s.command.verb(),
		Reason:              reason,
		Type:                corev1.EventTypeNormal,
		Regarding:           regarding,
		Note:                fmt.Sprintf("%s by %s through Slack: %s (%s)", reason, s.who.user(), s.command.verb(), s.audit.id),
	}
}

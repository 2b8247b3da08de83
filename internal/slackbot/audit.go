package slackbot

import (
	"context"
	"log/slog"
	"time"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// outcome is how a command ended, for metrics and audit.
type outcome string

const (
	outcomeDone        outcome = "done"
	outcomeBroken      outcome = "broken" // it worked, and found something broken in the cluster
	outcomeFailed      outcome = "failed"
	outcomeUsage       outcome = "usage"
	outcomeDenied      outcome = "denied"
	outcomeTimeout     outcome = "timeout"
	outcomeStopped     outcome = "stopped" // by the Cancel button
	outcomeCancelled   outcome = "cancelled"
	outcomeExpired     outcome = "expired"
	outcomeUnreachable outcome = "unreachable"
	outcomeBusy        outcome = "busy"
	outcomeLimited     outcome = "rate-limited"
	outcomeInterrupted outcome = "interrupted"
	outcomePanic       outcome = "panic"
	// outcomeWaiting is no end: the command waits for its confirmation.
	outcomeWaiting outcome = "waiting"
)

// auditLine is the one line that every command leaves behind. It holds no result, so no secret.
type auditLine struct {
	id        string
	team      string
	user      string
	channel   string
	verb      string
	line      string
	cluster   string
	namespace string
	approver  string
	objects   []string
	outcome   outcome
	reason    string
	duration  time.Duration
}

// auditor writes audit lines.
type auditor struct{ log *slog.Logger }

func (a auditor) write(ctx context.Context, l auditLine) {
	a.log.LogAttrs(ctx, slog.LevelInfo, "command",
		slog.String("id", l.id),
		slog.String("team", l.team),
		slog.String("user", l.user),
		slog.String("channel", l.channel),
		slog.String("verb", l.verb),
		slog.String("arguments", l.line),
		slog.String("cluster", l.cluster),
		slog.String("namespace", l.namespace),
		slog.String("approver", l.approver),
		slog.Any("objects", l.objects),
		slog.String("outcome", string(l.outcome)),
		slog.String("reason", l.reason),
		slog.Float64("seconds", l.duration.Seconds()),
	)
}

// touched lists the objects of a result that changed, as audit lines name them.
func touched(result actions.Result) []string {
	changer, ok := result.(actions.Changer)
	if !ok {
		return nil
	}
	var objects []string
	for _, c := range changer.Changes() {
		name := c.Object.String()
		if c.Object.Namespace != "" {
			name = c.Object.Namespace + "/" + name
		}
		objects = append(objects, name+" "+string(c.Outcome))
	}
	return objects
}

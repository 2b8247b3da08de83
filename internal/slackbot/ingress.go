package slackbot

import (
	"context"
	"errors"
	"time"

	"github.com/slack-go/slack"
)

// ackTime is how long the record of a command may take before the command is acknowledged without
// it. A command that is recorded first is never lost, since Slack delivers again what nobody
// acknowledged; but an API server that hangs must not make the acknowledgement late. Slack allows 3
// seconds.
const ackTime = 500 * time.Millisecond

// maxRecording bounds the envelopes that are being recorded at a time.
const maxRecording = 256

// maxQuick bounds the requests that are served beside the queue.
const maxQuick = 64

// job is a request on its way through the bot.
type job struct {
	request *request
	record  *record // nil as long as it could not be created
	stop    context.CancelCauseFunc
}

// receive takes a delivery. It returns what the acknowledgement is to say, which is nothing unless the
// bot is too busy; the caller acknowledges at once. It never blocks for longer than ackTime.
func (b *Bot) receive(ctx context.Context, envelope string, payload []byte) any {
	start := b.Now()
	defer func() { b.metrics.ack.Observe(b.Now().Sub(start).Seconds()) }()
	r, err := decode(envelope, payload)
	switch {
	case err != nil:
		b.metrics.envelopes.WithLabelValues("invalid").Inc()
		b.Log.Warn("Slack sent what cannot be read", "type", envelope, "error", err)
		return nil
	case r == nil || r.id == "":
		b.metrics.envelopes.WithLabelValues("ignored").Inc()
		return nil
	}
	r.received = start
	result, answer := b.accept(ctx, r)
	b.metrics.envelopes.WithLabelValues(result).Inc()
	return answer
}

// accept records and queues a request.
func (b *Bot) accept(ctx context.Context, r *request) (result string, answer any) {
	if !b.seen.first(string(r.kind) + "/" + r.team + "/" + r.id) {
		return "duplicate", nil
	}
	if r.isQuick() {
		return b.acceptQuick(r)
	}
	select {
	case b.slots <- struct{}{}:
	default:
		return "busy", b.refuseBusy(ctx, r)
	}
	j := &job{request: r}
	if r.isCommand() && errors.Is(b.recordInTime(ctx, j), errDuplicate) {
		<-b.slots
		return "duplicate", nil
	}
	b.busy.Add(1)
	b.metrics.queued.Inc()
	b.queue <- j // never blocks: the queue has a place for each slot
	return "accepted", nil
}

// isQuick reports whether a request is served beside the queue: nobody who presses Cancel should wait
// behind the commands that hang.
func (r *request) isQuick() bool {
	switch r.action {
	case actionStop, actionCancel, actionDeny:
		return true
	}
	return r.kind == kindHome
}

// acceptQuick serves a request at once, a bounded number at a time.
func (b *Bot) acceptQuick(r *request) (result string, answer any) {
	select {
	case b.quick <- struct{}{}:
	default:
		return "busy", nil
	}
	b.busy.Add(1)
	go func() {
		defer b.busy.Done()
		defer func() { <-b.quick }()
		ctx, cancel := context.WithTimeout(context.Background(), answerTime)
		defer cancel()
		b.work(ctx, &job{request: r})
	}()
	return "accepted", nil
}

// isCommand reports whether a request runs a verb, rather than being about a command given before.
func (r *request) isCommand() bool {
	switch r.kind {
	case kindSlash, kindMention, kindMessage:
		return true
	case kindClick:
		return r.action == actionAgain || r.action == actionPage
	default:
		return false
	}
}

// recordInTime tries to record a command before it is acknowledged. If that takes too long, the
// worker tries again.
func (b *Bot) recordInTime(ctx context.Context, j *job) error {
	select {
	case b.recording <- struct{}{}:
		defer func() { <-b.recording }()
	default:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ackTime)
	defer cancel()
	return b.ensureRecord(ctx, j)
}

// ensureRecord records a command if that has not been done yet.
func (b *Bot) ensureRecord(ctx context.Context, j *job) error {
	if j.record != nil {
		return nil
	}
	r := j.request
	line, _ := r.lineAndPage()
	made, err := b.records.create(ctx, r.recordName(), entry{
		person:  r.person(),
		channel: r.channel,
		line:    line,
		place:   placeOf(r, false, b.Now()),
	})
	if err != nil {
		return err
	}
	j.record = made
	b.mu.Lock()
	b.running[r.recordName()] = j
	b.mu.Unlock()
	return nil
}

// refuseBusy says that there is no room for a command. Commands and clicks are answered in the
// acknowledgement itself, which needs no further request; the others by a message.
func (b *Bot) refuseBusy(ctx context.Context, r *request) any {
	if r.kind == kindHome {
		return nil
	}
	b.auditor.write(ctx, auditLine{
		id: r.recordName(), team: r.team, user: r.user, channel: r.channel, line: r.text, outcome: outcomeBusy,
	})
	b.metrics.commands.WithLabelValues("", string(outcomeBusy)).Inc()
	const text = "labbot is busy: too many commands are waiting. Run the command again in a moment."
	switch r.kind {
	case kindSlash:
		return slack.WebhookMessage{ResponseType: slack.ResponseTypeEphemeral, Text: text}
	case kindSubmit:
		return slack.NewErrorsViewSubmissionResponse(map[string]string{typedBlock: text})
	default:
		b.sayBusy(ctx, r, text)
		return nil
	}
}

// sayBusy answers mentions and clicks, as many at a time as are recorded at a time.
func (b *Bot) sayBusy(ctx context.Context, r *request, text string) {
	select {
	case b.recording <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-b.recording }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
		defer cancel()
		p := placeOf(r, false, b.Now())
		p.Message, p.Replaces = "", false
		if err := b.speaker.say(ctx, p, textMessage(text)); err != nil {
			b.Log.Warn("nobody was told that the bot is busy", "error", err)
		}
	}()
}

package slackbot

import (
	"context"
	"errors"
	"time"

	"github.com/slack-go/slack"
)

// What an acknowledgement means: the command is recorded, or its person was told that it is not yet.
// Slack allows 3 seconds for it. What is not acknowledged, Slack delivers again (events), or tells the
// person itself that it failed (commands and buttons). So whatever process dies at whatever moment,
// no command disappears without a word; and none is done before it is recorded.
const (
	// ackTime is how long the record of a command may take before its person is told that it is
	// late. It is short, since an API server that hangs must not make acknowledgements late.
	ackTime = 500 * time.Millisecond
	// tellTime bounds that message, from the receipt of the command.
	tellTime = 2500 * time.Millisecond
)

// maxRecording bounds the envelopes that are being recorded at a time.
const maxRecording = 256

// maxQuick bounds the requests that are served beside the queue.
const maxQuick = 64

// job is a request on its way through the bot.
type job struct {
	request *request
	record  *record // nil as long as it could not be created
	place   *place  // where to answer, if that is known already
	stop    context.CancelCauseFunc
	follow  chan *place // where the requester wants to see how far it is
}

// ack is what becomes of a delivery.
type ack struct {
	// taken is false if the delivery must not be acknowledged, so that Slack delivers again or says
	// that it failed.
	taken bool
	// answer goes with the acknowledgement; mostly nil.
	answer any
}

// receive takes a delivery and says how to acknowledge it, which the caller does at once. It blocks no
// longer than tellTime.
func (b *Bot) receive(ctx context.Context, envelope string, payload []byte) ack {
	start := b.Now()
	defer func() { b.metrics.ack.Observe(b.Now().Sub(start).Seconds()) }()
	r, err := decode(envelope, payload)
	switch {
	case err != nil:
		b.metrics.envelopes.WithLabelValues("invalid").Inc()
		b.Log.Warn("Slack sent what cannot be read", "type", envelope, "error", err)
		return ack{taken: true}
	case r == nil || r.id == "":
		b.metrics.envelopes.WithLabelValues("ignored").Inc()
		return ack{taken: true}
	}
	r.received = start
	result, answer := b.acceptOnce(ctx, r)
	b.metrics.envelopes.WithLabelValues(result).Inc()
	return answer
}

// acceptOnce accepts a request that this process has not seen. Another delivery of the same request is
// acknowledged if and when the first one is.
func (b *Bot) acceptOnce(ctx context.Context, r *request) (result string, answer ack) {
	id := string(r.kind) + "/" + r.team + "/" + r.id
	first, delivery := b.seen.first(id)
	if !first {
		return "duplicate", ack{taken: delivery.wasTaken(ctx)}
	}
	result, answer = b.accept(ctx, r)
	b.seen.decide(id, delivery, answer.taken)
	return result, answer
}

// accept records and queues a request.
func (b *Bot) accept(ctx context.Context, r *request) (result string, answer ack) {
	if r.isQuick() {
		return b.acceptQuick(r)
	}
	select {
	case b.slots <- struct{}{}:
	default:
		return "busy", b.refuseBusy(ctx, r)
	}
	if !b.begin() {
		<-b.slots
		return "refused", ack{}
	}
	j := &job{request: r, place: placeOf(r, false, b.Now())}
	answer = ack{taken: true}
	if r.isCommand() {
		result, answer = b.secure(ctx, j)
	}
	if result != "" {
		b.busy.Done()
		<-b.slots
		return result, answer
	}
	b.metrics.queued.Inc()
	b.queue <- j // never blocks: the queue has a place for each slot
	return "accepted", answer
}

// secure makes sure that a command cannot get lost: by its record, or else by telling its person. A
// result that is not empty says why the command is not to be run here.
func (b *Bot) secure(ctx context.Context, j *job) (result string, answer ack) {
	err := b.recordInTime(ctx, j)
	switch {
	case err == nil:
		return "", ack{taken: true}
	case errors.Is(err, errDuplicate):
		return "duplicate", ack{taken: true}
	}
	b.metrics.late.Inc()
	b.Log.Warn("a command is not recorded yet", "error", err, "id", j.request.recordName())
	answer, err = b.tellLate(ctx, j)
	if err != nil {
		b.Log.Warn("a delivery is not acknowledged: it is not recorded, and nobody could be told", "error", err, "id", j.request.recordName())
		return "refused", ack{}
	}
	return "", answer
}

// lateText is what a person is told whose command is not recorded in time.
const lateText = "⏳ Received, but not recorded yet: the API server is slow. Nothing is done before it is. If no answer follows within a minute, run the command again."

// tellLate says that a command is not recorded yet: in the acknowledgement itself if that can carry it.
func (b *Bot) tellLate(ctx context.Context, j *job) (ack, error) {
	r := j.request
	if r.kind == kindSlash {
		return ack{taken: true, answer: slack.WebhookMessage{ResponseType: slack.ResponseTypeEphemeral, Text: lateText}}, nil
	}
	ctx, cancel := context.WithDeadline(ctx, time.Now().Add(tellTime-ackTime))
	defer cancel()
	if r.kind != kindClick {
		return ack{taken: true}, b.speaker.say(ctx, j.place, textMessage(lateText)) // the answer will replace it
	}
	aside := placeOf(r, false, b.Now())
	aside.whisper()
	err := b.speaker.say(ctx, aside, textMessage(lateText))
	j.place.Uses = aside.Uses // of the same response_url
	return ack{taken: true}, err
}

// isQuick reports whether a request is served beside the queue: nobody who presses Cancel should wait
// behind the commands that hang.
func (r *request) isQuick() bool {
	switch r.action {
	case actionStop, actionFollow, actionCancel, actionDeny:
		return true
	}
	return r.kind == kindHome
}

// acceptQuick serves a request at once, a bounded number at a time.
func (b *Bot) acceptQuick(r *request) (result string, answer ack) {
	select {
	case b.quick <- struct{}{}:
	default:
		return "busy", ack{}
	}
	if !b.begin() {
		<-b.quick
		return "refused", ack{}
	}
	go func() {
		defer b.busy.Done()
		defer func() { <-b.quick }()
		ctx, cancel := context.WithTimeout(context.Background(), answerTime)
		defer cancel()
		b.work(ctx, &job{request: r})
	}()
	return "accepted", ack{taken: true}
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

// errTooMany says that too many commands are being recorded already.
var errTooMany = errors.New("too many commands are being recorded")

// recordInTime tries to record a command before it is acknowledged. If that takes too long, the
// worker tries again.
func (b *Bot) recordInTime(ctx context.Context, j *job) error {
	select {
	case b.recording <- struct{}{}:
		defer func() { <-b.recording }()
	default:
		return errTooMany
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
		place:   j.place,
		files:   r.files,
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
func (b *Bot) refuseBusy(ctx context.Context, r *request) ack {
	b.auditor.write(ctx, auditLine{
		id: r.recordName(), team: r.team, user: r.user, channel: r.channel, line: r.text, outcome: outcomeBusy,
	})
	b.metrics.commands.WithLabelValues("", string(outcomeBusy)).Inc()
	const text = "labbot is busy: too many commands are waiting. Run the command again in a moment."
	switch r.kind {
	case kindSlash:
		return ack{taken: true, answer: slack.WebhookMessage{ResponseType: slack.ResponseTypeEphemeral, Text: text}}
	case kindSubmit:
		return ack{taken: true, answer: slack.NewErrorsViewSubmissionResponse(map[string]string{typedBlock: text})}
	default:
		return ack{taken: b.sayBusy(ctx, r, text)}
	}
}

// sayBusy answers mentions and clicks, as many at a time as are recorded at a time. It returns false if
// there are more than that, or the bot is stopping.
func (b *Bot) sayBusy(ctx context.Context, r *request, text string) bool {
	select {
	case b.recording <- struct{}{}:
	default:
		return false
	}
	if !b.begin() {
		<-b.recording
		return false
	}
	go func() {
		defer b.busy.Done()
		defer func() { <-b.recording }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
		defer cancel()
		p := placeOf(r, false, b.Now())
		p.Message, p.Replaces = "", false
		if err := b.speaker.say(ctx, p, textMessage(text)); err != nil {
			b.Log.Warn("nobody was told that the bot is busy", "error", err)
		}
	}()
	return true
}

package slackbot

import (
	"context"
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/slack-go/slack"

	"github.com/kubectl-lab/kubectl-lab/internal/render/blockkit"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// interact serves what is about a command given before: buttons, the modal, and the App Home.
func (b *Bot) interact(ctx context.Context, j *job) {
	r := j.request
	if r.kind == kindHome {
		b.openHome(ctx, r)
		return
	}
	d := &decision{bot: b, request: r, config: b.config.get()}
	serve, known := d.handlers()[r.action]
	if !known {
		return // a button of an older version
	}
	if err := serve(ctx); err != nil {
		d.whisper(ctx, err)
	}
}

// decision is a click on a button of a command, or its typed confirmation.
type decision struct {
	bot     *Bot
	request *request
	config  *Config
	record  *record
	entry   entry
}

func (d *decision) handlers() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		actionConfirm: d.confirm,
		callbackTyped: d.typed,
		actionCancel:  d.cancel,
		actionApprove: d.approve,
		actionDeny:    d.deny,
		actionStop:    d.stop,
		actionFollow:  d.follow,
		actionRevoke:  d.revoke,
	}
}

// whisper answers the clicker alone, next to the message that the button stands in.
func (d *decision) whisper(ctx context.Context, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	p := placeOf(d.request, false, d.bot.Now())
	p.whisper()
	m := message{private: true}
	shown := documentMessage(errorDocument(err), blockkit.Options{})
	m.blocks, m.text = shown.blocks, shown.text
	if err := d.bot.speaker.say(ctx, p, m); err != nil {
		d.bot.Log.Warn("a click could not be answered", "error", err)
	}
}

// load reads the record that the button is about.
func (d *decision) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	r, err := d.bot.records.get(ctx, d.request.value)
	switch {
	case apierrors.IsNotFound(err):
		return &actions.Error{Message: "this command is no longer known", Hint: "run it again", Code: actions.ExitFailed}
	case err != nil:
		return err
	}
	d.record, d.entry = r, r.entry()
	return nil
}

// waiting loads the record and checks that it still waits for a decision.
func (d *decision) waiting(ctx context.Context) error {
	if err := d.load(ctx); err != nil {
		return err
	}
	switch {
	case d.entry.state == stateWaiting && d.bot.Now().Before(d.entry.expires):
		return nil
	case d.entry.state == stateWaiting, d.entry.outcome == outcomeExpired:
		return &actions.Error{Message: "this preview has expired; nothing was changed", Hint: "run the command again", Code: actions.ExitFailed}
	case d.entry.outcome == outcomeCancelled:
		return &actions.Error{Message: "this command was cancelled; nothing was changed", Hint: "run it again if you want to", Code: actions.ExitFailed}
	default:
		return &actions.Error{Message: "this was confirmed already", Code: actions.ExitFailed}
	}
}

// byRequester refuses everybody but the person who gave the command.
func (d *decision) byRequester(what string) error {
	if d.request.person() == d.entry.person {
		return nil
	}
	return deniedError("only the person who gave the command can "+what+" it", "")
}

// confirm runs the command, or asks to type it first.
func (d *decision) confirm(ctx context.Context) error {
	if err := d.waiting(ctx); err != nil {
		return err
	}
	if err := d.byRequester("confirm"); err != nil {
		return err
	}
	switch d.entry.need {
	case ConfirmTyped:
		return d.openModal(ctx)
	case ConfirmPerson:
		return deniedError("this needs the approval of a second person", "")
	}
	return d.resume(ctx, "")
}

// typed runs the command if what was typed is right.
func (d *decision) typed(ctx context.Context) error {
	if err := d.waiting(ctx); err != nil {
		return err
	}
	if err := d.byRequester("confirm"); err != nil {
		return err
	}
	want, err := d.verb()
	if err != nil {
		return err
	}
	if d.entry.need != ConfirmTyped || !strings.EqualFold(strings.TrimSpace(d.request.text), want) {
		return &actions.Error{
			Message: "that is not what was to be typed; nothing was changed",
			Hint:    "press Confirm again and type: " + want,
			Code:    actions.ExitUsage,
		}
	}
	return d.resume(ctx, "")
}

// verb is the verb of the recorded command.
func (d *decision) verb() (string, error) {
	c, err := d.bot.parser.parse(d.entry.line)
	if err != nil {
		return "", err
	}
	return c.verb(), nil
}

// openModal asks the requester to type the verb.
func (d *decision) openModal(ctx context.Context) error {
	verb, err := d.verb()
	if err != nil {
		return err
	}
	plain := func(text string) *slack.TextBlockObject {
		return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
	}
	input := slack.NewPlainTextInputBlockElement(plain(verb), typedInput)
	block := slack.NewInputBlock(typedBlock, plain("Type the verb to confirm: "+verb), nil, input)
	_, err = d.bot.slack.OpenViewContext(ctx, d.request.trigger, slack.ModalViewRequest{
		Type:            slack.VTModal,
		CallbackID:      callbackTyped,
		PrivateMetadata: d.request.value,
		Title:           plain("Confirm"),
		Submit:          plain("Confirm"),
		Close:           plain("Back"),
		Blocks:          slack.Blocks{BlockSet: []slack.Block{block}},
	})
	if err != nil {
		d.bot.Log.Warn("the confirmation dialog could not be opened", "error", err)
		return &actions.Error{Message: "Slack did not open the dialog", Hint: "press Confirm again", Code: actions.ExitFailed, Err: err}
	}
	return nil
}

// cancel ends a command that waits.
func (d *decision) cancel(ctx context.Context) error {
	if err := d.waiting(ctx); err != nil {
		return err
	}
	if err := d.byRequester("cancel"); err != nil {
		return err
	}
	return d.drop(ctx, "Cancelled. Nothing was changed.")
}

// drop closes a waiting command without running it.
func (d *decision) drop(ctx context.Context, text string) error {
	s, err := d.take(ctx, "")
	if err != nil {
		return err
	}
	s.end(ctx, reply{message: textMessage(text), outcome: outcomeCancelled})
	return nil
}

// approve runs a command that somebody else gave.
func (d *decision) approve(ctx context.Context) error {
	if err := d.waiting(ctx); err != nil {
		return err
	}
	if d.request.person() == d.entry.person {
		return deniedError("a second person must approve this", "you gave the command yourself")
	}
	if err := d.mayApprove(ctx); err != nil {
		return err
	}
	return d.resume(ctx, d.request.person())
}

// deny ends a command that waits for approval; its requester may do so too.
func (d *decision) deny(ctx context.Context) error {
	if err := d.waiting(ctx); err != nil {
		return err
	}
	if d.request.person() != d.entry.person {
		if err := d.isApprover(ctx); err != nil {
			return err
		}
	}
	return d.drop(ctx, "Denied. Nothing was changed.")
}

// isApprover refuses people whom the configuration does not let approve.
func (d *decision) isApprover(ctx context.Context) error {
	if _, err := d.bot.identify(ctx, d.config, d.request.person()); err != nil {
		return err
	}
	verb, err := d.verb()
	if err != nil {
		return err
	}
	_, lists := d.config.confirmation(verb, actions.RevealsSecret, 0)
	for _, list := range lists {
		if list.empty() {
			return nil
		}
		member, err := d.bot.isAmong(ctx, d.request.person(), list.Users, list.SlackGroups)
		if err != nil || member {
			return err
		}
	}
	return deniedError("you may not approve this", "approvers are set in labbot's configuration")
}

// mayApprove lets approve only who could do the same: what they may not do themselves they cannot
// allow others either.
func (d *decision) mayApprove(ctx context.Context) error {
	if err := d.isApprover(ctx); err != nil {
		return err
	}
	s, err := d.session(ctx, d.request.person())
	if err != nil {
		return err
	}
	if s.command.effect() == actions.RevealsSecret {
		if err := s.mayReveal(ctx); err != nil {
			return err
		}
	}
	_, err = s.rehearse(ctx)
	if forbidden, ok := actions.DenialOf(err); ok {
		return deniedError("you may not approve this: you may not "+forbidden.String()+" yourself", "")
	}
	return err
}

// session sets up the recorded command as it would run for a person.
func (d *decision) session(ctx context.Context, person string) (*session, error) {
	team, user, _ := strings.Cut(d.entry.person, ":")
	r := &request{
		kind: kindClick, team: team, user: user, channel: d.entry.channel,
		direct: isDirect(d.entry.channel), received: d.request.received, text: d.entry.line, files: d.entry.files,
	}
	j := &job{request: r, record: d.record}
	s := &session{
		bot: d.bot, job: j, config: d.config, start: r.received, place: d.place(),
		audit: auditLine{id: d.entry.name, team: team, user: user, channel: d.entry.channel, line: d.entry.line},
	}
	var err error
	if s.who, err = d.bot.identify(ctx, d.config, person); err != nil {
		return nil, err
	}
	if s.rule, err = d.config.channelRule(r); err != nil {
		return nil, err
	}
	if err := s.parse(); err != nil {
		return nil, err
	}
	return s, s.permit()
}

// place is where the answer goes: in the preview's place if its requester pressed the button, or if
// everybody can see it.
func (d *decision) place() *place {
	p := d.entry.place
	if p == nil {
		_, user, _ := strings.Cut(d.entry.person, ":")
		p = &place{User: user, Channel: d.entry.channel, Direct: isDirect(d.entry.channel)}
	}
	switch {
	case d.request.kind != kindClick:
	case d.request.person() == d.entry.person:
		p.use(d.request, d.bot.Now())
	case d.request.message != "":
		p.Message, p.Public, p.Channel = d.request.message, true, d.request.channel
	}
	return p
}

// take makes this replica the one that ends the command. Of any number of clicks, one gets it.
func (d *decision) take(ctx context.Context, approver string) (*session, error) {
	s, err := d.session(ctx, d.entry.person)
	if err != nil {
		return nil, err
	}
	s.audit.approver = approver
	changing, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	err = d.claim(changing, s.place)
	switch {
	case errors.Is(err, errLost):
		return nil, &actions.Error{Message: "somebody was faster: this is decided already", Code: actions.ExitFailed}
	case err != nil:
		return nil, err
	}
	d.bot.mu.Lock()
	d.bot.running[d.entry.name] = s.job
	d.bot.mu.Unlock()
	return s, nil
}

// claim moves the record from waiting to running, once. A change that leaves it waiting, such as the
// note of where its preview stands, is no decision.
func (d *decision) claim(ctx context.Context, at *place) error {
	return d.record.changeAgain(ctx, func(e *entry) error {
		if e.state != stateWaiting {
			return errLost
		}
		e.state, e.place = stateRunning, at
		return nil
	})
}

// resume runs the command that was confirmed.
func (d *decision) resume(ctx context.Context, approver string) error {
	s, err := d.take(ctx, approver)
	if err != nil {
		return err
	}
	s.end(ctx, s.guarded(ctx, func(ctx context.Context) reply { return s.resumed(ctx, d.entry) }))
	return nil
}

// resumed runs a confirmed command, unless it would now do something else than was shown.
func (s *session) resumed(ctx context.Context, e entry) reply {
	if s.command.effect() == actions.RevealsSecret && e.digest == "" {
		return s.reveal(ctx)
	}
	p, err := s.rehearse(ctx)
	if err != nil {
		return s.stillRefused(p, err)
	}
	if p.digest() != e.digest {
		need, _ := s.config.confirmation(s.command.verb(), actions.Writes, len(p.changes))
		doc := p.document()
		note := document.Note{Tone: document.Warning, Text: "Something changed meanwhile. This is what would happen now:"}
		doc.Blocks = append([]document.Block{note}, doc.Blocks...)
		return s.ask(ctx, doc, need, p.digest())
	}
	if s.command.effect() == actions.RevealsSecret {
		return s.reveal(ctx)
	}
	return s.run(ctx)
}

// stillRefused answers with what there is: a rehearsal may have failed before it had a result.
func (s *session) stillRefused(p *rehearsal, err error) reply {
	if p == nil || p.result == nil {
		return s.fail(err)
	}
	return s.refused(p, err)
}

// stop ends a command that is at work, here or in another replica.
func (d *decision) stop(ctx context.Context) error {
	if err := d.load(ctx); err != nil {
		return err
	}
	if err := d.byRequester("stop"); err != nil {
		return err
	}
	if d.entry.state != stateRunning {
		return &actions.Error{Message: "this command has ended already", Code: actions.ExitFailed}
	}
	if d.bot.stopHere(d.entry.name) {
		return nil
	}
	return d.record.requestCancel(ctx)
}

// follow shows in the message with the button how far a command is, and later its answer. If another
// replica works on the command, its record tells it.
func (d *decision) follow(ctx context.Context) error {
	if err := d.load(ctx); err != nil {
		return err
	}
	if err := d.byRequester("follow"); err != nil {
		return err
	}
	if d.entry.state != stateRunning {
		return &actions.Error{Message: "this command has ended already", Code: actions.ExitFailed}
	}
	to := placeOf(d.request, false, d.bot.Now())
	if d.bot.followHere(d.entry.name, to) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	return d.record.requestFollow(ctx, to)
}

// followHere tells a command that is at work in this process where to show how far it is.
func (b *Bot) followHere(name string, to *place) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	j, ok := b.running[name]
	if !ok || j.follow == nil {
		return false
	}
	select {
	case <-j.follow: // an earlier click that nobody heeded yet
	default:
	}
	j.follow <- to
	return true
}

// stopHere ends a command that is at work in this process.
func (b *Bot) stopHere(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	j, ok := b.running[name]
	if !ok || j.stop == nil {
		return false
	}
	j.stop(errStopped)
	return true
}

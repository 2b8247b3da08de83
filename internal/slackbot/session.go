package slackbot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"time"

	"github.com/kubectl-lab/kubectl-lab/internal/render/blockkit"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

const (
	// recordTimeout bounds each request about a record.
	recordTimeout = 10 * time.Second
	// answerTime bounds the delivery of an answer, retries included.
	answerTime = 2 * time.Minute
)

// errStopped ends a command whose requester pressed Cancel.
var errStopped = errors.New("stopped by the Cancel button")

// worker serves jobs until ctx ends.
func (b *Bot) worker(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			b.workOff(ctx)
			return
		case j := <-b.queue:
			b.workOn(ctx, j)
		}
	}
}

// workOff answers the jobs that still wait when the bot stops.
func (b *Bot) workOff(ctx context.Context) {
	for {
		select {
		case j := <-b.queue:
			b.workOn(ctx, j)
		default:
			return
		}
	}
}

func (b *Bot) workOn(ctx context.Context, j *job) {
	b.metrics.queued.Dec()
	b.metrics.running.Inc()
	b.work(ctx, j)
	b.metrics.running.Dec()
	<-b.slots
	b.busy.Done()
}

// work serves one job. A mistake in the program ends the job, not the bot.
func (b *Bot) work(ctx context.Context, j *job) {
	defer func() {
		if p := recover(); p != nil {
			b.metrics.panics.Inc()
			b.Log.Error("panic", "error", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	if j.request.isCommand() {
		b.newSession(j).handle(ctx)
		return
	}
	b.interact(ctx, j)
}

// session is the life of one command.
type session struct {
	bot    *Bot
	job    *job
	config *Config
	place  *place
	audit  auditLine
	start  time.Time

	who     identity
	rule    ChannelRule
	command *command
	cluster ClusterConfig
	page    int
}

func (b *Bot) newSession(j *job) *session {
	r := j.request
	line, page := r.lineAndPage()
	return &session{
		bot:    b,
		job:    j,
		config: b.config.get(),
		place:  j.place,
		start:  r.received,
		page:   page,
		audit:  auditLine{id: r.recordName(), team: r.team, user: r.user, channel: r.channel, line: line},
	}
}

// lineAndPage is the command line of a request, and which page of its output is wanted. The buttons
// "Run again" and those that turn pages hold both.
func (r *request) lineAndPage() (line string, page int) {
	if r.kind != kindClick {
		return r.text, 0
	}
	var v pageValue
	if err := json.Unmarshal([]byte(r.value), &v); err != nil {
		return "", 0
	}
	return v.Line, max(0, v.Page)
}

// reply is what a command ends with.
type reply struct {
	message message
	outcome outcome
	// wait keeps the command open: it needs a confirmation.
	wait bool
}

// handle takes a command from its words to its answer. Every way through it ends in exactly one
// final answer and one audit line, or in a preview that waits for its confirmation.
func (s *session) handle(ctx context.Context) {
	s.end(ctx, s.guarded(ctx, s.serve))
}

// guarded runs a step so that a panic in it becomes an answer.
func (s *session) guarded(ctx context.Context, step func(context.Context) reply) (out reply) {
	defer func() {
		if p := recover(); p != nil {
			s.bot.metrics.panics.Inc()
			s.bot.Log.Error("panic in a command", "error", fmt.Sprint(p), "stack", string(debug.Stack()), "id", s.audit.id)
			out = s.fail(mistake())
		}
	}()
	return step(ctx)
}

// serve finds out who wants what and does it.
func (s *session) serve(ctx context.Context) reply {
	if ctx.Err() != nil {
		return s.fail(interrupted(context.Cause(ctx)))
	}
	if err := s.record(ctx); err != nil {
		return s.fail(err)
	}
	if err := s.authorize(ctx); err != nil {
		return s.fail(err)
	}
	if err := s.parse(); err != nil {
		return s.unparsed(err)
	}
	if err := s.permit(); err != nil {
		return s.fail(err)
	}
	switch {
	case s.command.effect() == actions.RevealsSecret:
		return s.secret(ctx)
	case s.command.writes():
		return s.preview(ctx)
	default:
		return s.run(ctx)
	}
}

// record makes sure that the command is recorded before anything is done.
func (s *session) record(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	err := s.bot.ensureRecord(ctx, s.job)
	switch {
	case err == nil, errors.Is(err, errDuplicate):
		return err
	default:
		explained := actions.Explain(err)
		s.bot.Log.Error("a command could not be recorded", "error", err, "id", s.audit.id)
		return &actions.Error{
			Message: "nothing was done: the command could not be recorded: " + explained.Message,
			Hint:    "run the command again in a moment",
			Code:    actions.ExitUnreachable,
			Err:     err,
		}
	}
}

// authorize finds out who asks, and whether they may ask here and now.
func (s *session) authorize(ctx context.Context) error {
	r := s.job.request
	who, err := s.bot.identify(ctx, s.config, r.person())
	if err != nil {
		return err
	}
	s.who = who
	if s.rule, err = s.config.channelRule(r); err != nil {
		return err
	}
	s.place.Public = s.place.Public || s.rule.Public && r.kind == kindSlash
	if !s.bot.limiter.allow(r.person(), s.config.Limits.PerMinute) {
		return &limited{s.config.Limits.PerMinute}
	}
	return s.checkPageOwner()
}

// limited is the answer to somebody who asks too often.
type limited struct{ perMinute int }

func (l *limited) Error() string {
	return fmt.Sprintf("too many commands: %d a minute are allowed", l.perMinute)
}

// checkPageOwner lets only the requester turn the pages of a message that others read too.
func (s *session) checkPageOwner() error {
	r := s.job.request
	if r.action != actionPage || r.ownsPages() {
		return nil
	}
	return deniedError("only the person who ran the command can turn its pages", "press Run again to run it yourself")
}

// ownsPages reports whether a button that turns pages was pressed by the person who ran the command.
func (r *request) ownsPages() bool {
	var v pageValue
	return json.Unmarshal([]byte(r.value), &v) == nil && v.Person == r.person()
}

// parse reads the line.
func (s *session) parse() error {
	c, err := s.bot.parser.parse(s.audit.line)
	if err != nil {
		return err
	}
	s.command = c
	s.audit.verb = c.verb()
	return nil
}

// unparsed answers a line that is no command: with help, if that is what was wanted.
func (s *session) unparsed(err error) reply {
	var help *helpWanted
	if !errors.As(err, &help) {
		return s.fail(err)
	}
	s.audit.verb = "help"
	doc, err := s.bot.parser.help(help.words)
	if err != nil {
		return s.fail(err)
	}
	return reply{message: s.show(doc, true), outcome: outcomeDone}
}

// permit applies the rules of the channel, and chooses the cluster.
func (s *session) permit() error {
	if err := s.rule.allows(s.command.verb()); err != nil {
		return err
	}
	if s.command.action.Local {
		return nil
	}
	cluster, err := s.config.choose(s.command.cluster, s.rule)
	if err != nil {
		return err
	}
	s.cluster = cluster
	s.audit.cluster, s.audit.namespace = cluster.Name, s.namespace()
	if s.command.effect() == actions.RevealsSecret {
		return s.config.Token.check(s.command)
	}
	return nil
}

// namespace is where the command works unless it says otherwise itself.
func (s *session) namespace() string {
	return firstOf(s.command.namespace, s.rule.Namespace, s.cluster.Namespace)
}

// run runs the command and shows its result.
func (s *session) run(ctx context.Context) reply {
	result, watch, err := s.execute(ctx, s.command, s.place)
	s.audit.objects = touched(result)
	s.reportEvents(ctx, result)
	doc := s.resultDocument(result, watch)
	s.addError(doc, result, err)
	out := reply{message: s.show(doc, false), outcome: outcomeOf(result, err)}
	if err != nil {
		s.audit.reason = actions.Explain(s.explain(err)).Message
	}
	return out
}

// addError appends an error, unless the result shows it already: with each object that failed.
func (s *session) addError(doc *document.Document, result actions.Result, err error) {
	var partial *actions.PartialError
	if _, shown := result.(actions.Changer); err == nil || shown && errors.As(err, &partial) {
		return
	}
	doc.Add(errorDocument(s.explain(err)).Blocks...)
}

// resultDocument is everything that a run had to say.
func (s *session) resultDocument(result actions.Result, watch *watcher) *document.Document {
	doc := &document.Document{}
	if result != nil {
		shown, err := s.command.output.document(result)
		if err != nil {
			shown = errorDocument(err)
		}
		doc.Title = shown.Title
		doc.Add(shown.Blocks...)
	}
	if text := watch.text(); text != "" {
		doc.Add(document.Preformatted{Text: text})
	}
	for _, warning := range watch.warned() {
		doc.Add(document.Note{Tone: document.Warning, Text: "Warning: " + warning})
	}
	return doc
}

// fail answers with an error.
func (s *session) fail(err error) reply {
	if errors.Is(err, errDuplicate) {
		return reply{}
	}
	err = s.explain(err)
	s.audit.reason = actions.Explain(err).Message
	m := s.show(errorDocument(err), true)
	return reply{message: m, outcome: outcomeOf(nil, err)}
}

// explain adds what only the bot knows to an error.
func (s *session) explain(err error) error {
	if d, ok := actions.DenialOf(err); ok && d.Verb == "impersonate" {
		return &actions.Error{
			Message: "labbot may not act as you in this cluster yet (" + s.who.user() + ")",
			Hint:    "an administrator of labbot can apply what \"labbot rbac\" prints",
			Code:    actions.ExitFailed,
			Err:     err,
		}
	}
	return err
}

// outcomeOf names how a command ended.
func outcomeOf(result actions.Result, err error) outcome {
	var refused *denied
	var tooMany *limited
	var own *mistaken
	switch {
	case err == nil:
		if finding, ok := result.(actions.Finding); ok && finding.Broken() {
			return outcomeBroken
		}
		return outcomeDone
	case errors.As(err, &own):
		return outcomePanic
	case errors.As(err, &tooMany):
		return outcomeLimited
	case errors.As(err, &refused):
		return outcomeDenied
	case errors.Is(err, errStopped):
		return outcomeStopped
	case errors.Is(err, errShutdown):
		return outcomeInterrupted
	case errors.Is(err, errTimedOut):
		return outcomeTimeout
	}
	if _, forbidden := actions.DenialOf(err); forbidden {
		return outcomeDenied
	}
	switch actions.Explain(err).Code {
	case actions.ExitUsage:
		return outcomeUsage
	case actions.ExitUnreachable:
		return outcomeUnreachable
	default:
		return outcomeFailed
	}
}

// maxPages is how many pages are turned with buttons; longer output is attached as a file.
const maxPages = 5

// show lays a document out as a message: one page of it, and the buttons that lead on. Short answers
// that nobody runs again get none.
func (s *session) show(doc *document.Document, short bool) message {
	options := blockkit.Options{}
	if s.command != nil {
		options.Wide = s.command.output.wide()
	}
	pages := blockkit.Pages(doc, options)
	at := min(s.page, len(pages)-1)
	m := message{blocks: pages[at].Blocks, text: pages[at].Fallback}
	if len(pages) > maxPages {
		m.file = plainText(doc, options.Wide)
		m.note(fmt.Sprintf("Page 1 of %d. The whole output is in the attached file.", len(pages)))
	} else if len(pages) > 1 {
		m.note(fmt.Sprintf("Page %d of %d", at+1, len(pages)))
	}
	if !short {
		s.footer(&m, len(pages), at)
	}
	return m
}

// footer says where the answer comes from, and offers to run the command again.
func (s *session) footer(m *message, pages, at int) {
	where := s.who.user()
	if s.cluster.Name != "" {
		where = "cluster " + s.cluster.Name + " · namespace " + s.namespace() + " · as " + where
	}
	m.note(fmt.Sprintf("%s · %.1f s", where, s.bot.Now().Sub(s.start).Seconds()))
	if s.command.effect() != actions.Reads || len(s.job.request.files) > 0 {
		return // a button does not hold the files
	}
	value := func(page int) string {
		return pageValue{Line: s.command.line(), Page: page, Person: s.who.person}.encode()
	}
	again := button(actionAgain, pageValue{Line: s.command.line()}.encode(), "Run again", "")
	if pages == 1 || pages > maxPages {
		m.buttons(again)
		return
	}
	var back, forth = button(actionPage, value(at-1), "◀ Back", ""), button(actionPage, value(at+1), "More ▶", "")
	if at == 0 {
		back = nil
	}
	if at == pages-1 {
		forth = nil
	}
	if forth != nil {
		forth.ActionID += "-next" // two buttons of a message must not have the same id
	}
	m.buttons(back, forth, again)
}

// end delivers the answer, closes the record, and writes the audit line.
func (s *session) end(ctx context.Context, out reply) {
	if out.outcome == "" {
		s.bot.forget(s.audit.id)
		return // another delivery of the same command is or was served
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	if out.wait {
		s.deliver(ctx, out.message)
		s.remember(ctx)
		s.bot.forget(s.audit.id)
		return
	}
	if !s.answering(ctx, out.outcome) {
		s.bot.Log.Warn("another replica has answered meanwhile", "id", s.audit.id, "outcome", out.outcome, "objects", s.audit.objects)
		s.bot.forget(s.audit.id)
		return
	}
	s.deliver(ctx, out.message)
	s.audit.outcome = out.outcome
	s.audit.duration = s.bot.Now().Sub(s.start)
	s.bot.auditor.write(ctx, s.audit)
	s.bot.finish(ctx, s.job.record, s.audit.id, out.outcome)
	s.bot.forget(s.audit.id)
	s.bot.metrics.commands.WithLabelValues(s.audit.verb, string(out.outcome)).Inc()
	s.bot.metrics.duration.WithLabelValues(s.audit.verb).Observe(s.audit.duration.Seconds())
}

// answeringTime bounds the note that the answer is on its way, which is worth little waiting.
const answeringTime = 2 * time.Second

// answering notes in the record that the command has ended, before the answer is given: a replica
// that takes the record over afterwards must not call the command interrupted. It returns false if one
// has done so before.
func (s *session) answering(ctx context.Context, how outcome) (mine bool) {
	if s.job.record == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, answeringTime)
	defer cancel()
	err := s.job.record.changeOwn(ctx, func(e *entry) { e.state, e.outcome = stateAnswering, how })
	switch {
	case errors.Is(err, errLost):
		return false
	case err != nil:
		s.bot.Log.Warn("the end of a command was not recorded before its answer", "error", err, "id", s.audit.id)
	}
	return true
}

// remember keeps in the record which message shows the preview, so that it can be replaced when the
// preview expires. Whoever decided meanwhile goes first.
func (s *session) remember(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	err := s.job.record.change(ctx, func(e *entry) error {
		if e.state != stateWaiting {
			return errLost
		}
		e.place = s.place
		return nil
	})
	if err != nil && !isDecided(err) {
		s.bot.Log.Warn("the place of a preview was not recorded", "error", err, "id", s.audit.id)
	}
}

// isDecided reports whether a record could not be changed because somebody else has done what counts.
func isDecided(err error) bool {
	return errors.Is(err, errLost) || errors.Is(err, errGone) || errors.Is(err, errConflict)
}

func (s *session) deliver(ctx context.Context, m message) {
	err := s.bot.speaker.say(ctx, s.place, m)
	if err == nil {
		return
	}
	s.bot.Log.Error("an answer could not be delivered", "error", err, "id", s.audit.id)
	if !m.private {
		return
	}
	// What was private must not go anywhere else; say at least that.
	notice := textMessage("The answer is private, and Slack gives no way to show it to you alone here. Run the command with /lab, or in a direct message.")
	if err := s.bot.speaker.say(ctx, s.place, notice); err != nil {
		s.bot.Log.Error("an answer could not be delivered", "error", err, "id", s.audit.id)
	}
}

// finish marks a record as answered. If the API server is away now, the keeper does so later; also if
// there seems to be no record, since the request to create it may have arrived all the same.
func (b *Bot) finish(ctx context.Context, r *record, name string, how outcome) {
	if r != nil {
		ctx, cancel := context.WithTimeout(ctx, recordTimeout)
		defer cancel()
		err := r.changeOwn(ctx, func(e *entry) { e.end(how) })
		if err == nil || isDecided(err) {
			return
		}
		b.Log.Warn("a record could not be closed yet", "error", err, "id", name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended[name] = ended{how: how, at: b.Now()}
}

// forget drops a job that is no longer at work here.
func (b *Bot) forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.running, name)
}

// forgetEnded drops what was kept of ended commands whose records never appeared.
func (b *Bot) forgetEnded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.ended, func(_ string, e ended) bool { return b.Now().Sub(e.at) > keepRecords })
}

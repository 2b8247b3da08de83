package slackbot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/kubectl-lab/kubectl-lab/internal/render"
	"github.com/kubectl-lab/kubectl-lab/internal/render/blockkit"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

const (
	// patience is how long a command may take before its requester is told that it is at work.
	patience = 2500 * time.Millisecond
	// updateEvery is how often a message may change. Slack allows about one message a second for a
	// channel, and other commands want their share.
	updateEvery = 3 * time.Second
	// grace is how long a command whose time is over may take to notice.
	grace = 2 * time.Second
)

// errTimedOut ends a command whose time is over.
var errTimedOut = errors.New("the time is over")

// execute runs a command as the session's person, shows how far it is, and returns what it found. It
// returns soon after its time is over, even if the verb does not.
func (s *session) execute(ctx context.Context, c *command, at *place) (actions.Result, *watcher, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	follow := s.bot.setStop(s.job, stop)
	timeout := s.config.timeout(c.verb())
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimedOut)
	defer cancel()

	watch := newWatcher()
	env, err := s.env(ctx, c, watch)
	if err != nil {
		return nil, watch, err
	}
	done := s.launch(ctx, c, env)
	ticker := time.NewTicker(patience)
	defer ticker.Stop()
	for shown := 0; ; {
		select {
		case end := <-done:
			return end.result, watch, s.causeOf(ctx, end.err, timeout)
		case <-ctx.Done():
			return s.overdue(ctx, done, watch, timeout)
		case to := <-follow:
			at.follow(to)
			shown += s.showProgress(ctx, watch, at)
			ticker.Reset(at.pause())
		case <-ticker.C:
			ticker.Reset(at.pause())
			if shown == 0 || at.updates() && watch.changed() {
				shown += s.showProgress(ctx, watch, at)
			}
		}
	}
}

// ending is what a verb returned.
type ending struct {
	result actions.Result
	err    error
}

// launch runs the verb in a goroutine of its own, so that a verb that does not heed its context
// cannot hold a worker.
func (s *session) launch(ctx context.Context, c *command, env *actions.Env) <-chan ending {
	done := make(chan ending, 1)
	go func() {
		end := ending{err: mistake()}
		defer func() {
			if p := recover(); p != nil {
				s.bot.metrics.panics.Inc()
				s.bot.Log.Error("panic in a verb", "error", fmt.Sprint(p), "verb", c.verb(), "id", s.audit.id)
			}
			done <- end
		}()
		end.result, end.err = c.options.Run(ctx, env)
	}()
	return done
}

// mistake is the answer in place of what a verb would have returned that panicked.
func mistake() error {
	return &mistaken{cause: &actions.Error{
		Message: "labbot made a mistake: the command was not finished",
		Hint:    "tell an administrator of labbot; its log says more",
		Code:    actions.ExitFailed,
	}}
}

// mistaken marks errors that are the program's own fault.
type mistaken struct{ cause *actions.Error }

func (m *mistaken) Error() string { return m.cause.Message }
func (m *mistaken) Unwrap() error { return m.cause }

// overdue gives a verb whose time is over a moment to say what it has.
func (s *session) overdue(ctx context.Context, done <-chan ending, watch *watcher, timeout time.Duration) (actions.Result, *watcher, error) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case end := <-done:
		return end.result, watch, s.causeOf(ctx, end.err, timeout)
	case <-timer.C:
		s.bot.metrics.abandoned.Inc()
		return nil, watch, s.causeOf(ctx, ctx.Err(), timeout)
	}
}

// causeOf says why a command ended early, if it did.
func (s *session) causeOf(ctx context.Context, err error, timeout time.Duration) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	cause := context.Cause(ctx)
	e := &actions.Error{Code: actions.ExitFailed, Err: errors.Join(cause, err)}
	switch {
	case errors.Is(cause, errStopped):
		e.Message = "stopped: you pressed Cancel"
		e.Hint = "what was done until then stays; see what there is: kubectl lab get"
	case errors.Is(cause, errTimedOut):
		e.Message = fmt.Sprintf("timed out after %s", timeout)
		e.Hint = "is the cluster well? kubectl lab status; or raise timeouts in labbot's configuration"
	default:
		return interrupted(e.Err)
	}
	return e
}

// interrupted says that the bot stops.
func interrupted(cause error) error {
	return &actions.Error{
		Message: "interrupted: " + errShutdown.Error(),
		Hint:    "run the command again",
		Code:    actions.ExitFailed,
		Err:     errors.Join(errShutdown, cause),
	}
}

// setStop lets the Cancel button end the job, and the Follow button say where to show how far it is.
func (b *Bot) setStop(j *job, stop context.CancelCauseFunc) (follow <-chan *place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	j.stop, j.follow = stop, make(chan *place, 1)
	return j.follow
}

// env is what a command may use.
func (s *session) env(ctx context.Context, c *command, watch *watcher) (*actions.Env, error) {
	env := &actions.Env{Observer: watch, Build: s.bot.Build, Now: s.bot.Now, Files: s.bot.filesOf(ctx, s.job.request)}
	if c.action.Local {
		return env, nil
	}
	reached, err := s.bot.clusters.get(s.cluster)
	if err != nil {
		return nil, err
	}
	env.Cluster = actions.NewCluster(&connection{
		cluster:   reached,
		who:       s.who,
		namespace: s.namespace(),
		given:     c.namespace != "",
		observer:  watch,
	})
	return env, nil
}

// showProgress tells the requester how far the command is, and returns how many messages that took.
func (s *session) showProgress(ctx context.Context, watch *watcher, at *place) int {
	m := documentMessage(watch.document(s.audit.line), blockkit.Options{})
	var follow *slack.ButtonBlockElement
	if at.Message == "" && !at.Public {
		follow = button(actionFollow, s.audit.id, "Follow", "")
	}
	m.buttons(button(actionStop, s.audit.id, "Cancel", slack.StyleDanger), follow)
	if err := s.bot.speaker.say(ctx, at, m); err != nil {
		s.bot.Log.Warn("progress could not be shown", "error", err, "id", s.audit.id)
		return 0
	}
	return 1
}

// watcher keeps what a running command reports.
type watcher struct {
	mu       sync.Mutex
	fresh    bool
	steps    []string // subjects, in order of appearance
	progress map[string]string
	partial  *document.Document
	output   bytes.Buffer
	cut      bool
	warnings []string
}

// maxOutput bounds the output that is kept of a command, such as a log; what comes first goes first.
const maxOutput = 512 << 10

func newWatcher() *watcher { return &watcher{progress: map[string]string{}} }

// Observe implements actions.Observer.
func (w *watcher) Observe(e actions.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fresh = true
	switch e := e.(type) {
	case actions.Warning:
		if !slices.Contains(w.warnings, e.Text) {
			w.warnings = append(w.warnings, e.Text)
		}
	case actions.Output:
		w.write(e.Text)
	case actions.Progress:
		w.step(e)
	case actions.Partial:
		w.partial = e.Document
	}
}

func (w *watcher) write(text string) {
	w.output.WriteString(text)
	if excess := w.output.Len() - maxOutput; excess > 0 {
		w.output.Next(excess)
		w.cut = true
	}
}

func (w *watcher) step(p actions.Progress) {
	text := p.Message
	if p.Total > 0 {
		text = fmt.Sprintf("%s (%d of %d)", text, p.Done, p.Total)
	}
	if _, known := w.progress[p.Subject]; !known {
		w.steps = append(w.steps, p.Subject)
	}
	w.progress[p.Subject] = text
}

// changed reports whether anything came since it was last asked.
func (w *watcher) changed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	fresh := w.fresh
	w.fresh = false
	return fresh
}

// document is the state of things.
func (w *watcher) document(line string) *document.Document {
	w.mu.Lock()
	defer w.mu.Unlock()
	doc := new(document.Document).Add(document.Note{Text: "⏳ /lab " + line})
	if w.partial != nil {
		return doc.Add(w.partial.Blocks...)
	}
	const most = 10
	var verdicts document.Verdicts
	for _, subject := range w.steps[max(0, len(w.steps)-most):] {
		verdicts = append(verdicts, document.Verdict{Status: document.Pending, Subject: subject, Message: w.progress[subject]})
	}
	if len(verdicts) > 0 {
		doc.Add(verdicts)
	}
	return doc
}

// text is the output that came in pieces.
func (w *watcher) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.cut {
		return w.output.String()
	}
	text := strings.ToValidUTF8(w.output.String(), "")
	return "… the beginning is left out …\n" + text
}

func (w *watcher) warned() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.warnings)
}

// plainText is a document as a file.
func plainText(doc *document.Document, wide bool) string {
	var text bytes.Buffer
	if err := render.Text(&text, doc, render.TextOptions{Wide: wide}); err != nil {
		return ""
	}
	return text.String()
}

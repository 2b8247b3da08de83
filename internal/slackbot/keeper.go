package slackbot

import (
	"context"
	"strings"
	"time"

	"github.com/kubectl-lab/kubectl-lab/internal/render/blockkit"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

const (
	// keepEvery is how often the records are looked at.
	keepEvery = 3 * time.Second
	// collectEvery is how often old records are deleted.
	collectEvery = 5 * time.Minute
)

// keeper looks after the records: it renews those of the commands at work here, and ends those that
// nobody ends any more.
type keeper struct {
	bot *Bot
	// unchanged says since when, by this process's clock, a record of another replica has not been
	// renewed. Clocks of replicas are never compared, as in client-go's leader election.
	unchanged map[string]observation
	collected time.Time
}

type observation struct {
	renewed time.Time // as its holder wrote it
	since   time.Time // by our clock
}

// keep runs the keeper until ctx ends.
func (b *Bot) keep(ctx context.Context) {
	k := &keeper{bot: b, unchanged: map[string]observation{}, collected: b.Now()}
	ticker := time.NewTicker(keepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			k.look(ctx)
		}
	}
}

func (k *keeper) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	open, err := k.bot.records.list(ctx, labelState+"!="+stateDone)
	if err != nil {
		k.bot.Log.Warn("the records cannot be read", "error", err)
		clear(k.unchanged) // nobody could renew theirs meanwhile, which proves nothing
		return
	}
	seen := map[string]observation{}
	for _, r := range open {
		e := r.entry()
		switch {
		case e.state == stateWaiting:
			k.expire(ctx, r, e)
		case e.holder == k.bot.records.holder:
			if !k.own(ctx, r, e) {
				seen[e.name] = k.observe(r, e)
				k.inherit(ctx, r, e, seen[e.name])
			}
		default:
			seen[e.name] = k.observe(r, e)
			k.inherit(ctx, r, e, seen[e.name])
		}
	}
	k.unchanged = seen
	k.collect(ctx)
}

// own looks after a record of this process. It returns false for one that nothing here works on: the
// request that made this process its holder succeeded, but its answer was lost.
func (k *keeper) own(ctx context.Context, r *record, e entry) bool {
	b := k.bot
	b.mu.Lock()
	j, atWork := b.running[e.name]
	end, ended := b.ended[e.name]
	b.mu.Unlock()
	if e.cancel {
		b.stopHere(e.name)
	}
	if e.follow != nil && b.followHere(e.name, e.follow) {
		if err := r.changeOwn(ctx, func(e *entry) { e.follow = nil }); err != nil {
			b.Log.Warn("a record could not be changed", "error", err, "id", e.name)
		}
	}
	switch {
	case ended:
		if r.changeOwn(ctx, func(e *entry) { e.end(end.how) }) == nil {
			b.mu.Lock()
			delete(b.ended, e.name)
			b.mu.Unlock()
		}
	case !atWork:
		return false
	case b.Now().Sub(r.renewed()) > renewEvery:
		if err := j.record.renew(ctx); err != nil {
			b.Log.Warn("a record could not be renewed", "error", err, "id", e.name)
		}
	}
	return true
}

func (k *keeper) observe(r *record, e entry) observation {
	renewed := r.renewed()
	if before, ok := k.unchanged[e.name]; ok && before.renewed.Equal(renewed) {
		return before
	}
	return observation{renewed: renewed, since: k.bot.Now()}
}

// inherit takes over the record of a replica that is gone, and tells the requester what is known.
func (k *keeper) inherit(ctx context.Context, r *record, e entry, o observation) {
	if k.bot.Now().Sub(o.since) < recordLease || !k.bot.begin() {
		return
	}
	if err := r.change(ctx, func(*entry) error { return nil }); err != nil {
		k.bot.busy.Done()
		return // another replica was faster, or the API server is away
	}
	k.bot.Log.Warn("a command of another replica was interrupted", "id", e.name, "holder", e.holder, "state", e.state)
	if e.state == stateAnswering {
		k.close(ctx, r, e, e.outcome, &actions.Error{
			Message: "\"/lab " + e.line + "\" had ended (" + string(e.outcome) + ") when the labbot that ran it went away",
			Hint:    "if you have its answer, there is nothing to do; else look at what there is before you run it again",
			Code:    actions.ExitFailed,
		})
		return
	}
	k.close(ctx, r, e, outcomeInterrupted, &actions.Error{
		Message: "interrupted: the labbot that ran \"/lab " + e.line + "\" is gone",
		Hint:    "it may have acted in part: look before you run it again",
		Code:    actions.ExitFailed,
	})
}

// expire ends a command that waited too long for its confirmation.
func (k *keeper) expire(ctx context.Context, r *record, e entry) {
	if k.bot.Now().Before(e.expires) || !k.bot.begin() {
		return
	}
	if err := r.change(ctx, func(e *entry) error { e.state, e.outcome = stateAnswering, outcomeExpired; return nil }); err != nil {
		k.bot.busy.Done()
		return
	}
	k.close(ctx, r, e, outcomeExpired, &actions.Error{
		Message: "expired: \"/lab " + e.line + "\" was not confirmed in time; nothing was changed",
		Hint:    "run the command again",
		Code:    actions.ExitFailed,
	})
}

// close answers in the name of whoever should have, and writes the audit line. It ends what its caller
// began.
func (k *keeper) close(ctx context.Context, r *record, e entry, how outcome, why error) {
	b := k.bot
	team, user, _ := strings.Cut(e.person, ":")
	s := &session{
		bot:   b,
		job:   &job{record: r},
		place: e.place,
		start: e.created,
		audit: auditLine{id: e.name, team: team, user: user, channel: e.channel, line: e.line, cluster: e.cluster},
	}
	s.audit.reason = actions.Explain(why).Message
	if c, err := b.parser.parse(e.line); err == nil {
		s.audit.verb = c.verb()
	}
	if s.place == nil {
		s.place = &place{User: user, Channel: e.channel, Direct: isDirect(e.channel)}
	}
	b.mu.Lock()
	b.running[e.name] = s.job
	b.mu.Unlock()
	go func() {
		defer b.busy.Done()
		s.end(ctx, reply{message: documentMessage(errorDocument(why), blockkit.Options{}), outcome: how})
	}()
}

func (k *keeper) collect(ctx context.Context) {
	if k.bot.Now().Sub(k.collected) < collectEvery {
		return
	}
	k.collected = k.bot.Now()
	k.bot.forgetEnded()
	if err := k.bot.records.collect(ctx); err != nil {
		k.bot.Log.Warn("old records could not be deleted", "error", err)
	}
}

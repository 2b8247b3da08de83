package slackbot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// UserPrefix begins the Kubernetes user name of everybody who comes from Slack.
const UserPrefix = "slack:"

// identity is a person as Kubernetes sees them.
type identity struct {
	// person is TEAM:USER.
	person string
	// groups are the Kubernetes groups that the configuration gives.
	groups []string
}

// user is the Kubernetes user name.
func (i identity) user() string { return UserPrefix + i.person }

// impersonation makes requests act as the person. The API server adds system:authenticated.
func (i identity) impersonation() rest.ImpersonationConfig {
	return rest.ImpersonationConfig{UserName: i.user(), Groups: i.groups}
}

// deniedError is the answer to somebody who may not.
func deniedError(message, hint string) error {
	return &denied{cause: &actions.Error{Message: message, Hint: hint, Code: actions.ExitFailed}}
}

// denied marks errors that say that the bot itself, not the cluster, refuses.
type denied struct{ cause *actions.Error }

func (d *denied) Error() string { return d.cause.Message }
func (d *denied) Unwrap() error { return d.cause }

// identify finds out who a person is to Kubernetes. Nobody is allowed whom the configuration does not
// name.
func (b *Bot) identify(ctx context.Context, c *Config, person string) (identity, error) {
	team, _, _ := strings.Cut(person, ":")
	if !slices.Contains(c.Teams, team) {
		return identity{}, deniedError(
			"your Slack workspace "+team+" is not allowed here",
			"an administrator of labbot can add it to teams in the configuration",
		)
	}
	who := identity{person: person}
	known := false
	for _, binding := range c.People {
		member, err := b.isAmong(ctx, person, binding.Users, binding.SlackGroups)
		if err != nil {
			return identity{}, err
		}
		if member {
			known = true
			who.groups = append(who.groups, binding.Groups...)
		}
	}
	if !known {
		return identity{}, deniedError(
			"you are not allowed to use labbot (you are "+person+")",
			"an administrator of labbot can add you to people in the configuration",
		)
	}
	slices.Sort(who.groups)
	who.groups = slices.Compact(who.groups)
	return who, nil
}

// isAmong reports whether a person is one of users or a member of one of the Slack groups.
func (b *Bot) isAmong(ctx context.Context, person string, users, groups []string) (bool, error) {
	if slices.Contains(users, person) {
		return true, nil
	}
	team, user, _ := strings.Cut(person, ":")
	for _, group := range groups {
		groupTeam, id, _ := strings.Cut(group, ":")
		if groupTeam != team {
			continue
		}
		members, err := b.members.of(ctx, id)
		if err != nil {
			return false, &actions.Error{
				Message: "Slack did not say who is in user group " + id,
				Hint:    "run the command again in a moment",
				Code:    actions.ExitFailed,
				Err:     err,
			}
		}
		if slices.Contains(members, user) {
			return true, nil
		}
	}
	return false, nil
}

// channelRule is what may be done in a channel. A channel's own rule goes before "*".
func (c *Config) channelRule(r *request) (ChannelRule, error) {
	find := func(id string) (ChannelRule, bool) {
		i := slices.IndexFunc(c.Channels, func(rule ChannelRule) bool { return rule.ID == id })
		if i < 0 {
			return ChannelRule{}, false
		}
		return c.Channels[i], true
	}
	if r.direct || r.channel == "" {
		if rule, ok := find(DirectMessages); ok {
			return rule, nil
		}
		return ChannelRule{}, deniedError("direct messages are not allowed", "use a channel that labbot is configured for")
	}
	for _, id := range []string{r.channel, AnyChannel} {
		if rule, ok := find(id); ok {
			return rule, nil
		}
	}
	return ChannelRule{}, deniedError(
		fmt.Sprintf("labbot is not allowed in this channel (%s)", r.channel),
		"an administrator of labbot can add it to channels in the configuration",
	)
}

// allows refuses verbs that the rule does not allow.
func (rule ChannelRule) allows(verb string) error {
	matches := func(rules []string) bool {
		return slices.ContainsFunc(rules, func(words string) bool { return verbMatches(words, verb) })
	}
	switch {
	case matches(rule.DenyVerbs):
		return deniedError(fmt.Sprintf("%q is not allowed in this channel", verb), "use another channel, or a direct message")
	case len(rule.Verbs) > 0 && !matches(rule.Verbs):
		return deniedError(
			fmt.Sprintf("%q is not allowed in this channel", verb),
			"allowed here: "+strings.Join(rule.Verbs, ", "),
		)
	}
	return nil
}

// groupCache remembers who is in which Slack user group.
type groupCache struct {
	fetch func(ctx context.Context, group string) ([]string, error)
	now   func() time.Time

	mu      sync.Mutex
	members map[string]membership
}

type membership struct {
	users []string
	at    time.Time
}

// Somebody who leaves a Slack group may act on for groupFresh, and for groupStale while Slack does
// not answer.
const (
	groupFresh = time.Minute
	groupStale = 5 * time.Minute
)

func newGroupCache(fetch func(context.Context, string) ([]string, error), now func() time.Time) *groupCache {
	return &groupCache{fetch: fetch, now: now, members: map[string]membership{}}
}

// of returns the ids of a group's members.
func (g *groupCache) of(ctx context.Context, group string) ([]string, error) {
	known, ok := g.lookup(group)
	age := g.now().Sub(known.at)
	if ok && age < groupFresh {
		return known.users, nil
	}
	users, err := g.fetch(ctx, group)
	switch {
	case err == nil:
		g.store(group, users)
		return users, nil
	case ok && age < groupStale:
		return known.users, nil
	}
	return nil, err
}

func (g *groupCache) lookup(group string) (membership, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m, ok := g.members[group]
	return m, ok
}

func (g *groupCache) store(group string, users []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members[group] = membership{users: users, at: g.now()}
}

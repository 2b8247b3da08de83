package fakeslack

import (
	"maps"
	"slices"
)

// conversationsInfo implements https://docs.slack.dev/reference/methods/conversations.info.
func conversationsInfo(c *call) (answer, *apiError) {
	channel, err := c.channel(c.args.str("channel"))
	if err != nil {
		return nil, err
	}
	return answer{"channel": c.channelPayload(channel)}, nil
}

// conversationsMembers implements https://docs.slack.dev/reference/methods/conversations.members,
// always as one page.
func conversationsMembers(c *call) (answer, *apiError) {
	channel, err := c.channel(c.args.str("channel"))
	if err != nil {
		return nil, err
	}
	return answer{
		"members":           slices.Sorted(maps.Keys(channel.members)),
		"response_metadata": map[string]any{"next_cursor": ""},
	}, nil
}

// conversationsOpen implements https://docs.slack.dev/reference/methods/conversations.open for one
// person.
func conversationsOpen(c *call) (answer, *apiError) {
	users := c.args.list("users")
	switch {
	case len(users) == 0:
		return nil, fail("users_list_not_supplied")
	case len(users) > 1:
		return nil, fail("method_not_supported_for_channel_type")
	}
	u := c.world.users[users[0]]
	switch {
	case u == nil || u.Team != c.team || u.bot:
		return nil, fail("user_not_found")
	case u.deleted:
		return nil, fail("user_disabled")
	}
	dm := c.openDM(u)
	if c.args.bool("return_im") {
		return answer{"channel": c.channelPayload(dm)}, nil
	}
	return answer{"channel": map[string]any{"id": dm.ID}}, nil
}

// channelPayload is the channel object of API answers.
func (c *call) channelPayload(channel *Channel) map[string]any {
	out := map[string]any{
		"id":              channel.ID,
		"created":         1704067200,
		"is_archived":     channel.archived,
		"is_im":           channel.Kind == DirectMessage,
		"is_org_shared":   false,
		"context_team_id": channel.Team.ID,
	}
	if channel.Kind == DirectMessage {
		for id := range channel.members {
			if id != c.team.bot.ID {
				out["user"] = id
			}
		}
		return out
	}
	maps.Copy(out, map[string]any{
		"name":            channel.name,
		"name_normalized": channel.name,
		"is_channel":      true,
		"is_group":        false,
		"is_mpim":         false,
		"is_private":      channel.Kind == PrivateChannel,
		"is_general":      false,
		"is_shared":       false,
		"is_ext_shared":   c.isShared(channel),
		"is_member":       channel.members[c.team.bot.ID],
		"num_members":     len(channel.members),
	})
	return out
}

// isShared reports whether people of another workspace are in the channel. The caller holds s.mu.
func (s *Server) isShared(channel *Channel) bool {
	for id := range channel.members {
		if u := s.world.users[id]; u != nil && u.Team != channel.Team {
			return true
		}
	}
	return false
}

// usersInfo implements https://docs.slack.dev/reference/methods/users.info.
func usersInfo(c *call) (answer, *apiError) {
	u := c.world.users[c.args.str("user")]
	if u == nil || (u.Team != c.team && !c.knows(u)) {
		return nil, fail("user_not_found")
	}
	return answer{"user": map[string]any{
		"id":          u.ID,
		"team_id":     u.Team.ID,
		"name":        u.Name,
		"real_name":   u.Name,
		"deleted":     u.deleted,
		"is_bot":      u.bot,
		"is_app_user": false,
		"is_stranger": u.Team != c.team,
		"tz":          "Etc/UTC",
		"updated":     1704067200,
		"profile": map[string]any{
			"display_name": u.Name,
			"real_name":    u.Name,
			"team":         u.Team.ID,
		},
	}}, nil
}

// knows reports whether a person of another workspace shares a channel with the app.
func (c *call) knows(u *User) bool {
	for _, channel := range c.world.channels {
		if channel.members[u.ID] && channel.members[c.team.bot.ID] {
			return true
		}
	}
	return false
}

// usergroupsList implements https://docs.slack.dev/reference/methods/usergroups.list.
func usergroupsList(c *call) (answer, *apiError) {
	groups := []any{}
	for _, g := range sortedValues(c.world.groups) {
		if g.Team != c.team {
			continue
		}
		group := map[string]any{
			"id": g.ID, "team_id": g.Team.ID, "is_usergroup": true, "is_subteam": true, "name": g.Handle,
			"handle": g.Handle, "description": "", "is_external": false, "date_create": 1704067200,
			"date_update": 1704067200, "date_delete": 0, "user_count": len(g.members),
		}
		if c.args.bool("include_users") {
			group["users"] = slices.Sorted(maps.Keys(g.members))
		}
		groups = append(groups, group)
	}
	return answer{"usergroups": groups}, nil
}

// usergroupsUsersList implements https://docs.slack.dev/reference/methods/usergroups.users.list.
func usergroupsUsersList(c *call) (answer, *apiError) {
	g := c.world.groups[c.args.str("usergroup")]
	if g == nil || g.Team != c.team {
		return nil, fail("no_such_subteam")
	}
	return answer{"users": slices.Sorted(maps.Keys(g.members))}, nil
}

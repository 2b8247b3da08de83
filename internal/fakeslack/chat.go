package fakeslack

import "slices"

// chatPostMessage implements https://docs.slack.dev/reference/methods/chat.postMessage.
func chatPostMessage(c *call) (answer, *apiError) {
	channel, err := c.postTarget()
	if err != nil {
		return nil, err
	}
	body, err := readContent(c.args, MaxMessageText)
	if err != nil {
		return nil, err
	}
	if c.channelLimited(channel) {
		return nil, fail("ratelimited")
	}
	m := c.post(c.appMessage(channel, body, "chat.postMessage"))
	c.ex.Message = &MessageRef{Channel: m.Channel, TS: m.TS}
	c.echo(channel, m)
	return answer{"channel": channel.ID, "ts": m.TS, "message": c.messagePayload(m.clone())}, nil
}

// chatPostEphemeral implements https://docs.slack.dev/reference/methods/chat.postEphemeral.
func chatPostEphemeral(c *call) (answer, *apiError) {
	channel, err := c.postTarget()
	if err != nil {
		return nil, err
	}
	user := c.args.str("user")
	if !channel.members[user] {
		return nil, fail("user_not_in_channel")
	}
	body, err := readContent(c.args, MaxMessageText)
	if err != nil {
		return nil, err
	}
	m := c.appMessage(channel, body, "chat.postEphemeral")
	m.EphemeralTo = user
	m = c.post(m)
	c.ex.Message = &MessageRef{Channel: m.Channel, TS: m.TS, EphemeralTo: user}
	return answer{"message_ts": m.TS}, nil
}

// chatUpdate implements https://docs.slack.dev/reference/methods/chat.update. Ephemeral messages
// cannot be found by it.
func chatUpdate(c *call) (answer, *apiError) {
	m, err := c.ownMessage("cant_update_message")
	if err != nil {
		return nil, err
	}
	body, err := readContent(c.args, MaxUpdateText)
	if err != nil {
		return nil, err
	}
	// What is left out stays; an empty array removes it.
	if c.args["blocks"] == nil {
		body.blocks = m.Blocks
	}
	if c.args["attachments"] == nil {
		body.attachments = m.Attachments
	}
	c.edit(m, body)
	c.ex.Message = &MessageRef{Channel: m.Channel, TS: m.TS}
	c.echoChange(c.world.channels[m.Channel], m)
	return answer{"channel": m.Channel, "ts": m.TS, "text": m.Text, "message": c.messagePayload(m.clone())}, nil
}

// chatDelete implements https://docs.slack.dev/reference/methods/chat.delete.
func chatDelete(c *call) (answer, *apiError) {
	m, err := c.ownMessage("cant_delete_message")
	if err != nil {
		return nil, err
	}
	c.delete(m)
	return answer{"channel": m.Channel, "ts": m.TS}, nil
}

// postTarget finds the channel that the app posts to, and checks that it may.
func (c *call) postTarget() (*Channel, *apiError) {
	id := c.args.str("channel")
	if u := c.world.users[id]; u != nil && u.Team == c.team && !u.bot {
		return c.openDM(u), nil // a user's id stands for the conversation with the bot
	}
	channel, err := c.channel(id)
	if err != nil {
		return nil, err
	}
	switch {
	case channel.archived:
		return nil, fail("is_archived")
	case !channel.members[c.team.bot.ID] && !slices.Contains(c.team.scopes, "chat:write.public"):
		return nil, fail("not_in_channel")
	}
	if ts := c.args.str("thread_ts"); ts != "" {
		parent := c.findMessage(channel.ID, ts)
		if parent != nil && parent.EphemeralTo != "" {
			return nil, fail("cannot_reply_to_message")
		}
	}
	return channel, nil
}

// channel finds a channel by id among those that the app can see.
func (c *call) channel(id string) (*Channel, *apiError) {
	channel := c.world.channels[id]
	if channel == nil || !channel.visibleTo(c.team) {
		return nil, fail("channel_not_found")
	}
	return channel, nil
}

// ownMessage finds the message that the app wants to change, and refuses if it is not the app's.
func (c *call) ownMessage(refusal string) (*Message, *apiError) {
	channel, err := c.channel(c.args.str("channel"))
	if err != nil {
		return nil, err
	}
	m := c.findMessage(channel.ID, c.args.str("ts"))
	switch {
	case m == nil || m.Deleted || m.EphemeralTo != "":
		return nil, fail("message_not_found")
	case m.BotID != c.team.botID:
		return nil, fail(refusal)
	}
	return m, nil
}

// appMessage is a message by the app, not yet posted.
func (c *call) appMessage(channel *Channel, body content, via string) *Message {
	return &Message{
		Channel: channel.ID, ThreadTS: c.args.str("thread_ts"), User: c.team.bot.ID, BotID: c.team.botID,
		Text: body.text, Blocks: body.blocks, Attachments: body.attachments, parseFull: body.parseFull, Via: via,
	}
}

// reactionsAdd implements https://docs.slack.dev/reference/methods/reactions.add.
func reactionsAdd(c *call) (answer, *apiError) {
	m, name, err := c.reactionTarget()
	if err != nil {
		return nil, err
	}
	if slices.Contains(m.Reactions, name) {
		return nil, fail("already_reacted")
	}
	m.Reactions = append(m.Reactions, name)
	c.notify()
	return answer{}, nil
}

// reactionsRemove implements https://docs.slack.dev/reference/methods/reactions.remove.
func reactionsRemove(c *call) (answer, *apiError) {
	m, name, err := c.reactionTarget()
	if err != nil {
		return nil, err
	}
	i := slices.Index(m.Reactions, name)
	if i < 0 {
		return nil, fail("no_reaction")
	}
	m.Reactions = slices.Delete(m.Reactions, i, i+1)
	c.notify()
	return answer{}, nil
}

func (c *call) reactionTarget() (*Message, string, *apiError) {
	channel, err := c.channel(c.args.str("channel"))
	if err != nil {
		return nil, "", err
	}
	m := c.findMessage(channel.ID, c.args.str("timestamp"))
	name := c.args.str("name")
	switch {
	case m == nil || m.Deleted:
		return nil, "", fail("message_not_found")
	case name == "":
		return nil, "", fail("invalid_name")
	}
	return m, name, nil
}

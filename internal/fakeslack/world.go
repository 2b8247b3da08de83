package fakeslack

import (
	"maps"
	"slices"
	"strings"
)

// world is who and what exists: workspaces, people, channels, user groups.
type world struct {
	teams    []*Team
	users    map[string]*User
	channels map[string]*Channel
	groups   map[string]*UserGroup
}

func newWorld() world {
	return world{users: map[string]*User{}, channels: map[string]*Channel{}, groups: map[string]*UserGroup{}}
}

// Team is a workspace in which the app is installed.
type Team struct {
	ID   string
	Name string // also its domain

	srv      *Server
	bot      *User
	botID    string
	botToken string
	scopes   []string
}

// AddTeam adds a workspace and installs the app in it.
func (s *Server) AddTeam(name string) *Team {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &Team{ID: s.newID("T"), Name: name, srv: s, scopes: slices.Clone(s.opts.BotScopes)}
	t.botToken = "xoxb-" + t.ID + "-" + randomHex(12)
	t.botID = s.newID("B")
	t.bot = t.addUser(s.opts.BotName)
	t.bot.bot = true
	s.world.teams = append(s.world.teams, t)
	return t
}

// Team is the first workspace.
func (s *Server) Team() *Team {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.teams[0]
}

// Teams are all workspaces, in the order in which they were added.
func (s *Server) Teams() []*Team {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.world.teams)
}

// BotToken is the bot token (xoxb-…) of the app in this workspace.
func (t *Team) BotToken() string { return t.botToken }

// Bot is the app's bot user in this workspace.
func (t *Team) Bot() *User { return t.bot }

// SetScopes replaces the scopes of the bot token in this workspace.
func (t *Team) SetScopes(scopes ...string) {
	t.srv.mu.Lock()
	defer t.srv.mu.Unlock()
	t.scopes = scopes
}

// User is a person, or the bot, in a workspace.
type User struct {
	ID   string
	Name string
	Team *Team

	srv     *Server
	bot     bool
	deleted bool
}

// AddUser adds a person to the workspace.
func (t *Team) AddUser(name string) *User {
	t.srv.mu.Lock()
	defer t.srv.mu.Unlock()
	return t.addUser(name)
}

func (t *Team) addUser(name string) *User {
	u := &User{ID: t.srv.newID("U"), Name: name, Team: t, srv: t.srv}
	t.srv.world.users[u.ID] = u
	t.srv.notify()
	return u
}

// Users are all people and bots, by id.
func (s *Server) Users() []*User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sortedValues(s.world.users)
}

// UserByID finds a person or bot.
func (s *Server) UserByID(id string) (*User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.world.users[id]
	return u, ok
}

// Deactivate marks the person as having left the workspace.
func (u *User) Deactivate() {
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	u.deleted = true
}

// IsBot reports whether this is the app's bot user.
func (u *User) IsBot() bool { return u.bot }

// ChannelKind says who can see a channel.
type ChannelKind int

// The kinds of channels.
const (
	PublicChannel ChannelKind = iota
	PrivateChannel
	DirectMessage
)

// Channel is a conversation.
type Channel struct {
	ID   string
	Team *Team
	Kind ChannelKind

	srv      *Server
	name     string
	members  map[string]bool
	archived bool
}

// AddChannel adds a channel with the bot and these people as members. People of another workspace
// make it a shared channel (Slack Connect).
func (t *Team) AddChannel(name string, kind ChannelKind, members ...*User) *Channel {
	t.srv.mu.Lock()
	defer t.srv.mu.Unlock()
	c := t.addChannel(name, kind, append(members, t.bot)...)
	t.srv.notify()
	return c
}

func (t *Team) addChannel(name string, kind ChannelKind, members ...*User) *Channel {
	prefix := "C"
	if kind == DirectMessage {
		prefix = "D"
	}
	c := &Channel{ID: t.srv.newID(prefix), Team: t, Kind: kind, srv: t.srv, name: name, members: map[string]bool{}}
	for _, m := range members {
		c.members[m.ID] = true
	}
	t.srv.world.channels[c.ID] = c
	return c
}

// Channels are all conversations, by id.
func (s *Server) Channels() []*Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sortedValues(s.world.channels)
}

// ChannelByID finds a conversation.
func (s *Server) ChannelByID(id string) (*Channel, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.world.channels[id]
	return c, ok
}

// Name is the channel's present name, without "#".
func (c *Channel) Name() string {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	return c.name
}

// Rename changes the channel's name; its id stays.
func (c *Channel) Rename(name string) {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.name = name
	c.srv.notify()
}

// Invite makes u a member. To invite the bot, pass Team.Bot().
func (c *Channel) Invite(u *User) {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.members[u.ID] = true
	c.srv.notify()
}

// Kick removes u from the members.
func (c *Channel) Kick(u *User) {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	delete(c.members, u.ID)
	c.srv.notify()
}

// Archive closes the channel for new messages.
func (c *Channel) Archive() {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.archived = true
}

// Members are the ids of the channel's members, sorted.
func (c *Channel) Members() []string {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	return slices.Sorted(maps.Keys(c.members))
}

// DirectMessages is the conversation between u and the app's bot, opened if need be.
func (u *User) DirectMessages() *Channel {
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	return u.srv.openDM(u)
}

// openDM finds or creates the conversation between u and the bot. The caller holds s.mu.
func (s *Server) openDM(u *User) *Channel {
	for _, c := range s.world.channels {
		if c.Kind == DirectMessage && c.members[u.ID] && c.members[u.Team.bot.ID] {
			return c
		}
	}
	return u.Team.addChannel("directmessage", DirectMessage, u, u.Team.bot)
}

// UserGroup is a group that can be mentioned, such as @oncall.
type UserGroup struct {
	ID     string
	Handle string
	Team   *Team

	srv     *Server
	members map[string]bool
}

// AddUserGroup adds a user group.
func (t *Team) AddUserGroup(handle string, members ...*User) *UserGroup {
	t.srv.mu.Lock()
	defer t.srv.mu.Unlock()
	g := &UserGroup{ID: t.srv.newID("S"), Handle: handle, Team: t, srv: t.srv, members: map[string]bool{}}
	for _, m := range members {
		g.members[m.ID] = true
	}
	t.srv.world.groups[g.ID] = g
	return g
}

// SetMembers replaces the members of the group.
func (g *UserGroup) SetMembers(members ...*User) {
	g.srv.mu.Lock()
	defer g.srv.mu.Unlock()
	clear(g.members)
	for _, m := range members {
		g.members[m.ID] = true
	}
}

// visibleTo reports whether the app in team t can see the channel at all. The caller holds s.mu.
func (c *Channel) visibleTo(t *Team) bool {
	if c.Kind == PublicChannel {
		return c.Team == t || c.members[t.bot.ID]
	}
	return c.members[t.bot.ID]
}

// channelName is the name that payloads carry. Slack calls every direct message "directmessage" and
// every private channel "privategroup" in slash commands.
func (c *Channel) channelName() string {
	if c.Kind == PrivateChannel {
		return "privategroup"
	}
	return c.name
}

func sortedValues[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, k := range slices.SortedFunc(maps.Keys(m), strings.Compare) {
		out = append(out, m[k])
	}
	return out
}

package fakeslack

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// View is a modal or a Home tab as a person sees it. The server hands out copies.
type View struct {
	ID       string `json:"id"`
	Type     string `json:"type"` // modal or home
	User     string `json:"user"`
	Callback string `json:"callback_id"`
	External string `json:"external_id,omitempty"`
	Private  string `json:"private_metadata"`
	Title    string `json:"title,omitempty"`
	// Submit and Close are the labels of a modal's buttons.
	Submit   string           `json:"submit,omitempty"`
	Close    string           `json:"close,omitempty"`
	Blocks   []map[string]any `json:"blocks"`
	Hash     string           `json:"hash"`
	Root     string           `json:"root_view_id"`
	Previous string           `json:"previous_view_id,omitempty"`
	// Open is false once the modal was submitted, closed or cleared.
	Open bool `json:"open"`
	// Errors are what the app said about the inputs of the last submission, by block_id.
	Errors map[string]string `json:"errors,omitempty"`

	team *Team
	raw  map[string]any
}

func (v *View) clone() View {
	c := *v
	c.Errors = maps.Clone(v.Errors)
	return c
}

// Visible is all text that a person reads in the view.
func (v View) Visible() string {
	lines := []string{v.Title}
	for _, b := range v.Blocks {
		lines = append(lines, blockTexts(b)...)
	}
	return strings.TrimPrefix(strings.Join(lines, "\n"), "\n")
}

// Elements lists what a person can operate in the view.
func (v View) Elements() []Element { return Message{Blocks: v.Blocks}.Elements() }

// Button finds a button by its label or its action_id.
func (v View) Button(labelOrActionID string) (Element, bool) {
	return findButton(v.Elements(), labelOrActionID)
}

// Pings and Links of a view are those of a message with its blocks.
func (v View) Pings() []Ping { return Message{Blocks: v.Blocks}.Pings() }

// trigger is a trigger_id: it opens one view, for a short time.
type trigger struct {
	user    *User
	expires time.Time
	used    bool
}

// newTrigger issues a trigger_id. The caller holds s.mu.
func (s *Server) newTrigger(u *User) string {
	s.seq++
	id := fmt.Sprintf("%d.%d.%s", 1000000+s.seq, 2000000+s.seq, randomHex(16))
	s.triggers[id] = &trigger{user: u, expires: s.opts.Now().Add(s.opts.TriggerTTL)}
	return id
}

// takeTrigger spends a trigger_id.
func (c *call) takeTrigger() (*User, *apiError) {
	id := c.args.str("trigger_id")
	if parts := strings.Split(id, "."); len(parts) != 3 {
		return nil, fail("invalid_trigger_id")
	}
	t := c.triggers[id]
	switch {
	case t == nil:
		return nil, fail("invalid_trigger_id")
	case t.used:
		return nil, fail("exchanged_trigger_id")
	case c.opts.Now().After(t.expires):
		return nil, fail("expired_trigger_id")
	}
	t.used = true
	return t.user, nil
}

// viewsOpen implements https://docs.slack.dev/reference/methods/views.open.
func viewsOpen(c *call) (answer, *apiError) { return c.openModal(nil) }

// viewsPush implements https://docs.slack.dev/reference/methods/views.push.
func viewsPush(c *call) (answer, *apiError) {
	return c.openModal(func(u *User) *View { return c.topModal(u) })
}

// openModal opens a modal, on top of the one that under returns.
func (c *call) openModal(under func(*User) *View) (answer, *apiError) {
	raw := c.args.object("view")
	if err := checkView(raw, "modal"); err != nil {
		return nil, err
	}
	if err := c.freeExternalID(raw, nil); err != nil {
		return nil, err
	}
	u, err := c.takeTrigger()
	if err != nil {
		return nil, err
	}
	var below *View
	if under != nil {
		if below = under(u); below == nil {
			return nil, fail("not_found")
		}
	}
	v := c.addModal(c.team, u, raw, below)
	c.ex.View = &ViewRef{ID: v.ID, User: u.ID}
	return answer{"view": c.viewPayload(v)}, nil
}

// addModal shows a modal to u. The caller holds s.mu.
func (s *Server) addModal(t *Team, u *User, raw map[string]any, below *View) *View {
	v := &View{ID: s.newID("V"), User: u.ID, Open: true, team: t}
	v.Root = v.ID
	if below != nil {
		v.Root, v.Previous = below.Root, below.ID
	}
	s.fillView(v, raw)
	s.views[v.ID] = v
	s.notify()
	return v
}

// fillView takes over what the app sent. The caller holds s.mu.
func (s *Server) fillView(v *View, raw map[string]any) {
	v.raw = raw
	v.Type, _ = raw["type"].(string)
	v.Callback, _ = raw["callback_id"].(string)
	v.External, _ = raw["external_id"].(string)
	v.Private, _ = raw["private_metadata"].(string)
	v.Title, v.Submit, v.Close = textOf(raw["title"]), textOf(raw["submit"]), textOf(raw["close"])
	v.Errors = nil
	v.Blocks = nil
	blocks, _ := raw["blocks"].([]any)
	for _, b := range blocks {
		if o, ok := b.(map[string]any); ok {
			v.Blocks = append(v.Blocks, o)
		}
	}
	assignBlockIDs(v.Blocks)
	s.seq++
	v.Hash = strconv.FormatInt(s.opts.Now().Unix(), 10) + "." + randomHex(4) + strconv.Itoa(s.seq)
}

// viewsUpdate implements https://docs.slack.dev/reference/methods/views.update.
func viewsUpdate(c *call) (answer, *apiError) {
	raw := c.args.object("view")
	if err := checkView(raw, "modal", "home"); err != nil {
		return nil, err
	}
	v := c.findView(c.args.str("view_id"), c.args.str("external_id"))
	if v == nil || v.team != c.team || !v.Open {
		return nil, fail("not_found")
	}
	if hash := c.args.str("hash"); hash != "" && hash != v.Hash {
		return nil, fail("hash_conflict")
	}
	if err := c.freeExternalID(raw, v); err != nil {
		return nil, err
	}
	c.fillView(v, raw)
	c.notify()
	c.ex.View = &ViewRef{ID: v.ID, User: v.User}
	return answer{"view": c.viewPayload(v)}, nil
}

// viewsPublish implements https://docs.slack.dev/reference/methods/views.publish.
func viewsPublish(c *call) (answer, *apiError) {
	u := c.world.users[c.args.str("user_id")]
	if u == nil || u.Team != c.team {
		return nil, fail("invalid_arguments", "invalid `user_id`")
	}
	raw := c.args.object("view")
	if err := checkView(raw, "home"); err != nil {
		return nil, err
	}
	v := c.homes[u.ID]
	if hash := c.args.str("hash"); hash != "" && (v == nil || hash != v.Hash) {
		return nil, fail("hash_conflict")
	}
	if v == nil {
		v = &View{ID: c.newID("V"), User: u.ID, Open: true, team: c.team}
		v.Root = v.ID
		c.homes[u.ID] = v
		c.views[v.ID] = v
	}
	c.fillView(v, raw)
	c.notify()
	c.ex.View = &ViewRef{ID: v.ID, User: u.ID}
	return answer{"view": c.viewPayload(v)}, nil
}

// freeExternalID refuses an external_id that another open view has.
func (c *call) freeExternalID(raw map[string]any, self *View) *apiError {
	id, _ := raw["external_id"].(string)
	if id == "" {
		return nil
	}
	if v := c.findView("", id); v != nil && v != self && v.Open {
		return fail("duplicate_external_id")
	}
	return nil
}

func (c *call) findView(id, external string) *View {
	if id != "" {
		return c.views[id]
	}
	for _, v := range c.views {
		if external != "" && v.External == external && v.Open {
			return v
		}
	}
	return nil
}

// topModal is the modal that u sees, the newest open one. The caller holds s.mu.
func (s *Server) topModal(u *User) *View {
	var top *View
	for _, id := range sortedKeys(s.views) { // ids grow
		if v := s.views[id]; v.User == u.ID && v.Type == "modal" && v.Open {
			top = v
		}
	}
	return top
}

// viewPayload is the view object of answers and interactions. The caller holds s.mu.
func (s *Server) viewPayload(v *View) map[string]any {
	out := map[string]any{
		"id":                    v.ID,
		"team_id":               v.team.ID,
		"type":                  v.Type,
		"blocks":                v.Blocks,
		"private_metadata":      v.Private,
		"callback_id":           v.Callback,
		"state":                 map[string]any{"values": map[string]any{}},
		"hash":                  v.Hash,
		"title":                 map[string]any{"type": "plain_text", "text": v.Title, "emoji": true},
		"clear_on_close":        v.raw["clear_on_close"] == true,
		"notify_on_close":       v.raw["notify_on_close"] == true,
		"close":                 v.raw["close"],
		"submit":                v.raw["submit"],
		"previous_view_id":      nil,
		"root_view_id":          v.Root,
		"app_id":                s.appID,
		"external_id":           v.External,
		"app_installed_team_id": v.team.ID,
		"bot_id":                v.team.botID,
	}
	if v.Previous != "" {
		out["previous_view_id"] = v.Previous
	}
	return out
}

// Home is the Home tab that the app published for u.
func (u *User) Home() (View, bool) {
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	if v := u.srv.homes[u.ID]; v != nil {
		return v.clone(), true
	}
	return View{}, false
}

// Modal is the modal that u sees now.
func (u *User) Modal() (View, bool) {
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	if v := u.srv.topModal(u); v != nil {
		return v.clone(), true
	}
	return View{}, false
}

// WaitHome waits until u's Home tab is such that match holds; a nil match takes any.
func (u *User) WaitHome(ctx context.Context, match func(View) bool) (View, error) {
	return u.waitView(ctx, "Home tab", u.Home, match)
}

// WaitModal waits until u sees a modal for which match holds; a nil match takes any.
func (u *User) WaitModal(ctx context.Context, match func(View) bool) (View, error) {
	return u.waitView(ctx, "modal", u.Modal, match)
}

func (u *User) waitView(ctx context.Context, what string, get func() (View, bool), match func(View) bool) (View, error) {
	var last View
	err := u.srv.wait(ctx, func() bool {
		v, ok := get()
		last = v
		return ok && (match == nil || match(v))
	})
	if err != nil {
		return View{}, fmt.Errorf("wait for a %s of %s: %w; it shows %q", what, u.Name, err, last.Visible())
	}
	return last, nil
}

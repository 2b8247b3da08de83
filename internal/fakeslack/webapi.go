package fakeslack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// method is one Web API method: who may call it and what it does.
type method struct {
	// scope is what a bot token needs; empty needs none.
	scope string
	// appToken is set for methods that want the app-level token.
	appToken bool
	// tier is the number of calls allowed in a minute, see
	// https://docs.slack.dev/apis/web-api/rate-limits.
	tier int
	run  func(*call) (answer, *apiError)
}

// The tiers of methods: calls a minute.
const (
	tier2       = 20
	tier3       = 50
	tier4       = 100
	tierSpecial = 0 // limited by channel instead
)

// methods is the table of the Web API.
func methods() map[string]method {
	return map[string]method{
		"api.test":                     {tier: tier4, run: apiTest},
		"apps.connections.open":        {appToken: true, tier: tier3, run: connectionsOpen},
		"auth.test":                    {tier: tierSpecial, run: authTest},
		"chat.delete":                  {scope: "chat:write", tier: tier3, run: chatDelete},
		"chat.postEphemeral":           {scope: "chat:write", tier: tier4, run: chatPostEphemeral},
		"chat.postMessage":             {scope: "chat:write", tier: tierSpecial, run: chatPostMessage},
		"chat.update":                  {scope: "chat:write", tier: tier3, run: chatUpdate},
		"conversations.info":           {scope: "channels:read", tier: tier3, run: conversationsInfo},
		"conversations.members":        {scope: "channels:read", tier: tier4, run: conversationsMembers},
		"conversations.open":           {scope: "im:write", tier: tier3, run: conversationsOpen},
		"files.completeUploadExternal": {scope: "files:write", tier: tier4, run: filesCompleteUpload},
		"files.getUploadURLExternal":   {scope: "files:write", tier: tier4, run: filesGetUploadURL},
		"files.info":                   {scope: "files:read", tier: tier4, run: filesInfo},
		"reactions.add":                {scope: "reactions:write", tier: tier3, run: reactionsAdd},
		"reactions.remove":             {scope: "reactions:write", tier: tier2, run: reactionsRemove},
		"usergroups.list":              {scope: "usergroups:read", tier: tier2, run: usergroupsList},
		"usergroups.users.list":        {scope: "usergroups:read", tier: tier2, run: usergroupsUsersList},
		"users.info":                   {scope: "users:read", tier: tier4, run: usersInfo},
		"views.open":                   {tier: tier4, run: viewsOpen},
		"views.publish":                {tier: tier4, run: viewsPublish},
		"views.push":                   {tier: tier4, run: viewsPush},
		"views.update":                 {tier: tier4, run: viewsUpdate},
	}
}

// AllBotScopes are the scopes that all methods of this server need together.
func AllBotScopes() []string {
	set := map[string]bool{"app_mentions:read": true, "commands": true, "im:history": true, "groups:read": true, "im:read": true}
	for _, m := range methods() {
		if m.scope != "" {
			set[m.scope] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// ScopeOf is the scope that a bot token needs for a Web API method, empty if it needs none, and whether
// this server knows the method.
func ScopeOf(name string) (scope string, known bool) {
	m, known := methods()[name]
	return m.scope, known
}

// answer is the body of a successful call, without "ok".
type answer map[string]any

// apiError is a refusal: Slack's error string, and details for people.
type apiError struct {
	code     string
	messages []string
	extra    map[string]any
}

func fail(code string, messages ...string) *apiError {
	return &apiError{code: code, messages: messages}
}

// body is the answer that Slack gives for the error.
func (e *apiError) body() map[string]any {
	out := map[string]any{"ok": false, "error": e.code}
	maps.Copy(out, e.extra)
	if len(e.messages) > 0 {
		var lines []string
		for _, m := range e.messages {
			lines = append(lines, "[ERROR] "+m)
		}
		out["errors"] = e.messages
		out["response_metadata"] = map[string]any{"messages": lines}
	}
	return out
}

// call is one call of a method.
type call struct {
	*Server
	team *Team
	args args
	ex   *Exchange
}

// maxBody bounds what the server reads of one request.
const maxBody = 32 << 20

// serveAPI answers /api/METHOD.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("method")
	f := s.takeFault(name)
	ex, ok := s.record(w, r, name)
	if !ok {
		return
	}
	if f != nil && !f.AfterEffect {
		f.apply(s, w, r)
		return
	}
	if wait, limited := s.rateLimited("method "+name, methods()[name].tier); limited {
		tooMany(w, wait)
		return
	}
	body, scopes := s.callMethod(name, r, ex)
	if f != nil {
		f.apply(s, w, r)
		return
	}
	if body["error"] == "ratelimited" {
		tooMany(w, time.Second)
		return
	}
	w.Header().Set("X-OAuth-Scopes", strings.Join(scopes, ","))
	writeJSON(w, http.StatusOK, body)
}

// callMethod authenticates and runs one call, and returns the answer and the scopes of the token.
func (s *Server) callMethod(name string, r *http.Request, ex *Exchange) (body map[string]any, scopes []string) {
	m, known := methods()[name]
	if !known {
		return (&apiError{code: "unknown_method", extra: map[string]any{"req_method": name}}).body(), nil
	}
	a, err := parseArgs(r, ex.Body)
	if err != nil {
		return err.body(), nil
	}
	c := &call{Server: s, args: a, ex: ex}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.team, err = s.authorize(m, bearer(r, a)); err != nil {
		return err.body(), nil
	}
	if c.team != nil {
		scopes = slices.Clone(c.team.scopes)
	}
	out, err := m.run(c)
	if err != nil {
		return err.body(), scopes
	}
	body = map[string]any{"ok": true}
	maps.Copy(body, out)
	return body, scopes
}

// authorize finds the workspace of a token and checks that the token may call the method. The caller
// holds s.mu.
func (s *Server) authorize(m method, token string) (*Team, *apiError) {
	team := s.teamOfToken(token)
	switch {
	case token == "":
		return nil, fail("not_authed")
	case s.revoked:
		return nil, fail("invalid_auth")
	case m.appToken && token == s.appToken:
		return nil, nil
	case m.appToken && team != nil, !m.appToken && token == s.appToken:
		return nil, fail("not_allowed_token_type")
	case team == nil || m.appToken:
		return nil, fail("invalid_auth")
	case m.scope != "" && !slices.Contains(team.scopes, m.scope):
		return nil, &apiError{code: "missing_scope", extra: map[string]any{
			"needed": m.scope, "provided": strings.Join(team.scopes, ","),
		}}
	}
	return team, nil
}

func (s *Server) teamOfToken(token string) *Team {
	for _, t := range s.world.teams {
		if t.botToken == token {
			return t
		}
	}
	return nil
}

func bearer(r *http.Request, a args) string {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return token
	}
	return a.str("token")
}

// args are the arguments of a call. Slack takes them as a form, whose structured values are JSON
// strings, or as a JSON object.
type args map[string]any

// parseArgs reads the arguments from the URL and the body.
func parseArgs(r *http.Request, body []byte) (args, *apiError) {
	out := args{}
	addValues(out, r.URL.Query())
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		if len(bytes.TrimSpace(body)) == 0 {
			return out, nil
		}
		if err := json.Unmarshal(body, &out); err != nil {
			return nil, fail("invalid_json")
		}
	case "application/x-www-form-urlencoded", "":
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, fail("invalid_form_data")
		}
		addValues(out, values)
	default:
		return nil, fail("invalid_post_type")
	}
	return out, nil
}

func addValues(a args, values url.Values) {
	for k, v := range values {
		if len(v) > 0 {
			a[k] = v[0]
		}
	}
}

func (a args) str(key string) string {
	switch v := a[key].(type) {
	case string:
		return v
	case nil:
		return ""
	default:
		return strings.Trim(compactJSON(v), `"`)
	}
}

func (a args) bool(key string) bool {
	s := a.str(key)
	return s == "true" || s == "1"
}

// list reads an array, or a comma-separated string.
func (a args) list(key string) []string {
	if items, ok := a[key].([]any); ok {
		var out []string
		for _, item := range items {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	var out []string
	for item := range strings.SplitSeq(a.str(key), ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// decoded returns a structured argument, decoding it when it came as a string. A copy is returned, so
// that the caller may keep it.
func (a args) decoded(key string) (any, error) {
	raw := a[key]
	if raw == nil {
		return nil, nil
	}
	text, ok := raw.(string)
	if !ok {
		text = compactJSON(raw)
	}
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var v any
	err := json.Unmarshal([]byte(text), &v)
	return v, err
}

// objects returns an argument that is an array of objects, or the error given.
func (a args) objects(key, errorCode string) ([]map[string]any, *apiError) {
	v, err := a.decoded(key)
	if err != nil {
		return nil, fail(errorCode)
	}
	if v == nil {
		return nil, nil
	}
	items, ok := v.([]any)
	if !ok {
		return nil, fail(errorCode)
	}
	out := make([]map[string]any, 0, len(items))
	for i, item := range items {
		o, ok := item.(map[string]any)
		if !ok {
			return nil, fail(errorCode, fmt.Sprintf("must be an object [json-pointer:/%s/%d]", key, i))
		}
		out = append(out, o)
	}
	return out, nil
}

// object returns an argument that is an object; nil when it is missing or none.
func (a args) object(key string) map[string]any {
	v, err := a.decoded(key)
	if err != nil {
		return nil
	}
	o, _ := v.(map[string]any)
	return o
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, compactJSON(body))
}

func apiTest(*call) (answer, *apiError) { return answer{}, nil }

func authTest(c *call) (answer, *apiError) {
	return answer{
		"url":                   "https://" + c.team.Name + ".slack.com/",
		"team":                  c.team.Name,
		"user":                  c.team.bot.Name,
		"team_id":               c.team.ID,
		"user_id":               c.team.bot.ID,
		"bot_id":                c.team.botID,
		"is_enterprise_install": false,
	}, nil
}

package manifests_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// webAPI is which methods of the Web API a method of slack-go's client calls. Sources: slack-go itself,
// and https://docs.slack.dev/reference/methods.
func webAPI() map[string][]string {
	return map[string][]string{
		"AuthTestContext":            {"auth.test"},
		"GetFileInfoContext":         {"files.info"}, // and the download of the file, by the same scope
		"GetUserGroupMembersContext": {"usergroups.users.list"},
		"OpenConversationContext":    {"conversations.open"},
		"OpenViewContext":            {"views.open"},
		"PostEphemeralContext":       {"chat.postEphemeral"},
		"PostMessageContext":         {"chat.postMessage"},
		"PublishViewContext":         {"views.publish"},
		"StartSocketModeContext":     {"apps.connections.open"}, // by the app token's scope connections:write
		"UpdateMessageContext":       {"chat.update"},
		"UploadFileContext":          {"files.getUploadURLExternal", "files.completeUploadExternal"},
	}
}

// eventScopes are the events that the bot handles, and the scope that Slack asks for each. Sources:
// https://docs.slack.dev/reference/events.
func eventScopes() map[string]string {
	return map[string]string{
		"app_home_opened": "",
		"app_mention":     "app_mentions:read",
		"message.im":      "im:history",
	}
}

// commandScope is what slash commands need.
const commandScope = "commands"

// appManifest reads the manifest of the app. Unknown fields are errors.
func appManifest(t *testing.T, edit func(string) string) slack.Manifest {
	t.Helper()
	data, err := os.ReadFile("slack-app.yaml")
	check(t, err)
	var manifest slack.Manifest
	check(t, yaml.UnmarshalStrict([]byte(edit(string(data))), &manifest))
	return manifest
}

func asIs(text string) string { return text }

// TestAppManifest holds the manifest to Slack's rules: https://docs.slack.dev/reference/app-manifest.
func TestAppManifest(t *testing.T) {
	m := appManifest(t, asIs)
	for what, length := range map[string]struct {
		text string
		most int
	}{
		"display_information.name":        {m.Display.Name, 35},
		"display_information.description": {m.Display.Description, 140},
		"bot_user.display_name":           {m.Features.BotUser.DisplayName, 80},
	} {
		if n := utf8.RuneCountInString(length.text); n == 0 || n > length.most {
			t.Errorf("%s has %d characters, must have 1 to %d", what, n, length.most)
		}
	}
	for what, shape := range map[string]struct{ text, want string }{
		"display_information.background_color": {m.Display.BackgroundColor, `^#([0-9a-f]{3}|[0-9a-f]{6})$`},
		"bot_user.display_name":                {m.Features.BotUser.DisplayName, `^[a-z0-9._-]+$`},
	} {
		if !regexp.MustCompile(shape.want).MatchString(shape.text) {
			t.Errorf("%s is %q, must match %s", what, shape.text, shape.want)
		}
	}
	if len(m.Features.SlashCommands) != 1 {
		t.Fatalf("%d slash commands, want one", len(m.Features.SlashCommands))
	}
	command := m.Features.SlashCommands[0]
	if command.Command != "/lab" || len(command.Description) == 0 || len(command.Description) > 2000 || len(command.UsageHint) > 1000 {
		t.Errorf("slash command %+v", command)
	}
	if command.ShouldEscape {
		t.Error("should_escape turns names into <@U…> and <#C…>, which no verb understands")
	}
	home := m.Features.AppHome
	if !home.HomeTabEnabled || !home.MessagesTabEnabled || home.MessagesTabReadOnlyEnabled {
		t.Errorf("app_home %+v: the bot publishes a Home, and answers messages", home)
	}
	if !m.Settings.SocketModeEnabled || !m.Settings.Interactivity.IsEnabled {
		t.Error("the bot opens sockets by default, and has buttons")
	}
	if m.Settings.TokenRotationEnabled {
		t.Error("the bot does not rotate tokens: rotated ones end after 12 hours")
	}
}

// TestLeastScopes proves that the app has every scope that the bot's calls and events need, and no other.
func TestLeastScopes(t *testing.T) {
	m := appManifest(t, asIs)
	needed := map[string]string{commandScope: "the slash command"}
	for _, call := range callsOf(t, "../internal/slackbot") {
		methods, known := webAPI()[call]
		if !known {
			t.Errorf("the bot calls %s: add it to the table of this test", call)
		}
		for _, method := range methods {
			scope, known := fakeslack.ScopeOf(method)
			if !known {
				t.Errorf("the fake Slack does not know %s", method)
			}
			if scope != "" {
				needed[scope] = method
			}
		}
	}
	for event, scope := range eventScopes() {
		if scope != "" {
			needed[scope] = "event " + event
		}
	}
	for _, scope := range m.OAuthConfig.Scopes.Bot {
		if needed[scope] == "" {
			t.Errorf("nothing needs the scope %s", scope)
		}
	}
	for scope, by := range needed {
		if !slices.Contains(m.OAuthConfig.Scopes.Bot, scope) {
			t.Errorf("%s needs the scope %s", by, scope)
		}
	}
	if user := m.OAuthConfig.Scopes.User; len(user) > 0 {
		t.Errorf("the app wants to act as people: %v", user)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(eventScopes())), slices.Sorted(slices.Values(m.Settings.EventSubscriptions.BotEvents))); diff != "" {
		t.Errorf("events that the bot handles (-) and that the app subscribes to (+):\n%s", diff)
	}
}

// TestTableOfMethods fails for lines of the table that the bot has no call for.
func TestTableOfMethods(t *testing.T) {
	if diff := cmp.Diff(slices.Sorted(maps.Keys(webAPI())), callsOf(t, "../internal/slackbot")); diff != "" {
		t.Errorf("the table (-) and the bot's calls (+):\n%s", diff)
	}
}

// callsOf finds the methods of slack-go's client that the code of a folder calls.
func callsOf(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	check(t, err)
	client := reflect.TypeFor[*slack.Client]()
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		check(t, err)
		ast.Inspect(tree, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok && callsWebAPI(client, selector.Sel.Name) {
				found[selector.Sel.Name] = true
			}
			return true
		})
	}
	if len(found) == 0 {
		t.Fatal("no calls were found")
	}
	return slices.Sorted(maps.Keys(found))
}

// callsWebAPI tells the methods that call the Web API from others: they take a context, and most have a
// twin that takes none.
func callsWebAPI(client reflect.Type, name string) bool {
	_, exists := client.MethodByName(name)
	_, twin := client.MethodByName(name + "Context")
	return exists && (twin || strings.HasSuffix(name, "Context"))
}

// TestAppManifestForHTTP follows the comment at the manifest's top: without sockets, Slack wants an
// address for everything, and they must be those that labbot serves.
func TestAppManifestForHTTP(t *testing.T) {
	m := appManifest(t, func(text string) string {
		text = regexp.MustCompile(`# ((request_)?url: https)`).ReplaceAllString(text, "$1")
		return strings.Replace(text, "socket_mode_enabled: true", "socket_mode_enabled: false", 1)
	})
	if m.Settings.SocketModeEnabled {
		t.Error("Socket Mode is still on")
	}
	for address, want := range map[string]string{
		m.Features.SlashCommands[0].Url:          "/slack/commands",
		m.Settings.Interactivity.RequestUrl:      "/slack/interactions",
		m.Settings.EventSubscriptions.RequestUrl: "/slack/events",
	} {
		parsed, err := url.Parse(address)
		if err != nil || parsed.Scheme != "https" || parsed.Path != want {
			t.Errorf("address %q, want one that ends with %s (%v)", address, want, err)
		}
	}
}

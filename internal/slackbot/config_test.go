package slackbot

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

const goodConfig = `
apiVersion: labbot.kubectl-lab.github.io/v1alpha1
kind: LabbotConfig
teams: [T1]
clusters: [{name: lab}]
people: [{users: ["T1:U1"], groups: [lab-admins]}]
channels: [{id: C1}, {id: direct}]
`

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for edit, want := range map[[2]string]string{
		{"teams: [T1]", "teams: []"}:                    "name at least one workspace",
		{"teams: [T1]", "teams: [acme]"}:                "not the id of a workspace",
		{"name: lab}", "name: lab, server: x}"}:         `unknown field "server"`,
		{"name: lab}", "name: Lab!}"}:                   "clusters[0].name",
		{"[{name: lab}]", "[{name: lab}, {name: lab}]"}: "two clusters",
		{"T1:U1", "T2:U1"}:                              "not TEAM:USER with a workspace of teams",
		{"T1:U1", "bob"}:                                "not TEAM:USER",
		{"lab-admins", "system:masters"}:                "belongs to Kubernetes itself",
		{"id: C1", "id: general"}:                       "anybody could rename a channel",
		{"id: C1", "id: C1, verbs: [stauts]"}:           `did you mean "status"?`,
		{"id: C1", "id: C1, cluster: prod"}:             `there is no cluster "prod"; there are: lab`,
		{"v1alpha1", "v9"}:                              "apiVersion and kind must be",
		{"kind: LabbotConfig", "kind: LabbotConfig\ntoken: {maxDuration: 99h}"}:                 "token.maxDuration",
		{"kind: LabbotConfig", "kind: LabbotConfig\napprovals: [{verbs: [delete], by: magic}]"}: "approvals[0].by",
	} {
		_, err := ParseConfig([]byte(strings.Replace(goodConfig, edit[0], edit[1], 1)), actions.All())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q → %q: error %v, want %q", edit[0], edit[1], err, want)
		}
	}
	if _, err := ParseConfig([]byte(goodConfig), actions.All()); err != nil {
		t.Error(err)
	}
}

func TestManifestConfigIsValid(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../manifests/labbot/config.yaml")
	must(t, err)
	if _, err := ParseConfig(data, actions.All()); err != nil {
		t.Error(err)
	}
}

func TestConfigReload(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	write := func(text string) {
		must(t, os.WriteFile(path+".new", []byte(text), 0o600))
		must(t, os.Rename(path+".new", path)) // as a whole, as a ConfigMap changes
	}
	write(goodConfig)
	store, err := loadConfig(path, actions.All(), slog.New(slog.DiscardHandler))
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	changes := make(chan error, 1)
	go store.watch(ctx, time.Millisecond, func(err error) { changes <- err })

	write("teams: 7")
	if err := <-changes; err == nil {
		t.Error("a bad configuration was taken over")
	}
	if got := store.get().Teams; len(got) != 1 || got[0] != "T1" {
		t.Errorf("teams are %v; the old configuration must stay in force", got)
	}
	write(strings.Replace(goodConfig, "id: C1", "id: C2", 1))
	if err := <-changes; err != nil {
		t.Error(err)
	}
	if got := store.get().Channels[0].ID; got != "C2" {
		t.Errorf("channel %s, want the new one", got)
	}
}

func TestConfirmationStrongestRuleCounts(t *testing.T) {
	t.Parallel()
	c := &Config{Approvals: []ApprovalRule{
		{Verbs: []string{"delete"}, MoreThan: 1, By: ConfirmTyped},
		{Verbs: []string{"delete"}, MoreThan: 5, By: ConfirmPerson},
		{Verbs: []string{"token"}, By: ConfirmPerson},
	}}
	for _, test := range []struct {
		verb    string
		effect  actions.Effect
		objects int
		want    Confirmation
	}{
		{"delete", actions.Writes, 1, ConfirmClick},
		{"delete", actions.Writes, 2, ConfirmTyped},
		{"delete", actions.Writes, 6, ConfirmPerson},
		{"create pod", actions.Writes, 9, ConfirmClick},
		{"token", actions.RevealsSecret, 0, ConfirmPerson},
	} {
		if got, _ := c.confirmation(test.verb, test.effect, test.objects); got != test.want {
			t.Errorf("%s of %d objects: %s, want %s", test.verb, test.objects, got, test.want)
		}
	}
}

func TestSecretsAreChecked(t *testing.T) {
	t.Parallel()
	const token = "xoxp-very-secret"
	err := Secrets{BotToken: token, AppToken: token}.check(false)
	if err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("error %v", err)
	}
	file := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(file, []byte("xoxb-1\n"), 0o600))
	got, err := ReadSecrets(func(name string) string { return map[string]string{envBotToken + "_FILE": file}[name] })
	must(t, err)
	if got.BotToken != "xoxb-1" {
		t.Error("the token was not read from the file")
	}
	_, err = ReadSecrets(func(name string) string {
		return map[string]string{envBotToken + "_FILE": file, envBotToken: "x"}[name]
	})
	if err == nil {
		t.Error("two sources were taken")
	}
}

func TestSealer(t *testing.T) {
	t.Parallel()
	one, err := newSealer("xoxb-1")
	must(t, err)
	other, err := newSealer("xoxb-2")
	must(t, err)
	sealed := one.seal("lab-1", []byte("https://hooks"))
	if got, err := one.open("lab-1", sealed); err != nil || string(got) != "https://hooks" {
		t.Errorf("opened %q, %v", got, err)
	}
	_, err1 := one.open("lab-2", sealed)
	_, err2 := other.open("lab-1", sealed)
	_, err3 := one.open("lab-1", "!")
	if errors.Join(err1) == nil || err2 == nil || err3 == nil {
		t.Error("opened with another name, another token, or damaged")
	}
}

func TestRBACNeedsMembers(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig([]byte(strings.Replace(goodConfig, `users: ["T1:U1"]`, `slackGroups: ["T1:S1"]`, 1)), actions.All())
	must(t, err)
	if _, err := RBAC(t.Context(), c, "labbot", "labbot", nil); err == nil {
		t.Error("roles without the members of a Slack group were printed")
	}
	data, err := RBAC(t.Context(), c, "labbot", "labbot", func(context.Context, string) ([]string, error) { return []string{"U7"}, nil })
	must(t, err)
	if !strings.Contains(string(data), "slack:T1:U7") || strings.Contains(string(data), "system:") {
		t.Errorf("%s", data)
	}
}

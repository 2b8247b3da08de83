package slackbot

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// exitCodeOf runs a program to its end.
func exitCodeOf(t *testing.T, command *exec.Cmd) (code int, output string) {
	t.Helper()
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), out.String()
}

func TestInvalidAuthEndsTheProgram(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	run := []string{"run", "--config", s.path, "--kubeconfig", s.kubeconfig, "--namespace", s.records, "--slack-api", s.APIURL(), "--health", "127.0.0.1:0"}
	wrongApp := s.command(run...)
	wrongApp.Env = append(wrongApp.Env, envAppToken+"=xapp-1-wrong")
	code, output := exitCodeOf(t, wrongApp)
	if code != 1 || !strings.Contains(output, "Slack does not accept the app token") {
		t.Errorf("a wrong app token: exit code %d, output %s", code, output)
	}
	s.RevokeTokens()
	code, output = exitCodeOf(t, s.command(run...))
	if code != 1 || !strings.Contains(output, "Slack does not accept the bot token") {
		t.Errorf("a revoked bot token: exit code %d, output %s", code, output)
	}
	for _, secret := range []string{s.Team().BotToken(), s.AppToken(), s.SigningSecret()} {
		if strings.Contains(output, secret) {
			t.Error("the output holds a secret")
		}
	}
}

func TestCheckConfig(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	good, err := os.ReadFile(s.path)
	must(t, err)
	checked := func(config string, kubeconfig string, environment ...string) (int, string) {
		path := filepath.Join(t.TempDir(), "config.yaml")
		must(t, os.WriteFile(path, []byte(config), 0o600))
		command := s.command("check-config", "--config", path, "--kubeconfig", kubeconfig, "--slack-api", s.APIURL())
		command.Env = append(command.Env, environment...)
		return exitCodeOf(t, command)
	}
	code, output := checked(string(good), s.kubeconfig)
	for _, want := range []string{"configuration: ok", "bot token: ok", "cluster lab: ok"} {
		if code != 0 || !strings.Contains(output, want) {
			t.Errorf("a good configuration: exit code %d, output lacks %q:\n%s", code, want, output)
		}
	}
	for name, test := range map[string]struct {
		config, kubeconfig string
		environment        []string
		want               string
		code               int
	}{
		"unknown field":  {string(good) + "\nsurprise: 1\n", s.kubeconfig, nil, "surprise", 2},
		"no YAML":        {"{", s.kubeconfig, nil, "LabbotConfig", 2},
		"wrong verb":     {strings.Replace(string(good), "- id: direct", "- id: direct\n  verbs: [gte]", 1), s.kubeconfig, nil, `did you mean "get"?`, 2},
		"system group":   {strings.ReplaceAll(string(good), "admins-", "system:"), s.kubeconfig, nil, "belongs to Kubernetes itself", 2},
		"no kubeconfig":  {string(good), "/nowhere", nil, "cluster lab", 3},
		"no bot token":   {string(good), s.kubeconfig, []string{envBotToken + "="}, "no bot token", 2},
		"wrong token":    {string(good), s.kubeconfig, []string{envBotToken + "=xoxb-wrong"}, "bot token: Slack does not accept it (invalid_auth)", 1},
		"no app token":   {string(good), s.kubeconfig, []string{envAppToken + "="}, "no app token", 2},
		"swapped tokens": {string(good), s.kubeconfig, []string{envAppToken + "=xoxb-1"}, "begin with xapp-", 2},
		"token twice":    {string(good), s.kubeconfig, []string{envBotToken + "_FILE=/dev/null"}, "choose one", 2},
		"missing file":   {string(good), s.kubeconfig, []string{envBotToken + "=", envBotToken + "_FILE=/nowhere"}, "SLACK_BOT_TOKEN_FILE", 2},
	} {
		code, output := checked(test.config, test.kubeconfig, test.environment...)
		if code != test.code || !strings.Contains(output, test.want) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s", name, code, test.code, test.want, output)
		}
	}
}

// SIGTERM lets a command end that is at work, tells the next person nothing is taken any more by closing
// the connections, and ends the program with success.
func TestTerminationLetsCommandsEnd(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	process := s.startProgram()
	in, err := s.alice.Slash(s.room, "/lab", "create pod late --image example.com/c:1")
	must(t, err)
	preview := s.answer(in, "Confirm: /lab create pod late")
	s.click(s.alice, preview, "Confirm")
	s.eventually("the command to run", func() bool {
		return s.podExists("late") || strings.Contains(s.recordStates(), stateRunning)
	})
	must(t, process.Process.Signal(syscall.SIGTERM))
	s.waitChanged(preview, "pod/late created")
	if err := process.Wait(); err != nil {
		t.Errorf("labbot ends with %v:\n%s", err, s.log)
	}
	if n := len(s.Sockets()); n != 0 {
		t.Errorf("%d connections are left", n)
	}
	if line := s.waitAudit(1)[0]; line["outcome"] != "done" {
		t.Errorf("audit line %v", line)
	}
	if states := s.recordStates(); states != stateDone {
		t.Errorf("the records are %q", states)
	}
}

// What does not end in time is told to, and its person is told why.
func TestShutdownInterruptsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	bot := s.start(withScripts)
	s.slash(s.bob, "hang", "⏳ /lab hang")
	start := time.Now()
	bot.stop()
	s.waitShown("interrupted: labbot is being restarted")
	if took := time.Since(start); took < shutdownTime || took > shutdownTime+10*time.Second {
		t.Errorf("interrupted after %s", took)
	}
	if line := s.waitAudit(1)[0]; line["outcome"] != "interrupted" {
		t.Errorf("audit line %v", line)
	}
	s.eventually("the end of the record", func() bool { return s.recordStates() == stateDone })
}

// recordStates are the states of the records.
func (s *stage) recordStates() string {
	s.t.Helper()
	found, err := s.replicaRecords("test").list(s.ctx, labelState)
	must(s.t, err)
	var states []string
	for _, r := range found {
		states = append(states, r.entry().state)
	}
	slices.Sort(states)
	return strings.Join(states, " ")
}

// A replica that is killed between the end of a command and the end of its record: a survivor says how
// the command had ended, and does not call it interrupted.
func TestSurvivorKnowsWhatHadEnded(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	dead := s.replicaRecords("labbot-dead")
	r, err := dead.create(s.ctx, "lab-dead", entry{person: s.person(s.bob), channel: s.room.ID, line: "version"})
	must(t, err)
	must(t, r.changeOwn(s.ctx, func(e *entry) { e.state, e.outcome = stateAnswering, outcomeDone }))
	s.start(nil)
	m := s.waitShown(`"/lab version" had ended (done)`)
	if m.EphemeralTo != s.bob.ID {
		t.Errorf("shown to %q", m.EphemeralTo)
	}
	if line := s.waitAudit(1)[0]; line["outcome"] != "done" || line["id"] != "lab-dead" {
		t.Errorf("audit line %v", line)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	bot := s.start(withScripts)
	s.slash(s.bob, "version", "Server Version")
	s.slash(s.bob, "panic", "labbot made a mistake")
	s.slash(s.bob, "hang --secret-word", "unknown flag")
	s.slash(s.carol, "version", "not allowed")
	s.waitAudit(4)
	text := s.get(bot, "/metrics")
	for _, want := range []string{
		`labbot_commands_total\{outcome="done",verb="version"\} 1`,
		`labbot_commands_total\{outcome="panic",verb="panic"\} 1`,
		`labbot_commands_total\{outcome="usage",verb=""\} 1`,
		`labbot_commands_total\{outcome="denied",verb=""\} 1`,
		`labbot_command_duration_seconds_count\{verb="version"\} 1`,
		`labbot_ack_duration_seconds_bucket\{le="1"\} 4`,
		`labbot_envelopes_total\{result="accepted"\} 4`,
		`labbot_panics_total 1`,
		`labbot_sockets 2`,
		`labbot_commands_queued 0`,
		`labbot_commands_running \d`,
		`labbot_commands_recorded_late_total 0`,
		`labbot_slack_responses_total\{status="200"\} \d+`,
		`process_resident_memory_bytes`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	for _, private := range []string{"secret-word", s.bob.ID, s.room.ID, s.Team().BotToken()} {
		if strings.Contains(text, private) {
			t.Errorf("the metrics hold %q", private)
		}
	}
	if code, body := s.status(bot, "/livez"); code != 200 || body != "ok\n" {
		t.Errorf("/livez answers %d %q", code, body)
	}
}

func TestAuditLinesAreJSON(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(nil)
	s.confirmed("label nodes k8s01 audit-"+s.suffix+"=x", "node/k8s01 labeled")
	s.waitAudit(1)
	var line struct {
		ID, Team, User, Channel, Verb, Arguments, Cluster, Namespace, Outcome string
		Objects                                                               []string
		Seconds                                                               float64
	}
	must(t, json.Unmarshal([]byte(s.audit.String()), &line))
	if line.Team != s.Team().ID || line.Channel != s.room.ID || line.Cluster != "lab" || line.Namespace != s.namespace || line.Seconds <= 0 {
		t.Errorf("the audit line is %+v", line)
	}
	if !slices.Equal(line.Objects, []string{"node/k8s01 labeled"}) {
		t.Errorf("objects touched: %q", line.Objects)
	}
}

// A replica that was away for so long that another took its command over does not answer as well.
func TestOnlyOneReplicaAnswers(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{}, nil)
	s.start(withScripts)
	working := s.slash(s.bob, "hang", "⏳ /lab hang")
	thief := s.replicaRecords("labbot-other")
	found, err := thief.list(s.ctx, labelState)
	must(t, err)
	must(t, found[0].changeAgain(s.ctx, func(*entry) error { return nil }))
	s.click(s.bob, working, "Cancel")
	s.eventually("the command's end", func() bool { return strings.Contains(s.log.String(), "another replica has answered meanwhile") })
	s.waitShown("interrupted: the labbot that ran") // in the name of the other one, which is not there
	if lines := s.waitAudit(1); len(lines) != 1 || lines[0]["outcome"] != "interrupted" {
		t.Errorf("audit lines %v", lines)
	}
	for _, m := range s.Messages() {
		if says(m, "stopped: you pressed Cancel") {
			t.Error("there are two answers")
		}
	}
}

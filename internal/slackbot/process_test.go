package slackbot

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// envProcess makes the test binary a bot: a process of its own, which a test can kill or weigh.
const envProcess = "LABBOT_TEST_PROCESS"

// processOptions are what such a bot is given.
type processOptions struct {
	Config, Kubeconfig, Namespace, SlackAPI string
	BotToken, AppToken                      string
}

// runProcess is the main function of such a bot.
func runProcess(encoded string) int {
	var p processOptions
	if err := json.Unmarshal([]byte(encoded), &p); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	bot, err := New(Options{
		ConfigPath: p.Config, Kubeconfig: p.Kubeconfig, Namespace: p.Namespace, SlackAPI: p.SlackAPI,
		Secrets: Secrets{BotToken: p.BotToken, AppToken: p.AppToken},
		Actions: scripted(), Build: actions.BuildInfo{Version: "v0.0.0-test"},
		Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)), Audit: os.Stdout,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if err := bot.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// startProcess runs a bot in a process of its own.
func (s *stage) startProcess() *exec.Cmd {
	s.t.Helper()
	encoded, err := json.Marshal(processOptions{
		Config: s.path, Kubeconfig: s.kubeconfig, Namespace: s.records, SlackAPI: s.APIURL(),
		BotToken: s.Team().BotToken(), AppToken: s.AppToken(),
	})
	must(s.t, err)
	self, err := os.Executable()
	must(s.t, err)
	command := exec.CommandContext(s.ctx, self)
	command.Env = append(os.Environ(), envProcess+"="+string(encoded))
	s.run(command)
	return command
}

// program is labbot as it is released, built by the first test that needs it.
var program struct {
	sync.Once
	path string
	err  error
}

// labbotProgram builds labbot with the flags of a release.
func labbotProgram(t *testing.T) string {
	t.Helper()
	program.Do(func() {
		directory, err := os.MkdirTemp("", "labbot-")
		if err != nil {
			program.err = err
			return
		}
		program.path = filepath.Join(directory, "labbot")
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program.path, "../../cmd/labbot")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			program.err = fmt.Errorf("building labbot: %w\n%s", err, output)
		}
	})
	must(t, program.err)
	return program.path
}

// command is labbot with arguments, and the stage's tokens in its environment.
func (s *stage) command(arguments ...string) *exec.Cmd {
	s.t.Helper()
	command := exec.CommandContext(s.ctx, labbotProgram(s.t), arguments...)
	command.Env = append(os.Environ(), envBotToken+"="+s.Team().BotToken(), envAppToken+"="+s.AppToken(), envSigningSecret+"="+s.SigningSecret())
	return command
}

// startProgram runs labbot.
func (s *stage) startProgram() *exec.Cmd {
	s.t.Helper()
	command := s.command("run", "--config", s.path, "--kubeconfig", s.kubeconfig,
		"--namespace", s.records, "--slack-api", s.APIURL(), "--health", "127.0.0.1:0")
	s.run(command)
	return command
}

// run starts a bot's process and waits for its connections.
func (s *stage) run(command *exec.Cmd) {
	s.t.Helper()
	command.Stdout, command.Stderr = s.audit, s.log
	before := len(s.Sockets())
	must(s.t, command.Start())
	s.t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	ctx, cancel := context.WithTimeout(s.ctx, patient)
	defer cancel()
	must(s.t, s.WaitSockets(ctx, before+socketCount))
}

// The whole resident size counts, pages of the program's own file included, as issue 4 has it.
func TestPoint10SmallAfterAThousandCommands(t *testing.T) {
	t.Parallel()
	s := newStage(t, fakeslack.Options{KeepTraffic: 10}, nil)
	process := s.startProgram()
	s.slash(s.alice, "version", "Server Version")
	s.waitAudit(1)
	s.residentAtMost(process, "idle")
	lines := []string{"version", "get nodes", "get pods -A", "help get", "get svc -o yaml", "describe", "no such verb"}
	const commands = 1000
	for i := range commands {
		who := []*fakeslack.User{s.alice, s.bob, s.carol}[i%3] // nobody is slowed down for asking too often
		in, err := who.Slash(s.room, "/lab", lines[i%len(lines)])
		must(t, err)
		if i%50 == 49 {
			must(t, in.WaitAck(s.ctx))
			s.waitAudit(1 + i + 1)
		}
	}
	s.residentAtMost(process, "after a thousand commands")
}

// residentAtMost checks the memory that a process has once it is at rest.
func (s *stage) residentAtMost(process *exec.Cmd, when string) {
	s.t.Helper()
	const most = 64 << 10
	var memory map[string]int
	s.eventually(fmt.Sprintf("at most %d KiB resident %s", most, when), func() bool {
		memory = residentKiB(s.t, process.Process.Pid)
		return memory["VmRSS"] > 0 && memory["VmRSS"] <= most
	})
	s.t.Logf("KiB resident %s: %v", when, memory)
}

// residentKiB is how much memory a process has: in all, of its own (RssAnon), and of files that it maps,
// such as its program (RssFile).
func residentKiB(t *testing.T, pid int) map[string]int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	memory := map[string]int{}
	for line := range strings.Lines(string(data)) {
		name, rest, _ := strings.Cut(line, ":")
		if name == "VmRSS" || name == "RssAnon" || name == "RssFile" {
			memory[name], err = strconv.Atoi(strings.Fields(rest)[0])
			must(t, err)
		}
	}
	return memory
}

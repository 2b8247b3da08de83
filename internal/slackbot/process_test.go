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

// startProgram builds labbot and runs it.
func (s *stage) startProgram() *exec.Cmd {
	s.t.Helper()
	binary := filepath.Join(s.t.TempDir(), "labbot")
	build := exec.CommandContext(s.ctx, "go", "build", "-ldflags=-s -w", "-o", binary, "../../cmd/labbot")
	if output, err := build.CombinedOutput(); err != nil {
		s.t.Fatalf("building labbot: %v\n%s", err, output)
	}
	command := exec.CommandContext(s.ctx, binary, "run", "--config", s.path, "--kubeconfig", s.kubeconfig,
		"--namespace", s.records, "--slack-api", s.APIURL(), "--health", "127.0.0.1:0")
	command.Env = append(os.Environ(), envBotToken+"="+s.Team().BotToken(), envAppToken+"="+s.AppToken())
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

func TestPoint10SmallAfterAThousandCommands(t *testing.T) {
	s := newStage(t, fakeslack.Options{KeepTraffic: 10}, func(s *stage) { s.config.Limits.PerMinute = 1000 })
	process := s.startProgram()
	const commands = 1000
	for i := range commands {
		in, err := s.alice.Slash(s.room, "/lab", "version")
		must(t, err)
		if i%50 == 49 {
			must(t, in.WaitAck(s.ctx))
			s.waitAudit(i + 1)
		}
	}
	// RssFile is left out: pages of the program's own file, which the kernel shares among processes and
	// drops when it needs the room. How many of them it maps depends on the page cache, not on labbot.
	const most = 64 << 10
	memory := residentKiB(t, process.Process.Pid)
	t.Logf("KiB resident after %d commands: %v", commands, memory)
	if own := memory["RssAnon"]; own == 0 || own > most {
		t.Errorf("%d KiB of its own resident after %d commands, want at most %d", own, commands, most)
	}
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

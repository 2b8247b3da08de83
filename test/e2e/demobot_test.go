//go:build e2e

package e2e

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDemoBot starts what "make demo-bot" starts, opens its page, and presses Ctrl-C: nothing may be
// left behind.
func TestDemoBot(t *testing.T) {
	folder := t.TempDir()
	command := exec.CommandContext(t.Context(), "../../hack/demo-bot.sh")
	command.Env = append(os.Environ(), "TMPDIR="+folder)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches the script and its children
	command.Stdout = os.Stderr
	output, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(3*time.Minute, func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
	defer stuck.Stop()
	opened := false
	for lines := bufio.NewScanner(output); lines.Scan(); {
		t.Log(lines.Text())
		if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == "Open" {
			opened = true
			look(t, words[1])
			if err := syscall.Kill(-command.Process.Pid, syscall.SIGINT); err != nil {
				t.Error(err)
			}
		}
	}
	if err := command.Wait(); err != nil || !opened {
		t.Errorf("demo-bot.sh: opened %t, %v", opened, err)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// look opens the page.
func look(t *testing.T, address string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the page answers %s", response.Status)
	}
}

package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// startTime tells when the process was started, in a form that differs between boots.
func startTime(pid int) (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return "", os.ErrProcessDone
	}
	if err != nil {
		return "", err
	}
	// proc_pid_stat(5): pid (comm) state … with the start time as field 22. comm may hold anything.
	const state, start = 3, 22
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= start-state {
		return "", fmt.Errorf("unexpected content in /proc/%d/stat", pid)
	}
	if s := fields[0][0]; s == 'Z' || s == 'X' {
		return "", os.ErrProcessDone
	}
	return fmt.Sprintf("%s@%s", fields[start-state], bytes.TrimSpace(boot)), nil
}

// selfPath is this program, also if its file was replaced meanwhile.
func selfPath() (string, error) { return "/proc/self/exe", nil }

// childAttributes gives a child its own process group, and ends it when this process does.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

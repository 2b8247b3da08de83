package supervisor

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Process names a process for good: by its pid and by when it was started, so that a pid that the
// system gave to somebody else since is never mistaken for it.
type Process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"`
}

// FindProcess returns the process that has that pid now.
func FindProcess(pid int) (Process, error) {
	start, err := startTime(pid)
	if err != nil {
		return Process{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return Process{PID: pid, Start: start}, nil
}

// Alive reports whether that very process still runs.
func (p Process) Alive() bool {
	start, err := startTime(p.PID)
	return err == nil && start == p.Start
}

// Signal sends a signal to that very process, or does nothing if it is gone.
func (p Process) Signal(sig syscall.Signal) error {
	// The handle is taken before the check: where the system offers handles (Linux: pidfd), the
	// pid can't change hands in between.
	handle, err := os.FindProcess(p.PID)
	if err != nil {
		return err
	}
	defer func() { _ = handle.Release() }()
	if !p.Alive() {
		return nil
	}
	if err := handle.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal process %d: %w", p.PID, err)
	}
	return nil
}

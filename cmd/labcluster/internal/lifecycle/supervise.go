package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

// SupervisorName is argv[0] of the process that keeps a cluster's components running.
const SupervisorName = "labcluster-supervisor"

// Supervise is that process. It returns when ctx ends or somebody asks for the end.
func Supervise(ctx context.Context, dir cluster.Dir) error {
	held, err := tryAcquire(dir.LockFile())
	if errors.Is(err, errLocked) {
		return fmt.Errorf("the cluster in %s has a supervisor already", dir)
	}
	if err != nil {
		return err
	}
	defer held.release()
	if err := held.sign(); err != nil {
		return err
	}

	config, err := cluster.Load(dir)
	if err != nil {
		return err
	}
	flavor, err := FlavorOf(config.Kind)
	if err != nil {
		return err
	}
	s, err := supervisor.New(supervisor.Config{
		Plan: func(attempt int) ([]supervisor.Component, error) {
			return flavor.Plan(config, attempt)
		},
		Grow: func() ([]supervisor.Component, error) {
			config, err := cluster.Load(dir) // as it is by now
			if err != nil {
				return nil, err
			}
			return flavor.Grow(config)
		},
		StateFile: dir.StateFile(),
		LogDir:    dir.LogDir(),
		Socket:    config.ControlSocket(),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	orphaned := watchOwner(ctx, config.Owner, cancel)
	if err := s.Run(ctx); err != nil || !orphaned() {
		return err
	}
	cleanup, done := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer done()
	config, err = cluster.Load(dir) // up has added to it
	if err != nil {
		return err
	}
	return removeEnded(cleanup, config)
}

// watchOwner calls end when the owner ends. The returned function tells whether it did.
func watchOwner(ctx context.Context, owner *supervisor.Process, end func()) func() bool {
	var orphaned atomic.Bool
	if owner == nil {
		return orphaned.Load
	}
	go func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for owner.Alive() {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
		orphaned.Store(true)
		end()
	}()
	return orphaned.Load
}

// supervisorProcess is the supervisor as seen by the command that started it.
type supervisorProcess struct {
	command *exec.Cmd
	gone    chan struct{} // closed when it has ended
	err     error         // how, once it has
}

// startSupervisor starts the supervisor in a session of its own, so that it survives this process
// and its terminal.
func startSupervisor(dir cluster.Dir) (*supervisorProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	log, err := os.OpenFile(dir.LogFile("supervisor"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command := &exec.Cmd{
		Path:        self,
		Args:        []string{SupervisorName, string(dir)},
		Dir:         "/",
		Stdout:      log,
		Stderr:      log,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the supervisor: %w", err)
	}
	p := &supervisorProcess{command: command, gone: make(chan struct{})}
	go func() {
		defer close(p.gone)
		p.err = command.Wait()
	}()
	return p, nil
}

// end ends the supervisor, and with it what it runs, however far it has come.
func (p *supervisorProcess) end() {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = p.command.Process.Signal(sig) // fails only if it has ended
		select {
		case <-p.gone:
			return
		case <-time.After(exitTimeout):
		}
	}
}

// Limits of the end.
const (
	askTimeout  = 3 * time.Second
	exitTimeout = 10 * time.Second
)

// stopAll ends the supervisor and everything that it runs or ran, politely if it listens.
func stopAll(ctx context.Context, config *cluster.Config) error {
	asked, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	client := supervisor.NewClient(config.ControlSocket())
	if status, err := client.Status(asked); err == nil && client.Shutdown(asked) == nil && awaitEnd(ctx, status.Supervisor) == nil {
		return nil
	}
	// It is gone, or stuck. What it wrote tells which processes there can be.
	processes, err := knownProcesses(config.Dir())
	if err != nil {
		return err
	}
	return killAll(ctx, processes)
}

// knownProcesses are those that the supervisor wrote down: itself when it took the lock, the
// components as they were started.
func knownProcesses(dir cluster.Dir) ([]supervisor.Process, error) {
	var processes []supervisor.Process
	if holder, err := readHolder(dir.LockFile()); err == nil {
		processes = append(processes, holder)
	}
	status, err := supervisor.ReadStatus(dir.StateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return processes, nil
	}
	if err != nil {
		return nil, err
	}
	processes = append(processes, status.Supervisor)
	for _, component := range status.Components {
		if component.Process != nil {
			processes = append(processes, *component.Process)
		}
	}
	return processes, nil
}

func killAll(ctx context.Context, processes []supervisor.Process) error {
	for _, process := range processes {
		if err := process.Signal(syscall.SIGKILL); err != nil {
			return err
		}
	}
	for _, process := range processes {
		if err := awaitEnd(ctx, process); err != nil {
			return err
		}
	}
	return nil
}

func awaitEnd(ctx context.Context, process supervisor.Process) error {
	ctx, cancel := context.WithTimeout(ctx, exitTimeout)
	defer cancel()
	for process.Alive() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d does not end: %w", process.PID, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

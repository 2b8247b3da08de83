package supervisor

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
)

// lifelineEnv names the file descriptor on which a child notices that its supervisor is gone.
const lifelineEnv = "LABCLUSTER_LIFELINE_FD"

// spawner starts child processes that don't outlive this process.
//
// Linux kills a child when the thread that started it ends (Pdeathsig in prctl(2): the thread, not
// the process), so all are started from one goroutine that is locked to its thread and never ends.
// Elsewhere, and for good measure, a child holds the reading end of a pipe that nobody writes to.
type spawner struct {
	path     string
	lifeline *os.File // the children's end
	keep     *os.File // ours: closed by our end only
	requests chan func()
}

func newSpawner() (*spawner, error) {
	path, err := selfPath()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	lifeline, keep, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s := &spawner{path: path, lifeline: lifeline, keep: keep, requests: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for request := range s.requests {
			request()
		}
	}()
	return s, nil
}

// child is a process that was started.
type child struct {
	process Process
	handle  *os.Process
	exit    <-chan error // gets how it ended, once
}

func (c *child) signal(sig syscall.Signal) error { return c.handle.Signal(sig) }

// start starts c with its output going to log.
func (s *spawner) start(c Component, log *os.File) (*child, error) {
	path := c.Path
	if path == "" {
		path = s.path
	}
	cmd := &exec.Cmd{
		Path:        path,
		Args:        append([]string{c.Name}, c.Args...),
		Env:         append(append(os.Environ(), lifelineEnv+"=3"), c.Env...),
		Dir:         "/",
		Stdout:      log,
		Stderr:      log,
		ExtraFiles:  []*os.File{s.lifeline},
		SysProcAttr: childAttributes(),
	}
	started := make(chan error)
	s.requests <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	exit := make(chan error, 1)
	// Not waited for yet, so it is still there to be looked at, if only as a zombie.
	process, err := FindProcess(cmd.Process.Pid)
	go func() { exit <- cmd.Wait() }()
	if err != nil {
		process = Process{PID: cmd.Process.Pid}
	}
	return &child{process: process, handle: cmd.Process, exit: exit}, nil
}

// DieWithParent ends this process when the supervisor that started it is gone. It does nothing in a
// process that no supervisor started.
func DieWithParent() {
	fd, err := strconv.Atoi(os.Getenv(lifelineEnv))
	if err != nil {
		return
	}
	lifeline := os.NewFile(uintptr(fd), "lifeline")
	go func() {
		_, _ = io.Copy(io.Discard, lifeline) // returns when the other end is closed
		os.Exit(1)
	}()
}

package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

// The test binary is its own component: what it does depends on its name and arguments.
func TestMain(m *testing.M) {
	supervisor.DieWithParent()
	switch filepath.Base(os.Args[0]) {
	case "sleeper":
		select {}
	case "crasher":
		fmt.Println("crasher: no luck today")
		os.Exit(3)
	case "listener": // listens where its argument says
		if _, err := net.Listen("unix", os.Args[1]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		select {}
	}
	os.Exit(m.Run())
}

// start runs a supervisor of the components until the test ends.
func start(t *testing.T, plan func(attempt int) ([]supervisor.Component, error)) *fixture {
	t.Helper()
	dir, err := os.MkdirTemp("", "supervisor-") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, dir: dir, state: filepath.Join(dir, "state.json")}
	socket := filepath.Join(dir, "control.sock")
	f.client = supervisor.NewClient(socket)
	s, err := supervisor.New(supervisor.Config{Plan: plan, StateFile: f.state, LogDir: dir, Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the supervisor ended with %v", err)
		}
		os.RemoveAll(dir)
	})
	return f
}

type fixture struct {
	*testing.T
	dir, state string
	client     *supervisor.Client
}

func fixed(components ...supervisor.Component) func(int) ([]supervisor.Component, error) {
	return func(int) ([]supervisor.Component, error) { return components, nil }
}

// await waits until the status is as wanted, and returns it.
func (f *fixture) await(what string, wanted func(supervisor.Status) bool) supervisor.Status {
	f.Helper()
	deadline := time.Now().Add(20 * time.Second)
	var last supervisor.Status
	for time.Now().Before(deadline) {
		status, err := f.client.Status(f.Context())
		if err == nil && wanted(status) {
			return status
		}
		last = status
		time.Sleep(10 * time.Millisecond)
	}
	f.Fatalf("waited in vain for %s; last: %+v", what, last)
	return last
}

func running(s supervisor.Status) bool { return s.Phase == supervisor.PhaseRunning }

func TestStartsInOrder(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "open")
	first := supervisor.Component{Name: "sleeper", Ready: func(context.Context) error {
		_, err := os.Stat(gate)
		return err
	}}
	second := supervisor.Component{Name: "listener", Args: []string{filepath.Join(t.TempDir(), "s")}, After: []string{"sleeper"}}
	f := start(t, fixed(first, second))

	status := f.await("the first to start", func(s supervisor.Status) bool {
		return len(s.Components) == 2 && s.Components[0].State == supervisor.Starting && s.Components[0].Problem != ""
	})
	if got := status.Components[1].State; got != supervisor.Waiting {
		t.Errorf("the second is %s before the first is ready", got)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.await("both", running)
}

func TestRestartsWhatCrashes(t *testing.T) {
	f := start(t, fixed(supervisor.Component{Name: "sleeper"}))
	before := f.await("the start", running).Components[0]

	if err := f.client.Command(t.Context(), "kill", "sleeper"); err != nil {
		t.Fatal(err)
	}
	after := f.await("the restart", func(s supervisor.Status) bool {
		return s.Components[0].Restarts == 1 && s.Components[0].State == supervisor.Ready
	}).Components[0]
	if after.Process.PID == before.Process.PID {
		t.Error("the process is the same")
	}
	if after.LastExit != "signal: killed" || after.ExitedAt == nil {
		t.Errorf("the exit is told as %q at %v", after.LastExit, after.ExitedAt)
	}
}

func TestStopAndStart(t *testing.T) {
	f := start(t, fixed(supervisor.Component{Name: "sleeper"}))
	process := *f.await("the start", running).Components[0].Process

	if err := f.client.Command(t.Context(), "stop", "sleeper"); err != nil {
		t.Fatal(err)
	}
	if process.Alive() {
		t.Error("the process lives on after the stop")
	}
	status := f.await("the stop", func(s supervisor.Status) bool { return s.Components[0].State == supervisor.Stopped })
	if n := status.Components[0].Restarts; n != 0 {
		t.Errorf("a stop counts as %d restarts", n)
	}
	if err := f.client.Command(t.Context(), "kill", "sleeper"); err == nil {
		t.Error("a stopped component can be killed")
	}
	if err := f.client.Command(t.Context(), "start", "sleeper"); err != nil {
		t.Fatal(err)
	}
	f.await("the start", func(s supervisor.Status) bool { return s.Components[0].State == supervisor.Ready })
}

func TestUnhealthy(t *testing.T) {
	sick := filepath.Join(t.TempDir(), "sick")
	f := start(t, fixed(supervisor.Component{Name: "sleeper", Ready: func(context.Context) error {
		if _, err := os.Stat(sick); err == nil {
			return errors.New("unwell")
		}
		return nil
	}}))
	f.await("the start", running)
	if err := os.WriteFile(sick, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.await("the illness", func(s supervisor.Status) bool {
		return s.Components[0].State == supervisor.Unhealthy && s.Components[0].Problem == "unwell"
	})
}

func TestGivesUpOnCrasher(t *testing.T) {
	f := start(t, fixed(supervisor.Component{Name: "crasher", Ready: func(context.Context) error {
		return errors.New("never")
	}}))
	status := f.await("the end of patience", func(s supervisor.Status) bool { return s.Phase == supervisor.PhaseFailed })
	for _, want := range []string{"crasher", "exit status 3", "crasher.log"} {
		if !strings.Contains(status.Error, want) {
			t.Errorf("the error %q does not name %q", status.Error, want)
		}
	}
	log, err := os.ReadFile(filepath.Join(f.dir, "crasher.log"))
	if err != nil || !strings.Contains(string(log), "no luck today") {
		t.Errorf("the log is %q, %v", log, err)
	}
}

func TestTakenPort(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("unix", filepath.Join(dir, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	f := start(t, func(attempt int) ([]supervisor.Component, error) {
		socket := filepath.Join(dir, fmt.Sprint(attempt))
		return []supervisor.Component{{Name: "listener", Args: []string{socket}, Ready: func(context.Context) error {
			if socket == taken.Addr().String() {
				return errors.New("somebody else's")
			}
			_, err := os.Stat(socket)
			return err
		}}}, nil
	})
	f.await("the second attempt", running)
}

func TestFailingPlan(t *testing.T) {
	f := start(t, func(int) ([]supervisor.Component, error) { return nil, errors.New("no idea") })
	f.await("the failure", func(s supervisor.Status) bool {
		return s.Phase == supervisor.PhaseFailed && s.Error == "no idea"
	})
}

func TestUnknownComponent(t *testing.T) {
	f := start(t, fixed(supervisor.Component{Name: "sleeper"}))
	f.await("the start", running)
	for _, command := range []string{"stop", "start", "kill"} {
		err := f.client.Command(t.Context(), command, "nobody/../sleeper")
		if err == nil || !strings.Contains(err.Error(), "sleeper") {
			t.Errorf("%s: got %v, want an error that lists the components", command, err)
		}
	}
}

func TestShutdownEndsAll(t *testing.T) {
	f := start(t, fixed(supervisor.Component{Name: "sleeper"}))
	process := *f.await("the start", running).Components[0].Process
	if err := f.client.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for process.Alive() && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if process.Alive() {
		t.Error("the component outlived the supervisor")
	}
}

func TestStateFile(t *testing.T) {
	f := start(t, fixed(supervisor.Component{Name: "sleeper"}))
	status := f.await("the start", running)
	written, err := supervisor.ReadStatus(f.state)
	if err != nil {
		t.Fatal(err)
	}
	if *written.Components[0].Process != *status.Components[0].Process || written.Supervisor != status.Supervisor {
		t.Errorf("the state file tells of %+v, the socket of %+v", written, status)
	}
	if err := os.WriteFile(f.state, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := supervisor.ReadStatus(f.state); err == nil || !strings.Contains(err.Error(), f.state) {
		t.Errorf("got %v for a broken state file, want an error that names it", err)
	}
}

func TestProcess(t *testing.T) {
	self, err := supervisor.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !self.Alive() {
		t.Error("this process is not alive")
	}
	recycled := supervisor.Process{PID: self.PID, Start: "another time"}
	if recycled.Alive() {
		t.Error("a process with another start time is taken for this one")
	}
	if err := recycled.Signal(syscall.SIGKILL); err != nil { // we would not live to see it fail
		t.Error(err)
	}
	if _, err := supervisor.FindProcess(1 << 30); err == nil {
		t.Error("an impossible process was found")
	}
}

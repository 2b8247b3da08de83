// Package supervisor keeps a set of processes running: it starts them in order, restarts what
// crashes, answers questions over a unix socket, and takes everything with it when it ends.
//
// It knows nothing about Kubernetes. Which processes there are, and when each is ready, is told by
// its caller.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Component is one process to keep running.
type Component struct {
	Name  string   // its name, and argv[0] of its process
	Path  string   // the program; empty for this program itself
	Args  []string // argv[1:]
	Env   []string // added to this process's own
	After []string // components that have to be ready before this one starts

	// Ready returns nil once the component serves. It is asked again and again, each time with a
	// short deadline. A nil Ready means ready as soon as it runs.
	Ready func(ctx context.Context) error
}

// State of a component.
type State string

// The states of a component.
const (
	Waiting   State = "waiting"   // for a component that it needs
	Starting  State = "starting"  // runs, not ready yet
	Ready     State = "ready"     // runs and serves
	Unhealthy State = "unhealthy" // runs and was ready, but no longer serves
	Crashed   State = "crashed"   // ended by itself, to be started again
	Stopped   State = "stopped"   // on request
)

// Phase of the whole set.
type Phase string

// The phases of a set of components.
const (
	PhaseStarting Phase = "starting"
	PhaseRunning  Phase = "running" // every component was ready once
	PhaseFailed   Phase = "failed"  // a component cannot be started
)

// Status is what the supervisor knows. It is what the socket answers, and what is written to the
// state file for the case that the supervisor is gone.
type Status struct {
	Phase      Phase             `json:"phase"`
	Error      string            `json:"error,omitempty"`
	Supervisor Process           `json:"supervisor"`
	Components []ComponentStatus `json:"components"`
}

// ComponentStatus is the status of one component.
type ComponentStatus struct {
	Name     string     `json:"name"`
	State    State      `json:"state"`
	Process  *Process   `json:"process,omitempty"`
	Since    time.Time  `json:"since"`              // of State
	Restarts int        `json:"restarts"`           // not counting those on request
	LastExit string     `json:"lastExit,omitempty"` // how it ended the last time it did so by itself
	ExitedAt *time.Time `json:"exitedAt,omitempty"` // when that was
	Problem  string     `json:"problem,omitempty"`  // why it is not ready
}

// Config says what to supervise and where to keep things.
type Config struct {
	// Plan returns the components. It is asked again if one of them found its port taken, so that
	// it can choose others; attempt counts from 0.
	Plan func(attempt int) ([]Component, error)

	// Grow returns the components that there should be by now, those of the last plan among them.
	Grow func() ([]Component, error)

	StateFile string // written at each change
	LogDir    string // gets NAME.log per component
	Socket    string // where to answer
}

// Limits of the start.
const (
	maxPlans        = 5 // plans tried when ports are taken
	maxStartCrashes = 3 // crashes of one component before the start is given up
	stableAfter     = 30 * time.Second
	maxBackoff      = 10 * time.Second
	stopGrace       = 5 * time.Second
)

// errAddressInUse tells a start that failed because somebody else took a port.
var errAddressInUse = errors.New("address already in use")

// Supervisor keeps components running. Make one with New.
type Supervisor struct {
	config Config
	self   Process
	spawn  *spawner

	mu         sync.Mutex
	changed    chan struct{} // closed and replaced at each change
	phase      Phase
	err        error
	components []*component
	launch     func(*component) // keeps a component running, as long as its plan lasts
}

// New returns a supervisor that has started nothing yet.
func New(config Config) (*Supervisor, error) {
	self, err := FindProcess(os.Getpid())
	if err != nil {
		return nil, err
	}
	spawn, err := newSpawner()
	if err != nil {
		return nil, err
	}
	return &Supervisor{
		config:  config,
		self:    self,
		spawn:   spawn,
		changed: make(chan struct{}),
		phase:   PhaseStarting,
	}, nil
}

// Run starts the components and keeps them running until ctx ends; then it kills them all. It
// answers on the socket all that time, also if the start failed, so that one can ask why.
func (s *Supervisor) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	server, err := s.serve(ctx, cancel)
	if err != nil {
		return err
	}
	defer server.Close()

	stop, err := s.start(ctx)
	defer stop()
	if err != nil {
		s.update(func() { s.phase, s.err = PhaseFailed, err })
	} else {
		s.update(func() { s.phase = PhaseRunning })
	}
	<-ctx.Done()
	return nil
}

// start brings a plan up, and the next one if a port was taken. The returned function ends what runs.
func (s *Supervisor) start(ctx context.Context) (stop func(), err error) {
	for attempt := range maxPlans {
		stop, err = s.startPlan(ctx, attempt)
		if !errors.Is(err, errAddressInUse) {
			return stop, err
		}
		stop()
	}
	return func() {}, fmt.Errorf("no free ports after %d attempts: %w", maxPlans, err)
}

func (s *Supervisor) startPlan(ctx context.Context, attempt int) (stop func(), err error) {
	components, err := s.config.Plan(attempt)
	if err != nil {
		return func() {}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	launch := func(c *component) { running.Go(func() { s.keep(ctx, c) }) }
	s.update(func() {
		s.components, s.launch = newComponents(components), launch
		for _, c := range s.components {
			launch(c)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	return stop, s.awaitStart(ctx)
}

// Grow starts the components that are new since the plan was made, and waits until they are ready.
func (s *Supervisor) Grow(ctx context.Context) error {
	planned, err := s.config.Grow()
	if err != nil {
		return err
	}
	var added []*component
	s.update(func() {
		for _, c := range newComponents(planned) {
			if !slices.ContainsFunc(s.components, func(old *component) bool { return old.Name == c.Name }) {
				added = append(added, c)
			}
		}
		s.components = append(s.components, added...)
		for _, c := range added {
			s.launch(c)
		}
	})
	return s.await(ctx, func() (bool, error) {
		ready := 0
		for _, c := range added {
			if c.status.Restarts >= maxStartCrashes {
				return false, s.crashError(c)
			}
			if c.status.State == Ready {
				ready++
			}
		}
		return ready == len(added), nil
	})
}

func (s *Supervisor) crashError(c *component) error {
	return fmt.Errorf("%s ended %d times, the last time with %s; see %s",
		c.Name, c.status.Restarts, c.status.LastExit, s.logFile(c.Name))
}

// awaitStart waits until every component was ready, or one can't be.
func (s *Supervisor) awaitStart(ctx context.Context) error {
	return s.await(ctx, func() (bool, error) {
		ready := 0
		for _, c := range s.components {
			if c.status.State == Ready {
				ready++
			}
			if c.addressInUse {
				return false, fmt.Errorf("start %s: %w", c.Name, errAddressInUse)
			}
			if c.status.Restarts >= maxStartCrashes {
				return false, s.crashError(c)
			}
		}
		return ready == len(s.components), nil
	})
}

// await returns when condition does, which is asked after each change and with the lock held.
func (s *Supervisor) await(ctx context.Context, condition func() (bool, error)) error {
	for {
		s.mu.Lock()
		done, err := condition()
		changed := s.changed
		s.mu.Unlock()
		if done || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// update changes the state, tells everybody who waits, and writes the state file.
func (s *Supervisor) update(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
	if err := writeStatus(s.config.StateFile, s.statusLocked()); err != nil {
		fmt.Fprintln(os.Stderr, "write the state file:", err)
	}
}

// Status returns the present status.
func (s *Supervisor) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.statusLocked()
}

func (s *Supervisor) statusLocked() Status {
	status := Status{Phase: s.phase, Supervisor: s.self, Components: []ComponentStatus{}}
	if s.err != nil {
		status.Error = s.err.Error()
	}
	for _, c := range s.components {
		status.Components = append(status.Components, c.status)
	}
	return status
}

func (s *Supervisor) logFile(name string) string {
	return filepath.Join(s.config.LogDir, name+".log")
}

package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// How often a component is asked whether it serves.
const (
	probeStarting = 50 * time.Millisecond
	probeReady    = time.Second
	probeTimeout  = 5 * time.Second
)

// maxLogSize is when a component's log is set aside at its next start.
const maxLogSize = 16 << 20

// component is a Component and what became of it. The supervisor's lock guards its fields.
type component struct {
	Component
	status       ComponentStatus
	child        *child // nil while there is no process
	stopped      bool   // on request
	addressInUse bool
}

func newComponents(all []Component) []*component {
	list := make([]*component, len(all))
	for i, c := range all {
		list[i] = &component{
			Component: c,
			status:    ComponentStatus{Name: c.Name, State: Waiting, Since: time.Now()},
		}
	}
	return list
}

// keep runs c again and again until ctx ends.
func (s *Supervisor) keep(ctx context.Context, c *component) {
	backoff := time.Duration(0)
	for s.awaitTurn(ctx, c) == nil {
		started := time.Now()
		s.runOnce(ctx, c)
		if time.Since(started) > stableAfter {
			backoff = 0
		}
		if ctx.Err() != nil || s.isStopped(c) {
			continue
		}
		sleep(ctx, backoff)
		backoff = min(max(2*backoff, 500*time.Millisecond), maxBackoff)
		s.update(func() {
			if c.status.State == Crashed {
				c.set(Waiting)
			}
		})
	}
}

// awaitTurn waits until c shall run and everything it needs is ready.
func (s *Supervisor) awaitTurn(ctx context.Context, c *component) error {
	return s.await(ctx, func() (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		return !c.stopped && !slices.ContainsFunc(s.components, func(other *component) bool {
			return slices.Contains(c.After, other.Name) && other.status.State != Ready
		}), nil
	})
}

func (s *Supervisor) isStopped(c *component) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.stopped
}

// runOnce runs c's process until it ends or ctx does.
func (s *Supervisor) runOnce(ctx context.Context, c *component) {
	log, err := openLog(s.logFile(c.Name))
	if err != nil {
		s.exited(c, err, false)
		return
	}
	defer log.Close()
	offset, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		s.exited(c, err, false)
		return
	}
	child, err := s.spawn.start(c.Component, log)
	if err != nil {
		s.exited(c, err, false)
		return
	}
	s.update(func() {
		c.child = child
		c.set(Starting)
		c.status.Process = &child.process
	})

	probing, stopProbing := context.WithCancel(ctx)
	probed := make(chan struct{})
	go func() {
		defer close(probed)
		s.probe(probing, c)
	}()
	select {
	case err = <-child.exit:
	case <-ctx.Done():
		_ = child.signal(syscall.SIGKILL) // fails only if it has just ended
		err = <-child.exit
	}
	stopProbing()
	<-probed
	s.exited(c, err, portWasTaken(log, offset))
}

// exited records how c ended.
func (s *Supervisor) exited(c *component, err error, addressInUse bool) {
	s.update(func() {
		c.child, c.status.Process = nil, nil
		c.status.Problem = ""
		c.addressInUse = addressInUse
		if c.stopped {
			c.set(Stopped)
			return
		}
		c.set(Crashed)
		now := time.Now()
		c.status.Restarts++
		c.status.LastExit = describeExit(err)
		c.status.ExitedAt = &now
	})
}

// probe keeps asking whether c serves, and records changes.
func (s *Supervisor) probe(ctx context.Context, c *component) {
	pause := probeStarting
	for ctx.Err() == nil {
		err := probeOnce(ctx, c.Ready)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			pause = probeReady
		}
		s.recordProbe(c, err)
		sleep(ctx, pause)
	}
}

func probeOnce(ctx context.Context, ready func(context.Context) error) error {
	if ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return ready(ctx)
}

func (s *Supervisor) recordProbe(c *component, err error) {
	problem, state := "", Ready
	if err != nil {
		problem, state = err.Error(), Starting
	}
	s.mu.Lock()
	was := c.status
	s.mu.Unlock()
	if err != nil && (was.State == Ready || was.State == Unhealthy) {
		state = Unhealthy
	}
	if was.State == state && was.Problem == problem {
		return
	}
	s.update(func() {
		c.set(state)
		c.status.Problem = problem
	})
}

func (c *component) set(state State) {
	if c.status.State == state {
		return
	}
	c.status.State = state
	c.status.Since = time.Now()
}

// openLog opens a log for appending, after setting a long one aside.
func openLog(file string) (*os.File, error) {
	if info, err := os.Stat(file); err == nil && info.Size() > maxLogSize {
		if err := os.Rename(file, file+".old"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(file, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
}

// portWasTaken reads from the end of a log whether its process could not listen.
func portWasTaken(log *os.File, offset int64) bool {
	const enough = 64 << 10
	end, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return false
	}
	tail := make([]byte, min(end-offset, enough))
	n, err := log.ReadAt(tail, end-int64(len(tail)))
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	return bytes.Contains(tail[:n], []byte(errAddressInUse.Error()))
}

func describeExit(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Stop ends the named component and keeps it down until Start.
func (s *Supervisor) Stop(ctx context.Context, name string) error {
	c, err := s.find(name)
	if err != nil {
		return err
	}
	s.update(func() { c.stopped = true })
	s.signal(c, syscall.SIGTERM)

	soft, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	if s.awaitGone(soft, c) == nil {
		return nil
	}
	s.signal(c, syscall.SIGKILL)
	return s.awaitGone(ctx, c)
}

// Start starts the named component after a Stop and waits until it is ready.
func (s *Supervisor) Start(ctx context.Context, name string) error {
	c, err := s.find(name)
	if err != nil {
		return err
	}
	s.update(func() {
		if c.stopped {
			c.stopped = false
			c.set(Waiting)
		}
	})
	return s.await(ctx, func() (bool, error) { return c.status.State == Ready, nil })
}

// Kill ends the named component as a crash would: it is started again.
func (s *Supervisor) Kill(name string) error {
	c, err := s.find(name)
	if err != nil {
		return err
	}
	if s.signal(c, syscall.SIGKILL) {
		return nil
	}
	if s.isStopped(c) {
		return fmt.Errorf("%s is not running; start it with: labcluster component start %s", name, name)
	}
	return fmt.Errorf("%s is not running now, but about to be started; see labcluster status", name)
}

func (s *Supervisor) find(name string) (*component, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.components))
	for _, c := range s.components {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return nil, fmt.Errorf("no component %q; there are: %s", name, strings.Join(names, ", "))
}

// signal reports whether there was a process to signal.
func (s *Supervisor) signal(c *component, sig syscall.Signal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.child != nil && c.child.signal(sig) == nil
}

func (s *Supervisor) awaitGone(ctx context.Context, c *component) error {
	return s.await(ctx, func() (bool, error) {
		if c.child != nil {
			return false, nil
		}
		c.set(Stopped)
		return true, nil
	})
}

package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

// Status is what `labcluster status -o json` prints.
type Status struct {
	Name       string       `json:"name"`
	Kind       cluster.Kind `json:"kind"`
	Version    string       `json:"version"`
	State      string       `json:"state"` // running, starting, degraded, failed or stopped
	Problem    string       `json:"problem,omitempty"`
	DataDir    string       `json:"dataDir"`
	Server     string       `json:"server"`
	Kubeconfig string       `json:"kubeconfig"` // the administrator's own
	Context    string       `json:"context"`    // in the user's kubeconfig
	AuditLog   string       `json:"auditLog,omitempty"`
	Nodes      []string     `json:"nodes"`

	Supervisor supervisor.Process           `json:"supervisor"`
	Components []supervisor.ComponentStatus `json:"components"`
}

// States of a cluster.
const (
	StateRunning  = "running"
	StateDegraded = "degraded" // runs, but a component does not serve
	StateStarting = "starting"
	StateFailed   = "failed"
	StateStopped  = "stopped" // nothing runs: up starts it again
)

// GetStatus returns the status of the cluster in dir. The error is cluster.ErrNoCluster if there is
// none.
func GetStatus(ctx context.Context, dir cluster.Dir) (*Status, error) {
	config, err := cluster.Load(dir)
	if err != nil {
		return nil, err
	}
	status := &Status{
		Name:       config.Name,
		Kind:       config.Kind,
		Version:    config.Version,
		DataDir:    string(dir),
		Server:     config.APIServerURL(),
		Kubeconfig: dir.AdminKubeconfig(),
		Context:    config.Name,
		Nodes:      config.Nodes,
	}
	if config.AuditLog {
		status.AuditLog = dir.AuditLog()
	}
	return status, status.ask(ctx, config)
}

// ask fills in what runs.
func (s *Status) ask(ctx context.Context, config *cluster.Config) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	live, err := supervisor.NewClient(config.ControlSocket()).Status(ctx)
	if err != nil {
		return s.remember(config, err)
	}
	s.Supervisor, s.Components, s.Problem = live.Supervisor, live.Components, live.Error
	switch live.Phase {
	case supervisor.PhaseStarting:
		s.State = StateStarting
	case supervisor.PhaseFailed:
		s.State = StateFailed
	case supervisor.PhaseRunning:
		s.State = StateRunning
		for _, component := range live.Components {
			if component.State != supervisor.Ready {
				s.State = StateDegraded
			}
		}
	}
	return nil
}

// remember fills in what the supervisor wrote last, for one that does not answer.
func (s *Status) remember(config *cluster.Config, cause error) error {
	last, err := supervisor.ReadStatus(config.Dir().StateFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.Supervisor, s.Components = last.Supervisor, last.Components
	if last.Supervisor.PID != 0 && last.Supervisor.Alive() {
		s.State = StateFailed
		s.Problem = fmt.Sprintf("the supervisor (process %d) does not answer: %v", last.Supervisor.PID, cause)
		return nil
	}
	s.State = StateStopped
	s.Problem = "the supervisor is gone; start the cluster again with labcluster up, or remove it with labcluster down"
	for i := range s.Components {
		component := &s.Components[i]
		if component.Process == nil || !component.Process.Alive() {
			component.State, component.Process = supervisor.Stopped, nil
		}
	}
	return nil
}

// Command stops, starts or kills a component of the cluster in dir.
func Command(ctx context.Context, dir cluster.Dir, command, component string) error {
	config, err := cluster.Load(dir)
	if err != nil {
		return err
	}
	return supervisor.NewClient(config.ControlSocket()).Command(ctx, command, component)
}

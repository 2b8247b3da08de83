package slackbot

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// configCheck is how often the file is looked at. A mounted ConfigMap changes by way of symbolic
// links, which file notifications miss; reading a small file is cheap and sees every way of change.
const configCheck = 2 * time.Second

// configStore holds the configuration now in force.
type configStore struct {
	path    string
	actions []actions.Action
	log     *slog.Logger
	current atomic.Pointer[Config]
	data    []byte
}

// loadConfig reads the file; it must be good at the start.
func loadConfig(path string, all []actions.Action, log *slog.Logger) (*configStore, error) {
	s := &configStore{path: path, actions: all, log: log}
	data, config, err := s.read()
	if err != nil {
		return nil, err
	}
	s.data = data
	s.current.Store(config)
	return s, nil
}

// get is the configuration now in force. It is never changed in place.
func (s *configStore) get() *Config { return s.current.Load() }

func (s *configStore) read() ([]byte, *Config, error) {
	data, err := os.ReadFile(s.path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	config, err := ParseConfig(data, s.actions)
	if err != nil {
		return data, nil, fmt.Errorf("configuration %s: %w", s.path, err)
	}
	return data, config, nil
}

// watch takes over every good change of the file until ctx ends, and calls changed after each look
// that found a change: with nil for a good one, with the error for a bad one, which leaves the old
// configuration in force.
func (s *configStore) watch(ctx context.Context, every time.Duration, changed func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.reload(changed)
		}
	}
}

func (s *configStore) reload(changed func(error)) {
	data, config, err := s.read()
	if bytes.Equal(data, s.data) {
		return
	}
	s.data = data
	if err != nil {
		s.log.Error("the new configuration is not used; the old one stays in force", "error", err)
		changed(err)
		return
	}
	s.current.Store(config)
	s.log.Info("configuration reloaded", "path", s.path)
	changed(nil)
}

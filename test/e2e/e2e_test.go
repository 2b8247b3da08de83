//go:build e2e

// Package e2e runs the built programs as a user does: from archives, through real krew and real
// kubectl, on a real API server. "make e2e" builds what it needs.
package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// root is the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// tool is the path of a program that "make e2e" built.
func tool(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(root(t), "bin", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make e2e", err)
	}
	return path
}

// shell is an environment to run programs in.
type shell struct {
	t   *testing.T
	env []string
}

// newShell has a home of its own, and a PATH that begins with the folders given.
func newShell(t *testing.T, paths ...string) *shell {
	home := t.TempDir()
	path := strings.Join(append(paths, os.Getenv("PATH")), string(os.PathListSeparator))
	return &shell{t: t, env: append(os.Environ(),
		"HOME="+home, "PATH="+path, "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.com",
		"GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.com")}
}

func (s *shell) set(key, value string) { s.env = append(s.env, key+"="+value) }

// run runs a program and returns both of its outputs.
func (s *shell) run(name string, args ...string) (string, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), 5*time.Minute) // also in a Cleanup
	defer cancel()
	cmd := exec.CommandContext(ctx, s.look(name), args...)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	s.t.Logf("$ %s %s\n%s", name, strings.Join(args, " "), out)
	return string(out), err
}

// must runs a program that has to succeed.
func (s *shell) must(name string, args ...string) string {
	s.t.Helper()
	out, err := s.run(name, args...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out
}

// look finds a program in the shell's own PATH.
func (s *shell) look(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	for i := len(s.env) - 1; i >= 0; i-- {
		path, found := strings.CutPrefix(s.env[i], "PATH=")
		if !found {
			continue
		}
		for _, dir := range filepath.SplitList(path) {
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 {
				return filepath.Join(dir, name)
			}
		}
		break
	}
	return name
}

func contains(t *testing.T, text, want string) {
	t.Helper()
	if !strings.Contains(text, want) {
		t.Errorf("%q is not in:\n%s", want, text)
	}
}

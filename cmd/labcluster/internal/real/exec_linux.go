package real

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/node"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/place"
)

// command is a command that runs in a node, in all of its namespaces.
func command(ctx context.Context, config *cluster.Config, name string, args ...string) (*exec.Cmd, error) {
	pid, err := process1(ctx, config, name)
	if err != nil {
		return nil, err
	}
	enter := []string{"--target", pid, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"}
	command := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	command.Env = node.Environment()
	return command, nil
}

// Exec runs a command in a node, in all of its namespaces, with this process's streams.
func Exec(ctx context.Context, config *cluster.Config, name string, args []string) error {
	command, err := command(ctx, config, name, args...)
	if err != nil {
		return err
	}
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	return command.Run()
}

// process1 is the pid, on this machine, of a node's process 1.
func process1(ctx context.Context, config *cluster.Config, name string) (string, error) {
	response, err := get(ctx, place.Socket(config, name), "/pid")
	if err != nil {
		return "", fmt.Errorf("node %s does not run: %w; start it with: labcluster node start %s", name, err, name)
	}
	defer response.Body.Close()
	pid, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("ask node %s: %w", name, err)
	}
	return strings.TrimSpace(string(pid)), nil
}

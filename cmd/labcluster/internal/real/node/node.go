//go:build linux

// Package node runs a node of the real cluster: containerd and kubelet in PID, mount, network, UTS,
// IPC and cgroup namespaces of the node's own. It is a small machine without hardware.
//
// There are two processes. One stays outside and is what the supervisor knows as the node; the other
// is the node's process 1. When either ends the kernel ends everything in the node, as if its power
// was cut, and takes its mounts and links along.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/cgroup"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/place"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/topology"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

// Commands of the stages of this component.
const (
	Command      = "real-node"
	WaitCommand  = "real-node-wait"
	StartCommand = "real-node-start"
)

// File descriptors that process 1 inherits.
const (
	lifelineFD = 3 // ends when the process outside does
	gateFD     = 4 // ends when the node may start
)

// cleanupTimeout bounds the removal of what a node left when it was powered off.
const cleanupTimeout = 20 * time.Second

// Run is the process outside. It returns when the node ended, or ctx.
func Run(ctx context.Context, dir, programs, name string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := cluster.Load(cluster.Dir(dir))
	if err != nil {
		return err
	}
	node, err := topology.Find(config, name)
	if err != nil {
		return err
	}
	group := place.NodeCgroup(config, name)
	if err := removeCgroup(ctx, group); err != nil {
		return err
	}
	if err := cgroup.Make(group); err != nil {
		return err
	}
	if err := prepare(config, node); err != nil {
		return fmt.Errorf("prepare the node's files: %w", err)
	}
	network, err := findNetwork(config)
	if err != nil {
		return err
	}
	machine, err := boot(config, node, programs)
	if err != nil {
		return err
	}
	defer machine.powerOff()
	if err := cgroup.Join(group, machine.pid()); err != nil {
		return err
	}
	if err := plug(node, network.PID, machine.pid()); err != nil {
		return fmt.Errorf("plug the node into the network: %w", err)
	}
	if err := machine.start(); err != nil {
		return err
	}
	return machine.watch(ctx, network, place.Socket(config, name))
}

func removeCgroup(ctx context.Context, group string) error {
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	return cgroup.Remove(ctx, group)
}

// findNetwork finds the process whose network namespace is the nodes' network.
func findNetwork(config *cluster.Config) (supervisor.Process, error) {
	status, err := supervisor.ReadStatus(config.Dir().StateFile())
	if err != nil {
		return supervisor.Process{}, fmt.Errorf("find the nodes' network: %w", err)
	}
	for _, component := range status.Components {
		if component.Name == place.Network && component.Process != nil {
			return *component.Process, nil
		}
	}
	return supervisor.Process{}, errors.New("the nodes' network does not run")
}

// machine is a node's process 1 and what holds it.
type machine struct {
	command  *exec.Cmd
	lifeline *os.File
	gate     *os.File
	ended    chan error
}

// boot starts the node's process 1 in new namespaces. It waits there until start.
func boot(config *cluster.Config, node topology.Node, programs string) (*machine, error) {
	lifeline, keep, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer lifeline.Close()
	gate, open, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer gate.Close()
	command := &exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       []string{"node-init", WaitCommand, string(config.Dir()), programs, node.Name},
		Env:        Environment(),
		Stdout:     os.Stdout,
		Stderr:     os.Stderr,
		ExtraFiles: []*os.File{lifeline, gate},
		SysProcAttr: &syscall.SysProcAttr{
			Setsid:    true,
			Pdeathsig: syscall.SIGKILL, // of this thread, which is never given back
			Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET |
				unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		},
	}
	runtime.LockOSThread()
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("make the node's namespaces: %w", err)
	}
	m := &machine{command: command, lifeline: keep, gate: open, ended: make(chan error, 1)}
	go func() { m.ended <- command.Wait() }()
	return m, nil
}

// Environment is what everything in a node sees. This machine's own, with its proxies and secrets,
// is no business of the node's.
func Environment() []string {
	return []string{
		"PATH=" + programsInside + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
		"LANG=C.UTF-8",
		"KUBECONFIG=/etc/kubernetes/admin.conf",
	}
}

func (m *machine) pid() int { return m.command.Process.Pid }

// start lets process 1 go on.
func (m *machine) start() error { return m.gate.Close() }

// powerOff ends the node and waits until nothing of it is left: process 1 is the last to go.
func (m *machine) powerOff() {
	_ = m.command.Process.Kill() // fails only if it has ended
	<-m.ended                    //nolint:errcheck // that it was killed is no news
}

// watch answers on the socket until the node ends, or ctx, or the network is gone.
func (m *machine) watch(ctx context.Context, network supervisor.Process, socket string) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", socket)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: m.handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	defer server.Close()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case err := <-m.ended:
			m.ended <- err
			return fmt.Errorf("the node's process 1 ended: %w", err)
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if !network.Alive() {
				return errors.New("the network that the node was plugged into is gone")
			}
		}
	}
}

// handler answers whether the node runs, and with which process 1.
func (m *machine) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		connection, err := new(net.Dialer).DialContext(r.Context(), "unix", m.inside(containerdSocket))
		if err != nil {
			http.Error(w, "containerd does not answer yet", http.StatusServiceUnavailable)
			return
		}
		_ = connection.Close() // it has told that somebody listens
	})
	mux.HandleFunc("GET /pid", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strconv.Itoa(m.pid())) // the asker is gone
	})
	return mux
}

// inside is a path in the node, as seen from outside.
func (m *machine) inside(path string) string {
	return filepath.Join("/proc", strconv.Itoa(m.pid()), "root", path)
}

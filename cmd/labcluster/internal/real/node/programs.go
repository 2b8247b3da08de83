//go:build linux

package node

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// program is one that process 1 keeps running.
type program struct {
	name string
	args func() ([]string, error)
	when func() bool // it can start
}

// How often process 1 looks whether a program can start, and how long it waits after one ended.
const (
	startInterval   = 100 * time.Millisecond
	restartInterval = time.Second
)

// runPrograms runs the node's programs for as long as the node lives.
func runPrograms() error {
	children := newChildren()
	var running sync.WaitGroup
	for _, p := range programs() {
		running.Go(func() { p.keep(children) })
	}
	running.Wait()
	return nil
}

func programs() []program {
	return []program{
		{
			name: "containerd",
			args: func() ([]string, error) { return []string{"--config", containerdConfig}, nil },
			when: func() bool { return true },
		}, {
			name: "kubelet",
			args: kubeletArgs,
			when: func() bool {
				return exists(containerdSocket) && exists(kubeletConfig) &&
					(exists(kubeletIdentity) || exists(kubeletBootstrap))
			},
		},
	}
}

// kubeletArgs is what kubeadm's systemd unit would pass (10-kubeadm.conf in kubernetes/release).
func kubeletArgs() ([]string, error) {
	data, err := os.ReadFile(kubeletFlags)
	if err != nil {
		return nil, err
	}
	return append([]string{
		"--bootstrap-kubeconfig=" + kubeletBootstrap,
		"--kubeconfig=" + kubeletIdentity,
		"--config=" + kubeletConfig,
	}, parseKubeletFlags(string(data))...), nil
}

// parseKubeletFlags reads kubeadm-flags.env: KUBELET_KUBEADM_ARGS="--flag=value …".
func parseKubeletFlags(text string) []string {
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && name == "KUBELET_KUBEADM_ARGS" {
			return strings.Fields(strings.Trim(value, `"`))
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// keep runs p again and again.
func (p program) keep(children *children) {
	for {
		for !p.when() {
			time.Sleep(startInterval)
		}
		fmt.Fprintf(os.Stderr, "%s: started\n", p.name)
		status, err := p.run(children)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", p.name, err)
		} else {
			fmt.Fprintf(os.Stderr, "%s: ended with status %d, signal %d; see /var/log/%s.log in the node\n",
				p.name, status.ExitStatus(), status.Signal(), p.name)
		}
		time.Sleep(restartInterval)
	}
}

// run runs p once.
func (p program) run(children *children) (syscall.WaitStatus, error) {
	args, err := p.args()
	if err != nil {
		return 0, err
	}
	log, err := os.OpenFile("/var/log/"+p.name+".log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	ended, err := children.start(filepath.Join(programsInside, p.name), append([]string{p.name}, args...),
		&syscall.ProcAttr{
			Dir:   "/",
			Env:   os.Environ(),
			Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
			Sys:   &syscall.SysProcAttr{Setsid: true},
		})
	if err != nil {
		return 0, fmt.Errorf("start: %w", err)
	}
	return <-ended, nil
}

// children waits for all processes that end in the node: those that process 1 started, and the
// orphans that the kernel hands it. Package os/exec would take the wait for its own ones only.
type children struct {
	mu    sync.Mutex
	ended map[int]chan syscall.WaitStatus
}

func newChildren() *children {
	c := &children{ended: map[int]chan syscall.WaitStatus{}}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGCHLD)
	go func() {
		for range signals {
			c.collect()
		}
	}()
	return c
}

// start starts a process. The channel gets how it ended.
func (c *children) start(path string, args []string, attributes *syscall.ProcAttr) (<-chan syscall.WaitStatus, error) {
	c.mu.Lock() // so that it is known before it can be collected
	defer c.mu.Unlock()
	pid, err := syscall.ForkExec(path, args, attributes)
	if err != nil {
		return nil, err
	}
	ended := make(chan syscall.WaitStatus, 1)
	c.ended[pid] = ended
	return ended, nil
}

// collect waits for every process that has ended by now.
func (c *children) collect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 {
			return
		}
		if ended, ok := c.ended[pid]; ok {
			delete(c.ended, pid)
			ended <- status
		}
	}
}

// Package real makes the manual's own cluster on one Linux machine: nodes in namespaces, built by
// kubeadm, with kubelet, containerd, runc, kube-proxy and CoreDNS. Nothing of it is simulated, and
// nothing in it can reach a network outside.
//
// The supervisor runs one component for the nodes' network (package network) and one per node
// (package node). This package plans them and turns the nodes into a cluster.
package real

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
)

// Progress tells what is being done.
type Progress interface{ Begin(what string) Step }

// Step is one thing being done.
type Step interface {
	Update(detail string)
	Done(detail string)
}

// ProgramsEnv names the folder with the programs that hack/build-real.sh built.
const ProgramsEnv = "LABCLUSTER_PROGRAMS"

// ProgramsDir is the folder with the programs: $LABCLUSTER_PROGRAMS, or "real" beside this program.
func ProgramsDir() (string, error) {
	if dir := os.Getenv(ProgramsEnv); dir != "" {
		return filepath.Abs(dir)
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	self, err = filepath.EvalSymlinks(self)
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return filepath.Join(filepath.Dir(self), "real"), nil
}

// imagesDir is where the images are.
func imagesDir(programs string) string { return filepath.Join(programs, "images") }

// checkPrograms tells what is missing.
func checkPrograms(dir string) error {
	for _, name := range []string{
		"containerd", "containerd-shim-runc-v2", "runc", "kubelet", "kubeadm", "kubectl", "images/index.json",
	} {
		if _, err := os.Stat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is missing in %s: build it with hack/build-real.sh, or name its folder in $%s",
				name, dir, ProgramsEnv)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// get asks a component's socket.
func get(ctx context.Context, socket, path string) (*http.Response, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://component"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close() // the status tells enough
		return nil, errors.New(response.Status)
	}
	return response, nil
}

// healthy returns a probe of a component.
func healthy(socket string) func(context.Context) error {
	return func(ctx context.Context) error {
		response, err := get(ctx, socket, "/healthz")
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
}

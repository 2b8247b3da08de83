// Package testcluster gives tests a real API server: a cluster of their own, made by the labcluster
// binary in a temporary folder, with a kubeconfig of its own.
//
// Share one among the tests of a package; a cluster takes some ten seconds:
//
//	var shared testcluster.Shared
//
//	func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }
//
//	func TestIt(t *testing.T) { cluster := shared.Cluster(t) }
//
// The binary is named by $LABCLUSTER_BIN, or is bin/labcluster at the root of the repository.
package testcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Name is the name of the cluster, of its context, and of the cluster and user in its kubeconfig.
const Name = "lab"

// Components of a cluster, for StopComponent and its like.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	NodeSimulator     = "kwok"
)

const (
	startTimeout = 3 * time.Minute
	stopTimeout  = 30 * time.Second
)

// Options say what cluster a test needs. The zero value is the manual's: three nodes.
type Options struct {
	Nodes    string   // as `labcluster up --nodes`: names, or how many; empty means k8s01,k8s02,k8s03
	NoNodes  bool     // a control plane alone
	NoAddons bool     // nothing in kube-system
	AuditLog bool     // write who did what to AuditLog
	Args     []string // more arguments of `labcluster up`
}

// Cluster is a running cluster.
type Cluster struct {
	Kubeconfig string // a file of its own, with Name as the current context
	DataDir    string // where the cluster is
	AuditLog   string // one audit.k8s.io/v1 Event per line, if asked for in Options

	binary string
	root   string
}

// New starts a cluster for one test, and stops it when the test ends.
func New(tb testing.TB, options Options) *Cluster {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), startTimeout)
	defer cancel()
	cluster, err := Start(ctx, options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return cluster
}

// Start starts a cluster. It ends with Stop, or with the test binary, however that ends.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	binary, err := Binary()
	if err != nil {
		return nil, err
	}
	root, err := os.MkdirTemp("", "testcluster-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the cluster: %w", err)
	}
	cluster := &Cluster{
		Kubeconfig: filepath.Join(root, "kubeconfig"),
		DataDir:    filepath.Join(root, "data"),
		binary:     binary,
		root:       root,
	}
	if options.AuditLog {
		cluster.AuditLog = filepath.Join(cluster.DataDir, "audit.log")
	}
	if _, err := cluster.command(ctx, cluster.upArgs(options)...); err != nil {
		return nil, errors.Join(err, os.RemoveAll(root))
	}
	return cluster, nil
}

func (c *Cluster) upArgs(options Options) []string {
	args := []string{
		"up",
		"--kubeconfig", c.Kubeconfig,
		"--owner-pid", strconv.Itoa(os.Getpid()),
		"--audit-log=" + strconv.FormatBool(options.AuditLog),
		"--addons=" + strconv.FormatBool(!options.NoAddons),
	}
	if options.NoNodes {
		args = append(args, "--nodes=")
	} else if options.Nodes != "" {
		args = append(args, "--nodes", options.Nodes)
	}
	return append(args, options.Args...)
}

// Stop removes the cluster and its folder.
func (c *Cluster) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	_, err := c.command(ctx, "down")
	return errors.Join(err, os.RemoveAll(c.root))
}

// RESTConfig returns the configuration of a client for the administrator.
func (c *Cluster) RESTConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig of the test cluster: %w", err)
	}
	return config, nil
}

// StopComponent stops a component, and returns when it has ended. It stays down.
func (c *Cluster) StopComponent(ctx context.Context, name string) error {
	_, err := c.command(ctx, "component", "stop", name)
	return err
}

// StartComponent starts a stopped component, and returns when it serves.
func (c *Cluster) StartComponent(ctx context.Context, name string) error {
	_, err := c.command(ctx, "component", "start", name)
	return err
}

// KillComponent kills a component, which is then started again.
func (c *Cluster) KillComponent(ctx context.Context, name string) error {
	_, err := c.command(ctx, "component", "kill", name)
	return err
}

// command runs labcluster and returns its output.
func (c *Cluster) command(ctx context.Context, args ...string) (string, error) {
	args = append(args, "--name", Name, "--data-dir", c.DataDir)
	command := exec.CommandContext(ctx, c.binary, args...)
	// Interrupted rather than killed, so that it tidies up.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = stopTimeout
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("labcluster %s: %w\n%s", args[0], err, &output)
	}
	return output.String(), nil
}

// Binary returns the path of the labcluster binary.
func Binary() (string, error) { return built("labcluster", "LABCLUSTER_BIN", "make labcluster") }

// Kubectl returns the path of the kubectl binary of the cluster's Kubernetes release: $KUBECTL_BIN, or
// bin/kubectl at the root of the repository.
func Kubectl() (string, error) { return built("kubectl", "KUBECTL_BIN", "make bin/kubectl") }

// built finds a program that the Makefile builds.
func built(name, env, target string) (string, error) {
	path := os.Getenv(env)
	if path == "" {
		root, err := repositoryRoot()
		if err != nil {
			return "", err
		}
		path = filepath.Join(root, "bin", name)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no %s binary: %w; build it with: %s", name, err, target)
	}
	return path, nil
}

// repositoryRoot is the nearest folder above that holds this module: tests run in their package's folder.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(data, []byte("module github.com/kubectl-lab/kubectl-lab\n")) {
			return dir, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not inside the repository; name the binaries in $LABCLUSTER_BIN and $KUBECTL_BIN")
		}
		dir = parent
	}
}

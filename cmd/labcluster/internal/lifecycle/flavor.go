// Package lifecycle makes, starts, watches and removes a local cluster.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/addons"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/simnode"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

// Flavor is what differs between kinds of clusters. Everything else (the folder, the supervisor, the
// kubeconfig, status, logs, removal) is common to them.
type Flavor interface {
	// Check tells why this machine can't have such a cluster, or none with these settings. It
	// changes nothing.
	Check(config *cluster.Config) error

	// Plan chooses addresses, writes what the components need, and returns them. It is asked once
	// per start of the supervisor, and again (attempt > 0) if an address was taken.
	Plan(config *cluster.Config, attempt int) ([]supervisor.Component, error)

	// Grow returns the components of a cluster that runs, also those of nodes that are new.
	Grow(config *cluster.Config) ([]supervisor.Component, error)

	// Populate fills a cluster whose components run: nodes, add-ons.
	Populate(ctx context.Context, config *cluster.Config, await bool, progress Progress) error

	// Cleanup removes what the components leave behind outside the cluster's folder. The
	// components have ended, if only by kill -9; it may be called again.
	Cleanup(ctx context.Context, config *cluster.Config) error
}

// FlavorOf returns the flavor of a kind.
func FlavorOf(kind cluster.Kind) (Flavor, error) {
	switch kind {
	case cluster.Simulated:
		return simulated{}, nil
	case cluster.Real:
		return newReal()
	}
	return nil, fmt.Errorf("this labcluster does not know clusters of kind %q", kind)
}

// simulated is a real control plane with simulated nodes.
type simulated struct{}

// Check implements Flavor.
func (simulated) Check(*cluster.Config) error { return nil }

// Grow implements Flavor. Simulated nodes are no components.
func (simulated) Grow(config *cluster.Config) ([]supervisor.Component, error) { return config.Plan() }

// Plan implements Flavor.
func (simulated) Plan(config *cluster.Config, attempt int) ([]supervisor.Component, error) {
	if err := choosePorts(config, attempt); err != nil {
		return nil, err
	}
	if err := config.WriteCertificates(); err != nil {
		return nil, err
	}
	if err := config.WriteSettings(simnode.KwokConfig()); err != nil {
		return nil, err
	}
	return config.Plan()
}

// choosePorts chooses others if somebody has taken the cluster's.
func choosePorts(config *cluster.Config, attempt int) error {
	if attempt == 0 && config.PortsFree() {
		return nil
	}
	if err := config.ChoosePorts(); err != nil {
		return err
	}
	return config.Save()
}

// Populate implements Flavor.
func (s simulated) Populate(ctx context.Context, config *cluster.Config, await bool, progress Progress) error {
	restConfig, client, err := connect(config)
	if err != nil {
		return err
	}
	if err := s.nodes(ctx, client, config, await, progress); err != nil {
		return err
	}
	if await {
		if err := awaitServiceAccount(ctx, client); err != nil {
			return err
		}
	}
	if !config.Addons {
		return nil
	}
	step := progress.Begin("add-ons, simulated (CoreDNS, kube-proxy)")
	if err := addons.Apply(ctx, restConfig, config); err != nil {
		return err
	}
	if await && len(config.Nodes) > 0 {
		if err := addons.AwaitReady(ctx, client); err != nil {
			return fmt.Errorf("wait for the add-ons: %w", err)
		}
	}
	step.Done("")
	return nil
}

func (simulated) nodes(ctx context.Context, client kubernetes.Interface, config *cluster.Config, await bool, progress Progress) error {
	if len(config.Nodes) == 0 {
		return nil
	}
	step := progress.Begin(fmt.Sprintf("%s, simulated", count(len(config.Nodes), "node")))
	if err := simnode.Create(ctx, client, config); err != nil {
		return err
	}
	if await {
		report := func(ready int) { step.Update(fmt.Sprintf("%d Ready", ready)) }
		if err := simnode.AwaitReady(ctx, client, config, report); err != nil {
			return fmt.Errorf("wait for the nodes: %w", err)
		}
	}
	step.Done("")
	return nil
}

// awaitServiceAccount waits for what the first pod needs: until the controller manager has made the
// default service account, pods are refused.
func awaitServiceAccount(ctx context.Context, client kubernetes.Interface) error {
	var failure error
	err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		_, failure = client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return failure == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the default service account: %w", errors.Join(err, failure))
	}
	return nil
}

// Cleanup implements Flavor: processes that have ended leave nothing else.
func (simulated) Cleanup(context.Context, *cluster.Config) error { return nil }

// connect returns an administrator's client.
func connect(config *cluster.Config) (*rest.Config, kubernetes.Interface, error) {
	restConfig, err := clientcmd.BuildConfigFromFlags("", config.Dir().AdminKubeconfig())
	if err != nil {
		return nil, nil, fmt.Errorf("read the administrator's kubeconfig: %w", err)
	}
	restConfig.QPS = -1 // thousands of nodes to create
	restConfig.Timeout = 30 * time.Second
	client, err := kubernetes.NewForConfig(restConfig)
	if err != nil {
		return nil, nil, err
	}
	return restConfig, client, nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

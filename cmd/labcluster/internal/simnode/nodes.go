package simnode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

// What a simulated node claims to be: a small virtual machine, as in the manual.
const (
	containerRuntime = "containerd://2.4.2"
	osImage          = "Simulated node (kwok)"
	kernelVersion    = "6.12.0-simulated"
	nodeCPU          = "4"
	nodeMemory       = "8Gi"
	nodeDisk         = "100Gi"
	nodePods         = "110" // kubelet's default, and Kubernetes' limit for large clusters
)

// createParallelism bounds the nodes that are created at once.
const createParallelism = 16

const pollInterval = 200 * time.Millisecond

// Create creates the cluster's nodes that don't exist yet. The first is the control plane.
func Create(ctx context.Context, client kubernetes.Interface, config *cluster.Config) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(createParallelism)
	for index := range config.Nodes {
		group.Go(func() error { return createNode(ctx, client, config, index) })
	}
	return group.Wait()
}

func createNode(ctx context.Context, client kubernetes.Interface, config *cluster.Config, index int) error {
	place, err := config.Node(index)
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Nodes().Create(ctx, newNode(place, index == 0), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create node %s: %w", place.Name, err)
	}
	return nil
}

func newNode(place cluster.Node, controlPlane bool) *corev1.Node {
	resources := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse(nodeCPU),
		corev1.ResourceMemory:           resource.MustParse(nodeMemory),
		corev1.ResourceEphemeralStorage: resource.MustParse(nodeDisk),
		corev1.ResourcePods:             resource.MustParse(nodePods),
	}
	labels := map[string]string{
		corev1.LabelHostname:   place.Name,
		corev1.LabelOSStable:   "linux",
		corev1.LabelArchStable: "amd64",
		"type":                 "kwok",
	}
	if controlPlane {
		// Without the taint, as Kubespray does when a host is in kube_node too.
		labels["node-role.kubernetes.io/control-plane"] = ""
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:        place.Name,
			Labels:      labels,
			Annotations: map[string]string{cluster.SimulatedNodeAnnotation: cluster.SimulatedNodeValue},
		},
		Spec: corev1.NodeSpec{PodCIDR: place.PodCIDR, PodCIDRs: []string{place.PodCIDR}},
		Status: corev1.NodeStatus{
			Capacity:    resources,
			Allocatable: resources,
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: place.IP},
				{Type: corev1.NodeHostName, Address: place.Name},
			},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{
				KubeletEndpoint: corev1.DaemonEndpoint{Port: cluster.KubeletPort},
			},
			NodeInfo: corev1.NodeSystemInfo{
				Architecture:            "amd64",
				ContainerRuntimeVersion: containerRuntime,
				KernelVersion:           kernelVersion,
				KubeletVersion:          cluster.KubernetesVersion,
				OperatingSystem:         "linux",
				OSImage:                 osImage,
			},
		},
	}
}

// AwaitReady waits until the cluster's nodes are Ready, and reports how many are, again and again.
func AwaitReady(ctx context.Context, client kubernetes.Interface, config *cluster.Config, progress func(ready int)) error {
	var failure error // it may still come, so it counts only if time runs out
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		var ready int
		ready, failure = countReady(ctx, client, config.Nodes)
		progress(ready)
		return failure == nil && ready == len(config.Nodes), nil
	})
	return errors.Join(err, failure)
}

func countReady(ctx context.Context, client kubernetes.Interface, names []string) (int, error) {
	// From the API server's cache: thousands of nodes are asked for many times.
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return 0, fmt.Errorf("list the nodes: %w", err)
	}
	isReady := make(map[string]bool, len(nodes.Items))
	for _, node := range nodes.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				isReady[node.Name] = condition.Status == corev1.ConditionTrue
			}
		}
	}
	ready := 0
	for _, name := range names {
		if isReady[name] {
			ready++
		}
	}
	return ready, nil
}

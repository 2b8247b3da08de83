package real

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/topology"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/versions"
)

const pollInterval = 250 * time.Millisecond

// connect returns an administrator's client.
func connect(config *cluster.Config) (kubernetes.Interface, error) {
	admin, err := config.Admin(config.Name)
	if err != nil {
		return nil, err
	}
	rest, err := clientcmd.NewDefaultClientConfig(*admin, nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	rest.QPS = -1
	rest.Timeout = 30 * time.Second
	return kubernetes.NewForConfig(rest)
}

// assignPodNetworks writes down which pod network each node has, as the controller manager would.
func (b *builder) assignPodNetworks(ctx context.Context, client kubernetes.Interface) error {
	for _, node := range b.nodes {
		if err := assignPodNetwork(ctx, client, node); err != nil {
			return fmt.Errorf("assign its pod network to node %s: %w", node.Name, err)
		}
	}
	return nil
}

func assignPodNetwork(ctx context.Context, client kubernetes.Interface, node topology.Node) error {
	network := node.PodCIDR.String()
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{
		"podCIDR":  network,
		"podCIDRs": []string{network},
	}})
	if err != nil {
		return err
	}
	return poll(ctx, func(ctx context.Context) (string, error) {
		_, err := client.CoreV1().Nodes().Patch(ctx, node.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		if apierrors.IsNotFound(err) {
			return "it has not registered yet", nil
		}
		return "", err
	})
}

// poll asks until nothing is missing any more. Errors of the API are asked about again: its server
// may be restarting.
func poll(ctx context.Context, ask func(context.Context) (missing string, err error)) error {
	var last string
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		missing, err := ask(ctx)
		if err != nil {
			if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
				return false, err
			}
			last = err.Error()
			return false, nil
		}
		last = missing
		return missing == "", nil
	})
	if err != nil && last != "" {
		return fmt.Errorf("%w: %s", err, last)
	}
	return err
}

// addons puts the add-ons in.
func (b *builder) addons(ctx context.Context) error {
	step := b.progress.Begin("add-ons: metrics-server, local-path-provisioner, Traefik")
	values := map[string]string{
		"MetricsServer": versions.MetricsServer, "LocalPath": versions.LocalPath, "Traefik": versions.Traefik,
	}
	for _, manifest := range []string{metricsServerTemplate, localPathTemplate, traefikTemplate} {
		text, err := fill(manifest, values)
		if err != nil {
			return err
		}
		if err := b.apply(ctx, text); err != nil {
			return fmt.Errorf("apply the add-ons: %w", err)
		}
	}
	step.Done("")
	return nil
}

func (b *builder) apply(ctx context.Context, manifest string) error {
	programs, err := ProgramsDir()
	if err != nil {
		return err
	}
	kubectl := exec.CommandContext(ctx, filepath.Join(programs, "kubectl"),
		"--kubeconfig="+b.config.Dir().AdminKubeconfig(), "apply", "--server-side", "--field-manager=labcluster", "-f", "-")
	kubectl.Stdin = strings.NewReader(manifest)
	if output, err := kubectl.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

// awaitReady waits for the nodes, then for what runs on them.
func (b *builder) awaitReady(ctx context.Context, client kubernetes.Interface) error {
	step := b.progress.Begin("nodes Ready")
	err := poll(ctx, func(ctx context.Context) (string, error) {
		missing, err := notReadyNodes(ctx, client, b.nodes)
		step.Update(missing)
		return missing, err
	})
	if err != nil {
		return fmt.Errorf("wait for the nodes: %w", err)
	}
	step.Done("")
	step = b.progress.Begin("kube-proxy, CoreDNS and add-ons Ready")
	err = poll(ctx, func(ctx context.Context) (string, error) {
		missing, err := notReadyWorkloads(ctx, client)
		step.Update(missing)
		return missing, err
	})
	if err != nil {
		return fmt.Errorf("wait for the system's pods: %w", err)
	}
	step.Done("")
	return nil
}

// AwaitNode waits until a node is Ready.
func AwaitNode(ctx context.Context, config *cluster.Config, name string) error {
	node, err := topology.Find(config, name)
	if err != nil {
		return err
	}
	client, err := connect(config)
	if err != nil {
		return err
	}
	return poll(ctx, func(ctx context.Context) (string, error) {
		missing, err := notReadyNodes(ctx, client, []topology.Node{node})
		if missing != "" {
			missing = "it is not Ready yet"
		}
		return missing, err
	})
}

func notReadyNodes(ctx context.Context, client kubernetes.Interface, wanted []topology.Node) (string, error) {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	ready := map[string]bool{}
	for _, node := range list.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				ready[node.Name] = condition.Status == corev1.ConditionTrue
			}
		}
	}
	var missing []string
	for _, node := range wanted {
		if !ready[node.Name] {
			missing = append(missing, node.Name)
		}
	}
	return strings.Join(missing, ", "), nil
}

func notReadyWorkloads(ctx context.Context, client kubernetes.Interface) (string, error) {
	var missing []string
	deployments, err := client.AppsV1().Deployments("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	for _, deployment := range deployments.Items {
		if system(deployment.Namespace) && deployment.Status.AvailableReplicas < *deployment.Spec.Replicas {
			missing = append(missing, deployment.Name)
		}
	}
	daemonSets, err := client.AppsV1().DaemonSets("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	for _, set := range daemonSets.Items {
		if system(set.Namespace) && (set.Status.NumberAvailable < set.Status.DesiredNumberScheduled || set.Status.DesiredNumberScheduled == 0) {
			missing = append(missing, set.Name)
		}
	}
	return strings.Join(missing, ", "), nil
}

// system tells namespaces that this program fills.
func system(namespace string) bool {
	return slices.Contains([]string{metav1.NamespaceSystem, "local-path-storage", "traefik"}, namespace)
}

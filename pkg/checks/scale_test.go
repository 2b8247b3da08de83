package checks_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/checks"
)

// The size that status must bear, and the memory in which it must.
const (
	scaleNodes  = 5_000
	scalePods   = 20_000
	scaleMemory = 150 << 20
)

// scaleChild is set for the process that runs status and is measured, so that the memory of the test,
// which made the objects, doesn't count.
const scaleChild = "CHECKS_SCALE_KUBECONFIG"

// TestScale runs all checks over 5,000 nodes and 20,000 pods. It takes some minutes, and so is for
// KUBECTL_LAB_SCALE=1.
func TestScale(t *testing.T) {
	if kubeconfig := os.Getenv(scaleChild); kubeconfig != "" {
		runScaled(t, kubeconfig)
		return
	}
	if os.Getenv("KUBECTL_LAB_SCALE") != "1" {
		t.Skip("set KUBECTL_LAB_SCALE=1: it takes some minutes and gigabytes")
	}
	cluster := testcluster.New(t, testcluster.Options{NoNodes: true, NoAddons: true})
	for _, component := range []string{testcluster.ControllerManager, testcluster.Scheduler} {
		if err := cluster.StopComponent(t.Context(), component); err != nil { // they would remove pods of such nodes
			t.Fatal(err)
		}
	}
	cfg, err := cluster.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS = -1
	fill(t, source(t, cfg))

	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestScale$", "-test.v")
	child.Env = append(os.Environ(), scaleChild+"="+cluster.Kubeconfig)
	output, err := child.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Fatal(err)
	}
	usage, ok := child.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Skip("this system does not tell a process's memory")
	}
	peak := int64(usage.Maxrss) << 10 // Linux counts in KiB
	t.Logf("peak memory: %d MiB", peak>>20)
	if peak > scaleMemory {
		t.Errorf("peak memory %d MiB, want at most %d", peak>>20, scaleMemory>>20)
	}
}

// runScaled is what is measured.
func runScaled(t *testing.T, kubeconfig string) {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS = -1
	cfg.ContentType, cfg.AcceptContentTypes = "application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf,application/json"
	begun := time.Now()
	report := run(t, source(t, cfg), checks.Config{})
	t.Logf("%s in %s", report.Summary(), time.Since(begun).Round(time.Millisecond))
	for _, r := range report.Results {
		switch r.ID {
		case "limits-nodes":
			if !strings.HasPrefix(r.Message, strconv.Itoa(scaleNodes)) {
				t.Errorf("%s: %s", r.ID, r.Message)
			}
		case "limits-pods":
			if !strings.HasPrefix(r.Message, strconv.Itoa(scalePods)) {
				t.Errorf("%s: %s", r.ID, r.Message)
			}
		case "api-answers":
			if r.Status != checks.StatusOK {
				t.Errorf("%s: %s", r.ID, r.Message)
			}
		}
	}
}

// fill makes the nodes, with some images each as real ones have, and the pods.
func fill(t *testing.T, src checks.Source) {
	t.Helper()
	many(t, scaleNodes, func(ctx context.Context, i int) error {
		node := scaleNode(i)
		status := node.Status
		made, err := src.Kubernetes.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		made.Status = status
		_, err = src.Kubernetes.CoreV1().Nodes().UpdateStatus(ctx, made, metav1.UpdateOptions{})
		return err
	})
	many(t, scalePods, func(ctx context.Context, i int) error {
		_, err := src.Kubernetes.CoreV1().Pods("default").Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pod-%05d", i), Labels: map[string]string{"app": "scale", "pod-template-hash": "5d4f8c7b9"}},
			Spec: corev1.PodSpec{
				NodeName:   scaleNode(i % scaleNodes).Name,
				Containers: []corev1.Container{{Name: "c", Image: "registry.example.com/scale:v1"}, {Name: "sidecar", Image: "registry.example.com/sidecar:v1"}},
			},
		}, metav1.CreateOptions{})
		return err
	})
}

func scaleNode(i int) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: fmt.Sprintf("node-%05d", i), Labels: map[string]string{corev1.LabelHostname: fmt.Sprintf("node-%05d", i), corev1.LabelOSStable: "linux"},
	}}
	node.Status = corev1.NodeStatus{
		Allocatable: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("110")},
		Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		Addresses:   []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)}},
		NodeInfo:    corev1.NodeSystemInfo{KubeletVersion: "v1.37.2", ContainerRuntimeVersion: "containerd://2.4.2", OperatingSystem: "linux"},
	}
	for j := range 30 {
		node.Status.Images = append(node.Status.Images, corev1.ContainerImage{
			Names: []string{fmt.Sprintf("registry.example.com/app-%02d@sha256:%064x", j, j), fmt.Sprintf("registry.example.com/app-%02d:v1.2.3", j)}, SizeBytes: 1 << 20,
		})
	}
	return node
}

// many calls do for 0…n-1, some at a time.
func many(t *testing.T, n int, do func(ctx context.Context, i int) error) {
	t.Helper()
	work := make(chan int)
	var workers sync.WaitGroup
	for range 12 {
		workers.Go(func() {
			for i := range work {
				if err := do(t.Context(), i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	workers.Wait()
}

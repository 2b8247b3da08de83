package exercises

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// defaultClass marks a default StorageClass
// (https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass).
const defaultClass = "storageclass.kubernetes.io/is-default-class"

// controlPlaneLabel marks control-plane nodes (KEP-2067).
const controlPlaneLabel = "node-role.kubernetes.io/control-plane"

// survey finds out what the cluster has: the nodes that the exercise names by variables, and which
// needs are not met.
func (r *run) survey(ctx context.Context) error {
	nodes, err := r.Kubernetes.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	workers := workersOf(nodes.Items)
	r.variables = map[string]string{
		"namespace": r.namespace,
		"workers":   strconv.Itoa(len(workers)),
		"workers-1": strconv.Itoa(len(workers) - 1),
		"workers+1": strconv.Itoa(len(workers) + 1),
	}
	for i, node := range workers[:min(2, len(workers))] {
		r.variables[fmt.Sprintf("worker%d", i+1)] = node
	}
	if len(workers) == 1 {
		r.variables["worker2"] = workers[0] // steps that need another one say so
	}
	if len(workers) == 0 {
		return fmt.Errorf("no node takes pods: all are cordoned, tainted or not ready")
	}
	r.missing = map[Need]string{}
	if len(workers) < 2 {
		r.missing[NeedTwoWorkers] = fmt.Sprintf("it needs two nodes that take pods; there are %d", len(workers))
	}
	if r.Ask == nil {
		r.missing[NeedOperator] = "it needs somebody who stops a node: give --operator if you can, or a cluster of labcluster up --real"
	}
	return errorsOf(r.surveyStorage(ctx), r.surveyIngress(ctx), r.surveyMetrics())
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// workersOf are the names of the nodes that take ordinary pods: ready, not cordoned, no taint that
// repels. Control-plane nodes without a taint count last.
func workersOf(nodes []corev1.Node) []string {
	var usable []corev1.Node
	for _, node := range nodes {
		if usableNode(node) {
			usable = append(usable, node)
		}
	}
	slices.SortFunc(usable, func(a, b corev1.Node) int {
		_, aControls := a.Labels[controlPlaneLabel]
		_, bControls := b.Labels[controlPlaneLabel]
		if aControls != bControls {
			return map[bool]int{false: -1, true: 1}[aControls]
		}
		return cmp.Compare(a.Name, b.Name)
	})
	names := make([]string, len(usable))
	for i, node := range usable {
		names[i] = node.Name
	}
	return names
}

func usableNode(node corev1.Node) bool {
	if node.Spec.Unschedulable {
		return false
	}
	for _, taint := range node.Spec.Taints {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule {
			return false
		}
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (r *run) surveyStorage(ctx context.Context) error {
	classes, err := r.Kubernetes.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing storage classes: %w", err)
	}
	for _, class := range classes.Items {
		if class.Annotations[defaultClass] == "true" {
			return nil
		}
	}
	r.missing[NeedStorageClass] = "it needs a default StorageClass; there is none"
	return nil
}

func (r *run) surveyIngress(ctx context.Context) error {
	classes, err := r.Kubernetes.NetworkingV1().IngressClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing ingress classes: %w", err)
	}
	if len(classes.Items) == 0 {
		r.missing[NeedIngress] = "it needs an ingress controller; there is no IngressClass"
		return nil
	}
	r.variables["ingressClass"] = classes.Items[0].Name
	for _, class := range classes.Items {
		if class.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" {
			r.variables["ingressClass"] = class.Name
		}
	}
	return nil
}

func (r *run) surveyMetrics() error {
	_, err := r.Mapper.KindFor(schema.GroupVersionResource{Group: "metrics.k8s.io", Version: "v1beta1", Resource: "pods"})
	if meta.IsNoMatchError(err) {
		r.missing[NeedMetrics] = "it needs the metrics API; metrics-server is not installed"
		return nil
	}
	return err
}

// expand replaces $(NAME) by the variable's value. Unknown names stay, as in Kubernetes' own
// $(VAR) syntax.
func (r *run) expand(text string) string {
	for name, value := range r.variables {
		text = strings.ReplaceAll(text, "$("+name+")", value)
	}
	return text
}

// Claim is what a step expects, for a reader who has no cluster at hand: $(worker1) reads worker1.
func (s Step) Claim() string { return variable.ReplaceAllString(s.Expect, "$1") }

var variable = regexp.MustCompile(`\$\((\w+)\)`)

// expandStep replaces the variables in all texts of a step.
func (r *run) expandStep(step Step) Step {
	data, err := json.Marshal(step)
	if err != nil {
		return step // a Step came out of YAML and goes back into JSON
	}
	var expanded Step
	if err := json.Unmarshal([]byte(r.expand(string(data))), &expanded); err != nil {
		return step
	}
	return expanded
}

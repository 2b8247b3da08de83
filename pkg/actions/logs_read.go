package actions

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/kubectl-lab/kubectl-lab/pkg/podstate"
)

const (
	// maxLogText is how much of one container's log a result holds: its end.
	maxLogText = 1 << 20
	// maxLogPiece is how much of the log one Output event holds at most. Lines that are longer come in
	// pieces.
	maxLogPiece = 64 << 10
	// defaultContainer is the annotation that names the container to take.
	// See https://kubernetes.io/docs/reference/labels-annotations-taints/#kubectl-kubernetes-io-default-container.
	defaultContainer = "kubectl.kubernetes.io/default-container"
)

// logsRun is one run of "logs".
type logsRun struct {
	*LogsOptions
	env       *Env
	client    kubernetes.Interface
	namespace string
	result    *LogsResult
}

func newLogsRun(env *Env, options *LogsOptions) (*logsRun, error) {
	namespace, _, err := env.Cluster.Namespace()
	if err != nil {
		return nil, err
	}
	client, err := env.Cluster.Streaming()
	if err != nil {
		return nil, err
	}
	streaming := options.streaming || options.Follow
	return &logsRun{
		LogsOptions: options, env: env, client: client, namespace: namespace,
		result: &LogsResult{Header: NewHeader("LogsResult"), Namespace: namespace, Streamed: streaming},
	}, nil
}

func (r *logsRun) run(ctx context.Context) (Result, error) {
	pod, err := r.pod(ctx)
	if err != nil {
		return nil, err
	}
	r.result.Pod = pod.Name
	names, err := r.containers(pod)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		r.result.Containers = append(r.result.Containers, ContainerLog{Name: name})
	}
	if r.result.Streamed {
		r.announce()
		return r.result, r.stream(ctx, pod)
	}
	return r.result, r.collect(ctx, pod)
}

// announce hands the notes to the observer before the log: behind it they would be overlooked.
func (r *logsRun) announce() {
	for _, note := range r.result.Notes {
		r.env.Observe(Notice{Text: note})
	}
	r.result.Notes = nil
}

// pod finds the pod: by its name, or one of a workload's.
func (r *logsRun) pod(ctx context.Context) (*corev1.Pod, error) {
	quick, err := r.env.Cluster.Kubernetes()
	if err != nil {
		return nil, err
	}
	if r.Kind == "" {
		return quick.CoreV1().Pods(r.namespace).Get(ctx, r.Name, metav1.GetOptions{})
	}
	mapper, err := r.env.Cluster.Getter().ToRESTMapper()
	if err != nil {
		return nil, err
	}
	mapping, err := resolveKind(mapper, r.Kind)
	switch {
	case err != nil:
		return nil, err
	case mapping.Resource == coreResource("pods"):
		return quick.CoreV1().Pods(r.namespace).Get(ctx, r.Name, metav1.GetOptions{})
	}
	owner := target{mapping: mapping, names: []string{r.Name}}
	selector, err := r.selector(ctx, owner)
	if err != nil {
		return nil, err
	}
	list, err := quick.CoreV1().Pods(r.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, fmt.Errorf("listing the pods of %s/%s: %w", r.Kind, r.Name, err)
	}
	return r.choose(owner, list.Items)
}

// selector is what a workload or a service selects its pods by.
func (r *logsRun) selector(ctx context.Context, owner target) (labels.Selector, error) {
	noPods := &Error{
		Message: fmt.Sprintf("%s has no pods of its own", owner.reference("", r.Name)),
		Hint:    "name a pod: kubectl lab get pods" + inNamespace(r.namespace),
		Code:    ExitFailed,
	}
	if !owner.namespaced() {
		return nil, noPods
	}
	client, err := r.env.Cluster.Dynamic()
	if err != nil {
		return nil, err
	}
	object, err := client.Resource(owner.mapping.Resource).Namespace(r.namespace).Get(ctx, r.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	spec, found, _ := unstructured.NestedMap(object.Object, "spec", "selector")
	if !found || len(spec) == 0 {
		return nil, noPods
	}
	if plain, isPlain, err := unstructured.NestedStringMap(object.Object, "spec", "selector"); isPlain && err == nil {
		return labels.SelectorFromSet(plain), nil
	}
	var selector metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(spec, &selector); err != nil {
		return nil, noPods
	}
	return metav1.LabelSelectorAsSelector(&selector)
}

// choose takes a pod that is ready if there is one, the youngest otherwise.
func (r *logsRun) choose(owner target, pods []corev1.Pod) (*corev1.Pod, error) {
	name := owner.reference("", r.Name).String()
	if len(pods) == 0 {
		return nil, &Error{
			Message: fmt.Sprintf("%s has no pods now", name),
			Hint:    "look at it: kubectl describe " + name + inNamespace(r.namespace),
			Code:    ExitFailed,
		}
	}
	best := slices.MaxFunc(pods, func(a, b corev1.Pod) int {
		if ready := readiness(&a) - readiness(&b); ready != 0 {
			return ready
		}
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	if len(pods) > 1 {
		r.note("%s has %d pods; this is pod/%s", name, len(pods), best.Name)
	}
	return &best, nil
}

func readiness(pod *corev1.Pod) int {
	if podstate.Of(pod).Phase == podstate.Ready {
		return 1
	}
	return 0
}

func (r *logsRun) note(format string, args ...any) {
	r.result.Notes = append(r.result.Notes, fmt.Sprintf(format, args...))
}

// containers are the names of the containers to read, chosen as kubectl does.
func (r *logsRun) containers(pod *corev1.Pod) ([]string, error) {
	all := containerNames(pod)
	switch {
	case r.AllContainers:
		return all, nil
	case slices.Contains(all, r.Container):
		return []string{r.Container}, nil
	case r.Container != "":
		return nil, &Error{
			Message: fmt.Sprintf("pod %q has no container %q", pod.Name, r.Container),
			Hint:    "it has: " + strings.Join(all, ", "),
			Code:    ExitFailed,
		}
	}
	chosen := pod.Spec.Containers[0].Name
	if name := pod.Annotations[defaultContainer]; slices.Contains(all, name) {
		chosen = name
	}
	if len(pod.Spec.Containers) > 1 {
		r.note("container %q of: %s", chosen, strings.Join(all, ", "))
	}
	return []string{chosen}, nil
}

// containerNames lists the containers in the order in which they start.
func containerNames(pod *corev1.Pod) []string {
	var names []string
	for _, c := range pod.Spec.InitContainers {
		names = append(names, c.Name)
	}
	for _, c := range pod.Spec.Containers {
		names = append(names, c.Name)
	}
	for _, c := range pod.Spec.EphemeralContainers {
		names = append(names, c.Name)
	}
	return names
}

// open begins to read one container's log.
func (r *logsRun) open(ctx context.Context, pod *corev1.Pod, container string) (io.ReadCloser, error) {
	if pod.Spec.NodeName == "" { // the API server would answer with an empty log
		return nil, noLogYet(pod, container, nil)
	}
	options := &corev1.PodLogOptions{Container: container, Follow: r.Follow, Previous: r.Previous, Timestamps: r.Timestamps}
	if r.Tail >= 0 {
		options.TailLines = &r.Tail
	}
	if r.Since > 0 {
		seconds := max(int64(r.Since.Seconds()), 1)
		options.SinceSeconds = &seconds
	}
	body, err := r.client.CoreV1().Pods(r.namespace).GetLogs(pod.Name, options).Stream(ctx)
	if err != nil {
		return nil, endOf(ctx, explainLogs(pod, container, err))
	}
	return body, nil
}

// explainLogs says why there is no log: mostly because the container has not started.
func explainLogs(pod *corev1.Pod, container string, err error) error {
	if !apierrors.IsBadRequest(err) {
		return fmt.Errorf("reading the log of container %q of pod %q: %w", container, pod.Name, err)
	}
	text := statusMessage(err)
	if strings.Contains(text, "previous terminated container") {
		return &Error{Message: fmt.Sprintf("container %q of pod %q has no previous run", container, pod.Name), Hint: "leave out --previous", Code: ExitFailed, Err: err}
	}
	if phase := podstate.Of(pod).Phase; phase == podstate.Starting || phase == podstate.Stuck {
		return noLogYet(pod, container, err)
	}
	return &Error{Message: text, Code: ExitFailed, Err: err}
}

// noLogYet says what keeps a container from writing anything.
func noLogYet(pod *corev1.Pod, container string, err error) error {
	state := podstate.Of(pod)
	return &Error{
		Message: fmt.Sprintf("container %q of pod %q has written nothing yet: %s", container, pod.Name, state.Message),
		Hint:    state.Hint,
		Code:    ExitFailed,
		Err:     err,
	}
}

// collect reads the logs into the result.
func (r *logsRun) collect(ctx context.Context, pod *corev1.Pod) error {
	for i := range r.result.Containers {
		c := &r.result.Containers[i]
		body, err := r.open(ctx, pod, c.Name)
		if err != nil {
			return err
		}
		text, cut, err := readEnd(body, maxLogText)
		body.Close()
		c.Text, c.Cut = plainText(text), cut
		if cut {
			r.note("of container %s only the last %d KiB are shown; choose fewer lines with --tail", c.Name, maxLogText>>10)
		}
		if err != nil {
			return endOf(ctx, fmt.Errorf("reading the log of container %q: %w", c.Name, err))
		}
	}
	return nil
}

// readEnd reads everything and keeps the last most bytes, from the beginning of a line on.
func readEnd(r io.Reader, most int) (text []byte, cut bool, err error) {
	buffer := make([]byte, 0, 32<<10)
	piece := make([]byte, 32<<10)
	for {
		n, err := r.Read(piece)
		buffer = append(buffer, piece[:n]...)
		if len(buffer) > 2*most {
			buffer, cut = append(buffer[:0], buffer[len(buffer)-most:]...), true
		}
		if errors.Is(err, io.EOF) {
			if len(buffer) > most {
				buffer, cut = buffer[len(buffer)-most:], true
			}
			if _, rest, found := bytes.Cut(buffer, []byte("\n")); cut && found {
				buffer = rest
			}
			return buffer, cut, nil
		}
		if err != nil {
			return buffer, cut, err
		}
	}
}

// escapes are the control sequences of terminals (ECMA-48), which containers use for color.
var escapes = regexp.MustCompile(`\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\^_])`)

// plainText is a log as a document may hold it.
func plainText(text []byte) string {
	return strings.ToValidUTF8(string(escapes.ReplaceAll(text, nil)), "�")
}

// stream hands the logs to the observer as they come: one after the other, or all at once if they
// are followed.
func (r *logsRun) stream(ctx context.Context, pod *corev1.Pod) error {
	g, ctx := errgroup.WithContext(ctx)
	if !r.Follow {
		g.SetLimit(1)
	}
	for _, c := range r.result.Containers {
		g.Go(func() error { return r.streamOne(ctx, pod, c.Name) })
	}
	return g.Wait()
}

func (r *logsRun) streamOne(ctx context.Context, pod *corev1.Pod, container string) error {
	body, err := r.open(ctx, pod, container)
	if err != nil {
		return err
	}
	defer body.Close()
	prefix := ""
	if len(r.result.Containers) > 1 {
		prefix = fmt.Sprintf("[%s/%s] ", pod.Name, container)
	}
	if err := eachPiece(body, prefix, func(text string) { r.env.Observe(Output{Text: text}) }); err != nil {
		return endOf(ctx, fmt.Errorf("reading the log of container %q: %w", container, err))
	}
	return nil
}

// eachPiece hands over whole lines, each behind the prefix, as many at once as have arrived. Lines
// longer than maxLogPiece come in pieces; only the first has the prefix.
func eachPiece(r io.Reader, prefix string, emit func(string)) error {
	reader := bufio.NewReaderSize(r, maxLogPiece)
	var lines strings.Builder
	continued := false
	for {
		line, err := reader.ReadSlice('\n')
		if len(line) > 0 && !continued {
			lines.WriteString(prefix)
		}
		lines.Write(line)
		continued = errors.Is(err, bufio.ErrBufferFull)
		if !continued && err != nil {
			if lines.Len() > 0 {
				emit(terminated(lines.String()))
			}
			return ignoreEOF(err)
		}
		if reader.Buffered() == 0 || lines.Len() >= maxLogPiece {
			emit(lines.String())
			lines.Reset()
		}
	}
}

// terminated ends a log whose last line lacks its end.
func terminated(text string) string {
	if strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// suggestContainers lists the containers of a pod.
func suggestContainers(ctx context.Context, env *Env, pod string) []string {
	namespace, _, err := env.Cluster.Namespace()
	if err != nil {
		return nil
	}
	client, err := env.Cluster.Kubernetes()
	if err != nil {
		return nil
	}
	found, err := client.CoreV1().Pods(namespace).Get(ctx, strings.TrimPrefix(pod, "pod/"), metav1.GetOptions{ResourceVersion: "0"})
	if err != nil {
		return nil
	}
	return containerNames(found)
}

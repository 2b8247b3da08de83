package actions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
	"github.com/kubectl-lab/kubectl-lab/pkg/traffic"
)

func trafficAction() Action {
	return Action{
		Words: "traffic",
		Args:  "SERVICE",
		Short: "Send requests through a service and show how they spread over its pods",
		Long: `Starts a short-lived pod that sends HTTP requests through the service, one after another, and shows which pod answered how many, what failed and why, and how long the answers took. It says whether the spread is what a random choice among the pods would give. The pod is deleted at the end, also after Ctrl-C.

The pods must name themselves in the first line of their answer, as those of "create pod --serve-hostname" do.`,
		Group:  GroupLook,
		Effect: Writes,
		Examples: []Example{
			{"Send 100 requests through the manual's service", "traffic nginx-test-svc"},
			{"Through the external IP, 40 requests", "traffic nginx-test-svc -c 40 --via external-ip"},
			{"Keep going while pods come and go", "traffic nginx-test-svc --watch"},
		},
		New: func() Options {
			return &TrafficOptions{Count: 100, Via: string(traffic.ViaClusterIP), Path: "/", Image: ShellImage, RequestTimeout: 2 * time.Second, StartTimeout: time.Minute}
		},
	}
}

// ShellImage is the manual's image with a shell: that of its init container.
const ShellImage = "docker.io/library/alpine:latest"

// mostRequests bounds one run: this is a lab's tool, no load generator.
const mostRequests = 100_000

// TrafficOptions are the options of "traffic".
type TrafficOptions struct {
	DryRunFlag
	Service string
	// Count is the number of requests.
	Count int
	// Watch goes on until interrupted.
	Watch bool
	// Via is the way to the service; see package traffic.
	Via string
	// Port is the service's port; 0 means its first.
	Port int32
	// Path is the path of the requests.
	Path string
	// Image is the sending pod's: a shell and wget.
	Image string
	// RequestTimeout bounds each request; whole seconds count.
	RequestTimeout time.Duration
	// StartTimeout bounds the start of the sending pod.
	StartTimeout time.Duration
}

// Bind implements Options.
func (o *TrafficOptions) Bind(fs *pflag.FlagSet) {
	o.BindDryRun(fs)
	fs.IntVarP(&o.Count, "count", "c", o.Count, "number of requests")
	fs.BoolVar(&o.Watch, "watch", false, "go on until interrupted, and mark when pods come and go")
	fs.StringVar(&o.Via, "via", o.Via, "the way to the service: "+ways())
	fs.Int32Var(&o.Port, "port", 0, "the service's port (default its first)")
	fs.StringVar(&o.Path, "path", o.Path, "the path to ask for")
	fs.StringVar(&o.Image, "image", o.Image, "image of the sending pod; it needs a shell and wget")
	fs.DurationVar(&o.RequestTimeout, "timeout", o.RequestTimeout, "how long one request may take, in whole seconds")
	fs.DurationVar(&o.StartTimeout, "start-timeout", o.StartTimeout, "how long the sending pod may take to start")
	TerminalOnly(fs, "watch")
}

func ways() string {
	var names []string
	for _, way := range traffic.Ways() {
		names = append(names, string(way))
	}
	return strings.Join(names, ", ")
}

// Complete implements Options.
func (o *TrafficOptions) Complete(args []string) error {
	if len(args) != 1 {
		return UsageErrorf("name one service")
	}
	o.Service = strings.TrimPrefix(strings.TrimPrefix(args[0], "service/"), "svc/")
	return nil
}

// Validate implements Options.
func (o *TrafficOptions) Validate() error {
	if err := o.ValidateDryRun(); err != nil {
		return err
	}
	switch {
	case o.Count < 1 || o.Count > mostRequests:
		return UsageErrorf("--count must be from 1 to %d, not %d", mostRequests, o.Count)
	case !slices.Contains(traffic.Ways(), traffic.Via(o.Via)):
		return UsageErrorf("--via must be one of %s, not %q", ways(), o.Via)
	case o.Port < 0 || o.Port > 65535:
		return UsageErrorf("--port must be from 1 to 65535, not %d", o.Port)
	case !strings.HasPrefix(o.Path, "/") || strings.ContainsAny(o.Path, " \t\n'\"`$\\"):
		return UsageErrorf("--path must begin with / and hold no spaces or quotes, not %q", o.Path)
	case o.RequestTimeout < time.Second:
		return UsageErrorf("--timeout must be at least 1s, not %s", o.RequestTimeout)
	case o.StartTimeout <= 0:
		return UsageErrorf("--start-timeout must be more than 0, not %s", o.StartTimeout)
	}
	return nil
}

// Run implements Options.
func (o *TrafficOptions) Run(ctx context.Context, env *Env) (Result, error) {
	run, err := o.prepare(ctx, env)
	if err != nil {
		return nil, err
	}
	if o.DryRunStrategy() != DryRunNone {
		return run.rehearse(ctx)
	}
	err = run.send(ctx)
	result := run.result()
	if o.Watch && errors.Is(err, context.Canceled) && len(run.answers) > 0 {
		return result, nil // the user has seen enough: this is how --watch ends
	}
	if err != nil {
		return result, explainTraffic(err)
	}
	return result, nil
}

// rehearse sends nothing; it shows what would be sent, and asks the server whether the sending pod
// would be admitted.
func (r *trafficRun) rehearse(ctx context.Context) (Result, error) {
	result := r.result()
	result.DryRun = r.DryRunStrategy()
	if r.DryRunStrategy() != DryRunServer {
		return result, nil
	}
	return result, r.sender.Try(ctx, r.load())
}

func explainTraffic(err error) error {
	var notStarted *traffic.NotStartedError
	if errors.As(err, &notStarted) {
		return &Error{Message: notStarted.Error(), Hint: "name an image that the nodes can pull, with a shell and wget: --image", Code: ExitFailed, Err: err}
	}
	return err
}

// prepare finds the service, its addresses and its pods.
func (o *TrafficOptions) prepare(ctx context.Context, env *Env) (*trafficRun, error) {
	client, err := env.Cluster.Streaming()
	if err != nil {
		return nil, err
	}
	namespace, _, err := env.Cluster.Namespace()
	if err != nil {
		return nil, err
	}
	svc, err := client.CoreV1().Services(namespace).Get(ctx, o.Service, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	urls, err := traffic.URLs(ctx, client, svc, traffic.Via(o.Via), o.Port, o.Path)
	if err != nil {
		return nil, &Error{Message: err.Error(), Hint: "see its type and ports: kubectl lab get service " + o.Service + " -n " + namespace, Code: ExitFailed, Err: err}
	}
	run := &trafficRun{TrafficOptions: o, env: env, svc: svc, urls: urls, ever: map[string]traffic.Backend{}}
	run.backends = func(ctx context.Context) ([]traffic.Backend, error) {
		return traffic.Backends(ctx, client, namespace, o.Service)
	}
	run.sender = traffic.Sender{
		Client:       client,
		Namespace:    namespace,
		Image:        o.Image,
		Labels:       map[string]string{ManagedByLabel: ManagedBy, "app.kubernetes.io/name": "lab-traffic"},
		StartTimeout: o.StartTimeout,
	}
	if err := run.look(ctx); err != nil {
		return nil, err
	}
	if len(run.current) == 0 {
		return nil, &Error{
			Message: fmt.Sprintf("service %q has no ready pods", o.Service),
			Hint:    "see what it selects: kubectl lab describe service " + o.Service + " -n " + namespace,
			Code:    ExitFailed,
		}
	}
	return run, nil
}

// trafficRun is one run of the verb.
type trafficRun struct {
	*TrafficOptions
	env      *Env
	svc      *corev1.Service
	urls     []string
	sender   traffic.Sender
	backends func(context.Context) ([]traffic.Backend, error)

	mu      sync.Mutex
	answers []traffic.Answer
	current []string                   // names of the pods that are behind the service now
	ever    map[string]traffic.Backend // pods that were behind it at some time
	moves   []TrafficMove
	started time.Time
}

// TrafficMove is a pod that came behind the service or left while requests were sent.
type TrafficMove struct {
	// AfterSeconds is the time since the first look.
	AfterSeconds float64 `json:"afterSeconds"`
	Pod          string  `json:"pod"`
	// Entered is false if the pod left.
	Entered bool `json:"entered"`
}

// String tells the move without the pod's name.
func (m TrafficMove) String() string {
	verb := "left"
	if m.Entered {
		verb = "entered"
	}
	return fmt.Sprintf("%s after %.1fs", verb, m.AfterSeconds)
}

// Pace of looking at the endpoints and of showing the result so far.
const (
	lookEvery = time.Second
	showEvery = 500 * time.Millisecond
)

// send sends the requests while it watches the service's pods.
func (r *trafficRun) send(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var beside sync.WaitGroup
	look := func(ctx context.Context) { _ = r.look(ctx) } // a missed look is made up by the next
	beside.Go(func() { wait.UntilWithContext(ctx, look, lookEvery) })
	beside.Go(func() { wait.UntilWithContext(ctx, r.show, showEvery) })
	r.env.Observe(Progress{Subject: "service/" + r.Service, Message: "starting the pod that sends the requests"})
	err := r.sender.Send(ctx, r.load(), r.take)
	if err == nil {
		err = r.look(ctx)
	}
	cancel()
	beside.Wait()
	return err
}

// watchPause keeps --watch from being a load test.
const watchPause = 50 * time.Millisecond

func (r *trafficRun) load() traffic.Load {
	load := traffic.Load{URLs: r.urls, Count: r.Count, Timeout: r.RequestTimeout}
	if r.Watch {
		load.Count, load.Pause = 0, watchPause
	}
	return load
}

func (r *trafficRun) take(a traffic.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, a)
}

// look notes which pods are behind the service now.
func (r *trafficRun) look(ctx context.Context) error {
	backends, err := r.backends(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.started.IsZero()
	if first {
		r.started = r.env.Time()
	}
	var names []string
	for _, b := range backends {
		names = append(names, b.Pod)
		r.ever[b.Pod] = b
	}
	if !first {
		r.note(names, r.current, true)
		r.note(r.current, names, false)
	}
	r.current = names
	return nil
}

// note records the pods of one list that are not in the other.
func (r *trafficRun) note(these, those []string, entered bool) {
	for _, pod := range these {
		if !slices.Contains(those, pod) {
			move := TrafficMove{AfterSeconds: r.env.Time().Sub(r.started).Seconds(), Pod: pod, Entered: entered}
			r.moves = append(r.moves, move)
			r.env.Observe(Progress{Subject: "pod/" + pod, Message: move.String()})
		}
	}
}

func (r *trafficRun) show(context.Context) {
	if result := r.result(); result.Requests > 0 {
		r.env.Observe(Partial{Document: result.Document()})
	}
}

func (r *trafficRun) result() *TrafficResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	spread := traffic.Summarize(r.answers, slices.Collect(maps.Values(r.ever)))
	if len(r.moves) > 0 {
		spread.Even = nil // pods that were there for part of the time get less: nothing to judge
	}
	return &TrafficResult{
		Header:    NewHeader("TrafficResult"),
		Namespace: r.svc.Namespace,
		Service:   r.Service,
		Via:       r.Via,
		URLs:      r.urls,
		Moves:     slices.Clone(r.moves),
		Spread:    spread,
	}
}

// Suggest implements Suggester: the services of the namespace.
func (o *TrafficOptions) Suggest(ctx context.Context, env *Env, flag string, args []string, _ string) []string {
	if flag == "via" {
		return strings.Split(ways(), ", ")
	}
	if flag != "" || len(args) > 0 {
		return nil
	}
	client, err := env.Cluster.Metadata()
	if err != nil {
		return nil
	}
	namespace, _, err := env.Cluster.Namespace()
	if err != nil {
		return nil
	}
	list, err := client.Resource(corev1.SchemeGroupVersion.WithResource("services")).Namespace(namespace).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil
	}
	var names []string
	for _, svc := range list.Items {
		names = append(names, svc.Name)
	}
	return names
}

// TrafficResult is how the requests spread.
type TrafficResult struct {
	Header
	Namespace string   `json:"namespace"`
	Service   string   `json:"service"`
	Via       string   `json:"via"`
	URLs      []string `json:"urls"`
	// DryRun is set if nothing was sent.
	DryRun DryRun `json:"dryRun,omitempty"`
	// Moves are the pods that came and went meanwhile.
	Moves []TrafficMove `json:"moves,omitempty"`
	traffic.Spread
}

// Broken implements Finding: a request that fails is what the verb is there to find.
func (r *TrafficResult) Broken() bool { return r.Failed() > 0 }

// Changes implements Changer: the sending pod, which is gone again when the verb ends.
func (r *TrafficResult) Changes() []Change {
	return []Change{{
		Object:  ObjectRef{APIVersion: "v1", Kind: "Pod", Namespace: r.Namespace, Name: traffic.PodPrefix},
		Outcome: OutcomeCreated,
		Message: "for the time of the requests",
	}}
}

// Document implements Result.
func (r *TrafficResult) Document() *document.Document {
	doc := &document.Document{Title: fmt.Sprintf("%d requests to service/%s via %s (%s)", r.Requests, r.Service, r.Via, strings.Join(r.URLs, ", "))}
	if r.DryRun != "" {
		doc.Title = fmt.Sprintf("would send requests to service/%s via %s (%s)%s", r.Service, r.Via, strings.Join(r.URLs, ", "), r.DryRun.suffix())
	}
	bars := document.Bars{}
	answered := r.Requests - r.Failed()
	for _, share := range r.Shares {
		bars.Items = append(bars.Items, shareBar(share, answered))
	}
	doc.Add(bars)
	if answered > 0 {
		doc.Add(document.Facts{{Name: "Latency", Value: document.T(fmt.Sprintf("p50 %s, p99 %s", rounded(r.P50Seconds), rounded(r.P99Seconds)))}})
	}
	if r.Even != nil {
		doc.Add(document.Facts{{Name: "Spread", Value: document.T(r.Even.String())}})
	}
	doc.Add(r.remarks()...)
	return doc
}

func shareBar(share traffic.Share, answered int) document.Bar {
	bar := document.Bar{Label: share.Pod, Value: float64(share.Requests), Tone: document.Good}
	bar.Note = fmt.Sprintf("%d", share.Requests)
	if answered > 0 {
		bar.Note += fmt.Sprintf(" (%d%%)", (share.Requests*100+answered/2)/answered)
	}
	if share.Node != "" {
		bar.Note += " on " + share.Node
	}
	if !share.Known {
		bar.Label, bar.Tone = fmt.Sprintf("%q", share.Pod), document.Warning
		bar.Note += ", not the name of a pod behind the service"
	}
	return bar
}

func (r *TrafficResult) remarks() []document.Block {
	var blocks []document.Block
	var verdicts document.Verdicts
	for _, reason := range slices.Sorted(maps.Keys(r.Failures)) {
		verdicts = append(verdicts, document.Verdict{Status: document.Failed, Message: fmt.Sprintf("%d failed: %s", r.Failures[reason], reason)})
	}
	for _, move := range r.Moves {
		verdicts = append(verdicts, document.Verdict{Status: document.OK, Subject: "pod/" + move.Pod, Message: move.String()})
	}
	if len(verdicts) > 0 {
		blocks = append(blocks, verdicts)
	}
	if slices.ContainsFunc(r.Shares, func(s traffic.Share) bool { return !s.Known }) {
		blocks = append(blocks, document.Note{Text: "Pods name themselves in their answers if made with: kubectl lab create pod NAME --image IMG --serve-hostname"})
	}
	return blocks
}

func rounded(seconds float64) time.Duration {
	d := time.Duration(seconds * float64(time.Second))
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

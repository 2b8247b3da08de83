package actions

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

func createPod() Action {
	return Action{
		Words: "create pod",
		Args:  "NAME --image IMAGE [-- ARG...]",
		Short: "Create a pod, or several of a kind",
		Long: `Creates a pod that runs one container. --count 3 makes NAME-1, NAME-2 and NAME-3.

With --serve-hostname an init container writes the pod's host name into the page that an nginx container serves, so that one can see which pod answered.

Containers are started again when they end, as with kubectl run; --restart=Never leaves them. Words behind -- replace the image's arguments, or its whole command with --command.

A pod of that name with the same content is left unchanged; with other content it is an error.`,
		Group:  GroupChange,
		Effect: Writes,
		Examples: []Example{
			{"Create the manual's first pod", "create pod nginx-test01 --image docker.io/library/nginx:1.15 --port 80"},
			{"Create three pods that show their names, and wait until they are ready", "create pod web --image docker.io/library/nginx:1.15 --port 80 --labels app=nt,step=dev --count 3 --serve-hostname --wait"},
			{"Choose the node by its label", "create pod nginx-test03 --image docker.io/library/nginx:1.15 --node-selector node=node01"},
			{"Run a command", "create pod sleeper --image docker.io/library/alpine:latest --restart=Never --command -- sleep 3600"},
		},
		New: func() Options {
			return &CreatePodOptions{Count: 1, InitImage: defaultInitImage, Restart: string(corev1.RestartPolicyAlways), Timeout: defaultPodTimeout}
		},
	}
}

const (
	// defaultInitImage is the image of the manual's init container.
	defaultInitImage = "docker.io/library/alpine:latest"
	// defaultPodTimeout leaves time to pull an image over a slow line.
	defaultPodTimeout = 2 * time.Minute
	// mostPods bounds --count; a typing mistake should not fill a cluster.
	mostPods = 1000
)

// CreatePodOptions are the options of "create pod".
type CreatePodOptions struct {
	DryRunFlag
	// Name is the pod's name, and its beginning if Count is more than 1.
	Name string
	// Image is the container's image.
	Image string
	// Count is how many pods to make.
	Count int
	// Ports are the container's ports, as PORT[/PROTOCOL].
	Ports []string
	// Labels are more labels, as KEY=VALUE,KEY=VALUE.
	Labels string
	// NodeSelector are labels that the pod's node must have, as KEY=VALUE,KEY=VALUE.
	NodeSelector string
	// Env are environment variables, as NAME=VALUE.
	Env []string
	// Requests and Limits are amounts of resources, as cpu=100m,memory=64Mi.
	Requests, Limits string
	// ServeHostname adds the manual's init container, with InitImage.
	ServeHostname bool
	InitImage     string
	// Restart is the restart policy and PullPolicy the image pull policy, in the API's words.
	Restart, PullPolicy string
	// Command says that Args replace the image's command, not only its arguments.
	Command bool
	Args    []string
	// Wait waits until the pods are ready, at most for Timeout.
	Wait    bool
	Timeout time.Duration

	flags *pflag.FlagSet
}

// Bind implements Options.
func (o *CreatePodOptions) Bind(fs *pflag.FlagSet) {
	o.flags = fs
	o.BindDryRun(fs)
	fs.StringVar(&o.Image, "image", o.Image, "image of the container, e.g. docker.io/library/nginx:1.15")
	fs.IntVar(&o.Count, "count", o.Count, "how many pods to make; more than one are named NAME-1, NAME-2, …")
	fs.StringSliceVar(&o.Ports, "port", nil, "port that the container listens on, e.g. 80 or 53/UDP; may be repeated")
	fs.StringVar(&o.Labels, "labels", "", "labels, e.g. app=nt,step=dev")
	fs.StringVar(&o.NodeSelector, "node-selector", "", "labels that the node must have, e.g. node=node01")
	fs.StringArrayVar(&o.Env, "env", nil, "environment variable NAME=VALUE; may be repeated")
	fs.StringVar(&o.Requests, "requests", "", "resources that the node must have free, e.g. cpu=100m,memory=64Mi")
	fs.StringVar(&o.Limits, "limits", "", "resources that the container may use at most, e.g. cpu=500m,memory=128Mi")
	fs.BoolVar(&o.ServeHostname, "serve-hostname", false, "let an init container write the pod's host name into nginx's page")
	fs.StringVar(&o.InitImage, "init-image", o.InitImage, "image of the init container of --serve-hostname; it needs a shell")
	fs.StringVar(&o.Restart, "restart", o.Restart, "when to start a container again: Always, OnFailure or Never")
	fs.StringVar(&o.PullPolicy, "image-pull-policy", "", "when to pull the images: Always, IfNotPresent or Never (default: by the tag)")
	fs.BoolVar(&o.Command, "command", false, "let the words behind -- replace the image's command, not only its arguments")
	fs.BoolVar(&o.Wait, "wait", false, "wait until the pods are ready, and say why if they cannot start")
	fs.DurationVar(&o.Timeout, "timeout", o.Timeout, "how long --wait waits")
}

// Complete implements Options.
func (o *CreatePodOptions) Complete(args []string) error {
	words := args
	if dash := o.flags.ArgsLenAtDash(); dash >= 0 && dash <= len(args) {
		words, o.Args = args[:dash], args[dash:]
	}
	switch len(words) {
	case 0:
		return UsageErrorf("no pod named: create pod NAME --image IMAGE")
	case 1:
		o.Name = words[0]
		return nil
	}
	return UsageErrorf("unexpected argument %q: name one pod (--count makes several); a command goes behind --", words[1])
}

// Validate implements Options.
func (o *CreatePodOptions) Validate() error {
	if err := o.ValidateDryRun(); err != nil {
		return err
	}
	switch {
	case o.Count < 1 || o.Count > mostPods:
		return UsageErrorf("--count must be between 1 and %d, not %d", mostPods, o.Count)
	case o.Command && len(o.Args) == 0:
		return UsageErrorf("--command needs the command behind --, such as: --command -- sleep 3600")
	case o.Timeout <= 0:
		return UsageErrorf("--timeout must be more than 0, not %s", o.Timeout)
	}
	names := o.names()
	for _, name := range []string{o.Name, names[len(names)-1]} {
		if err := checkPodName(name); err != nil {
			return err
		}
	}
	_, err := o.pod(o.Name, "default")
	return err
}

// checkPodName wants a DNS label: the API would take longer names with dots, but neither as a host
// name nor as the container's name.
func checkPodName(name string) error {
	if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
		return UsageErrorf("pod name %q is not valid: %s", name, problems[0])
	}
	return nil
}

// names are the pods' names.
func (o *CreatePodOptions) names() []string {
	if o.Count == 1 {
		return []string{o.Name}
	}
	names := make([]string, o.Count)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d", o.Name, i+1)
	}
	return names
}

// Run implements Options.
func (o *CreatePodOptions) Run(ctx context.Context, env *Env) (Result, error) {
	namespace, _, err := env.Cluster.Namespace()
	if err != nil {
		return nil, err
	}
	client, err := env.Cluster.Kubernetes()
	if err != nil {
		return nil, err
	}
	names := o.names()
	result := newChangeResult("CreatePodResult", o.DryRunStrategy())
	result.Items = make([]Change, len(names))
	forEach(ctx, len(names), writeWorkers, func(ctx context.Context, i int) {
		pod, err := o.pod(names[i], namespace)
		if err != nil {
			result.Items[i].fail(err)
			return
		}
		result.Items[i], _ = createObject(ctx, client.CoreV1().Pods(namespace), pod, o.DryRunStrategy(), podDifferences)
	})
	if o.Wait && o.DryRunStrategy() == DryRunNone {
		return result, o.waitFor(ctx, env, namespace, result)
	}
	return result, Failures(result.Items, "created")
}

// waitFor waits for the pods that are there, even if others could not be created.
func (o *CreatePodOptions) waitFor(ctx context.Context, env *Env, namespace string, result *ChangeResult) error {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if err := waitForPods(ctx, env, namespace, result.Items); err != nil {
		return err
	}
	return Failures(result.Items, "ready")
}

// Suggest implements Suggester.
func (o *CreatePodOptions) Suggest(ctx context.Context, env *Env, flag string, _ []string, _ string) []string {
	switch flag {
	case "node-selector":
		return suggestNodeLabels(ctx, env)
	case "restart":
		return []string{"Always", "OnFailure", "Never"}
	case "image-pull-policy":
		return []string{"Always", "IfNotPresent", "Never"}
	}
	return suggestCommon(flag)
}

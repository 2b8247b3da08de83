package actions

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// pageVolume is the volume that carries the page from the init container to nginx, pageFolder the
	// folder that nginx serves; both as in the manual.
	pageVolume = "workdir"
	pageFolder = "/usr/share/nginx/html/"
	initName   = "init"
)

// pod builds one pod from the options. Its errors are UsageErrors.
func (o *CreatePodOptions) pod(name, namespace string) (*corev1.Pod, error) {
	container, err := o.container()
	if err != nil {
		return nil, err
	}
	labels, err := ownLabels("--labels", o.Labels)
	if err != nil {
		return nil, err
	}
	selector, err := ParseLabels("--node-selector", o.NodeSelector)
	if err != nil {
		return nil, err
	}
	restart, err := oneOf("--restart", o.Restart, corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever)
	if err != nil {
		return nil, err
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: labels},
		Spec: corev1.PodSpec{
			Containers:    []corev1.Container{*container},
			NodeSelector:  selector,
			RestartPolicy: restart,
		},
	}
	if o.ServeHostname {
		return pod, o.serveHostname(pod)
	}
	return pod, nil
}

func (o *CreatePodOptions) container() (*corev1.Container, error) {
	if err := checkImage("--image", o.Image); err != nil {
		return nil, err
	}
	ports, err := ParseContainerPorts("--port", o.Ports)
	if err != nil {
		return nil, err
	}
	env, err := parseEnv("--env", o.Env)
	if err != nil {
		return nil, err
	}
	resources, err := parseResources(o.Requests, o.Limits)
	if err != nil {
		return nil, err
	}
	pull, err := o.pullPolicy()
	if err != nil {
		return nil, err
	}
	container := &corev1.Container{
		Name:            o.Name,
		Image:           o.Image,
		Ports:           ports,
		Env:             env,
		Resources:       resources,
		ImagePullPolicy: pull,
		// The end of a failing container's log becomes the reason that a wait shows.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
	if o.Command {
		container.Command = o.Args
	} else {
		container.Args = o.Args
	}
	return container, nil
}

func (o *CreatePodOptions) pullPolicy() (corev1.PullPolicy, error) {
	if o.PullPolicy == "" {
		return "", nil
	}
	return oneOf("--image-pull-policy", o.PullPolicy, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)
}

// serveHostname adds the manual's init container, which writes the pod's host name into the page.
func (o *CreatePodOptions) serveHostname(pod *corev1.Pod) error {
	if err := checkImage("--init-image", o.InitImage); err != nil {
		return err
	}
	pod.Spec.InitContainers = []corev1.Container{{
		Name:                     initName,
		Image:                    o.InitImage,
		ImagePullPolicy:          pod.Spec.Containers[0].ImagePullPolicy,
		Command:                  []string{"sh", "-c", "hostname > /temp/index.html"},
		VolumeMounts:             []corev1.VolumeMount{{Name: pageVolume, MountPath: "/temp"}},
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: pageVolume, MountPath: pageFolder}}
	pod.Spec.Volumes = []corev1.Volume{{Name: pageVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	return nil
}

// checkImage parses an image reference as the kubelet will
// (k8s.io/kubernetes/pkg/util/parsers.ParseImageName).
func checkImage(flag, image string) error {
	if image == "" {
		return UsageErrorf("%s is missing: name an image, such as docker.io/library/nginx:1.15", flag)
	}
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		return UsageErrorf("%s: %q is not an image reference: %s", flag, image, err)
	}
	return nil
}

// ownLabels are the labels asked for, and the one that all our objects carry.
func ownLabels(flag, text string) (map[string]string, error) {
	labels, err := ParseLabels(flag, text)
	if err != nil {
		return nil, err
	}
	if value, taken := labels[ManagedByLabel]; taken && value != ManagedBy {
		return nil, UsageErrorf("%s: the label %s is always %q on what kubectl lab creates", flag, ManagedByLabel, ManagedBy)
	}
	labels[ManagedByLabel] = ManagedBy
	return labels, nil
}

// oneOf accepts one of the API's words for a setting, in any case.
func oneOf[T ~string](flag, text string, words ...T) (T, error) {
	i := slices.IndexFunc(words, func(w T) bool { return strings.EqualFold(string(w), text) })
	if i >= 0 {
		return words[i], nil
	}
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = string(w)
	}
	last := len(names) - 1
	return "", UsageErrorf("%s must be %s or %s, not %q", flag, strings.Join(names[:last], ", "), names[last], text)
}

func parseEnv(flag string, words []string) ([]corev1.EnvVar, error) {
	var env []corev1.EnvVar
	for _, word := range words {
		name, value, found := strings.Cut(word, "=")
		if !found {
			return nil, UsageErrorf("%s: %q is not of the form NAME=VALUE", flag, name)
		}
		if problems := validation.IsRelaxedEnvVarName(name); len(problems) > 0 {
			return nil, UsageErrorf("%s: %q is not the name of an environment variable: %s", flag, name, problems[0])
		}
		if slices.ContainsFunc(env, func(v corev1.EnvVar) bool { return v.Name == name }) {
			return nil, UsageErrorf("%s: %q is named twice", flag, name)
		}
		env = append(env, corev1.EnvVar{Name: name, Value: value})
	}
	return env, nil
}

func parseResources(requests, limits string) (corev1.ResourceRequirements, error) {
	var resources corev1.ResourceRequirements
	var err error
	if resources.Requests, err = ParseQuantities("--requests", requests); err != nil {
		return resources, err
	}
	if resources.Limits, err = ParseQuantities("--limits", limits); err != nil {
		return resources, err
	}
	for _, name := range slices.Sorted(maps.Keys(resources.Requests)) {
		request, limit := resources.Requests[name], resources.Limits[name]
		if !limit.IsZero() && request.Cmp(limit) > 0 {
			return resources, UsageErrorf("--requests: %s=%s is more than its limit %s", name, request.String(), limit.String())
		}
	}
	return resources, nil
}

// ParseQuantities reads amounts of resources, such as cpu=100m,memory=64Mi.
// See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
func ParseQuantities(flag, text string) (corev1.ResourceList, error) {
	if text == "" {
		return nil, nil
	}
	list := corev1.ResourceList{}
	for _, pair := range strings.Split(text, ",") {
		name, amount, found := strings.Cut(pair, "=")
		if !found {
			return nil, UsageErrorf("%s: %q is not of the form RESOURCE=QUANTITY, such as cpu=100m", flag, pair)
		}
		if problems := validation.IsQualifiedName(name); len(problems) > 0 {
			return nil, UsageErrorf("%s: %q is not the name of a resource: %s", flag, name, problems[0])
		}
		quantity, err := resource.ParseQuantity(amount)
		if err != nil {
			return nil, UsageErrorf("%s: %s: %q is not a quantity; write for example 100m, 0.5, 64Mi or 1Gi", flag, name, amount)
		}
		if quantity.Sign() < 0 {
			return nil, UsageErrorf("%s: %s must not be negative: %s", flag, name, amount)
		}
		if _, twice := list[corev1.ResourceName(name)]; twice {
			return nil, UsageErrorf("%s: %q is named twice", flag, name)
		}
		list[corev1.ResourceName(name)] = quantity
	}
	return list, nil
}

// podDifferences lists what a pod has otherwise than asked for: everything that the flags of "create
// pod" decide. What the API server adds (defaults, the service account's volume) does not count.
func podDifferences(live, desired *corev1.Pod) []string {
	d := &differences{}
	d.labels("labels", live.Labels, desired.Labels)
	d.selector("node selector", live.Spec.NodeSelector, desired.Spec.NodeSelector)
	d.text("restart policy", string(live.Spec.RestartPolicy), string(desired.Spec.RestartPolicy))
	d.containers("container", live.Spec.Containers, desired.Spec.Containers)
	d.containers("init container", live.Spec.InitContainers, desired.Spec.InitContainers)
	return d.found
}

func (d *differences) containers(what string, live, desired []corev1.Container) {
	names := func(list []corev1.Container) (names []string) {
		for _, c := range list {
			names = append(names, c.Name)
		}
		return names
	}
	d.set(what+"s", names(live), names(desired))
	for _, want := range desired {
		if i := slices.IndexFunc(live, func(c corev1.Container) bool { return c.Name == want.Name }); i >= 0 {
			d.container(fmt.Sprintf("%s %s's ", what, want.Name), live[i], want)
		}
	}
}

func (d *differences) container(of string, live, desired corev1.Container) {
	d.text(of+"image", live.Image, desired.Image)
	d.list(of+"command", live.Command, desired.Command)
	d.list(of+"arguments", live.Args, desired.Args)
	d.set(of+"ports", containerPorts(live), containerPorts(desired))
	d.set(of+"environment", envWords(live), envWords(desired))
	d.set(of+"mounts", mounts(live), mounts(desired))
	d.quantities(of+"requests", live.Resources.Requests, desired.Resources.Requests)
	d.quantities(of+"limits", live.Resources.Limits, desired.Resources.Limits)
	if desired.ImagePullPolicy != "" {
		d.text(of+"image pull policy", string(live.ImagePullPolicy), string(desired.ImagePullPolicy))
	}
}

// quantities compares the amounts asked for; a LimitRange or the limits may have added others.
func (d *differences) quantities(what string, live, desired corev1.ResourceList) {
	for _, name := range slices.Sorted(maps.Keys(desired)) {
		have, want := live[name], desired[name]
		if have.Cmp(want) != 0 {
			d.text(fmt.Sprintf("%s %s", what, name), have.String(), want.String())
		}
	}
}

func containerPorts(c corev1.Container) []string {
	var words []string
	for _, p := range c.Ports {
		words = append(words, fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol))
	}
	return words
}

func envWords(c corev1.Container) []string {
	var words []string
	for _, v := range c.Env {
		words = append(words, v.Name+"="+v.Value)
	}
	return words
}

// mounts are where the volumes that we know of are mounted; the admission plugin ServiceAccount adds
// one more.
func mounts(c corev1.Container) []string {
	const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"
	var words []string
	for _, m := range c.VolumeMounts {
		if m.MountPath != serviceAccount {
			words = append(words, m.MountPath)
		}
	}
	return words
}

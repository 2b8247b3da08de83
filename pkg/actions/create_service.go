package actions

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes"

	"github.com/kubectl-lab/kubectl-lab/pkg/podstate"
)

func createService() Action {
	return Action{
		Words: "create service",
		Args:  "NAME --port [NAME:]PORT[:TARGET][/PROTOCOL] --selector KEY=VALUE",
		Short: "Create a service in front of pods",
		Long: `Creates a service that spreads connections over the pods that its selector matches, and shows which these are now.

A port is [NAME:]PORT[:TARGET][/PROTOCOL]: 8000:80 takes port 8000 to the pods' port 80. Several ports get names if they have none.

A service of that name with the same content is left unchanged; with other content it is an error.`,
		Group:  GroupChange,
		Effect: Writes,
		Examples: []Example{
			{"Create the manual's service", "create service nginx-test-svc --port 8000:80 --selector app=nt --type LoadBalancer --external-ip 192.168.0.111"},
			{"Give several ports names", "create service web --port http:80 --port metrics:9090:metrics --selector app=nt"},
			{"Open a port on every node", "create service web-np --port 80 --selector app=nt --type NodePort --node-port 30080"},
		},
		New: func() Options { return &CreateServiceOptions{Type: string(corev1.ServiceTypeClusterIP)} },
	}
}

// CreateServiceOptions are the options of "create service".
type CreateServiceOptions struct {
	DryRunFlag
	// Name is the service's name.
	Name string
	// Ports are the ports, as [NAME:]PORT[:TARGET][/PROTOCOL].
	Ports []string
	// Selector are the labels of the pods behind the service, as KEY=VALUE,KEY=VALUE.
	Selector string
	// Type is the service's type, in the API's words.
	Type string
	// ExternalIPs are addresses at which nodes accept traffic for the service.
	ExternalIPs []string
	// NodePort is the port on every node of the only port; 0 lets the API server choose.
	NodePort int32
	// ExternalName is the DNS name that a service of type ExternalName stands for.
	ExternalName string
	// Labels are more labels, as KEY=VALUE,KEY=VALUE.
	Labels string
}

// Bind implements Options.
func (o *CreateServiceOptions) Bind(fs *pflag.FlagSet) {
	o.BindDryRun(fs)
	fs.StringSliceVar(&o.Ports, "port", nil, "port, as [NAME:]PORT[:TARGET][/PROTOCOL], e.g. 8000:80; may be repeated")
	fs.StringVar(&o.Selector, "selector", "", "labels of the pods behind the service, e.g. app=nt")
	fs.StringVar(&o.Type, "type", o.Type, "ClusterIP, NodePort, LoadBalancer or ExternalName")
	fs.StringSliceVar(&o.ExternalIPs, "external-ip", nil, "address at which the nodes take traffic for the service; may be repeated")
	fs.Int32Var(&o.NodePort, "node-port", 0, "port on every node, for NodePort and LoadBalancer with one port (default: the API server chooses)")
	fs.StringVar(&o.ExternalName, "external-name", "", "DNS name that a service of type ExternalName stands for")
	fs.StringVar(&o.Labels, "labels", "", "labels of the service itself, e.g. step=dev")
}

// Complete implements Options.
func (o *CreateServiceOptions) Complete(args []string) error {
	var err error
	o.Name, err = oneName("service", "create service NAME --port 8000:80 --selector app=nt", args)
	return err
}

// oneName takes the only argument of a verb that makes one object.
func oneName(kind, usage string, args []string) (string, error) {
	switch len(args) {
	case 0:
		return "", UsageErrorf("no %s named: %s", kind, usage)
	case 1:
		return args[0], nil
	}
	return "", UsageErrorf("unexpected argument %q: name one %s", args[1], kind)
}

// Validate implements Options.
func (o *CreateServiceOptions) Validate() error {
	if err := o.ValidateDryRun(); err != nil {
		return err
	}
	// Services accept names that begin with a digit since Kubernetes 1.34
	// (KEP-5311, RelaxedServiceNameValidation); older servers say so themselves.
	if problems := validation.IsDNS1123Label(o.Name); len(problems) > 0 {
		return UsageErrorf("service name %q is not valid: %s", o.Name, problems[0])
	}
	_, err := o.service("default")
	return err
}

// service builds the service from the options. Its errors are UsageErrors.
func (o *CreateServiceOptions) service(namespace string) (*corev1.Service, error) {
	kind, err := oneOf("--type", o.Type, corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeExternalName)
	if err != nil {
		return nil, err
	}
	labels, err := ownLabels("--labels", o.Labels)
	if err != nil {
		return nil, err
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: o.Name, Namespace: namespace, Labels: labels},
		Spec:       corev1.ServiceSpec{Type: kind},
	}
	if service.Spec.Ports, err = ParseServicePorts("--port", o.Ports); err != nil {
		return nil, err
	}
	if kind == corev1.ServiceTypeExternalName {
		return service, o.externalName(service)
	}
	return service, o.selecting(service)
}

// externalName completes a service that is only another name for a host elsewhere.
func (o *CreateServiceOptions) externalName(service *corev1.Service) error {
	switch {
	case o.ExternalName == "":
		return UsageErrorf("--external-name is missing: a service of type ExternalName stands for a DNS name")
	case o.Selector != "" || len(o.ExternalIPs) > 0 || o.NodePort != 0:
		return UsageErrorf("a service of type ExternalName has neither --selector nor --external-ip nor --node-port")
	}
	if problems := validation.IsDNS1123Subdomain(strings.TrimSuffix(o.ExternalName, ".")); len(problems) > 0 {
		return UsageErrorf("--external-name: %q is not a DNS name: %s", o.ExternalName, problems[0])
	}
	service.Spec.ExternalName = o.ExternalName
	return nil
}

// selecting completes a service that has pods behind it.
func (o *CreateServiceOptions) selecting(service *corev1.Service) error {
	switch {
	case o.ExternalName != "":
		return UsageErrorf("--external-name is only for --type ExternalName")
	case len(o.Ports) == 0:
		return UsageErrorf("--port is missing: a port has the form %s", servicePortForm)
	case o.Selector == "":
		return UsageErrorf("--selector is missing: name the labels of the pods behind the service, such as app=nt")
	}
	var err error
	if service.Spec.Selector, err = ParseLabels("--selector", o.Selector); err != nil {
		return err
	}
	if service.Spec.ExternalIPs, err = parseExternalIPs("--external-ip", o.ExternalIPs); err != nil {
		return err
	}
	return o.nodePort(service)
}

func (o *CreateServiceOptions) nodePort(service *corev1.Service) error {
	switch {
	case o.NodePort == 0:
		return nil
	case o.NodePort < 0 || o.NodePort > 65535:
		return UsageErrorf("--node-port: %d is no port: ports are 1 to 65535, and node ports usually 30000 to 32767", o.NodePort)
	case service.Spec.Type == corev1.ServiceTypeClusterIP:
		return UsageErrorf("--node-port is only for --type NodePort or LoadBalancer")
	case len(service.Spec.Ports) != 1:
		return UsageErrorf("--node-port is only for a service with one --port; leave it out and the API server chooses")
	}
	service.Spec.Ports[0].NodePort = o.NodePort
	return nil
}

// parseExternalIPs accepts the addresses that the API server accepts
// (k8s.io/kubernetes/pkg/apis/core/validation.ValidateNonSpecialIP).
func parseExternalIPs(flag string, words []string) ([]string, error) {
	for i, word := range words {
		ip, err := netip.ParseAddr(word)
		switch {
		case err != nil || ip.Zone() != "":
			return nil, UsageErrorf("%s: %q is not an IP address", flag, word)
		case ip.IsUnspecified() || ip.IsLoopback() || ip.IsMulticast() || ip.IsLinkLocalUnicast():
			return nil, UsageErrorf("%s: %s cannot be the address of a service: it is unspecified, loopback, link-local or multicast", flag, word)
		case slices.Contains(words[:i], word):
			return nil, UsageErrorf("%s: %s is named twice", flag, word)
		}
	}
	return words, nil
}

// Run implements Options.
func (o *CreateServiceOptions) Run(ctx context.Context, env *Env) (Result, error) {
	namespace, _, err := env.Cluster.Namespace()
	if err != nil {
		return nil, err
	}
	client, err := env.Cluster.Kubernetes()
	if err != nil {
		return nil, err
	}
	desired, err := o.service(namespace)
	if err != nil {
		return nil, err
	}
	result := newChangeResult("CreateServiceResult", o.DryRunStrategy())
	change, service := createObject(ctx, client.CoreV1().Services(namespace), desired, o.DryRunStrategy(), serviceDifferences)
	result.Items = []Change{change}
	if change.Err == nil && o.DryRunStrategy() != DryRunClient {
		result.Notes = selectedNotes(ctx, client, service)
	}
	return result, Failures(result.Items, "created")
}

// selectedNotes say which pods a service has behind it now. The service is there already, so what
// cannot be found out is a note too.
func selectedNotes(ctx context.Context, client kubernetes.Interface, service *corev1.Service) []string {
	if len(service.Spec.Selector) == 0 {
		return nil
	}
	selector := labels.SelectorFromSet(service.Spec.Selector).String()
	pods, err := client.CoreV1().Pods(service.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return []string{"which pods it selects could not be read: " + Explain(err).Message}
	}
	if len(pods.Items) == 0 {
		return []string{fmt.Sprintf(
			"selects no pods now: no pod in namespace %q has the labels %s; create some: kubectl lab create pod NAME --image IMAGE --labels %s%s",
			service.Namespace, selector, selector, inNamespace(service.Namespace))}
	}
	notes := []string{selectedPods(pods.Items)}
	for _, port := range service.Spec.Ports {
		if port.TargetPort.Type == intstr.String && !slices.ContainsFunc(pods.Items, hasPort(port.TargetPort.StrVal)) {
			notes = append(notes, fmt.Sprintf("port %d leads nowhere: none of the pods has a container port named %q", port.Port, port.TargetPort.StrVal))
		}
	}
	return notes
}

func selectedPods(pods []corev1.Pod) string {
	const most = 10
	var names []string
	ready := 0
	for i := range pods {
		if podstate.Of(&pods[i]).Phase == podstate.Ready {
			ready++
		}
		if len(names) < most {
			names = append(names, pods[i].Name)
		}
	}
	if more := len(pods) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("selects %s now, %d ready: %s", count(len(pods), "pod"), ready, strings.Join(names, ", "))
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func hasPort(name string) func(corev1.Pod) bool {
	return func(pod corev1.Pod) bool {
		for _, c := range pod.Spec.Containers {
			if slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == name }) {
				return true
			}
		}
		return false
	}
}

// serviceDifferences lists what a service has otherwise than asked for.
func serviceDifferences(live, desired *corev1.Service) []string {
	d := &differences{}
	d.labels("labels", live.Labels, desired.Labels)
	d.text("type", string(live.Spec.Type), string(desired.Spec.Type))
	d.selector("selector", live.Spec.Selector, desired.Spec.Selector)
	d.set("ports", servicePorts(live, desired), servicePorts(desired, desired))
	d.set("external IPs", live.Spec.ExternalIPs, desired.Spec.ExternalIPs)
	d.text("external name", live.Spec.ExternalName, desired.Spec.ExternalName)
	return d.found
}

// servicePorts writes ports as on the command line, with the node port if one was asked for.
func servicePorts(service, desired *corev1.Service) []string {
	withNodePort := len(desired.Spec.Ports) == 1 && desired.Spec.Ports[0].NodePort != 0
	var words []string
	for _, p := range service.Spec.Ports {
		word := fmt.Sprintf("%d:%s/%s", p.Port, p.TargetPort.String(), p.Protocol)
		if p.Name != "" {
			word = p.Name + ":" + word
		}
		if withNodePort {
			word += fmt.Sprintf(" at node port %d", p.NodePort)
		}
		words = append(words, word)
	}
	return words
}

// Suggest implements Suggester.
func (o *CreateServiceOptions) Suggest(ctx context.Context, env *Env, flag string, _ []string, _ string) []string {
	switch flag {
	case "selector":
		return labelPairs(suggestPods(ctx, env))
	case "type":
		return []string{"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"}
	}
	return suggestCommon(flag)
}

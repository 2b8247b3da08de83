package traffic

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Via is the way to a service.
type Via string

// The ways.
const (
	ViaClusterIP  Via = "cluster-ip"
	ViaDNS        Via = "dns"
	ViaNodePort   Via = "node-port"
	ViaExternalIP Via = "external-ip"
)

// Ways lists the ways.
func Ways() []Via { return []Via{ViaClusterIP, ViaDNS, ViaNodePort, ViaExternalIP} }

// NoWayError says that a service cannot be reached in the way asked for.
type NoWayError struct {
	Service string
	Via     Via
	Reason  string
}

func (e *NoWayError) Error() string {
	return fmt.Sprintf("service %q cannot be reached via %s: %s", e.Service, e.Via, e.Reason)
}

// URLs are the addresses of a service's port for a way; requests go to them in turn. Port 0 means the
// service's first.
func URLs(ctx context.Context, client kubernetes.Interface, svc *corev1.Service, via Via, port int32, path string) ([]string, error) {
	chosen, err := choosePort(svc, port)
	if err != nil {
		return nil, err
	}
	hosts, number, err := hostsOf(ctx, client, svc, via, chosen)
	if err != nil {
		return nil, err
	}
	urls := make([]string, len(hosts))
	for i, host := range hosts {
		urls[i] = "http://" + net.JoinHostPort(host, strconv.Itoa(int(number))) + path
	}
	return urls, nil
}

func choosePort(svc *corev1.Service, port int32) (corev1.ServicePort, error) {
	var numbers []int32
	for _, p := range svc.Spec.Ports {
		if p.Protocol != corev1.ProtocolTCP && p.Protocol != "" {
			continue
		}
		if port == 0 || p.Port == port {
			return p, nil
		}
		numbers = append(numbers, p.Port)
	}
	return corev1.ServicePort{}, fmt.Errorf("service %q has no TCP port %d; it has %v", svc.Name, port, numbers)
}

func hostsOf(ctx context.Context, client kubernetes.Interface, svc *corev1.Service, via Via, port corev1.ServicePort) ([]string, int32, error) {
	no := func(reason string) ([]string, int32, error) {
		return nil, 0, &NoWayError{Service: svc.Name, Via: via, Reason: reason}
	}
	switch via {
	case ViaDNS:
		return []string{svc.Name + "." + svc.Namespace + ".svc"}, port.Port, nil
	case ViaNodePort:
		if port.NodePort == 0 {
			return no("its type " + string(svc.Spec.Type) + " has no node port")
		}
		nodes, err := nodeAddresses(ctx, client)
		return nodes, port.NodePort, err
	case ViaExternalIP:
		ips := externalIPs(svc)
		if len(ips) == 0 {
			return no("it has no external IP")
		}
		return ips, port.Port, nil
	default:
		if svc.Spec.ClusterIP == "" || svc.Spec.ClusterIP == corev1.ClusterIPNone {
			return no("it is headless; try dns")
		}
		return []string{svc.Spec.ClusterIP}, port.Port, nil
	}
}

func externalIPs(svc *corev1.Service) []string {
	ips := slices.Clone(svc.Spec.ExternalIPs)
	for _, ingress := range svc.Status.LoadBalancer.Ingress {
		if ingress.IP != "" {
			ips = append(ips, ingress.IP)
		}
	}
	return ips
}

func nodeAddresses(ctx context.Context, client kubernetes.Interface) ([]string, error) {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	var addresses []string
	for _, node := range nodes.Items {
		for _, address := range node.Status.Addresses {
			if address.Type == corev1.NodeInternalIP {
				addresses = append(addresses, address.Address)
				break
			}
		}
	}
	return addresses, nil
}

// Backends are the ready pods behind a service, from its EndpointSlices.
func Backends(ctx context.Context, client kubernetes.Interface, namespace, service string) ([]Backend, error) {
	slicesList, err := client.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + service,
	})
	if err != nil {
		return nil, fmt.Errorf("listing the endpoints of service %q: %w", service, err)
	}
	seen := map[string]Backend{}
	for _, slice := range slicesList.Items {
		for _, endpoint := range slice.Endpoints {
			if b, ok := backendOf(endpoint); ok {
				seen[b.Pod] = b
			}
		}
	}
	backends := make([]Backend, 0, len(seen))
	for _, b := range seen {
		backends = append(backends, b)
	}
	return backends, nil
}

func backendOf(endpoint discoveryv1.Endpoint) (Backend, bool) {
	ready := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
	if !ready || endpoint.TargetRef == nil || endpoint.TargetRef.Kind != "Pod" {
		return Backend{}, false
	}
	b := Backend{Pod: endpoint.TargetRef.Name}
	if endpoint.NodeName != nil {
		b.Node = *endpoint.NodeName
	}
	return b, true
}

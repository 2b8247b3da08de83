package actions

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// dashboardNamespaces are where installers put a dashboard: the dashboard's own manifests and chart,
// Kubespray and kubeadm's add-ons, Headlamp's chart.
func dashboardNamespaces() []string {
	return []string{"kubernetes-dashboard", metav1.NamespaceSystem, "headlamp"}
}

// dashboardServices are the names of Services behind which a dashboard is: Kubernetes Dashboard's up to
// 2.x, the proxy of its chart since 3.0, and Headlamp's.
func dashboardServices() []string {
	return []string{"kubernetes-dashboard", "kubernetes-dashboard-kong-proxy", "headlamp"}
}

// Dashboard is a dashboard's Service and the ways to it.
type Dashboard struct {
	Namespace string `json:"namespace"`
	Service   string `json:"service"`
	// PortForward is a command, and LocalURL what to open while it runs.
	PortForward string `json:"portForward"`
	LocalURL    string `json:"localURL"`
	// ProxyURL leads through the API server, which must accept the browser's credentials.
	ProxyURL string `json:"proxyURL"`
}

// findDashboards looks for a dashboard, and says why there is none to show. It fails in words only: a
// token without it is still a token.
func findDashboards(ctx context.Context, client kubernetes.Interface, config *rest.Config) (found []Dashboard, note string) {
	namespaces := dashboardNamespaces()
	lists := make([][]corev1.Service, len(namespaces))
	errs := make([]error, len(namespaces))
	forEach(ctx, len(namespaces), len(namespaces), func(ctx context.Context, i int) {
		list, err := client.CoreV1().Services(namespaces[i]).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			errs[i] = err
			return
		}
		lists[i] = list.Items
	})
	for _, service := range slices.Concat(lists...) {
		if slices.Contains(dashboardServices(), service.Name) && len(service.Spec.Ports) > 0 {
			found = append(found, newDashboard(&service, config))
		}
	}
	if len(found) > 0 {
		return found, ""
	}
	if failed := slices.IndexFunc(errs, func(err error) bool { return err != nil }); failed >= 0 {
		return nil, "No dashboard found; not everywhere could be looked: " + Explain(errs[failed]).Message + "."
	}
	return nil, "No dashboard found: no Service " + orList(dashboardServices()) + "."
}

// orList joins words as in "a, b or c".
func orList(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func newDashboard(service *corev1.Service, config *rest.Config) Dashboard {
	port := dashboardPort(service)
	scheme, local := "http", 8080
	if isHTTPS(port) {
		scheme, local = "https", 8443
	}
	return Dashboard{
		Namespace:   service.Namespace,
		Service:     service.Name,
		PortForward: fmt.Sprintf("kubectl -n %s port-forward service/%s %d:%d", service.Namespace, service.Name, local, port.Port),
		LocalURL:    fmt.Sprintf("%s://localhost:%d/", scheme, local),
		ProxyURL:    fmt.Sprintf("%s/api/v1/namespaces/%s/services/%s:%s:%s/proxy/", serverURL(config), service.Namespace, scheme, service.Name, proxyPort(service, port)),
	}
}

// dashboardPort prefers HTTPS: over plain HTTP the dashboard accepts no login from elsewhere.
func dashboardPort(service *corev1.Service) corev1.ServicePort {
	ports := service.Spec.Ports
	if i := slices.IndexFunc(ports, isHTTPS); i >= 0 {
		return ports[i]
	}
	return ports[0]
}

func isHTTPS(port corev1.ServicePort) bool {
	return port.Port == 443 || port.Port == 8443 || strings.Contains(port.Name, "https") || strings.Contains(port.Name, "tls")
}

// proxyPort is the last part of a service's name in the API server's proxy: empty for the only port, as
// in the manual's URL.
func proxyPort(service *corev1.Service, port corev1.ServicePort) string {
	if len(service.Spec.Ports) == 1 {
		return ""
	}
	return port.Name
}

func (r *TokenResult) dashboardBlocks() []document.Block {
	if len(r.Dashboards) == 0 {
		return []document.Block{document.Note{Tone: document.Muted, Text: r.DashboardNote}}
	}
	var blocks []document.Block
	for _, d := range r.Dashboards {
		blocks = append(blocks,
			document.Heading{Text: fmt.Sprintf("Dashboard: service/%s in namespace %s", d.Service, d.Namespace)},
			document.Facts{
				{Name: "Run", Value: document.T(d.PortForward)},
				{Name: "then open", Value: document.T(d.LocalURL)},
				{Name: "or, through the API server", Value: document.T(d.ProxyURL)},
			})
	}
	return append(blocks, document.Note{Tone: document.Muted, Text: "Log in with the token. The second address needs a browser that the API server lets in."})
}

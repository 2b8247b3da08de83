package actions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

var _ Suggester = (*DescribeOptions)(nil)

func TestDescribeUsage(t *testing.T) {
	t.Parallel()
	tests := []struct{ line, want string }{
		{"describe cluster now", `unexpected argument "now": there is one cluster only`},
		{"describe -A", "--selector and --all-namespaces need a kind, such as pods"},
		{"describe cluster -l a=b", "--selector and --all-namespaces need a kind, such as pods"},
		{"describe pod a -l a=b", "choose the objects by name or by --selector: only one of them"},
		{"describe pod a -A", "an object is named within one namespace: use -n instead of --all-namespaces"},
		{"describe pods,services", "describe one kind at a time"},
		{"describe pods --limit -1", "--limit must not be negative, but is -1"},
		{"describe pods/", `"pods/" is not of the form KIND/NAME`},
		{"describe pod/a b", `"b" is not of the form KIND/NAME`},
		{"describe pod/a/b", `"pod/a/b" is not of the form KIND/NAME`},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			wantUsageError(t, strings.Fields(tt.line), tt.want)
		})
	}
}

func TestDescribeTargets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		line string
		want []DescribeTarget
	}{
		{"describe", nil},
		{"describe cluster", nil},
		{"describe nodes", []DescribeTarget{{Kind: "nodes"}}},
		{"describe pod a b", []DescribeTarget{{"pod", "a"}, {"pod", "b"}}},
		{"describe pod/a svc/b", []DescribeTarget{{"pod", "a"}, {"svc", "b"}}},
	}
	for _, tt := range tests {
		options, err := parse(tt.line)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, options.(*DescribeOptions).Targets); diff != "" {
			t.Errorf("%s:\n%s", tt.line, diff)
		}
	}
}

func TestDescribeCluster(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.must(t, "describe").(*DescribeResult).Cluster
	if len(d.Unread) > 0 {
		t.Fatalf("not read: %+v", d.Unread)
	}
	// Other tests make nodes of their own meanwhile, which have no kubelet.
	if d.Nodes.Kubelets[d.Version.Server] != 3 || d.Nodes.Ready < 3 || d.Nodes.Roles["control-plane"] != 1 || d.Nodes.Roles["worker"] != d.Nodes.Total-1 {
		t.Errorf("nodes: %+v, want three with kubelets, ready, one of them of the control plane", d.Nodes)
	}
	cpu := resource.Quantity{}
	for _, name := range []string{"k8s01", "k8s02", "k8s03"} {
		node, err := l.client.CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		cpu.Add(*node.Status.Allocatable.Cpu())
	}
	if d.Nodes.Allocatable.CPU.Cmp(cpu) < 0 || cpu.IsZero() {
		t.Errorf("allocatable CPU %s, want %s at least", &d.Nodes.Allocatable.CPU, &cpu)
	}
	if !strings.HasPrefix(d.Version.Server, "v1.") || len(d.Version.Skew) > 0 {
		t.Errorf("version %+v", d.Version)
	}
	if d.PodsByNamespace["kube-system"] == 0 || d.Pods.Total < d.PodsByNamespace["kube-system"] || d.Pods.Containers < d.Pods.Total {
		t.Errorf("pods %+v, by namespace %v", d.Pods, d.PodsByNamespace)
	}
	if d.APIServers != 1 || d.Services.ByType["ClusterIP"] == 0 || *d.Namespaces < 4 {
		t.Errorf("%d API servers, services %+v, %d namespaces", d.APIServers, d.Services, *d.Namespaces)
	}
	if !slices.ContainsFunc(d.System, func(c ComponentDescription) bool { return c.Name == "coredns" && c.Wanted > 0 }) {
		t.Errorf("kube-system: %+v", d.System)
	}
	if len(d.Limits) != 5 || d.Limits[0].Used != d.Nodes.Total || d.Limits[0].Max != 5000 {
		t.Errorf("limits %+v", d.Limits)
	}
}

// TestDescribeClusterFindsFaults: a Deployment that can never run, a service that selects nothing, and
// their warnings are to be seen.
func TestDescribeClusterFindsFaults(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	replicas := int32(2)
	labels := map[string]string{"app": "stuck"}
	_, err := l.client.AppsV1().Deployments(l.namespace).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "stuck"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{NodeSelector: map[string]string{"none": "such"}, Containers: []corev1.Container{{Name: "c", Image: "nginx"}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l.serve(t, l.namespace, "nothing", corev1.ServicePort{Port: 80})
	if _, err := l.client.CoreV1().Services(l.namespace).Patch(t.Context(), "nothing", "application/merge-patch+json", []byte(`{"spec":{"selector":{"no":"pod"}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}

	var d *ClusterDescription
	eventually(t, "the faults are described", func() bool {
		d = l.must(t, "describe").(*DescribeResult).Cluster
		warned := slices.ContainsFunc(d.Warnings.Groups, func(g WarningGroup) bool { return g.Reason == "FailedScheduling" && g.Kind == "Pod" })
		return warned && d.Workloads[0].Short > 0 && *d.Services.WithoutBackends > 0 && d.Pods.ByStatus["Pending"] >= 2
	})
	want := ShortWorkload{Namespace: l.namespace, Name: "stuck", Wanted: 2}
	if d.Workloads[0].Kind != "Deployment" || !slices.Contains(d.Workloads[0].ShortOf, want) {
		t.Errorf("short of replicas: %+v, want %+v among them", d.Workloads[0], want)
	}
	if !slices.Contains(d.Services.WithoutBackendsOf, l.namespace+"/nothing") {
		t.Errorf("without backends: %q", d.Services.WithoutBackendsOf)
	}
	for _, heading := range []string{"Workloads short of replicas", "Recent warnings"} {
		if !slices.Contains(d.document().Blocks, document.Block(document.Heading{Text: heading})) {
			t.Errorf("the document has no %q", heading)
		}
	}
}

// countingConnection counts requests, and how many ran at once.
type countingConnection struct {
	*testConnection
	mu      sync.Mutex
	paths   []string
	running int
	most    int
}

func (c *countingConnection) ToRESTConfig() (*rest.Config, error) {
	config, err := c.testConnection.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			c.count(request.URL.Path, 1)
			defer c.count("", -1)
			return next.RoundTrip(request)
		})
	})
	return config, nil
}

func (c *countingConnection) count(path string, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if path != "" {
		c.paths = append(c.paths, path)
	}
	c.running += by
	c.most = max(c.most, c.running)
}

func TestDescribeRequests(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	connection := &countingConnection{testConnection: &testConnection{l.flags, l.namespace, l.events}}
	l.Cluster = NewCluster(connection)
	result := l.must(t, "describe").(*DescribeResult)
	// One request for each part, all under way before the first has ended; a page of 1,000 warnings
	// may need another.
	if got, want := len(connection.paths), result.Cluster.parts+result.Cluster.Warnings.Total/eventPage; got != want {
		t.Errorf("%d requests, want %d: %q", got, want, connection.paths)
	}
	if connection.most < 2 {
		t.Error("the requests ran one after another")
	}
}

func TestDescribeWhatIsPermitted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	nobody := l.as(t, "nobody")
	result, err := nobody.run(t.Context(), "describe") // everybody may ask the version
	if err != nil {
		t.Fatalf("a description that lacks permissions is an error: %s", explained(err))
	}
	d := result.(*DescribeResult).Cluster
	if d.Version == nil || d.Nodes != nil || d.Pods != nil || len(d.Unread) != d.parts-1 {
		t.Errorf("got %+v", d)
	}
	want := UnreadPart{Part: "nodes", Missing: "list nodes", CanI: "kubectl auth can-i list nodes"}
	if got := d.unread("nodes"); got == nil || got.Part != want.Part || got.Missing != want.Missing || got.CanI != want.CanI {
		t.Errorf("nodes: %+v, want %+v", got, want)
	}
	facts := d.document().Blocks[0].(document.Facts)
	if i := slices.IndexFunc(facts, func(f document.Fact) bool { return f.Name == "Nodes" }); i < 0 || facts[i].Value.Value != "not permitted: list nodes" {
		t.Errorf("facts: %+v", facts)
	}
	if hint := d.permissionHint(); hint != "Ask an administrator for the missing permissions; check with: kubectl auth can-i list nodes" {
		t.Errorf("hint %q", hint)
	}

	l.grant(t, "watchman", &rbacv1.ClusterRole{Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes", "services"}, Verbs: []string{"list"}}}})
	watchman := l.as(t, "watchman")
	eventually(t, "the role is effective", func() bool {
		result, err := watchman.run(t.Context(), "describe")
		if err != nil {
			return false
		}
		d = result.(*DescribeResult).Cluster
		return d.Nodes != nil && d.Services != nil
	})
	if d.Services.WithoutBackends != nil {
		t.Error("it says how many services have no backend without having read the endpoints")
	}
	if text := d.servicesText(); strings.Contains(text.Value, "backend") {
		t.Errorf("services: %q", text.Value)
	}
}

func TestDescribeUnreachable(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	server := "https://127.0.0.1:1"
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig, flags.APIServer = l.flags.KubeConfig, &server
	l.Cluster = NewCluster(&testConnection{flags, l.namespace, l.events})
	result, err := l.run(t.Context(), "describe")
	if result != nil || err == nil || Explain(err).Code != ExitUnreachable {
		t.Errorf("result %v, error %v", result, err)
	}
}

func TestDescribeInterrupted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, line := range []string{"describe", "describe node k8s01"} {
		if _, err := l.run(ctx, line); err == nil || Explain(err).Code != ExitInterrupted {
			t.Errorf("%s: error %v", line, err)
		}
	}
}

func TestNewUnreadPart(t *testing.T) {
	t.Parallel()
	other := newUnreadPart("nodes", errors.New("listing nodes: boom"))
	if other.Error != "listing nodes: boom" || other.String() != "nodes could not be read: listing nodes: boom" {
		t.Errorf("got %+v", other)
	}
	d := &ClusterDescription{parts: 12, Unread: []UnreadPart{other, {Part: "pods", Missing: "list pods"}, {Part: "endpoint slices", Absent: true}}}
	wantError(t, d.failure(), ExitFailed, "1 of 12 not read: nodes: listing nodes: boom")
	d.Unread = d.Unread[1:]
	if err := d.failure(); err != nil {
		t.Errorf("missing permissions and APIs are a failure: %v", err)
	}
	if got := d.Unread[1].String(); got != "this cluster does not serve endpoint slices" {
		t.Errorf("got %q", got)
	}
}

func TestDescribeObjects(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, name := range []string{"web-1", "web-2", "db"} {
		l.must(t, "create pod "+name+" --image "+nginx+" --labels app="+name)
	}
	l.serve(t, l.namespace, "front", corev1.ServicePort{Port: 80})

	tests := []struct {
		line string
		want []string
		text string
	}{
		{"describe node k8s02", []string{"node/k8s02"}, "Allocated resources:"},
		{"describe no/k8s02", []string{"node/k8s02"}, "Non-terminated Pods:"},
		{"describe pod db", []string{"pod/db"}, "Image:          " + nginx},
		{"describe po/db svc/front", []string{"pod/db", "service/front"}, "Selector:"},
		{"describe pods web", []string{"pod/web-1", "pod/web-2"}, "Labels:"},
		{"describe pods", []string{"pod/db", "pod/web-1", "pod/web-2"}, ""},
		{"describe pods -l app=web-1", []string{"pod/web-1"}, ""},
		{"describe service front", []string{"service/front"}, "Type:"},
		{"describe serviceaccounts default", []string{"serviceaccount/default"}, "Image pull secrets:"},
		{"describe sa default", []string{"serviceaccount/default"}, ""},
		{"describe deployments.apps coredns", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			if tt.want == nil {
				_, err := l.run(t.Context(), tt.line)
				wantError(t, err, ExitFailed, "deployment \"coredns\" not found\n→ see what there is: kubectl lab get deployments")
				return
			}
			result := l.must(t, tt.line).(*DescribeResult)
			var got []string
			var text strings.Builder
			for _, d := range result.Objects {
				got = append(got, d.Object.String())
				text.WriteString(d.Text)
				if !strings.Contains(d.Text, d.Object.Name) {
					t.Errorf("%s is described as:\n%s", d.Object, d.Text)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(text.String(), tt.text) {
				t.Errorf("no %q in:\n%s", tt.text, text.String())
			}
			if len(result.Document().Blocks) == 0 {
				t.Error("the document is empty")
			}
		})
	}
}

func TestDescribeObjectsOfAllNamespaces(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	result := l.must(t, "describe services -A -l k8s-app=kube-dns").(*DescribeResult)
	if len(result.Objects) != 1 || result.Objects[0].Object.Namespace != "kube-system" {
		t.Errorf("got %+v", result.Objects)
	}
}

func TestDescribeLimit(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, name := range []string{"a", "b", "c"} {
		l.serve(t, l.namespace, name, corev1.ServicePort{Port: 80})
	}
	result := l.must(t, "describe services --limit 2").(*DescribeResult)
	if len(result.Objects) != 2 || result.Omitted != 1 {
		t.Errorf("%d objects, %d omitted", len(result.Objects), result.Omitted)
	}
	blocks := result.Document().Blocks
	if note, ok := blocks[len(blocks)-1].(document.Note); !ok || note.Text != "1 more are not shown; name them, narrow with -l, or use --limit 0." {
		t.Errorf("last block %+v", blocks[len(blocks)-1])
	}
	if all := l.must(t, "describe services --limit 0").(*DescribeResult); len(all.Objects) != 3 || all.Omitted != 0 {
		t.Errorf("--limit 0: %d objects, %d omitted", len(all.Objects), all.Omitted)
	}
}

func TestDescribeObjectsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	tests := []struct{ line, want string }{
		{"describe pod none", "pod \"none\" not found\n→ see what there is: kubectl lab get pods"},
		{"describe pods", fmt.Sprintf("there are no pods in namespace %q\n→ look elsewhere with -n NAMESPACE or -A", l.namespace)},
		{"describe pods -l a=b", fmt.Sprintf("there are no pods in namespace %q with labels \"a=b\"\n→ look elsewhere with -n NAMESPACE or -A", l.namespace)},
		{"describe k8s02", "the cluster has no kind \"k8s02\"\n→ describe cluster, node, pod or service; see all kinds: kubectl api-resources"},
		{"describe nodes k8s01 k8s99", "1 of 2 not described: node \"k8s99\" not found\n→ see what there is: kubectl lab get nodes"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			_, err := l.run(t.Context(), tt.line)
			wantError(t, err, ExitFailed, tt.want)
		})
	}
	_, err := l.as(t, "nobody").run(t.Context(), "describe node k8s01")
	wantError(t, err, ExitFailed, "forbidden: \"nobody\" may not get nodes\n→ ask an administrator for this permission; check with: kubectl auth can-i get nodes")
}

// TestDescribeHidesTokens: kubectl describe secret, which the manual uses, prints a token in clear.
func TestDescribeHidesTokens(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.createAccount(t, "viewer")
	l.createLegacyToken(t, "viewer")
	secret, err := l.client.CoreV1().Secrets(l.namespace).Get(t.Context(), "viewer-token", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	result := l.must(t, "describe secret viewer-token").(*DescribeResult)
	text := result.Objects[0].Text
	if strings.Contains(text, string(secret.Data["token"])) || !strings.Contains(text, "[not shown here; see: kubectl lab token]") || !strings.Contains(text, "ca.crt:") {
		t.Errorf("describe secret shows:\n%s", text)
	}
}

func TestDescribeSuggest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	options := &DescribeOptions{}
	suggest := func(args ...string) []string { return options.Suggest(t.Context(), l.Env, "", args, "") }
	if got := suggest(); !slices.Contains(got, "node") || !slices.Contains(got, "cluster") {
		t.Errorf("kinds: %q", got)
	}
	if got := suggest("cluster"); got != nil {
		t.Errorf("after cluster: %q", got)
	}
	if got := suggest("nodes"); !slices.Contains(got, "k8s02") {
		t.Errorf("nodes: %q", got)
	}
	if got := suggest("nonsense"); got != nil {
		t.Errorf("of no kind: %q", got)
	}
}

func TestDescribeResultAsJSON(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	data, err := json.Marshal(l.must(t, "describe"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		APIVersion, Kind string
		Cluster          struct {
			Nodes struct {
				Total       int
				Allocatable struct{ CPU, Memory string }
			}
		}
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got.APIVersion != APIVersion || got.Kind != "DescribeResult" || got.Cluster.Nodes.Total < 3 || got.Cluster.Nodes.Allocatable.CPU == "" {
		t.Errorf("got %+v of %s", got, data)
	}
}

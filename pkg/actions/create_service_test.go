package actions

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (l *lab) service(t testing.TB, name string) *corev1.Service {
	t.Helper()
	service, err := l.client.CoreV1().Services(l.namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return service
}

// TestCreateServiceLikeTheManual makes the manual's service, whose external address is deprecated.
func TestCreateServiceLikeTheManual(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	result := l.must(t, "create service nginx-test-svc --port 8000:80 --selector app=nt --type loadbalancer --external-ip 192.168.0.111")
	wantOutcomes(t, result, "service/nginx-test-svc created")
	spec := l.service(t, "nginx-test-svc").Spec
	if spec.Type != corev1.ServiceTypeLoadBalancer || !slices.Equal(spec.ExternalIPs, []string{"192.168.0.111"}) || spec.Selector["app"] != "nt" {
		t.Errorf("spec %+v", spec)
	}
	if p := spec.Ports[0]; p.Port != 8000 || p.TargetPort.IntValue() != 80 || p.NodePort == 0 {
		t.Errorf("port %+v", p)
	}
	if w := l.events.warnings(); len(w) != 1 || !strings.Contains(w[0], "externalIPs is deprecated") {
		t.Errorf("warnings: %v", w)
	}
}

func TestCreateServiceShowsItsPods(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	result := l.must(t, "create service web --port 80:http --selector app=nt")
	want := []string{`selects no pods now: no pod in namespace "` + l.namespace + `" has the labels app=nt; create some: kubectl lab create pod NAME --image IMAGE --labels app=nt -n ` + l.namespace}
	if diff := cmp.Diff(want, result.(*ChangeResult).Notes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	l.must(t, "create pod web --count 12 --labels app=nt --wait --image "+nginx)
	result = l.must(t, "create service web --port 80:http --selector app=nt")
	wantOutcomes(t, result, "service/web unchanged")
	want = []string{
		"selects 12 pods now, 12 ready: web-1, web-10, web-11, web-12, web-2, web-3, web-4, web-5, web-6, web-7, and 2 more",
		`port 80 leads nowhere: none of the pods has a container port named "http"`,
	}
	if diff := cmp.Diff(want, result.(*ChangeResult).Notes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCreateServiceWithoutPermissionToSeePods(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	creator := "creator-" + l.namespace
	l.allow(t, creator, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"create"}})
	result := l.as(t, creator).must(t, "create service web --port 80 --selector app=nt")
	want := []string{`which pods it selects could not be read: forbidden: "` + creator + `" may not list pods in namespace "` + l.namespace + `"`}
	if diff := cmp.Diff(want, result.(*ChangeResult).Notes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCreateServiceSeveralPorts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create service dns --port 53/UDP,53 --port metrics:9153:web --selector k8s-app=dns")
	var got []string
	for _, p := range l.service(t, "dns").Spec.Ports {
		got = append(got, p.Name+" "+string(p.Protocol)+" "+p.TargetPort.String())
	}
	if diff := cmp.Diff([]string{"udp-53 UDP 53", "tcp-53 TCP 53", "metrics TCP web"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCreateServiceAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const line = "create service web --port 80 --selector app=nt --type NodePort"
	l.must(t, line)
	wantOutcomes(t, l.must(t, line), "service/web unchanged")
	for flags, want := range map[string]string{
		"--port 81":                 `ports "80:80/TCP" instead of "tcp-80:80:80/TCP,tcp-81:81:81/TCP"`,
		"--selector app=other":      `selector "app=nt" instead of "app=other"`,
		"--type ClusterIP":          `type "NodePort" instead of "ClusterIP"`,
		"--external-ip 192.168.0.9": `external IPs none instead of "192.168.0.9"`,
		"--labels step=dev":         `labels none instead of "step=dev"`,
	} {
		_, err := l.run(t.Context(), line+" "+flags)
		wantError(t, err, ExitFailed, "service/web already exists with other content: "+want+
			"\n→ choose another name, or delete it first: kubectl lab delete service/web -n "+l.namespace)
	}
	_, err := l.run(t.Context(), "create service other --port 80 --selector app=nt --type NodePort --node-port 1234")
	if err == nil || !strings.Contains(explained(err), "provided port is not in the valid range") {
		t.Errorf("node port out of range: %s", explained(err))
	}
}

func TestCreateServiceExternalName(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create service db --type ExternalName --external-name db.example.com")
	if spec := l.service(t, "db").Spec; spec.ExternalName != "db.example.com" {
		t.Errorf("spec %+v", spec)
	}
}

func TestCreateServiceUsage(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"create service":                                                                 "no service named: create service NAME --port 8000:80 --selector app=nt",
		"create service a b":                                                             `unexpected argument "b": name one service`,
		"create service a":                                                               "--port is missing: a port has the form " + servicePortForm,
		"create service a --port 80":                                                     "--selector is missing: name the labels of the pods behind the service, such as app=nt",
		"create service a --port 80: --selector a=b":                                     `--port: "80:": the target port behind the colon is missing; the form is ` + servicePortForm,
		"create service a --port 80 --selector a":                                        `--selector: "a" is not of the form KEY=VALUE`,
		"create service a --port 80 --selector a=b --type Nodeport2":                     `--type must be ClusterIP, NodePort, LoadBalancer or ExternalName, not "Nodeport2"`,
		"create service a --port 80 --selector a=b --external-ip 300.1.1.1":              `--external-ip: "300.1.1.1" is not an IP address`,
		"create service a --port 80 --selector a=b --external-ip fe80::1%eth0":           `--external-ip: "fe80::1%eth0" is not an IP address`,
		"create service a --port 80 --selector a=b --external-ip 127.0.0.1":              "--external-ip: 127.0.0.1 cannot be the address of a service: it is unspecified, loopback, link-local or multicast",
		"create service a --port 80 --selector a=b --external-ip 10.0.0.1,10.0.0.1":      "--external-ip: 10.0.0.1 is named twice",
		"create service a --port 80 --selector a=b --node-port 30080":                    "--node-port is only for --type NodePort or LoadBalancer",
		"create service a --port 80 --selector a=b --type NodePort --node-port 70000":    "--node-port: 70000 is no port: ports are 1 to 65535, and node ports usually 30000 to 32767",
		"create service a --port 80,81 --selector a=b --type NodePort --node-port 30080": "--node-port is only for a service with one --port; leave it out and the API server chooses",
		"create service a --port 80 --selector a=b --external-name x":                    "--external-name is only for --type ExternalName",
		"create service a --type ExternalName":                                           "--external-name is missing: a service of type ExternalName stands for a DNS name",
		"create service a --type ExternalName --external-name x --selector a=b":          "a service of type ExternalName has neither --selector nor --external-ip nor --node-port",
		"create service a --type ExternalName --external-name x/y":                       `--external-name: "x/y" is not a DNS name: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
		"create service " + strings.Repeat("a", 64) + " --port 80 --selector a=b":        `service name "` + strings.Repeat("a", 64) + `" is not valid: must be no more than 63 characters`,
		"create namespace":              "no namespace named: create namespace NAME",
		"create namespace a b":          `unexpected argument "b": name one namespace`,
		"create namespace A":            `namespace name "A" is not valid: a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
		"create namespace a --labels x": `--labels: "x" is not of the form KEY=VALUE`,
	} {
		wantUsageError(t, []string{line}, want)
	}
}

func TestCreateServiceSuggest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod p --labels app=nt --image "+nginx)
	o := &CreateServiceOptions{}
	eventually(t, "the cache knows the pod", func() bool {
		return slices.Contains(o.Suggest(t.Context(), l.Env, "selector", nil, ""), "app=nt")
	})
	if got := o.Suggest(t.Context(), l.Env, "type", nil, ""); !slices.Contains(got, "NodePort") {
		t.Errorf("--type: %v", got)
	}
}

func TestCreateNamespace(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	name := l.namespace + "-b"
	wantOutcomes(t, l.must(t, "create namespace "+name+" --labels team=a"), "namespace/"+name+" created")
	t.Cleanup(func() { _ = l.client.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{}) })
	wantOutcomes(t, l.must(t, "create namespace "+name), "namespace/"+name+" unchanged")
	_, err := l.run(t.Context(), "create namespace "+name+" --labels team=b")
	wantError(t, err, ExitFailed, "namespace/"+name+` already exists with other content: label team "a" instead of "b"`+
		"\n→ choose another name, or delete it first: kubectl lab delete namespace/"+name)

	wantOutcomes(t, l.must(t, "create namespace default"), "namespace/default unchanged: not made by kubectl lab, left as it is")

	result := l.must(t, "create namespace kube-mine --dry-run=server")
	if diff := cmp.Diff([]string{`names that begin with "kube-" are meant for Kubernetes' own namespaces`}, result.(*ChangeResult).Notes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	_, err = l.as(t, "nobody").run(t.Context(), "create namespace x")
	wantError(t, err, ExitFailed, "forbidden: \"nobody\" may not create namespaces\n→ ask an administrator for this permission; check with: kubectl auth can-i create namespaces")
}

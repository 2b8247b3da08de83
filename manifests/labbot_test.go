package manifests_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubectl-lab/kubectl-lab/internal/slackbot"
	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// What manifests/labbot/config.yaml has in it.
const (
	configuredUser  = "slack:T00000000:U00000000"
	configuredGroup = "lab-admins"
)

// kubectl is kubectl with a kubeconfig and nothing else of its user.
type kubectl struct {
	binary, kubeconfig, home string
}

func newKubectl(t *testing.T, kubeconfig string) kubectl {
	t.Helper()
	binary, err := testcluster.Kubectl()
	check(t, err)
	return kubectl{binary: binary, kubeconfig: kubeconfig, home: t.TempDir()}
}

// try runs a command and returns what it prints.
func (k kubectl) try(t *testing.T, stdin []byte, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), k.binary, args...)
	command.Env = []string{"KUBECONFIG=" + k.kubeconfig, "HOME=" + k.home}
	command.Stdin = bytes.NewReader(stdin)
	output, err := command.CombinedOutput()
	return string(output), err
}

// run runs a command that must work.
func (k kubectl) run(t *testing.T, args ...string) string {
	t.Helper()
	return k.pipe(t, nil, args...)
}

func (k kubectl) pipe(t *testing.T, stdin []byte, args ...string) string {
	t.Helper()
	output, err := k.try(t, stdin, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return output
}

// strictly are the flags with which nothing is passed over: unknown fields and warnings are errors.
func strictly() []string {
	return []string{"--server-side", "--validate=strict", "--warnings-as-errors"}
}

// TestLabbot installs labbot as docs/slack.md does, on a real API server that enforces the restricted
// pod security, and looks at what the bot's account may do then.
func TestLabbot(t *testing.T) {
	cluster := testcluster.New(t, testcluster.Options{})
	k := newKubectl(t, cluster.Kubeconfig)
	k.run(t, append(strictly(), "apply", "-f", "labbot/namespace.yaml")...)
	k.run(t, "-n", "labbot", "create", "secret", "generic", "labbot-slack", "--from-literal=bot-token=xoxb-1", "--from-literal=app-token=xapp-1")
	k.pipe(t, rbac(t), append(strictly(), "apply", "-f", "-")...)
	k.run(t, append(strictly(), "apply", "-k", "labbot")...)

	t.Run("the pods are admitted and become available", func(t *testing.T) {
		k.run(t, "-n", "labbot", "rollout", "status", "deployment/labbot", "--timeout=2m")
		if got := k.run(t, "-n", "labbot", "get", "deployment", "labbot", "-o", "jsonpath={.status.availableReplicas}"); got != "2" {
			t.Errorf("%s replicas are available, want 2", got)
		}
		k.run(t, "-n", "labbot", "wait", "poddisruptionbudget/labbot", "--for=jsonpath={.status.disruptionsAllowed}=1", "--timeout=1m")
		k.run(t, "-n", "labbot", "wait", "endpointslice", "-l", "kubernetes.io/service-name=labbot", "--for=jsonpath={.endpoints[1].conditions.ready}=true", "--timeout=1m")
	})
	t.Run("a second time changes nothing", func(t *testing.T) {
		before := generations(t, k)
		k.run(t, append(strictly(), "apply", "-k", "labbot")...)
		k.pipe(t, rbac(t), append(strictly(), "apply", "-f", "-")...)
		if after := generations(t, k); after != before {
			t.Errorf("generations before:\n%s\nafter:\n%s", before, after)
		}
	})
	t.Run("components", func(t *testing.T) { components(t, k) })
	t.Run("rights", func(t *testing.T) { rights(t, k) })
	t.Run("impersonation", func(t *testing.T) { impersonation(t, k) })
}

// rbac is what "labbot rbac" prints for the configuration of the manifests.
func rbac(t *testing.T) []byte {
	t.Helper()
	manifest, err := slackbot.RBACOf(t.Context(), "labbot/config.yaml", actions.All(), "labbot", "labbot", slackbot.Secrets{}, "")
	check(t, err)
	return manifest
}

// generations change with what objects are to be.
func generations(t *testing.T, k kubectl) string {
	t.Helper()
	return k.run(t, "-n", "labbot", "get", "deployments,networkpolicies,poddisruptionbudgets",
		"-o", `jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.generation}{"\n"}{end}`)
}

// components renders the manifests with the optional parts, and lets the API server try what it knows.
func components(t *testing.T, k kubectl) {
	overlay := overlayWith(t, "http")
	k.run(t, append(strictly(), "apply", "-k", overlay, "--dry-run=server")...)
	rendered := k.run(t, "kustomize", overlay)
	for _, want := range []string{"--http=:8080", "SLACK_SIGNING_SECRET_FILE", "targetPort: slack", "- port: slack"} {
		if !strings.Contains(rendered, want) {
			t.Errorf("the component http has no %q", want)
		}
	}
	if strings.Contains(rendered, "SLACK_APP_TOKEN") {
		t.Error("the component http needs an app token, which HTTP has no use for")
	}
	// The kind is the Prometheus operator's, which the test cluster does not have.
	rendered = k.run(t, "kustomize", overlayWith(t, "servicemonitor"))
	if !strings.Contains(rendered, "kind: ServiceMonitor") || !strings.Contains(rendered, "path: /metrics\n    port: health") {
		t.Errorf("the component servicemonitor does not scrape the port health:\n%s", rendered)
	}
}

// overlayWith is a kustomization of the manifests with one component.
func overlayWith(t *testing.T, component string) string {
	t.Helper()
	dir := t.TempDir()
	here, err := os.Getwd()
	check(t, err)
	base, err := filepath.Rel(dir, filepath.Join(here, "labbot"))
	check(t, err)
	text := fmt.Sprintf("resources: [%s]\ncomponents: [%s/components/%s]\n", base, base, component)
	check(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600))
	return dir
}

// rights asks the API server what the bot's account may do.
func rights(t *testing.T, k kubectl) {
	for _, test := range []struct {
		question string
		want     string
	}{
		{"impersonate groups/system:masters", "no"},
		{"impersonate groups/system:authenticated", "no"},
		{"impersonate groups", "no"},
		{"impersonate users", "no"},
		{"impersonate users/kubernetes-admin", "no"},
		{"impersonate users/system:kube-controller-manager", "no"},
		{"impersonate users/slack:T00000000:U11111111", "no"},
		{"impersonate serviceaccounts/labbot -n labbot", "no"},
		{"impersonate uids", "no"},
		{"impersonate users/" + configuredUser, "yes"},
		{"impersonate groups/" + configuredGroup, "yes"},
		{"create leases.coordination.k8s.io -n labbot", "yes"},
		{"delete leases.coordination.k8s.io -n labbot", "yes"},
		{"create leases.coordination.k8s.io -n default", "no"},
		{"get leases.coordination.k8s.io -n kube-system", "no"},
		{"get secrets -n labbot", "no"},
		{"get configmaps -n labbot", "no"},
		{"list pods -A", "no"},
		{"create serviceaccounts/token -n kube-system", "no"},
		{"escalate clusterroles", "no"},
		{"bind clusterroles", "no"},
		{"* *", "no"},
	} {
		args := append([]string{"auth", "can-i", "--as=system:serviceaccount:labbot:labbot"}, strings.Fields(test.question)...)
		output, _ := k.try(t, nil, args...) // "no" is an exit code too
		lines := strings.Fields(output)
		if got := lines[len(lines)-1]; got != test.want {
			t.Errorf("can-i %s: %s, want %s", test.question, output, test.want)
		}
	}
}

// impersonation acts with the account's own token: as a configured person it may do what that person
// may, and as nobody else anything.
func impersonation(t *testing.T, k kubectl) {
	k.run(t, "create", "clusterrolebinding", configuredGroup, "--clusterrole=view", "--group="+configuredGroup)
	bot := newKubectl(t, botKubeconfig(t, k))
	bot.run(t, "get", "pods", "-n", "labbot", "--as="+configuredUser, "--as-group="+configuredGroup)
	for _, test := range []struct{ args, want string }{
		{"get pods -n labbot", `User "system:serviceaccount:labbot:labbot" cannot list resource "pods"`},
		{"get secrets -n labbot --as=" + configuredUser + " --as-group=" + configuredGroup, `User "` + configuredUser + `" cannot list resource "secrets"`},
		{"get pods --as=" + configuredUser + " --as-group=system:masters", `cannot impersonate resource "groups"`},
		{"get pods --as=slack:T00000000:U11111111 --as-group=" + configuredGroup, `cannot impersonate resource "users"`},
	} {
		output, err := bot.try(t, nil, strings.Fields(test.args)...)
		if err == nil || !strings.Contains(output, test.want) {
			t.Errorf("kubectl %s: %v, want %q\n%s", test.args, err, test.want, output)
		}
	}
}

// botKubeconfig is a kubeconfig with the token of the bot's account and no other credential.
func botKubeconfig(t *testing.T, k kubectl) string {
	t.Helper()
	token := strings.TrimSpace(k.run(t, "-n", "labbot", "create", "token", "labbot"))
	config, err := clientcmd.LoadFromFile(k.kubeconfig)
	check(t, err)
	for name := range config.AuthInfos {
		config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token}
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	check(t, clientcmd.WriteToFile(*config, path))
	return path
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

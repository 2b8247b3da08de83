package checks_test

import (
	"context"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/checks"
)

// TestChecksAreWhole holds every check to its declaration: unique, documented, in a category, and
// without a cycle in what it needs.
func TestChecksAreWhole(t *testing.T) {
	all := checks.All()
	if len(all) < 60 {
		t.Errorf("%d checks, want at least 60", len(all))
	}
	byID := map[string]checks.Check{}
	for _, c := range all {
		if _, twice := byID[c.ID]; twice {
			t.Errorf("%s: declared twice", c.ID)
		}
		byID[c.ID] = c
	}
	for _, c := range all {
		verifyNeeds(t, byID, c, nil)
		if !slices.Contains(checks.Categories(), c.Category) || !strings.HasPrefix(c.ID, string(c.Category)+"-") {
			t.Errorf("%s: category %q", c.ID, c.Category)
		}
		if c.Asserts == "" || c.Hint == "" || strings.HasSuffix(c.Asserts, ".") {
			t.Errorf("%s: asserts %q, hint %q", c.ID, c.Asserts, c.Hint)
		}
		if !slices.Contains([]checks.Severity{checks.Fatal, checks.Error, checks.Warning, checks.Info}, c.Severity) {
			t.Errorf("%s: severity %q", c.ID, c.Severity)
		}
	}
}

// verifyNeeds follows what a check needs: all of it must exist, and none of it need the check itself.
func verifyNeeds(t *testing.T, byID map[string]checks.Check, c checks.Check, path []string) {
	t.Helper()
	if slices.Contains(path, c.ID) {
		t.Errorf("%s needs itself: %v", c.ID, path)
		return
	}
	for _, need := range c.Needs {
		needed, exists := byID[need]
		if !exists {
			t.Errorf("%s needs %s, which does not exist", c.ID, need)
			continue
		}
		verifyNeeds(t, byID, needed, append(slices.Clone(path), c.ID))
	}
}

// TestChecksAreDocumented holds docs/checks.md to the checks: a section for each, and none besides.
func TestChecksAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range regexp.MustCompile(`(?m)^##+ `).Split(string(doc), -1) {
		title, text, _ := strings.Cut(section, "\n")
		sections[title] = text
	}
	for _, c := range checks.All() {
		text, found := sections[c.ID]
		for _, part := range []string{"(" + string(c.Severity) + ")", "*" + sentence(c), "\n- Look: `", "\n- Mend: "} {
			if found && !strings.Contains(text, part) {
				t.Errorf("%s: its section has no %q", c.ID, strings.TrimSpace(part))
			}
		}
	}
	var ids, documented []string
	for _, c := range checks.All() {
		ids = append(ids, c.ID)
	}
	for title := range sections {
		if strings.Contains(title, "-") && strings.ToLower(title) == title {
			documented = append(documented, title)
		}
	}
	slices.Sort(ids)
	slices.Sort(documented)
	if diff := cmp.Diff(ids, documented); diff != "" {
		t.Errorf("checks (-) and sections of docs/checks.md (+):\n%s", diff)
	}
}

// TestChecksDeclareTheirReads runs each check alone, so that none lives on what another has read.
func TestChecksDeclareTheirReads(t *testing.T) {
	src := source(t, config(t))
	for _, c := range checks.All() {
		selected, err := checks.Select(checks.All(), []string{string(c.Category)})
		if err != nil {
			t.Fatal(err)
		}
		alone := slices.DeleteFunc(selected, func(other checks.Check) bool { return other.ID != c.ID })
		for _, r := range run(t, src, checks.Config{}, alone...).Results {
			if r.Status == checks.StatusFailed && r.Severity != checks.Info {
				t.Errorf("%s alone: %s", r.ID, r.Message)
			}
		}
	}
}

// sentence is what a check asserts, as its section says it.
func sentence(c checks.Check) string {
	if checks.IsAddon(c.ID) {
		return strings.ToUpper(c.Asserts[:1]) + c.Asserts[1:] + ", if installed, is complete."
	}
	return strings.ToUpper(c.Asserts[:1]) + c.Asserts[1:] + "."
}

func TestSelect(t *testing.T) {
	selected, err := checks.Select(checks.All(), []string{"dns"})
	if err != nil {
		t.Fatal(err)
	}
	categories := map[checks.Category]bool{}
	for _, c := range selected {
		categories[c.Category] = true
	}
	// What DNS needs comes along.
	if diff := cmp.Diff([]checks.Category{"api", "dns"}, slices.Sorted(maps.Keys(categories))); diff != "" {
		t.Error(diff)
	}
	if _, err := checks.Select(checks.All(), []string{"weather"}); err == nil || !strings.Contains(err.Error(), "weather") {
		t.Errorf("unknown category: %v", err)
	}
}

// TestForbiddenIsSkipped asks as somebody who may only see nodes: the rest is skipped with the
// permission that is missing, and nothing of it counts as healthy.
func TestForbiddenIsSkipped(t *testing.T) {
	l := newLab(t)
	l.create(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: node-viewer}
rules: [{apiGroups: [""], resources: [nodes], verbs: [list]}]`)
	l.create(binding("node-viewer", "node-viewer", "{apiGroup: rbac.authorization.k8s.io, kind: User, name: node-viewer}"))
	cfg := config(t)
	cfg.Impersonate = rest.ImpersonationConfig{UserName: "node-viewer"}
	var report *checks.Report
	l.until("the binding is in force", func(context.Context) (bool, error) {
		report = run(t, source(t, cfg), checks.Config{})
		return slices.ContainsFunc(report.Results, func(r checks.Result) bool {
			return r.ID == "nodes-ready" && r.Status == checks.StatusOK
		}), nil
	})
	byID := map[string]checks.Result{}
	for _, r := range report.Results {
		byID[r.ID] = r
		if r.Broken() {
			t.Errorf("%s: %s: %s", r.ID, r.Severity, r.Message)
		}
	}
	for id, permission := range map[string]string{
		"nodes-heartbeat":       `list leases.coordination.k8s.io in namespace "kube-node-lease"`,
		"workloads-crash-loops": "list pods",
		"storage-default-class": "list storageclasses.storage.k8s.io",
		"network-proxy-mode":    `get configmaps "kube-proxy" in namespace "kube-system"`,
		"access-legacy-tokens":  "list secrets",
	} {
		r := byID[id]
		if r.Status != checks.StatusSkipped || r.MissingPermission == nil || r.MissingPermission.String() != permission {
			t.Errorf("%s: %s, missing %v, want %s", id, r.Status, r.MissingPermission, permission)
			continue
		}
		if !strings.Contains(r.Hint, r.MissingPermission.CanI()) {
			t.Errorf("%s: hint %q does not say how to ask", id, r.Hint)
		}
	}
	if sum := report.Summary(); sum.NotPermitted < 50 || !strings.Contains(sum.String(), "skipped: not permitted") {
		t.Errorf("summary %q", sum)
	}
}

// exchange is one request, from its start to the end of its answer's header.
type exchange struct {
	path        string
	start, stop time.Duration
}

// meter measures requests, each held up by the same delay, so that requests that wait for each other
// can be told from those that don't.
type meter struct {
	mu        sync.Mutex
	begun     time.Time
	exchanges []exchange
}

const meterDelay = 300 * time.Millisecond

func (m *meter) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		start := time.Since(m.begun)
		response, err := next.RoundTrip(r)
		time.Sleep(meterDelay) // the network's latency
		m.mu.Lock()
		defer m.mu.Unlock()
		m.exchanges = append(m.exchanges, exchange{r.URL.Path, start, time.Since(m.begun)})
		return response, err
	})
}

// chain is the longest sequence of requests of which each began after the one before had ended.
func (m *meter) chain() []string {
	slices.SortFunc(m.exchanges, func(a, b exchange) int { return int(a.stop - b.stop) })
	var chain []string
	var end time.Duration
	for _, e := range m.exchanges {
		if e.start >= end {
			chain, end = append(chain, e.path), e.stop
		}
	}
	return chain
}

// TestRequests counts the requests of the whole of status on three nodes, with a crashing pod, which
// takes the longest way: the API server, the pods, the pod, its log. With an inventory, the pods' range
// is missing from kubeadm's configuration, so that the network plugins' have to be read too.
func TestRequests(t *testing.T) {
	l := newLab(t)
	l.running(pod("default", "crashing", ""), "default", "crashing")
	l.patch("v1", "Pod", "default", "crashing", "status", containerStatus(`"ready":false,"restartCount":7,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":3}}`), "")
	t.Run("status", func(t *testing.T) { l.in(t).countRequests(checks.Config{}) })
	t.Run("status --inventory", func(t *testing.T) {
		l := l.in(t)
		l.patchConfig("kubeadm-config", "ClusterConfiguration", "kubernetesVersion: v1.37.2\nnetworking: {dnsDomain: cluster.local, serviceSubnet: 10.233.0.0/18}\n")
		l.countRequests(checks.Config{Declared: declare(t, testcluster.Inventory)})
	})
}

func (l *lab) countRequests(with checks.Config) {
	l.Helper()
	cfg := config(l.T)
	m := &meter{begun: time.Now()}
	cfg.Wrap(m.wrap)
	report := run(l.T, source(l.T, cfg), with)
	if found := findings(report); len(found) != 1 || found[0].ID != "workloads-crash-loops" {
		l.Errorf("findings: %v", found)
	}
	// The request without credentials goes past the meter: it is made of nothing that this user has.
	const unmetered = 1
	chain := m.chain()
	l.Logf("%d requests, the longest chain %v", len(m.exchanges)+unmetered, chain)
	if total := len(m.exchanges) + unmetered; total > 40 {
		l.Errorf("%d requests, want at most 40", total)
	}
	if len(chain) > 4 {
		l.Errorf("%d sequential requests, want at most 4", len(chain))
	}
	seen := map[string]int{}
	for _, e := range m.exchanges {
		seen[e.path]++
	}
	for path, n := range seen {
		if n > 1 {
			l.Errorf("%s was asked %d times", path, n)
		}
	}
}

// TestWait breaks DNS, mends it meanwhile, and expects the waiting to end with the same verdict as a
// run without it, having asked again only what failed.
func TestWait(t *testing.T) {
	l := newLab(t)
	l.patch("apps/v1", "Deployment", "kube-system", "coredns", "", `{"spec":{"replicas":0}}`, `{"spec":{"replicas":2}}`)
	awaitFindings(l, nil, checks.Config{}, []string{"dns-server"}, nil)
	mend := func(r checks.Result) {
		if r.ID == "dns-server" && r.Attempts == 1 {
			l.patch("apps/v1", "Deployment", "kube-system", "coredns", "", `{"spec":{"replicas":2}}`, "")
		}
	}
	runner := checks.Runner{Checks: checks.All(), Source: source(t, config(t)), Wait: time.Minute, Observer: &observer{finished: mend}}
	report, err := runner.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Broken() {
			t.Errorf("%s: %s", r.ID, r.Message)
		}
		again := strings.HasPrefix(r.ID, "dns-") && r.ID != "dns-nodelocal" && r.ID != "dns-autoscaler"
		if again != (r.Attempts > 1) {
			t.Errorf("%s ran %d times", r.ID, r.Attempts)
		}
	}
	awaitFindings(l, nil, checks.Config{}, nil, nil)
}

// TestWaitGivesUp expects the last findings when time is up, and no waiting for what cannot mend
// itself.
func TestWaitGivesUp(t *testing.T) {
	l := newLab(t)
	l.create(storageClass("one", "example.com/fault", "true"))
	l.create(storageClass("two", "example.com/fault", "true"))
	begun := time.Now()
	runner := checks.Runner{Checks: checks.All(), Source: source(t, config(t)), Wait: time.Minute}
	report, err := runner.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if found := findings(report); len(found) != 1 || found[0].ID != "storage-default-class" || found[0].Attempts != 1 {
		t.Errorf("findings: %+v", found)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("waited %s for two default StorageClasses", took)
	}
	l.create(workload("Deployment", "kube-system", "fault", "", true))
	l.until("the Deployment is seen", func(ctx context.Context) (bool, error) {
		d, err := l.client.AppsV1().Deployments("kube-system").Get(ctx, "fault", metav1.GetOptions{})
		return err == nil && d.Status.Replicas == 1, nil
	})
	runner.Wait = 2500 * time.Millisecond
	if report, err = runner.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range findings(report) {
		if r.ID == "workloads-system-deployments" && r.Attempts < 2 {
			t.Errorf("%s ran %d times", r.ID, r.Attempts)
		}
	}
	// The verdict is that of a run that doesn't wait.
	var waited, once []string
	for _, r := range findings(report) {
		waited = append(waited, r.ID+": "+r.Message)
	}
	for _, r := range findings(run(t, source(t, config(t)), checks.Config{})) {
		once = append(once, r.ID+": "+r.Message)
	}
	if diff := cmp.Diff(once, waited); diff != "" || len(once) != 2 {
		t.Errorf("findings without (-) and with waiting (+):\n%s", diff)
	}
}

// observer is two functions as a checks.Observer.
type observer struct {
	planned  func([]checks.Result)
	finished func(checks.Result)
}

func (o *observer) Planned(all []checks.Result) {
	if o.planned != nil {
		o.planned(all)
	}
}

func (o *observer) Finished(r checks.Result) {
	if o.finished != nil {
		o.finished(r)
	}
}

func TestObserverSeesEverything(t *testing.T) {
	seen := map[string]checks.Status{}
	watch := &observer{
		planned: func(all []checks.Result) {
			for _, r := range all {
				seen[r.ID] = r.Status
			}
		},
		finished: func(r checks.Result) {
			if seen[r.ID] != checks.StatusPending {
				t.Errorf("%s was %s before it finished", r.ID, seen[r.ID])
			}
			seen[r.ID] = r.Status
		},
	}
	report, err := checks.Runner{Checks: checks.All(), Source: source(t, config(t)), Observer: watch}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if seen[r.ID] != r.Status {
			t.Errorf("%s: observed %s, reported %s", r.ID, seen[r.ID], r.Status)
		}
	}
}

// TestUnreachable asks a server that isn't there.
func TestUnreachable(t *testing.T) {
	cfg := &rest.Config{Host: "https://127.0.0.1:1"}
	report, err := checks.Runner{Checks: checks.All(), Source: source(t, cfg)}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if report.Unreachable == nil {
		t.Error("reached")
	}
	for _, r := range report.Results {
		if want := r.ID == "api-reachable"; want != r.Broken() || r.Status == checks.StatusOK {
			t.Errorf("%s: %s %s", r.ID, r.Status, r.Message)
		}
	}
}

// TestEtcdDown stops etcd: it is found, what can be asked without it is told from what cannot, and
// nothing of the latter is called healthy.
func TestEtcdDown(t *testing.T) {
	t.Parallel() // and so after all others, for which the cluster would be too shaken
	newLab(t).stop(testcluster.Etcd)
	report := run(t, source(t, config(t)), checks.Config{ReadTimeout: 12 * time.Second})
	byID := map[string]checks.Result{}
	for _, r := range report.Results {
		byID[r.ID] = r
	}
	if found := findings(report); len(found) != 1 || found[0].ID != "control-plane-etcd" {
		t.Errorf("findings: %+v", found)
	}
	for _, id := range []string{"api-answers", "nodes-ready", "dns-server", "workloads-services"} {
		if byID[id].Status != checks.StatusSkipped {
			t.Errorf("%s is %s: %s", id, byID[id].Status, byID[id].Message)
		}
	}
}

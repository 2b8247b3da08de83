package actions

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// nodeLabel is the value of a label on a node; absent is "<none>".
func (l *lab) nodeLabel(t *testing.T, node, key string) string {
	t.Helper()
	n, err := l.client.CoreV1().Nodes().Get(t.Context(), node, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if value, has := n.Labels[key]; has {
		return value
	}
	return "<none>"
}

// node makes a node of the test's own, without a kubelet.
func (l *lab) node(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	if _, err := l.client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.client.CoreV1().Nodes().Delete(t.Context(), name, metav1.DeleteOptions{}) })
}

// outcomes lists a result's changes as "object outcome: message".
func outcomes(result Result) []string {
	var lines []string
	for _, c := range result.(Changer).Changes() {
		line := c.Object.String() + " " + string(c.Outcome)
		if c.Message != "" && c.Err == nil {
			line += ": " + c.Message
		}
		lines = append(lines, line)
	}
	return lines
}

func wantOutcomes(t *testing.T, result Result, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, outcomes(result)); diff != "" {
		t.Errorf("outcomes: -want +got:\n%s", diff)
	}
}

func TestLabelNodes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := l.namespace // unique, for nodes are shared by all tests

	result := l.must(t, fmt.Sprintf("label nodes k8s03 k8s02 %s=node01 %s.b=x", key, key))
	wantOutcomes(t, result,
		fmt.Sprintf("node/k8s02 labeled: %s=node01 %s.b=x", key, key),
		fmt.Sprintf("node/k8s03 labeled: %s=node01 %s.b=x", key, key))
	if got := l.nodeLabel(t, "k8s02", key); got != "node01" {
		t.Errorf("label is %q", got)
	}

	result = l.must(t, fmt.Sprintf("label nodes k8s02 %s=node01", key))
	wantOutcomes(t, result, "node/k8s02 unchanged")

	result = l.must(t, fmt.Sprintf("label nodes k8s02 %s-", key))
	wantOutcomes(t, result, fmt.Sprintf("node/k8s02 unlabeled: %s-", key))
	if got := l.nodeLabel(t, "k8s02", key); got != "<none>" {
		t.Errorf("label is %q", got)
	}

	result = l.must(t, fmt.Sprintf("label nodes k8s02 %s-", key))
	wantOutcomes(t, result, "node/k8s02 unchanged")
}

func TestLabelNodesConflictChangesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := l.namespace // unique, for nodes are shared by all tests
	l.must(t, fmt.Sprintf("label nodes k8s02 %s=old", key))

	result, err := l.run(t.Context(), fmt.Sprintf("label nodes k8s01 k8s02 %s=new", key))
	wantError(t, err, ExitFailed, fmt.Sprintf(
		"1 of 2 not labeled: node \"k8s02\": label %s is \"old\", not \"new\"\n→ nothing was changed on any node; add --overwrite to replace the values", key))
	wantOutcomes(t, result, "node/k8s01 skipped: left as it was, because of the conflict", "node/k8s02 failed")
	if got := l.nodeLabel(t, "k8s01", key); got != "<none>" {
		t.Errorf("k8s01 was labeled %q in spite of the conflict", got)
	}

	result = l.must(t, fmt.Sprintf("label nodes k8s01 k8s02 %s=new --overwrite", key))
	wantOutcomes(t, result, fmt.Sprintf("node/k8s01 labeled: %s=new", key), fmt.Sprintf("node/k8s02 labeled: %s=new", key))
}

func TestLabelNodesUnknownAmongOthers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := l.namespace // unique, for nodes are shared by all tests
	result, err := l.run(t.Context(), fmt.Sprintf("label nodes k8s01 nowhere k8s02 %s=x", key))
	wantError(t, err, ExitFailed, "1 of 3 not labeled: node \"nowhere\" not found\n→ see what there is: kubectl lab get nodes")
	wantOutcomes(t, result,
		fmt.Sprintf("node/k8s01 labeled: %s=x", key), fmt.Sprintf("node/k8s02 labeled: %s=x", key), "node/nowhere failed")
}

func TestLabelNodesBySelectorAndAll(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := l.namespace // unique, for nodes are shared by all tests
	l.must(t, fmt.Sprintf("label nodes k8s02 k8s03 %s=worker", key))

	result := l.must(t, fmt.Sprintf("label nodes -l %s=worker %s.zone=a", key, key))
	if got := len(outcomes(result)); got != 2 {
		t.Errorf("%d nodes labeled, want 2: %v", got, outcomes(result))
	}

	_, err := l.run(t.Context(), fmt.Sprintf("label nodes -l %s=nobody a=b", key))
	wantError(t, err, ExitFailed, fmt.Sprintf("no node matches --selector %q\n→ see the labels: kubectl lab label nodes --list", key+"=nobody"))

	result = l.must(t, fmt.Sprintf("label nodes --all %s=all --overwrite", key))
	if got := len(outcomes(result)); got < 3 {
		t.Errorf("%d nodes labeled, want at least 3", got)
	}
	if got := l.nodeLabel(t, "k8s01", key); got != "all" {
		t.Errorf("label is %q", got)
	}
}

func TestLabelNodesList(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := l.namespace // unique, for nodes are shared by all tests
	l.must(t, fmt.Sprintf("label nodes k8s02 %s=x", key))

	options, err := parse("label nodes --list")
	if err != nil {
		t.Fatal(err)
	}
	if effect := options.(Effecter).Effect(); effect != Reads {
		t.Errorf("--list %s", effect)
	}
	result, err := l.run(t.Context(), fmt.Sprintf("label nodes --list -l %s", key))
	if err != nil {
		t.Fatal(err)
	}
	items := result.(*LabelNodesResult).Items
	if len(items) != 1 || items[0].Node != "k8s02" || items[0].Labels[key] != "x" {
		t.Errorf("got %+v", items)
	}
	result, err = l.run(t.Context(), "label nodes --list k8s01 nowhere")
	wantError(t, err, ExitFailed, "1 of 2 not found: node \"nowhere\" not found\n→ see what there is: kubectl lab get nodes")
	if got := len(result.(*LabelNodesResult).Items); got != 2 {
		t.Errorf("%d items", got)
	}
}

func TestLabelNodesDryRun(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := l.namespace // unique, for nodes are shared by all tests
	for _, strategy := range []string{"client", "server"} {
		result := l.must(t, fmt.Sprintf("label nodes k8s02 %s=x --dry-run=%s", key, strategy))
		wantOutcomes(t, result, fmt.Sprintf("node/k8s02 labeled: %s=x", key))
		change := result.(Changer).Changes()[0]
		if change.Before.GetLabels()[key] != "" || change.After.GetLabels()[key] != "x" {
			t.Errorf("%s: preview from %v to %v", strategy, change.Before.GetLabels(), change.After.GetLabels())
		}
		if got := l.nodeLabel(t, "k8s02", key); got != "<none>" {
			t.Errorf("--dry-run=%s labeled the node", strategy)
		}
	}
}

// TestLabelNodesNoticesOthers checks that a value set by somebody else between the look and the patch
// is a conflict, not overwritten.
func TestLabelNodesNoticesOthers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := l.namespace // unique, for nodes are shared by all tests
	l.node(t, "meanwhile-"+key, nil)
	options := &LabelNodesOptions{Nodes: []string{"meanwhile-" + key}, Change: LabelChange{Set: map[string]string{key: "mine"}}}
	client, err := l.Cluster.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	run := &labelRun{LabelNodesOptions: options, nodes: client.Resource(coreResource("nodes"))}
	items, err := run.find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:"theirs"}}}`, key)
	if _, err := l.client.CoreV1().Nodes().Patch(t.Context(), "meanwhile-"+key, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	run.label(t.Context(), &items[0])
	want := fmt.Sprintf(`node "meanwhile-%s": label %s is "theirs", not "mine"`, key, key)
	if items[0].Outcome != OutcomeFailed || items[0].Error != want {
		t.Errorf("outcome %s: %s", items[0].Outcome, items[0].Error)
	}
}

// TestLabelNodesRepeatsAfterConflict checks that unrelated changes to the node, such as a kubelet's,
// do not matter.
func TestLabelNodesRepeatsAfterConflict(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := l.namespace // unique, for nodes are shared by all tests
	l.node(t, "busy-"+key, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := l.run(t.Context(), fmt.Sprintf("label nodes busy-%s %s.%d=x", key, key, i)); err != nil {
				t.Errorf("%d: %s", i, explained(err))
			}
		})
	}
	wg.Wait()
	for i := range 8 {
		if got := l.nodeLabel(t, "busy-"+key, fmt.Sprintf("%s.%d", key, i)); got != "x" {
			t.Errorf("label %d is %q", i, got)
		}
	}
}

func TestLabelNodesForbidden(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, err := l.as(t, "nobody").run(t.Context(), "label nodes --all a=b")
	wantError(t, err, ExitFailed, "forbidden: \"nobody\" may not list nodes\n→ ask an administrator for this permission; check with: kubectl auth can-i list nodes")

	reader := "reader-" + l.namespace
	l.allow(t, reader, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "list"}})
	result, err := l.as(t, reader).run(t.Context(), "label nodes k8s02 a=b")
	wantError(t, err, ExitFailed, fmt.Sprintf("forbidden: %q may not patch nodes\n→ ask an administrator for this permission; check with: kubectl auth can-i patch nodes", reader))
	wantOutcomes(t, result, "node/k8s02 failed")
}

func TestLabelNodesUsage(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"label nodes":                          "no node named: name nodes, or use --selector or --all",
		"label nodes k8s01":                    "no label named: give KEY=VALUE to set a label, KEY- to remove one, or --list to see them",
		"label nodes a=b":                      "no node named: name nodes, or use --selector or --all",
		"label nodes --all":                    "no label named: give KEY=VALUE to set a label, KEY- to remove one, or --list to see them",
		"label nodes k8s01 --all a=b":          "choose the nodes by name, by --selector or by --all: only one of them",
		"label nodes --all -l a=b a=b":         "choose the nodes by name, by --selector or by --all: only one of them",
		"label nodes k8s01 a=b k8s02":          `"k8s02" stands after a label: name the nodes first, then the labels`,
		"label nodes k8s01 a=b --list":         "--list only shows labels: leave out --list or the labels",
		"label nodes k8s01 a=b --dry-run=dry":  `--dry-run must be none, client or server, not "dry"`,
		"label nodes k8s01 a=b a=c":            `label "a" is named twice`,
		"label nodes k8s01/ a=b":               `node name "k8s01/" is not valid: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
		"label nodes --selector a=(b --list x": `--selector: "a=(b" is not a label selector: unable to parse requirement: found '(', expected: identifier`,
	} {
		wantUsageError(t, []string{line}, want)
	}
}

func TestLabelNodesSuggest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	options := &LabelNodesOptions{}
	got := options.Suggest(t.Context(), l.Env, "", nil, "")
	for _, want := range []string{"k8s01", "k8s02", "k8s03", "kubernetes.io/hostname="} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not suggested: %v", want, got)
		}
	}
	if got := options.Suggest(t.Context(), l.Env, "selector", nil, ""); !slices.Contains(got, "kubernetes.io/hostname=k8s01") {
		t.Errorf("selector: %v", got)
	}
}

package actions

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// columns are the names of a table's columns, wide ones in parentheses.
func columns(t GetTable) string {
	var names []string
	for _, c := range t.Columns {
		if c.Wide {
			c.Name = "(" + c.Name + ")"
		}
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

func TestGetPods(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod web --count 2 --labels app=nt --wait --image "+nginx)

	tables := l.must(t, "get po").(*GetResult).Tables
	if len(tables) != 1 || tables[0].Resource != "pods" || len(tables[0].Rows) != 2 {
		t.Fatalf("got %+v", tables)
	}
	if got, want := columns(tables[0]), "NAME READY STATUS RESTARTS AGE (IP) (NODE) (NOMINATED NODE) (READINESS GATES)"; got != want {
		t.Errorf("columns %q, want %q", got, want)
	}
	if row := tables[0].Rows[0]; row[0] != "web-1" || row[1] != "1/1" || row[2] != "Running" {
		t.Errorf("row %v", row)
	}

	tables = l.must(t, "get pods --show-labels -L app,example.com/none -l app=nt").(*GetResult).Tables
	if got := columns(tables[0]); !strings.HasSuffix(got, " APP NONE LABELS") {
		t.Errorf("columns %q", got)
	}
	row := tables[0].Rows[0]
	if diff := cmp.Diff([]string{"nt", "", "app=nt,app.kubernetes.io/managed-by=kubectl-lab"}, row[len(row)-3:]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	tables = l.must(t, "get pods --field-selector metadata.name=web-2").(*GetResult).Tables
	if len(tables[0].Rows) != 1 || tables[0].Rows[0][0] != "web-2" {
		t.Errorf("rows %v", tables[0].Rows)
	}
}

func TestGetByName(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod a --image "+nginx)
	l.must(t, "create service a --port 80 --selector app=nt")

	result, err := l.run(t.Context(), "get pod a nope")
	wantError(t, err, ExitFailed, "1 of 2 not found: pod \"nope\" not found\n→ see what there is: kubectl lab get pods")
	if rows := result.(*GetResult).Tables[0].Rows; len(rows) != 1 || rows[0][0] != "a" {
		t.Errorf("rows %v", rows)
	}

	tables := l.must(t, "get pod/a service/a").(*GetResult).Tables
	if len(tables) != 2 || tables[0].Rows[0][0] != "pod/a" || tables[1].Rows[0][0] != "service/a" {
		t.Errorf("got %+v", tables)
	}
	if tables := l.must(t, "get node/k8s01").(*GetResult).Tables; tables[0].Rows[0][0] != "k8s01" {
		t.Errorf("got %+v", tables)
	}
}

func TestGetAllNamespaces(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod a --image "+nginx)
	table := l.must(t, "get pods -A").(*GetResult).Tables[0]
	if !strings.HasPrefix(columns(table), "NAMESPACE NAME READY ") {
		t.Errorf("columns %q", columns(table))
	}
	var found []string
	for _, row := range table.Rows {
		found = append(found, row[0]+"/"+row[1])
	}
	if !slices.Contains(found, l.namespace+"/a") || !slices.IsSorted(namespacesOf(table)) {
		t.Errorf("rows %v", found)
	}
	if got := columns(l.must(t, "get nodes -A").(*GetResult).Tables[0]); strings.HasPrefix(got, "NAMESPACE") {
		t.Errorf("nodes have no namespace: %q", got)
	}
}

func namespacesOf(table GetTable) []string {
	var names []string
	for _, row := range table.Rows {
		names = append(names, row[0])
	}
	return names
}

func TestGetNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for line, want := range map[string]string{
		"get pods":                   "No resources found in " + l.namespace + " namespace.",
		"get pods,services":          "No resources found in " + l.namespace + " namespace.",
		"get pods -A -l nobody=has":  "No resources found",
		"get nodes -l nobody=has":    "No resources found",
		"get all -l nobody=has":      "No resources found in " + l.namespace + " namespace.",
		"get deploy.apps,rs.v1.apps": "No resources found in " + l.namespace + " namespace.",
	} {
		doc := l.must(t, line).Document()
		if diff := cmp.Diff([]document.Block{document.Note{Tone: document.Info, Text: want}}, doc.Blocks); diff != "" {
			t.Errorf("%s: -want +got:\n%s", line, diff)
		}
	}
}

func TestGetObjects(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod web --count 2 --image "+nginx)
	objects := func(line string) (Objects, error) {
		options, err := parse(line)
		if err != nil {
			t.Fatal(err)
		}
		options.(ObjectsWanter).SetObjectsWanted(true)
		result, err := options.Run(t.Context(), l.Env)
		if result == nil {
			return nil, err
		}
		return result.(Objects), err
	}

	one, err := objects("get pod web-1")
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := one.Objects().(*unstructured.Unstructured); !ok || u.GetName() != "web-1" || u.GetKind() != "Pod" {
		t.Errorf("got %T", one.Objects())
	}
	for line, want := range map[string]int{"get pods": 2, "get pods web-1 web-2": 2, "get pods -l nobody=has": 0, "get pods,nodes": 5} {
		result, err := objects(line)
		if err != nil {
			t.Fatal(err)
		}
		list, ok := result.Objects().(*unstructured.UnstructuredList)
		if !ok || len(list.Items) < want || list.GetKind() != "List" {
			t.Errorf("%s: %T with %d objects, want %d", line, result.Objects(), len(list.Items), want)
		}
	}
	result, err := objects("get pod web-1 nope")
	wantError(t, err, ExitFailed, "1 of 2 not found: pod \"nope\" not found\n→ see what there is: kubectl lab get pods")
	if result == nil {
		t.Error("the pod that was found is lost")
	}
	if _, err = objects("get pod nope"); err == nil {
		t.Error("no error")
	}
}

func TestGetForbiddenAndUnknown(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, err := l.as(t, "nobody").run(t.Context(), "get pods")
	wantError(t, err, ExitFailed, `forbidden: "nobody" may not list pods in namespace "`+l.namespace+`"`+
		"\n→ ask an administrator for this permission; check with: kubectl auth can-i list pods -n "+l.namespace)
	_, err = l.as(t, "nobody").run(t.Context(), "get deployments -A")
	wantError(t, err, ExitFailed, `forbidden: "nobody" may not list deployments.apps`+
		"\n→ ask an administrator for this permission; check with: kubectl auth can-i list deployments.apps")
	_, err = l.run(t.Context(), "get gizmos")
	wantError(t, err, ExitFailed, "the cluster has no kind \"gizmos\"\n→ see which there are: kubectl api-resources")
}

func TestGetUsage(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"get":                           "no kind named: get KIND [NAME...], such as: get pods",
		"get pods,":                     `"pods,": a kind is missing beside a comma`,
		"get pod/a b":                   `"b" is not of the form KIND/NAME`,
		"get pod a service/b":           `"service/b": write either KIND NAME... or KIND/NAME..., not both`,
		"get pod/":                      `"pod/" is not of the form KIND/NAME`,
		"get pod/a/b":                   `"pod/a/b" is not of the form KIND/NAME`,
		"get pod a -l x=y":              "name the objects or select them, not both",
		"get pod a -A":                  "objects cannot be named across all namespaces: leave out --all-namespaces, or use --namespace",
		"get pod -l x=(":                `--selector: "x=(" is not a label selector: unable to parse requirement: found '(', expected: identifier`,
		"get pod --field-selector name": `--field-selector: "name" is not a field selector: invalid selector: 'name'; can't understand 'name'`,
	} {
		wantUsageError(t, []string{line}, want)
	}
}

func TestGetSuggest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	o := &GetOptions{}
	if got := o.Suggest(t.Context(), l.Env, "", nil, ""); !slices.Contains(got, "pods") || !slices.Contains(got, "deployments") {
		t.Errorf("kinds: %v", got)
	}
	if got := o.Suggest(t.Context(), l.Env, "", []string{"nodes"}, "k"); !slices.Contains(got, "k8s02") {
		t.Errorf("names: %v", got)
	}
	if got := o.Suggest(t.Context(), l.Env, "", nil, "node/"); !slices.Contains(got, "node/k8s02") {
		t.Errorf("pairs: %v", got)
	}
	if got := o.Suggest(t.Context(), l.Env, "label-columns", []string{"nodes"}, ""); !slices.Contains(got, "kubernetes.io/hostname") {
		t.Errorf("keys: %v", got)
	}
	if got := o.Suggest(t.Context(), l.Env, "selector", []string{"nodes"}, ""); !slices.Contains(got, "kubernetes.io/hostname=k8s01") {
		t.Errorf("labels: %v", got)
	}
	if got := SuggestNamespaces(t.Context(), l.Env); !slices.Contains(got, "kube-system") {
		t.Errorf("namespaces: %v", got)
	}
}

func TestStatusTone(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]document.Tone{
		"Running": document.Good, "Ready": document.Good, "Completed": document.Muted, "CrashLoopBackOff": document.Bad,
		"ErrImagePull": document.Bad, "NotReady": document.Bad, "Ready,SchedulingDisabled": document.Warning, "Init:0/1": document.Warning,
		"Init:Error": document.Bad, "Pending": document.Warning, "Evicted": document.Bad, "Something": document.Plain,
	} {
		if got := statusTone(status); got != want {
			t.Errorf("%s has tone %d, want %d", status, got, want)
		}
	}
}

// TestTableDecoder covers what no server of the test cluster answers: plain objects from servers that
// know no Table, and broken answers.
func TestTableDecoder(t *testing.T) {
	t.Parallel()
	const created = `"creationTimestamp":"2020-01-01T00:00:00Z"`
	for body, want := range map[string][]string{
		`{"kind":"List","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a",` + created + `}},{"metadata":{"name":"b"}}]}`: {"a", "b <unknown>"},
		`{"kind":"Thing","metadata":{"name":"c"}}`: {"c <unknown>"},
		`{"kind":"Table","columnDefinitions":[{"name":"Name"},{"name":"N"},{"name":"None"}],"rows":[{"cells":["x\ny",12345678901,null,"extra"]},{"cells":["short"]}]}`: {`x\ny 12345678901 `, "short  "},
		`{"kind":"Table","columnDefinitions":null,"rows":null,"other":{"deep":[1]}}`:                                                                                   nil,
	} {
		d := newTableDecoder(strings.NewReader(body))
		if err := d.decode(); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		var got []string
		for _, row := range d.rows {
			got = append(got, strings.Join(row.cells, " "))
		}
		if len(got) > 0 && strings.HasPrefix(got[0], "a ") {
			got[0] = "a" // its age depends on when the test runs
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", body, diff)
		}
	}
	for _, body := range []string{"", "[]", `{"kind":3}`, `{"rows":{}}`, `{"kind":"Table","rows":[{"cells":3}]}`, `{"kind":"Table"`, `{"items":[{"metadata":3}]}`} {
		if err := newTableDecoder(strings.NewReader(body)).decode(); err == nil {
			t.Errorf("%q is accepted", body)
		}
	}
}

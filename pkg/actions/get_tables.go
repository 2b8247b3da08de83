package actions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

const (
	// acceptTable asks for rows as the API server prints them; servers of extensions that know no
	// Table answer with the objects.
	// See https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables.
	acceptTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
	// objectsPage is how many whole objects are asked for at once: large pages cost the server far
	// less than kubectl's 500, and bound what the client holds besides the result.
	objectsPage = 10_000
	// readWorkers bounds how many reading requests one action has under way.
	readWorkers = 16
)

// getRun is one run of "get".
//
// All its lists are consistent reads (no resourceVersion), so that they show what the same person
// has just created even if another API server answers. Since Kubernetes 1.31 the API server serves
// these from its cache (KEP-2340), so resourceVersion=0 would no longer be cheaper.
type getRun struct {
	*GetOptions
	cluster   *Cluster
	namespace string
}

// needsMetadata reports whether rows alone, without the objects' metadata, are not enough. Rows cost
// a quarter of the bytes without it.
func (r *getRun) needsMetadata(t target) bool {
	return r.ShowLabels || len(r.LabelColumns) > 0 || r.namespace == "" && t.namespaced()
}

// tables reads the rows of all targets.
func (r *getRun) tables(ctx context.Context, targets []target) (Result, error) {
	client, err := r.cluster.Kubernetes()
	if err != nil {
		return nil, err
	}
	rest := client.Discovery().RESTClient()
	result := &GetResult{Header: NewHeader("GetResult"), Namespace: r.namespace, Tables: make([]GetTable, len(targets))}
	errs := make([][]error, len(targets))
	forEach(ctx, len(targets), readWorkers, func(ctx context.Context, i int) {
		result.Tables[i], errs[i] = r.table(ctx, rest, targets[i])
		if len(targets) > 1 {
			result.Tables[i].prefixNames(targets[i])
		}
	})
	err = partial(targets, errs, "found")
	if err != nil && result.empty() {
		return nil, err
	}
	return result, err
}

func (r *GetResult) empty() bool {
	return !slices.ContainsFunc(r.Tables, func(t GetTable) bool { return len(t.Rows) > 0 })
}

// partial is one error for everything that could not be read; nil if all could.
func partial(targets []target, errs [][]error, what string) error {
	e := &PartialError{What: what}
	for i, t := range targets {
		e.Total += max(1, len(t.names))
		e.Errs = append(e.Errs, errs[i]...)
	}
	if len(e.Errs) == 0 {
		return nil
	}
	return e
}

// table reads one target's rows: the whole list, or object by object if they are named.
func (r *getRun) table(ctx context.Context, client rest.Interface, t target) (GetTable, []error) {
	if len(t.names) == 0 {
		table, err := r.rows(ctx, client, t, "")
		if err != nil {
			return table, []error{fmt.Errorf("listing %s: %w", t.resourceName(), err)}
		}
		return table, nil
	}
	parts, errs := make([]GetTable, len(t.names)), make([]error, len(t.names))
	forEach(ctx, len(t.names), readWorkers, func(ctx context.Context, i int) {
		parts[i], errs[i] = r.rows(ctx, client, t, t.names[i])
	})
	whole := GetTable{Resource: t.resourceName(), namespaced: t.namespaced()}
	for i, part := range parts {
		if errs[i] == nil {
			whole.Columns = part.Columns
			whole.Rows = append(whole.Rows, part.Rows...)
		}
	}
	return whole, notNil(errs)
}

func notNil(errs []error) []error {
	var some []error
	for _, err := range errs {
		if err != nil {
			some = append(some, err)
		}
	}
	return some
}

// rows sends one request and decodes its rows while they arrive.
func (r *getRun) rows(ctx context.Context, client rest.Interface, t target, name string) (GetTable, error) {
	request := client.Get().AbsPath(r.path(t, name)).SetHeader("Accept", acceptTable).
		Param("includeObject", string(r.include(t)))
	if name == "" {
		request = selecting(request, "labelSelector", r.Selector)
		request = selecting(request, "fieldSelector", r.FieldSelector)
	}
	body, err := request.Stream(ctx)
	if err != nil {
		return GetTable{}, err
	}
	defer body.Close()
	decoder := newTableDecoder(body)
	if err := decoder.decode(); err != nil {
		return GetTable{}, endOf(ctx, fmt.Errorf("reading the list of %s: %w", t.resourceName(), err))
	}
	return r.compose(t, decoder), nil
}

func selecting(request *rest.Request, param, selector string) *rest.Request {
	if selector == "" {
		return request
	}
	return request.Param(param, selector)
}

func (r *getRun) include(t target) metav1.IncludeObjectPolicy {
	if r.needsMetadata(t) {
		return metav1.IncludeMetadata
	}
	return metav1.IncludeNone
}

// path is the resource's path in the API.
// See https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris.
func (r *getRun) path(t target, name string) string {
	resource := t.mapping.Resource
	segments := []string{"/apis", resource.Group, resource.Version}
	if resource.Group == "" {
		segments = []string{"/api", resource.Version}
	}
	if t.namespaced() && r.namespace != "" {
		segments = append(segments, "namespaces", r.namespace)
	}
	segments = append(segments, resource.Resource)
	if name != "" {
		segments = append(segments, name)
	}
	return strings.Join(segments, "/")
}

// compose adds the columns that come from the objects' metadata.
func (r *getRun) compose(t target, d *tableDecoder) GetTable {
	table := GetTable{Resource: t.resourceName(), namespaced: t.namespaced(), Rows: make([][]string, 0, len(d.rows))}
	withNamespace := r.namespace == "" && t.namespaced()
	if withNamespace {
		table.Columns = append(table.Columns, GetColumn{Name: "NAMESPACE"})
	}
	for _, c := range d.columns {
		table.Columns = append(table.Columns, GetColumn{Name: strings.ToUpper(c.Name), Wide: c.Priority > 0})
	}
	for _, key := range r.LabelColumns {
		table.Columns = append(table.Columns, GetColumn{Name: strings.ToUpper(key[strings.LastIndex(key, "/")+1:])})
	}
	if r.ShowLabels {
		table.Columns = append(table.Columns, GetColumn{Name: "LABELS"})
	}
	for _, row := range d.rows {
		cells := make([]string, 0, len(table.Columns))
		if withNamespace {
			cells = append(cells, row.object.Namespace)
		}
		cells = append(cells, row.cells...)
		for _, key := range r.LabelColumns {
			cells = append(cells, row.object.Labels[key])
		}
		if r.ShowLabels {
			cells = append(cells, FormatLabels(row.object.Labels))
		}
		table.Rows = append(table.Rows, cells)
	}
	return table
}

// prefixNames writes KIND/NAME, as kubectl does when there are several kinds.
func (t *GetTable) prefixNames(of target) {
	for i, column := range t.Columns {
		if column.Name != "NAME" {
			continue
		}
		for _, row := range t.Rows {
			row[i] = of.reference("", row[i]).String()
		}
		return
	}
}

// tableDecoder reads a Table, or the objects of a server that knows no Table, keeping only what is
// shown: the whole body never is in memory.
type tableDecoder struct {
	json    *json.Decoder
	isTable bool
	columns []metav1.TableColumnDefinition
	rows    []tableRow
}

type tableRow struct {
	cells  []string
	object tableMetadata
}

// tableMetadata is what rows need of an object's metadata.
type tableMetadata struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	Labels            map[string]string `json:"labels"`
	CreationTimestamp metav1.Time       `json:"creationTimestamp"`
}

type tableObject struct {
	Metadata tableMetadata `json:"metadata"`
}

func newTableDecoder(body io.Reader) *tableDecoder {
	d := &tableDecoder{json: json.NewDecoder(body)}
	d.json.UseNumber()
	return d
}

func (d *tableDecoder) decode() error {
	if err := d.expect('{'); err != nil {
		return err
	}
	for d.json.More() {
		key, err := d.json.Token()
		if err != nil {
			return err
		}
		if err := d.field(key); err != nil {
			return err
		}
	}
	return d.expect('}')
}

func (d *tableDecoder) expect(want json.Delim) error {
	token, err := d.json.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("the answer has %v where %v belongs", token, want)
	}
	return nil
}

func (d *tableDecoder) field(key json.Token) error {
	switch key {
	case "kind":
		var kind string
		err := d.json.Decode(&kind)
		d.isTable = kind == "Table"
		return err
	case "columnDefinitions":
		return d.json.Decode(&d.columns)
	case "rows":
		return d.each(d.row)
	case "items":
		return d.each(d.plainObject)
	case "metadata":
		return d.metadata()
	}
	var ignored json.RawMessage
	return d.json.Decode(&ignored)
}

// each decodes the elements of an array, or null.
func (d *tableDecoder) each(element func() error) error {
	token, err := d.json.Token()
	if err != nil || token == nil {
		return err
	}
	if token != json.Delim('[') {
		return errors.New("the answer has no list where one belongs")
	}
	for d.json.More() {
		if err := element(); err != nil {
			return err
		}
	}
	return d.expect(']')
}

func (d *tableDecoder) row() error {
	var row struct {
		Cells  []any        `json:"cells"`
		Object *tableObject `json:"object"`
	}
	if err := d.json.Decode(&row); err != nil {
		return err
	}
	kept := tableRow{cells: make([]string, len(d.columns))}
	for i := range min(len(row.Cells), len(kept.cells)) {
		kept.cells[i] = cellText(row.Cells[i])
	}
	if row.Object != nil {
		kept.object = row.Object.Metadata
	}
	d.rows = append(d.rows, kept)
	return nil
}

func cellText(cell any) string {
	if cell == nil {
		return ""
	}
	text := fmt.Sprint(cell)
	// A cell is one line; kubectl escapes what would break it.
	return strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(text)
}

// metadata is the list's, which is not needed, or that of a single object.
func (d *tableDecoder) metadata() error {
	var m tableMetadata
	if err := d.json.Decode(&m); err != nil {
		return err
	}
	if !d.isTable && m.Name != "" {
		d.addPlain(m)
	}
	return nil
}

func (d *tableDecoder) plainObject() error {
	var object tableObject
	if err := d.json.Decode(&object); err != nil {
		return err
	}
	d.addPlain(object.Metadata)
	return nil
}

// addPlain makes a row of an object that came without one.
func (d *tableDecoder) addPlain(m tableMetadata) {
	d.columns = []metav1.TableColumnDefinition{{Name: "Name"}, {Name: "Age"}}
	age := "<unknown>"
	if !m.CreationTimestamp.IsZero() {
		age = duration.HumanDuration(time.Since(m.CreationTimestamp.Time))
	}
	d.rows = append(d.rows, tableRow{cells: []string{m.Name, age}, object: m})
}

// objects reads whole objects.
func (r *getRun) objects(ctx context.Context, targets []target) (Result, error) {
	client, err := r.cluster.Dynamic()
	if err != nil {
		return nil, err
	}
	found, errs := make([][]unstructured.Unstructured, len(targets)), make([][]error, len(targets))
	forEach(ctx, len(targets), readWorkers, func(ctx context.Context, i int) {
		found[i], errs[i] = r.objectsOf(ctx, client, targets[i])
	})
	var all []unstructured.Unstructured
	for _, objects := range found {
		all = append(all, objects...)
	}
	result := &GetResult{Header: NewHeader("GetResult"), Namespace: r.namespace, objects: objectList(all)}
	if len(targets) == 1 && len(targets[0].names) == 1 && len(all) == 1 {
		result.objects = &all[0]
	}
	err = partial(targets, errs, "found")
	if len(all) == 0 && err != nil {
		return nil, err
	}
	return result, err
}

func (r *getRun) objectsOf(ctx context.Context, client dynamic.Interface, t target) ([]unstructured.Unstructured, []error) {
	var resource dynamic.ResourceInterface = client.Resource(t.mapping.Resource)
	if t.namespaced() && r.namespace != "" {
		resource = client.Resource(t.mapping.Resource).Namespace(r.namespace)
	}
	if len(t.names) == 0 {
		objects, err := r.listObjects(ctx, resource)
		if err != nil {
			return nil, []error{fmt.Errorf("listing %s: %w", t.resourceName(), err)}
		}
		return objects, nil
	}
	found, errs := make([]*unstructured.Unstructured, len(t.names)), make([]error, len(t.names))
	forEach(ctx, len(t.names), readWorkers, func(ctx context.Context, i int) {
		found[i], errs[i] = resource.Get(ctx, t.names[i], metav1.GetOptions{})
	})
	var objects []unstructured.Unstructured
	for i, object := range found {
		if errs[i] == nil {
			objects = append(objects, *object)
		}
	}
	return objects, notNil(errs)
}

func (r *getRun) listObjects(ctx context.Context, resource dynamic.ResourceInterface) ([]unstructured.Unstructured, error) {
	var objects []unstructured.Unstructured
	options := metav1.ListOptions{LabelSelector: r.Selector, FieldSelector: r.FieldSelector, Limit: objectsPage}
	for {
		page, err := resource.List(ctx, options)
		if err != nil {
			return nil, err
		}
		objects = append(objects, page.Items...)
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return objects, nil
		}
	}
}

package bulk

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// readRows is readTable with the cells kept.
func readRows(table string, columns ...string) ([][]string, Page, error) {
	var rows [][]string
	page, err := readTable(strings.NewReader(table), columns, func(cells [][]byte) error {
		row := make([]string, len(cells))
		for i, cell := range cells {
			row[i] = string(cell)
		}
		rows = append(rows, row)
		return nil
	})
	return rows, page, err
}

func TestReadTable(t *testing.T) {
	const head = `{"kind":"Table","metadata":{"resourceVersion":"7"},"columnDefinitions":[{"name":"Name"},{"name":"Ready","priority":0},{"name":"Node"}],`
	tests := []struct {
		name    string
		table   string
		columns []string
		want    [][]string
	}{
		{"in the order asked for", head + `"rows":[{"cells":["a","1/1","n1"],"object":null},{"cells":["b","0/1","n2"]}]}`,
			[]string{"Node", "Name"}, [][]string{{"n1", "a"}, {"n2", "b"}}},
		{"names in any case, unknown columns empty", head + `"rows":[{"cells":["a","1/1","n1"]}]}`,
			[]string{"READY", "Zone"}, [][]string{{"1/1", ""}}},
		{"numbers, null, escapes, missing cells", head + `"rows":[{"cells":[7,null]},{"cells":["<none>\n","é"]}]}`,
			[]string{"Name", "Ready", "Node"}, [][]string{{"7", "", ""}, {"<none>\n", "é", ""}}},
		{"a short row after a long one", head + `"rows":[{"cells":["a","b","c"]},{"cells":[]},{"cells":null}]}`,
			[]string{"Node"}, [][]string{{"c"}, {""}, {""}}},
		{"objects are skipped", head + `"rows":[{"object":{"metadata":{"cells":["x"]}},"cells":["a"]}],"more":[1,{}]}`,
			[]string{"Name"}, [][]string{{"a"}}},
		{"no rows", head + `"rows":[]}`, []string{"Name"}, nil},
		{"null rows", head + `"rows":null}`, []string{"Name"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, page, err := readRows(tt.table, tt.columns...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if page.Items != len(tt.want) || page.Continue != "" {
				t.Errorf("page %+v", page)
			}
		})
	}
}

func TestReadTableWithMeta(t *testing.T) {
	const table = `{"columnDefinitions":[{"name":"Name"}],"rows":[
		{"cells":["a"],"object":{"kind":"PartialObjectMetadata","metadata":{"name":"a","namespace":"n","labels":{"k":"v"},"ownerReferences":[{"kind":"ReplicaSet","name":"r","controller":true}]}}},
		{"object":{"metadata":{"name":"b","deletionTimestamp":"2026-01-02T03:04:05Z"}},"cells":["b"]},
		{"cells":["c"],"object":null},
		{"cells":["d"]}]}`
	var cells []string
	var metas []Meta
	page, err := readTableWithMeta(strings.NewReader(table), []string{"Name"}, func(row [][]byte, meta Meta) error {
		cells, metas = append(cells, string(row[0])), append(metas, meta)
		return nil
	})
	if err != nil || page.Items != 4 {
		t.Fatalf("page %+v, error %v", page, err)
	}
	controller, gone := true, metav1.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := []Meta{
		{Name: "a", Namespace: "n", Labels: map[string]string{"k": "v"}, OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "r", Controller: &controller}}},
		{Name: "b", DeletionTimestamp: &gone}, {}, {},
	}
	if diff := cmp.Diff(want, metas); diff != "" || strings.Join(cells, "") != "abcd" {
		t.Errorf("cells %v, -want +got:\n%s", cells, diff)
	}
	const broken = `{"columnDefinitions":[],"rows":[{"object":{"metadata":{"name":1}}}]}`
	if _, err := readTableWithMeta(strings.NewReader(broken), nil, func([][]byte, Meta) error { return nil }); err == nil {
		t.Error("a name that is a number was taken")
	}
}

func TestReadTableContinues(t *testing.T) {
	_, page, err := readRows(`{"metadata":{"continue":"token"},"columnDefinitions":[],"rows":[]}`)
	if err != nil || page.Continue != "token" {
		t.Errorf("page %+v, error %v", page, err)
	}
}

func TestReadTableRefuses(t *testing.T) {
	const columns = `"columnDefinitions":[{"name":"Name"}]`
	tests := []struct {
		name, table string
		want        error
	}{
		{"nothing", ``, io.ErrUnexpectedEOF},
		{"HTML", `<html>`, errNoTable},
		{"a list", `[]`, errNoTable},
		{"another object", `{"kind":"PodList","items":[]}`, errNoTable},
		{"rows before columns", `{"rows":[],` + columns + `}`, errNoTable},
		{"rows that are none", `{` + columns + `,"rows":{}}`, errNoTable},
		{"a row that is none", `{` + columns + `,"rows":[1]}`, errNoTable},
		{"cells that are none", `{` + columns + `,"rows":[{"cells":"x"}]}`, errNoTable},
		{"the end is missing", `{` + columns + `,"rows":[{"cells":["a"]}`, io.ErrUnexpectedEOF},
		{"a string ends early", `{` + columns + `,"rows":[{"cells":["a`, io.ErrUnexpectedEOF},
		{"garbage within", `{` + columns + `,"rows":[{"cells":["a"]}}`, errNoTable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := readRows(tt.table, "Name"); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestReadTableEndsWithCallback(t *testing.T) {
	stop := errors.New("enough")
	page, err := readTable(strings.NewReader(`{"columnDefinitions":[],"rows":[{"cells":[]},{"cells":[]}]}`), nil, func([][]byte) error { return stop })
	if !errors.Is(err, stop) || page.Items != 1 {
		t.Errorf("page %+v, error %v", page, err)
	}
}

// FuzzReadTable compares with the standard library's decoder.
func FuzzReadTable(f *testing.F) {
	f.Add(`{"columnDefinitions":[{"name":"Name"}],"rows":[{"cells":["a",1,null],"object":null}]}`)
	f.Add(`{"rows":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = readTableWithMeta(strings.NewReader(text), []string{"Name"}, func([][]byte, Meta) error { return nil }) // no panic
		rows, page, err := readRows(text, "Name")
		if err != nil {
			return
		}
		if page.Items < len(rows) {
			t.Errorf("%d items, %d rows", page.Items, len(rows))
		}
		if !json.Valid([]byte(text)) {
			return // what follows the table, and invalid UTF-8, is not read
		}
		var table metav1.Table
		if json.Unmarshal([]byte(text), &table) != nil {
			return
		}
		for i := range min(len(rows), len(table.Rows)) {
			if len(table.Rows[i].Cells) == 0 || len(table.ColumnDefinitions) == 0 || table.ColumnDefinitions[0].Name != "Name" {
				continue
			}
			if want, isString := table.Rows[i].Cells[0].(string); isString && want != rows[i][0] && strings.Count(text, `"rows"`) == 1 && strings.Count(text, `"cells"`) == len(rows) {
				t.Errorf("row %d: got %q, want %q", i, rows[i][0], want)
			}
		}
	})
}

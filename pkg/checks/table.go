package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// tableType asks for rows instead of objects. See
// https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables.
const tableType = "application/json;as=Table;v=v1;g=meta.k8s.io"

// tableRow is one object as kubectl would print it, and as much of its metadata as checks use.
type tableRow struct {
	columns map[string]int
	cells   []any
	meta    rowMeta
}

type rowMeta struct {
	Name              string                  `json:"name"`
	Namespace         string                  `json:"namespace"`
	Labels            map[string]string       `json:"labels"`
	Annotations       map[string]string       `json:"annotations"`
	CreationTimestamp time.Time               `json:"creationTimestamp"`
	DeletionTimestamp *time.Time              `json:"deletionTimestamp"`
	OwnerReferences   []metav1.OwnerReference `json:"ownerReferences"`
}

// cell is the text in a column; empty if the table has no such column.
func (r tableRow) cell(column string) string {
	i, found := r.columns[column]
	if !found || i >= len(r.cells) {
		return ""
	}
	switch v := r.cells[i].(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case nil:
		return ""
	default:
		return fmt.Sprint(v)
	}
}

// readTable asks for a list as a table and hands over its rows while the answer streams in, so that
// memory doesn't grow with the list.
func readTable(ctx context.Context, client rest.Interface, path string, row func(tableRow)) error {
	body, err := client.Get().AbsPath(path).SetHeader("Accept", tableType).Stream(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	return decodeTable(body, row)
}

func decodeTable(body io.Reader, row func(tableRow)) error {
	d := json.NewDecoder(body)
	if err := expectDelim(d, '{'); err != nil {
		return err
	}
	columns := map[string]int{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return fmt.Errorf("reading a table: %w", err)
		}
		switch key {
		case "columnDefinitions":
			err = decodeColumns(d, columns)
		case "rows":
			err = decodeRows(d, columns, row)
		default:
			err = d.Decode(&json.RawMessage{})
		}
		if err != nil {
			return fmt.Errorf("reading a table: %w", err)
		}
	}
	return expectDelim(d, '}')
}

func decodeColumns(d *json.Decoder, columns map[string]int) error {
	var definitions []struct {
		Name string `json:"name"`
	}
	if err := d.Decode(&definitions); err != nil {
		return err
	}
	for i, c := range definitions {
		columns[c.Name] = i
	}
	return nil
}

func decodeRows(d *json.Decoder, columns map[string]int, row func(tableRow)) error {
	open, err := d.Token()
	if err != nil {
		return err
	}
	if open == nil { // "rows": null
		return nil
	}
	if open != json.Delim('[') {
		return errors.New("rows are no list")
	}
	for d.More() {
		var r struct {
			Cells  []any `json:"cells"`
			Object struct {
				Metadata rowMeta `json:"metadata"`
			} `json:"object"`
		}
		if err := d.Decode(&r); err != nil {
			return err
		}
		row(tableRow{columns: columns, cells: r.Cells, meta: r.Object.Metadata})
	}
	_, err = d.Token()
	return err
}

func expectDelim(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("reading a table: %w", err)
	}
	if token != want {
		return fmt.Errorf("reading a table: found %v instead of %v", token, want)
	}
	return nil
}

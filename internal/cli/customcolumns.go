package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/jsonpath"

	"github.com/kubectl-lab/kubectl-lab/internal/render"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

const (
	formatColumns     = "custom-columns"
	formatColumnsFile = "custom-columns-file"
)

// customColumns prints objects under the columns of a specification such as
// "NAME:.metadata.name,NODE:.spec.nodeName". kubectl's own printer of this name lives in its get
// command, whose import would cost this program 100 ms at each start and 8 MB.
type customColumns struct {
	names   []string
	paths   []*jsonpath.JSONPath
	options render.TextOptions
}

// newCustomColumns reads -o custom-columns=SPEC and -o custom-columns-file=FILE. In the file, the
// first line holds the names and the second the paths.
func newCustomColumns(format string, options render.TextOptions) (*customColumns, error) {
	kind, spec, _ := strings.Cut(format, "=")
	if spec == "" {
		return nil, fmt.Errorf("a specification is missing, such as %s=NAME:.metadata.name", kind)
	}
	columns := &customColumns{options: options}
	if kind == formatColumnsFile {
		return columns, columns.readFile(spec)
	}
	for _, column := range strings.Split(spec, ",") {
		name, path, found := strings.Cut(column, ":")
		if !found || name == "" || path == "" {
			return nil, fmt.Errorf("%q is not of the form NAME:PATH", column)
		}
		if err := columns.add(name, path); err != nil {
			return nil, err
		}
	}
	return columns, nil
}

func (c *customColumns) readFile(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	header, rest, _ := strings.Cut(string(data), "\n")
	row, _, _ := strings.Cut(rest, "\n")
	names, paths := strings.Fields(header), strings.Fields(row)
	if len(names) == 0 || len(names) != len(paths) {
		return fmt.Errorf("%s: the first line must hold the names and the second as many paths", name)
	}
	for i := range names {
		if err := c.add(names[i], paths[i]); err != nil {
			return err
		}
	}
	return nil
}

// add takes a column. Paths may be written as kubectl takes them: with or without braces and the
// leading dot.
func (c *customColumns) add(name, path string) error {
	expression := strings.TrimSuffix(strings.TrimPrefix(path, "{"), "}")
	expression = "{." + strings.TrimPrefix(expression, ".") + "}"
	parsed := jsonpath.New(name).AllowMissingKeys(true)
	if err := parsed.Parse(expression); err != nil {
		return fmt.Errorf("column %s: %w", name, err)
	}
	c.names = append(c.names, name)
	c.paths = append(c.paths, parsed)
	return nil
}

// PrintObj implements printers.ResourcePrinter.
func (c *customColumns) PrintObj(object runtime.Object, w io.Writer) error {
	table := document.Table{}
	for _, name := range c.names {
		table.Columns = append(table.Columns, document.Column{Name: name})
	}
	objects := []runtime.Object{object}
	if meta.IsListType(object) {
		var err error
		if objects, err = meta.ExtractList(object); err != nil {
			return err
		}
	}
	for _, one := range objects {
		row, err := c.row(one)
		if err != nil {
			return err
		}
		table.Rows = append(table.Rows, row)
	}
	return render.Text(w, new(document.Document).Add(table), c.options)
}

func (c *customColumns) row(object runtime.Object) ([]document.Text, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	row := make([]document.Text, len(c.paths))
	for i, path := range c.paths {
		results, err := path.FindResults(fields)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.names[i], err)
		}
		var values []string
		for _, result := range results {
			for _, value := range result {
				values = append(values, fmt.Sprint(value.Interface()))
			}
		}
		if len(values) == 0 {
			values = []string{"<none>"}
		}
		row[i] = document.T(strings.Join(values, ","))
	}
	return row, nil
}

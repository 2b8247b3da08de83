package bulk

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Rows calls each with the cells of the named columns of every row, as kubectl would print them; a
// column that the server does not print gives empty cells. The cells are valid during the call only.
func Rows(ctx context.Context, l List, columns []string, each func(cells [][]byte) error) (Page, error) {
	return l.rows(ctx, "None", func(body io.Reader) (Page, error) { return readTable(body, columns, each) })
}

// Meta is as much of an object's metadata as RowsWithMeta reads.
type Meta struct {
	Name              string                  `json:"name"`
	Namespace         string                  `json:"namespace"`
	Labels            map[string]string       `json:"labels"`
	Annotations       map[string]string       `json:"annotations"`
	CreationTimestamp metav1.Time             `json:"creationTimestamp"`
	DeletionTimestamp *metav1.Time            `json:"deletionTimestamp"`
	OwnerReferences   []metav1.OwnerReference `json:"ownerReferences"`
}

// RowsWithMeta is Rows with the metadata of each row's object, which may be kept. It costs the server more.
func RowsWithMeta(ctx context.Context, l List, columns []string, each func(cells [][]byte, meta Meta) error) (Page, error) {
	return l.rows(ctx, "Metadata", func(body io.Reader) (Page, error) { return readTableWithMeta(body, columns, each) })
}

func (l List) rows(ctx context.Context, include string, read func(body io.Reader) (Page, error)) (Page, error) {
	body, err := l.open(ctx, acceptRows, map[string]string{"includeObject": include})
	if err != nil {
		return Page{}, err
	}
	defer body.Close()
	page, err := read(body)
	if err != nil {
		return page, l.wrap(err)
	}
	return page, nil
}

// errNoTable says that the answer is JSON, but no table of Kubernetes'.
var errNoTable = errors.New("the answer is no table; does a proxy change it?")

// tableReader reads a metav1.Table row by row. It reads tokens with jsontext, which Go takes over as
// encoding/json/jsontext: on a table of 150,000 rows encoding/json needs six times the CPU.
type tableReader struct {
	decoder *jsontext.Decoder
	wanted  []string
	// place holds, for each column of the server, the index of the wanted one; -1 if it is not wanted.
	place []int
	// each is called at the end of a row.
	each func() error
	// meta holds a row's metadata, if it is wanted.
	meta *Meta
	// text holds the wanted cells of one row, and cells where each is.
	text  []byte
	cells [][]byte
	ends  [][2]int
	page  Page
}

func newTableReader(body io.Reader, columns []string) *tableReader {
	return &tableReader{
		// The server writes no name twice and no invalid UTF-8; checking it takes time.
		decoder: jsontext.NewDecoder(bufio.NewReaderSize(body, 64<<10), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
		wanted:  columns,
		cells:   make([][]byte, len(columns)), ends: make([][2]int, len(columns)),
	}
}

func readTable(body io.Reader, columns []string, each func([][]byte) error) (Page, error) {
	r := newTableReader(body, columns)
	r.each = func() error { return each(r.cells) }
	return r.read()
}

func readTableWithMeta(body io.Reader, columns []string, each func([][]byte, Meta) error) (Page, error) {
	r := newTableReader(body, columns)
	r.meta = &Meta{}
	r.each = func() error { return each(r.cells, *r.meta) }
	return r.read()
}

func (r *tableReader) read() (Page, error) {
	err := r.table()
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w (%w)", errNoTable, err)
	}
	return r.page, unexpected(err)
}

func (r *tableReader) table() error {
	err := r.object(func(key string) error {
		switch key {
		case "metadata":
			return r.metadata()
		case "columnDefinitions":
			return r.columns()
		case "rows":
			return r.rows()
		}
		return r.decoder.SkipValue()
	})
	if err == nil && r.place == nil {
		return errNoTable
	}
	return err
}

// object calls member at the value of every member of the object that comes next.
func (r *tableReader) object(member func(key string) error) error {
	if err := r.expect('{'); err != nil {
		return err
	}
	for r.decoder.PeekKind() != '}' {
		key, err := r.decoder.ReadToken()
		if err != nil {
			return err
		}
		if err := member(key.String()); err != nil {
			return err
		}
	}
	return r.expect('}')
}

// array calls element at every element of the array that comes next; null is an empty one.
func (r *tableReader) array(element func() error) error {
	if r.decoder.PeekKind() == 'n' {
		return r.decoder.SkipValue()
	}
	if err := r.expect('['); err != nil {
		return err
	}
	for r.decoder.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	return r.expect(']')
}

func (r *tableReader) expect(kind jsontext.Kind) error {
	token, err := r.decoder.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != kind {
		return errNoTable
	}
	return nil
}

// decode is for the small parts of a table, where convenience counts.
func (r *tableReader) decode(into any) error {
	value, err := r.decoder.ReadValue()
	if err != nil {
		return err
	}
	return json.Unmarshal(value, into)
}

func (r *tableReader) metadata() error {
	var meta struct {
		Continue string `json:"continue"`
	}
	err := r.decode(&meta)
	r.page.Continue = meta.Continue
	return err
}

func (r *tableReader) columns() error {
	var definitions []struct {
		Name string `json:"name"`
	}
	if err := r.decode(&definitions); err != nil {
		return err
	}
	r.place = make([]int, len(definitions))
	for i, definition := range definitions {
		r.place[i] = slices.IndexFunc(r.wanted, func(name string) bool { return strings.EqualFold(name, definition.Name) })
	}
	return nil
}

// rows reads the rows; the server writes the columns before them.
func (r *tableReader) rows() error {
	if r.place == nil {
		return errNoTable
	}
	return r.array(func() error {
		if err := r.row(); err != nil {
			return err
		}
		r.page.Items++
		return r.each()
	})
}

// row reads the cells of one row, and its object's metadata if that is wanted.
func (r *tableReader) row() error {
	r.text = r.text[:0]
	clear(r.ends)
	if r.meta != nil {
		*r.meta = Meta{}
	}
	err := r.object(func(key string) error {
		switch {
		case key == "cells":
			return r.rowCells()
		case key == "object" && r.meta != nil:
			return r.decode(&struct {
				Metadata *Meta `json:"metadata"`
			}{r.meta})
		}
		return r.decoder.SkipValue()
	})
	for i, end := range r.ends {
		r.cells[i] = r.text[end[0]:end[1]]
	}
	return err
}

func (r *tableReader) rowCells() error {
	column := 0
	return r.array(func() error {
		defer func() { column++ }()
		if column >= len(r.place) || r.place[column] < 0 {
			return r.decoder.SkipValue()
		}
		return r.cell(r.place[column])
	})
}

// cell appends a cell to the row's text: a string without its quotes, any other value as it is.
func (r *tableReader) cell(i int) error {
	value, err := r.decoder.ReadValue()
	if err != nil {
		return err
	}
	start := len(r.text)
	switch value.Kind() {
	case '"':
		r.text, err = jsontext.AppendUnquote(r.text, value)
	case 'n':
	default:
		r.text = append(r.text, value...)
	}
	r.ends[i] = [2]int{start, len(r.text)}
	return err
}

package bulk

import (
	"bytes"
	"fmt"
	"testing"
)

// podTable is a table as the API server prints 150,000 pods without objects.
func podTable(rows int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"1"},"columnDefinitions":[`)
	for i, name := range []string{"Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node", "Readiness Gates"} {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":%q,"type":"string","format":"","description":"something of a hundred characters or so","priority":0}`, name)
	}
	b.WriteString(`],"rows":[`)
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"cells":["app-%04d-5d4f8b7c9d-%06d","2/2","Running","7 (3h ago)","325d","10.64.%d.%d","node-%05d","\u003cnone\u003e","\u003cnone\u003e"],"object":null}`, i/10, i, i>>8&255, i&255, i%5000)
	}
	b.WriteString("]}\n")
	return b.Bytes()
}

func BenchmarkReadTable(b *testing.B) {
	table := podTable(150_000)
	b.SetBytes(int64(len(table)))
	b.ReportAllocs()
	for b.Loop() {
		page, err := readTable(bytes.NewReader(table), []string{"Ready", "Status", "Restarts", "Node"}, func([][]byte) error { return nil })
		if err != nil || page.Items != 150_000 {
			b.Fatal(page, err)
		}
	}
}

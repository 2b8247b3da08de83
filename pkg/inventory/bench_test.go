package inventory

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// BenchmarkLargeCluster loads, declares and checks an inventory of 5,000 nodes.
func BenchmarkLargeCluster(b *testing.B) {
	var hosts strings.Builder
	hosts.WriteString("[kube_control_plane]\ncp[1:3]\n[etcd:children]\nkube_control_plane\n[kube_node]\n")
	for i := range 5000 {
		fmt.Fprintf(&hosts, "w%d ip=10.%d.%d.%d node_labels=\"{'zone': 'z%d'}\"\n", i, i/65536, i/256%256, i%256, i%7)
	}
	fsys := fstest.MapFS{"hosts": {Data: []byte(hosts.String())}}
	b.ReportAllocs()
	for b.Loop() {
		inv, err := LoadFS(context.Background(), fsys, "hosts", "inv", Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := MarshalDeclaration(Declare(inv, "")); err != nil {
			b.Fatal(err)
		}
		if _, err := Check(context.Background(), inv, CheckOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

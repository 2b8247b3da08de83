package inventory_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/kubectl-lab/kubectl-lab/pkg/inventory"
)

func Example() {
	files := fstest.MapFS{
		"hosts.ini":                         {Data: []byte("[kube-master]\nk8s01\n[etcd]\nk8s01\n[kube-node]\nk8s02 ip=192.168.0.105\n[k8s-cluster:children]\nkube-master\nkube-node\n")},
		"group_vars/k8s-cluster/addons.yml": {Data: []byte("dashboard_enabled: true\n")},
	}
	inv, err := inventory.LoadFS(context.Background(), files, "hosts.ini", "inventory", inventory.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	declared := inventory.Declare(inv, "v2.11.0")
	fmt.Println("kube_version:", declared.KubeVersion, "from the", declared.KubeVersion.Source)
	for _, n := range declared.WithRole(inventory.RoleNode) {
		fmt.Println("node:", n.Name, n.IP, "set at", n.IP.Source)
	}
	findings, err := inventory.Check(context.Background(), inv, inventory.CheckOptions{Release: "v2.31.0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range findings {
		fmt.Println(f.Severity, f.Pos, f.ID)
	}
	// Output:
	// kube_version: 1.15.3 from the default of Kubespray v2.11.0
	// node: k8s02 192.168.0.105 set at inventory/hosts.ini:6
	// error inventory/hosts.ini:7 old-group-names
	// warning inventory/group_vars/k8s-cluster/addons.yml:1 removed-variable
}

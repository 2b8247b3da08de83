package testcluster_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
)

func TestCluster(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cluster, err := testcluster.Start(ctx, testcluster.Options{Nodes: "2", AuditLog: true, NoAddons: true})
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	defer func() {
		if !stopped {
			_ = cluster.Stop() // the test has failed already
		}
	}()
	client := newClient(t, cluster)

	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes.Items) != 2 {
		t.Errorf("got %d nodes, want 2", len(nodes.Items))
	}

	if err := cluster.StopComponent(ctx, testcluster.APIServer); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Discovery().ServerVersion(); err == nil {
		t.Error("the API server answers although it was stopped")
	}
	if err := cluster.StartComponent(ctx, testcluster.APIServer); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Discovery().ServerVersion(); err != nil {
		t.Errorf("the API server does not answer although it was started: %v", err)
	}

	audit, err := os.ReadFile(cluster.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(audit), `"username":"kubernetes-admin"`) {
		t.Error("the audit log does not tell what the administrator did")
	}

	stopped = true
	if err := cluster.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(cluster.DataDir)); !os.IsNotExist(err) {
		t.Errorf("the cluster's folder is still there: %v", err)
	}
}

func TestMissingBinary(t *testing.T) {
	t.Setenv("LABCLUSTER_BIN", filepath.Join(t.TempDir(), "none"))
	_, err := testcluster.Start(t.Context(), testcluster.Options{})
	if err == nil || !strings.Contains(err.Error(), "make labcluster") {
		t.Errorf("got %v, want an error that tells how to build the binary", err)
	}
}

func TestBadOptions(t *testing.T) {
	_, err := testcluster.Start(t.Context(), testcluster.Options{Nodes: "Not_A_Name"})
	if err == nil || !strings.Contains(err.Error(), "Not_A_Name") {
		t.Errorf("got %v, want labcluster's own message", err)
	}
}

func newClient(t *testing.T, cluster *testcluster.Cluster) kubernetes.Interface {
	t.Helper()
	config, err := cluster.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

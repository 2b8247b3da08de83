package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-lab/kubectl-lab/internal/cli"
	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// TestOnline runs the sessions on a real API server, one cluster for all of them.
func TestOnline(t *testing.T) {
	cluster := testcluster.New(t, testcluster.Options{})
	server := serverOf(t, cluster.Kubeconfig)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/online",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(env *testscript.Env) error {
			kubeconfig := filepath.Join(env.WorkDir, "kubeconfig")
			data, err := os.ReadFile(cluster.Kubeconfig)
			if err != nil {
				return err
			}
			env.Setenv("KUBECONFIG", kubeconfig)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("SERVER", server)
			return os.WriteFile(kubeconfig, data, 0o600)
		},
	})
}

func serverOf(t *testing.T, kubeconfig string) string {
	t.Helper()
	raw, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return raw.Clusters[raw.Contexts[raw.CurrentContext].Cluster].Server
}

// TestNoDiscovery shows that verbs which need no discovery ask for none: it would cost every start a
// round trip or a cache to keep.
func TestNoDiscovery(t *testing.T) {
	var mu sync.Mutex
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404})
	}))
	defer server.Close()
	for _, line := range []string{"version", "label nodes k8s02 a=b", "label nodes --list"} {
		paths = nil
		args := append(strings.Fields(line), "--server", server.URL, "--cache-dir", t.TempDir())
		cli.Run(t.Context(), cli.Config{
			Streams: genericiooptions.NewTestIOStreamsDiscard(),
			Actions: actions.All(),
			Getenv:  func(string) string { return "" },
		}, args)
		if len(paths) == 0 {
			t.Errorf("%s: asked for nothing at all", line)
		}
		for _, path := range paths {
			if path == "/api" || path == "/apis" || strings.HasPrefix(path, "/openapi") {
				t.Errorf("%s: asked for discovery: %s", line, path)
			}
		}
	}
}

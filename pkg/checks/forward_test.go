package checks_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/kubectl-lab/kubectl-lab/pkg/checks"
)

// TestDialPod speaks with a pod through the API server. The simulated nodes' pods answer HTTP on every
// port.
func TestDialPod(t *testing.T) {
	l := newLab(t)
	l.running(pod("default", "answers", ""), "default", "answers")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := checks.DialPod(ctx, source(t, config(t)), "default", "answers", 53)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: answers\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %s", response.Status)
	}
	t.Run("closing ends a read", func(t *testing.T) {
		silent, err := checks.DialPod(ctx, source(t, config(t)), "default", "answers", 53)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := silent.Read(make([]byte, 1))
			ended <- err
		}()
		if err := silent.Close(); err != nil {
			t.Error(err)
		}
		select {
		case err := <-ended:
			if err == nil {
				t.Error("something was read of a pod that says nothing")
			}
		case <-ctx.Done():
			t.Error("the read goes on although the connection is closed")
		}
	})
	if _, err := checks.DialPod(ctx, source(t, config(t)), "default", "gone", 53); err == nil {
		t.Error("a pod that is not there was reached")
	}
}

// TestLookupPermission takes the simulated DNS server for a real one, and asks it with and without the
// permission to. It answers HTTP, which is no DNS.
func TestLookupPermission(t *testing.T) {
	l := newLab(t)
	l.create(binding("looker", "view", "{apiGroup: rbac.authorization.k8s.io, kind: User, name: looker}"))
	l.create(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: node-looker}
rules: [{apiGroups: [""], resources: [nodes], verbs: [list]}]`)
	l.create(binding("node-looker", "node-looker", "{apiGroup: rbac.authorization.k8s.io, kind: User, name: looker}"))
	real := rewriting("/api/v1/nodes", `"kwok.x-k8s.io/node"`, `"real"`)
	lookup := func(change func(*rest.Config)) checks.Result {
		t.Helper()
		selected, err := checks.Select(checks.All(), []string{"dns"})
		if err != nil {
			t.Fatal(err)
		}
		cfg := config(t)
		cfg.Wrap(real)
		change(cfg)
		for _, r := range run(t, source(t, cfg), checks.Config{}, selected...).Results {
			if r.ID == "dns-lookup" {
				return r
			}
		}
		t.Fatal("no dns-lookup")
		return checks.Result{}
	}
	if r := lookup(func(*rest.Config) {}); !r.Broken() || !strings.Contains(r.Message, "kubernetes.default.svc.cluster.local") {
		t.Errorf("%s %s", r.Status, r.Message)
	}
	const missing = `create pods/portforward in namespace "kube-system"`
	var r checks.Result
	l.untilOr("the lookup is not permitted", func(context.Context) (bool, error) {
		r = lookup(func(cfg *rest.Config) { cfg.Impersonate = rest.ImpersonationConfig{UserName: "looker"} })
		return r.Status == checks.StatusSkipped && r.MissingPermission != nil && r.MissingPermission.String() == missing, nil
	}, func() string { return string(r.Status) + " " + r.Message })
}

package checks_test

import (
	"context"
	"os"
	"slices"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/checks"
)

// shared is the one cluster of this package's tests.
var shared testcluster.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// config is the administrator's configuration.
func config(t *testing.T) *rest.Config {
	t.Helper()
	cfg, err := shared.Cluster(t).RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS = -1
	return cfg
}

// source reaches a cluster with a configuration.
func source(t *testing.T, cfg *rest.Config) checks.Source {
	t.Helper()
	s := checks.Source{Config: cfg}
	var errs [3]error
	s.Kubernetes, errs[0] = kubernetes.NewForConfig(cfg)
	s.Metadata, errs[1] = metadata.NewForConfig(cfg)
	s.Dynamic, errs[2] = dynamic.NewForConfig(cfg)
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// run runs checks once; no checks means all.
func run(t *testing.T, src checks.Source, cfg checks.Config, selected ...checks.Check) *checks.Report {
	t.Helper()
	if len(selected) == 0 {
		selected = checks.All()
	}
	report, err := checks.Runner{Checks: selected, Source: src, Config: cfg}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if report.Unreachable != nil {
		t.Fatal(report.Unreachable)
	}
	return report
}

// findings are the results of checks that failed; notes are left out, but for those that are asked for.
func findings(report *checks.Report, notes ...string) []checks.Result {
	var found []checks.Result
	for _, r := range report.Results {
		if r.Status == checks.StatusFailed && (r.Severity != checks.Info || slices.Contains(notes, r.ID)) {
			found = append(found, r)
		}
	}
	return found
}

func TestHealthyCluster(t *testing.T) {
	report := run(t, source(t, config(t)), checks.Config{})
	for _, r := range findings(report) {
		t.Errorf("%s: %s: %s", r.ID, r.Severity, r.Message)
	}
	for _, r := range report.Results {
		if r.Attempts != 1 || r.DurationSeconds < 0 || r.Status == checks.StatusPending {
			t.Errorf("%s: attempts %d, duration %f s, status %s", r.ID, r.Attempts, r.DurationSeconds, r.Status)
		}
	}
}

func TestRunEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report, err := checks.Runner{Checks: checks.All(), Source: source(t, config(t))}.Run(ctx)
	if err == nil {
		t.Error("no error although the context has ended")
	}
	for _, r := range report.Results {
		if r.Status == checks.StatusOK {
			t.Errorf("%s is ok although nothing can have been asked", r.ID)
		}
	}
}

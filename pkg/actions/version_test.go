package actions

import (
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	result := l.must(t, "version").(*VersionResult)
	if result.Client != "v1.2.3" || !strings.HasPrefix(result.Server, "v1.") {
		t.Errorf("client %q, server %q", result.Client, result.Server)
	}
}

func TestVersionOfClientAsksNobody(t *testing.T) {
	t.Parallel()
	options, err := parse("version --client")
	if err != nil {
		t.Fatal(err)
	}
	result, err := options.Run(t.Context(), &Env{Build: BuildInfo{Version: "v9"}}) // without a cluster
	if err != nil {
		t.Fatal(err)
	}
	if got := result.(*VersionResult); got.Client != "v9" || got.Server != "" {
		t.Errorf("got %+v", got)
	}
}

func TestVersionUsage(t *testing.T) {
	t.Parallel()
	wantUsageError(t, []string{"version now"}, `unexpected argument "now"`)
}

package installlog

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// playbook prepares a real ansible-playbook run of testdata/play, whose plays have the names of
// Kubespray's. Without ansible the test is skipped, but not in CI.
func playbook(t *testing.T, scenario, logFile string, env ...string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("ansible-playbook")
	if err != nil {
		missing(t, "ansible-playbook is not on PATH")
	}
	cmd := exec.Command(program, "-i", "hosts", "cluster.yml", "-e", "scenario="+scenario)
	cmd.Dir = filepath.Join("testdata", "play")
	home := t.TempDir()
	config := filepath.Join(home, "ansible.cfg")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "HOME="+home, "ANSIBLE_CONFIG="+config, "ANSIBLE_LOG_PATH="+logFile, "ANSIBLE_CONNECTION_PLUGINS=connection_plugins", "ANSIBLE_RETRY_FILES_ENABLED=0", "TZ=UTC", "LC_ALL=C.UTF-8")
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

func missing(t *testing.T, what string) {
	t.Helper()
	what += "; install it with hack/install-deps.sh"
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// expected is what both formats must tell about a scenario of testdata/play.
func expected(scenario string) Run {
	phases := Phases()
	phase := func(n int) Phase {
		p := phases[n-1]
		p.others = nil
		return p
	}
	if scenario == "well" {
		return Run{
			State: Succeeded, Phase: phase(15), Play: phase(15).Name, Task: "kubespray_defaults | Phase 15",
			Hosts: []Host{
				{Name: "k8s01", State: OK, OK: 15, Skipped: 3},
				{Name: "k8s02", State: OK, OK: 12, Skipped: 3, Ignored: 1},
				{Name: "k8s03", State: OK, OK: 11, Skipped: 4},
			},
			Failures: []Failure{},
		}
	}
	return Run{
		State: Failed, Phase: phase(15), Play: phase(15).Name, Task: "kubespray_defaults | Phase 15",
		Hosts: []Host{
			{Name: "k8s01", State: OK, OK: 15, Skipped: 3},
			{Name: "k8s02", State: Failed, OK: 11, Skipped: 2, Failed: 1, Ignored: 1},
			{Name: "k8s03", State: Unreachable, OK: 4, Unreachable: 1},
		},
		Failures: []Failure{
			{Host: "k8s03", Phase: phase(5), Play: phase(5).Name, Task: "A host that is not there", State: Unreachable, Message: "No route to host"},
			{
				Host: "k8s02", Phase: phase(11), Play: phase(11).Name, Task: `kubeadm | Join node "with odd ] characters ***"`, State: Failed,
				Message: "kubeadm join --token <redacted> failed: password=<redacted>, http://<redacted>@proxy/ said no",
			},
		},
	}
}

// withoutTimes drops what differs from run to run, after checking that it is there.
func withoutTimes(t *testing.T, r Run) Run {
	t.Helper()
	for _, at := range []time.Time{r.Started, r.Updated} {
		if at.IsZero() {
			t.Error("a time is missing")
		}
	}
	r.Started, r.Updated = time.Time{}, time.Time{}
	for i := range r.Failures {
		if r.Failures[i].Time.IsZero() {
			t.Error("a failure without a time")
		}
		r.Failures[i].Time = time.Time{}
	}
	return r
}

func parse(t *testing.T, data []byte) Run {
	t.Helper()
	p := Parser{Location: time.UTC}
	for line := range bytes.Lines(data) {
		p.Line(line)
	}
	return p.Run()
}

// TestReadRealRun reads what real runs of ansible-playbook write: the text log, the JSON lines, and the
// JSON lines as ANSIBLE_LOG_PATH collects them behind the text of the run before.
func TestReadRealRun(t *testing.T) {
	logFile := filepath.Join(t.TempDir(), "ansible.log")
	out, _ := playbook(t, "gone", logFile).CombinedOutput() // a failing playbook is what we want to read
	text, err := os.ReadFile(logFile)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := expected("gone")
	compare(t, "text log", want, parse(t, text))

	cmd := playbook(t, "gone", logFile, "ANSIBLE_STDOUT_CALLBACK=ansible.posix.jsonl")
	out, _ = cmd.CombinedOutput()
	if bytes.Contains(out, []byte("Invalid callback")) {
		missing(t, "the callback ansible.posix.jsonl is not there: it is in Debian's package ansible")
	}
	compare(t, "JSON lines", want, parse(t, out))
	both, err := os.ReadFile(logFile)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "JSON lines behind a text log", want, parse(t, both))
}

func compare(t *testing.T, what string, want, got Run) {
	t.Helper()
	if diff := cmp.Diff(want, withoutTimes(t, got), cmp.AllowUnexported(Phase{})); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", what, diff)
	}
}

// TestFollowRealRun follows a run from before its log exists to its end.
func TestFollowRealRun(t *testing.T) { followRealRun(t, nil) }

// TestFollowTruncatedRealRun empties the log in the middle of a run.
func TestFollowTruncatedRealRun(t *testing.T) {
	followRealRun(t, func(logFile string) error { return os.Truncate(logFile, 0) })
}

// TestFollowRotatedRealRun puts an empty file in the log's place in the middle of a run. ansible-playbook
// goes on writing to the file that was moved.
func TestFollowRotatedRealRun(t *testing.T) {
	followRealRun(t, func(logFile string) error {
		if err := os.Rename(logFile, logFile+".1"); err != nil {
			return err
		}
		return os.WriteFile(logFile, nil, 0o600)
	})
}

// followRealRun expects to see the whole of a run, although its log is disturbed in phase 7.
func followRealRun(t *testing.T, disturb func(logFile string) error) {
	t.Helper()
	logFile := filepath.Join(t.TempDir(), "ansible.log")
	cmd := playbook(t, "well", logFile)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	go func() {
		_ = cmd.Wait()
		time.AfterFunc(30*time.Second, cancel) // the log must tell of the end soon after it
	}()
	furthest, reports := 0, 0
	var last Run
	err := Follow(ctx, logFile, 20*time.Millisecond, func(r Run) {
		if r.Phase.Number < furthest {
			t.Errorf("phase %d after phase %d", r.Phase.Number, furthest)
		}
		furthest, last = r.Phase.Number, r
		reports++
		if disturb != nil && furthest >= 7 {
			if err := disturb(logFile); err != nil {
				t.Error(err)
			}
			disturb = nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if reports < 2 {
		t.Errorf("%d reports", reports)
	}
	if diff := cmp.Diff(expected("well"), withoutTimes(t, last), cmp.AllowUnexported(Phase{})); diff != "" {
		t.Errorf("at the end: (-want +got)\n%s", diff)
	}
}

package installlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const begin = "2026-08-21 10:00:00,000 p=7 u=root n=ansible | "

func lines(texts ...string) string {
	var b strings.Builder
	for _, text := range texts {
		b.WriteString(begin + text + "\n")
	}
	return b.String()
}

func TestStates(t *testing.T) {
	tests := []struct {
		name, log string
		check     func(Run) bool
	}{
		{"empty", "", func(r Run) bool { return r.State == Unknown && r.Phase.Number == 0 }},
		{"other text", "hello\n\nworld\n", func(r Run) bool { return r.State == Unknown }},
		{"running", lines("PLAY [Install etcd] ***", "TASK [etcd : Copy] ***", "ok: [a]"), func(r Run) bool {
			return r.State == Running && r.Phase.Number == 8 && r.Task == "etcd : Copy" && r.Hosts[0].OK == 1
		}},
		{"newer ansible writes the level", "2026-08-21 10:00:00,000 p=7 u=root n=ansible INFO| PLAY [Install etcd] ***\n", func(r Run) bool { return r.Phase.Number == 8 && !r.Updated.IsZero() }},
		{"printed, not logged", "\nPLAY [Install etcd] ****\n\nTASK [x] ***\n\x1b[0;32mok: [a]\x1b[0m\n", func(r Run) bool { return r.Phase.Number == 8 && r.Hosts[0].Name == "a" }},
		{"middle of a rotated log", lines("ok: [a]", "TASK [x] ***", "changed: [a]"), func(r Run) bool { return r.State == Running && r.Phase.Number == 0 && r.Hosts[0].OK == 2 }},
		{"unknown play", lines("PLAY [Remove node] ***"), func(r Run) bool {
			return r.Phase.Number == 0 && r.Play == "Remove node" && r.Phase.Name == "Remove node"
		}},
		{"play without a name", lines("PLAY ***"), func(r Run) bool { return r.Phase.Number == 0 && r.State == Running }},
		{"delegated", lines("PLAY [x] ***", "TASK [t] ***", "changed: [a -> b(10.0.0.1)]"), func(r Run) bool { return len(r.Hosts) == 1 && r.Hosts[0].Name == "a" && r.Hosts[0].Changed == 1 }},
		{"items count once", lines("PLAY [x] ***", "TASK [t] ***", "ok: [a] => (item=1)", "changed: [a] => (item=2)", "changed: [a] => (item=3)"), func(r Run) bool { return r.Hosts[0].OK == 1 && r.Hosts[0].Changed == 1 }},
		{"failed items are one failure", lines("PLAY [x] ***", "TASK [t] ***", `failed: [a] (item=1) => {"msg": "one"}`, `failed: [a] (item=2) => {"msg": "two"}`), func(r Run) bool {
			return len(r.Failures) == 1 && r.Failures[0].Message == "one" && r.Count(Failed) == 1
		}},
		{"failed command", lines("PLAY [x] ***", "TASK [t] ***", `fatal: [a]: FAILED! => {"msg": "non-zero return code", "rc": 3, "stderr": "boom\nbang", "stdout": "out"}`), func(r Run) bool {
			return r.Failures[0].Message == "non-zero return code: boom bang"
		}},
		{"hidden failure", lines("PLAY [x] ***", "TASK [t] ***", `fatal: [a]: FAILED! => {"censored": "the output has been hidden"}`), func(r Run) bool { return r.Failures[0].Message == "hidden by no_log" }},
		{"failure without JSON", lines("PLAY [x] ***", "TASK [t] ***", `fatal: [a]: FAILED! => oops`), func(r Run) bool { return r.Failures[0].Message == "oops" }},
		{"ignored", lines("PLAY [x] ***", "TASK [t] ***", `fatal: [a]: FAILED! => {"msg": "x"}`, "...ignoring"), func(r Run) bool { return len(r.Failures) == 0 && r.Hosts[0].Ignored == 1 && r.Hosts[0].State == OK }},
		{"rescued", lines("PLAY [x] ***", "TASK [t] ***", `fatal: [a]: FAILED! => {"msg": "x"}`, "TASK [u] ***", "ok: [a]"), func(r Run) bool { return len(r.Failures) == 0 && r.Hosts[0].State == OK }},
		{"retrying", lines("PLAY [x] ***", "TASK [t] ***", "FAILED - RETRYING: [a]: Wait for it (4 retries left)."), func(r Run) bool { return r.Retry == "4 retries left" }},
		{"second run after the recap", lines("PLAY [Install etcd] ***", "TASK [t] ***", `fatal: [a]: FAILED! => {"msg": "x"}`, "PLAY RECAP ***", "a : ok=1 changed=0 unreachable=0 failed=1", "PLAY [Gather facts] ***", "TASK [t] ***", "ok: [b]"), func(r Run) bool {
			return r.State == Running && r.Phase.Number == 5 && len(r.Hosts) == 1 && len(r.Failures) == 0
		}},
		{"second run of another process", lines("PLAY [Install etcd] ***", "TASK [t] ***", "ok: [a]") + strings.ReplaceAll(lines("PLAY [Gather facts] ***"), "p=7", "p=8"), func(r Run) bool { return r.Phase.Number == 5 && len(r.Hosts) == 0 }},
		{"second run from the start", "PLAY [Install etcd] ***\nok: [a]\nPLAY [Check ansible version] ***\n", func(r Run) bool { return r.Phase.Number == 1 && len(r.Hosts) == 0 }},
		{"recap", lines("PLAY [x] ***", "PLAY RECAP ***", "a  : ok=5    changed=2    unreachable=0    failed=0    skipped=3    rescued=1    ignored=4   "), func(r Run) bool {
			return r.State == Succeeded && r.Hosts[0] == (Host{Name: "a", State: OK, OK: 5, Changed: 2, Skipped: 3, Ignored: 4})
		}},
		{"recap of an unreachable host", lines("PLAY [x] ***", "PLAY RECAP ***", "a : ok=0 changed=0 unreachable=1 failed=0"), func(r Run) bool { return r.State == Failed && r.Count(Unreachable) == 1 }},
		{"half a JSON line", `{"_event":"v2_playbook_on_play_start","play":{"name":"Install etcd"}}` + "\n" + `{"_event":"v2_runner_on_ok","hosts":{"a`, func(r Run) bool { return r.Phase.Number == 8 && len(r.Hosts) == 0 }},
		{"odd types in a JSON line", `{"_event":"v2_runner_on_failed","_timestamp":"x","hosts":{"a":{"msg":{"k":1},"results":"none","changed":"yes"}}}`, func(r Run) bool { return r.Failures[0].Message == `{"k":1}` }},
		{"free strategy", `{"_event":"v2_playbook_on_play_start","play":{"name":"p"}}` + "\n" + `{"_event":"v2_runner_on_start","task":{"name":"t"}}` + "\n" + `{"_event":"v2_runner_on_ok","task":{"name":"t"},"hosts":{"a":{}}}` + "\n" +
			`{"_event":"v2_runner_on_start","task":{"name":"t"}}` + "\n" + `{"_event":"v2_runner_on_ok","task":{"name":"t"},"hosts":{"b":{"changed":true}}}`, func(r Run) bool { return r.Task == "t" && len(r.Hosts) == 2 && r.Hosts[1].Changed == 1 }},
		{"failed items in a JSON line", `{"_event":"v2_runner_on_failed","hosts":{"a":{"msg":"One or more items failed","results":[{"failed":false,"msg":"fine"},{"failed":true,"msg":"this one"}]}}}`, func(r Run) bool { return r.Failures[0].Message == "this one" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Read(strings.NewReader(tt.log))
			if err != nil {
				t.Fatal(err)
			}
			if !tt.check(r) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestPhases(t *testing.T) {
	for i, p := range Phases() {
		if p.Number != i+1 {
			t.Errorf("%s has number %d", p.Name, p.Number)
		}
		if got := phaseOf(p.Name, 0); got.Number != p.Number {
			t.Errorf("%s is found as %d", p.Name, got.Number)
		}
	}
	if n := len(Phases()); n != 15 {
		t.Errorf("%d phases", n)
	}
}

// TestNamelessPlays goes through the plays of v2.11.0 and v2.18.0, which are named after their hosts.
func TestNamelessPlays(t *testing.T) {
	for release, plays := range map[string]map[int][]string{
		"v2.11.0": {0: {"localhost", "bastion[0]", "k8s-cluster:etcd:calico-rr", "k8s-cluster:etcd:calico-rr", "etcd", "k8s-cluster:calico-rr", "k8s-cluster", "kube-master", "k8s-cluster", "kube-master[0]", "kube-master", "calico-rr", "k8s-cluster"}},
		"v2.18.0": {1: {"Check ansible version", "bastion[0]", "k8s_cluster:etcd", "Gather facts", "k8s_cluster:etcd", "etcd", "k8s_cluster", "k8s_cluster", "kube_control_plane", "k8s_cluster", "calico_rr", "kube_control_plane[0]", "kube_control_plane", "k8s_cluster"}},
	} {
		want := map[string][]int{
			"v2.11.0": {1, 3, 4, 6, 8, 9, 9, 10, 11, 13, 14, 12, 15},
			"v2.18.0": {1, 3, 4, 5, 6, 8, 9, 9, 10, 11, 12, 13, 14, 15},
		}[release]
		for _, names := range plays {
			var p Parser
			for i, name := range names {
				p.Line([]byte("PLAY [" + name + "] ***"))
				if got := p.Run().Phase.Number; got != want[i] {
					t.Errorf("%s, play %d, %s: phase %d, want %d", release, i, name, got, want[i])
				}
			}
		}
	}
}

func TestSecretsAreRedacted(t *testing.T) {
	for _, message := range []string{
		"password=hunter2", "Password: hunter2", `{"password": "hunter2"}`, "token=hunter2 x", "--token hunter2", "kubeadm join --certificate-key hunter2 --v 5",
		"Authorization: Bearer hunter2", "https://me:hunter2@host/", `["--token", "hunter2"]`, "secret='hunter2'", "api_key: hunter2", "client_secret=hunter2",
	} {
		if got := shorten(message); strings.Contains(got, "hunter2") || !strings.Contains(got, "<redacted>") {
			t.Errorf("%s: %s", message, got)
		}
	}
	for _, message := range []string{`secrets "x" is forbidden`, "token expired", "https://host:6443/ refused", "--token"} {
		if got := shorten(message); got != message {
			t.Errorf("%s became %s", message, got)
		}
	}
	if got := shorten(strings.Repeat("é", 100_000)); len([]rune(got)) != maxMessage+1 {
		t.Errorf("%d characters", len([]rune(got)))
	}
}

func TestLongLines(t *testing.T) {
	var log bytes.Buffer
	log.WriteString("PLAY [Install etcd] ***\n")
	log.WriteString("ok: [" + strings.Repeat("x", maxLine) + "]\n")
	log.WriteString("TASK [after] ***\n")
	r, err := Read(&log)
	if err != nil || r.Task != "after" || len(r.Hosts) != 0 {
		t.Errorf("%v %v %d hosts", err, r.Task, len(r.Hosts))
	}
}

func TestManyFailures(t *testing.T) {
	var log strings.Builder
	log.WriteString("PLAY [x] ***\nTASK [t] ***\n")
	for i := range 500 {
		fmt.Fprintf(&log, "fatal: [h%03d]: FAILED! => {}\n", i)
	}
	r, err := Read(strings.NewReader(log.String()))
	if err != nil || len(r.Failures) != maxFailures || r.Count(Failed) != 500 {
		t.Errorf("%v, %d failures, %d hosts", err, len(r.Failures), r.Count(Failed))
	}
}

func TestReadFile(t *testing.T) {
	if _, err := ReadFile(context.Background(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := ReadFile(context.Background(), t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte("PLAY [Install etcd] ***"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := ReadFile(context.Background(), file); err != nil || r.Phase.Number != 8 {
		t.Errorf("%v %+v", err, r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := ReadFile(ctx, file); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// TestFollow writes, truncates and replaces a log under a follower that reports every change.
func TestFollow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	reports := make(chan Run, 100)
	done := make(chan error, 1)
	go func() { done <- Follow(ctx, file, time.Millisecond, func(r Run) { reports <- r }) }()
	wait := func(what string, ok func(Run) bool) {
		t.Helper()
		for {
			select {
			case r := <-reports:
				if ok(r) {
					return
				}
			case <-ctx.Done():
				t.Fatalf("no report of %s", what)
			}
		}
	}
	write := func(flags int, text string) {
		t.Helper()
		f, err := os.OpenFile(file, os.O_WRONLY|flags, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	wait("a missing file", func(r Run) bool { return r.State == Unknown })
	write(os.O_CREATE|os.O_APPEND, "PLAY [Install etcd] ***\nTASK [one] ***\nTASK [hal")
	wait("the first lines", func(r Run) bool { return r.Task == "one" })
	write(os.O_APPEND, "f] ***\n")
	wait("a line in two parts", func(r Run) bool { return r.Task == "half" })
	write(os.O_TRUNC, "TASK [cut] ***\n")
	wait("a truncated file", func(r Run) bool { return r.Task == "cut" && r.Phase.Number == 8 })
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	write(os.O_CREATE|os.O_EXCL, "TASK [rotated] ***\nfatal: [a]: FAILED! => {}\n")
	wait("a rotated file", func(r Run) bool { return r.Task == "rotated" && r.Count(Failed) == 1 })
	write(os.O_APPEND, "PLAY RECAP ***\na : ok=1 changed=0 unreachable=0 failed=1 skipped=0 rescued=0 ignored=0\n")
	wait("the end", func(r Run) bool { return r.State == Failed })
	if err := <-done; err != nil {
		t.Errorf("at the end: %v", err)
	}
}

func TestFollowStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	err := Follow(ctx, filepath.Join(t.TempDir(), "never"), time.Millisecond, func(Run) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if err := Follow(context.Background(), t.TempDir(), time.Millisecond, func(Run) {}); err == nil {
		t.Error("a folder was followed")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(lines("PLAY [Install etcd] ***", "TASK [t] ***", `fatal: [a]: FAILED! => {"msg": "x"}`, "...ignoring", "PLAY RECAP ***", "a : ok=1 changed=0 unreachable=0 failed=1")))
	f.Add([]byte(`{"_event":"v2_playbook_on_play_start","play":{"name":"Install etcd"}}` + "\n" + `{"_event":"v2_runner_on_failed","hosts":{"a":{"msg":"x","results":[{}]}}}` + "\n" + `{"_event":"v2_playbook_on_stats","stats":{"a":{"ok":1}}}`))
	f.Add([]byte("FAILED - RETRYING: [a]: x (3 retries left).\nfailed: [a -> b] (item=1) => {}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Read(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range r.Hosts {
			if h.Failed < 0 || h.Unreachable < 0 {
				t.Errorf("negative counts: %+v", h)
			}
		}
		for _, failure := range r.Failures {
			if len([]rune(failure.Message)) > maxMessage+1 {
				t.Errorf("a message of %d characters", len([]rune(failure.Message)))
			}
		}
	})
}

package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

func TestSeekTail(t *testing.T) {
	var long strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&long, "line %d\n", i)
	}
	tests := map[string]struct {
		content string
		tail    int
		want    string
	}{
		"all":             {"a\nb\n", -1, "a\nb\n"},
		"none":            {"a\nb\n", 0, ""},
		"one":             {"a\nb\n", 1, "b\n"},
		"too many":        {"a\nb\n", 9, "a\nb\n"},
		"empty":           {"", 3, ""},
		"across blocks":   {long.String(), 2, "line 4998\nline 4999\n"},
		"many blocks":     {long.String(), 4999, long.String()[len("line 0\n"):]},
		"only newlines":   {"\n\n\n", 2, "\n\n"},
		"exactly so many": {"a\nb\n", 2, "a\nb\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if err := seekTail(file, test.tail); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFollowLog(t *testing.T) {
	config := cluster.New(cluster.Dir(t.TempDir()), cluster.Simulated, "lab", nil)
	if err := errors.Join(config.MakeFolders(), config.Save()); err != nil {
		t.Fatal(err)
	}
	file := config.Dir().LogFile("etcd")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	reader, writer := io.Pipe()
	ended := make(chan error)
	go func() { ended <- WriteLog(ctx, config.Dir(), "etcd", -1, true, writer) }()

	expect := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(reader, got); err != nil || string(got) != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	expect("first\n")
	if err := os.Rename(file, file+".old"); err != nil { // as a long log at a restart
		t.Fatal(err)
	}
	write("second\n")
	expect("second\n")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestUnknownLog(t *testing.T) {
	config := cluster.New(cluster.Dir(t.TempDir()), cluster.Simulated, "lab", nil)
	if err := errors.Join(config.MakeFolders(), config.Save()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config.Dir().LogFile("etcd"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nobody", "../cluster", ""} {
		err := WriteLog(t.Context(), config.Dir(), name, -1, false, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "there are: etcd") {
			t.Errorf("%q: got %v, want an error that lists the logs", name, err)
		}
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := tryAcquire(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryAcquire(path); !errors.Is(err, errLocked) {
		t.Errorf("the second holder got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := acquire(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for the lock ended with %v", err)
	}
	first.release()
	second, err := acquire(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	second.release()
}

func TestRemovesOnlyItsOwnFiles(t *testing.T) {
	dir := cluster.Dir(filepath.Join(t.TempDir(), "odd [name]*"))
	config := cluster.New(dir, cluster.Simulated, "lab", nil)
	if err := errors.Join(config.MakeFolders(), config.Save()); err != nil {
		t.Fatal(err)
	}
	note := filepath.Join(string(dir), "note.txt")
	if err := os.WriteFile(note, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeFiles(dir, []string{string(dir)}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(string(dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != "note.txt" {
		t.Errorf("what is left: %v", entries)
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	step := NewProgress(&out, false).Begin("etcd")
	step.Update("almost")
	if out.Len() > 0 {
		t.Errorf("an unfinished step is written where there is no terminal: %q", out.String())
	}
	step.Done("")
	if got := out.String(); !strings.HasPrefix(got, " ✓ etcd (") || !strings.HasSuffix(got, "s)\n") {
		t.Errorf("got %q", got)
	}

	out.Reset()
	step = NewProgress(&out, true).Begin("etcd")
	step.Update("almost")
	step.Done("")
	if got := out.String(); strings.Count(got, clearLine) != 3 || !strings.Contains(got, "etcd: almost") {
		t.Errorf("got %q", got)
	}
}

func TestUnknownKind(t *testing.T) {
	if _, err := FlavorOf("paper"); err == nil || !strings.Contains(err.Error(), `"paper"`) {
		t.Errorf("got %v", err)
	}
}

func TestLastLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	content := "one\ntwo\n" + strings.Repeat("é", 200) + "\nfour\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "two\n" + strings.Repeat("é", 120) + " …\nfour"
	if diff := cmp.Diff(want, lastLines(file)); diff != "" {
		t.Error(diff)
	}
	if got := lastLines(file + ".none"); !strings.Contains(got, "no such file") {
		t.Errorf("got %q", got)
	}
}

package inventory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"
)

// smallLimits keep each fuzzed input fast.
func smallLimits() *Limits {
	return &Limits{Hosts: 500, Groups: 100, Memberships: 1000, Variables: 1000, Files: 20, FileBytes: 1 << 16, TotalBytes: 1 << 18, Values: 5000, Depth: 40}
}

func seedFiles(f *testing.F) {
	f.Helper()
	archives, err := filepath.Glob(filepath.Join("testdata", "corpus", "*.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archives {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var vars []byte
		if len(archive.Files) > 1 {
			vars = archive.Files[1].Data
		}
		f.Add(archive.Files[0].Data, vars)
	}
}

// exercise does with an inventory whatever the verbs do.
func exercise(t *testing.T, inv *Inventory) {
	for _, h := range inv.Hosts() {
		for _, v := range h.Vars() {
			if _, err := json.Marshal(v); err != nil {
				t.Errorf("marshal %s: %v", v.Name, err)
			}
		}
	}
	for _, release := range []string{"", "v2.11.0", "v2.31.0"} {
		data, err := MarshalDeclaration(Declare(inv, release))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := UnmarshalDeclaration(data); err != nil {
			t.Fatal(err)
		}
		findings, err := Check(context.Background(), inv, CheckOptions{Release: release})
		if err != nil {
			t.Fatal(err)
		}
		_ = fmt.Sprint(findings)
	}
}

func fuzzSource(f *testing.F, name string) {
	seedFiles(f)
	f.Fuzz(func(t *testing.T, source, vars []byte) {
		fsys := fstest.MapFS{name: {Data: source, Mode: 0o644}, "group_vars/all.yml": {Data: vars, Mode: 0o644}}
		inv, err := LoadFS(context.Background(), fsys, name, "inv", Options{Limits: smallLimits()})
		if err == nil {
			exercise(t, inv)
		}
	})
}

func FuzzINI(f *testing.F)  { fuzzSource(f, "hosts.ini") }
func FuzzYAML(f *testing.F) { fuzzSource(f, "hosts.yml") }
func FuzzBoth(f *testing.F) { fuzzSource(f, "hosts") }

func FuzzHostPattern(f *testing.F) {
	for _, p := range pieces() {
		if p.op == "pattern" {
			for _, s := range p.samples {
				f.Add(s)
			}
		}
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		names, _, err := expandHostPattern(pattern, 1000)
		if err == nil && len(names) > 1000 {
			t.Errorf("%d names", len(names))
		}
	})
}

func FuzzValue(f *testing.F) {
	for _, p := range pieces() {
		if p.op == "literal" || p.op == "shlex" {
			for _, s := range p.samples {
				f.Add(s)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := splitHostLine(text); err != nil {
			_ = err.Error()
		}
		v, err := iniValue(text)
		if err != nil {
			return
		}
		if _, err := v.MarshalJSON(); err != nil {
			t.Error(err)
		}
		again, err := iniValue(text)
		if err != nil || !again.Equal(v) && !bytes.Contains([]byte(v.String()), []byte("nan")) {
			t.Errorf("%q is read in two ways: %v and %v, %v", text, v, again, err)
		}
	})
}

func FuzzDeclaration(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"inventory.kubectl-lab.io/v1","kind":"Declaration","nodes":[{"host":"a","ip":{"state":"declared","value":"x"}}]}`))
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := UnmarshalDeclaration(data)
		if err != nil {
			return
		}
		if _, err := MarshalDeclaration(d); err != nil {
			t.Error(err)
		}
		d.ServiceCIDRs()
		d.Settings()
	})
}

func FuzzList(f *testing.F) {
	f.Add([]byte(`{"all":{"children":["g"]},"g":{"hosts":["a"],"children":["g"]},"_meta":{"hostvars":{"a":{"x":1}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		inv, err := fromList(data, "inv", Options{Limits: smallLimits()})
		if err == nil {
			exercise(t, inv)
		}
	})
}

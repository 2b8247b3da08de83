package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLdd(t *testing.T) {
	const output = `	linux-vdso.so.1 (0x00007ffd5d5f2000)
	libnftables.so.1 => /lib/x86_64-linux-gnu/libnftables.so.1 (0x00007f1)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2)
	libgone.so.1 => not found
	/lib64/ld-linux-x86-64.so.2 (0x00007f3)

	statically linked
`
	want := []string{
		"/lib/x86_64-linux-gnu/libnftables.so.1", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2",
	}
	if diff := cmp.Diff(want, parseLdd(output)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzParseLdd(f *testing.F) {
	f.Add("\tlibc.so.6 => /lib/libc.so.6 (0x0)\n")
	f.Fuzz(func(t *testing.T, output string) {
		for _, file := range parseLdd(output) {
			if file[0] != '/' {
				t.Errorf("%q from %q", file, output)
			}
		}
	})
}

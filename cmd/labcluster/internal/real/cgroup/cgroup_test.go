//go:build linux

package cgroup

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMountinfo(t *testing.T) {
	tests := map[string]struct {
		text string
		want []hierarchy
	}{
		"v2": {
			"30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n" +
				"24 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
			[]hierarchy{{mount: "/sys/fs/cgroup", v2: true}},
		},
		"v1": {
			"25 24 0:22 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
				"26 24 0:23 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,xattr,memory\n" +
				"27 24 0:24 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/x,name=systemd\n",
			[]hierarchy{
				{mount: "/sys/fs/cgroup/cpu,cpuacct", data: "cpu,cpuacct"},
				{mount: "/sys/fs/cgroup/memory", data: "memory"},
				{mount: "/sys/fs/cgroup/systemd", data: "none,name=systemd"},
			},
		},
		"both: the controllers are with v1": {
			"28 24 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" +
				"26 24 0:23 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
			[]hierarchy{{mount: "/sys/fs/cgroup/memory", data: "memory"}},
		},
		"mounted twice": {
			"26 24 0:23 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
				"99 24 0:23 / /mnt/a\\040b rw - cgroup cgroup rw,memory\n",
			[]hierarchy{{mount: "/sys/fs/cgroup/memory", data: "memory"}},
		},
		"a space in the path": {
			"30 24 0:26 / /a\\040b rw - cgroup2 cgroup2 rw\n",
			[]hierarchy{{mount: "/a b", v2: true}},
		},
		"none":    {"24 1 8:1 / / rw - ext4 /dev/sda1 rw\n", nil},
		"garbage": {"\n- - -\nx\n24 1 8:1 / - cgroup\n", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := parseMountinfo(test.text)
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(hierarchy{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseMountinfo(f *testing.F) {
	f.Add("26 24 0:23 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,xattr,memory\n")
	f.Add("30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, h := range parseMountinfo(text) {
			if h.mount == "" {
				t.Errorf("a hierarchy without a mount point in %q", text)
			}
		}
	})
}

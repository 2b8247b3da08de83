//go:build linux

// Package cgroup makes, fills and removes control groups, and mounts a view of them for a node. It
// works with cgroup v1, where each controller has a hierarchy of its own, and with cgroup v2.
package cgroup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hierarchy is a tree of control groups.
type hierarchy struct {
	mount string // where it is mounted on this machine
	v2    bool
	data  string // for v1, the mount(2) data that names it, such as "cpu,cpuacct" or "none,name=systemd"
}

// hierarchies finds those of this machine. Where both versions are mounted the controllers are with
// v1, so v2 is left out.
func hierarchies() ([]hierarchy, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	all := parseMountinfo(string(data))
	if len(all) == 0 {
		return nil, errors.New("no control groups are mounted on this machine (/sys/fs/cgroup)")
	}
	return all, nil
}

// parseMountinfo reads the format of proc_pid_mountinfo(5).
func parseMountinfo(text string) []hierarchy {
	var v1, v2 []hierarchy
	for line := range strings.Lines(text) {
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 {
			continue
		}
		mount := unescape(left[4])
		switch right[0] {
		case "cgroup":
			v1 = append(v1, hierarchy{mount: mount, data: v1Data(right[2])})
		case "cgroup2":
			v2 = append(v2, hierarchy{mount: mount, v2: true})
		}
	}
	if len(v1) > 0 {
		return distinct(v1)
	}
	return v2[:min(len(v2), 1)]
}

func distinct(all []hierarchy) []hierarchy {
	var list []hierarchy
	for _, h := range all {
		if !slices.ContainsFunc(list, func(other hierarchy) bool { return other.data == h.data }) {
			list = append(list, h)
		}
	}
	return list
}

// unescape resolves the octal escapes of mountinfo.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// v1Data picks from a v1 hierarchy's options those that name it.
func v1Data(options string) string {
	var names []string
	named := false
	for option := range strings.SplitSeq(options, ",") {
		switch {
		case strings.HasPrefix(option, "name="):
			named = true
		case slices.Contains([]string{"rw", "ro", "xattr", "clone_children", "noprefix", "cpuset_v2_mode", "favordynmods"}, option),
			strings.HasPrefix(option, "release_agent="):
			continue
		}
		names = append(names, option)
	}
	if named && len(names) == 1 {
		names = append([]string{"none"}, names...)
	}
	return strings.Join(names, ",")
}

// Version tells which version of control groups this machine has: "v1" or "v2".
func Version() (string, error) {
	all, err := hierarchies()
	if err != nil {
		return "", err
	}
	if all[0].v2 {
		return "v2", nil
	}
	return "v1", nil
}

// Exists reports whether there is a group whose path matches the pattern (see filepath.Match).
func Exists(pattern string) (bool, error) {
	all, err := hierarchies()
	if err != nil {
		return false, err
	}
	for _, h := range all {
		matches, err := filepath.Glob(filepath.Join(h.mount, pattern))
		if err != nil || len(matches) > 0 {
			return len(matches) > 0, err
		}
	}
	return false, nil
}

// Make makes the group at path (below each hierarchy's root) with all controllers, and its parents.
func Make(path string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		if err := h.make(path); err != nil {
			return fmt.Errorf("make control group %s: %w", filepath.Join(h.mount, path), err)
		}
	}
	return nil
}

func (h hierarchy) make(path string) error {
	at := h.mount
	for part := range strings.SplitSeq(path, "/") {
		parent := at
		at = filepath.Join(at, part)
		if h.v2 {
			if err := delegate(parent); err != nil {
				return err
			}
		}
		if err := os.Mkdir(at, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := copyCpuset(parent, at); err != nil {
			return err
		}
	}
	return nil
}

// delegate lets the children of a v2 group use all the controllers that it has itself.
func delegate(group string) error {
	available, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return err
	}
	file := filepath.Join(group, "cgroup.subtree_control")
	enabled, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	has := strings.Fields(string(enabled))
	for _, controller := range strings.Fields(string(available)) {
		if slices.Contains(has, controller) {
			continue
		}
		if err := os.WriteFile(file, []byte("+"+controller), 0); err != nil && slices.Contains(needed(), controller) {
			return fmt.Errorf("enable controller %s: %w", controller, err)
		}
	}
	return nil
}

// needed are the controllers that kubelet does not do without.
func needed() []string { return []string{"cpu", "cpuset", "memory", "pids"} }

// copyCpuset gives a v1 group its parent's processors and memory nodes: without, it takes no process.
func copyCpuset(parent, group string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		file := filepath.Join(group, name)
		own, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another controller's hierarchy
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(own)) > 0 {
			continue
		}
		inherited, err := os.ReadFile(filepath.Join(parent, name))
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(inherited)) == 0 {
			continue // v2 inherits by itself
		}
		if err := os.WriteFile(file, inherited, 0); err != nil {
			return err
		}
	}
	return nil
}

// Join moves a process into the group at path.
func Join(path string, pid int) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		if err := join(filepath.Join(h.mount, path), pid); err != nil {
			return err
		}
	}
	return nil
}

func join(group string, pid int) error {
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
		return fmt.Errorf("move process %d into control group %s: %w", pid, group, err)
	}
	return nil
}

// Remove ends what runs in the group at path and below, and removes them. It is no error if there
// is none.
func Remove(ctx context.Context, path string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for {
		var last error
		for _, h := range all {
			last = errors.Join(last, removeTree(filepath.Join(h.mount, path)))
		}
		if last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("remove control group %s: %w", path, last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// removeTree tries to remove a group with everything below and in it.
func removeTree(group string) error {
	entries, err := os.ReadDir(group)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(group, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := kill(group); err != nil {
		return err
	}
	if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func kill(group string) error {
	data, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, field := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(field)
		if err != nil || pid <= 0 { // 0 is a process outside our PID namespace
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// MountView mounts the hierarchies at target, as the calling process's cgroup namespace shows them:
// its own group is the root. The process moves into a leaf, as v2 asks for.
func MountView(target string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	if all[0].v2 {
		return mountV2(target)
	}
	if err := unix.Mount("cgroup", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755"); err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	for _, h := range all {
		if err := h.mountV1(target); err != nil {
			return err
		}
	}
	return nil
}

func mountV2(target string) error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("cgroup2", target, "cgroup2", flags, ""); err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	leaf := filepath.Join(target, "init")
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	const self = 0 // cgroups(7): the writing process
	if err := join(leaf, self); err != nil {
		return err
	}
	return delegate(target)
}

func (h hierarchy) mountV1(target string) error {
	name := filepath.Base(h.mount)
	at := filepath.Join(target, name)
	if err := os.Mkdir(at, 0o755); err != nil {
		return err
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("cgroup", at, "cgroup", flags, h.data); err != nil {
		return fmt.Errorf("mount control groups %s: %w", h.data, err)
	}
	for controller := range strings.SplitSeq(h.data, ",") { // cpu -> cpu,cpuacct
		if controller == name || controller == "none" || strings.Contains(controller, "=") {
			continue
		}
		if err := os.Symlink(name, filepath.Join(target, controller)); err != nil {
			return err
		}
	}
	return nil
}

//go:build linux

package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/cgroup"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/place"
)

// Wait is the first stage of process 1. It waits until it is in the node's control group, makes that
// the root of what the node sees, and goes on as the second stage. It returns only if that fails.
func Wait(args []string) error {
	gate := os.NewFile(gateFD, "gate")
	if _, err := io.Copy(io.Discard, gate); err != nil {
		return err
	}
	if err := gate.Close(); err != nil {
		return err
	}
	runtime.LockOSThread() // the namespace is the thread's; exec makes it the process's
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("make a cgroup namespace: %w", err)
	}
	next := append([]string{os.Args[0], StartCommand}, args...)
	err := syscall.Exec("/proc/self/exe", next, os.Environ()) //nolint:gosec // this program itself, with its own arguments
	return fmt.Errorf("go on in the cgroup namespace: %w", err)
}

// Start is the second stage of process 1: it moves into the node's own root folder and runs the
// node's programs there.
func Start(dir, programs, name string) error {
	dieWithOutside()
	config, err := cluster.Load(cluster.Dir(dir))
	if err != nil {
		return err
	}
	if err := enterRoot(config, programs, name); err != nil {
		return fmt.Errorf("set up the node's files: %w", err)
	}
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set the node's name: %w", err)
	}
	if err := networkSettings(); err != nil {
		return err
	}
	return runPrograms()
}

// dieWithOutside ends the node when the process outside is gone. The kernel does that too, by its
// parent-death signal, unless it came too early to be seen.
func dieWithOutside() {
	lifeline := os.NewFile(lifelineFD, "lifeline")
	unix.CloseOnExec(lifelineFD)
	go func() {
		_, _ = io.Copy(io.Discard, lifeline) // returns when the other end is closed
		os.Exit(1)
	}()
}

// enterRoot mounts what a machine has besides files, makes the node's folder the root, and lets go
// of this machine's.
func enterRoot(config *cluster.Config, programs, name string) error {
	root := place.Root(config, name)
	steps := []func() error{
		func() error { return mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") },
		func() error { return mount(root, root, "", unix.MS_BIND, "") },
		func() error { return mountUsr(config, name) },
		func() error { return mountSystemFolders(root) },
		func() error { return bindReadOnly(programs, filepath.Join(root, programsInside)) },
		func() error { return mount("proc", filepath.Join(root, "proc"), "proc", noPrograms, "") },
		func() error { return mount("sysfs", filepath.Join(root, "sys"), "sysfs", noPrograms, "") },
		func() error { return cgroup.MountView(filepath.Join(root, "sys/fs/cgroup")) },
		func() error { return mount("/dev", filepath.Join(root, "dev"), "", unix.MS_BIND|unix.MS_REC, "") },
		func() error {
			return mount("run", filepath.Join(root, "run"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755")
		},
		func() error { return shieldKernel(root) },
		func() error { return pivot(root) },
		func() error { return mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "") }, // as systemd does, for mount propagation
		func() error { return mount("shm", "/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777") },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

const noPrograms = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	return nil
}

func bindReadOnly(source, target string) error {
	if err := mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

// mountUsr shows this machine's /usr; what the node changes there goes to a folder of its own.
func mountUsr(config *cluster.Config, name string) error {
	own := place.Node(config, name)
	options := fmt.Sprintf("lowerdir=/usr,upperdir=%s,workdir=%s",
		escapeOption(filepath.Join(own, "usr-changes")), escapeOption(filepath.Join(own, "usr-work")))
	return mount("usr", filepath.Join(place.Root(config, name), "usr"), "overlay", 0, options)
}

// escapeOption escapes a path in overlayfs's options.
func escapeOption(path string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`, `:`, `\:`).Replace(path)
}

// mountSystemFolders mounts /bin and the like where they are folders, read-only.
func mountSystemFolders(root string) error {
	for _, name := range systemFolders() {
		info, err := os.Lstat("/" + name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink != 0 {
			continue
		}
		if err != nil {
			return err
		}
		target := filepath.Join(root, name)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		if err := bindReadOnly("/"+name, target); err != nil {
			return err
		}
	}
	return nil
}

// shieldKernel covers the kernel settings that kubelet would change for this whole machine
// (setupKernelTunables in pkg/kubelet/cm/container_manager_linux.go). It finds what it wants there,
// and changes nothing.
func shieldKernel(root string) error {
	settings := []struct{ path, value string }{
		{"vm/overcommit_memory", "1"},
		{"vm/panic_on_oom", "0"},
		{"kernel/panic", "10"},
		{"kernel/panic_on_oops", "1"},
		{"kernel/keys/root_maxkeys", "1000000"},
		{"kernel/keys/root_maxbytes", "25000000"},
	}
	for _, setting := range settings {
		cover := filepath.Join(root, "run/lab/sys", setting.path)
		if err := os.MkdirAll(filepath.Dir(cover), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(cover, []byte(setting.value+"\n"), 0o644); err != nil {
			return err
		}
		if err := mount(cover, filepath.Join(root, "proc/sys", setting.path), "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

// pivot makes root the root folder (pivot_root(2), the way without a folder for the old one).
func pivot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("make %s the root folder: %w", root, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let go of this machine's root folder: %w", err)
	}
	return os.Chdir("/")
}

// networkSettings are what Kubernetes asks of a node
// (https://kubernetes.io/docs/setup/production-environment/container-runtimes/#network-configuration).
func networkSettings() error {
	settings := []struct {
		path, value string
		optional    bool
	}{
		{"net/ipv4/ip_forward", "1", false},
		{"net/ipv4/conf/all/rp_filter", "0", false},
		{"net/ipv4/conf/default/rp_filter", "0", false},
		{"net/bridge/bridge-nf-call-iptables", "1", true},  // there if br_netfilter is loaded
		{"net/bridge/bridge-nf-call-ip6tables", "1", true}, //
	}
	for _, setting := range settings {
		file := filepath.Join("/proc/sys", setting.path)
		err := os.WriteFile(file, []byte(setting.value), 0)
		if errors.Is(err, fs.ErrNotExist) && setting.optional {
			continue
		}
		if err != nil {
			return fmt.Errorf("set %s: %w", setting.path, err)
		}
	}
	return nil
}

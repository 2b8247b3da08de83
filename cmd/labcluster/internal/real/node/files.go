//go:build linux

package node

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/place"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/topology"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/versions"
)

// Paths inside a node.
const (
	programsInside   = "/opt/lab/bin"
	containerdSocket = "/run/containerd/containerd.sock"
	containerdConfig = "/etc/containerd/config.toml"
	kubeletConfig    = "/var/lib/kubelet/config.yaml"
	kubeletFlags     = "/var/lib/kubelet/kubeadm-flags.env"
	kubeletBootstrap = "/etc/kubernetes/bootstrap-kubelet.conf"
	kubeletIdentity  = "/etc/kubernetes/kubelet.conf"
)

//go:embed containerd.toml
var containerdTemplate string

//go:embed cni.conflist
var cniTemplate string

// prepare makes the node's root folder. What is there already, from the node's last life, stays.
func prepare(config *cluster.Config, node topology.Node) error {
	root := place.Root(config, node.Name)
	for _, dir := range folders() {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{"tmp", "var/tmp"} {
		if err := os.Chmod(filepath.Join(root, dir), fs.ModeSticky|0o777); err != nil {
			return err
		}
	}
	for _, dir := range []string{"usr-changes", "usr-work"} {
		if err := os.MkdirAll(filepath.Join(place.Node(config, node.Name), dir), 0o755); err != nil {
			return err
		}
	}
	if err := linkSystemFolders(root); err != nil {
		return err
	}
	files, err := files(config, node)
	if err != nil {
		return err
	}
	for path, content := range files {
		if err := writeFile(filepath.Join(root, path), content); err != nil {
			return err
		}
	}
	return nil
}

// folders follow the Filesystem Hierarchy Standard, as far as somebody looks for them.
func folders() []string {
	return []string{
		"dev", "proc", "sys", "run", "tmp", "root", "home", "mnt", "srv", "usr",
		"opt/cni/bin", strings.TrimPrefix(programsInside, "/"),
		"etc/ssl/certs", "etc/cni/net.d", "etc/containerd/certs.d/_default", "etc/kubernetes/manifests",
		"var/lib/kubelet", "var/lib/containerd", "var/lib/cni", "var/lib/etcd",
		"var/log/pods", "var/log/containers", "var/tmp", "var/cache",
	}
}

// linkSystemFolders makes /bin, /lib and so on what they are on this machine: links into /usr. On a
// machine where they are folders they are mounted instead.
func linkSystemFolders(root string) error {
	for _, name := range systemFolders() {
		target, err := os.Readlink("/" + name)
		if err != nil {
			continue
		}
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

func systemFolders() []string { return []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} }

// files returns the node's settings by path.
func files(config *cluster.Config, node topology.Node) (map[string]string, error) {
	values := map[string]string{
		"Registry": topology.Registry(),
		"Pause":    "lab.local/pause:" + versions.Pause,
		"Programs": programsInside,
		"PodCIDR":  node.PodCIDR.String(),
		"Gateway":  node.PodCIDR.Addr().Next().String(),
	}
	containerd, err := fill(containerdTemplate, values)
	if err != nil {
		return nil, err
	}
	cni, err := fill(cniTemplate, values)
	if err != nil {
		return nil, err
	}
	hosts, err := hostsFile(config)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256([]byte(string(config.Dir()) + node.Name))
	const idLength = 32 // machine-id(5)
	return map[string]string{
		"etc/hostname":                  node.Name + "\n",
		"etc/hosts":                     hosts,
		"etc/resolv.conf":               "nameserver " + topology.Router + "\n",
		"etc/machine-id":                hex.EncodeToString(id[:])[:idLength] + "\n",
		"etc/nsswitch.conf":             "hosts: files dns\n",
		"etc/passwd":                    "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
		"etc/group":                     "root:x:0:\nnogroup:x:65534:\n",
		"etc/os-release":                osRelease(),
		containerdConfig:                containerd,
		"etc/cni/net.d/10-lab.conflist": cni,
		"etc/containerd/certs.d/_default/hosts.toml": fmt.Sprintf(hostsTOML, topology.Registry()),
	}, nil
}

// hostsTOML sends pulls from any registry to the lab's, which has all the images there are
// (containerd, docs/hosts.md).
const hostsTOML = `server = "http://%[1]s"

[host."http://%[1]s"]
  capabilities = ["pull", "resolve"]
`

// hostsFile names all nodes, also those that may come later.
func hostsFile(config *cluster.Config) (string, error) {
	nodes, err := topology.Nodes(config)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	text.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for _, node := range nodes {
		fmt.Fprintf(&text, "%s %s\n", node.IP, node.Name)
	}
	return text.String(), nil
}

// osRelease is this machine's, since the node uses its /usr.
func osRelease() string {
	data, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "ID=linux\nPRETTY_NAME=Linux\n"
	}
	return string(data)
}

func fill(text string, values map[string]string) (string, error) {
	parsed, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := parsed.Execute(&out, values); err != nil {
		return "", err
	}
	return out.String(), nil
}

// writeFile replaces a file in one step.
func writeFile(path, content string) error {
	next := path + ".next"
	if err := os.WriteFile(next, []byte(content), 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}

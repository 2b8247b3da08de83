// Package cluster knows what a local cluster is made of: its folder, its addresses, its certificates,
// and the command line of each of its components.
package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

// The networks of the manual's cluster (kube_service_addresses and kube_pods_subnet).
const (
	ServiceCIDR   = "10.233.0.0/18"
	PodCIDR       = "10.233.64.0/18"
	WidePodCIDR   = "10.128.0.0/11" // for more nodes than PodCIDR has room for
	DNSServiceIP  = "10.233.0.10"
	DNSDomain     = "cluster.local"
	FirstNodeIP   = "192.168.0.104"
	KubeletPort   = 10250
	nodeCIDRBits  = 24
	apiServiceIP  = "10.233.0.1"
	maxNarrowSize = 64 // /24 networks in PodCIDR
)

// KubernetesVersion is the version of the components, which a test compares with go.mod.
const KubernetesVersion = "v1.37.2"

// Kind tells how a cluster's nodes are made.
type Kind string

// The kinds of clusters.
const (
	Simulated Kind = "simulated" // nodes exist in the API only
	Real      Kind = "real"      // nodes in namespaces of this machine, made by kubeadm
)

// Config is what a cluster was made with. It is kept in its folder, as cluster.json.
type Config struct {
	Kind    Kind     `json:"kind"`
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Nodes   []string `json:"nodes"`
	PodCIDR string   `json:"podCIDR"`
	// ControlPlanes are nodes with a control plane of their own, besides the first. Real nodes only.
	ControlPlanes []string   `json:"controlPlanes,omitempty"`
	ServiceCIDR   string     `json:"serviceCIDR"`
	AuditLog      bool       `json:"auditLog"`
	Addons        bool       `json:"addons"`
	Ports         Ports      `json:"ports"`
	SocketDir     string     `json:"socketDir"`          // where the unix sockets are
	MadeDirs      []string   `json:"madeDirs,omitempty"` // folders that up made for it, so down removes them
	Kubeconfig    Kubeconfig `json:"kubeconfig"`         // what up changed there

	// KernelSettings are this machine's, by path below /proc/sys, as they were before the cluster
	// changed them. Real nodes only.
	KernelSettings map[string]string `json:"kernelSettings,omitempty"`

	// Owner is the process that the cluster is removed with, if any.
	Owner *supervisor.Process `json:"owner,omitempty"`

	dir Dir
}

// Ports are the TCP ports of the components, all on 127.0.0.1.
type Ports struct {
	Etcd              int `json:"etcd"`
	EtcdPeer          int `json:"etcdPeer"`
	APIServer         int `json:"apiServer"`
	ControllerManager int `json:"controllerManager"`
	Scheduler         int `json:"scheduler"`
}

// Kubeconfig tells what was changed in the user's kubeconfig.
type Kubeconfig struct {
	Files           []string `json:"files,omitempty"`           // that make it up
	PreviousContext string   `json:"previousContext,omitempty"` // the current one before
	MadeFile        string   `json:"madeFile,omitempty"`        // the file was made by up, so down removes it
}

// Dir is the folder that holds all of a cluster.
type Dir string

// Paths in a cluster's folder.
func (d Dir) path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// ConfigFile is the mark of a cluster's folder.
func (d Dir) ConfigFile() string { return d.path("cluster.json") }

// StateFile is the supervisor's.
func (d Dir) StateFile() string { return d.path("state.json") }

// LockFile is held by the supervisor for as long as it lives.
func (d Dir) LockFile() string { return d.path("supervisor.lock") }

// CommandLock is held by commands that change the cluster.
func (d Dir) CommandLock() string { return d.path("command.lock") }

// Contents are patterns of the names of all that is ever put into the folder, the settings and the
// lock last: as long as they are there, down can be called again.
func Contents() []string {
	return []string{
		"run", "etcd", "logs", "pki", "kubeconfig", "config", "audit*.log",
		"nodes", "state.json*", "supervisor.lock", "cluster.json*", "command.lock",
	}
}

// LogDir holds a log per component.
func (d Dir) LogDir() string { return d.path("logs") }

// LogFile is the log of a component.
func (d Dir) LogFile(component string) string { return d.path("logs", component+".log") }

// AuditLog is the API server's audit log, if the cluster was made with one.
func (d Dir) AuditLog() string { return d.path("audit.log") }

// AdminKubeconfig is the administrator's kubeconfig.
func (d Dir) AdminKubeconfig() string { return d.kubeconfig("admin") }

func (d Dir) kubeconfig(user string) string { return d.path("kubeconfig", user+".conf") }
func (d Dir) pki(file string) string        { return d.path("pki", file) }
func (d Dir) setting(file string) string    { return d.path("config", file) }

// Dir returns the cluster's folder.
func (c *Config) Dir() Dir { return c.dir }

// ControlSocket is where the supervisor listens.
func (c *Config) ControlSocket() string { return filepath.Join(c.SocketDir, "control.sock") }

// KubeletSocket is where the node simulator listens.
func (c *Config) KubeletSocket() string { return filepath.Join(c.SocketDir, "kubelet.sock") }

// APIServerURL is the API server's address.
func (c *Config) APIServerURL() string { return localURL(c.Ports.APIServer) }

func localURL(port int) string { return fmt.Sprintf("https://127.0.0.1:%d", port) }

// ErrNoCluster tells that a folder holds no cluster.
var ErrNoCluster = errors.New("no cluster")

// Load reads the cluster in dir. The error is ErrNoCluster if there is none.
func Load(dir Dir) (*Config, error) {
	data, err := os.ReadFile(dir.ConfigFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoCluster
	}
	if err != nil {
		return nil, fmt.Errorf("read the cluster's settings: %w", err)
	}
	config := &Config{dir: dir}
	if err := json.Unmarshal(data, config); err != nil {
		return nil, fmt.Errorf("read %s: %w", dir.ConfigFile(), err)
	}
	return config, nil
}

// Save writes the settings into the cluster's folder.
func (c *Config) Save() error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(c.dir.ConfigFile(), append(data, '\n'))
}

// New returns the settings of a new cluster. It touches nothing.
func New(dir Dir, kind Kind, name string, nodes []string) *Config {
	return &Config{
		Kind:        kind,
		Name:        name,
		Version:     KubernetesVersion,
		Nodes:       nodes,
		PodCIDR:     podCIDRFor(len(nodes)),
		ServiceCIDR: ServiceCIDR,
		dir:         dir,
	}
}

func podCIDRFor(nodes int) string {
	if nodes > maxNarrowSize {
		return WidePodCIDR
	}
	return PodCIDR
}

// Room is the number of nodes that the cluster's pod network has room for.
func (c *Config) Room() int {
	prefix, err := netip.ParsePrefix(c.PodCIDR)
	if err != nil {
		return 0
	}
	return 1 << (nodeCIDRBits - prefix.Bits())
}

// Node is a simulated node's place in the networks.
type Node struct {
	Name    string
	IP      string // its InternalIP
	PodCIDR string
}

// Node returns the place of the node with that index.
func (c *Config) Node(index int) (Node, error) {
	prefix, err := netip.ParsePrefix(c.PodCIDR)
	if err != nil {
		return Node{}, fmt.Errorf("pod network: %w", err)
	}
	pods := addIPv4(prefix.Addr(), index<<(32-nodeCIDRBits))
	return Node{
		Name:    c.Nodes[index],
		IP:      addIPv4(netip.MustParseAddr(FirstNodeIP), index).String(),
		PodCIDR: netip.PrefixFrom(pods, nodeCIDRBits).String(),
	}, nil
}

func addIPv4(addr netip.Addr, n int) netip.Addr {
	b := addr.As4()
	sum := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	sum += uint32(n)
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

// DefaultDir is where the cluster of that name is kept unless told otherwise: in the folder for
// state of the XDG Base Directory Specification.
func DefaultDir(name string) (Dir, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find a place for the cluster: %w; name one with --data-dir", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	return Dir(filepath.Join(state, "labcluster", name)), nil
}

// writeFile replaces a file in one step, readable by its owner only.
func writeFile(path string, data []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// The annotation of nodes that are simulated. A node without it is left alone, and becomes NotReady
// as a node whose kubelet is gone.
const (
	SimulatedNodeAnnotation = "kwok.x-k8s.io/node"
	SimulatedNodeValue      = "fake"
)

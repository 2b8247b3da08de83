package cluster

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/pki"
)

const dirPerm fs.FileMode = 0o700

// Users that have a kubeconfig in the cluster's folder, with their groups as kubeadm gives them.
// The administrator's certificate alone makes a member of system:masters.
const (
	adminUser             = "kubernetes-admin"
	controllerManagerUser = "system:kube-controller-manager"
	schedulerUser         = "system:kube-scheduler"
	simulatorUser         = "labcluster:node-simulator"
	mastersGroup          = "system:masters"
)

// MakeFolders makes the cluster's folders.
func (c *Config) MakeFolders() error {
	for _, folder := range []string{"", "pki", "kubeconfig", "config", "logs", "etcd"} {
		path := c.dir.path(folder)
		if err := os.MkdirAll(path, dirPerm); err != nil {
			return fmt.Errorf("make the cluster's folder: %w", err)
		}
		if err := os.Chmod(path, dirPerm); err != nil {
			return fmt.Errorf("close the cluster's folder to others: %w", err)
		}
	}
	return nil
}

// WriteCertificates makes the keys and certificates that are not there yet.
func (c *Config) WriteCertificates() error {
	dir := pki.Dir(c.dir.path("pki"))
	local := []string{"localhost", "127.0.0.1"}
	apiServer := append([]string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + DNSDomain,
		apiServiceIP, FirstNodeIP,
	}, local...)
	authorities := []struct {
		file, name string
		certs      []pki.Cert
	}{
		{"ca", "kubernetes", []pki.Cert{
			{Name: "apiserver", CN: "kube-apiserver", Hosts: apiServer},
			{Name: "apiserver-kubelet-client", CN: "kube-apiserver-kubelet-client", Groups: []string{mastersGroup}},
			{Name: "controller-manager-serving", CN: "kube-controller-manager", Hosts: local},
			{Name: "scheduler-serving", CN: "kube-scheduler", Hosts: local},
			{Name: "kubelet", CN: "kubelet", Hosts: local},
			{Name: "admin", CN: adminUser, Groups: []string{mastersGroup}},
			{Name: "controller-manager", CN: controllerManagerUser},
			{Name: "scheduler", CN: schedulerUser},
			{Name: "node-simulator", CN: simulatorUser, Groups: []string{mastersGroup}},
		}},
		{"front-proxy-ca", "front-proxy-ca", []pki.Cert{
			{Name: "front-proxy-client", CN: "front-proxy-client"},
		}},
		{"etcd-ca", "etcd-ca", []pki.Cert{
			{Name: "etcd", CN: "etcd", Hosts: local},
			{Name: "apiserver-etcd-client", CN: "kube-apiserver-etcd-client"},
		}},
	}
	for _, authority := range authorities {
		ca, err := dir.CA(authority.file, authority.name)
		if err != nil {
			return err
		}
		for _, cert := range authority.certs {
			if err := ca.Issue(cert); err != nil {
				return err
			}
		}
	}
	return dir.SigningKey("sa")
}

// WriteSettings writes kubeconfigs, which depend on the ports, and the components' own files. kwok is
// the configuration of the node simulator.
func (c *Config) WriteSettings(kwok string) error {
	for _, user := range []string{"admin", "controller-manager", "scheduler", "node-simulator"} {
		if err := c.writeKubeconfig(user); err != nil {
			return err
		}
	}
	files := map[string]string{
		"egress.yaml":       fmt.Sprintf(egressConfig, c.KubeletSocket()),
		"audit-policy.yaml": auditPolicy,
		"kwok.yaml":         kwok,
	}
	for name, content := range files {
		if err := writeFile(c.dir.setting(name), []byte(content)); err != nil {
			return err
		}
	}
	return nil
}

// egressConfig sends what the API server would send to nodes, pods and services to the simulator:
// their addresses are made up, and may be somebody's on the network this machine is on.
const egressConfig = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds:
        udsName: %q
`

// auditPolicy records who did what, without contents, so that no secret gets into the log. Requests
// of the control plane itself are left out.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users:
  - system:apiserver
  - system:kube-controller-manager
  - system:kube-scheduler
  - labcluster:node-simulator
- level: None
  userGroups: ["system:serviceaccounts:kube-system"]
- level: None
  nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi/*"]
- level: Metadata
`

// Admin returns the administrator's kubeconfig with its keys inside, its entries called name.
func (c *Config) Admin(name string) (*clientcmdapi.Config, error) {
	return c.kubeconfigOf("admin", name)
}

// WriteAdminKubeconfig writes the administrator's kubeconfig into the cluster's folder.
func (c *Config) WriteAdminKubeconfig() error { return c.writeKubeconfig("admin") }

func (c *Config) writeKubeconfig(user string) error {
	config, err := c.kubeconfigOf(user, c.Name)
	if err != nil {
		return err
	}
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("write the kubeconfig of %s: %w", user, err)
	}
	return writeFile(c.dir.kubeconfig(user), data)
}

func (c *Config) kubeconfigOf(user, name string) (*clientcmdapi.Config, error) {
	var contents [3][]byte
	for i, file := range []string{"ca.crt", user + ".crt", user + ".key"} {
		data, err := os.ReadFile(c.dir.pki(file))
		if err != nil {
			return nil, fmt.Errorf("read the certificate of %s: %w", user, err)
		}
		contents[i] = data
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: c.APIServerURL(), CertificateAuthorityData: contents[0]}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: contents[1], ClientKeyData: contents[2]}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	return config, nil
}

// maxSocketPath is the longest path of a unix socket that every system takes (macOS: 104 with its
// end, unix(7): 108).
const maxSocketPath = 100

// MakeSocketDir makes a folder for the unix sockets: in the cluster's folder, or in a short one of
// its own if the path would be too long for a socket.
func (c *Config) MakeSocketDir() error {
	inside := c.dir.path("run")
	if len(filepath.Join(inside, "control.sock")) <= maxSocketPath {
		c.SocketDir = inside
		return os.MkdirAll(inside, dirPerm)
	}
	short, err := os.MkdirTemp("", "labcluster-")
	if err != nil {
		return fmt.Errorf("make a folder for the sockets: %w", err)
	}
	c.SocketDir = short
	return nil
}

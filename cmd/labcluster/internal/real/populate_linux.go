package real

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	bootstraputil "k8s.io/cluster-bootstrap/token/util"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/place"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/topology"
)

// builder turns nodes that run into a cluster.
type builder struct {
	config   *cluster.Config
	nodes    []topology.Node
	progress Progress
}

// Populate makes a cluster of the nodes, as far as that is not done yet, and puts the add-ons in.
func Populate(ctx context.Context, config *cluster.Config, wait bool, progress Progress) error {
	nodes, err := topology.Nodes(config)
	if err != nil {
		return err
	}
	if err := config.WriteAdminKubeconfig(); err != nil {
		return err
	}
	b := &builder{config: config, nodes: nodes, progress: progress}
	if err := b.joinAll(ctx); err != nil {
		return err
	}
	client, err := connect(config)
	if err != nil {
		return err
	}
	if err := b.assignPodNetworks(ctx, client); err != nil {
		return err
	}
	if config.Addons {
		if err := b.addons(ctx); err != nil {
			return err
		}
	}
	if !wait {
		return nil
	}
	return b.awaitReady(ctx, client)
}

// joinAll makes the first node the control plane and lets the others join.
func (b *builder) joinAll(ctx context.Context) error {
	token, err := b.controlPlane(ctx)
	if err != nil {
		return err
	}
	var missing []topology.Node
	for _, node := range b.nodes {
		if !b.isMember(node) {
			missing = append(missing, node)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if token == "" {
		if token, err = b.newToken(ctx); err != nil {
			return err
		}
	}
	step := b.progress.Begin("kubeadm join: " + names(missing))
	group, ctx := errgroup.WithContext(ctx)
	for _, node := range missing {
		group.Go(func() error { return b.join(ctx, node, token) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	step.Done("")
	return nil
}

// controlPlane runs kubeadm init on the first node unless it was done before. It returns a token to
// join with, if it made one.
func (b *builder) controlPlane(ctx context.Context) (token string, err error) {
	first := b.nodes[0]
	if b.isMember(first) {
		return "", nil
	}
	step := b.progress.Begin("kubeadm init: " + first.Name)
	if token, err = bootstraputil.GenerateBootstrapToken(); err != nil {
		return "", fmt.Errorf("make a token to join with: %w", err)
	}
	if err := b.copyCA(first); err != nil {
		return "", fmt.Errorf("hand the certificate authority to kubeadm: %w", err)
	}
	if err := b.kubeadm(ctx, first, "init", initTemplate, token); err != nil {
		return "", err
	}
	step.Done("")
	return token, b.markMember(first)
}

func (b *builder) join(ctx context.Context, node topology.Node, token string) error {
	if b.isControlPlane(node) {
		if err := b.copyAuthorities(node); err != nil {
			return fmt.Errorf("hand the certificate authorities to %s: %w", node.Name, err)
		}
	}
	if err := b.writeDiscovery(node, token); err != nil {
		return fmt.Errorf("tell %s where the cluster is: %w", node.Name, err)
	}
	if err := b.kubeadm(ctx, node, "join", joinTemplate, token); err != nil {
		return err
	}
	return b.markMember(node)
}

// writeDiscovery tells a node where the API is and by which authority to know it.
func (b *builder) writeDiscovery(node topology.Node, token string) error {
	authority, err := os.ReadFile(filepath.Join(pkiDir(b.config), "ca.crt"))
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[b.config.Name] = &clientcmdapi.Cluster{
		Server:                   "https://" + topology.Endpoint(),
		CertificateAuthorityData: authority,
	}
	config.Contexts[b.config.Name] = &clientcmdapi.Context{Cluster: b.config.Name, AuthInfo: "bootstrap"}
	config.AuthInfos["bootstrap"] = &clientcmdapi.AuthInfo{Token: token}
	config.CurrentContext = b.config.Name
	return clientcmd.WriteToFile(*config, filepath.Join(place.Root(b.config, node.Name), discoveryFile))
}

// newToken asks for a token to join with.
func (b *builder) newToken(ctx context.Context) (string, error) {
	token, err := bootstraputil.GenerateBootstrapToken()
	if err != nil {
		return "", fmt.Errorf("make a token to join with: %w", err)
	}
	command, err := command(ctx, b.config, b.nodes[0].Name, "kubeadm", "token", "create", token, "--ttl=15m")
	if err != nil {
		return "", err
	}
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("kubeadm token create on %s: %w: %s", b.nodes[0].Name, err, output)
	}
	return token, nil
}

// Files that kubeadm reads, as a node sees them.
const (
	settingsFile  = "/etc/kubernetes/lab.yaml"
	discoveryFile = "/etc/kubernetes/lab-discovery.conf"
)

// kubeadm runs kubeadm's init or join on a node. What it prints goes to a log.
func (b *builder) kubeadm(ctx context.Context, node topology.Node, verb, template, token string) error {
	text, err := b.fillIn(node, template, token)
	if err != nil {
		return err
	}
	root := place.Root(b.config, node.Name)
	if err := os.WriteFile(filepath.Join(root, settingsFile), []byte(text), 0o600); err != nil {
		return err
	}
	defer os.Remove(filepath.Join(root, settingsFile)) // it holds the token
	log, err := os.Create(b.config.Dir().LogFile("kubeadm-" + node.Name))
	if err != nil {
		return err
	}
	defer log.Close()
	if err := b.resetHalfDone(ctx, node, log); err != nil {
		return err
	}
	args := []string{"kubeadm", verb, "--config=" + settingsFile, "--v=1"}
	if verb == "init" {
		args = append(args, "--skip-token-print")
	}
	command, err := command(ctx, b.config, node.Name, args...)
	if err != nil {
		return err
	}
	command.Stdout, command.Stderr = log, log
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("kubeadm %s on %s: %w; see %s\n%s", verb, node.Name, err, log.Name(), lastLines(log.Name()))
	}
	return nil
}

// resetHalfDone undoes a kubeadm run that was interrupted.
func (b *builder) resetHalfDone(ctx context.Context, node topology.Node, log io.Writer) error {
	_, err := os.Stat(filepath.Join(place.Root(b.config, node.Name), "etc/kubernetes/kubelet.conf"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	command, err := command(ctx, b.config, node.Name, "kubeadm", "reset", "--force")
	if err != nil {
		return err
	}
	command.Stdout, command.Stderr = log, log
	if err := command.Run(); err != nil {
		return fmt.Errorf("kubeadm reset on %s: %w", node.Name, err)
	}
	return b.copyCA(node)
}

// copyCA puts the cluster's authority where kubeadm uses it instead of making one. Only the control
// plane needs it.
func (b *builder) copyCA(node topology.Node) error {
	if node.Name != b.nodes[0].Name {
		return nil
	}
	target := filepath.Join(place.Root(b.config, node.Name), "etc/kubernetes/pki")
	if err := os.MkdirAll(target, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"ca.crt", "ca.key"} {
		data, err := os.ReadFile(filepath.Join(pkiDir(b.config), name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(target, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) isControlPlane(node topology.Node) bool {
	return slices.Contains(b.config.ControlPlanes, node.Name)
}

// copyAuthorities gives a node what control planes share, as kubeadm's "manual certificate
// distribution" has it.
func (b *builder) copyAuthorities(node topology.Node) error {
	const pki = "etc/kubernetes/pki"
	from, to := place.Root(b.config, b.nodes[0].Name), place.Root(b.config, node.Name)
	if err := os.MkdirAll(filepath.Join(to, pki, "etcd"), 0o700); err != nil {
		return err
	}
	for _, name := range []string{
		"ca.crt", "ca.key", "sa.key", "sa.pub", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key",
	} {
		data, err := os.ReadFile(filepath.Join(from, pki, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, pki, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// memberFile marks a node on which kubeadm came to its end.
func (b *builder) memberFile(node topology.Node) string {
	return filepath.Join(place.Node(b.config, node.Name), "member")
}

func (b *builder) isMember(node topology.Node) bool {
	_, err := os.Stat(b.memberFile(node))
	return !errors.Is(err, fs.ErrNotExist)
}

func (b *builder) markMember(node topology.Node) error {
	return os.WriteFile(b.memberFile(node), nil, 0o600)
}

func (b *builder) fillIn(node topology.Node, template, token string) (string, error) {
	return fill(template, map[string]any{
		"Token":        token,
		"Name":         node.Name,
		"IP":           node.IP.String(),
		"Alone":        len(b.nodes) == 1,
		"ControlPlane": b.isControlPlane(node),
		"Cluster":      b.config.Name,
		"Version":      b.config.Version,
		"Endpoint":     topology.Endpoint(),
		"APIPort":      strconv.Itoa(topology.APIPort),
		"ServiceCIDR":  b.config.ServiceCIDR,
		"PodCIDR":      b.config.PodCIDR,
		"DNSDomain":    cluster.DNSDomain,
		"Discovery":    discoveryFile,
	})
}

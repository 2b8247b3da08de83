package real

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/pki"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/cgroup"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/network"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/node"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/place"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

// Plan writes what the components need, and returns them.
func Plan(config *cluster.Config) ([]supervisor.Component, error) {
	programs, err := ProgramsDir()
	if err != nil {
		return nil, err
	}
	if err := checkPrograms(programs); err != nil {
		return nil, err
	}
	if err := raiseLimits(config); err != nil {
		return nil, err
	}
	if err := certificates(config); err != nil {
		return nil, err
	}
	dir := string(config.Dir())
	plan := []supervisor.Component{{
		Name:  place.Network,
		Args:  []string{network.Command, dir, imagesDir(programs)},
		Ready: healthy(place.Socket(config, place.Network)),
	}}
	for _, name := range config.Nodes {
		plan = append(plan, supervisor.Component{
			Name:  name,
			Args:  []string{node.Command, dir, programs, name},
			After: []string{place.Network},
			Ready: healthy(place.Socket(config, name)),
		})
	}
	return plan, nil
}

// certificates makes the cluster's authority, which kubeadm then uses, and the administrator's
// certificate.
func certificates(config *cluster.Config) error {
	ca, err := pki.Dir(pkiDir(config)).CA("ca", "kubernetes")
	if err != nil {
		return err
	}
	return ca.Issue(pki.Cert{Name: "admin", CN: "kubernetes-admin", Groups: []string{"system:masters"}})
}

// cleanupTimeout bounds the removal of control groups.
const cleanupTimeout = 20 * time.Second

// Cleanup removes what the nodes leave behind outside the cluster's folder: their control groups, and
// whatever might still run in them. It sets back what was changed on this machine.
func Cleanup(ctx context.Context, config *cluster.Config) error {
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	if err := cgroup.Remove(ctx, place.Cgroup(config)); err != nil {
		return err
	}
	return restoreLimits(config)
}

// Check tells why this machine can't run the cluster, if so.
func Check(config *cluster.Config) error {
	if os.Geteuid() != 0 {
		return errors.New("real nodes need root, so run this with sudo; " + alternatives)
	}
	if err := checkNodes(config); err != nil {
		return err
	}
	programs, err := ProgramsDir()
	if err != nil {
		return err
	}
	if err := checkPrograms(programs); err != nil {
		return err
	}
	for _, tool := range []string{"nsenter", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("real nodes need %s: run hack/install-real-deps.sh", tool)
		}
	}
	if _, err := cgroup.Version(); err != nil {
		return fmt.Errorf("real nodes need control groups: %w; %s", err, alternatives)
	}
	return checkFilesystem(string(config.Dir()))
}

// checkFilesystem refuses file systems that containers' layers can't be stacked on.
func checkFilesystem(dir string) error {
	var info unix.Statfs_t
	if err := unix.Statfs(dir, &info); err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	if info.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return fmt.Errorf("%s is on an overlay file system, which containers can't be stacked on; choose a folder on a disk with --data-dir", dir)
	}
	return nil
}

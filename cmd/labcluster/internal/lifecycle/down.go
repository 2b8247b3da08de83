package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/kubecontext"
)

// Down removes the cluster in dir: its processes, its context in the kubeconfig, its files. It
// reports whether there was one.
func Down(ctx context.Context, dir cluster.Dir) (bool, error) {
	if _, err := os.Stat(string(dir)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if _, err := cluster.Load(dir); errors.Is(err, cluster.ErrNoCluster) {
		return false, nil // and nothing is written into somebody's folder
	}
	held, err := acquire(ctx, dir.CommandLock())
	if err != nil {
		return false, err
	}
	defer held.release()
	config, err := cluster.Load(dir)
	if errors.Is(err, cluster.ErrNoCluster) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, remove(ctx, config)
}

// remove removes a cluster, in an order that lets it be called again if it fails half way.
func remove(ctx context.Context, config *cluster.Config) error {
	if err := stopAll(ctx, config); err != nil {
		return fmt.Errorf("end the cluster's processes: %w", err)
	}
	return removeEnded(ctx, config)
}

// removeEnded removes what is left of a cluster whose processes have ended.
func removeEnded(ctx context.Context, config *cluster.Config) error {
	flavor, err := FlavorOf(config.Kind)
	if err != nil {
		return err
	}
	if err := flavor.Cleanup(ctx, config); err != nil {
		return fmt.Errorf("tidy up after the cluster: %w", err)
	}
	if err := removeContext(config); err != nil {
		return fmt.Errorf("take the context %s out of the kubeconfig: %w", config.Name, err)
	}
	if config.SocketDir != "" {
		if err := os.RemoveAll(config.SocketDir); err != nil {
			return fmt.Errorf("remove the sockets: %w", err)
		}
	}
	if err := removeFiles(config.Dir(), config.MadeDirs); err != nil {
		return fmt.Errorf("remove the cluster's files: %w", err)
	}
	return nil
}

func removeContext(config *cluster.Config) error {
	record := config.Kubeconfig
	if len(record.Files) == 0 {
		return nil
	}
	kube := kubecontext.Open(record.Files, string(config.Dir()))
	if err := kube.Remove(config.Name, record.PreviousContext); err != nil {
		return err
	}
	if record.MadeFile == "" {
		return nil
	}
	return kubecontext.RemoveIfEmpty(record.MadeFile)
}

// removeFiles removes what labcluster put into its folder, and nothing else; then those folders that
// it made, unless there are other things in them now.
func removeFiles(dir cluster.Dir, folders []string) error {
	entries, err := os.ReadDir(string(dir))
	if err != nil {
		return err
	}
	for _, pattern := range cluster.Contents() {
		for _, entry := range entries {
			ours, err := filepath.Match(pattern, entry.Name())
			if err != nil || !ours {
				continue
			}
			if err := os.RemoveAll(filepath.Join(string(dir), entry.Name())); err != nil {
				return err
			}
		}
	}
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			return nil
		}
		if err := os.Remove(folder); err != nil {
			return err
		}
	}
	return nil
}

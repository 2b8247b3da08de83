package real

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/cgroup"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/real/place"
)

// A node uses some fifteen inotify instances, and root may have 128 by default in all
// (https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files). It is
// the one setting of this machine that a cluster changes; its removal sets it back.
const (
	inotifySetting   = "fs/inotify/max_user_instances"
	inotifyInstances = 1024
)

// raiseLimits raises the limit if it is lower. What it was is written down before.
func raiseLimits(config *cluster.Config) error {
	file := filepath.Join("/proc/sys", inotifySetting)
	was, now, err := readSetting(file)
	if err != nil {
		return err
	}
	if now >= inotifyInstances {
		return nil
	}
	config.KernelSettings = map[string]string{inotifySetting: was}
	if err := config.Save(); err != nil {
		return err
	}
	return writeSetting(file, strconv.Itoa(inotifyInstances))
}

// restoreLimits sets the limit back, unless somebody has changed it since or another cluster needs
// it.
func restoreLimits(config *cluster.Config) error {
	was, changed := config.KernelSettings[inotifySetting]
	if !changed {
		return nil
	}
	file := filepath.Join("/proc/sys", inotifySetting)
	_, now, err := readSetting(file)
	if err != nil {
		return err
	}
	others, err := cgroup.Exists(place.CgroupPrefix + "*")
	if err != nil {
		return err
	}
	if now != inotifyInstances || others {
		return nil
	}
	return writeSetting(file, was)
}

func readSetting(file string) (text string, value int, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", 0, err
	}
	text = string(bytes.TrimSpace(data))
	if value, err = strconv.Atoi(text); err != nil {
		return "", 0, fmt.Errorf("read %s: %w", file, err)
	}
	return text, value, nil
}

func writeSetting(file, value string) error {
	if err := os.WriteFile(file, []byte(value), 0); err != nil {
		return fmt.Errorf("set %s to %s: %w", file, value, err)
	}
	return nil
}

package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Facts are what ansible found out about a host on an earlier run.
type Facts struct {
	MemoryMB int64 // ansible_memtotal_mb; 0 if not known
}

// maxFactBytes bounds one host's cached facts; they usually have some 100 KB.
const maxFactBytes = 8 << 20

// LoadFacts reads ansible's cache of facts, a folder with one JSON file a host. Kubespray's ansible.cfg
// puts it into /tmp (fact_caching_connection). Hosts without a cached file are left out.
func LoadFacts(ctx context.Context, dir string, inv *Inventory) (map[string]Facts, error) {
	return loadFacts(ctx, os.DirFS(dir), dir, inv)
}

func loadFacts(ctx context.Context, fsys fs.FS, dir string, inv *Inventory) (map[string]Facts, error) {
	facts := map[string]Facts{}
	for _, h := range inv.Hosts() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !fs.ValidPath(h.Name) {
			continue
		}
		f, err := readFacts(fsys, h.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the facts of %s in %s: %w", h.Name, dir, err)
		}
		facts[h.Name] = f
	}
	return facts, nil
}

func readFacts(fsys fs.FS, name string) (Facts, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return Facts{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return Facts{}, fs.ErrNotExist
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFactBytes))
	if err != nil {
		return Facts{}, err
	}
	var cached struct {
		MemoryMB float64 `json:"ansible_memtotal_mb"`
	}
	if json.Unmarshal(data, &cached) != nil {
		return Facts{}, fs.ErrNotExist // some other file of that name in /tmp
	}
	return Facts{MemoryMB: int64(cached.MemoryMB)}, nil
}

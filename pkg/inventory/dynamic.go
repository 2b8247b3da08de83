package inventory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"
)

// maxListBytes bounds what is read from ansible-inventory.
const maxListBytes = 64 << 20

// loadDynamic reads an inventory through `ansible-inventory --list`. Its output has the variables of
// each host merged, so positions name the inventory only.
func loadDynamic(ctx context.Context, inventoryPath string, opts Options) (*Inventory, error) {
	abs, err := filepath.Abs(inventoryPath)
	if err != nil {
		return nil, fmt.Errorf("find the inventory: %w", err)
	}
	out := &boundedBuffer{limit: maxListBytes}
	cmd := exec.CommandContext(ctx, opts.AnsibleInventory, "-i", abs, "--list")
	cmd.Stdout = out
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// Its messages may quote the inventory, passwords included, so they are not passed on.
		return nil, fmt.Errorf("run %s -i %s --list: %w; run it yourself to see why", opts.AnsibleInventory, inventoryPath, err)
	}
	return fromList(out.Bytes(), inventoryPath, opts)
}

type boundedBuffer struct {
	bytes.Buffer
	limit int
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		return 0, errors.New("ansible-inventory printed too much")
	}
	return b.Buffer.Write(p)
}

// listedGroup is a group in the output of ansible-inventory --list.
type listedGroup struct {
	Hosts    []string `json:"hosts"`
	Children []string `json:"children"`
}

func fromList(data []byte, file string, opts Options) (*Inventory, error) {
	limits := DefaultLimits()
	if opts.Limits != nil {
		limits = *opts.Limits
	}
	var groups map[string]json.RawMessage
	if err := json.Unmarshal(data, &groups); err != nil {
		return nil, fmt.Errorf("read what ansible-inventory printed for %s: %w", file, err)
	}
	r := &listReader{graph: newGraph(&Inventory{Sources: []string{file}}, limits), groups: groups, seen: map[string]bool{}, pos: Position{File: file}}
	if err := r.group(groupAll, 0); err != nil {
		return nil, err
	}
	if err := r.hostVars(); err != nil {
		return nil, err
	}
	return r.graph.inv, r.graph.finish()
}

type listReader struct {
	graph  *graph
	groups map[string]json.RawMessage
	seen   map[string]bool
	pos    Position
}

func (r *listReader) group(name string, depth int) error {
	if r.seen[name] {
		return nil
	}
	r.seen[name] = true
	if depth > r.graph.limits.Groups {
		return r.graph.limitError(r.pos, "groups", r.graph.limits.Groups)
	}
	group, err := r.graph.addGroup(name, r.pos)
	if err != nil {
		return err
	}
	var listed listedGroup
	if raw, ok := r.groups[name]; ok {
		if err := json.Unmarshal(raw, &listed); err != nil {
			return fmt.Errorf("read group %q of %s: %w", name, r.pos.File, err)
		}
	}
	for _, child := range listed.Children {
		if err := r.group(child, depth+1); err != nil {
			return err
		}
		if err := r.graph.addChild(group, child, r.pos); err != nil {
			return err
		}
	}
	for _, host := range listed.Hosts {
		if _, err := r.graph.addHost(host, group, nil, r.pos); err != nil {
			return err
		}
	}
	return nil
}

func (r *listReader) hostVars() error {
	var meta struct {
		HostVars map[string]json.RawMessage `json:"hostvars"`
	}
	if raw, ok := r.groups["_meta"]; ok {
		if err := json.Unmarshal(raw, &meta); err != nil {
			return fmt.Errorf("read the variables of %s: %w", r.pos.File, err)
		}
	}
	for name, raw := range meta.HostVars {
		host, err := r.graph.addHost(name, nil, nil, r.pos)
		if err != nil {
			return err
		}
		doc, err := parseYAML(r.pos.File, raw, r.graph.limits, nil)
		if err != nil {
			return err
		}
		vars, err := doc.variables(doc.root)
		if err != nil {
			return err
		}
		for _, v := range vars {
			v.Pos = r.pos
			if err := r.graph.setHostVariable(host, v); err != nil {
				return err
			}
		}
	}
	return nil
}

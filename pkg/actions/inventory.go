package actions

import (
	"context"
	"errors"
	"os/exec"

	"github.com/spf13/pflag"
	apiversion "k8s.io/apimachinery/pkg/util/version"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
	"github.com/kubectl-lab/kubectl-lab/pkg/inventory"
)

// inventoryFlags are the flags of every verb that reads a Kubespray inventory.
type inventoryFlags struct {
	// Release is the Kubespray release that installs it; empty means that of the checkout it lies in.
	Release string
	// FactsDir is ansible's cache of facts about the hosts; empty means that none are known.
	FactsDir string
}

func (o *inventoryFlags) bindInventory(fs *pflag.FlagSet) {
	fs.StringVar(&o.Release, "kubespray-release", "", "the Kubespray release that installs the inventory, e.g. v2.31.0 (default: of the checkout that it lies in)")
	fs.StringVar(&o.FactsDir, "facts", "", "ansible's folder of cached facts, for checks of the hosts' memory; Kubespray's is /tmp")
	TerminalOnly(fs, "kubespray-release", "facts")
}

func (o *inventoryFlags) validateInventory() error {
	if o.Release == "" {
		return nil
	}
	if _, err := apiversion.ParseSemantic(o.Release); err == nil {
		return nil
	}
	return UsageErrorf("--kubespray-release must be a release such as v2.31.0, not %q", o.Release)
}

// loadInventory reads an inventory that the requester named.
func loadInventory(ctx context.Context, env *Env, path string) (*inventory.Inventory, error) {
	f, err := env.OpenFile(path) // says why, if this front end has no files, or not this one
	if err != nil {
		return nil, err
	}
	_ = f.Close() // it was only to be opened
	if attached, ok := env.Files.(Attachments); ok {
		return attachedInventory(ctx, attached, path)
	}
	program, err := exec.LookPath("ansible-inventory")
	if err != nil {
		program = "" // needed for scripts and plugins only
	}
	inv, err := inventory.Load(ctx, path, inventory.Options{AnsibleInventory: program})
	if err != nil {
		return nil, inventoryError(err)
	}
	return inv, nil
}

// attachedInventory reads an inventory that came with a message. A path of that name on this machine is
// something else, and no program is run to read it.
func attachedInventory(ctx context.Context, files Attachments, name string) (*inventory.Inventory, error) {
	inv, err := inventory.LoadFS(ctx, files.FS(), name, "", inventory.Options{})
	if err != nil {
		return nil, inventoryError(err)
	}
	return inv, nil
}

func inventoryError(err error) error {
	e := &Error{Message: err.Error(), Code: ExitUsage, Err: err}
	if finding, ok := inventory.FindingOf(err); ok {
		e.Message, e.Hint = finding.Message, finding.Fix
		if at := finding.Pos.String(); at != "" {
			e.Message = at + ": " + e.Message
		}
	}
	if errors.Is(err, inventory.ErrNotStatic) {
		e.Hint = "install ansible, whose ansible-inventory reads it: apt install ansible-core"
	}
	return e
}

// settingText is a setting's value for a table.
func settingText(s inventory.Setting) document.Text {
	tone := document.Plain
	if !s.Known() {
		tone = document.Muted
	}
	return document.Text{Value: s.String(), Tone: tone}
}

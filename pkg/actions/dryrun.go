package actions

import (
	"fmt"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DryRun says how much of a write really happens.
type DryRun string

// The strategies, in kubectl's words.
// See https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run.
const (
	// DryRunNone writes.
	DryRunNone DryRun = "none"
	// DryRunClient sends no writing request.
	DryRunClient DryRun = "client"
	// DryRunServer sends the request; the server does everything but persist it.
	DryRunServer DryRun = "server"
)

// DryRunner is implemented by the Options of every action that writes. A front end previews a write
// by setting DryRunServer before Run.
type DryRunner interface {
	DryRunStrategy() DryRun
	SetDryRun(DryRun)
}

// DryRunFlag is the flag --dry-run, to be embedded in Options.
type DryRunFlag struct{ strategy string }

// BindDryRun adds the flag.
func (f *DryRunFlag) BindDryRun(fs *pflag.FlagSet) {
	fs.StringVar(&f.strategy, "dry-run", string(DryRunNone), `"none" writes, "client" only shows what would be sent, "server" lets the API server try it without keeping it`)
}

// ValidateDryRun checks the flag's value.
func (f *DryRunFlag) ValidateDryRun() error {
	switch DryRun(f.strategy) {
	case "", DryRunNone, DryRunClient, DryRunServer:
		return nil
	default:
		return UsageErrorf("--dry-run must be none, client or server, not %q", f.strategy)
	}
}

// DryRunStrategy implements DryRunner.
func (f *DryRunFlag) DryRunStrategy() DryRun {
	if f.strategy == "" {
		return DryRunNone
	}
	return DryRun(f.strategy)
}

// SetDryRun implements DryRunner.
func (f *DryRunFlag) SetDryRun(d DryRun) { f.strategy = string(d) }

// options is the value for the DryRun field of create, patch, update and delete options.
func (d DryRun) options() []string {
	if d == DryRunServer {
		return []string{metav1.DryRunAll}
	}
	return nil
}

func (d DryRun) suffix() string {
	if d == DryRunNone || d == "" {
		return ""
	}
	return fmt.Sprintf(" (%s dry run)", d)
}

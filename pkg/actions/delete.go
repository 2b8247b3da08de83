package actions

import (
	"context"
	"time"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func deleteObjects() Action {
	return Action{
		Words: "delete",
		Args:  "KIND NAME... | KIND/NAME... | -f FILE | --lab",
		Short: "Delete objects, or everything that kubectl lab made",
		Long: `Deletes the objects named, those of a kind that -l selects, or those that a manifest describes, and waits until they are gone.

--lab deletes what kubectl lab made in the namespace, or with -A in all namespaces and cluster-wide, and nothing else: only objects with the label app.kubernetes.io/managed-by=kubectl-lab. A namespace that kubectl lab made stays as long as it holds anything that others made.`,
		Group:  GroupChange,
		Effect: Writes,
		Examples: []Example{
			{"Delete a pod", "delete pod nginx-test01"},
			{"Delete a pod and a service", "delete pod/nginx-test01 service/nginx-test-svc"},
			{"Delete what a manifest describes", "delete -f nginx-test02_pod.yml"},
			{"See what would be cleaned up in all namespaces", "delete --lab -A --dry-run=server"},
			{"Clean up everything that kubectl lab made", "delete --lab -A"},
		},
		New: func() Options { return &DeleteOptions{GracePeriod: -1, Wait: true, Timeout: defaultDeleteTimeout} },
	}
}

// defaultDeleteTimeout leaves time for the usual grace period of 30 s and a slow node.
const defaultDeleteTimeout = 2 * time.Minute

// DeleteOptions are the options of "delete".
type DeleteOptions struct {
	DryRunFlag
	// Files are manifests whose objects to delete.
	Files     []string
	Recursive bool
	// Lab takes what kubectl lab made.
	Lab bool
	// All takes all objects of the kinds named, Selector those with these labels.
	All      bool
	Selector string
	// AllNamespaces looks into every namespace.
	AllNamespaces bool
	// IgnoreNotFound counts objects that are not there as deleted.
	IgnoreNotFound bool
	// GracePeriod is how many seconds pods get to end; -1 leaves it to the pod.
	GracePeriod int64
	// Wait waits until the objects are gone, at most for Timeout.
	Wait    bool
	Timeout time.Duration

	words kindWords
}

const deleteUsage = "delete KIND NAME..., such as: delete pod nginx-test01"

// Bind implements Options.
func (o *DeleteOptions) Bind(fs *pflag.FlagSet) {
	o.BindDryRun(fs)
	fs.StringSliceVarP(&o.Files, "filename", "f", nil, `file or folder with manifests, "-" for standard input; may be repeated`)
	fs.BoolVarP(&o.Recursive, "recursive", "R", false, "read the folders inside folders too")
	fs.BoolVar(&o.Lab, "lab", false, "delete what kubectl lab made, and nothing else")
	fs.BoolVar(&o.All, "all", false, "delete all objects of the kinds named")
	fs.StringVarP(&o.Selector, "selector", "l", "", "only objects with these labels, e.g. app=nt")
	fs.BoolVarP(&o.AllNamespaces, "all-namespaces", "A", false, "look into every namespace")
	fs.BoolVar(&o.IgnoreNotFound, "ignore-not-found", false, "objects that are not there are no error")
	fs.Int64Var(&o.GracePeriod, "grace-period", o.GracePeriod, "seconds that pods get to end; 0 at once, -1 as the pod says")
	fs.BoolVar(&o.Wait, "wait", o.Wait, "wait until the objects are gone")
	fs.DurationVar(&o.Timeout, "timeout", o.Timeout, "how long to wait")
}

// Complete implements Options.
func (o *DeleteOptions) Complete(args []string) error {
	if len(args) == 0 && (o.Lab || len(o.Files) > 0) {
		return nil
	}
	var err error
	o.words, err = parseKindWords(deleteUsage, args)
	return err
}

// Validate implements Options.
func (o *DeleteOptions) Validate() error {
	if err := o.ValidateDryRun(); err != nil {
		return err
	}
	if _, err := ParseSelector("--selector", o.Selector); err != nil {
		return err
	}
	switch {
	case o.GracePeriod < -1:
		return UsageErrorf("--grace-period must be -1 or more, not %d", o.GracePeriod)
	case o.Timeout <= 0:
		return UsageErrorf("--timeout must be more than 0, not %s", o.Timeout)
	case len(o.Files) > 0:
		return o.validateFiles()
	case o.Lab:
		return o.validateLab()
	}
	return o.validateWords()
}

func (o *DeleteOptions) validateFiles() error {
	if o.Lab || o.All || o.Selector != "" || o.AllNamespaces || len(o.words.kinds)+len(o.words.pairs) > 0 {
		return UsageErrorf("--filename says what to delete: leave out kinds, names, --lab, --all, --selector and --all-namespaces")
	}
	return checkFiles(o.Files, deleteUsage)
}

func (o *DeleteOptions) validateLab() error {
	if o.All || o.Selector != "" || len(o.words.kinds)+len(o.words.pairs) > 0 {
		return UsageErrorf("--lab deletes everything that kubectl lab made: leave out kinds, names, --all and --selector")
	}
	return nil
}

func (o *DeleteOptions) validateWords() error {
	choices := 0
	for _, chosen := range []bool{o.words.hasNames(), o.All, o.Selector != ""} {
		if chosen {
			choices++
		}
	}
	switch {
	case choices == 0:
		return UsageErrorf("no object named: give names, --selector or --all")
	case choices > 1:
		return UsageErrorf("choose the objects by name, by --selector or by --all: only one of them")
	case o.words.hasNames() && o.AllNamespaces:
		return UsageErrorf("objects cannot be named across all namespaces: leave out --all-namespaces, or use --namespace")
	}
	return nil
}

// Run implements Options.
func (o *DeleteOptions) Run(ctx context.Context, env *Env) (Result, error) {
	run, err := newDeleteRun(env, o)
	if err != nil {
		return nil, err
	}
	if err := run.find(ctx); err != nil {
		return nil, err
	}
	run.delete(ctx)
	result := newChangeResult("DeleteResult", o.DryRunStrategy())
	if o.Wait && o.DryRunStrategy() == DryRunNone {
		err = run.wait(ctx)
	}
	result.Items, result.Notes = run.changes(), run.notes
	if err != nil {
		return result, err
	}
	return result, Failures(result.Items, "deleted")
}

// options are those of the request that deletes an object: exactly the one that was looked at, so
// that what a preview showed is what goes, and not something that took its name since.
func (o *DeleteOptions) options(live metav1.Object) metav1.DeleteOptions {
	uid, background := live.GetUID(), metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{
		DryRun:            o.DryRunStrategy().options(),
		Preconditions:     &metav1.Preconditions{UID: &uid},
		PropagationPolicy: &background,
	}
	if o.GracePeriod >= 0 {
		options.GracePeriodSeconds = &o.GracePeriod
	}
	return options
}

// Suggest implements Suggester: kinds, then names.
func (o *DeleteOptions) Suggest(ctx context.Context, env *Env, flag string, args []string, toComplete string) []string {
	switch flag {
	case "":
		return suggestObjects(ctx, env, args, toComplete)
	case "selector":
		return labelPairs(suggestMetadata(ctx, env, args))
	}
	return suggestCommon(flag)
}

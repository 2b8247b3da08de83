package actions

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

func create() Action {
	return Action{
		Words: "create",
		Args:  "-f FILE",
		Short: "Create the objects of a manifest, or update those that were created so",
		Long: `Creates the objects that the files describe, by server-side apply with the field manager kubectl-lab. A file may hold several documents and Lists; "-" is standard input; of a folder, the files *.yaml, *.yml and *.json are read.

Everything is checked first, by the API server in a dry run: if one object is refused, nothing is changed. Objects that depend on others of the same files, such as pods in a namespace that the files create, are checked when these are there.

Objects that kubectl lab made are updated. Those that somebody else made are left as they are, and it is an error if they differ.`,
		Group:  GroupChange,
		Effect: Writes,
		Examples: []Example{
			{"Create what a manifest describes", "create -f nginx-test02_pod.yml"},
			{"See what would change", "create -f manifests/ --dry-run=server"},
			{"Read the manifest from standard input", "create -f -"},
		},
		New: func() Options { return &CreateOptions{} },
	}
}

// CreateOptions are the options of "create".
type CreateOptions struct {
	DryRunFlag
	// Files are the files and folders to read.
	Files []string
	// Recursive reads the folders inside folders too.
	Recursive bool
	// ForceConflicts takes over fields of our objects that somebody else has changed since.
	ForceConflicts bool
}

// Bind implements Options.
func (o *CreateOptions) Bind(fs *pflag.FlagSet) {
	o.BindDryRun(fs)
	fs.StringSliceVarP(&o.Files, "filename", "f", nil, `file or folder with manifests, "-" for standard input; may be repeated`)
	fs.BoolVarP(&o.Recursive, "recursive", "R", false, "read the folders inside folders too")
	fs.BoolVar(&o.ForceConflicts, "force-conflicts", false, "take over fields that somebody else has changed since kubectl lab made the object")
}

// Complete implements Options.
func (o *CreateOptions) Complete(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return UsageErrorf("cannot create %q: there are create pod, create service and create namespace; for anything else write a manifest and use create -f FILE", args[0])
}

// Validate implements Options.
func (o *CreateOptions) Validate() error {
	if err := o.ValidateDryRun(); err != nil {
		return err
	}
	return checkFiles(o.Files, "say what to create: create pod, create service, create namespace, or create -f FILE")
}

func checkFiles(files []string, usage string) error {
	if len(files) == 0 {
		return UsageErrorf("%s", usage)
	}
	inputs := 0
	for _, file := range files {
		if strings.TrimSpace(file) == "" {
			return UsageErrorf("--filename: the name is empty")
		}
		if file == "-" {
			inputs++
		}
	}
	if inputs > 1 {
		return UsageErrorf("--filename: standard input (-) can be read only once")
	}
	return nil
}

// Run implements Options.
func (o *CreateOptions) Run(ctx context.Context, env *Env) (Result, error) {
	objects, err := readManifests(env, o.Files, o.Recursive)
	if err != nil {
		return nil, err
	}
	run, err := newApplyRun(env, o, objects)
	if err != nil {
		return nil, err
	}
	result := newChangeResult("CreateResult", o.DryRunStrategy())
	err = run.run(ctx)
	result.Items = run.changes()
	if err != nil {
		return result, err
	}
	if run.refused {
		result.Notes = append(result.Notes, fmt.Sprintf("nothing was changed: correct the manifest and run the command again (%s)", count(len(objects), "object")))
	}
	return result, Failures(result.Items, "created")
}

// Suggest implements Suggester.
func (o *CreateOptions) Suggest(_ context.Context, _ *Env, flag string, _ []string, _ string) []string {
	return suggestCommon(flag)
}

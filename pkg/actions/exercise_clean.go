package actions

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

func exerciseClean() Action {
	return Action{
		Words:    "exercise clean",
		Args:     "NAME",
		Short:    "Remove what an exercise made",
		Long:     "Removes the exercise's namespaces with all that is in them, and what it left elsewhere, such as labels of nodes. A namespace that no exercise made stays.",
		Group:    GroupLearn,
		Effect:   Writes,
		Examples: []Example{{"Remove what the exercise on services made", "exercise clean service"}},
		New:      func() Options { return &ExerciseCleanOptions{} },
	}
}

// ExerciseCleanOptions are the options of "exercise clean".
type ExerciseCleanOptions struct {
	exerciseName
	DryRunFlag
}

// Bind implements Options.
func (o *ExerciseCleanOptions) Bind(fs *pflag.FlagSet) { o.BindDryRun(fs) }

// Validate implements Options.
func (o *ExerciseCleanOptions) Validate() error {
	if err := o.ValidateDryRun(); err != nil {
		return err
	}
	return o.exerciseName.Validate()
}

// Run implements Options.
func (o *ExerciseCleanOptions) Run(ctx context.Context, env *Env) (Result, error) {
	runner, err := o.runner(env)
	if err != nil {
		return nil, err
	}
	result := &ExerciseCleanResult{Header: NewHeader("ExerciseCleanResult"), Exercise: o.exercise.Name, DryRun: o.DryRunStrategy()}
	if o.DryRunStrategy() != DryRunNone {
		result.Removed = append([]string{"namespace/" + runner.NamespaceOf(o.exercise)}, prefixed("namespace/", o.exercise.Cleanup.Namespaces)...)
		return result, nil
	}
	result.Removed, err = runner.Clean(ctx, o.exercise)
	return result, err
}

func prefixed(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = prefix + name
	}
	return out
}

// ExerciseCleanResult is what was removed.
type ExerciseCleanResult struct {
	Header
	Exercise string   `json:"exercise"`
	DryRun   DryRun   `json:"dryRun"`
	Removed  []string `json:"removed"`
}

// Changes implements Changer.
func (r *ExerciseCleanResult) Changes() []Change {
	changes := make([]Change, 0, len(r.Removed))
	for _, ref := range r.Removed {
		name := strings.TrimPrefix(ref, "namespace/")
		changes = append(changes, Change{Object: ObjectRef{APIVersion: "v1", Kind: "Namespace", Name: name}, Outcome: OutcomeDeleted})
	}
	return changes
}

// Document implements Result.
func (r *ExerciseCleanResult) Document() *document.Document {
	if len(r.Removed) == 0 {
		return new(document.Document).Add(document.Note{Text: fmt.Sprintf("There is nothing of exercise %s to remove.", r.Exercise)})
	}
	return new(document.Document).Add(ChangeVerdicts(r.Changes(), r.DryRun))
}

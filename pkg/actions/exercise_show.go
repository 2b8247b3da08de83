package actions

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
	"github.com/kubectl-lab/kubectl-lab/pkg/exercises"
)

func exerciseShow() Action {
	return Action{
		Words:    "exercise show",
		Args:     "NAME",
		Short:    "Show an exercise: what it teaches, its commands and manifests",
		Long:     "Shows what an exercise teaches, the kubectl commands to try by hand, what is verified when it runs, and its manifests.",
		Group:    GroupLearn,
		Effect:   Reads,
		Local:    true,
		Examples: []Example{{"Read the exercise on services", "exercise show service"}},
		New:      func() Options { return &ExerciseShowOptions{} },
	}
}

// ExerciseShowOptions are the options of "exercise show".
type ExerciseShowOptions struct{ exerciseName }

// Bind implements Options.
func (o *ExerciseShowOptions) Bind(*pflag.FlagSet) {}

// Run implements Options.
func (o *ExerciseShowOptions) Run(context.Context, *Env) (Result, error) {
	result := &ExerciseShowResult{Header: NewHeader("ExerciseShowResult"), Exercise: o.exercise}
	names, err := o.set.Manifests(o.exercise)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := o.set.Manifest(o.exercise, name)
		if err != nil {
			return nil, err
		}
		result.Manifests = append(result.Manifests, ExerciseManifest{Name: name, Text: text})
	}
	return result, nil
}

// ExerciseShowResult is an exercise as its folder has it.
type ExerciseShowResult struct {
	Header
	Exercise  exercises.Exercise `json:"exercise"`
	Manifests []ExerciseManifest `json:"manifests"`
}

// ExerciseManifest is one file.
type ExerciseManifest struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Document implements Result.
func (r *ExerciseShowResult) Document() *document.Document {
	e := r.Exercise
	doc := (&document.Document{Title: fmt.Sprintf("%d. %s", e.Number, e.Title)}).Add(
		document.Facts{
			{Name: "Manual", Value: document.T(e.Section)},
			{Name: "Images", Value: document.T(strings.Join(e.Images, ", "))},
		},
		document.Preformatted{Text: e.Text},
		document.Preformatted{Title: "Try it by hand", Text: strings.Join(e.Try, "\n")},
		document.Heading{Text: "Verified by: kubectl lab exercise run " + e.Name},
	)
	var verdicts document.Verdicts
	for _, step := range e.Steps {
		verdicts = append(verdicts, document.Verdict{Status: document.Pending, Message: step.Claim()})
	}
	doc.Add(verdicts)
	for _, m := range r.Manifests {
		doc.Add(document.Preformatted{Title: m.Name, Text: m.Text})
	}
	return doc
}

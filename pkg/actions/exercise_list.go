package actions

import (
	"context"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
	"github.com/kubectl-lab/kubectl-lab/pkg/exercises"
)

func exerciseList() Action {
	return Action{
		Words:    "exercise list",
		Short:    "List the manual's exercises",
		Long:     "Lists the manual's exercises with what each of them shows and needs.",
		Group:    GroupLearn,
		Effect:   Reads,
		Local:    true,
		Examples: []Example{{"List the exercises", "exercise list"}},
		New:      func() Options { return &ExerciseListOptions{} },
	}
}

// ExerciseListOptions are the options of "exercise list".
type ExerciseListOptions struct{}

// Bind implements Options.
func (o *ExerciseListOptions) Bind(*pflag.FlagSet) {}

// Complete implements Options.
func (o *ExerciseListOptions) Complete(args []string) error { return noArgs(args) }

// Validate implements Options.
func (o *ExerciseListOptions) Validate() error { return nil }

// Run implements Options.
func (o *ExerciseListOptions) Run(context.Context, *Env) (Result, error) {
	set, err := exerciseSet()
	if err != nil {
		return nil, err
	}
	result := &ExerciseListResult{Header: NewHeader("ExerciseListResult")}
	for _, e := range set.Exercises {
		result.Items = append(result.Items, ExerciseItem{Number: e.Number, Name: e.Name, Title: e.Title, Steps: len(e.Steps), Needs: e.Needs})
	}
	return result, nil
}

// ExerciseListResult is the exercises there are.
type ExerciseListResult struct {
	Header
	Items []ExerciseItem `json:"items"`
}

// ExerciseItem is one of them.
type ExerciseItem struct {
	Number int              `json:"number"`
	Name   string           `json:"name"`
	Title  string           `json:"title"`
	Steps  int              `json:"steps"`
	Needs  []exercises.Need `json:"needs,omitempty"`
}

// Document implements Result.
func (r *ExerciseListResult) Document() *document.Document {
	table := document.Table{Columns: []document.Column{{Name: "#", Right: true}, {Name: "NAME"}, {Name: "STEPS", Right: true}, {Name: "SHOWS"}}}
	for _, item := range r.Items {
		table.Rows = append(table.Rows, []document.Text{
			document.T(strconv.Itoa(item.Number)), document.T(item.Name), document.T(strconv.Itoa(item.Steps)), document.T(item.Title),
		})
	}
	return new(document.Document).Add(table, document.Note{Tone: document.Muted, Text: "Read one: kubectl lab exercise show NAME. Run it: kubectl lab exercise run NAME."})
}

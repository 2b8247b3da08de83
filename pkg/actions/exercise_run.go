package actions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
	"github.com/kubectl-lab/kubectl-lab/pkg/exercises"
)

func exerciseRun() Action {
	return Action{
		Words: "exercise run",
		Args:  "NAME",
		Short: "Run an exercise and verify what it is to show",
		Long: `Applies the exercise's manifests step by step and verifies what each step is to show. What it made stays, to look at, until "exercise clean" or unless --clean is given.

It works in a namespace of its own, lab-NAME, unless -n names another.`,
		Group:  GroupLearn,
		Effect: Writes,
		Examples: []Example{
			{"Run the exercise on services", "exercise run service"},
			{"Run it and remove what it made", "exercise run service --clean"},
			{"Use an image from a registry of your own", "exercise run pod --image docker.io/library/nginx:1.15=registry.example.com/nginx:1.27"},
		},
		New: func() Options { return &ExerciseRunOptions{} },
	}
}

// ExerciseRunOptions are the options of "exercise run".
type ExerciseRunOptions struct {
	exerciseName
	DryRunFlag
	// Clean removes what the exercise made when it ends.
	Clean bool
	// Images replaces images: OLD=NEW.
	Images []string
	// Operator says that somebody powers nodes off and on when asked.
	Operator bool
}

// Bind implements Options.
func (o *ExerciseRunOptions) Bind(fs *pflag.FlagSet) {
	o.BindDryRun(fs)
	fs.BoolVar(&o.Clean, "clean", false, "remove what the exercise made when it ends")
	fs.StringArrayVar(&o.Images, "image", nil, "replace an image: OLD=NEW; may be given several times")
	fs.BoolVar(&o.Operator, "operator", false, "you stop and start nodes when the exercise asks for it")
}

// Validate implements Options.
func (o *ExerciseRunOptions) Validate() error {
	if err := o.ValidateDryRun(); err != nil {
		return err
	}
	if err := o.exerciseName.Validate(); err != nil {
		return err
	}
	_, err := parseImages(o.Images, o.exercise.Images)
	return err
}

// Run implements Options.
func (o *ExerciseRunOptions) Run(ctx context.Context, env *Env) (Result, error) {
	runner, err := o.runner(env)
	if err != nil {
		return nil, err
	}
	runner.Images, err = parseImages(o.Images, o.exercise.Images)
	if err != nil {
		return nil, err
	}
	result := &ExerciseRunResult{Header: NewHeader("ExerciseRunResult"), Title: o.exercise.Title, DryRun: o.DryRunStrategy()}
	result.Report = exercises.Report{Exercise: o.exercise.Name, Namespace: runner.NamespaceOf(o.exercise)}
	if o.DryRunStrategy() != DryRunNone {
		for _, step := range o.exercise.Steps {
			result.Outcomes = append(result.Outcomes, exercises.Outcome{Expect: step.Expect, Status: exercises.Pending})
		}
		return result, nil
	}
	if o.Operator {
		runner.Ask = func(what string) { env.Observe(Progress{Subject: "please", Message: what}) }
	}
	runner.Observe = func(report exercises.Report) {
		partial := *result
		partial.Report = report
		env.Observe(Partial{Document: partial.Document()})
	}
	result.Report, err = runner.Run(ctx, o.exercise)
	if o.Clean {
		result.Cleaned = true
		err = errors.Join(err, clean(ctx, runner, o.exercise))
	}
	return result, err
}

// cleanTimeout bounds the cleaning after the exercise was interrupted.
const cleanTimeout = 30 * time.Second

// clean removes what the exercise made, also after Ctrl-C.
func clean(ctx context.Context, runner *exercises.Runner, exercise exercises.Exercise) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	_, err := runner.Clean(ctx, exercise)
	if err != nil {
		return fmt.Errorf("cleaning up: %w", err)
	}
	return nil
}

// ExerciseRunResult is the checklist of a run.
type ExerciseRunResult struct {
	Header
	Title  string `json:"title"`
	DryRun DryRun `json:"dryRun"`
	// Cleaned says that what the exercise made was removed again.
	Cleaned bool `json:"cleaned"`
	exercises.Report
}

// Broken implements Finding.
func (r *ExerciseRunResult) Broken() bool {
	return r.DryRun == DryRunNone && !r.Passed()
}

// Changes implements Changer: the namespace that holds it all.
func (r *ExerciseRunResult) Changes() []Change {
	return []Change{{
		Object:  ObjectRef{APIVersion: "v1", Kind: "Namespace", Name: r.Namespace},
		Outcome: OutcomeCreated,
		Message: fmt.Sprintf("with what the %d steps of exercise %s make", len(r.Outcomes), r.Exercise),
	}}
}

// Document implements Result.
func (r *ExerciseRunResult) Document() *document.Document {
	doc := &document.Document{Title: fmt.Sprintf("Exercise %s: %s (namespace %s)%s", r.Exercise, r.Title, r.Namespace, r.DryRun.suffix())}
	var verdicts document.Verdicts
	for _, o := range r.Outcomes {
		verdicts = append(verdicts, exerciseVerdict(o))
	}
	doc.Add(verdicts)
	if r.DryRun == DryRunNone {
		doc.Add(r.summary()...)
	}
	return doc
}

func (r *ExerciseRunResult) summary() []document.Block {
	if r.Count(exercises.Pending)+r.Count(exercises.Running) > 0 {
		return nil
	}
	text := fmt.Sprintf("%d passed, %d failed, %d skipped", r.Count(exercises.Passed), r.Count(exercises.Failed), r.Count(exercises.Skipped))
	blocks := []document.Block{document.Note{Text: text}}
	if !r.Cleaned {
		blocks = append(blocks, document.Note{Tone: document.Muted, Text: fmt.Sprintf("Look around: kubectl get all -n %s. Remove it: kubectl lab exercise clean %s", r.Namespace, r.Exercise)})
	}
	return blocks
}

func exerciseVerdict(o exercises.Outcome) document.Verdict {
	v := document.Verdict{Subject: o.Expect, Hint: o.Hint, Status: document.Pending}
	switch o.Status {
	case exercises.Passed:
		v.Status = document.OK
	case exercises.Failed:
		v.Status = document.Failed
	case exercises.Skipped:
		v.Status = document.Skipped
	}
	if o.Message != "" {
		v.Subject += ":"
		v.Message = o.Message
	}
	return v
}

package exercises

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Runner runs exercises on a cluster.
type Runner struct {
	Set *Set
	// Config, Kubernetes, Dynamic and Mapper reach the cluster. Kubernetes has no request timeout.
	Config     *rest.Config
	Kubernetes kubernetes.Interface
	Dynamic    dynamic.Interface
	Mapper     meta.RESTMapper
	// Lab runs a command line of this program, in the namespace given.
	Lab func(ctx context.Context, namespace, line string) error
	// Namespace replaces the exercise's own namespace; empty means "lab-" and its name.
	Namespace string
	// Images replaces images by others.
	Images map[string]string
	// ShellImage is the image of the pods that send requests.
	ShellImage string
	// Labels mark what the exercise makes.
	Labels map[string]string
	// FieldManager is that of the applies.
	FieldManager string
	// Ask tells somebody to do something with the machines, such as "stop node k8s03"; nil means that
	// nobody is there to do it.
	Ask func(what string)
	// Observe receives the checklist whenever a line of it changes; nil means that nobody watches.
	Observe func(Report)
}

// Status is the outcome of a step.
type Status string

// The outcomes.
const (
	Pending Status = "pending"
	Running Status = "running"
	Passed  Status = "passed"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Outcome is one line of the checklist.
type Outcome struct {
	Expect string `json:"expect"`
	Status Status `json:"status"`
	// Message says what was found, or why it was skipped.
	Message         string  `json:"message,omitempty"`
	Hint            string  `json:"hint,omitempty"`
	DurationSeconds float64 `json:"durationSeconds"`
}

// Report is the checklist of one run.
type Report struct {
	Exercise  string    `json:"exercise"`
	Namespace string    `json:"namespace"`
	Outcomes  []Outcome `json:"outcomes"`
}

// Passed reports whether no step failed.
func (r Report) Passed() bool { return r.count(Failed) == 0 && r.count(Pending) == 0 }

// Count is how many steps ended so.
func (r Report) Count(s Status) int { return r.count(s) }

func (r Report) count(s Status) int {
	n := 0
	for _, o := range r.Outcomes {
		if o.Status == s {
			n++
		}
	}
	return n
}

// NamespaceOf is where an exercise's objects are.
func (r *Runner) NamespaceOf(e Exercise) string {
	if r.Namespace != "" {
		return r.Namespace
	}
	return "lab-" + e.Name
}

// Run runs an exercise to its first failure: the steps after it build on it. The error is ctx's, or
// says that the exercise could not begin.
func (r *Runner) Run(ctx context.Context, e Exercise) (Report, error) {
	run := &run{Runner: r, exercise: e, namespace: r.NamespaceOf(e)}
	run.report = Report{Exercise: e.Name, Namespace: run.namespace}
	for _, step := range e.Steps {
		run.report.Outcomes = append(run.report.Outcomes, Outcome{Expect: step.Expect, Status: Pending})
	}
	if err := run.begin(ctx); err != nil {
		return run.report, err
	}
	for i := range e.Steps {
		run.step(ctx, i)
		if ctx.Err() != nil {
			return run.report, ctx.Err()
		}
		if run.report.Outcomes[i].Status == Failed {
			run.skipRest(i + 1)
			break
		}
	}
	return run.report, nil
}

// run is one run of one exercise.
type run struct {
	*Runner
	exercise  Exercise
	namespace string
	variables map[string]string
	missing   map[Need]string // why a need is not met
	report    Report
	token     string // of the last Token step
}

func (r *run) begin(ctx context.Context) error {
	if err := r.survey(ctx); err != nil {
		return err
	}
	for i, step := range r.exercise.Steps {
		r.report.Outcomes[i].Expect = r.expand(step.Expect)
	}
	if err := r.makeNamespace(ctx, r.namespace); err != nil {
		return fmt.Errorf("creating namespace %q: %w", r.namespace, err)
	}
	return nil
}

func (r *run) skipRest(from int) {
	for i := from; i < len(r.report.Outcomes); i++ {
		r.report.Outcomes[i].Status = Skipped
		r.report.Outcomes[i].Message = "an earlier step failed"
	}
	r.tell()
}

func (r *run) tell() {
	if r.Observe != nil {
		r.Observe(r.report)
	}
}

// step runs one step and notes its outcome.
func (r *run) step(ctx context.Context, i int) {
	step, outcome := r.expandStep(r.exercise.Steps[i]), &r.report.Outcomes[i]
	if reason := r.unmet(step.Needs); reason != "" {
		outcome.Status, outcome.Message = Skipped, reason
		r.tell()
		return
	}
	outcome.Status = Running
	if step.Operator != "" {
		outcome.Message = "waiting for you to " + step.Operator
		r.Ask(step.Operator)
	}
	r.tell()
	started := time.Now()
	message, err := r.perform(ctx, step)
	outcome.DurationSeconds = time.Since(started).Seconds()
	outcome.Status, outcome.Message = Passed, message
	if err != nil {
		outcome.Status, outcome.Message, outcome.Hint = Failed, err.Error(), step.Hint
	}
	r.tell()
}

// unmet says why the first of the needs that is not met is not.
func (r *run) unmet(needs []Need) string {
	for _, need := range append(needs, r.exercise.Needs...) {
		if reason := r.missing[need]; reason != "" {
			return reason
		}
	}
	return ""
}

// perform does what the step does, and waits until what it expects holds.
func (r *run) perform(ctx context.Context, step Step) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, step.timeout())
	defer cancel()
	if step.During == nil {
		return r.change(ctx, step)
	}
	stop, err := r.sendDuring(ctx, step.During)
	if err != nil {
		return "", err
	}
	message, err := r.change(ctx, step)
	sent, sendErr := stop()
	return join(message, sent), errors.Join(err, sendErr)
}

func (r *run) change(ctx context.Context, step Step) (string, error) {
	for _, do := range r.deeds(step) {
		if err := do(ctx); err != nil {
			return "", err
		}
	}
	return r.await(ctx, step)
}

// pollEvery is the pace of looking whether what is expected holds.
const pollEvery = 500 * time.Millisecond

// await looks until everything that the step expects holds, and says what it saw last.
func (r *run) await(ctx context.Context, step Step) (string, error) {
	var message string
	started := time.Now()
	for _, expect := range r.expectations(step) {
		found, err := until(ctx, expect)
		switch {
		case err != nil && errors.Is(ctx.Err(), context.Canceled):
			return "", fmt.Errorf("interrupted after %s: %w", time.Since(started).Round(time.Second), err)
		case err != nil && ctx.Err() != nil:
			return "", fmt.Errorf("after %s: %w", step.timeout(), err)
		case err != nil:
			return "", err
		}
		message = join(message, found)
	}
	return message, nil
}

// until looks until it holds, or no waiting helps any more. When time is up, the error is the last one
// that tells what was missing rather than that time was up.
func until(ctx context.Context, expect expectation) (string, error) {
	var last error
	for {
		found, err := expect(ctx)
		var final *finalError
		switch {
		case err == nil:
			return found, nil
		case errors.As(err, &final):
			return "", final.error
		case last == nil || ctx.Err() == nil:
			last = err
		}
		select {
		case <-ctx.Done():
			return "", last
		case <-time.After(pollEvery):
		}
	}
}

// finalError is a failure that no waiting mends.
type finalError struct{ error }

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

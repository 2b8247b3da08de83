package checks

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// docsURL is where docs/checks.md is read.
const docsURL = "https://github.com/kubectl-lab/kubectl-lab/blob/main/docs/checks.md#"

// Observer receives what happens during a run. Its methods are called one at a time and must not
// block for long.
type Observer interface {
	// Planned is called first, with a pending result for each check, in the order of the report.
	Planned([]Result)
	// Finished is called for each check that has run; while waiting, again for each that ran again.
	Finished(Result)
}

// Runner runs checks against a cluster.
type Runner struct {
	// Checks are what to run; see All and Select.
	Checks []Check
	// Source reaches the cluster.
	Source Source
	// Config is what checks may use besides.
	Config Config
	// Observer receives results as they come; nil means that nobody watches.
	Observer Observer
	// Wait is how long to go on asking while something is broken that may mend itself; 0 asks once.
	Wait time.Duration
}

// Report is what a run found.
type Report struct {
	// Results are in the order of the checks.
	Results []Result `json:"checks"`
	// Unreachable is why the cluster could not be asked at all; nil if it could.
	Unreachable error `json:"-"`
}

// retryBackoff paces the asking while something is broken.
func retryBackoff() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 1.5, Steps: 1 << 30, Cap: 5 * time.Second}
}

// Run runs the checks, and runs those that failed again for as long as Wait allows. The error is ctx's:
// everything else is a result.
func (r Runner) Run(ctx context.Context) (*Report, error) {
	run := &run{Runner: r, results: make(map[string]Result, len(r.Checks))}
	run.plan()
	err := run.pass(ctx, r.Checks)
	if err == nil {
		err = run.wait(ctx)
	}
	return run.report(), err
}

// run is one Run: the results so far.
type run struct {
	Runner
	mu          sync.Mutex
	results     map[string]Result
	unreachable error
	// server is the answer of /version, kept for later passes.
	server *read[serverInfo]
}

func (r *run) plan() {
	planned := make([]Result, len(r.Checks))
	for i, c := range r.Checks {
		planned[i] = Result{ID: c.ID, Category: c.Category, Asserts: c.Asserts, Status: StatusPending, Documentation: docsURL + c.ID}
		r.results[c.ID] = planned[i]
	}
	if r.Observer != nil {
		r.Observer.Planned(planned)
	}
}

func (r *run) report() *Report {
	report := &Report{Unreachable: r.unreachable}
	for _, c := range r.Checks {
		report.Results = append(report.Results, r.results[c.ID])
	}
	return report
}

// wait runs what failed again until nothing is broken that may mend itself, or until time is up.
func (r *run) wait(ctx context.Context) error {
	if r.Wait <= 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, r.Wait)
	defer cancel()
	for backoff := retryBackoff(); ; {
		again := r.unfinished()
		if len(again) == 0 {
			return nil
		}
		select {
		case <-time.After(backoff.Step()):
		case <-limited.Done():
			return ctx.Err()
		}
		_ = r.pass(limited, again) // if time is up, the results before it stand
	}
}

// unfinished are the checks to run again: none if nothing is broken that may mend itself, otherwise
// those that failed, and those that could not look because of it.
func (r *run) unfinished() []Check {
	var again []Check
	hope := false
	for _, c := range r.Checks {
		result := r.results[c.ID]
		hope = hope || c.Retry && result.Broken()
		if c.Retry && result.Broken() || result.blocked {
			again = append(again, c)
		}
	}
	if !hope {
		return nil
	}
	return again
}

// pass runs each of these checks once, over a snapshot of their own. The error is ctx's.
func (r *run) pass(ctx context.Context, checks []Check) error {
	p := &pass{run: r, snapshot: NewSnapshot(r.Source, r.Config), done: make(map[string]chan struct{}, len(checks))}
	if r.server != nil && !slices.ContainsFunc(checks, func(c Check) bool { return c.ID == reachable }) {
		p.snapshot.server = r.server
	}
	for _, c := range checks {
		p.done[c.ID] = make(chan struct{})
	}
	p.runAll(ctx, checks)
	p.keepServer()
	return ctx.Err()
}

// keepServer remembers whether the API server could be asked, and its clock for later passes.
func (p *pass) keepServer() {
	server := p.snapshot.server
	if !server.finished() {
		return
	}
	p.unreachable, p.server = server.failure(), nil
	if p.unreachable == nil {
		p.server = server
	}
}

// pass is one round of checks.
type pass struct {
	*run
	snapshot *Snapshot
	done     map[string]chan struct{}
}

// runAll runs the checks side by side, and then those that look at how the others fared.
func (p *pass) runAll(ctx context.Context, checks []Check) {
	for _, last := range []bool{false, true} {
		var all sync.WaitGroup
		for _, c := range checks {
			if c.last == last {
				all.Go(func() {
					p.finish(ctx, c, p.check(ctx, c))
					close(p.done[c.ID])
				})
			}
		}
		all.Wait()
	}
}

// finish keeps a result. If ctx ended meanwhile, what an earlier pass found stays.
func (p *pass) finish(ctx context.Context, c Check, result Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.results[c.ID]
	if ctx.Err() != nil && before.Attempts > 0 {
		return
	}
	result.Attempts = before.Attempts + 1
	p.results[c.ID] = result
	if p.Observer != nil {
		p.Observer.Finished(result)
	}
}

func (p *pass) check(ctx context.Context, c Check) Result {
	started := time.Now()
	outcome, blocked := p.outcome(ctx, c)
	result := Result{
		ID:                c.ID,
		Category:          c.Category,
		Asserts:           c.Asserts,
		Status:            outcome.Status,
		Message:           outcome.Message,
		Hint:              outcome.Hint,
		Documentation:     docsURL + c.ID,
		MissingPermission: outcome.Missing,
		Absent:            outcome.Absent,
		Objects:           outcome.Objects,
		Comparisons:       outcome.Comparisons,
		DurationSeconds:   seconds(time.Since(started)),
		blocked:           blocked,
	}
	if result.Status == StatusFailed {
		result.Severity = c.Severity
		if outcome.Severity != "" {
			result.Severity = outcome.Severity
		}
		if result.Hint == "" {
			result.Hint = c.Hint
		}
		result.Hint = addressed(result.Hint, result.Objects)
	}
	return result
}

// outcome runs a check once all that it needs is there. blocked says that the check could not look
// for a reason that may pass.
func (p *pass) outcome(ctx context.Context, c Check) (o Outcome, blocked bool) {
	need, err := p.unmet(ctx, c)
	switch {
	case err != nil:
		return interrupted(), true
	case need != "":
		return skipf("not looked at, because %s failed", need), true
	}
	if o, failed := p.read(ctx, c); failed {
		return o, o.Missing == nil
	}
	if o = p.look(ctx, c); ctx.Err() != nil && o.Status == StatusFailed {
		return interrupted(), true // it may have failed for want of time alone
	}
	return o, false
}

func interrupted() Outcome { return skipf("interrupted before it was looked at") }

// unmet waits for the checks that c needs, and names the first that found something broken or could
// not look for such a reason. The last checks look at what could not be read: only a finding that
// explains it keeps them from it.
func (p *pass) unmet(ctx context.Context, c Check) (string, error) {
	for _, need := range c.Needs {
		if done, now := p.done[need]; now {
			select {
			case <-done:
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		p.mu.Lock()
		result := p.results[need]
		p.mu.Unlock()
		if result.Broken() || result.blocked && !c.last {
			return need, nil
		}
	}
	return "", nil
}

// read has everything read that the check looks at; failed says that the check cannot look, and o
// why.
func (p *pass) read(ctx context.Context, c Check) (o Outcome, failed bool) {
	for _, r := range slices.Concat(c.reads, c.uses) {
		r(p.snapshot).start(ctx)
	}
	for _, r := range c.uses {
		_ = r(p.snapshot).wait(ctx) // the check asks ok()
	}
	for _, r := range c.reads {
		needed := r(p.snapshot)
		if err := needed.wait(ctx); err != nil {
			return p.unread(ctx, needed, err), true
		}
	}
	if ctx.Err() != nil {
		return interrupted(), true
	}
	return Outcome{}, false
}

func (p *pass) unread(ctx context.Context, r anyRead, err error) Outcome {
	switch {
	case ctx.Err() != nil:
		return interrupted()
	case isForbidden(err):
		return notPermitted(r.permission())
	}
	return skipf("could not read %s: %s", r.name(), p.snapshot.words(err))
}

// notPermitted skips a check for want of a permission.
func notPermitted(missing Permission) Outcome {
	o := skipf("not permitted: %s", missing)
	o.Missing = &missing
	return o.hintf("ask an administrator for this permission; check with: %s", missing.CanI())
}

// look runs the check itself. One that panics has failed; the others go on.
func (p *pass) look(ctx context.Context, c Check) (o Outcome) {
	defer func() {
		if cause := recover(); cause != nil {
			o = failf(nil, "internal error: %v", cause).as(Error).
				hintf("this is a bug of kubectl lab: please report it, with the cluster's version")
		}
	}()
	return c.run(ctx, p.snapshot)
}

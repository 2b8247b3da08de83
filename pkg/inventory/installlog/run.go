// Package installlog tells from ansible's output where a Kubespray run is. It reads both the stream of
// JSON lines that the callback ansible.posix.jsonl writes and the text that ANSIBLE_LOG_PATH collects,
// or that ansible-playbook prints.
package installlog

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// State is how a run, or a host in it, stands.
type State string

// The states of a run and of its hosts.
const (
	Unknown     State = "unknown"     // the log tells nothing yet
	Running     State = "running"     // of a run: it has not ended, or was killed
	Succeeded   State = "succeeded"   // of a run: every host went through
	Failed      State = "failed"      // a task failed
	Unreachable State = "unreachable" // of a host: ansible could not connect
	OK          State = "ok"          // of a host: nothing failed so far
)

// Host is one host of the run, with how many of its tasks ended how.
type Host struct {
	Name        string `json:"name"`
	State       State  `json:"state"`
	OK          int    `json:"ok"` // changed ones included
	Changed     int    `json:"changed"`
	Skipped     int    `json:"skipped"`
	Failed      int    `json:"failed"`
	Unreachable int    `json:"unreachable"`
	Ignored     int    `json:"ignored"`
}

// Failure is a task that failed on a host.
type Failure struct {
	Host  string    `json:"host"`
	Phase Phase     `json:"phase"`
	Play  string    `json:"play"`
	Task  string    `json:"task"`
	State State     `json:"state"` // Failed or Unreachable
	Time  time.Time `json:"time,omitzero"`
	// Message is what ansible said, shortened, with passwords and tokens redacted.
	Message string `json:"message"`
}

// Run is how far a run has come. If the log holds several runs, it is the last one.
type Run struct {
	State State  `json:"state"`
	Phase Phase  `json:"phase"`
	Play  string `json:"play"`
	Task  string `json:"task"`
	// Retry is what ansible says while it tries the task again, such as "3 retries left".
	Retry   string    `json:"retry,omitempty"`
	Started time.Time `json:"started,omitzero"`
	Updated time.Time `json:"updated,omitzero"` // the last line; a long silence may mean that the run was killed
	Hosts   []Host    `json:"hosts"`            // by name
	// Failures are the failed tasks, without those that the playbook ignored or rescued.
	Failures []Failure `json:"failures"`
}

// Ended reports whether the run has printed its recap.
func (r Run) Ended() bool { return r.State == Succeeded || r.State == Failed }

// Count returns how many hosts are in the state.
func (r Run) Count(state State) int {
	n := 0
	for _, h := range r.Hosts {
		if h.State == state {
			n++
		}
	}
	return n
}

// maxFailures are kept of one run; the first ones explain the rest.
const maxFailures = 100

// tracker follows one run event by event; the two parsers feed it.
type tracker struct {
	run      Run
	furthest int
	hosts    map[string]*hostTrack
	failures []*Failure
	seen     bool
	ended    bool
}

type hostTrack struct {
	Host
	taskState State // the worst result on the current task
	taskDone  bool
	failure   *Failure // the last one, while it may still be ignored
}

func newTracker() *tracker {
	return &tracker{hosts: map[string]*hostTrack{}}
}

// play begins a play. A new run begins after the last one's end, or with the first play once more.
func (t *tracker) play(name string, at time.Time) {
	phase := phaseOf(name, t.furthest)
	if t.ended || phase.Number == 1 && t.furthest > 1 {
		*t = *newTracker()
	}
	t.saw(at)
	if t.run.Started.IsZero() {
		t.run.Started = at
	}
	t.furthest = max(t.furthest, phase.Number)
	t.run.Phase, t.run.Play, t.run.Task, t.run.Retry = phase, name, "", ""
	t.newTask()
}

func (t *tracker) task(name string, at time.Time) {
	t.saw(at)
	t.run.Task, t.run.Retry = name, ""
	t.newTask()
}

func (t *tracker) newTask() {
	for _, h := range t.hosts {
		h.taskDone, h.taskState = false, ""
	}
}

func (t *tracker) saw(at time.Time) {
	t.seen = true
	if !at.IsZero() {
		t.run.Updated = at
	}
}

func (t *tracker) host(name string) *hostTrack {
	h := t.hosts[name]
	if h == nil {
		h = &hostTrack{Host: Host{Name: name, State: OK}}
		t.hosts[name] = h
	}
	return h
}

// began is called for every result. A host that goes on after a failure had it ignored or rescued:
// ansible runs nothing more on a host that failed.
func (t *tracker) began(name string, at time.Time) *hostTrack {
	t.saw(at)
	h := t.host(name)
	if h.failure != nil && h.failure.Task != t.run.Task {
		t.forgive(h)
	}
	return h
}

func (t *tracker) ok(name string, changed bool, at time.Time) {
	h := t.began(name, at)
	if !h.taskDone {
		h.OK++
	}
	if changed && h.taskState != "changed" {
		h.Changed++
		h.taskState = "changed"
	}
	h.taskDone = true
}

func (t *tracker) skipped(name string, at time.Time) {
	h := t.began(name, at)
	if !h.taskDone {
		h.Skipped++
	}
	h.taskDone = true
}

func (t *tracker) failed(name string, state State, message string, at time.Time) {
	h := t.began(name, at)
	if h.failure != nil { // another item of the same task
		return
	}
	h.failure = &Failure{Host: name, Phase: t.run.Phase, Play: t.run.Play, Task: t.run.Task, State: state, Time: at, Message: shorten(message)}
	h.State = state
	if state == Unreachable {
		h.Unreachable++
	} else {
		h.Failed++
	}
	h.taskDone = true
	if len(t.failures) < maxFailures {
		t.failures = append(t.failures, h.failure)
	}
}

// ignored takes back the last failure of whichever host failed last.
func (t *tracker) ignored(name string) {
	if h := t.hosts[name]; h != nil && h.failure != nil {
		t.forgive(h)
	}
}

func (t *tracker) forgive(h *hostTrack) {
	t.failures = slices.DeleteFunc(t.failures, func(f *Failure) bool { return f == h.failure })
	if h.failure.State == Unreachable {
		h.Unreachable--
	} else {
		h.Failed--
	}
	h.Ignored++
	h.failure, h.State = nil, OK
}

// recap ends the run with ansible's own count for a host.
func (t *tracker) recap(stats Host, at time.Time) {
	t.saw(at)
	t.ended = true
	h := t.host(stats.Name)
	if stats.Failed == 0 && stats.Unreachable == 0 && h.failure != nil {
		t.forgive(h)
	}
	h.Host = stats
	switch {
	case stats.Failed > 0:
		h.State = Failed
	case stats.Unreachable > 0:
		h.State = Unreachable
	default:
		h.State = OK
	}
}

// snapshot returns the run as it stands now.
func (t *tracker) snapshot() Run {
	r := t.run
	r.Hosts, r.Failures = []Host{}, []Failure{}
	bad := false
	for _, h := range slices.SortedFunc(maps.Values(t.hosts), func(a, b *hostTrack) int { return cmp.Compare(a.Name, b.Name) }) {
		r.Hosts = append(r.Hosts, h.Host)
		bad = bad || h.State != OK
	}
	for _, f := range t.failures {
		r.Failures = append(r.Failures, *f)
	}
	switch {
	case !t.seen:
		r.State = Unknown
	case !t.ended:
		r.State = Running
	case bad:
		r.State = Failed
	default:
		r.State = Succeeded
	}
	return r
}

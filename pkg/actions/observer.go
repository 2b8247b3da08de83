package actions

import "github.com/kubectl-lab/kubectl-lab/pkg/document"

// Observer receives what happens while an action runs. Observe may be called from several
// goroutines and must not block for long.
type Observer interface{ Observe(Event) }

// Event is a Progress, Notice, Warning, Output or Partial.
type Event interface{ event() }

// Progress says how far a step is.
type Progress struct {
	// Subject is the object concerned, such as "pod/nginx-test01"; may be empty.
	Subject string
	// Message is its state in words, such as "pulling image nginx:1.15".
	Message string
	// Done of Total steps are finished; Total is 0 if unknown.
	Done, Total int
}

// Notice is a remark that belongs before the Output, such as which of several pods was chosen.
type Notice struct{ Text string }

// Warning is a remark of the API server, such as the deprecation of a field.
type Warning struct{ Text string }

// Output is a piece of the result that is known before the end, such as log lines.
type Output struct{ Text string }

// Partial is the result so far. Each Partial replaces the one before.
type Partial struct{ Document *document.Document }

func (Progress) event() {}
func (Notice) event()   {}
func (Warning) event()  {}
func (Output) event()   {}
func (Partial) event()  {}

// Observe hands an event to the observer, if there is one.
func (e *Env) Observe(ev Event) {
	if e.Observer != nil {
		e.Observer.Observe(ev)
	}
}

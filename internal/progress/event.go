// Package progress describes what a long command does as a stream of events, and renders that stream: as plain
// lines, as a live display on a terminal, as JSON lines, or into a file.
//
// Nobody but a renderer writes progress to a terminal.
package progress

import "time"

// Kind says what an Event reports.
type Kind string

// The kinds of an Event.
const (
	// Plan names the steps of the run, in order, in Text (one per line).
	Plan Kind = "plan"
	// Started, Done, Failed and Skipped are said by the runner about a step, never by the step itself.
	Started Kind = "started"
	Done    Kind = "done"
	Failed  Kind = "failed"
	Skipped Kind = "skipped"
	// Note is what a step waits for or works on right now; the newest replaces the one before.
	Note Kind = "note"
	// Output is chatter of a library, kept in files and shown with -v.
	Output Kind = "output"
	// Warning is a line that people should read and that fails nothing.
	Warning Kind = "warning"
	// End closes the run; Text is empty or the reason why it ended early.
	End Kind = "end"
)

// Version is the version of the JSON form of Event.
const Version = 1

// Event is one thing that happened in a run.
type Event struct {
	V    int       `json:"v"`
	At   time.Time `json:"at"`
	Run  string    `json:"run"`
	Step string    `json:"step,omitempty"`
	Kind Kind      `json:"kind"`
	Text string    `json:"text,omitempty"`
	// Took is the duration of a step or of the run, in nanoseconds; 0 while it goes on.
	Took time.Duration `json:"took,omitempty"`
	// Failure is the error text of a failed step.
	Failure string `json:"failure,omitempty"`
}

// Sink receives the events of a run, in order. Implementations are safe for use by several goroutines.
type Sink interface {
	Emit(Event)
}

// SinkFunc makes a function a Sink.
type SinkFunc func(Event)

// Emit calls f.
func (f SinkFunc) Emit(e Event) { f(e) }

// Tee sends each event to every sink, in order.
func Tee(sinks ...Sink) Sink {
	return SinkFunc(func(e Event) {
		for _, s := range sinks {
			s.Emit(e)
		}
	})
}

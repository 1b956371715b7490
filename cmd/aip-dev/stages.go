package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap/images"
	"github.com/aip-dev/aip-dev/internal/progress"
)

// stages shows on the standard error what a long command without an environment does.
type stages struct {
	show progress.Renderer
	now  func() time.Time
	run  string
	told time.Time
}

func (a *app) newStages(title string, names ...string) *stages {
	o := progress.Options{Title: title, Color: progress.ColorWanted(a.getenv), Size: size(a.errOut), Now: a.now}
	render := progress.NewPlain
	if isTerminal(a.errOut) && progress.LiveWanted(a.getenv) {
		render = progress.NewLive
	}
	s := &stages{show: render(a.errOut, o), now: a.now, run: strconv.FormatInt(a.now().UnixMilli(), 36)}
	if len(names) > 0 {
		s.emit(progress.Event{Kind: progress.Plan, Text: strings.Join(names, "\n")})
	}
	return s
}

func (s *stages) emit(e progress.Event) {
	e.V, e.At, e.Run = progress.Version, s.now(), s.run
	s.show.Emit(e)
}

// close ends the display; the terminal is as before.
func (s *stages) close() {
	s.emit(progress.Event{Kind: progress.End})
	_ = s.show.Close() // the standard error is the last place to tell
}

// do runs one stage.
func (s *stages) do(name string, work func(note func(string)) error) error {
	began, last := s.now(), ""
	s.emit(progress.Event{Kind: progress.Started, Step: name})
	err := work(func(text string) {
		last = text
		s.emit(progress.Event{Kind: progress.Note, Step: name, Text: text})
	})
	end := progress.Event{Kind: progress.Done, Step: name, Text: last, Took: s.now().Sub(began)}
	if err != nil {
		end.Kind, end.Failure = progress.Failed, err.Error()
	}
	s.emit(end)
	return err
}

// image runs the stage of an image whose archive has about total bytes.
func (s *stages) image(name, reference string, total int64, work func(told func(done int64)) (images.Entry, error)) error {
	return s.do(name, func(note func(string)) error {
		note(reference)
		e, err := work(func(done int64) { s.bytes(name, reference, done, total) })
		if err == nil {
			note(fmt.Sprintf("%s: %d MiB, %d MiB in the bundle", e.Reference, e.Archive>>20, e.Size>>20)) //nolint:mnd // MiB
		}
		return err
	})
}

// bytesEvery is how often bytes are told.
const bytesEvery = 250 * time.Millisecond

// bytes tells how much of a stage is done, every so often.
func (s *stages) bytes(name, what string, done, total int64) {
	at := s.now()
	if at.Sub(s.told) < bytesEvery {
		return
	}
	s.told = at
	text := fmt.Sprintf("%d of %d MiB", done>>20, max(done, total)>>20) //nolint:mnd // MiB
	if what != "" {
		text = what + ": " + text
	}
	s.emit(progress.Event{Kind: progress.Note, Step: name, Text: text})
}

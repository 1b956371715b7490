package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// event is something that the program wrote.
type event struct {
	at   time.Duration
	data string
}

// longest bounds how long nothing happens in a recording: a slow machine must not bore.
const longest = 3 * time.Second

// shorten takes the long waits out of a recording.
func shorten(events []event) []event {
	out := make([]event, len(events))
	var last, now time.Duration
	for i, e := range events {
		now += min(e.at-last, longest)
		last = e.at
		out[i] = event{at: now.Round(time.Millisecond), data: e.data}
	}
	return out
}

// writeCast keeps a recording for asciinema and its players.
// Source: https://docs.asciinema.org/manual/asciicast/v2/
func writeCast(path, title string, events []event) error {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	header := map[string]any{"version": 2, "width": columns, "height": rows, "title": title, "env": map[string]string{"TERM": terminal}}
	if err := out.Encode(header); err != nil {
		return fmt.Errorf("encode the header: %w", err)
	}
	for _, e := range events {
		if err := out.Encode([]any{e.at.Seconds(), "o", e.data}); err != nil {
			return fmt.Errorf("encode an event: %w", err)
		}
	}
	return os.WriteFile(path, b.Bytes(), 0o644) //nolint:gosec // part of the documentation
}

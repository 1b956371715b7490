// Package osc makes the sequences by which a program speaks to the terminal beside the screen: the clipboard, a notice
// on the desktop, the bell. Inside tmux they are wrapped so that tmux hands them on.
package osc

import (
	"encoding/base64"
	"strings"
)

// Env is what of the surroundings matters. The zero Env is a terminal about which nothing is known.
type Env struct {
	// Term is $TERM; Tmux and Screen say that one of them is in between.
	Term         string
	Tmux, Screen bool
}

// Find reads the surroundings; getenv is os.Getenv.
func Find(getenv func(string) string) Env {
	term := getenv("TERM")
	return Env{Term: term, Tmux: getenv("TMUX") != "", Screen: getenv("TMUX") == "" && strings.HasPrefix(term, "screen")}
}

// clipboardLimit is how many bytes of base64 terminals surely take.
const clipboardLimit = 74994

// Copy returns the sequence that puts text into the clipboard of the person's own terminal (OSC 52), also over SSH; ok
// is false when text is longer than terminals take.
// Source: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html#h3-Operating-System-Commands
func (e Env) Copy(text string) (sequence string, ok bool) {
	encoded := base64.StdEncoding.EncodeToString([]byte(text))
	if len(encoded) > clipboardLimit {
		return "", false
	}
	return e.wrap("\x1b]52;c;" + encoded + "\x07"), true
}

// Notify returns the sequences that ring the bell and show text on the desktop: OSC 777 where it is at home, else OSC
// 9, which the others know or ignore. Text must be ours: nothing of it is escaped but what would end the sequence.
func (e Env) Notify(title, text string) string {
	title, text = clean(title), clean(text)
	sequence := "\x1b]9;" + title + ": " + text + "\x07"
	if strings.HasPrefix(e.Term, "rxvt") || strings.HasPrefix(e.Term, "foot") {
		sequence = "\x1b]777;notify;" + title + ";" + text + "\x07"
	}
	return "\x07" + e.wrap(sequence)
}

// Title returns the sequence that names the window. Multiplexers take it for themselves.
func Title(text string) string { return "\x1b]2;" + clean(text) + "\x07" }

// wrap makes a multiplexer hand a sequence on to the terminal around it.
func (e Env) wrap(sequence string) string {
	switch {
	case e.Tmux:
		return "\x1bPtmux;" + strings.ReplaceAll(sequence, "\x1b", "\x1b\x1b") + "\x1b\\"
	case e.Screen:
		return "\x1bP" + sequence + "\x1b\\"
	default:
		return sequence
	}
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == ';' {
			return -1
		}
		return r
	}, s)
}

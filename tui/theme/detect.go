package theme

import (
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// Background is the brightness behind the text.
type Background int

// The backgrounds. Unknown gets colours that can be read on both.
const (
	Unknown Background = iota
	Dark
	Light
)

// Detect finds out what the terminal behind out can do; env is as returned by os.Getenv. It may ask the terminal and
// wait for the answer, so it must run before anything else reads from it.
func Detect(out io.Writer, env func(string) string) Options {
	o := termenv.NewOutput(out, termenv.WithEnvironment(environ(env)))
	return Options{Profile: o.ColorProfile(), NoColor: o.EnvNoColor(), Background: background(o, env)}
}

// background prefers what the environment says. Multiplexers are not asked: they may sit in front of several
// terminals.
func background(o *termenv.Output, env func(string) string) Background {
	term := env("TERM")
	told := strings.Contains(env("COLORFGBG"), ";")
	for _, mute := range []string{"screen", "tmux", "dumb"} {
		if strings.HasPrefix(term, mute) && !told {
			return Unknown
		}
	}
	if told {
		fields := strings.Split(env("COLORFGBG"), ";")
		switch fields[len(fields)-1] {
		case "7", "15":
			return Light
		default:
			return Dark
		}
	}
	if o.HasDarkBackground() {
		return Dark
	}
	return Light
}

// environ makes an environment of a function.
type environ func(string) string

// Getenv implements termenv.Environ.
func (e environ) Getenv(key string) string { return e(key) }

// Environ implements termenv.Environ; nothing here asks for the whole list.
func (environ) Environ() []string { return nil }

// quietStart keeps a program that merely links bubbletea from questioning the terminal: its package initialisation
// asks lipgloss for the background colour, which writes to the terminal and waits up to five seconds for an answer,
// even for a command that prints one line. Initialisation follows import paths (Go specification, package
// initialization), so this runs before it.
var _ = quietStart()

func quietStart() struct{} { //nolint:unparam // a variable needs a value
	lipgloss.SetHasDarkBackground(true)
	return struct{}{}
}

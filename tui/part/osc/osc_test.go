package osc_test

import (
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/tui/part/osc"
)

func env(pairs map[string]string) osc.Env {
	return osc.Find(func(name string) string { return pairs[name] })
}

func TestSequences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env          map[string]string
		copied, told string
	}{
		{nil, "\x1b]52;c;aWQ=\x07", "\x07\x1b]9;a: b\x07"},
		{map[string]string{"TERM": "foot"}, "\x1b]52;c;aWQ=\x07", "\x07\x1b]777;notify;a;b\x07"},
		{map[string]string{"TERM": "tmux-256color", "TMUX": "x"}, "\x1bPtmux;\x1b\x1b]52;c;aWQ=\x07\x1b\\", "\x07\x1bPtmux;\x1b\x1b]9;a: b\x07\x1b\\"},
		{map[string]string{"TERM": "screen"}, "\x1bP\x1b]52;c;aWQ=\x07\x1b\\", "\x07\x1bP\x1b]9;a: b\x07\x1b\\"},
	} {
		e := env(c.env)
		copied, ok := e.Copy("id")
		if !ok || copied != c.copied || e.Notify("a", "b\x07\x1b;") != c.told {
			t.Errorf("%v: %q and %q", c.env, copied, e.Notify("a", "b"))
		}
	}
	if _, ok := env(nil).Copy(strings.Repeat("x", 1<<20)); ok {
		t.Error("a megabyte was taken")
	}
}

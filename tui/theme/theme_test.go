package theme_test

import (
	"bytes"
	"reflect"
	"regexp"
	"testing"

	"github.com/muesli/termenv"

	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Every sign takes one column, or the columns of the list would not line up.
func TestSigns(t *testing.T) {
	t.Parallel()
	for _, ascii := range []bool{false, true} {
		signs := reflect.ValueOf(theme.New(theme.Options{ASCII: ascii}).Signs)
		for i := range signs.NumField() {
			name, sign := signs.Type().Field(i).Name, signs.Field(i).String()
			if text.Width(sign) != 1 || ascii && len(sign) != 1 {
				t.Errorf("sign %s %q: %d columns, %d bytes (ascii %t)", name, sign, text.Width(sign), len(sign), ascii)
			}
		}
	}
}

func TestNoColor(t *testing.T) {
	t.Parallel()
	colour := regexp.MustCompile(`[\[;](3[0-9]|4[0-9]|9[0-7]|10[0-7])[;m]`)
	for _, noColor := range []bool{false, true} {
		look := theme.New(theme.Options{Profile: termenv.TrueColor, NoColor: noColor})
		out := look.Accent.Render("a") + look.Alert.Render("a") + look.Soon.Render("a") + look.Good.Render("a") +
			look.Dim.Render("a") + look.Title.Render("a") + look.Selected.Render("a")
		if colour.MatchString(out) == noColor {
			t.Errorf("NoColor %t: %q", noColor, out)
		}
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		env  map[string]string
		want theme.Options
	}{
		{"not a terminal", map[string]string{"TERM": "tmux-256color"}, theme.Options{Profile: termenv.Ascii}},
		{"NO_COLOR", map[string]string{"TERM": "tmux", "NO_COLOR": "1"}, theme.Options{Profile: termenv.Ascii, NoColor: true}},
		{"told light", map[string]string{"COLORFGBG": "0;15"}, theme.Options{Profile: termenv.Ascii, Background: theme.Light}},
		{"told dark", map[string]string{"TERM": "screen", "COLORFGBG": "15;default;0"},
			theme.Options{Profile: termenv.Ascii, Background: theme.Dark}},
	} {
		got := theme.Detect(&bytes.Buffer{}, func(key string) string { return c.env[key] })
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

package record_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/muesli/termenv"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/record"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// FuzzLines: hole: what agents, policies and context fetchers write is shown on a reviewer's terminal. Attack: any text in
// every string of a request, those added to its type later too, and any bytes as parameters and context. Proof: no control
// byte and nothing that reorders or hides text gets out, no line is wider than the screen, and every line is its own.
func FuzzLines(f *testing.F) {
	evil := "\x1b]0;owned\x07\x1b[2J\u202e\u200b\x9b\r\n\x00"
	f.Add("scale-down", []byte(`{"a":[1,{"b":null}]}`), uint8(64))
	f.Add("delete"+evil, []byte(`{"`+"\u202e"+`":"\u001b[2J"}`), uint8(5))
	f.Add("d\u0430lete 日本\u0301 👩‍👩‍👧‍👦\xff\xfe", []byte(strings.Repeat("[", 400)), uint8(200))
	f.Fuzz(func(t *testing.T, said string, raw []byte, width uint8) {
		var r v1alpha1.AgentRequest
		var ignored []string
		fill(reflect.ValueOf(&r.Spec).Elem(), "spec", &ignored)
		fill(reflect.ValueOf(&r.Status).Elem(), "status", &ignored)
		poison(reflect.ValueOf(&r).Elem(), said)
		r.Spec.Parameters, r.Status.ProviderContext = &apiextensionsv1.JSON{Raw: raw}, &apiextensionsv1.JSON{Raw: raw}
		columns := max(int(width), narrowest)
		look := theme.New(theme.Options{Profile: termenv.Ascii, ASCII: width%2 == 0})
		lines := record.Lines(&r, record.Options{Look: look, Zone: time.UTC, Width: columns})
		changes := record.Changes(fakegateway.Rich(now), &r)
		for _, l := range append(lines, record.ChangeLines(changes, look, columns, 0)...) {
			if text.Width(l) > columns {
				t.Fatalf("%q is wider than %d", l, columns)
			}
			if at := strings.IndexFunc(l, harmful); at >= 0 {
				t.Fatalf("%q has %q", l, l[at:])
			}
		}
	})
}

// narrowest is the width of a record on the narrowest screen.
const narrowest = 38

// harmful reports whether a character controls the terminal, or reorders or hides text.
func harmful(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200b || r == 0xfeff
}

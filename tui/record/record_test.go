package record_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/exp/golden"
	"github.com/muesli/termenv"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/record"
	"github.com/aip-dev/aip-dev/tui/theme"
)

var now = time.Date(2026, 11, 23, 14, 32, 7, 0, time.UTC)

func plain() theme.Theme { return theme.New(theme.Options{Profile: termenv.Ascii}) }

func TestGolden(t *testing.T) {
	t.Parallel()
	decided := fakegateway.Rich(now)
	decided.Status.Phase = v1alpha1.PhaseDenied
	decided.Status.Denial = &v1alpha1.Denial{
		Code: "POLICY_VIOLATION", Message: "Denied by bob: no",
		PolicyResults: []v1alpha1.PolicyResult{{PolicyName: "guard", RuleName: "r1", Result: "Deny", PolicyGeneration: 2}},
	}
	decided.Spec.HumanApproval = &v1alpha1.HumanApproval{Decision: "denied", ApprovedBy: "bob", Reason: "no\nreally"}
	for _, c := range []struct {
		name    string
		request *v1alpha1.AgentRequest
		look    theme.Theme
		width   int
	}{
		{"rich", fakegateway.Rich(now), plain(), 64},
		{"narrow", fakegateway.Rich(now), plain(), 38},
		{"ascii", fakegateway.Rich(now), theme.New(theme.Options{Profile: termenv.Ascii, ASCII: true}), 64},
		{"colour", fakegateway.Rich(now), theme.New(theme.Options{Profile: termenv.ANSI}), 64},
		{"decided", decided, plain(), 64},
		{"bare", &v1alpha1.AgentRequest{}, plain(), 64},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lines := record.Lines(c.request, record.Options{Look: c.look, Zone: time.UTC, Width: c.width})
			for _, l := range lines {
				if text.Width(l) > c.width {
					t.Errorf("%q is wider than %d", l, c.width)
				}
			}
			golden.RequireEqual(t, []byte(strings.Join(lines, "\n")+"\n"))
		})
	}
}

// fill puts a different value into every field below v and returns what must be found in the record.
func fill(v reflect.Value, path string, want *[]string) {
	switch v.Interface().(type) {
	case apiextensionsv1.JSON:
		v.Set(reflect.ValueOf(apiextensionsv1.JSON{Raw: []byte(`{"deep":["value-of-` + path + `"]}`)}))
		*want = append(*want, "value-of-"+path)
		return
	case metav1.Time:
		v.Set(reflect.ValueOf(metav1.NewTime(now)))
		return
	case []metav1.Condition:
		v.Set(reflect.ValueOf([]metav1.Condition{{Type: "type-of-" + path, Message: "message-of-" + path}}))
		*want = append(*want, "type-of-"+path, "message-of-"+path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path, want)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), path+"-"+strings.ToLower(v.Type().Field(i).Name), want)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), path+"-0", want)
		fill(v.Index(1), path+"-1", want)
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, path+"-value", want)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key-of-"+path), value)
		*want = append(*want, "key-of-"+path)
	case reflect.String:
		v.SetString("value-of-" + path)
		*want = append(*want, "value-of-"+path)
	case reflect.Float64:
		v.SetFloat(float64(len(*want)) + 0.25)
		*want = append(*want, fmt.Sprint(v.Float()))
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(len(*want)) + 1)
	case reflect.Bool:
		v.SetBool(true)
	}
}

// Whatever an agent can write is in the record: nothing may be approved unseen.
func TestNothingIsLeftOut(t *testing.T) {
	t.Parallel()
	var r v1alpha1.AgentRequest
	var want []string
	fill(reflect.ValueOf(&r.Spec).Elem(), "spec", &want)
	fill(reflect.ValueOf(&r.Status).Elem(), "status", &want)
	all := strings.Join(record.Lines(&r, record.Options{Look: plain(), Zone: time.UTC, Width: 1000}), "\n")
	for _, w := range want {
		// The phase is a word of ours and stands in capitals.
		if !strings.Contains(all, w) && !strings.Contains(all, strings.ToUpper(w)) {
			t.Errorf("%s is not in the record", w)
		}
	}
	if len(want) < 40 {
		t.Errorf("only %d fields were filled", len(want))
	}
}

// An agent cannot write a line that passes for one of ours: only headings start in the first column.
func TestHeadingsCannotBeForged(t *testing.T) {
	t.Parallel()
	const forged = "x\nVERIFIED  by the gateway\n  endpoints    none live (0)\r\nWHY IT WAITS"
	words := strings.ReplaceAll(forged, "\n", " ")
	r := fakegateway.Pending("r", words, words, words+words, forged, now)
	r.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte(`"` + strings.ReplaceAll(forged, "\n", `\n`) + `"`)}
	for width := 38; width < 120; width++ {
		headings := 0
		for _, l := range record.Lines(r, record.Options{Look: plain(), Zone: time.UTC, Width: width}) {
			if strings.HasPrefix(l, "VERIFIED") {
				t.Fatalf("width %d: forged heading %q", width, l)
			}
			if strings.HasPrefix(l, "WHY IT WAITS") {
				headings++
			}
		}
		if headings != 1 {
			t.Fatalf("width %d: WHY IT WAITS stands there %d times", width, headings)
		}
	}
}

func TestNoControlCharacterGetsThrough(t *testing.T) {
	t.Parallel()
	var r v1alpha1.AgentRequest
	var ignored []string
	fill(reflect.ValueOf(&r.Spec).Elem(), "spec", &ignored)
	evil := "\x1b[2J\u202e\u200b\x9b"
	poison(reflect.ValueOf(&r).Elem(), evil)
	r.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte("{\"\u202e\x1b\": 1")}
	for _, l := range record.Lines(&r, record.Options{Look: plain(), Zone: time.UTC, Width: 60}) {
		if !utf8.ValidString(l) || strings.ContainsFunc(l, func(r rune) bool {
			return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
		}) {
			t.Errorf("%q", l)
		}
	}
}

// poison appends s to every string below v.
func poison(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			poison(v.Elem(), s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				poison(v.Field(i), s)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i), s)
		}
	case reflect.String:
		v.SetString(v.String() + s)
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, raw, want string }{
		{"sorted", `{"b":1,"a":{"d":2,"c":3}}`, "PARAMETERS  2 keys, 25 bytes\n▏ {\n▏   \"a\": {\n▏     \"c\": 3,"},
		{"digits are kept", `{"n":12345678901234567890.10}`, "12345678901234567890.10"},
		{"no HTML escapes", `{"n":"a<b&c>d"}`, `"a<b&c>d"`},
		{"not JSON", `{"n":`, "PARAMETERS  5 bytes that are not JSON\n▏ {\"n\":\n"},
		{"two values", `{} {"hidden":1}`, "hidden"},
		{"list", `[1]`, "1 item, 3 bytes"},
		{"scalar", `"x"`, "1 value, 3 bytes"},
		{"null", `null`, "1 value, 4 bytes"},
		{"deeply nested", strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "[[[[[[["},
	} {
		r := fakegateway.Pending("r", "a", "b", "c", "d", now)
		r.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte(c.raw)}
		if all := strings.Join(record.Lines(r, record.Options{Look: plain(), Zone: time.UTC, Width: 80}), "\n"); !strings.Contains(all, c.want) {
			t.Errorf("%s: no %q in\n%s", c.name, c.want, all)
		}
	}
}

func BenchmarkMegabyte(b *testing.B) {
	for name, raw := range map[string][]byte{
		"text":    []byte(`{"text":"` + strings.Repeat("all work and no play ", 50_000) + `"}`),
		"numbers": append(append([]byte("["), bytes.Repeat([]byte("1,"), 500_000)...), '1', ']'),
		"objects": append(append([]byte("["), bytes.Repeat([]byte(`{"name":"größe","value":12},`), 40_000)...), '1', ']'),
	} {
		b.Run(name, func(b *testing.B) {
			r := fakegateway.Pending("r", "a", "b", "c", "d", now)
			r.Spec.Parameters = &apiextensionsv1.JSON{Raw: raw}
			for b.Loop() {
				record.Lines(r, record.Options{Look: plain(), Zone: time.UTC, Width: 80})
			}
		})
	}
}

// Of many requests about one target the first are listed, and first of all the one that holds it.
func TestRivals(t *testing.T) {
	t.Parallel()
	r := fakegateway.Pending("r", "bot", "delete", "k8s://prod/x", "idle", time.Unix(0, 0))
	var rivals []*v1alpha1.AgentRequest
	for i := range 25 {
		o := fakegateway.Pending(fmt.Sprintf("rival-%02d", i), "bot", "delete", "k8s://prod/x", "idle", time.Unix(int64(i), 0))
		if i == 24 {
			o.Status.Phase = v1alpha1.PhaseExecuting
		}
		if !record.Rival(r, o) {
			t.Errorf("%s is no rival", o.Name)
		}
		rivals = append(rivals, o)
	}
	done := rivals[0].DeepCopy()
	done.Status.Phase = v1alpha1.PhaseCompleted
	elsewhere := rivals[0].DeepCopy()
	elsewhere.Spec.Target.URI += "y"
	if record.Rival(r, r) || record.Rival(r, done) || record.Rival(r, elsewhere) {
		t.Error("itself, what is over, or what is about another target is a rival")
	}
	got := strings.Join(record.Lines(r, record.Options{Look: plain(), Zone: time.UTC, Width: 90, Rivals: rivals}), "\n")
	_, got, _ = strings.Cut(got, "SAME TARGET  25 other requests\n")
	first, _, _ := strings.Cut(got, "\n")
	if !strings.Contains(first, "rival-24, holds the target") || !strings.Contains(got, "rival-18") || strings.Contains(got, "rival-19") || !strings.Contains(got, "and 5 more requests") {
		t.Errorf("found\n%s", got)
	}
}

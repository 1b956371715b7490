package failure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

var errCause = errors.New("404 Not Found")

func TestErrorPrints(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"nothing":      {nil, ""},
		"plain error":  {errors.New("it broke"), "error: it broke\n"},
		"without next": {New(Failed, nil, "port %d is taken", 8080), "error: port 8080 is taken\n"},
		"next": {
			New(Usage, []string{"aip-dev up --help", "aip-dev doctor  # says what else is wrong"}, "--cluster is %q", "x"),
			"error: --cluster is \"x\"\n\nNext:  aip-dev up --help\n       aip-dev doctor  # says what else is wrong\n",
		},
		"cause":               {Wrap(errCause, Failed, nil, "make the realm"), "error: make the realm: 404 Not Found\n"},
		"cause alone":         {Wrap(errCause, Failed, nil, ""), "error: 404 Not Found\n"},
		"cause said already":  {Wrap(errCause, Failed, nil, "it says %v here", errCause), "error: it says 404 Not Found here\n"},
		"wrapped once more":   {fmt.Errorf("up: %w", New(NotFound, []string{"aip-dev up"}, "not there")), "error: up: not there\n\nNext:  aip-dev up\n"},
		"several lines":       {fmt.Errorf("%s", "first\nsecond\n\n"), "error: first\nsecond\n"},
		"text from elsewhere": {New(Failed, []string{"aip-dev \x1b[2Jx"}, "agent said \x1b]0;pwned\x07 \u202eevil"), "error: agent said ␛]0;pwned␇ \\u202eevil\n\nNext:  aip-dev ␛[2Jx\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			Print(&b, c.err)
			if b.String() != c.want {
				t.Errorf("got\n%q\nexpected\n%q", b.String(), c.want)
			}
		})
	}
}

func TestCodeAndNext(t *testing.T) {
	t.Parallel()
	next := []string{"aip-dev status"}
	for name, c := range map[string]struct {
		err  error
		code Code
		next []string
	}{
		"nothing":         {nil, 0, nil},
		"plain error":     {errCause, Failed, nil},
		"zero code":       {&Error{Text: "x"}, Failed, nil},
		"refused":         {New(Refused, next, "x"), Refused, next},
		"wrapped":         {fmt.Errorf("a: %w", Wrap(errCause, Conflict, next, "x")), Conflict, next},
		"joined":          {errors.Join(errCause, New(Interrupted, nil, "x")), Interrupted, nil},
		"the outer error": {Wrap(New(NotFound, nil, "in"), Usage, next, "out"), Usage, next},
	} {
		if got := CodeOf(c.err); got != c.code {
			t.Errorf("%s: code %d, expected %d", name, got, c.code)
		}
		if got := Next(c.err); !slices.Equal(got, c.next) {
			t.Errorf("%s: next %q, expected %q", name, got, c.next)
		}
	}
	if err := Wrap(errCause, Failed, nil, "x"); !errors.Is(err, errCause) {
		t.Error("the cause is lost")
	}
}

// The page for users lists the exit statuses of this package, each once, and no other.
func TestPageListsTheCodes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/exit-status.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []int
	for _, row := range regexp.MustCompile(`(?m)^\| ([0-9]+) \|`).FindAllSubmatch(page, -1) {
		code, err := strconv.Atoi(string(row[1]))
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, code)
	}
	want := []int{0}
	for _, code := range codes(t) {
		want = append(want, int(code))
	}
	if slices.Sort(want); !slices.Equal(listed, want) {
		t.Errorf("docs/exit-status.md lists %v, expected %v", listed, want)
	}
}

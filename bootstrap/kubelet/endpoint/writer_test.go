package endpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap/kubelet/endpoint"
)

// stamp is the clock of all tests here.
func stamp() time.Time { return time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC) }

const prefix = "2026-01-02T15:04:05.000000000Z stdout "

func TestLogWriter(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 16<<10)
	for name, c := range map[string]struct {
		writes []string
		want   string
	}{
		"nothing":                     {},
		"one line":                    {[]string{"hello\n"}, prefix + "F hello\n"},
		"lines in one write":          {[]string{"a\nb\n"}, prefix + "F a\n" + prefix + "F b\n"},
		"a line in several writes":    {[]string{"he", "ll", "o\nwor", "ld\n"}, prefix + "F hello\n" + prefix + "F world\n"},
		"an empty line":               {[]string{"\n"}, prefix + "F \n"},
		"the rest at the end":         {[]string{"bye"}, prefix + "F bye\n"},
		"a full line of 16 KiB":       {[]string{long + "\n"}, prefix + "F " + long + "\n"},
		"a longer line":               {[]string{long + "y\n"}, prefix + "P " + long + "\n" + prefix + "F y\n"},
		"a line that does not end":    {[]string{long, long, "z"}, prefix + "P " + long + "\n" + prefix + "P " + long + "\n" + prefix + "F z\n"},
		"bytes that are not text":     {[]string{"\xff\x00\n"}, prefix + "F \xff\x00\n"},
		"text that looks like a line": {[]string{prefix + "F x\n"}, prefix + "F " + prefix + "F x\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			w := endpoint.NewLogWriter(&out, stamp)
			for _, text := range c.writes {
				if n, err := io.WriteString(w, text); n != len(text) || err != nil {
					t.Fatalf("wrote %d of %d bytes: %v", n, len(text), err)
				}
			}
			if err := errors.Join(w.Close(), w.Close()); err != nil {
				t.Fatal(err)
			}
			if out.String() != c.want {
				t.Errorf("got  %q\nwant %q", out.String(), c.want)
			}
			if _, err := io.WriteString(w, "late\n"); err == nil {
				t.Error("a write after Close was taken")
			}
		})
	}
}

func TestLogWriterKeepsLinesOfSeveralGoroutinesWhole(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := endpoint.NewLogWriter(&out, stamp)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				_, _ = fmt.Fprintf(w, "from %d\n", i)
			}
		})
	}
	all.Wait()
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, prefix+"F from ") || len(line) != len(prefix+"F from 1\n") {
			t.Fatalf("torn line %q", line)
		}
	}
	if got := strings.Count(out.String(), "\n"); got != 400 {
		t.Errorf("%d lines, want 400", got)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestLogWriterReportsAFullDisk(t *testing.T) {
	t.Parallel()
	w := endpoint.NewLogWriter(full{}, stamp)
	if _, err := io.WriteString(w, "x\n"); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("got %v, want %v", err, io.ErrShortWrite)
	}
}

package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/journal"
)

// writeVariable makes this test program a process that writes decisions into the journal that it names.
const writeVariable = "AIP_TEST_JOURNAL"

func TestMain(m *testing.M) {
	if path := os.Getenv(writeVariable); path != "" {
		j := journal.At(path, time.Now)
		for i := range 20 {
			if err := decideOnce(j, i); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
		return
	}
	os.Exit(m.Run())
}

func decideOnce(j *journal.Journal, i int) error {
	n, err := j.Begin(journal.Decision{By: "alice", Verb: journal.Deny, Name: fmt.Sprint("r-", i), Reason: "not now"})
	if err != nil {
		return err
	}
	return j.End(n, journal.Outcome{Result: journal.Confirmed, Phase: "Denied"})
}

func begun(t *testing.T, decisions int) *journal.Journal {
	t.Helper()
	j := journal.At(filepath.Join(t.TempDir(), "deeper", "aip.journal"), time.Now)
	for i := range decisions {
		if err := decideOnce(j, i); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

func verified(t *testing.T, j *journal.Journal) journal.Report {
	t.Helper()
	r, err := j.Verify("")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func replace(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	j := begun(t, 0)
	if all, err := j.Records(); err != nil || len(all) != 0 {
		t.Fatalf("before anything was written: %v, %v", all, err)
	}
	asked := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d := journal.Decision{
		By: "alice", Via: "tui", Environment: "aip", Verb: journal.Approve, Namespace: "default", Name: "r-1", UID: "u-1", Version: "7",
		Agent: "bot", Action: "delete", Target: "k8s://prod/x", Asked: &asked, Reason: "fine", Seen: journal.SeenPartial, Shown: "abc", LiveEndpoints: true,
	}
	first, err := j.Begin(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.End(first, journal.Outcome{Result: journal.Lost, Phase: "Denied", Winner: "bob", Cause: "409"}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Begin(journal.Decision{Verb: journal.Grade, Name: "r-2"}); err != nil {
		t.Fatal(err)
	}
	all, err := j.Records()
	if err != nil || len(all) != 2 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	if got := all[0]; got.Reason != "fine" || got.Result != journal.Lost || got.Winner != "bob" || got.Ended == nil || !got.Asked.Equal(asked) || got.Seen != journal.SeenPartial {
		t.Errorf("first: %+v", got)
	}
	if got := all[1]; got.Result != journal.Unknown || got.Ended != nil {
		t.Errorf("a decision without an outcome: %+v", got)
	}
	if info, err := os.Stat(j.Path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if r := verified(t, j); len(r.Faults) != 0 || r.Decisions != 2 || r.Entries != 3 {
		t.Errorf("%+v", r)
	}
}

// Whatever byte is flipped, the line in which it is gets named.
func TestEveryFlippedByteIsFound(t *testing.T) {
	t.Parallel()
	j := begun(t, 3)
	good := content(t, j.Path())
	for at := range good {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		replace(t, j.Path(), bad)
		line := bytes.Count(good[:at], []byte("\n")) + 1
		r := verified(t, j)
		if len(r.Faults) == 0 {
			t.Fatalf("byte %d, %q made %q, was not found", at, good[at], bad[at])
		}
		if got := r.Faults[0].Line; got != line {
			t.Fatalf("byte %d is in line %d, named was line %d: %+v\n%s", at, line, got, r.Faults, bad)
		}
	}
	replace(t, j.Path(), good)
	if r := verified(t, j); len(r.Faults) != 0 {
		t.Errorf("%+v", r.Faults)
	}
}

// Lines that were taken out, moved, written twice or cut off are found where that was done.
func TestLinesThatWereTakenOutOrMoved(t *testing.T) {
	t.Parallel()
	j := begun(t, 3)
	good := bytes.SplitAfter(bytes.TrimSuffix(content(t, j.Path()), []byte("\n")), []byte("\n"))
	good[5] = append(good[5], '\n')
	pick := func(order ...int) []byte {
		var out []byte
		for _, n := range order {
			out = append(out, good[n-1]...)
		}
		return out
	}
	for name, c := range map[string]struct {
		data []byte
		line int
		want string
	}{
		"the first":       {pick(2, 3, 4, 5, 6), 1, "entry 2 follows entry 0: the entry between them was cut out"},
		"one":             {pick(1, 2, 4, 5, 6), 3, "entry 4 follows entry 2: the entry between them was cut out"},
		"two":             {pick(1, 4, 5, 6), 2, "the 2 entries between them were cut out"},
		"the last":        {pick(1, 2, 3, 4, 5), 6, "the journal ends with entry 5, and entry 6 was written"},
		"all":             {nil, 1, "the journal ends with entry 0, and entry 6 was written"},
		"moved":           {pick(1, 3, 2, 4, 5, 6), 2, "cut out"},
		"twice":           {pick(1, 2, 2, 3, 4, 5, 6), 3, "it was put in or moved here"},
		"half a line":     {pick(1, 2, 3, 4, 5, 6)[:len(pick(1, 2, 3, 4, 5, 6))-10], 6, "cut off in the middle"},
		"something else":  {append(pick(1, 2), append([]byte("{}\n"), pick(4, 5, 6)...)...), 3, "it is no entry of a journal"},
		"an empty line":   {append(pick(1, 2), append([]byte("\n"), pick(3, 4, 5, 6)...)...), 3, "it is no entry of a journal"},
		"written anew":    {bytes.Replace(pick(1, 2, 3, 4, 5, 6), []byte(`{"at"`), []byte(`{ "at"`), 1), 1, "in another way"},
		"another's chain": {content(t, begun(t, 3).Path()), 6, "changed together with its hash"},
	} {
		replace(t, j.Path(), c.data)
		r := verified(t, j)
		if len(r.Faults) == 0 || r.Faults[0].Line != c.line || !strings.Contains(r.Faults[0].Text, c.want) {
			t.Errorf("%s: %+v, expected line %d: %s", name, r.Faults, c.line, c.want)
		}
		// What is written afterwards does not make up for it.
		if err := decideOnce(j, 9); err != nil {
			t.Fatal(err)
		}
		if name != "half a line" && len(verified(t, j).Faults) == 0 {
			t.Errorf("%s: forgotten after one more decision", name)
		}
		replace(t, j.Path(), pick(1, 2, 3, 4, 5, 6))
		replace(t, j.Path()+".head", fmt.Appendf(nil, `{"entry":6,"hash":%q}`, hashOf(t, good[5])))
	}
}

func hashOf(t *testing.T, line []byte) string {
	t.Helper()
	_, rest, ok := bytes.Cut(line, []byte(`"hash":"`))
	if !ok {
		t.Fatalf("no hash in %s", line)
	}
	return string(rest[:64])
}

// A line whose hash was computed anew does not fit to the next one, and the last one not to the note beside.
func TestRehashedLine(t *testing.T) {
	t.Parallel()
	other := begun(t, 3)
	for _, n := range []int{3, 6} {
		j := begun(t, 3)
		lines := bytes.SplitAfter(content(t, j.Path()), []byte("\n"))
		forged := journal.At(filepath.Join(t.TempDir(), "forged"), time.Now)
		replace(t, forged.Path(), bytes.Join(lines[:n-1], nil))
		if _, err := forged.Begin(journal.Decision{By: "mallory"}); err != nil {
			t.Fatal(err)
		}
		lines[n-1] = bytes.SplitAfter(content(t, forged.Path()), []byte("\n"))[n-1]
		replace(t, j.Path(), bytes.Join(lines, nil))
		r := verified(t, j)
		if len(r.Faults) != 1 || r.Faults[0].Line != n || !strings.Contains(r.Faults[0].Text, "changed together with its hash") {
			t.Errorf("line %d: %+v", n, r.Faults)
		}
	}
	// A whole chain that was written anew is one that does not have the hash that was noted.
	noted := verified(t, begun(t, 3)).Last
	if r, err := other.Verify(noted); err != nil || len(r.Faults) != 1 || !strings.Contains(r.Faults[0].Text, "which was noted earlier") {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := other.Verify(verified(t, other).Last); err != nil || len(r.Faults) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A program that was killed while it wrote leaves half a line. The next decision cuts it off and says so.
func TestHalfALineIsMended(t *testing.T) {
	t.Parallel()
	j := begun(t, 1)
	good := content(t, j.Path())
	replace(t, j.Path(), append(bytes.Clone(good), `{"action":"del`...))
	if err := decideOnce(j, 1); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, j); len(r.Faults) != 0 || r.Entries != 4 {
		t.Errorf("%+v", r)
	}
	if data := content(t, j.Path()); !bytes.HasPrefix(data, good) || !bytes.Contains(data, []byte(`"mended":14`)) {
		t.Errorf("%s", data)
	}
	// Killed between the line and the note about it: the note is one line late, and nothing is wrong.
	replace(t, j.Path()+".head", fmt.Appendf(nil, `{"entry":1,"hash":%q}`, hashOf(t, good)))
	if r := verified(t, j); len(r.Faults) != 0 {
		t.Errorf("%+v", r)
	}
	if err := decideOnce(j, 2); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, j); len(r.Faults) != 0 || r.Entries != 6 {
		t.Errorf("%+v", r)
	}
	if err := os.Remove(j.Path() + ".head"); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, j); len(r.Faults) != 1 || !strings.Contains(r.Faults[0].Text, "is not known") {
		t.Errorf("%+v", r)
	}
}

// Processes and goroutines that decide at the same time do not break the chain.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	j := begun(t, 0)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			c := exec.CommandContext(t.Context(), program)
			c.Env = append(os.Environ(), writeVariable+"="+j.Path())
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
		running.Go(func() {
			for i := range 20 {
				if err := decideOnce(j, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	if r := verified(t, j); len(r.Faults) != 0 || r.Decisions != 160 || r.Entries != 320 {
		t.Errorf("%d decisions in %d lines, %v", r.Decisions, r.Entries, r.Faults)
	}
	all, err := j.Records()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Result != journal.Confirmed {
			t.Errorf("entry %d is %s", r.Entry, r.Result)
		}
	}
}

// No token is written, and nothing that a terminal would obey.
func TestTextsAreHarmless(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
	j := begun(t, 0)
	n, err := j.Begin(journal.Decision{Reason: "see " + token, Action: "\x1b[2Jdelete\u202e", Target: "https://bob:hunter22@host", Agent: "a\u009b1m"})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.End(n, journal.Outcome{Result: journal.Refused, Cause: "Authorization: Bearer " + token}); err != nil {
		t.Fatal(err)
	}
	data := string(content(t, j.Path()))
	for _, bad := range []string{token, "eyJ", "hunter22", "\x1b", "\u202e", "\u009b", `\u001b`} {
		if strings.Contains(data, bad) {
			t.Errorf("%q is in %s", bad, data)
		}
	}
	if r := verified(t, j); len(r.Faults) != 0 {
		t.Errorf("%+v", r)
	}
}

// Where nothing can be written, the decision is not sent: Begin says so.
func TestUnusable(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	replace(t, filepath.Join(folder, "file"), nil)
	for _, path := range []string{filepath.Join(folder, "file", "aip.journal"), folder} {
		j := journal.At(path, time.Now)
		if _, err := j.Begin(journal.Decision{}); !errors.Is(err, journal.ErrUnusable) || !strings.Contains(err.Error(), folder) {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := j.Records(); !errors.Is(err, journal.ErrUnusable) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

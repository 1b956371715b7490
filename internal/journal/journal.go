package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aip-dev/aip-dev/internal/redact"
	"github.com/aip-dev/aip-dev/internal/safetext"
)

// ErrUnusable says that the journal cannot be read or written.
var ErrUnusable = errors.New("the journal of decisions cannot be used")

// lockPatience is how long an append waits for another process, which holds the file for milliseconds.
const lockPatience = 5 * time.Second

// Journal is one file, which need not be there yet. All methods are safe for use by several goroutines and processes.
type Journal struct {
	path string
	now  func() time.Time
}

// At returns the journal in the file at path. It touches nothing.
func At(path string, now func() time.Time) *Journal { return &Journal{path: path, now: now} }

// Path is where the journal is.
func (j *Journal) Path() string { return j.path }

// Begin writes down a decision that is about to be sent, and returns its number for End. When it returns, the line is
// on the disk. The error is ErrUnusable.
func (j *Journal) Begin(d Decision) (int, error) {
	for _, text := range []*string{&d.Agent, &d.Action, &d.Target, &d.Reason, &d.By, &d.Verdict, &d.ReasonCode, &d.Changed} {
		*text = harmless(*text)
	}
	return j.append(Entry{Kind: KindDecision, Decision: &d})
}

// End writes down what became of a decision. The error is ErrUnusable.
func (j *Journal) End(of int, o Outcome) error {
	o.Of, o.Winner, o.Cause = of, harmless(o.Winner), harmless(o.Cause)
	_, err := j.append(Entry{Kind: KindOutcome, Outcome: &o})
	return err
}

// harmless returns a text as people get to see it, without secrets that somebody put in by mistake.
func harmless(text string) string { return safetext.Line(redact.Redactor{}.Text(text)) }

// append seals an entry to the end of the chain.
func (j *Journal) append(e Entry) (int, error) {
	number, err := j.tryAppend(e)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return number, nil
}

func (j *Journal) tryAppend(e Entry) (int, error) {
	if err := os.MkdirAll(filepath.Dir(j.path), 0o700); err != nil {
		return 0, err
	}
	file, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }() // what was written is on the disk; closing frees the lock
	if err := lock(file, syscall.LOCK_EX); err != nil {
		return 0, err
	}
	if err := file.Chmod(0o600); err != nil {
		return 0, err
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return 0, err
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	end := endOf(whole)
	if head, err := j.head(); err == nil && head.Entry >= end.Entry {
		end = head // what was changed or cut off stays so
	}
	e.Entry, e.Previous, e.At, e.Mended = end.Entry+1, end.Hash, j.now().UTC().Truncate(time.Millisecond), len(data)-len(whole)
	line, hash, err := seal(e)
	if err != nil {
		return 0, err
	}
	if err := file.Truncate(int64(len(whole))); err != nil {
		return 0, err
	}
	if _, err := file.WriteAt(append(line, '\n'), int64(len(whole))); err != nil {
		return 0, err
	}
	if err := file.Sync(); err != nil {
		return 0, err
	}
	return e.Entry, j.setHead(head{Entry: e.Entry, Hash: hash})
}

// lock waits for a file. The kernel frees the lock when the file is closed, however the process ends.
func lock(file *os.File, how int) error {
	for waited := time.Duration(0); ; waited += 5 * time.Millisecond {
		err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		if waited >= lockPatience {
			return fmt.Errorf("lock %s: another process holds it for %s", file.Name(), lockPatience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// head says which line was written last. It is kept beside the journal, so that lines which are cut off its end are
// missed.
type head struct {
	Entry int    `json:"entry"`
	Hash  string `json:"hash"`
}

func (j *Journal) headPath() string { return j.path + ".head" }

// head reads it. The error is fs.ErrNotExist when nothing was ever written.
func (j *Journal) head() (head, error) {
	var h head
	data, err := os.ReadFile(j.headPath())
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return h, fmt.Errorf("%s: %w", j.headPath(), err)
	}
	return h, nil
}

// setHead is called by whoever holds the lock of the journal.
func (j *Journal) setHead(h head) error {
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	next := j.headPath() + ".new"
	if err := os.WriteFile(next, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(next, j.headPath())
}

// read calls do with the journal as it is between two lines, while nobody writes; with nothing when there is none.
func (j *Journal) read(do func(data []byte)) error {
	file, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		do(nil)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	if err := lock(file, syscall.LOCK_SH); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	do(data)
	return nil
}

// Records returns the decisions, oldest first, each with its outcome. Lines that are no entries are left out; Verify
// names them. The error is ErrUnusable.
func (j *Journal) Records() ([]Record, error) {
	records := []Record{}
	err := j.read(func(data []byte) { records = append(records, recordsIn(data)...) })
	return records, err
}

func recordsIn(data []byte) []Record {
	var records []Record
	at := map[int]int{}
	for line := range bytes.Lines(data) {
		var e Entry
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		switch {
		case e.Kind == KindDecision && e.Decision != nil:
			at[e.Entry] = len(records)
			records = append(records, Record{Entry: e.Entry, At: e.At, Decision: *e.Decision, Outcome: Outcome{Result: Unknown}})
		case e.Kind == KindOutcome && e.Outcome != nil:
			if i, known := at[e.Of]; known {
				records[i].Outcome, records[i].Ended = *e.Outcome, &e.At
				records[i].Of = 0
			}
		}
	}
	return records
}

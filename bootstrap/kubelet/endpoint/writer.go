package endpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"k8s.io/cri-client/pkg/logs"
)

// maxLine is where a line is cut into parts, as container runtimes do, so that no process fills the memory with a
// line that never ends.
const maxLine = 16 << 10

// errClosed is returned for writes after Close.
var errClosed = errors.New("log writer is closed")

// logWriter turns text into CRI log lines.
type logWriter struct {
	mu     sync.Mutex
	to     io.Writer
	now    func() time.Time
	rest   []byte // of a line that has not ended
	closed bool
}

// NewLogWriter returns a writer for what a container prints. To w it writes lines in the CRI log format,
// `2026-01-02T15:04:05.000000000Z stdout F text`, whole lines only and one write per call; lines over 16 KiB become
// several of kind P and one of kind F. Close writes the rest of an unfinished line; it does not close w. It may be
// used by several goroutines.
// Source: https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
func NewLogWriter(w io.Writer, now func() time.Time) io.WriteCloser {
	return &logWriter{to: w, now: now}
}

func (l *logWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, errClosed
	}
	l.rest = append(l.rest, p...)
	var out bytes.Buffer
	at := l.now()
	for {
		text, tag, taken := cut(l.rest)
		if taken == 0 {
			break
		}
		entry(&out, at, tag, text)
		l.rest = l.rest[taken:]
	}
	l.rest = bytes.Clone(l.rest) // lets go of what is written
	if err := l.flush(&out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close ends the log. A second call does nothing.
func (l *logWriter) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var out bytes.Buffer
	if len(l.rest) > 0 {
		entry(&out, l.now(), "F", l.rest)
	}
	return l.flush(&out)
}

func (l *logWriter) flush(out *bytes.Buffer) error {
	if out.Len() == 0 {
		return nil
	}
	if _, err := l.to.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write log lines: %w", err)
	}
	return nil
}

// cut returns the text and the tag of the next entry and how many bytes it takes away; none when the line goes on.
func cut(rest []byte) (text []byte, tag string, taken int) {
	end := bytes.IndexByte(rest[:min(len(rest), maxLine+1)], '\n')
	switch {
	case end >= 0:
		return rest[:end], "F", end + 1
	case len(rest) > maxLine:
		return rest[:maxLine], "P", maxLine
	}
	return nil, "", 0
}

func entry(out *bytes.Buffer, at time.Time, tag string, text []byte) {
	fmt.Fprintf(out, "%s stdout %s ", at.UTC().Format(logs.RFC3339NanoFixed), tag)
	out.Write(text)
	out.WriteByte('\n')
}

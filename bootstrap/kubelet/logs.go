package kubelet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/internal/safetext"
)

const (
	// maxLog is the size at which a container's log starts over; what was there before is kept once more.
	maxLog = 10 << 20
	// maxLogLine is where a line without an end is broken, as a container runtime does.
	maxLogLine = 16 << 10
	// maxTail is how much of a log a termination message holds: terminationMessagePolicy FallbackToLogsOnError.
	// Source: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
	maxTail = 2 << 10
)

// logFolder keeps the logs of all containers, laid out as a kubelet's /var/log/pods:
// namespace_pod_uid/container/restarts.log.
type logFolder string

func (f logFolder) pod(pod *corev1.Pod) string {
	return filepath.Join(string(f), pod.Namespace+"_"+pod.Name+"_"+string(pod.UID))
}

func (f logFolder) file(pod *corev1.Pod, container string, restarts int32) string {
	return filepath.Join(f.pod(pod), container, strconv.Itoa(int(restarts))+".log")
}

// open starts the log of one run of a container and removes those of runs before the last.
func (f logFolder) open(pod *corev1.Pod, container string, restarts int32, now func() time.Time) (*logFile, error) {
	path := f.file(pod, container, restarts)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the log folder of container %s: %w", container, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of container %s: %w", container, err)
	}
	if err := f.prune(filepath.Dir(path), restarts); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &logFile{file: file, now: now}, nil
}

// prune removes the logs of runs before the last in a container's folder.
func (logFolder) prune(dir string, restarts int32) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list logs: %w", err)
	}
	for _, e := range entries {
		number, _, _ := strings.Cut(e.Name(), ".")
		run, err := strconv.ParseInt(number, 10, 32)
		if err != nil || run >= int64(restarts)-1 {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("remove an old log: %w", err)
		}
	}
	return nil
}

// keep removes the logs of all pods but those with the given UIDs.
func (f logFolder) keep(uids []types.UID) error {
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return fmt.Errorf("list logs: %w", err)
	}
	for _, e := range entries {
		parts := strings.Split(e.Name(), "_")
		if len(parts) != 3 || slices.Contains(uids, types.UID(parts[2])) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(string(f), e.Name())); err != nil {
			return fmt.Errorf("remove the logs of a pod that is gone: %w", err)
		}
	}
	return nil
}

// logFile is the log of one run of a container, in the format of the Container Runtime Interface, one line each:
// time, stream, F for a full line or P for a part of one, text.
// Source: https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
type logFile struct {
	now func() time.Time

	mu      sync.Mutex
	file    *os.File
	size    int
	pending []byte // the start of a line whose end has not been written
	recent  []byte // the last lines, without time and stream
}

// Write adds text to the log. It is safe for concurrent use and fails once the run has ended.
func (l *logFile) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return 0, os.ErrClosed
	}
	var out []byte
	rest := text
	for {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		l.pending = append(l.pending, line...)
		for len(l.pending) > maxLogLine {
			out = l.entry(out, "P", l.pending[:maxLogLine])
			l.pending = l.pending[maxLogLine:]
		}
		if !ended {
			break
		}
		out = l.entry(out, "F", l.pending)
		l.pending = l.pending[:0]
		rest = after
	}
	return len(text), l.flush(out)
}

// entry appends a line in the log's format to out.
func (l *logFile) entry(out []byte, tag string, line []byte) []byte {
	out = l.now().UTC().AppendFormat(out, time.RFC3339Nano)
	out = append(out, " stdout "+tag+" "...)
	out = append(out, line...)
	l.recent = append(append(l.recent, line...), '\n')
	if over := len(l.recent) - maxTail; over > 0 {
		l.recent = append(l.recent[:0], l.recent[over:]...)
	}
	return append(out, '\n')
}

func (l *logFile) flush(out []byte) error {
	if len(out) == 0 {
		return nil
	}
	if l.size += len(out); l.size > maxLog {
		if err := l.rotate(); err != nil {
			return err
		}
		l.size = len(out)
	}
	if _, err := l.file.Write(out); err != nil {
		return fmt.Errorf("write the log: %w", err)
	}
	return nil
}

// rotate puts the file aside as .1, in place of what was put aside before, and begins a new one.
func (l *logFile) rotate() error {
	path := l.file.Name()
	if err := os.Rename(path, path+".1"); err != nil {
		return fmt.Errorf("rotate the log: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("rotate the log: %w", err)
	}
	old := l.file
	l.file = file
	return old.Close()
}

// Close ends the log.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	var err error
	if len(l.pending) > 0 {
		err = l.flush(l.entry(nil, "F", l.pending))
		l.pending = nil
	}
	err = errors.Join(err, l.file.Close())
	l.file = nil
	return err
}

// tail returns the last lines that were written, made harmless.
func (l *logFile) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return clip(strings.Join(safetext.Block(string(l.recent)), "\n"), maxTail)
}

// clip returns the end of s, at most limit bytes of it.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[len(s)-limit:], "")
}

package kubelet

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 5, time.UTC) }

func logOf(t *testing.T, folder logFolder, uid string, restarts int32) (*logFile, string) {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "till", UID: types.UID(uid)}}
	l, err := folder.open(pod, "app", restarts, noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, folder.file(pod, "app", restarts)
}

func write(t *testing.T, l *logFile, text string) {
	t.Helper()
	if n, err := l.Write([]byte(text)); err != nil || n != len(text) {
		t.Fatalf("write: %d %v", n, err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLogFormat(t *testing.T) {
	t.Parallel()
	l, path := logOf(t, logFolder(t.TempDir()), "u", 0)
	write(t, l, "one\ntwo ")
	write(t, l, "parts\n\nrest")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	const at = "2026-01-02T12:00:00.000000005Z stdout F "
	if got, want := read(t, path), at+"one\n"+at+"two parts\n"+at+"\n"+at+"rest\n"; got != want {
		t.Errorf("log %q, expected %q", got, want)
	}
	if got := l.tail(); got != "one\ntwo parts\n\nrest" {
		t.Errorf("tail %q", got)
	}
	if _, err := l.Write([]byte("late")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after the end: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v %v", info.Mode(), err)
	}
}

func TestLogLinesAndSizeAreBounded(t *testing.T) {
	t.Parallel()
	l, path := logOf(t, logFolder(t.TempDir()), "u", 0)
	write(t, l, strings.Repeat("x", maxLogLine+1)+"\n")
	if got := read(t, path); strings.Count(got, " stdout P ") != 1 || strings.Count(got, " stdout F x\n") != 1 {
		t.Error("a long line is not broken")
	}
	line := strings.Repeat("y", maxLogLine-1) + "\n"
	for range maxLog/maxLogLine + 10 {
		write(t, l, line)
	}
	for _, p := range []string{path, path + ".1"} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > maxLog {
			t.Errorf("%s has %d bytes", filepath.Base(p), info.Size())
		}
	}
	if got := len(l.tail()); got > maxTail {
		t.Errorf("tail has %d bytes", got)
	}
}

func TestOldLogsAreRemoved(t *testing.T) {
	t.Parallel()
	folder := logFolder(t.TempDir())
	var path string
	for run := range int32(4) {
		_, path = logOf(t, folder, "kept", run)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if !slices.Equal(left, []string{"2.log", "3.log"}) {
		t.Errorf("left: %v", left)
	}
	_, gone := logOf(t, folder, "gone", 0)
	if err := folder.keep([]types.UID{"kept"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the log of a pod that is gone: %v", err)
	}
	read(t, path)
}

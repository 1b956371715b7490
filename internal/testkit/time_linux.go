package testkit

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ThreadTime returns the processor's time that the test's thread has had, which other work on the machine does not lengthen.
// The test stays on its thread until it ends. Source: https://man7.org/linux/man-pages/man2/getrusage.2.html
func ThreadTime(t testing.TB) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

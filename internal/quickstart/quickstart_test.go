package quickstart

import (
	"runtime/debug"
	"testing"
)

// TestRestore is not parallel: the collector is one for the whole process.
func TestRestore(t *testing.T) { //nolint:paralleltest // see above
	t.Cleanup(func() { debug.SetGCPercent(usual) })
	if usual <= 0 {
		t.Fatalf("the usual percentage is %d", usual)
	}
	debug.SetGCPercent(-1)
	restore()
	if set := debug.SetGCPercent(-1); set != usual {
		t.Errorf("found %d, expected %d", set, usual)
	}
	debug.SetGCPercent(50)
	restore()
	if set := debug.SetGCPercent(50); set != 50 {
		t.Errorf("found %d: what somebody set is lost", set)
	}
}

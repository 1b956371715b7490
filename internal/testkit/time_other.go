//go:build !linux

package testkit

import (
	"testing"
	"time"
)

var started = time.Now() //nolint:gochecknoglobals // what ThreadTime counts from

// ThreadTime returns the time that has passed: only Linux tells that of one thread.
func ThreadTime(testing.TB) time.Duration { return time.Since(started) }

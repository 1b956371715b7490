// Package quickstart holds the garbage collector back while the program starts: the packages of an API server and of Helm make
// 15 MiB of tables as they are initialized, and to collect among them takes a quarter of the time of a short command.
package quickstart

import (
	"runtime/debug"
	"time"
)

// patience is how long a command has to be under way before the collector works; most have ended by then.
const patience = 200 * time.Millisecond

// usual is the collector's percentage before it was switched off, which happens here because packages are initialized before
// main runs, in the order of their import paths.
var usual = debug.SetGCPercent(-1) //nolint:gochecknoglobals // see above

// Soon lets the collector work again after a moment, unless somebody has set it meanwhile. main calls it first.
func Soon() { time.AfterFunc(patience, restore) }

func restore() {
	const off = -1
	if set := debug.SetGCPercent(usual); set != off {
		debug.SetGCPercent(set)
	}
}

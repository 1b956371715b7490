//go:build !linux

package testkit

import "os/exec"

// dieWithParent does nothing: only Linux can tie a child to its parent. Main stops it.
func dieWithParent(*exec.Cmd) {}

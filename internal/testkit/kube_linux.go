package testkit

import (
	"os/exec"
	"syscall"
)

// dieWithParent lets the kernel end cmd when this process is gone.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

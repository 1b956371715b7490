package kindcluster

import (
	"errors"
	"fmt"
	"testing"

	"sigs.k8s.io/kind/pkg/exec"
)

func TestSaid(t *testing.T) {
	t.Parallel()
	other := errors.New("other")
	command := []string{"podman", "run", "--name", "x", "--privileged"}
	status := errors.New("exit status 126")
	for want, err := range map[string]error{
		"other": other,
		"podman run: exit status 126: Error: runc create failed": fmt.Errorf("create: %w", &exec.RunError{
			Command: command, Inner: status, Output: []byte("Error: runc create failed\n\n"),
		}),
		"podman run: exit status 126: error execution phase preflight": &exec.RunError{
			Command: command, Inner: status, Output: []byte("[init] begins\nerror execution phase preflight\nsee the flag -v\n"),
		},
		"podman run: exit status 126: killed": &exec.RunError{Command: command, Inner: status, Output: []byte("killed")},
	} {
		if got := said(err).Error(); got != want {
			t.Errorf("said(%v) = %q, want %q", err, got, want)
		}
	}
}

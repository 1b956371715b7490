package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/internal/shortcut"
)

// TestShortcutKnowsCommands: what is a command after token is never taken for a client.
func TestShortcutKnowsCommands(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "../../bin/aip-dev", "token", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(out), "Available Commands:\n")
	list, _, _ := strings.Cut(rest, "\n\n")
	if !found || strings.Count(list, "\n") < 4 {
		t.Fatalf("found no list of commands in\n%s", out)
	}
	for line := range strings.Lines(list) {
		if name := strings.Fields(line)[0]; !shortcut.Subcommand(name) {
			t.Errorf("%s is taken for a client", name)
		}
	}
}

package e2e

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCopy copies a token where no program has a clipboard: the terminal gets it by OSC 52, and shows none of it.
// Source: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html (Operating System Commands, 52)
func TestCopy(t *testing.T) {
	t.Parallel()
	command, run := inEnvironment(t, "copied")
	token := strings.TrimSpace(run("token aip-agent-1 --name copied"))
	line := "token aip-agent-1 --copy --name copied"
	alone := filepath.Join(t.TempDir(), "aip-dev") // a PATH without xclip, xsel and wl-copy
	c := command(line)
	if err := os.Symlink(c.Path, alone); err != nil {
		t.Fatal(err)
	}
	bare := []string{"PATH=" + filepath.Dir(alone), "WAYLAND_DISPLAY=", "DISPLAY="}
	c.Env = append(c.Env, bare...)
	term := openTerminal(t, c, 100, 20)
	term.until("the token of aip-agent-1 is in the clipboard; it ends in ")
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	raw := term.last()
	if want := "\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(token)) + "\x07"; !strings.Contains(raw, want) {
		t.Errorf("found %d bytes without the sequence that copies the token: %q", len(raw), strings.Split(raw, "\x1b]52;")[0])
	}
	if strings.Contains(raw, token) {
		t.Error("the token is on the terminal in plain")
	}

	// Without a terminal there is no clipboard, and nothing is printed.
	c = command(line)
	c.Env = append(c.Env, bare...)
	out, err := c.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "there is no clipboard") || tokens.Match(out) {
		t.Errorf("found %v and %q", err, out)
	}
}

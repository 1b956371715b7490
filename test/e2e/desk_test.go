package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// never fails when the screen shows text within a while.
func (term *terminal) never(text string, within time.Duration) {
	term.t.Helper()
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(term.screen.String(), text) {
			term.t.Fatalf("the screen shows %q:\n%s", text, term.screen.String())
		}
	}
}

// TestFifty decides fifty requests of a real environment by keyboard alone: one key each, and the reason.
func TestFifty(t *testing.T) {
	t.Parallel()
	command, run := inEnvironment(t, "fifty")
	const many = 50
	for range 5 {
		run(fmt.Sprintf("simulate flood --count %d --name fifty", many/5))
	}
	c := command("tui --name fifty --hold 0")
	term := openTerminal(t, c, 120, 40)
	term.until(fmt.Sprintf("To decide %d", many))
	keys := 0
	for left := many; left > 0; left-- {
		term.until("d deny   ") // what came under the cursor by itself rests for a moment
		term.press("d")
		keys++
		term.until("reason, the agent reads this")
		term.press("1\r") // the first of the reasons that are given often
		term.until(fmt.Sprintf("[To decide %d]", left-1))
	}
	if got := run("request list --phase Denied --name fifty"); keys != many || strings.Count(got, "Denied") != many {
		t.Errorf("%d keys decided %d requests, expected %d each", keys, strings.Count(got, "Denied"), many)
	}
	name := strings.Fields(strings.Split(run("request list --phase Denied --name fifty"), "\n")[1])[1] // behind the namespace
	if got := run("request get --name fifty " + name); !strings.Contains(got, "wrong target") {
		t.Errorf("found %s, expected the reason", got)
	}
	term.press("q")
	if err := c.Wait(); err != nil {
		t.Errorf("q: %v", err)
	}
}

// rollout is how long the gateway may take to roll out.
const rollout = 2 * time.Minute

const (
	goodPolicy = `apiVersion: governance.aip.io/v1alpha1
kind: SafetyPolicy
metadata: {name: no-naps}
spec:
  rules:
  - {name: nap, type: StateEvaluation, action: RequireApproval, expression: request.spec.action == "nap"}
`
	badPolicy = `apiVersion: governance.aip.io/v1alpha1
kind: SafetyPolicy
metadata: {name: no-naps}
spec:
  rules:
  - {name: nap, type: StateEvaluation, action: RequireApproval, expression: "request.spec.action >< 1"}
`
)

// TestPages adds and removes an agent and a policy of a real environment from the pages of the queue, as an admin.
func TestPages(t *testing.T) {
	t.Parallel()
	command, run := inEnvironment(t, "pages")
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte(badPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	c := command("tui --name pages --as aip-admin-1")
	term := openTerminal(t, c, 120, 40)
	term.until("aip-admin-1 (admin)")

	term.press("I")
	term.until("a add   ") // or it is off
	term.press("a")
	term.until("for example cost-bot")
	term.press("nap-bot\r\r")
	term.until("$ aip-dev agent add nap-bot --role agent --name pages")
	term.untilWithin("nap-bot is in, as agent", rollout)
	term.until("✓ done in")
	term.press("\x1b")
	term.until("Agents and reviewers")
	if got := run("agent list --name pages"); !strings.Contains(got, "nap-bot") {
		t.Fatalf("found %s", got)
	}

	term.press("P")
	term.until("a check and apply   ")
	term.press("a")
	term.until("a path, or paste the YAML")
	term.press(bad + "\r")
	term.until("line 1, column 22")
	term.until("✗ failed")
	term.press("\r") // nothing to go on to
	term.press("\x1b")
	term.until("FIRST RULE")
	term.press("a")
	term.until("a path, or paste the YAML")
	term.press("\x1b[200~" + strings.ReplaceAll(goodPolicy, "\n", "\r") + "\x1b[201~")
	term.until("6 lines")
	term.press("\r")
	term.until("no-naps   1 rule   ok")
	term.until("enter apply   esc back")
	term.press("\r")
	term.until("no-naps   1 rule   created")
	term.press("\x1b")
	term.until("RequireApproval nap")
	if got := run("request submit --name pages --as nap-bot --action nap --target k8s://prod/bed --reason tired"); !strings.Contains(got, "Pending") {
		t.Errorf("found %s, expected that the policy holds it", got)
	}

	if got := run("policy remove no-naps --name pages"); !strings.Contains(got, "removed") {
		t.Errorf("found %s", got)
	}
	term.press("I")
	term.until("nap-bot")
	term.press("G") // the last in the order of names
	term.until("▌ nap-bot")
	term.until("● live") // or the key is off
	term.press("x")
	term.until("remove nap-bot?")
	term.press("y")
	term.untilWithin("nap-bot is gone", rollout)
	term.press("q")
	term.until("Agents and reviewers")
	if got := run("agent list --name pages"); strings.Contains(got, "nap-bot") {
		t.Errorf("found %s", got)
	}
	term.press("E")
	term.until(" are well")
	term.press("G")
	term.until("waited for")
	term.press("q")
	term.until("[To decide")
	term.press("q")
	if err := c.Wait(); err != nil {
		t.Errorf("q: %v", err)
	}
}

// colour matches the sequences that choose a colour (ECMA-48, SGR).
var colour = regexp.MustCompile(`\x1b\[([0-9]+;)*(3[0-8]|4[0-8]|9[0-7]|10[0-7])(;[0-9]+)*m`)

// TestPoorTerminals: whatever the terminal cannot do, nothing breaks, and each says what it can.
func TestPoorTerminals(t *testing.T) {
	t.Parallel()
	command, run := inEnvironment(t, "poor")
	run("simulate escapes --name poor")
	name := strings.Fields(run("request submit --name poor --action delete --target k8s://prod/one --reason idle"))[0]

	// Neither a terminal that cannot place text nor a pipe is drawn on; each error names the way without.
	for what, c := range map[string]func() (string, error){
		"TERM=dumb": func() (string, error) {
			c := command("tui --name poor")
			c.Env = append(c.Env, "TERM=dumb")
			term := openTerminal(t, c, 80, 24)
			err := c.Wait()
			return term.last(), err
		},
		"no terminal": func() (string, error) {
			out, err := command("tui --name poor").CombinedOutput()
			return string(out), err
		},
	} {
		got, err := c()
		if err == nil || !strings.Contains(got, "tui --plain") || strings.Contains(got, "\x1b") {
			t.Errorf("%s: %v, %q", what, err, got)
		}
	}

	// Who is not in the environment is told so before anything is drawn.
	c := command("tui --name poor --as nobody")
	stranger := openTerminal(t, c, 80, 24)
	if err := c.Wait(); err == nil || !strings.Contains(stranger.last(), `client "nobody" is not in this environment`) || strings.Contains(stranger.last(), "\x1b") {
		t.Errorf("%v, %q", err, stranger.last())
	}

	// Without UTF-8 there is ASCII alone, also of what agents wrote.
	c = command("tui --name poor")
	c.Env = append(c.Env, "LC_ALL=C", "NO_COLOR=1")
	term := openTerminal(t, c, 80, 24)
	term.until("* live")
	term.until("/one")
	for _, r := range term.written() {
		if r > '~' {
			t.Fatalf("%q was written to a terminal without UTF-8", r)
		}
	}
	if found := colour.FindString(term.written()); found != "" {
		t.Errorf("the colour %q was written in spite of NO_COLOR", found)
	}

	// Twenty columns are too few, and that is said; a wider one goes on where it was, in the middle of typing.
	term.press("/")
	term.until("filter: ")
	term.press("one")
	term.until("filter: one")
	term.resize(20, 24)
	term.until("20x24 is too small")
	term.until("or tui --plain")
	term.press("zz\r") // goes nowhere
	term.never("zz", 300*time.Millisecond)
	term.resize(80, 24)
	term.until("filter: one")
	term.press("\r")
	term.until("/one")

	// A paste of a megabyte is too long for a reason, and stays one line of what fits.
	term.until("d deny   ")
	term.press("d")
	term.until("reason")
	term.press("\x1b[200~" + strings.Repeat("long \r\n", 150_000) + "\x1b[201~")
	term.until("full")
	if got := run("request get --name poor " + name); !strings.Contains(got, "Pending") {
		t.Fatalf("a paste decided: %s", got)
	}
	term.press("\x1b")
	term.until("d deny   ")
	term.press("\x1b[200~q\rad\r\x1b[201~") // a paste is no keys
	term.never("reason", 300*time.Millisecond)

	// What is no token is explained and not shown.
	term.press("T")
	term.until("p paste a token")
	term.press("p")
	term.until("paste the token")
	term.press("\x1b[200~this is no token\x1b[201~\r")
	term.until("refused")
	term.press("q")
	term.until("To decide")
	if strings.Contains(term.written(), "this is no token") {
		t.Error("what was pasted as a token reached the screen")
	}
	term.press("q")
	if err := c.Wait(); err != nil {
		t.Errorf("q: %v", err)
	}
}

func (term *terminal) resize(columns, lines int) {
	term.t.Helper()
	term.screen.Resize(columns, lines)
	if err := pty.Setsize(term.file, &pty.Winsize{Cols: uint16(columns), Rows: uint16(lines)}); err != nil {
		term.t.Fatal(err)
	}
}

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// decisions reads the journal of an environment.
func decisions(t *testing.T, run func(string) string, name string) []struct{ By, Decision, Outcome, Seen, Via, Reason, Winner, Shown string } {
	t.Helper()
	var all []struct{ By, Decision, Outcome, Seen, Via, Reason, Winner, Shown string }
	if err := json.Unmarshal([]byte(run("journal -o json --name "+name)), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestJournal decides in a real terminal, kills the queue the hard way, and reads the journal.
func TestJournal(t *testing.T) {
	t.Parallel()
	command, run := inEnvironment(t, "journal")
	for i := range 3 {
		run(fmt.Sprintf("request submit --name journal --action delete --target k8s://prod/n%d --reason idle", i))
	}
	c := command("tui --name journal --hold 1h")
	term := openTerminal(t, c, 120, 40)
	term.until("● live")
	term.until("d deny   ")
	term.press("d")
	term.until("reason, the agent reads this")
	term.press("not now\r")
	// It is held back for an hour: nothing was sent, so nothing is written.
	term.until("u take back")
	if got := decisions(t, run, "journal"); len(got) != 0 {
		t.Fatalf("written before it was sent: %+v", got)
	}
	if err := c.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it was killed
	if got := run("request list --phase Denied --name journal"); strings.Contains(got, "Denied") {
		t.Errorf("sent after all: %s", got)
	}

	c = command("tui --name journal --hold 0")
	term = openTerminal(t, c, 120, 40)
	term.until("d deny   ")
	term.press("d")
	term.until("reason, the agent reads this")
	term.press("not now\r")
	term.until("✗ denied by you")
	term.until("ctrl-a approve unread")
	term.press("\x01")
	term.until("note:")
	term.press("checked with the owner\r")
	term.until("✓ approved by you")
	if err := c.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it was killed
	got := decisions(t, run, "journal")
	if len(got) != 2 || got[0].Decision != "deny" || got[0].Reason != "not now" || got[0].Outcome != "confirmed" || got[0].Via != "tui" || len(got[0].Shown) != 64 {
		t.Fatalf("%+v", got)
	}
	if got[1].Decision != "approve" || got[1].Seen != "partial" || got[1].By != "aip-reviewer-1" {
		t.Errorf("%+v", got[1])
	}
	if out := run("journal verify --name journal"); !strings.Contains(out, "2 decisions in 4 lines") {
		t.Error(out)
	}
}

// TestJournalOfTwo: two people at two terminals write into one journal, and the one who was late reads who won.
func TestJournalOfTwo(t *testing.T) {
	t.Parallel()
	command, run := inEnvironment(t, "jtwo")
	run("agent add bob --role reviewer --name jtwo")
	run("request submit --name jtwo --action delete --target k8s://prod/race --reason idle")
	first, second := command("tui --name jtwo --hold 0"), command("tui --name jtwo --hold 0 --as bob")
	terms := []*terminal{openTerminal(t, first, 120, 40), openTerminal(t, second, 120, 40)}
	for _, term := range terms {
		term.until("d deny   ")
		term.press("d")
		term.until("reason, the agent reads this")
		term.press("1")
	}
	for _, term := range terms {
		term.press("\r")
	}
	deadline := time.Now().Add(20 * time.Second)
	for len(decisions(t, run, "jtwo")) == 0 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	for _, term := range terms {
		term.until("denied by")                                 // you, or already by the other one
		if strings.Contains(term.screen.String(), "esc back") { // the one who was late
			term.press("\x1b")
			term.until("? help")
		}
		term.press("q")
	}
	if err := first.Wait(); err != nil {
		t.Errorf("q: %v", err)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("q: %v", err)
	}
	confirmed := 0
	for _, d := range decisions(t, run, "jtwo") {
		switch {
		case d.Outcome == "confirmed":
			confirmed++
		case d.Outcome != "lost the race" || d.Winner == "" || d.Winner == d.By:
			t.Errorf("%+v", d)
		}
	}
	if confirmed != 1 {
		t.Errorf("%d decisions are confirmed, expected 1", confirmed)
	}
	run("journal verify --name jtwo")
}

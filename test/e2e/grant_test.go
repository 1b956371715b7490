package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestGrant gives a grant in a real terminal: what it is about is approved by itself, nothing else is, and it ends by key.
func TestGrant(t *testing.T) {
	t.Parallel()
	command, run := inEnvironment(t, "grant")
	submit := func(action, target string) string {
		return strings.Fields(run(fmt.Sprintf("request submit --name grant --action %s --target %s --reason again", action, target)))[0]
	}
	until := func(name, phase string) {
		t.Helper()
		got := ""
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if got = run("request get --name grant " + name); strings.Contains(got, phase) {
				return
			}
		}
		t.Fatalf("%s, expected %s", got, phase)
	}
	const target = "k8s://prod/default/deployment/web"
	first := submit("drain", target)

	if out, err := command("tui --plain --grants --name grant").CombinedOutput(); err == nil || !strings.Contains(string(out), "--grants needs the screen") {
		t.Errorf("%v: %s", err, out)
	}
	c := command("tui --name grant --grants")
	term := openTerminal(t, c, 120, 40)
	term.until("● live")
	term.until("J read on")
	for !strings.Contains(term.screen.String(), "t grant for a time   ") {
		term.press("J")
		time.Sleep(200 * time.Millisecond)
	}
	term.press("t")
	term.until("whenever it asks, in your name")
	term.press("2")
	term.until("why:")
	term.press("I test the loop\r")
	term.until("grant 9:5")
	until(first, "Approved   grant until ")
	other, second := submit("delete", target), submit("drain", target)
	until(second, "Pending") // the first one has the target
	run("request executing --name grant " + first)
	run("request complete --name grant " + first)
	until(second, "Approved   grant until ")
	until(other, "Pending")
	term.press("x")
	term.until("2 approved by it")
	run("request executing --name grant " + second)
	run("request complete --name grant " + second)
	third := submit("drain", target)
	time.Sleep(2 * time.Second) // nothing happens, and there is nothing to wait for
	until(third, "Pending")
	term.press("q")
	if err := c.Wait(); err != nil {
		t.Errorf("q: %v", err)
	}
	got := decisions(t, run, "grant")
	if len(got) != 2 || got[0].Seen != "none" || !strings.HasPrefix(got[0].Reason, "grant until ") || !strings.HasSuffix(got[1].Reason, ": I test the loop") || got[1].Outcome != "confirmed" {
		t.Errorf("%+v", got)
	}
	run("journal verify --name grant")
}

// TestLookAgain scales a Deployment after an agent asked to delete it: the queue shows how it was and how it is.
func TestLookAgain(t *testing.T) {
	t.Parallel()
	command, run := inEnvironment(t, "look")
	kubectl, err := filepath.Abs("../../bin/tools/kubectl")
	if err != nil {
		t.Fatal(err)
	}
	kube := func(line string) {
		t.Helper()
		config := ""
		for _, l := range strings.Split(run("env --name look"), "\n") {
			if value, ok := strings.CutPrefix(l, "export KUBECONFIG="); ok {
				config = strings.Trim(value, "'")
			}
		}
		if out, err := exec.Command(kubectl, append(strings.Fields(line), "--kubeconfig", config)...).CombinedOutput(); err != nil {
			t.Fatalf("kubectl %s: %v\n%s", line, err, out)
		}
	}
	kube("create deployment shop --image=none --replicas=1")
	run("request submit --name look --action delete --target k8s://c/default/deployment/shop --reason idle")
	kube("scale deployment shop --replicas=3")
	c := command("tui --name look")
	term := openTerminal(t, c, 160, 50)
	term.until("r look again")
	term.press("r")
	term.until("LOOKED AGAIN")
	term.until("wanted replicas 1 → 3")

	// Approved all the same, it is the gateway that says why that does not count.
	term.until("a approve   ")
	term.press("a")
	term.until("note:")
	term.press("1\r")
	term.until("approval stored, phase is Denied")
	term.until("The approval does not count")
	term.press("q")
	if err := c.Wait(); err != nil {
		t.Errorf("q: %v", err)
	}
}

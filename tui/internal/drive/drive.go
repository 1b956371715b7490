// Package drive runs a bubbletea model in a test, without a terminal and in the virtual time of testing/synctest: the
// test says what is pressed and how long to wait, and commands run as they would in a program.
package drive

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// Driver feeds one model. It must be used from the goroutine that runs the bubble.
type Driver struct {
	update func(tea.Msg) tea.Cmd
	inbox  chan tea.Msg
	quit   bool
	// running are the commands that did not end yet.
	running sync.WaitGroup
}

// inboxSize is how many messages may wait. Commands outlive the test in which nobody reads them any more.
const inboxSize = 1 << 16

// New returns a Driver for the model behind update. At the end of the test it waits for the commands that still run,
// so those that run until their context ends must use that of the test.
func New(t *testing.T, update func(tea.Msg) tea.Cmd) *Driver {
	t.Helper()
	d := &Driver{update: update, inbox: make(chan tea.Msg, inboxSize)}
	t.Cleanup(d.running.Wait)
	return d
}

// Start runs a command as bubbletea does, and handles everything that can happen at once.
func (d *Driver) Start(cmd tea.Cmd) {
	d.start(cmd)
	d.settle()
}

// Send hands messages to the model, each after all that followed from the one before.
func (d *Driver) Send(msgs ...tea.Msg) {
	for _, m := range msgs {
		d.start(d.update(m))
		d.settle()
	}
}

// Press presses keys by the names that bubbletea gives them, for example "a", "enter" or "ctrl+a".
func (d *Driver) Press(keys ...string) {
	for _, k := range keys {
		d.Send(Key(k))
	}
}

// Type types a text, key by key.
func (d *Driver) Type(text string) {
	for _, r := range text {
		d.Send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
	}
}

// Wait lets time pass, in steps short enough that what a message causes is not late.
func (d *Driver) Wait(total time.Duration) {
	const step = 10 * time.Millisecond
	for ; total > 0; total -= step {
		time.Sleep(min(step, total))
		d.settle()
	}
}

// Quit reports whether the model asked for the end of the program.
func (d *Driver) Quit() bool { return d.quit }

func (d *Driver) start(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	d.running.Go(func() { d.inbox <- cmd() })
}

// settle handles messages until nothing happens without more time passing.
func (d *Driver) settle() {
	for {
		synctest.Wait()
		select {
		case msg := <-d.inbox:
			d.handle(msg)
		default:
			return
		}
	}
}

func (d *Driver) handle(msg tea.Msg) {
	switch msg := msg.(type) {
	case nil:
	case tea.QuitMsg:
		d.quit = true
	case tea.BatchMsg:
		for _, cmd := range msg {
			d.start(cmd)
		}
	default:
		d.start(d.update(msg))
	}
}

// Key returns the message of a key by its name.
func Key(name string) tea.KeyMsg {
	for t, special := range map[tea.KeyType]string{
		tea.KeyEnter: "enter", tea.KeyEsc: "esc", tea.KeyTab: "tab", tea.KeyShiftTab: "shift+tab", tea.KeyUp: "up", tea.KeyDown: "down",
		tea.KeyPgDown: "pgdown", tea.KeyPgUp: "pgup", tea.KeyHome: "home", tea.KeyEnd: "end", tea.KeyLeft: "left",
		tea.KeyBackspace: "backspace", tea.KeyCtrlA: "ctrl+a", tea.KeyCtrlB: "ctrl+b", tea.KeyCtrlC: "ctrl+c",
		tea.KeyCtrlD: "ctrl+d", tea.KeyCtrlF: "ctrl+f", tea.KeyCtrlU: "ctrl+u",
	} {
		if special == name {
			return tea.KeyMsg{Type: t}
		}
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(name)}
}

// Command recording records the guided tour for the README: the built program in a pseudo-terminal, against a real
// environment, with the keys that a person would press. It writes try.cast, for asciinema and its players, and try.gif.
// `make recording` runs it; nothing else changes the two.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"

	"github.com/aip-dev/aip-dev/test/picture"
)

const (
	columns, rows = 96, 26
	terminal      = "xterm-256color"
	// pause is how long a person reads before the next key; patience how long a step may take.
	pause    = 2 * time.Second
	patience = time.Minute
)

func main() {
	program := flag.String("program", "bin/aip-dev", "the built program")
	out := flag.String("out", "docs/pictures", "folder for the recording")
	fonts := flag.String("fonts", picture.Fonts, "folder with DejaVuSansMono.ttf and DejaVuSansMono-Bold.ttf")
	flag.Parse()
	if err := run(context.Background(), *program, *out, *fonts); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program, out, fonts string) (err error) {
	program, err = filepath.Abs(program)
	if err != nil {
		return err
	}
	state, err := os.MkdirTemp("", "aip-rec-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(state)) }()
	command := func(line string) *exec.Cmd {
		c := exec.CommandContext(ctx, program, strings.Fields(line)...)
		c.Dir = state
		c.Env = append(os.Environ(), "XDG_STATE_HOME="+state, "TERM="+terminal, "COLORFGBG=15;0", "LC_ALL=C.UTF-8", "NO_COLOR=", "TMUX=")
		return c
	}
	ports, err := freePorts()
	if err != nil {
		return err
	}
	if text, err := command("up --cluster embedded --tui=never" + ports).CombinedOutput(); err != nil {
		return fmt.Errorf("aip-dev up: %w\n%s", err, text)
	}
	defer func() { err = errors.Join(err, command("down").Run()) }()
	events, err := record(command("try"), tour())
	if err != nil {
		return err
	}
	events = shorten(events)
	if err := writeCast(filepath.Join(out, "try.cast"), "aip-dev try", events); err != nil {
		return err
	}
	return writeFilm(filepath.Join(out, "try.gif"), fonts, events)
}

// freePorts returns the flags that give the environment ports that nobody has.
func freePorts() (string, error) {
	flags := ""
	for _, flag := range []string{"--gateway-port", "--issuer-port"} {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it listens at once
		if err != nil {
			return "", err
		}
		defer func() { _ = l.Close() }() // both are held until both are known
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return "", err
		}
		flags += " " + flag + " " + port
	}
	return flags, nil
}

// step is a text to wait for, and the keys pressed then.
type step struct{ until, press string }

// tour is what a person does in the guided tour.
func tour() []step {
	return []step{
		{"enter the agent asks", "\r"}, {"phase      Approved", "\r"},
		{"2 of 4", "\r"}, {"a approve", "a"}, {"approved by aip-reviewer-1", "\r"},
		{"3 of 4", "\r"}, {"d deny", "d"}, {"word for word", "\r"},
		{"4 of 4", "\r"}, {"enter the agent tries", "\r"}, {"403 reviewer role required", "\r"},
		{"That is all", "q"},
	}
}

// recorder keeps what a program writes.
type recorder struct {
	mu     sync.Mutex
	began  time.Time
	events []event
	screen screen
}

func (r *recorder) add(data string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event{time.Since(r.began), data})
	r.screen.write(data)
}

func (r *recorder) shows(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(ansi.Strip(r.screen.text()), text)
}

// record runs a program in a terminal and returns what it wrote up to the last key.
func record(c *exec.Cmd, steps []step) ([]event, error) {
	file, err := pty.StartWithSize(c, &pty.Winsize{Cols: columns, Rows: rows})
	if err != nil {
		return nil, fmt.Errorf("start the program: %w", err)
	}
	defer func() { _ = file.Close() }() // nothing is kept in it
	r := &recorder{began: time.Now(), screen: screen{lines: make([]string, rows)}}
	go func() {
		block := make([]byte, 64<<10)
		for {
			n, err := file.Read(block)
			if n > 0 {
				r.add(string(block[:n]))
			}
			if err != nil {
				return
			}
		}
	}()
	var kept []event
	for _, s := range steps {
		for end := time.Now().Add(patience); !r.shows(s.until); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				_ = c.Process.Kill() // it hangs
				return nil, fmt.Errorf("the tour never showed %q; it shows\n%s", s.until, ansi.Strip(r.screen.text()))
			}
		}
		time.Sleep(pause)
		r.mu.Lock()
		kept = r.events[:len(r.events):len(r.events)]
		r.mu.Unlock()
		if _, err := file.WriteString(s.press); err != nil {
			return nil, fmt.Errorf("press %q: %w", s.press, err)
		}
	}
	if err := c.Wait(); err != nil {
		return nil, fmt.Errorf("the tour: %w", err)
	}
	return kept, nil
}

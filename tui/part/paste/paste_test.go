package paste_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/part/paste"
)

// last ends a program at ctrl-c, and keeps what it was told.
type last struct{ told []string }

func (l *last) Init() tea.Cmd { return nil }
func (l *last) View() string  { return "" }
func (l *last) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	k, ok := msg.(tea.KeyMsg)
	switch {
	case !ok:
	case k.Paste:
		l.told = append(l.told, "paste "+string(k.Runes))
	case k.Type == tea.KeyCtrlC:
		return l, tea.Quit
	default:
		for _, r := range k.String() {
			l.told = append(l.told, "key "+string(r))
		}
	}
	return l, nil
}

// told runs a program on what a terminal sends in these pieces.
func told(t *testing.T, pieces [][]byte) []string {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = read.Close() }()
	go func() {
		defer func() { _ = write.Close() }()
		for _, p := range append(pieces, []byte("\x03")) {
			if _, err := write.Write(p); err != nil {
				return // the program ended
			}
		}
	}()
	input := paste.From(read)
	model := &last{}
	p := tea.NewProgram(model, tea.WithInput(input), tea.WithOutput(&bytes.Buffer{}), tea.WithoutRenderer(), tea.WithoutSignalHandler(), tea.WithFilter(input.Restore))
	if _, err := p.Run(); err != nil {
		t.Fatal(err)
	}
	return model.told
}

// Keys and pastes come in their order and whole, wherever what the terminal sends is cut. A terminal sends the beginning of a
// paste at once.
func TestOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			var sent bytes.Buffer
			var want []string
			for range 20 {
				if random.IntN(2) == 0 {
					sent.WriteString("k")
					want = append(want, "key k")
					continue
				}
				text := strings.Repeat("é\x1b[2Jx\n", random.IntN(400)) + "!"
				sent.WriteString("\x1b[200~" + text + "\x1b[201~")
				want = append(want, "paste "+text)
			}
			var pieces [][]byte
			for all := sent.Bytes(); len(all) > 0; {
				n := min(1+random.IntN(700), len(all))
				if at := bytes.LastIndex(all[:n], []byte("\x1b")); at >= 0 && n-at < len("\x1b[200~") && bytes.HasPrefix(all[at:], []byte("\x1b[200~")) {
					n = at + len("\x1b[200~")
				}
				pieces, all = append(pieces, all[:n]), all[n:]
			}
			got := told(t, pieces)
			if len(got) != len(want) {
				t.Fatalf("%d messages, want %d", len(got), len(want))
			}
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("message %d: %.80q, want %.80q", i, got[i], want[i])
				}
			}
		})
	}
}

// A paste of a megabyte takes no time that a person would see; one that is far too long is cut.
func TestLong(t *testing.T) {
	t.Parallel()
	start := time.Now()
	got := told(t, [][]byte{[]byte("a\x1b[200~" + strings.Repeat("x", 1<<20) + "\x1b[201~b")})
	if len(got) != 3 || got[0] != "key a" || len(got[1]) != len("paste ")+1<<20 || got[2] != "key b" {
		t.Errorf("%d messages", len(got))
	}
	t.Logf("took %s", time.Since(start))
	got = told(t, [][]byte{[]byte("\x1b[200~" + strings.Repeat("x", 5<<20) + "\x1b[201~b")})
	if len(got) != 2 || len(got[0]) != len("paste ")+4<<20 || got[1] != "key b" {
		t.Errorf("%d messages, the first of %d bytes", len(got), len(got[0]))
	}
}

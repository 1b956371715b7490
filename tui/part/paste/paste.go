// Package paste takes long pastes out of what a terminal sends, and puts them back into the message that bubbletea makes of
// them: it reads a paste anew with every 256 bytes of it, so that a megabyte would take seconds, in which keys wait unseen.
package paste

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	tea "github.com/charmbracelet/bubbletea"
)

// What a terminal sends before and after a paste.
// Source: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html#h2-Bracketed-Paste-Mode
const (
	opening = "\x1b[200~"
	closing = "\x1b[201~"
)

// most is how many bytes of a paste are kept.
const most = 4 << 20

// stand is the beginning of what stands for a paste: a rune that nobody types.
const stand = "\ue000"

// Input is a terminal to read from.
type Input struct {
	*os.File
	// inside says that a paste has begun; text is what came of it.
	inside bool
	text   []byte
	// cut is the beginning of a sequence of which the end was not read yet, because as much was read as was asked for.
	cut []byte

	mu sync.Mutex
	// taken are the pastes that were not put back yet, by what stands for them.
	taken map[string][]byte
	count int
}

// From returns the input of a terminal.
func From(terminal *os.File) *Input { return &Input{File: terminal, taken: map[string][]byte{}} }

// Read reads as the terminal does, with a few bytes in place of each paste that does not come in one piece.
func (i *Input) Read(p []byte) (int, error) {
	if i.inside {
		return i.readOn(p)
	}
	held := copy(p, i.cut)
	i.cut = nil
	n, err := i.File.Read(p[held:])
	n += held
	if start := bytes.LastIndex(p[:n], []byte(opening)) + len(opening); start >= len(opening) && !bytes.Contains(p[start:n], []byte(closing)) {
		i.inside, i.text = true, bytes.Clone(p[start:n])
		return start, err //nolint:wrapcheck // this is a reader
	}
	if at := bytes.LastIndexByte(p[:n], '\x1b'); n == len(p) && at >= 0 && strings.HasPrefix(opening, string(p[at:])) {
		n, i.cut = at, bytes.Clone(p[at:]) // bubbletea would take it for keys
	}
	return n, err //nolint:wrapcheck // this is a reader
}

// readOn reads on in a paste. It returns nothing until the paste ends.
func (i *Input) readOn(p []byte) (int, error) {
	room := max(len(p)-len(stand)-len(closing)-len("123456789"), 1)
	before := len(i.text)
	n, err := i.File.Read(p[:room])
	i.text = append(i.text, p[:n]...)
	end := bytes.Index(i.text[max(before-len(closing), 0):], []byte(closing))
	if end < 0 {
		if len(i.text) > most+len(closing) { // the end may be cut in two
			i.text = append(i.text[:most], i.text[len(i.text)-len(closing):]...)
		}
		return 0, err //nolint:wrapcheck // this is a reader
	}
	end += max(before-len(closing), 0)
	token := i.take(i.text[:end])
	rest := i.text[end+len(closing):]
	if at := bytes.LastIndexByte(rest, '\x1b'); at >= 0 && n == room {
		rest, i.cut = rest[:at], bytes.Clone(rest[at:])
	}
	n = copy(p, token+closing)
	n += copy(p[n:], rest)
	i.inside, i.text = false, nil
	return n, err //nolint:wrapcheck // this is a reader
}

// take keeps a paste and returns what stands for it.
func (i *Input) take(text []byte) (token string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.count++
	token = stand + strconv.Itoa(i.count)
	i.taken[token] = bytes.Clone(text[:min(len(text), most)])
	return token
}

// Restore puts a paste back into its message; use it with tea.WithFilter.
func (i *Input) Restore(_ tea.Model, msg tea.Msg) tea.Msg {
	pasted, ok := msg.(tea.KeyMsg)
	if !ok || !pasted.Paste {
		return msg
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	token := string(pasted.Runes)
	text, ok := i.taken[token]
	if !ok {
		return msg
	}
	delete(i.taken, token)
	pasted.Runes = runes(text)
	return pasted
}

// runes leaves out what is not UTF-8, as bubbletea does.
func runes(text []byte) []rune {
	out := make([]rune, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r != utf8.RuneError {
			out = append(out, r)
		}
		text = text[size:]
	}
	return out
}

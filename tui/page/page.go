// Package page holds what the root of the terminal queue and its pages say to each other.
package page

import (
	"context"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// Page is one screen between the header and the footer. Update and View do no I/O and read no clock: what takes time
// is a command, what time it is comes as a Tick. A page gets every message that is not a key, shown or not, and keys
// while it is on top.
type Page interface {
	// Init returns the command to start with, or nil.
	Init() tea.Cmd
	Update(msg tea.Msg) tea.Cmd
	// Resize tells the room that View has to fill. It is called before the first View.
	Resize(width, height int)
	// View returns height lines of at most width columns.
	View() string
	// Title names the page in a few words.
	Title() string
	// Keys are the keys that do something here and now, most important first.
	Keys() []Key
}

// Prompter is a Page that sometimes asks for text.
type Prompter interface {
	// Prompt returns the lines of the question, which are shown in place of the footer and, where they are more, of the
	// last lines of the page; nil while nothing is asked. While something is asked, all keys but ctrl-c belong to the
	// page.
	Prompt() []string
}

// Timed is a Page on which something changes, or has to be done, by time alone.
type Timed interface {
	// Next returns when that is; the zero time when nothing will. A Tick comes then, and with everything that happens
	// before.
	Next() time.Time
}

// Standing is a Page on which something goes on by itself that people must not lose sight of.
type Standing interface {
	// Standing says what, in the header of all pages, and when it would say something else; "" when there is nothing.
	Standing() (words string, until time.Time)
}

// Leaver is a Page that has something to finish before the program ends.
type Leaver interface {
	// Leave returns what must still be done; each is started before the program ends.
	Leave() []tea.Cmd
}

// Rebindable is a Page whose keys people may choose.
type Rebindable interface {
	// Bindings are those keys. They are changed before the page is shown, and not after.
	Bindings() []*key.Binding
}

// Explainer is a Page that draws signs.
type Explainer interface {
	// Signs are those signs, in the order in which the help lists them.
	Signs() []Sign
}

// Sign is a drawn sign and what it means, in a few words.
type Sign struct{ Sign, Means string }

// FooterHeight is the number of lines below the page.
const FooterHeight = 3

// Key is a key and whether it works at the moment.
type Key struct {
	key.Binding
	// Off says in a few words why the key does nothing now; it is empty when it works.
	Off string
	// Each says what each of the keys of the binding does, where that differs; keys beyond it do nothing.
	Each []string
}

// Do makes a command of a call that takes time. The call gets a context that ends with the program or after a limit.
type Do func(call func(ctx context.Context) tea.Msg) tea.Cmd

// Tick tells the time. It comes before every other message, and when the page on top said that something changes by
// time alone; there is no regular one.
type Tick struct {
	Now time.Time
	// Expiry is when the token in use runs out; the zero time when nobody knows.
	Expiry time.Time
}

// Level says how much a Notice matters.
type Level int

// The levels of a Notice.
const (
	Info Level = iota
	Good
	Alert
)

// Notice is one line for the footer. The newest replaces the one before.
type Notice struct {
	Level Level
	Text  string
}

// Notify returns a command that shows a Notice.
func Notify(level Level, text string) tea.Cmd {
	return func() tea.Msg { return Notice{Level: level, Text: text} }
}

// Copy puts a text into the clipboard. What names it in a notice. The text may be anything; it never reaches the screen.
type Copy struct{ What, Text string }

// Changed says that something was changed that pages show: they read again.
type Changed struct{}

// Entry is a page that can be opened from everywhere.
type Entry struct {
	// Key opens it; its help text is the title of the page.
	Key key.Binding
	New func() Page
}

// Back takes the page on top away; the last one stays.
type Back struct{}

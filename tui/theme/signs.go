package theme

// Signs are the characters that are drawn, each one column wide.
type Signs struct {
	// Of requests: waits for a decision, approved, denied, being executed, done, failed, not known yet.
	Waits, Approved, Denied, Executing, Done, Failed, Unknown string
	// Cursor marks the selected row, New a request that was not looked at yet, Sending one whose decision is under way.
	// Marked marks a row that the next decision is about.
	Cursor, New, Changed, Sending, Marked string
	// Live, Polling and Away are the states of the connection.
	Live, Polling, Away string
	// Up and Down say that there is more in that direction, Cut that a text goes on, Arrow leads from old to new.
	Up, Down, Cut, Arrow string
	// Rule and Wall are lines, Tee and Base where a wall begins and ends, Quote stands before text of an agent.
	Rule, Wall, Tee, Base, Quote string
	// Dot stands between things in one line, Caret is the text cursor where nothing can be reversed.
	Dot, Caret string
}

//nolint:gochecknoglobals // constants in all but syntax
var (
	signs = Signs{
		Waits: "●", Approved: "✓", Denied: "✗", Executing: "▶", Done: "■", Failed: "!", Unknown: "…",
		Cursor: "▌", New: "+", Changed: "≠", Sending: "»", Marked: "◆",
		Live: "●", Polling: "…", Away: "!",
		Up: "↑", Down: "↓", Cut: "…", Arrow: "→",
		Rule: "─", Wall: "│", Tee: "┬", Base: "┴", Quote: "▏",
		Dot: "·", Caret: "▏",
	}
	asciiSigns = Signs{
		Waits: "*", Approved: "+", Denied: "x", Executing: ">", Done: "#", Failed: "!", Unknown: "?",
		Cursor: ">", New: "n", Changed: "c", Sending: "~", Marked: "=",
		Live: "*", Polling: "?", Away: "!",
		Up: "^", Down: "v", Cut: "~", Arrow: ">",
		Rule: "-", Wall: "|", Tee: "-", Base: "-", Quote: "|",
		Dot: "-", Caret: "_",
	}
)

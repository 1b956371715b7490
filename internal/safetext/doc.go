// Package safetext makes text of agents harmless before it reaches a terminal: whatever could move the cursor, hide,
// reorder or imitate other text is turned into marks that can be seen. The command line and the terminal queue draw no
// text of an agent without it.
//
// Sources: CWE-150, Unicode Technical Report 36 (security considerations), Unicode Standard Annex 9 (bidirectional
// text).
package safetext

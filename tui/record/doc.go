// Package record writes down everything that is known about one AgentRequest as lines of text. Nothing is cut, and what
// an agent said cannot be mistaken for what the gateway says: only headings start in the first column, and text of the
// agent stands behind a bar.
package record

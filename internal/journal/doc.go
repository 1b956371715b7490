// Package journal keeps a reviewer's own record of decisions: a file with one line of JSON for each, in which every
// line names the hash of the one before, so that a line that was changed, taken out or put in is found.
//
// A decision takes two lines. The first is on the disk before the decision is sent, the second says what became of it.
// A program that is killed in between leaves a decision whose outcome is not known, which is what is true.
//
// The chain finds accidents and edits. It cannot find that somebody who may write all of its files wrote all of them
// anew; for that, note the hash of the last line somewhere else and give it to Verify.
package journal

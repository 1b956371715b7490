// Package why replays what a gateway does with a token: the same checks, in the same order, by the gateway's own code and
// with the flags that the gateway runs with. It names the first refusal, what was expected, what was found, and one command
// that mends it. `token why` and `doctor` print its answers.
package why

// Package doctor is the list of checks of an environment, and what `token why` has to know of its gateway. `doctor`,
// `support-bundle` and the terminal's health line run the list through package check; nothing of it changes anything.
package doctor

// Package check is what `up`'s preflight, `doctor`, `token why`, the terminal's health line and `support-bundle` share: a
// check asks one question within a time limit and answers pass, warn, fail or skip, with one command that mends it.
// Run asks many of them side by side; one whose cause failed is not asked, so that one cause gives one red line.
package check

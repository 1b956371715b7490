// Package arch holds no code, only tests that read the source of this module: who may import whom, which package may
// know which SDK, and how long files and functions may get. A new package fails until it has a line in the table.
package arch

// Package token mints access tokens by client credentials, keeps them in memory until shortly before they expire (package kept
// does so in files), and reads tokens of any issuer without verifying them. The command line, the smoke step, the proof and the
// TUI use it; a client's name and secret go in, tokens that do not print themselves come out.
package token

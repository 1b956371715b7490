package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/token"
)

// maxGiven is more than any token takes; what is longer is told as that.
const maxGiven = 1 << 20

// given is a token that a command works on.
type given struct {
	// raw is the text as it came, and from says where from.
	raw, from string
	// file is the one that it was read from, "" when it came from elsewhere.
	file string
	// client is the one that it was got for, "" when it came from elsewhere.
	client string
	// session is the environment, nil when there is none.
	session *session.Session
	// closed is why there is no environment.
	closed error
	// refused is why the issuer gave the client none.
	refused error
}

// sameToken returns the line that runs another command on the same token.
func (a *app) sameToken(g given, command string) string {
	switch {
	case g.client != "":
		return a.command(command + " " + g.client)
	case g.file != "":
		return a.command(command + " --file " + shellescape.Quote(g.file))
	default:
		return a.command(command) + " < FILE"
	}
}

// givenToken returns the token that a command line names: a client of the environment, a file, or the standard input. A
// token on the command line itself is refused, as every process of the machine can read it there.
func (a *app) givenToken(c *cobra.Command, args []string, file string, fresh bool) (given, error) {
	g := given{from: "the standard input"}
	g.session, g.closed = a.open(c.Context())
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	if name != "" && file != "" {
		return g, failure.New(failure.Usage, nil, "%s and --file are both given, expected one of them", safeName(name))
	}
	switch {
	case file != "" || name == "" || name == "-":
		if file != "" && file != "-" {
			g.from, g.file = file, file
		} else {
			file = "-"
		}
		if file == "-" && isTerminal(a.in) {
			return g, failure.New(failure.Usage, []string{a.command(c.CommandPath()[len("aip-dev "):] + " CLIENT"), c.CommandPath() + " < FILE"},
				"no token is given, expected one on the standard input, in --file, or a client of the environment")
		}
		data, err := a.readFile(file, "--file", maxGiven)
		g.raw = string(data)
		return g, err
	case looksLikeToken(name):
		return g, failure.New(failure.Usage, []string{c.CommandPath() + " < FILE", "pbpaste | " + c.CommandPath()},
			"a token on the command line can be read by every process of this machine: expected it on the standard input or in --file; get a new one")
	case g.closed != nil:
		return g, g.closed
	}
	g.client, g.from = name, "client "+name
	t, err := a.mint(c, g.session, name, "", fresh)
	var unknown *session.UnknownClientError
	if errors.As(err, &unknown) {
		return g, err
	}
	g.raw, g.refused = t.Raw, err
	return g, nil
}

// looksLikeToken tells a pasted token from the name of a client.
func looksLikeToken(s string) bool {
	clean := token.Clean(s)
	return strings.HasPrefix(clean, "eyJ") || strings.Count(clean, ".") >= 2 && len(clean) > 80 || strings.HasPrefix(strings.ToLower(s), "bearer ")
}

// safeName returns a word of the command line for an error, unless it may be a token.
func safeName(s string) string {
	if looksLikeToken(s) {
		return "a token"
	}
	return fmt.Sprintf("%q", s)
}

// readFile reads a file, or the standard input for "-", up to most bytes and one more.
func (a *app) readFile(path, flag string, most int64) ([]byte, error) {
	in := a.in
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, unreadableFile(err, path, flag)
		}
		defer func() { _ = file.Close() }() // nothing was written
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	switch {
	case err != nil && path != "-":
		return nil, unreadableFile(err, path, flag) // such as a folder
	case err != nil:
		return nil, fmt.Errorf("read the standard input: %w", err)
	}
	return data, nil
}

// writable returns an error when a file that a flag names cannot be made where it is wanted, before anything is done for it.
func writable(path, flag string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return failure.New(failure.Usage, nil, "%s: %s is a folder, expected a file", flag, path)
	}
	folder := filepath.Dir(path)
	look := []string{"ls -ld " + shellescape.Quote(folder)}
	info, err := os.Stat(folder)
	switch {
	case err != nil:
		return failure.Wrap(err, failure.Usage, look, "%s: the folder of %s is not there", flag, path)
	case !info.IsDir():
		return failure.New(failure.Usage, look, "%s: %s is no folder", flag, folder)
	}
	if err := unix.Access(folder, unix.W_OK); err != nil {
		return failure.Wrap(err, failure.Usage, look, "%s: nothing can be written into %s", flag, folder)
	}
	return nil
}

// unreadableFile is the error about a file that a flag names.
func unreadableFile(err error, path, flag string) error {
	return failure.Wrap(err, failure.Usage, []string{"ls -l " + shellescape.Quote(filepath.Dir(path))}, "%s", flag)
}

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/token"
)

// Output formats of token.
const (
	formatRaw    = "raw"
	formatHeader = "header"
)

const maxSecret = 4 << 10

func newToken(a *app) *cobra.Command {
	var secretFile string
	var fresh bool
	c := &cobra.Command{
		Use:   "token CLIENT",
		Short: "Print an access token of a client of the environment",
		Long: "Print an access token of a client of the environment, and nothing else.\n\n" +
			"A token is kept until shortly before it expires. The secret of a client that was made by hand is read from\n" +
			"--secret-file; it is never taken from the command line, where every process could read it.",
		Example: "  curl -H \"Authorization: Bearer $(aip-dev token aip-agent-1)\" $AIP_GATEWAY_URL/whoami",
		Args:    cobra.ExactArgs(1),
	}
	format := outputFlag(c, formatRaw, formatHeader, formatJSON)
	c.Flags().StringVar(&secretFile, "secret-file", "", "file that holds the client secret; - reads the standard input")
	c.Flags().BoolVar(&fresh, "fresh", false, "get a new token even when a kept one is still good")
	c.RunE = func(c *cobra.Command, args []string) error {
		s, err := a.open()
		if err != nil {
			return err
		}
		t, err := a.mint(c, s, args[0], secretFile, fresh)
		if err != nil {
			return err
		}
		switch *format {
		case formatJSON:
			return a.printJSON(map[string]any{
				"access_token": t.Raw, "token_type": "Bearer",
				"expires_in": int(t.Expiry.Sub(a.now()) / time.Second), "client": args[0],
			})
		case formatHeader:
			return a.print("Authorization: Bearer " + t.Raw + "\n")
		default:
			return a.print(t.Raw + "\n")
		}
	}
	return c
}

func (a *app) mint(c *cobra.Command, s *session.Session, id, secretFile string, fresh bool) (token.Token, error) {
	if secretFile != "" {
		secret, err := a.readSecret(secretFile)
		if err != nil {
			return token.Token{}, err
		}
		return s.MintWith(c.Context(), id, secret)
	}
	if fresh {
		if err := s.Forget(id); err != nil {
			return token.Token{}, err
		}
	}
	source := s.Source(id)
	raw, err := source.Token(c.Context())
	if err != nil {
		return token.Token{}, err
	}
	if t, ok := source.Current(); ok {
		return t, nil
	}
	return token.Token{Raw: raw, Expiry: a.now()}, nil // it expires too soon to be kept
}

// readSecret returns the first line of a file, or of the standard input for "-".
func (a *app) readSecret(path string) (string, error) {
	in := a.in
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return "", failure.Wrap(err, failure.Usage, nil, "--secret-file")
		}
		defer func() { _ = file.Close() }() // nothing was written
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, maxSecret))
	if err != nil {
		return "", fmt.Errorf("read the client secret: %w", err)
	}
	secret, _, _ := strings.Cut(string(data), "\n")
	secret = strings.TrimSuffix(secret, "\r")
	if secret == "" {
		return "", failure.New(failure.Usage, nil, "%s is empty, expected a client secret on its first line", path)
	}
	return secret, nil
}

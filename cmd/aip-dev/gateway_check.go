package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/internal/failure"
)

const (
	// checkAnswer is how much of an answer is read, checkEvery how long to wait before asking again.
	checkAnswer = 1 << 20
	checkEvery  = time.Second
)

// newGatewayCheck is the command that `helm test` runs: it asks a gateway from outside, as a client would.
func newGatewayCheck() *cobra.Command {
	var ca string
	var limit time.Duration
	c := &cobra.Command{
		Use:     "check URL",
		Short:   "Ask a running gateway whether it serves and keeps strangers out; what helm test runs",
		Example: "  aip-dev gateway check http://localhost:8080",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := checkClient(ca)
			if err != nil {
				return failure.Wrap(err, failure.Usage, []string{"aip-dev gateway check --help"}, "--ca-file %s", ca)
			}
			ctx, cancel := context.WithTimeout(c.Context(), limit)
			defer cancel()
			return checkGateway(ctx, client, strings.TrimRight(args[0], "/"), c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&ca, "ca-file", "", "PEM file with the authority of the gateway's certificate (default: the system's)")
	c.Flags().DurationVar(&limit, "timeout", time.Minute, "for how long to wait until it serves")
	return c
}

func checkClient(ca string) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("no certificate in it")
		}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: 10 * time.Second}, nil
}

// checkGateway asks for readiness until the gateway is ready, then for what must be so.
func checkGateway(ctx context.Context, client *http.Client, base string, out io.Writer) error {
	for {
		err := expect(ctx, client, base+"/readyz", http.StatusOK, "ok")
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return failure.Wrap(err, failure.Failed, []string{"aip-dev doctor"}, "the gateway is not ready")
		case <-time.After(checkEvery):
		}
	}
	for _, want := range []struct {
		path   string
		status int
		text   string
	}{
		{"/healthz", http.StatusOK, "ok"},
		{"/openapi.json", http.StatusOK, `"AIP gateway"`},
		{"/whoami", http.StatusUnauthorized, `"error"`},
		{"/agent-requests", http.StatusUnauthorized, `"error"`},
	} {
		if err := expect(ctx, client, base+want.path, want.status, want.text); err != nil {
			return failure.Wrap(err, failure.Failed, []string{"aip-dev doctor"}, "%s", want.path)
		}
		if _, err := fmt.Fprintf(out, "ok   %-16s %d\n", want.path, want.status); err != nil {
			return err
		}
	}
	return nil
}

// expect asks once and compares status and text.
func expect(ctx context.Context, client *http.Client, url string, status int, text string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read from
	body, err := io.ReadAll(io.LimitReader(answer.Body, checkAnswer))
	if err != nil {
		return err
	}
	if answer.StatusCode != status || !strings.Contains(string(body), text) {
		return fmt.Errorf("found %d %.200s, expected %d with %s", answer.StatusCode, body, status, text)
	}
	return nil
}

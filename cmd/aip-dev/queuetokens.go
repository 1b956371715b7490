package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/token/why"
	"github.com/aip-dev/aip-dev/tui/page/tokens"
)

// tokenDesk explains tokens to the queue, as `token why` does.
type tokenDesk struct {
	app     *app
	session *session.Session
}

// Clients are those for which tokens can be minted.
func (d tokenDesk) Clients() []string {
	return slices.DeleteFunc(d.session.Clients(), func(id string) bool { return !d.session.Mints(id) })
}

// Why explains a token that was pasted, or that of a client.
func (d tokenDesk) Why(ctx context.Context, raw, client string) (tokens.Report, error) {
	if raw == "" {
		t, err := d.session.Source(client).Token(ctx)
		if err != nil {
			return tokens.Report{}, fmt.Errorf("get a token for %s: %w", client, d.app.explain(err))
		}
		raw = t
	}
	q, err := d.app.question(ctx, given{session: d.session, raw: raw, client: client}, nil)
	if err != nil {
		return tokens.Report{}, err
	}
	r := why.Ask(ctx, q)
	report := tokens.Report{Accepted: r.Accepted, Answer: r.Answer, Rows: r.Rows}
	if r.Decoded != nil {
		report.Claims = r.Decoded.Words(d.app.now())
	}
	return report, nil
}

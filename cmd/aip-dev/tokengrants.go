package main

import (
	"context"
	"fmt"

	"github.com/aip-dev/aip-dev/internal/doctor"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/token"
)

// personal returns a token of a person, by the grants that are for people. It is not kept.
func (a *app) personal(ctx context.Context, s *session.Session, id string, o tokenOptions) (token.Token, error) {
	identity := s.Facts.Identity
	client := doctor.Reach(identity)
	grants, err := token.FetchGrants(ctx, client, identity.IssuerURL)
	if err != nil {
		return token.Token{}, err
	}
	request := token.Request{TokenURL: grants.TokenURL, ClientID: id, Scope: "openid", Now: a.now}
	if o.secretFile != "" {
		if request.ClientSecret, err = a.readSecret(o.secretFile); err != nil {
			return token.Token{}, err
		}
	}
	if o.device {
		return token.Device(ctx, client, request, grants, a.showPrompt, 0)
	}
	password, err := a.readSecret(o.passwordFile)
	if err != nil {
		return token.Token{}, err
	}
	return token.MintFor(ctx, client, request, o.user, password)
}

// showPrompt tells a person where to agree. Only the token goes to the standard output.
func (a *app) showPrompt(p token.Prompt) error {
	where := p.Complete
	if where == "" {
		where = p.URL + "  and type " + p.Code
	}
	if _, err := fmt.Fprintf(a.errOut, "Open %s\nWaiting until you have agreed there.\n", safetext.Line(where)); err != nil {
		return fmt.Errorf("write to the standard error: %w", err)
	}
	return nil
}

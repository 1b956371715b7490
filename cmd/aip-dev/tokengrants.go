package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aip-dev/aip-dev/internal/doctor"
	"github.com/aip-dev/aip-dev/internal/failure"
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
		request.ClientSecret, err = a.readSecret(o.secretFile)
	} else {
		request.ClientSecret, err = s.Secret(ctx, id) // none is that of a public client
	}
	if err != nil {
		return token.Token{}, err
	}
	if o.device {
		t, err := token.Device(ctx, client, request, grants, a.showPrompt, 0)
		return t, a.explainPersonal(id, "--device", err)
	}
	password, err := a.readSecret(o.passwordFile)
	if err != nil {
		return token.Token{}, err
	}
	t, err := token.MintFor(ctx, client, request, o.user, password)
	return t, a.explainPersonal(id, "--user "+o.user, err)
}

// explainPersonal says what to do about a refusal of a grant for people.
func (a *app) explainPersonal(id, flags string, err error) error {
	again := a.command("token " + id + " " + flags)
	switch {
	case errors.Is(err, token.ErrClientRefused), errors.Is(err, token.ErrUnknownClient):
		return failure.Wrap(err, failure.Refused, []string{
			again + " --secret-file FILE  # when the client is not of this environment and has a secret", a.command("token "+id) + "  # by client credentials, when it may not use this grant",
		}, "")
	case errors.Is(err, token.ErrRefused), errors.Is(err, context.DeadlineExceeded):
		return failure.Wrap(err, failure.Refused, []string{again}, "")
	default:
		return err
	}
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

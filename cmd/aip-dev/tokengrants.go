package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/authproxy"
	"github.com/aip-dev/aip-dev/internal/doctor"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/ports"
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
		t, err := a.device(ctx, identity, request, grants)
		return t, a.explainPersonal(id, "--device", err)
	}
	password, err := a.readLine(o.passwordFile, "--password-file", "the password of "+o.user)
	if err != nil {
		return token.Token{}, err
	}
	t, err := token.MintFor(ctx, client, request, o.user, password)
	return t, a.explainPersonal(id, "--user "+o.user, err)
}

// lastPage is for how long a browser may still load the page that says that all is done.
const lastPage = time.Second

// device returns a token of a person who agrees in a browser. Where the issuer calls itself by a name that no browser on this machine
// knows, a door leads to its pages meanwhile.
func (a *app) device(ctx context.Context, identity bootstrap.IdentityFacts, request token.Request, grants token.Grants) (t token.Token, err error) {
	client := doctor.Reach(identity)
	if identity.External || strings.HasPrefix(identity.IssuerURL, identity.Address+"/") {
		return token.Device(ctx, client, request, grants, func(p token.Prompt) error { return a.showPrompt(p, "") }, 0)
	}
	issuer, err := url.Parse(identity.IssuerURL)
	if err != nil {
		return t, fmt.Errorf("read the issuer's name: %w", err)
	}
	listeners, err := ports.Listen(ctx, 0)
	if err != nil {
		return t, err
	}
	pages := authproxy.Pages{Issuer: issuer, Transport: client.Transport, Port: portOf(listeners[0])}
	handler, err := pages.Handler()
	if err != nil {
		return t, err
	}
	show := func(p token.Prompt) error {
		p.URL, p.Complete = pages.At(p.URL), pages.At(p.Complete)
		return a.showPrompt(p, "It leads to the issuer while this command waits. The token's iss stays its name in the cluster, "+identity.IssuerURL+"\n")
	}
	waiting, over := context.WithCancel(ctx)
	defer over()
	group, running := errgroup.WithContext(waiting)
	group.Go(func() error { return serveAll(running, listeners, handler) })
	group.Go(func() (err error) {
		defer over()
		if t, err = token.Device(running, client, request, grants, show, 0); err == nil {
			time.Sleep(lastPage)
		}
		return err
	})
	return t, group.Wait()
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

// showPrompt tells a person where to agree, and more about that place. Only the token goes to the standard output.
func (a *app) showPrompt(p token.Prompt, more string) error {
	where := p.Complete
	if where == "" {
		where = p.URL + "  and type " + p.Code
	}
	if _, err := fmt.Fprintf(a.errOut, "Open %s\n%sWaiting until you have agreed there.\n", safetext.Line(where), more); err != nil {
		return fmt.Errorf("write to the standard error: %w", err)
	}
	return nil
}

package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/authz"
)

const (
	// realm names the protected space in challenges.
	realm = `Bearer realm="aip-gateway"`
	// notConfigured is what a gateway without an issuer answers: closed, not open.
	notConfigured = "authentication is not configured: start the gateway with --oidc-issuer-url"
	// A failing discovery is tried again after firstRetry, then ever later up to lastRetry; the same failure is
	// logged again after repeatAfter.
	firstRetry  = 100 * time.Millisecond
	lastRetry   = 5 * time.Second
	repeatAfter = time.Minute
)

// caller is who sends a request.
type caller struct {
	authn.Identity
	Roles authz.Roles
	// Registered are the agents whose AgentRegistrations admit the caller. Agents are all that it may act as: those and, unless
	// its own name is registered, the agent of that name.
	Registered, Agents []string
}

// gate lets callers in.
type gate struct {
	// verifier is nil when no issuer is configured; then proxies name the caller.
	verifier *authn.Verifier
	proxies  proxies
	roles    authz.Config
	// trouble says why the verifier is not ready yet.
	trouble atomic.Pointer[string]
}

func newGate(o *Options) (*gate, error) {
	g := &gate{roles: o.Roles}
	if o.OIDC.IssuerURL == "" {
		var err error
		g.proxies, err = readProxies(o.TrustedProxies)
		return g, err
	}
	verifier, err := authn.New(o.OIDC)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says "oidc options" already
	}
	g.verifier = verifier
	g.setTrouble("OIDC setup is under way")
	return g, nil
}

func (g *gate) setTrouble(text string) { g.trouble.Store(&text) }

// unready returns why no token can be verified yet, or "".
func (g *gate) unready() string {
	if g.verifier == nil || g.verifier.Ready() {
		return ""
	}
	return *g.trouble.Load()
}

// admit returns who sends r, provided that they have the role that is needed.
func (g *gate) admit(r *http.Request, need authz.Need) (caller, error) {
	identity, err := g.identify(r)
	if err != nil {
		return caller{}, err
	}
	who := caller{Identity: identity, Roles: g.roles.RolesOf(identity.Subject, identity.Groups)}
	infoOf(r.Context()).subject = identity.Subject
	if verdict := authz.Allow(need, who.Roles); !verdict.Allowed {
		return who, &problem{
			status: http.StatusForbidden, text: verdict.Reason,
			challenge: realm + `, error="insufficient_scope", error_description="` + description(verdict.Reason) + `"`,
		}
	}
	return who, nil
}

// identify returns who sends r: the bearer of a token that counts, or whom a trusted proxy names.
func (g *gate) identify(r *http.Request) (authn.Identity, error) {
	switch {
	case g.verifier == nil && len(g.proxies) > 0:
		return g.proxies.identify(r)
	case g.verifier == nil:
		return authn.Identity{}, &problem{status: http.StatusUnauthorized, text: notConfigured, challenge: realm}
	}
	if why := g.unready(); why != "" {
		return authn.Identity{}, refuse(http.StatusServiceUnavailable, "%s", why)
	}
	token, err := authn.BearerToken(r.Header)
	if err != nil {
		return authn.Identity{}, unauthorized(err)
	}
	identity, err := g.verifier.Verify(r.Context(), token)
	if err != nil {
		return authn.Identity{}, unauthorized(err)
	}
	return identity, nil
}

// unauthorized returns the answer to a token that does not count. Where the fault is the provider's, the answer says
// that asking again helps, not that the token is wrong.
func unauthorized(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	text := authn.Explain(err)
	switch {
	case errors.Is(err, authn.ErrKeysUnreachable), errors.Is(err, authn.ErrNotReady), errors.Is(err, context.DeadlineExceeded):
		return &problem{status: http.StatusServiceUnavailable, text: text, cause: err}
	case errors.Is(err, authn.ErrNoToken):
		return &problem{status: http.StatusUnauthorized, text: text, challenge: realm, cause: err}
	default:
		return &problem{
			status: http.StatusUnauthorized, text: text, cause: err,
			challenge: realm + `, error="invalid_token", error_description="` + description(text) + `"`,
		}
	}
}

// description makes text fit for error_description of RFC 6750 section 3, which excludes quotes and backslashes.
func description(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"', r == '\\':
			return '\''
		case r < ' ' || r > '~':
			return '?'
		default:
			return r
		}
	}, text)
}

// setUp reaches the identity provider, however long that takes, and announces that the gateway works. It returns when
// that is done or ctx ends.
func (s *Server) setUp(ctx context.Context) {
	starting := "Starting AIP Demo Gateway on " + s.options.Addr
	for _, text := range s.options.Unused {
		s.log.WarnContext(ctx, text)
	}
	if s.gate.verifier == nil {
		s.log.InfoContext(ctx, starting)
		if len(s.gate.proxies) == 0 {
			s.log.WarnContext(ctx, notConfigured)
		} else {
			s.log.WarnContext(ctx, "No issuer is set: whoever sends from --trusted-proxy-cidrs says who calls")
		}
		return
	}
	s.warnAboutRoles(ctx)
	backoff := wait.Backoff{Duration: firstRetry, Factor: 2, Steps: 16, Cap: lastRetry}
	var told string
	var toldAt time.Time
	for {
		err := s.gate.verifier.Discover(ctx)
		if err == nil {
			s.log.InfoContext(ctx, starting, "issuer", s.options.OIDC.IssuerURL)
			return
		}
		failed := "OIDC setup failed: " + err.Error()
		s.gate.setTrouble(failed)
		if now := s.options.Now(); ctx.Err() == nil && (failed != told || now.Sub(toldAt) >= repeatAfter) {
			s.log.ErrorContext(ctx, failed)
			told, toldAt = failed, now
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(backoff.Step()):
		}
	}
}

// warnAboutRoles says aloud that an empty list gives its role to nobody, and what else surprises.
func (s *Server) warnAboutRoles(ctx context.Context) {
	roles := s.options.Roles
	if len(s.options.TrustedProxies) > 0 {
		s.log.WarnContext(ctx, "--trusted-proxy-cidrs counts for nothing: with an issuer only tokens say who calls")
	}
	for name, count := range map[string]int{
		"agent":    len(roles.AgentSubjects) + len(roles.AgentGroups),
		"reviewer": len(roles.ReviewerSubjects) + len(roles.ReviewerGroups),
	} {
		if count == 0 {
			s.log.WarnContext(ctx, "Nobody has the "+name+" role: --"+name+"-subjects and --"+name+"-groups are empty")
		}
	}
}

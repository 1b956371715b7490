package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/exchange"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/signer"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

func (s *Server) tokenRoutes() []route {
	return []route{
		{
			http.MethodPost, "/agent-requests/{name}/token", authz.Agent, handle(s, readTokenWish, s.requestToken),
			"get a token for a service, for the sake of an approved request of one's own",
			api{
				Query: []parameter{namespaceParameter()}, Body: wire.TokenWish{}, Answers: answers{200: wire.Token{}},
				Refuses: []int{400, 404, 409, 413, 429, 501, 502},
			},
		},
		{
			http.MethodPost, "/introspect", authz.Authenticated, handle(s, readIntrospection, s.introspect),
			"whether a token of the gateway's own counts now, as RFC 7662 asks: its request is approved or being executed",
			api{Body: form{wire.Introspected{}}, Answers: answers{200: wire.Introspection{}}, Refuses: []int{400, 413}},
		},
		{
			http.MethodGet, "/.well-known/jwks.json", authz.None, handle(s, readNothing, s.publicKeys), "the keys of the gateway's own tokens",
			api{Answers: answers{200: anything{}}},
		},
	}
}

// tokenWish is what an agent asks a token for.
type tokenWish struct {
	object
	ignored
	wire.TokenWish

	// bearer is the token that it came with; empty when a proxy named it.
	bearer string
}

func readTokenWish(r *http.Request) (tokenWish, error) {
	var out tokenWish
	var err error
	if out.object, err = readObject(r); err != nil {
		return out, err
	}
	if out.ignored, err = decode(r, &out.TokenWish, false); err != nil {
		return out, err
	}
	if out.Service == "" {
		return out, refuse(http.StatusBadRequest, "service is required")
	}
	if out.bearer, err = authn.BearerToken(r.Header); err != nil {
		out.bearer = "" // a trusted proxy named the caller
	}
	return out, nil
}

// issued is the answer with a token.
type issued struct{ wire.Token }

func (t *issued) warn(texts []string) { t.Warnings = texts }

// requestToken answers POST /agent-requests/{name}/token. It looks at the request as it is stored now: a token is for one that
// is approved and not begun. The trail tells of the token before the agent has it.
func (s *Server) requestToken(ctx context.Context, who caller, in tokenWish) (issued, error) {
	r, err := s.store.Fresh(ctx, in.namespace, in.name)
	switch {
	case err != nil:
		return issued{}, err //nolint:wrapcheck // problemOf knows the store's errors
	case !authz.Owns(who.Subject, who.Agents, r):
		return issued{}, refuse(http.StatusForbidden, "caller does not own this AgentRequest")
	case r.Status.Phase != v1alpha1.PhaseApproved:
		return issued{}, refuse(http.StatusConflict, "AgentRequest is not in Approved state")
	case !s.tokens.allow(r.Spec.AgentIdentity):
		return issued{}, refuse(http.StatusTooManyRequests, "agent %q asked for too many tokens; it gets another one in %s", r.Spec.AgentIdentity, perAgentEvery)
	}
	binding, err := s.binding(r.Spec.AgentIdentity, in.Service)
	if err != nil {
		return issued{}, err
	}
	if binding == nil {
		return s.ownToken(ctx, who, r, in.Service)
	}
	got, err := s.exchanger.Get(ctx, *binding, exchange.Holder{Token: in.bearer, Audiences: who.Audiences(), Expiry: who.Expiry})
	if err != nil {
		return issued{}, notExchanged(err)
	}
	if err := s.noteToken(ctx, who, r, lifecycle.Issued{Service: in.Service, Kind: binding.Type, Expiry: got.Expiry}); err != nil {
		return issued{}, err
	}
	return issued{wire.Token{Token: got.Value, Service: in.Service, ExpiresAt: timeOf(got.Expiry)}}, nil
}

// binding returns where an agent's tokens for a service come from, nil when the gateway signs them itself.
func (s *Server) binding(agent, service string) (*v1alpha1.ExternalIdentity, error) {
	registrations := s.registry.InForce(agent)
	if len(registrations) == 0 {
		return nil, refuse(http.StatusNotFound, "no AgentRegistration found for agent %q; one says which services it gets tokens for", agent)
	}
	for _, reg := range registrations {
		if !reg.Grants(service) {
			return nil, refuse(http.StatusNotFound, "no credential binding for service %q: AgentRegistration %s/%s grants %s",
				service, reg.Namespace, reg.Name, grantedOf(reg))
		}
	}
	for _, e := range registrations[0].Spec.ExternalIdentities {
		if e.Service == service {
			return &e, nil
		}
	}
	return nil, nil //nolint:nilnil // the gateway signs it itself
}

func grantedOf(reg *v1alpha1.AgentRegistration) string {
	var out []string
	for _, service := range reg.Services() {
		if reg.Grants(service) {
			out = append(out, service)
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

// notExchanged returns the answer about a token that others did not give.
func notExchanged(err error) error {
	var unsupported *exchange.UnsupportedError
	var refused *exchange.RefusedError
	switch {
	case errors.As(err, &unsupported):
		return &problem{status: http.StatusNotImplemented, text: err.Error()}
	case errors.As(err, &refused):
		return &problem{status: http.StatusBadGateway, text: err.Error()}
	default:
		return &problem{status: http.StatusBadGateway, text: "credential resolution failed", cause: err}
	}
}

// ownToken returns a token that the gateway signs, for a service or, when that is empty, for whoever asks.
func (s *Server) ownToken(ctx context.Context, who caller, r *v1alpha1.AgentRequest, service string) (issued, error) {
	if s.signer == nil {
		return issued{}, refuse(http.StatusNotFound, "no credential binding for service %q: its registration has no external identity for it, and the gateway has no key of its own (--jwt-key-path)", service)
	}
	raw, claims, err := s.signer.Sign(signer.Grant{
		Agent: r.Spec.AgentIdentity, Action: r.Spec.Action, Resource: r.Spec.Target.URI, Request: r.Name, Namespace: r.Namespace,
		UID: string(r.UID), Parameters: parametersDigest(r), Service: service,
	})
	if err != nil {
		return issued{}, err //nolint:wrapcheck // it says "sign token" already
	}
	expiry := claims.Expiry.Time()
	if err := s.noteToken(ctx, who, r, lifecycle.Issued{ID: claims.ID, Service: service, Kind: signer.Issuer, Expiry: expiry}); err != nil {
		return issued{}, err
	}
	return issued{wire.Token{Token: raw, Service: service, ExpiresAt: timeOf(expiry)}}, nil
}

// parametersDigest stands for the parameters of a request.
func parametersDigest(r *v1alpha1.AgentRequest) string {
	if r.Spec.Parameters == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(store.Canonical(r.Spec.Parameters)))
	return hex.EncodeToString(sum[:])
}

// noteToken writes into the trail that a token is given out, and to whom.
func (s *Server) noteToken(ctx context.Context, who caller, r *v1alpha1.AgentRequest, t lifecycle.Issued) error {
	t.To, t.At = who.Subject, s.options.Now()
	if t.ID == "" {
		t.ID = infoOf(ctx).id
	}
	if err := s.store.CreateRecord(ctx, lifecycle.TokenIssued(r, t)); err != nil {
		return err //nolint:wrapcheck // problemOf knows the store's errors
	}
	s.log.InfoContext(ctx, "token issued", "request", r.Namespace+"/"+r.Name, "agent", r.Spec.AgentIdentity, "to", t.To, "service", t.Service,
		"kind", t.Kind, "token-id", t.ID, "expires", t.Expiry.UTC().Format(time.RFC3339))
	return nil
}

func timeOf(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t}
}

// withToken adds a token to the answer to an approval that took effect, when the gateway has a key. The decision stands either
// way.
func (s *Server) withToken(ctx context.Context, who caller, r *v1alpha1.AgentRequest, to wire.Reviewed) wire.Reviewed {
	if s.signer == nil || r.Status.Phase != v1alpha1.PhaseApproved {
		return to
	}
	got, err := s.ownToken(ctx, who, r, "")
	if err != nil {
		s.log.WarnContext(ctx, "no token with an approval", "request", r.Namespace+"/"+r.Name, "cause", err)
		to.Warnings = append(to.Warnings, "no token: it could not be written into the audit trail; the agent can ask for one")
		return to
	}
	to.Token, to.TokenExpiresAt = got.Token.Token, got.ExpiresAt
	return to
}

// readIntrospection reads the form of RFC 7662, section 2.1.
func readIntrospection(r *http.Request) (wire.Introspected, error) {
	var large *http.MaxBytesError
	err := r.ParseForm()
	switch token := r.PostForm.Get("token"); {
	case errors.As(err, &large):
		return wire.Introspected{}, tooLarge()
	case err != nil || token == "":
		return wire.Introspected{}, refuse(http.StatusBadRequest, "token is required, as a form (application/x-www-form-urlencoded)")
	default:
		return wire.Introspected{Token: token}, nil
	}
}

// introspect answers POST /introspect. Of a token that does not count nothing else is told.
func (s *Server) introspect(ctx context.Context, _ caller, in wire.Introspected) (wire.Introspection, error) {
	if s.signer == nil {
		return wire.Introspection{}, nil
	}
	claims, err := s.signer.Verify(in.Token)
	if err != nil {
		return wire.Introspection{}, nil //nolint:nilerr // that is the answer
	}
	r, err := s.store.Fresh(ctx, claims.Namespace, claims.Request)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return wire.Introspection{}, nil
	case err != nil:
		return wire.Introspection{}, err //nolint:wrapcheck // problemOf knows the store's errors
	case string(r.UID) != claims.UID || !slices.Contains([]v1alpha1.Phase{v1alpha1.PhaseApproved, v1alpha1.PhaseExecuting}, r.Status.Phase):
		return wire.Introspection{}, nil
	}
	return wire.Introspection{
		Active: true, Issuer: claims.Issuer, Subject: claims.Agent, Audience: claims.Service, ID: claims.ID, TokenType: "Bearer",
		IssuedAt: claims.IssuedAt.Time().Unix(), Expiry: claims.Expiry.Time().Unix(), Action: claims.Action, Resource: claims.Resource,
		Request: claims.Request, Namespace: claims.Namespace, Parameters: claims.Parameters, Phase: r.Status.Phase,
	}, nil
}

// publicKeys answers GET /.well-known/jwks.json.
func (s *Server) publicKeys(context.Context, caller, struct{}) (jose.JSONWebKeySet, error) {
	if s.signer == nil {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}, nil
	}
	return s.signer.Keys(), nil
}

package authn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// DefaultIdentityClaim is the claim in which Keycloak names the client that a token was issued to.
const DefaultIdentityClaim = "azp"

// Identity is who a verified token speaks for.
type Identity struct {
	// Subject is the value of the identity claim, which need not be the sub claim. It is never empty.
	Subject string
	// Groups are the values of the groups claim.
	Groups []string
	// Issuer is the iss claim.
	Issuer string
	// Expiry is the exp claim: the time from which the token counts no more.
	Expiry time.Time

	claims claimSet
}

// Claim returns the string that another claim of the token holds, "" when it has none; dots lead into objects. A claim that
// could not be the identity claim holds none, such as an email address that is not verified.
func (i Identity) Claim(name string) string {
	if i.claims == nil {
		return ""
	}
	value, err := i.claims.identity(name)
	if err != nil {
		return ""
	}
	return value
}

// Audiences returns the values of the aud claim.
func (i Identity) Audiences() []string {
	if i.claims == nil {
		return nil
	}
	return i.claims.groups("aud")
}

// Options say which tokens count.
type Options struct {
	// IssuerURL is the provider's issuer, spelled exactly as in the iss claim. Required.
	IssuerURL string
	// Audience must be among the values of the aud claim. Required.
	Audience string
	// Preset names one of Presets, which says the claims that are left open here.
	Preset string
	// IdentityClaim names the claim that becomes Identity.Subject; dots lead into objects. Of several names, separated by
	// commas, the first that a token has counts. Empty means the preset's, else azp.
	IdentityClaim string
	// GroupsClaim names the claim that becomes Identity.Groups; dots lead into objects. Empty means the preset's, else no
	// groups.
	GroupsClaim string
	// CA are certificates in PEM of authorities that the provider's certificate may be of, besides the system's.
	CA string
	// HTTPClient talks to the provider, and knows its authorities by itself. Nil means a client with a bound of ten seconds per request.
	HTTPClient *http.Client
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// Verifier verifies tokens of one provider. It is ready once Discover succeeded, and safe for concurrent use.
type Verifier struct {
	options  Options
	client   *http.Client
	discover sync.Mutex
	provider atomic.Pointer[provider]
}

// provider is what discovery found.
type provider struct {
	algorithms []jose.SignatureAlgorithm
	fetcher    *keyFetcher
	keys       *keySet
	seen       seen
	verifier   *oidc.IDTokenVerifier
}

// New returns a Verifier that has not talked to its provider yet. It reports every fault of the options at once.
func New(o Options) (*Verifier, error) {
	if err := errors.Join(checkIssuer(o.IssuerURL), checkAudience(o.Audience), o.apply()); err != nil {
		return nil, fmt.Errorf("oidc options: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	client := &http.Client{}
	trust, err := transport(o.CA)
	if err != nil {
		return nil, fmt.Errorf("oidc options: %w", err)
	}
	client.Transport = trust
	if o.HTTPClient != nil {
		*client = *o.HTTPClient
	}
	if client.Timeout == 0 {
		client.Timeout = fetchTimeout
	}
	if client.Transport == nil {
		client.Transport = http.DefaultTransport
	}
	client.Transport = bounded{client.Transport}
	return &Verifier{options: o, client: client}, nil
}

func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil: // the text of err holds the whole URL, and so a password in it
		return errors.New("issuer URL cannot be read: expected http(s)://host/path without user, query and fragment")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "":
		return fmt.Errorf("issuer URL %s: expected http(s)://host/path without user, query and fragment", quote(u.Redacted()))
	default:
		return nil
	}
}

func checkAudience(audience string) error {
	if audience == "" {
		return errors.New("audience is empty: expected the value that the aud claim carries, for example aip-gateway")
	}
	return nil
}

// Discover reads the provider's discovery document, once per call, until it succeeded. Its error begins with
// "oidc provider: ". It does not fetch keys; the first token does.
// Source: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
func (v *Verifier) Discover(ctx context.Context) error {
	v.discover.Lock()
	defer v.discover.Unlock()
	if v.Ready() {
		return nil
	}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, v.client), v.options.IssuerURL)
	if err != nil {
		return fmt.Errorf("oidc provider: %w", err)
	}
	var document struct {
		KeysURL    string   `json:"jwks_uri"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := found.Claims(&document); err != nil {
		return fmt.Errorf("oidc provider: discovery document: %w", err)
	}
	if err := checkKeysURL(document.KeysURL, v.options.IssuerURL); err != nil {
		return fmt.Errorf("oidc provider: discovery document: %w", err)
	}
	algorithms := usable(document.Algorithms)
	if len(algorithms) == 0 {
		return fmt.Errorf("oidc provider: discovery document: no usable signing algorithm: expected one of %s, found %s",
			quoteAll(names(acceptable())), quoteAll(document.Algorithms))
	}
	v.provider.Store(v.newProvider(ctx, document.KeysURL, algorithms))
	return nil
}

func (v *Verifier) newProvider(ctx context.Context, keysURL string, algorithms []jose.SignatureAlgorithm) *provider {
	fetcher := newKeyFetcher(v.client.Transport, v.client.Timeout, v.options.Now)
	keys := newKeySet(ctx, &http.Client{Transport: fetcher}, keysURL, v.options.Now)
	return &provider{
		algorithms: algorithms,
		fetcher:    fetcher,
		keys:       keys,
		verifier: oidc.NewVerifier(v.options.IssuerURL, keys, &oidc.Config{
			ClientID:             v.options.Audience,
			SupportedSigningAlgs: names(algorithms),
			Now:                  v.options.Now,
		}),
	}
}

// checkKeysURL refuses keys that come over a less protected way than the discovery document.
func checkKeysURL(keys, issuer string) error {
	k, err := url.Parse(keys)
	if err != nil {
		return fmt.Errorf("jwks_uri: %w", err)
	}
	i, err := url.Parse(issuer)
	if err != nil {
		return fmt.Errorf("issuer URL: %w", err)
	}
	if k.Host == "" || k.Scheme != "https" && k.Scheme != i.Scheme {
		return fmt.Errorf("jwks_uri %s: expected a URL with scheme %s", quote(keys), i.Scheme)
	}
	return nil
}

// acceptable lists the algorithms that a token may be signed with: those with a public key. None and the HMAC family
// are not among them, whatever the provider announces.
func acceptable() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.PS256, jose.PS384, jose.PS512,
		jose.EdDSA,
	}
}

// usable returns the acceptable ones of the announced algorithms; a provider that announces nothing uses RS256.
func usable(announced []string) []jose.SignatureAlgorithm {
	if len(announced) == 0 {
		return []jose.SignatureAlgorithm{jose.RS256}
	}
	return slices.DeleteFunc(acceptable(), func(a jose.SignatureAlgorithm) bool {
		return !slices.Contains(announced, string(a))
	})
}

// Ready reports whether Discover succeeded.
func (v *Verifier) Ready() bool { return v.provider.Load() != nil }

// Verify returns whom the token speaks for. Its error is of one of the classes above, or that of ctx; it holds neither
// the token nor claims other than issuer, audience and times.
func (v *Verifier) Verify(ctx context.Context, raw string) (Identity, error) {
	p := v.provider.Load()
	if p == nil {
		return Identity{}, fmt.Errorf("verify token: %w", ErrNotReady)
	}
	fetch := p.fetcher.count()
	if whom, ok := p.seen.find(raw, fetch, v.options.Now()); ok && !p.keys.due() {
		return whom, nil
	}
	kid, err := inspect(raw, expectation{
		issuer: v.options.IssuerURL, audience: v.options.Audience, algorithms: p.algorithms, now: v.options.Now(),
	})
	if err != nil {
		return Identity{}, fmt.Errorf("verify token: %w", err)
	}
	var signature refusal
	token, err := p.verifier.Verify(context.WithValue(ctx, refusalKey{}, &signature), raw)
	if err != nil {
		return Identity{}, fmt.Errorf("verify token: %w", p.classify(ctx, kid, signature.err, err))
	}
	whom, err := v.identify(token)
	// The keys may have been fetched meanwhile: then the token is verified once more, with those.
	if err == nil && p.fetcher.knows(kid) && p.fetcher.count() == fetch {
		p.seen.add(raw, fetch, whom)
	}
	return whom, err
}

// classify names why go-oidc refused a token that inspect let pass: its signature, or its keys.
func (p *provider) classify(ctx context.Context, kid string, signature, err error) error {
	var expired *oidc.TokenExpiredError
	switch {
	case signature == nil && errors.As(err, &expired):
		return fmt.Errorf("%w: %w", ErrExpired, err)
	case signature == nil:
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	case ctx.Err() != nil:
		return fmt.Errorf("fetch keys: %w", ctx.Err())
	case errors.Is(signature, ErrKeysUnreachable):
		return signature
	case kid != "" && !p.fetcher.knows(kid):
		return fmt.Errorf("%w: key id %s", ErrKeyUnknown, quote(kid))
	default:
		return fmt.Errorf("%w: %.*s", ErrSignature, maxComplaintBytes, signature.Error())
	}
}

func (v *Verifier) identify(token *oidc.IDToken) (Identity, error) {
	var claims claimSet
	if err := token.Claims(&claims); err != nil {
		return Identity{}, fmt.Errorf("verify token: %w: claims: %w", ErrMalformed, err)
	}
	subject, err := claims.identity(v.options.IdentityClaim)
	if err != nil {
		return Identity{}, fmt.Errorf("verify token: %w", err)
	}
	return Identity{
		Subject: subject,
		Groups:  claims.groups(v.options.GroupsClaim),
		Issuer:  token.Issuer,
		Expiry:  token.Expiry,
		claims:  claims,
	}, nil
}

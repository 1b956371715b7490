package authn_test

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/gateway/authn"
)

// minted is a token as the documentation of a provider shows it, and the settings that the guide's table gives for it.
// Times are added to the claims.
type minted struct {
	preset, issuer, audience string
	// headers are those of the token besides alg and kid; a nil value takes typ away.
	headers map[jose.HeaderKey]any
	claims  changes
	subject string
	groups  []string
	// others are claims that this provider's users might configure instead, and that its tokens do not have.
	others []string
	// almost are spellings of the issuer that people confuse with it.
	almost []string
}

const (
	tenant   = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
	azureApp = "00001111-aaaa-2222-bbbb-3333cccc4444"
	pingEnv  = "https://auth.pingone.com/5caa81af-ec05-41ff-a709-c7378007a99c/as"
)

// providers are the rows of the guide's table of providers.
func providers() map[string]minted {
	return map[string]minted{
		// https://www.keycloak.org/docs/latest/server_admin/#_service_accounts: an access token by client credentials, aud
		// with the audience mapper of the guide.
		"keycloak": {
			preset: "keycloak", issuer: "https://id.example.org/realms/aip", audience: "aip-gateway",
			claims: changes{
				"jti": "trrtcc:8d2c3ef1", "aud": []string{"aip-gateway", "account"}, "sub": "b0b3f5d2-8e0e-4f5c-b4f8-1d0c4dd5b1a5",
				"typ": "Bearer", "azp": "aip-agent-1", "acr": "1", "allowed-origins": []string{"/*"},
				"realm_access":    changes{"roles": []string{"default-roles-aip", "agents"}},
				"resource_access": changes{"account": changes{"roles": []string{"manage-account"}}},
				"scope":           "openid email profile", "clientHost": "10.244.0.1", "email_verified": false,
				"preferred_username": "service-account-aip-agent-1", "clientAddress": "10.244.0.1", "client_id": "aip-agent-1",
			},
			subject: "aip-agent-1", groups: []string{"default-roles-aip", "agents"},
			others: []string{"appid", "cid"},
			almost: []string{"https://id.example.org/realms/aip/", "http://id.example.org/realms/aip", "https://id.example.org/realms/master"},
		},
		// https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/#access-token-payload: no typ in the header, aud
		// is a string, sub of a service app is its client id.
		"okta": {
			preset: "okta", issuer: "https://your-org.okta.com/oauth2/default", audience: "api://aip-gateway",
			headers: map[jose.HeaderKey]any{"typ": nil},
			claims: changes{
				"ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "aud": "api://aip-gateway",
				"cid": "0oa1b2c3d4e5f6g7h8i9", "scp": []string{"aip"}, "sub": "0oa1b2c3d4e5f6g7h8i9", "groups": []string{"agents"},
			},
			subject: "0oa1b2c3d4e5f6g7h8i9", groups: []string{"agents"},
			others: []string{"azp", "client_id"},
			almost: []string{"https://your-org.okta.com", "https://your-org.okta.com/oauth2/default/"},
		},
		// https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles: the Auth0 profile.
		"auth0": {
			preset: "auth0", issuer: "https://your-tenant.auth0.com/", audience: "https://aip-gateway.your-org.com",
			claims: changes{
				"sub": "awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients", "aud": "https://aip-gateway.your-org.com",
				"azp": "awZfdIir8YFdGZWkvCejDoUb7SjTDicx", "gty": "client-credentials", "permissions": []string{"submit:requests"},
			},
			subject: "awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients", groups: []string{"submit:requests"},
			others: []string{"client_id", "appid"},
			almost: []string{"https://your-tenant.auth0.com", "https://your-tenant.eu.auth0.com/"},
		},
		// The same page, the profile of RFC 9068: another type, aud as a list, client_id for azp.
		"auth0, RFC 9068": {
			preset: "auth0", issuer: "https://your-tenant.auth0.com/", audience: "https://aip-gateway.your-org.com",
			headers: map[jose.HeaderKey]any{"typ": "at+jwt"},
			claims: changes{
				"sub": "awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients", "jti": "73WakrfVbNJBaAmhQtEeDv",
				"aud":       []string{"https://aip-gateway.your-org.com", "https://your-tenant.auth0.com/userinfo"},
				"client_id": "awZfdIir8YFdGZWkvCejDoUb7SjTDicx",
			},
			subject: "awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients",
			others:  []string{"azp"},
			almost:  []string{"https://your-tenant.auth0.com"},
		},
		// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference: version 1.0, whose aud may be the
		// application ID URI and whose client is in appid.
		"azure, version 1.0": {
			preset: "azure", issuer: "https://sts.windows.net/" + tenant + "/", audience: "api://your-app-id",
			headers: map[jose.HeaderKey]any{"x5t": "k1"},
			claims: changes{
				"aud": "api://your-app-id", "nbf": began.Unix(), "aio": "E2ZgYNj/1p8r", "appid": azureApp, "appidacr": "1",
				"idp": "https://sts.windows.net/" + tenant + "/", "oid": "bbbbbbbb-1111-2222-3333-cccccccccccc", "rh": "0.AX",
				"roles": []string{"Agent"}, "sub": "bbbbbbbb-1111-2222-3333-cccccccccccc", "tid": tenant, "uti": "fqiBqXLPj0eQ", "ver": "1.0",
			},
			subject: azureApp, groups: []string{"Agent"},
			others: []string{"azp", "client_id"},
			almost: []string{"https://sts.windows.net/" + tenant, "https://login.microsoftonline.com/" + tenant + "/v2.0"},
		},
		// The same page, version 2.0: aud is always the client id of the API, the client is in azp.
		"azure, version 2.0": {
			preset: "azure", issuer: "https://login.microsoftonline.com/" + tenant + "/v2.0", audience: "11112222-bbbb-3333-cccc-4444dddd5555",
			claims: changes{
				"aud": "11112222-bbbb-3333-cccc-4444dddd5555", "nbf": began.Unix(), "aio": "E2ZgYNj/1p8r", "azp": azureApp, "azpacr": "1",
				"oid": "bbbbbbbb-1111-2222-3333-cccccccccccc", "rh": "0.AX", "roles": []string{"Agent"},
				"sub": "bbbbbbbb-1111-2222-3333-cccccccccccc", "tid": tenant, "uti": "fqiBqXLPj0eQ", "ver": "2.0",
			},
			subject: azureApp, groups: []string{"Agent"},
			others: []string{"appid"},
			almost: []string{"https://login.microsoftonline.com/" + tenant, "https://login.microsoftonline.com/common/v2.0"},
		},
		// https://apidocs.pingidentity.com/pingone/main/v1/api/src/authentication-concepts/access-tokens-and-id-tokens/token-claims/:
		// sub is not present for client_credentials tokens.
		"ping": {
			preset: "ping", issuer: pingEnv, audience: "https://api.example.org",
			headers: map[jose.HeaderKey]any{"typ": nil},
			claims: changes{
				"client_id": "5f8e1c3b-2b0c-4e69-8d2a-6f1f9f2d3c4e", "jti": "5a5dd8c7", "aud": []string{"https://api.example.org"}, "scope": "aip",
				"p1.permissions": []string{"requests:submit"},
			},
			subject: "5f8e1c3b-2b0c-4e69-8d2a-6f1f9f2d3c4e", groups: []string{"requests:submit"},
			others: []string{"sub", "azp"},
			almost: []string{"https://auth.pingone.com", strings.TrimSuffix(pingEnv, "/as")},
		},
		// https://cloud.google.com/docs/authentication/token-types: an ID token of a service account. aud is what was asked for.
		"google": {
			preset: "google", issuer: "https://accounts.google.com", audience: "https://aip-gateway.example.org",
			claims: changes{
				"aud": "https://aip-gateway.example.org", "azp": "112010400000000710080", "sub": "112010400000000710080",
				"email": "aip-agent-1@my-project.iam.gserviceaccount.com", "email_verified": true,
			},
			subject: "aip-agent-1@my-project.iam.gserviceaccount.com",
			others:  []string{"client_id", "appid"},
			almost:  []string{"https://accounts.google.com/", "https://securetoken.google.com/my-project"},
		},
		// https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload: the scheme may be missing.
		"google, iss without a scheme": {
			preset: "google", issuer: "https://accounts.google.com", audience: "https://aip-gateway.example.org",
			claims: changes{
				"iss": "accounts.google.com", "aud": "https://aip-gateway.example.org", "azp": "112010400000000710080", "sub": "112010400000000710080",
				"email": "aip-agent-1@my-project.iam.gserviceaccount.com", "email_verified": true,
			},
			subject: "aip-agent-1@my-project.iam.gserviceaccount.com",
			others:  []string{"appid"},
			almost:  []string{"https://accounts.google.com/"},
		},
		// https://cloud.google.com/identity-platform/docs/how-to-verify-users-token (the guide's note): aud is the project.
		"google, Identity Platform": {
			preset: "google", issuer: "https://securetoken.google.com/my-project", audience: "my-project",
			claims: changes{
				"aud": "my-project", "auth_time": began.Unix(), "user_id": "Zx81", "sub": "Zx81", "email": "agent@example.org", "email_verified": true,
				"firebase": changes{"identities": changes{"email": []string{"agent@example.org"}}, "sign_in_provider": "password"},
			},
			subject: "agent@example.org",
			others:  []string{"azp"},
			almost:  []string{"https://securetoken.google.com/my-project/", "https://securetoken.google.com/other"},
		},
	}
}

// token returns the token as the provider signs it.
func (m minted) token(t *testing.T, k key, edit ...changes) string {
	t.Helper()
	claims := changes{"iss": m.issuer, "iat": began.Unix(), "exp": began.Add(time.Hour).Unix()}
	maps.Copy(claims, m.claims)
	for _, e := range edit {
		maps.Copy(claims, e)
	}
	return k.sign(t, claims, m.headers)
}

// at returns options for a provider whose host names all lead to i, which answers as issuer over TLS.
func (i *issuer) at(t *testing.T, issuer string) authn.Options {
	t.Helper()
	server := newTLS(t, i)
	i.set(&i.discovery, i.document(map[string]any{"issuer": issuer, "jwks_uri": "https://keys.example.com/keys"}))
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		},
		TLSClientConfig: server.Client().Transport.(*http.Transport).TLSClientConfig.Clone(),
	}
	transport.TLSClientConfig.ServerName = "example.com" // the name in the certificate of httptest
	transport.TLSClientConfig.MinVersion = tls.VersionTLS12
	t.Cleanup(transport.CloseIdleConnections)
	return authn.Options{IssuerURL: issuer, HTTPClient: &http.Client{Transport: transport}, Now: i.clock.now}
}

// TestProviders: tokens of every provider of the guide's table, as that provider documents them, count with the
// documented settings and with no other.
func TestProviders(t *testing.T) {
	t.Parallel()
	for name, m := range providers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, other := newKey(t, "k1", jose.RS256), newKey(t, "k1", jose.RS256)
			i := newIssuer(t, k)
			base := i.at(t, m.issuer)
			verify := func(o authn.Options, token string) (authn.Identity, error) {
				v, err := authn.New(o)
				check(t, err)
				check(t, v.Discover(t.Context()))
				return v.Verify(t.Context(), token)
			}
			o := base
			o.Preset, o.Audience = m.preset, m.audience
			token := m.token(t, k)

			who, err := verify(o, token)
			check(t, err)
			if who.Subject != m.subject || !slices.Equal(who.Groups, m.groups) {
				t.Errorf("found %+v, expected %q in %q", who, m.subject, m.groups)
			}

			wrong := o
			wrong.Audience = "aip-gateway-2"
			who, err = verify(wrong, token)
			refused(t, token, who, err, authn.ErrAudience, `invalid token: aud claim does not match: expected "aip-gateway-2", found [`)
			for _, claim := range m.others {
				wrong = o
				wrong.IdentityClaim = claim
				who, err = verify(wrong, token)
				refused(t, token, who, err, authn.ErrNoIdentityClaim, `token missing identity claim: expected "`+claim+`", found "`)
			}
			for text, edited := range map[string]string{
				"signature does not verify": m.token(t, other),
				"expired":                   m.token(t, k, changes{"exp": began.Add(-time.Second).Unix()}),
				"iss claim does not match":  m.token(t, k, changes{"iss": "https://elsewhere.example.org"}),
			} {
				who, err = verify(o, edited)
				if err == nil || !strings.HasPrefix(authn.Explain(err), "invalid token: "+text) || who.Subject != "" {
					t.Errorf("found %+v, %v; expected %q", who, err, text)
				}
			}
			for _, spelling := range m.almost {
				wrongIssuer(t, i, o, spelling, token)
			}
		})
	}
}

// wrongIssuer configures an issuer that is not the token's: what its discovery finds names another one, or the token does.
func wrongIssuer(t *testing.T, i *issuer, o authn.Options, spelling, token string) {
	t.Helper()
	document := i.discovery
	defer i.set(&i.discovery, document)
	o.IssuerURL = spelling
	v, err := authn.New(o)
	check(t, err)
	if err := v.Discover(t.Context()); err == nil || !strings.Contains(err.Error(), "oidc provider: ") {
		t.Errorf("issuer %q: discovery says %v", spelling, err)
	}
	i.set(&i.discovery, i.document(map[string]any{"issuer": spelling, "jwks_uri": "https://keys.example.com/keys"}))
	if strings.HasPrefix(spelling, "http:") {
		return // over TLS only here
	}
	check(t, v.Discover(t.Context()))
	who, err := v.Verify(t.Context(), token)
	refused(t, token, who, err, authn.ErrIssuer, `invalid token: iss claim does not match: expected "`+spelling+`", found "`)
}

// TestGoogleAlias: only Google may leave the scheme out of iss.
func TestGoogleAlias(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jose.ES256)
	i := newIssuer(t, k)
	token := k.sign(t, i.claims(changes{"iss": strings.TrimPrefix(i.URL, "http://")}))
	who, err := i.verifier(t).Verify(t.Context(), token)
	refused(t, token, who, err, authn.ErrIssuer, "iss claim does not match")
}

// TestPresets: the environments that aip-dev sets up and the gateway mean the same by a preset.
func TestPresets(t *testing.T) {
	t.Parallel()
	known := bootstrap.Presets()
	if names := bootstrap.PresetNames(); !slices.Equal(names, authn.PresetNames()) {
		t.Errorf("up knows %q, the gateway %q", names, authn.PresetNames())
	}
	for at, p := range authn.Presets() {
		if p.IdentityClaim != known[at].Claim || p.GroupsClaim == "" || !strings.HasPrefix(p.Documentation, "https://") {
			t.Errorf("the gateway has %+v, up has %+v", p, known[at])
		}
	}
	for name, o := range map[string]authn.Options{
		`preset "moon": expected one of keycloak, okta, auth0, azure, ping, google`: {IssuerURL: "https://i", Audience: "a", Preset: "moon"},
		`identity claim "azp,": expected the name of a claim`:                       {IssuerURL: "https://i", Audience: "a", IdentityClaim: "azp,"},
	} {
		if _, err := authn.New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("found %v, expected %s", err, name)
		}
	}
}

// TestFirstClaimThatIsThere: of several identity claims the first that the token has counts, even when it is unusable.
func TestFirstClaimThatIsThere(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jose.ES256)
	i := newIssuer(t, k)
	v := i.verifier(t, func(o *authn.Options) { o.IdentityClaim = "appid, azp" })
	for _, c := range []struct {
		change  changes
		subject string
		class   error
	}{
		{changes{"appid": "one"}, "one", nil},
		{nil, "aip-agent-1", nil},
		{changes{"appid": ""}, "", authn.ErrNoIdentityClaim},
		{changes{"appid": 7}, "", authn.ErrNoIdentityClaim},
		{changes{"azp": nil}, "", authn.ErrNoIdentityClaim},
	} {
		who, err := v.Verify(t.Context(), k.sign(t, i.claims(c.change)))
		if who.Subject != c.subject || !errors.Is(err, c.class) {
			t.Errorf("%v: found %q, %v; expected %q, %v", c.change, who.Subject, err, c.subject, c.class)
		}
	}
}

package issuer

import (
	"net/http"
)

// realmInformation is Keycloak's PublishedRealmRepresentation.
type realmInformation struct {
	Realm           string `json:"realm"`
	PublicKey       string `json:"public_key"`
	TokenService    string `json:"token-service"`
	AccountService  string `json:"account-service"`
	TokensNotBefore int    `json:"tokens-not-before"`
}

// metadata is the discovery document, with what this issuer serves and nothing else:
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata.
type metadata struct {
	Issuer           string   `json:"issuer"`
	TokenEndpoint    string   `json:"token_endpoint"`
	DeviceEndpoint   string   `json:"device_authorization_endpoint"` // RFC 8628 section 4
	JWKSURI          string   `json:"jwks_uri"`
	GrantTypes       []string `json:"grant_types_supported"`
	ResponseTypes    []string `json:"response_types_supported"`
	SubjectTypes     []string `json:"subject_types_supported"`
	IDTokenAlgs      []string `json:"id_token_signing_alg_values_supported"`
	TokenAuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	Claims           []string `json:"claims_supported"`
	ClaimTypes       []string `json:"claim_types_supported"`
	Scopes           []string `json:"scopes_supported"`
}

func (s *Server) realmURL(name string) string { return s.opts.Hostname + "/realms/" + name }

func (s *Server) protocolURL(name string) string {
	return s.realmURL(name) + "/protocol/openid-connect"
}

// realmOf returns the realm that a public path names.
func (s *Server) realmOf(r *http.Request) (*realm, error) {
	if found := s.current.Load().realms[r.PathValue("realm")]; found != nil {
		return found, nil
	}
	return nil, plainFault(http.StatusNotFound, "Realm does not exist")
}

func (s *Server) welcome(*http.Request) (answer, error) {
	return answer{status: http.StatusOK, body: map[string]string{"issuer": s.realmURL(masterRealm)}}, nil
}

func (s *Server) unknownPath(*http.Request) (answer, error) {
	return answer{}, plainFault(http.StatusNotFound, "Unable to find matching target resource method")
}

func (s *Server) wrongMethod(r *http.Request) (answer, error) {
	if _, err := s.realmOf(r); err != nil {
		return answer{}, err
	}
	return answer{}, statusFault(http.StatusMethodNotAllowed)
}

// realmInfo waits for the realm's key, so that Keycloak's readiness probe on /realms/master means what it says.
func (s *Server) realmInfo(r *http.Request) (answer, error) {
	found, err := s.realmOf(r)
	if err != nil {
		return answer{}, err
	}
	key, err := found.key.wait(r.Context())
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: realmInformation{
		Realm:          found.Name,
		PublicKey:      key.publicDER,
		TokenService:   s.protocolURL(found.Name),
		AccountService: s.realmURL(found.Name) + "/account",
	}}, nil
}

func (s *Server) discovery(r *http.Request) (answer, error) {
	found, err := s.realmOf(r)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, cache: "no-cache, must-revalidate, no-transform, no-store", body: metadata{
		Issuer:           s.realmURL(found.Name),
		TokenEndpoint:    s.protocolURL(found.Name) + "/token",
		DeviceEndpoint:   s.protocolURL(found.Name) + "/auth/device",
		JWKSURI:          s.protocolURL(found.Name) + "/certs",
		GrantTypes:       []string{grantClientCredentials, grantPassword, grantDevice},
		ResponseTypes:    []string{}, // there is no authorization endpoint
		SubjectTypes:     []string{"public"},
		IDTokenAlgs:      []string{"RS256"},
		TokenAuthMethods: []string{"client_secret_basic", "client_secret_post"},
		Claims:           []string{"iss", "sub", "aud", "exp", "iat", "azp", "preferred_username", "acr"},
		ClaimTypes:       []string{"normal"},
		Scopes:           knownScopes(),
	}}, nil
}

func (s *Server) certs(r *http.Request) (answer, error) {
	found, err := s.realmOf(r)
	if err != nil {
		return answer{}, err
	}
	key, err := found.key.wait(r.Context())
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: key.jwks}, nil
}

package conformance

import (
	"net/http"
	"net/url"
)

// call is one request and what of its answer counts. In path and body {base} and {id:CLIENT} are put in their place.
type call struct {
	name   string
	method string
	path   string
	// form or json is the body; with json the call carries the administrator's token.
	form url.Values
	json string
	// admin sends the administrator's token with a call that has no JSON body.
	admin bool
	// bearer replaces the administrator's token.
	bearer string
	// keep are the fields of a JSON object in the answer that count; nil means that the whole body does.
	keep []string
	// claims are the claims of the access token in the answer that count.
	claims []string
}

const (
	master  = "/realms/master/protocol/openid-connect/token"
	tokens  = "/realms/conformance/protocol/openid-connect/token"
	realms  = "/admin/realms"
	clients = "/admin/realms/conformance/clients"
	mappers = clients + "/{id:agent}/protocol-mappers/models"

	agentBody = `{"clientId":"agent","enabled":true,"publicClient":false,"serviceAccountsEnabled":true,"standardFlowEnabled":false,` +
		`"directAccessGrantsEnabled":false,"clientAuthenticatorType":"client-secret","secret":"agent-secret"}`
	mapperBody = `{"name":"audience-aip-gateway","protocol":"openid-connect","protocolMapper":"oidc-audience-mapper",` +
		`"config":{"included.custom.audience":"aip-gateway","id.token.claim":"true","access.token.claim":"true"}}`
)

func credentials(id, secret string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "scope": {"openid"}}
}

func login(user, password string) url.Values {
	return url.Values{"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {user}, "password": {password}}
}

// calls are made in this order; each builds on what those before it made.
func calls() []call {
	var all []call
	for _, part := range [][]call{discovery(), administration(), tokenCalls(), driftCalls(), ending()} {
		all = append(all, part...)
	}
	return all
}

func discovery() []call {
	about := []string{"issuer", "token_endpoint", "jwks_uri"}
	return []call{
		{name: "discovery of master", method: http.MethodGet, path: "/realms/master/.well-known/openid-configuration", keep: about},
		{name: "discovery of an unknown realm", method: http.MethodGet, path: "/realms/nowhere/.well-known/openid-configuration"},
		{name: "keys of an unknown realm", method: http.MethodGet, path: "/realms/nowhere/protocol/openid-connect/certs"},
		{name: "an unknown realm", method: http.MethodGet, path: "/realms/nowhere"},
		{name: "login", method: http.MethodPost, path: master, form: login("admin", "admin"), keep: []string{"token_type", "expires_in"}, claims: []string{"iss", "azp", "typ"}},
		{name: "login, wrong password", method: http.MethodPost, path: master, form: login("admin", "wrong")},
		{name: "login, unknown user", method: http.MethodPost, path: master, form: login("nobody", "admin")},
		{name: "login, unknown realm", method: http.MethodPost, path: "/realms/nowhere/protocol/openid-connect/token", form: login("admin", "admin")},
	}
}

func administration() []call {
	const realm = `{"realm":"conformance","enabled":true}`
	return []call{
		{name: "create a realm without a token", method: http.MethodPost, path: realms, json: realm, bearer: "none"},
		{name: "create a realm with something that is no token", method: http.MethodPost, path: realms, json: realm, bearer: "not-a-token"},
		{name: "create a realm", method: http.MethodPost, path: realms, json: realm},
		{name: "create a realm again", method: http.MethodPost, path: realms, json: realm},
		{name: "read the realm", method: http.MethodGet, path: "/admin/realms/conformance", admin: true, keep: []string{"realm", "enabled", "accessTokenLifespan"}},
		{name: "read an unknown realm", method: http.MethodGet, path: "/admin/realms/nowhere", admin: true},
		{name: "create a client", method: http.MethodPost, path: clients, json: agentBody},
		{name: "create a client again", method: http.MethodPost, path: clients, json: agentBody},
		{name: "create a client in an unknown realm", method: http.MethodPost, path: "/admin/realms/nowhere/clients", json: agentBody},
		{name: "look a client up", method: http.MethodGet, path: clients + "?clientId=agent", admin: true,
			keep: []string{"clientId", "enabled", "publicClient", "serviceAccountsEnabled", "standardFlowEnabled", "directAccessGrantsEnabled", "clientAuthenticatorType", "secret"}},
		{name: "look an unknown client up", method: http.MethodGet, path: clients + "?clientId=nobody", admin: true},
		{name: "a client without the mapper", method: http.MethodPost, path: tokens, form: credentials("agent", "agent-secret"),
			keep: []string{"token_type", "expires_in"}, claims: []string{"iss", "azp", "aud", "typ"}},
		{name: "add the mapper", method: http.MethodPost, path: mappers, json: mapperBody},
		{name: "add the mapper again", method: http.MethodPost, path: mappers, json: mapperBody},
		{name: "add a mapper to an unknown client", method: http.MethodPost, path: clients + "/00000000-0000-0000-0000-000000000000/protocol-mappers/models", json: mapperBody},
		{name: "discovery of the realm", method: http.MethodGet, path: "/realms/conformance/.well-known/openid-configuration", keep: []string{"issuer", "token_endpoint", "jwks_uri"}},
		{name: "about the realm", method: http.MethodGet, path: "/realms/conformance", keep: []string{"realm", "token-service", "account-service", "tokens-not-before"}},
	}
}

func tokenCalls() []call {
	with := func(v url.Values, key string, values ...string) url.Values { v[key] = values; return v }
	without := func(v url.Values, key string) url.Values { delete(v, key); return v }
	post := func(name string, form url.Values) call {
		return call{name: name, method: http.MethodPost, path: tokens, form: form}
	}
	minted := post("client credentials", credentials("agent", "agent-secret"))
	minted.keep = []string{"token_type", "expires_in", "refresh_expires_in", "not-before-policy", "scope"}
	minted.claims = []string{"iss", "azp", "aud", "typ", "scope", "acr", "preferred_username", "client_id"}
	return []call{
		minted,
		post("wrong secret", credentials("agent", "wrong")),
		post("no secret", without(credentials("agent", ""), "client_secret")),
		post("unknown client", credentials("nobody", "x")),
		post("no client", without(without(credentials("", ""), "client_id"), "client_secret")),
		post("no grant type", without(credentials("agent", "agent-secret"), "grant_type")),
		post("unknown grant type", with(credentials("agent", "agent-secret"), "grant_type", "teleport")),
		post("unknown scope", with(credentials("agent", "agent-secret"), "scope", "openid teleport")),
		post("doubled parameter", with(credentials("agent", "agent-secret"), "scope", "openid", "openid")),
		post("password grant not allowed", with(with(with(credentials("agent", "agent-secret"), "grant_type", "password"), "username", "u"), "password", "p")),
		{name: "token by GET", method: http.MethodGet, path: tokens},
		{name: "create a public client", method: http.MethodPost, path: clients, json: `{"clientId":"public","publicClient":true}`},
		post("client credentials of a public client", credentials("public", "")),
		{name: "create a client without a service account", method: http.MethodPost, path: clients, json: `{"clientId":"plain","secret":"plain-secret"}`},
		post("client credentials without a service account", credentials("plain", "plain-secret")),
	}
}

// driftCalls change and remove, as people do in the console.
func driftCalls() []call {
	agent := clients + "/{id:agent}"
	return []call{
		{name: "disable the client", method: http.MethodPut, path: agent, json: `{"enabled":false}`},
		{name: "a disabled client", method: http.MethodPost, path: tokens, form: credentials("agent", "agent-secret")},
		{name: "enable the client and change its secret", method: http.MethodPut, path: agent, json: `{"enabled":true,"secret":"rotated"}`},
		{name: "the secret before", method: http.MethodPost, path: tokens, form: credentials("agent", "agent-secret")},
		{name: "the secret now", method: http.MethodPost, path: tokens, form: credentials("agent", "rotated"), keep: []string{"token_type"}, claims: []string{"azp", "aud"}},
		{name: "disable the realm", method: http.MethodPut, path: "/admin/realms/conformance", json: `{"enabled":false}`},
		{name: "a disabled realm", method: http.MethodPost, path: tokens, form: credentials("agent", "rotated")},
		{name: "enable the realm with a front-end URL", method: http.MethodPut, path: "/admin/realms/conformance", json: `{"enabled":true,"attributes":{"frontendUrl":"http://front.example:8080"}}`},
	}
}

func ending() []call {
	agent := clients + "/{id:agent}"
	return []call{
		{name: "remove the client", method: http.MethodDelete, path: agent, admin: true},
		{name: "a removed client", method: http.MethodPost, path: tokens, form: credentials("agent", "rotated")},
		{name: "remove an unknown client", method: http.MethodDelete, path: clients + "/00000000-0000-0000-0000-000000000000", admin: true},
		{name: "remove the realm", method: http.MethodDelete, path: "/admin/realms/conformance", admin: true},
		{name: "remove the realm again", method: http.MethodDelete, path: "/admin/realms/conformance", admin: true},
		{name: "tokens of a removed realm", method: http.MethodPost, path: tokens, form: credentials("agent", "rotated")},
	}
}

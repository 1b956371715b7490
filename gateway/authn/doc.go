// Package authn turns the Authorization header of a request into an Identity, or into an error that names which part
// of the token was wrong. The server calls it before every handler. It is the only user of go-oidc: a token counts only
// after go-oidc accepted its signature, issuer, audience and times against the keys that the provider publishes.
package authn

// Package conformance holds the built-in issuer against a real Keycloak: the same calls are made to both, and both have to
// answer as it is written in testdata/issuer.json. That file was recorded from Keycloak, so neither can drift unnoticed.
package conformance

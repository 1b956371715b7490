// Package issuer is an OpenID Connect issuer that answers on Keycloak's paths: discovery, keys, tokens by client
// credentials and, for people, by password and by device code, and the admin calls that create realms, clients, protocol
// mappers and users. The embedded cluster runs it as
// its "keycloak" workload and tests run it in process; requests go in, signed tokens and Keycloak's status codes come
// out, and everything that must outlive the process goes through a Store.
//
// What is answered follows Keycloak 26.0, whose behaviour is described at
// https://www.keycloak.org/docs-api/26.0.7/rest-api/index.html (admin calls) and
// https://www.keycloak.org/securing-apps/oidc-layers (endpoints and grants). Endpoints, grants and mapper types that
// are not served are not advertised and are refused, never accepted without effect.
package issuer

// Package keycloak brings a realm with its clients and audience mappers about through Keycloak's admin API; the steps
// of a plan call it. A realm as a desired value goes in, the differences or the number of writes come out. It does not
// know whether a real Keycloak 26 or the built-in issuer answers. It is the one package that imports gocloak.
package keycloak

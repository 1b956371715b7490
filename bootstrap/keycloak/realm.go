package keycloak

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

// Realm is a realm as it should be. Clients and mappers that it does not name are left alone.
type Realm struct {
	// Name is the realm's name in URLs, such as "aip".
	Name string
	// FrontendURL is the base of the issuer in tokens, whatever name they were asked for by, such as
	// "http://keycloak:8080". Empty leaves that to Keycloak. It is the realm's attribute frontendUrl.
	// Source: https://www.keycloak.org/server/hostname
	FrontendURL string
	// Clients have different IDs.
	Clients []Client
}

// Client is a confidential client that gets tokens for its service account by client credentials and by no other
// grant: enabled, not public, service account on, standard flow and direct access grants off, authenticator
// client-secret. It prints without its secret.
type Client struct {
	// ID is the clientId, which becomes "azp" in tokens.
	ID string
	// Secret is the client's secret; required.
	Secret string
	// Audience is what the mapper audience-aip-gateway adds to "aud" of access and ID tokens; no mapper when empty.
	Audience string
}

// String names the client and its audience.
func (c Client) String() string { return "client " + c.ID + " for " + c.Audience }

// Format writes String for every fmt verb.
func (c Client) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) } // a fmt.State reports its own errors

// LogValue is what slog handlers write.
func (c Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Diff says what is absent or different, one finding a line, without secrets. The zero Diff is empty.
type Diff struct {
	// Findings are in the order of the desired realm, such as "client aip-agent-1: audience mapper absent".
	Findings []string
}

// Empty says that the realm is as desired.
func (d Diff) Empty() bool { return len(d.Findings) == 0 }

// String joins the findings with semicolons.
func (d Diff) String() string { return strings.Join(d.Findings, "; ") }

// validate finds every fault of a desired realm.
func (r Realm) validate() error {
	var faults []error
	if r.Name == "" || url.PathEscape(r.Name) != r.Name {
		faults = append(faults, fmt.Errorf("realm name %q: expected a name that can be a part of a URL", r.Name))
	}
	seen := map[string]bool{}
	for i, c := range r.Clients {
		switch {
		case c.ID == "":
			faults = append(faults, fmt.Errorf("client number %d has no ID", i+1))
		case seen[c.ID]:
			faults = append(faults, fmt.Errorf("client %s is there twice", c.ID))
		case c.Secret == "":
			faults = append(faults, fmt.Errorf("client %s has no secret", c.ID))
		}
		seen[c.ID] = true
	}
	return errors.Join(faults...)
}

// Part is a part of a realm that a finding is about.
type Part int

// The parts of a realm.
const (
	// PartRealm is the realm itself.
	PartRealm Part = iota
	// PartClient is a client: there, enabled, and with the right grants.
	PartClient
	// PartSecret is a client's secret.
	PartSecret
	// PartMapper is a client's audience mapper.
	PartMapper
)

// Of returns the findings about one part.
func (d Diff) Of(part Part) []string {
	var out []string
	for _, f := range d.Findings {
		of := PartClient
		switch {
		case strings.HasPrefix(f, "realm "):
			of = PartRealm
		case strings.HasSuffix(f, ": secret differs"):
			of = PartSecret
		case strings.Contains(f, ": audience mapper"):
			of = PartMapper
		}
		if of == part {
			out = append(out, f)
		}
	}
	return out
}

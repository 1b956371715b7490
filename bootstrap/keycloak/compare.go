package keycloak

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/Nerzal/gocloak/v13"
)

const (
	mapperName     = "audience-aip-gateway"
	mapperType     = "oidc-audience-mapper"
	openIDConnect  = "openid-connect"
	authenticator  = "client-secret"
	frontendURL    = "frontendUrl"
	customAudience = "included.custom.audience"
	clientAudience = "included.client.audience" // wins over customAudience when it is set
)

// change is one write and the findings that it settles.
type change struct {
	findings []string
	verb     string // create, enable, update
	object   string
	write    func(ctx context.Context, token string) error
}

func (c change) action() string { return c.verb + " " + c.object }

func (c change) done() string { return c.object + " " + c.verb + "d" }

// plan is what has to be written: the realm first, then each client's changes in order, clients side by side.
type plan struct {
	realm   []change
	clients [][]change
}

func (p plan) diff() Diff {
	var d Diff
	for _, changes := range append([][]change{p.realm}, p.clients...) {
		for _, c := range changes {
			d.Findings = append(d.Findings, c.findings...)
		}
	}
	return d
}

func (a *Admin) compare(have snapshot, want Realm) plan {
	var p plan
	rep := gocloak.RealmRepresentation{Realm: &want.Name, Enabled: gocloak.BoolP(true)}
	attributes := attributesOf(have.realm)
	frontend := attributes[frontendURL]
	if want.FrontendURL != "" {
		attributes[frontendURL] = want.FrontendURL // with all others: Keycloak drops those that an update leaves out
		rep.Attributes = &attributes
	}
	switch {
	case have.realm == nil:
		p.realm = []change{{
			findings: []string{"realm " + want.Name + ": absent"}, verb: "create", object: "realm " + want.Name,
			write: func(ctx context.Context, token string) error {
				_, err := a.api.CreateRealm(ctx, token, rep)
				return err
			},
		}}
	case !gocloak.PBool(have.realm.Enabled):
		p.realm = []change{{
			findings: []string{"realm " + want.Name + ": disabled"}, verb: "enable", object: "realm " + want.Name,
			write: func(ctx context.Context, token string) error { return a.api.UpdateRealm(ctx, token, rep) },
		}}
	case want.FrontendURL != "" && frontend != want.FrontendURL:
		p.realm = []change{{
			findings: []string{fmt.Sprintf("realm %s: issuer begins with %q, expected %q", want.Name, frontend, want.FrontendURL)},
			verb:     "update", object: "realm " + want.Name,
			write: func(ctx context.Context, token string) error { return a.api.UpdateRealm(ctx, token, rep) },
		}}
	}
	for _, c := range want.Clients {
		p.clients = append(p.clients, a.compareClient(have.clients[c.ID], want.Name, c))
	}
	return p
}

// attributesOf returns a copy of a realm's attributes.
func attributesOf(realm *gocloak.RealmRepresentation) map[string]string {
	out := map[string]string{}
	if realm != nil && realm.Attributes != nil {
		maps.Copy(out, *realm.Attributes)
	}
	return out
}

func (a *Admin) compareClient(have *gocloak.Client, realm string, want Client) []change {
	if have == nil {
		rep := representation(want)
		if want.Audience != "" {
			rep.ProtocolMappers = &[]gocloak.ProtocolMapperRepresentation{mapperFor(want.Audience)}
		}
		return []change{{
			findings: []string{"client " + want.ID + ": absent"}, verb: "create", object: "client " + want.ID,
			write: func(ctx context.Context, token string) error {
				_, err := a.api.CreateClient(ctx, token, realm, rep)
				return err
			},
		}}
	}
	var changes []change
	if findings := settings(have, want); len(findings) > 0 {
		rep := representation(want)
		rep.ID = have.ID
		changes = append(changes, change{
			findings: findings, verb: "update", object: "client " + want.ID,
			write: func(ctx context.Context, token string) error { return a.api.UpdateClient(ctx, token, realm, rep) },
		})
	}
	return append(changes, a.compareMapper(have, realm, want)...)
}

// settings lists how a client differs from the guide's settings.
func settings(have *gocloak.Client, want Client) []string {
	var findings []string
	check := func(bad bool, text string) {
		if bad {
			findings = append(findings, "client "+want.ID+": "+text)
		}
	}
	check(!gocloak.PBool(have.Enabled), "disabled")
	check(gocloak.PBool(have.PublicClient), "public, expected confidential")
	check(gocloak.PBool(have.BearerOnly), "bearer-only, expected one that gets tokens")
	check(!gocloak.PBool(have.ServiceAccountsEnabled), "service account off")
	check(gocloak.PBool(have.StandardFlowEnabled), "standard flow on, expected off")
	check(gocloak.PBool(have.DirectAccessGrantsEnabled), "direct access grants on, expected off")
	found := gocloak.PString(have.ClientAuthenticatorType)
	check(found != authenticator, fmt.Sprintf("authenticator %q, expected %q", found, authenticator))
	check(gocloak.PString(have.Secret) != want.Secret, "secret differs")
	return findings
}

func (a *Admin) compareMapper(have *gocloak.Client, realm string, want Client) []change {
	if want.Audience == "" {
		return nil
	}
	rep, id := mapperFor(want.Audience), gocloak.PString(have.ID)
	old := findMapper(have)
	if old == nil {
		return []change{{
			findings: []string{"client " + want.ID + ": audience mapper absent"}, verb: "create", object: "audience mapper of client " + want.ID,
			write: func(ctx context.Context, token string) error {
				_, err := a.api.CreateClientProtocolMapper(ctx, token, realm, id, rep)
				return err
			},
		}}
	}
	config, findings := mergeConfig(old, rep)
	if len(findings) == 0 {
		return nil
	}
	for i := range findings {
		findings[i] = "client " + want.ID + ": audience mapper: " + findings[i]
	}
	rep.ID, rep.Config = old.ID, &config
	return []change{{
		findings: findings, verb: "update", object: "audience mapper of client " + want.ID,
		write: func(ctx context.Context, token string) error {
			return a.api.UpdateClientProtocolMapper(ctx, token, realm, id, gocloak.PString(old.ID), rep)
		},
	}}
}

func findMapper(c *gocloak.Client) *gocloak.ProtocolMapperRepresentation {
	if c.ProtocolMappers == nil {
		return nil
	}
	for i, m := range *c.ProtocolMappers {
		if gocloak.PString(m.Name) == mapperName {
			return &(*c.ProtocolMappers)[i]
		}
	}
	return nil
}

// mergeConfig returns the old configuration with the wanted values in it, and what that changes. Keys that Keycloak or
// a person added stay, but for one that would override the audience.
func mergeConfig(old *gocloak.ProtocolMapperRepresentation, want gocloak.ProtocolMapperRepresentation) (map[string]string, []string) {
	config, findings := map[string]string{}, []string(nil)
	if old.Config != nil {
		config = maps.Clone(*old.Config)
	}
	for _, pair := range [][3]string{
		{"type", gocloak.PString(old.ProtocolMapper), *want.ProtocolMapper},
		{"protocol", gocloak.PString(old.Protocol), *want.Protocol},
	} {
		if pair[1] != pair[2] {
			findings = append(findings, fmt.Sprintf("%s is %q, expected %q", pair[0], pair[1], pair[2]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(*want.Config)) {
		if value := (*want.Config)[key]; config[key] != value {
			findings = append(findings, fmt.Sprintf("%s is %q, expected %q", key, config[key], value))
			config[key] = value
		}
	}
	if config[clientAudience] != "" {
		findings = append(findings, fmt.Sprintf("%s is %q, expected none", clientAudience, config[clientAudience]))
		delete(config, clientAudience)
	}
	return config, findings
}

// representation is a client with the guide's settings and nothing else, so that an update leaves the rest alone.
func representation(c Client) gocloak.Client {
	return gocloak.Client{
		ClientID:                  &c.ID,
		Secret:                    &c.Secret,
		Enabled:                   gocloak.BoolP(true),
		PublicClient:              gocloak.BoolP(false),
		BearerOnly:                gocloak.BoolP(false),
		ServiceAccountsEnabled:    gocloak.BoolP(true),
		StandardFlowEnabled:       gocloak.BoolP(false),
		DirectAccessGrantsEnabled: gocloak.BoolP(false),
		ClientAuthenticatorType:   gocloak.StringP(authenticator),
	}
}

func mapperFor(audience string) gocloak.ProtocolMapperRepresentation {
	return gocloak.ProtocolMapperRepresentation{
		Name:           gocloak.StringP(mapperName),
		Protocol:       gocloak.StringP(openIDConnect),
		ProtocolMapper: gocloak.StringP(mapperType),
		Config: &map[string]string{
			customAudience: audience, "id.token.claim": "true", "access.token.claim": "true",
		},
	}
}

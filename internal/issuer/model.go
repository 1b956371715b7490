package issuer

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

const (
	masterRealm   = "master"
	adminCLI      = "admin-cli"
	openIDConnect = "openid-connect"
	// audienceMapper is the one mapper type that is served; see "Audience support" in
	// https://www.keycloak.org/docs/26.0.7/server_admin/#audience-support.
	audienceMapper = "oidc-audience-mapper"

	// Lifetimes of access tokens in seconds: Keycloak's defaults for realm master and for any other realm.
	masterLifespan  = 60
	defaultLifespan = 300
)

// state is everything that outlives the process. It is never changed once published: edits are made on a clone.
type state struct {
	realms map[string]*realm
}

type realm struct {
	ID                  string
	Name                string
	DisplayName         string
	Enabled             bool
	AccessTokenLifespan int
	key                 *futureKey
	clients             []*client // sorted by ClientID
	users               []*user   // never changed in place
}

// client is a ClientRepresentation as far as it is kept:
// https://www.keycloak.org/docs-api/26.0.7/rest-api/index.html#ClientRepresentation.
type client struct {
	ID                        string            `json:"id"`
	ClientID                  string            `json:"clientId"`
	Name                      string            `json:"name,omitempty"`
	Description               string            `json:"description,omitempty"`
	Enabled                   bool              `json:"enabled"`
	ClientAuthenticatorType   string            `json:"clientAuthenticatorType"`
	Secret                    string            `json:"secret,omitempty"`
	RedirectURIs              []string          `json:"redirectUris"`
	WebOrigins                []string          `json:"webOrigins"`
	NotBefore                 int               `json:"notBefore"`
	BearerOnly                bool              `json:"bearerOnly"`
	ConsentRequired           bool              `json:"consentRequired"`
	StandardFlowEnabled       bool              `json:"standardFlowEnabled"`
	ImplicitFlowEnabled       bool              `json:"implicitFlowEnabled"`
	DirectAccessGrantsEnabled bool              `json:"directAccessGrantsEnabled"`
	ServiceAccountsEnabled    bool              `json:"serviceAccountsEnabled"`
	PublicClient              bool              `json:"publicClient"`
	FrontchannelLogout        bool              `json:"frontchannelLogout"`
	Protocol                  string            `json:"protocol"`
	Attributes                map[string]string `json:"attributes"`
	FullScopeAllowed          bool              `json:"fullScopeAllowed"`
	ProtocolMappers           []mapper          `json:"protocolMappers,omitempty"`

	// serviceAccount is the "sub" of the client's tokens; it lives as long as service accounts stay enabled.
	serviceAccount string
}

// mapper is a ProtocolMapperRepresentation:
// https://www.keycloak.org/docs-api/26.0.7/rest-api/index.html#ProtocolMapperRepresentation.
type mapper struct {
	ID              string            `json:"id"`
	Name            string            `json:"name"`
	Protocol        string            `json:"protocol"`
	ProtocolMapper  string            `json:"protocolMapper"`
	ConsentRequired bool              `json:"consentRequired"`
	Config          map[string]string `json:"config"`
}

func newMaster() *realm {
	cli := newClient()
	cli.ID, cli.ClientID, cli.Name = uuid.NewString(), adminCLI, "${client_admin-cli}"
	cli.PublicClient, cli.StandardFlowEnabled, cli.DirectAccessGrantsEnabled = true, false, true
	return &realm{
		ID: uuid.NewString(), Name: masterRealm, DisplayName: "Keycloak", Enabled: true,
		AccessTokenLifespan: masterLifespan, key: generateKey(), clients: []*client{cli},
	}
}

// newClient returns a client with the values that Keycloak gives to fields a creator leaves out.
func newClient() *client {
	return &client{
		Enabled: true, ClientAuthenticatorType: "client-secret", StandardFlowEnabled: true, Protocol: openIDConnect,
		FullScopeAllowed: true, RedirectURIs: []string{}, WebOrigins: []string{}, Attributes: map[string]string{},
	}
}

func (c *client) clone() *client {
	n := *c
	n.RedirectURIs = slices.Clone(c.RedirectURIs)
	n.WebOrigins = slices.Clone(c.WebOrigins)
	n.Attributes = maps.Clone(c.Attributes)
	n.ProtocolMappers = slices.Clone(c.ProtocolMappers) // a mapper's Config is replaced, never written to
	return &n
}

// settle brings the fields that follow from others in line: a confidential client has a secret, an enabled service
// account has an identity, which is new after it was disabled in between.
func (c *client) settle() {
	if !c.PublicClient && !c.BearerOnly && c.Secret == "" {
		c.Secret = newSecret()
	}
	switch {
	case !c.ServiceAccountsEnabled:
		c.serviceAccount = ""
	case c.serviceAccount == "":
		c.serviceAccount = uuid.NewString()
	}
}

func (c *client) mapper(id string) int {
	return slices.IndexFunc(c.ProtocolMappers, func(m mapper) bool { return m.ID == id })
}

// audience returns what the client's mappers add to "aud" of access or ID tokens, in their order and without repeats.
func (c *client) audience(tokenClaim string) []string {
	var values []string
	for _, m := range c.ProtocolMappers {
		value := m.Config["included.client.audience"]
		if value == "" {
			value = m.Config["included.custom.audience"]
		}
		if m.ProtocolMapper == audienceMapper && m.Config[tokenClaim] == "true" && value != "" && !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	return values
}

func (s *state) clone() *state { return &state{realms: maps.Clone(s.realms)} }

// edit returns a copy of a realm that may be changed within this state, or nil.
func (s *state) edit(name string) *realm {
	old, ok := s.realms[name]
	if !ok {
		return nil
	}
	n := *old
	n.clients, n.users = slices.Clone(old.clients), slices.Clone(old.users)
	s.realms[name] = &n
	return &n
}

func (r *realm) find(clientID string) (int, bool) {
	return slices.BinarySearchFunc(r.clients, clientID, func(c *client, id string) int { return strings.Compare(c.ClientID, id) })
}

func (r *realm) byClientID(clientID string) *client {
	if i, ok := r.find(clientID); ok {
		return r.clients[i]
	}
	return nil
}

func (r *realm) byID(id string) *client {
	for _, c := range r.clients {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// put adds a client, or replaces the one with the same ID.
func (r *realm) put(c *client) {
	r.remove(c.ID)
	i, _ := r.find(c.ClientID)
	r.clients = slices.Insert(r.clients, i, c)
}

func (r *realm) remove(id string) {
	r.clients = slices.DeleteFunc(r.clients, func(c *client) bool { return c.ID == id })
}

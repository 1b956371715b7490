package issuer

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

// clientView is a client as the admin API shows it: with its secret, as Keycloak does to an administrator.
type clientView struct {
	client
	DefaultClientScopes  []string        `json:"defaultClientScopes"`
	OptionalClientScopes []string        `json:"optionalClientScopes"`
	Access               map[string]bool `json:"access"`
}

type credential struct {
	Type  string `json:"type"`
	Value string `json:"value,omitempty"`
}

func (c *client) view() clientView {
	v := clientView{
		client:               *c,
		DefaultClientScopes:  []string{"acr", "basic", "email", "profile", "roles", "web-origins"},
		OptionalClientScopes: []string{},
		Access:               map[string]bool{"view": true, "configure": true, "manage": true},
	}
	if c.ServiceAccountsEnabled {
		v.DefaultClientScopes = append(v.DefaultClientScopes, "service_account")
	}
	if c.PublicClient {
		v.Secret = ""
	}
	return v
}

// newSecret returns a secret of at least 128 bits.
func newSecret() string { return rand.Text() }

// clientOf returns the client that an admin path names by its ID, which is not its clientId.
func (s *Server) clientOf(r *http.Request) (*client, error) {
	found, err := s.adminRealmOf(r)
	if err != nil {
		return nil, err
	}
	if c := found.byID(r.PathValue("id")); c != nil {
		return c, nil
	}
	return nil, noClient()
}

func noClient() error { return plainFault(http.StatusNotFound, "Could not find client") }

// changeClient replaces the client that the path names by the copy that edit has changed.
func (s *Server) changeClient(r *http.Request, action string, edit func(in *realm, c *client) error) error {
	name, clientID := r.PathValue("realm"), ""
	err := s.changeRealm(r.Context(), name, func(n *realm) error {
		old := n.byID(r.PathValue("id"))
		if old == nil {
			return noClient()
		}
		c := old.clone()
		if err := edit(n, c); err != nil {
			return err
		}
		c.settle()
		n.put(c)
		clientID = c.ClientID
		return nil
	})
	if err == nil {
		s.opts.Log.InfoContext(r.Context(), action, "realm", name, "client", clientID)
	}
	return err
}

func (s *Server) listClients(r *http.Request) (answer, error) {
	found, err := s.adminRealmOf(r)
	if err != nil {
		return answer{}, err
	}
	wanted := strings.TrimSpace(r.URL.Query().Get("clientId"))
	list := make([]clientView, 0, len(found.clients))
	for _, c := range found.clients {
		if wanted == "" || wanted == c.ClientID {
			list = append(list, c.view())
		}
	}
	return answer{status: http.StatusOK, body: list}, nil
}

func (s *Server) getClient(r *http.Request) (answer, error) {
	c, err := s.clientOf(r)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: c.view()}, nil
}

func (s *Server) createClient(r *http.Request) (answer, error) {
	c := newClient()
	if err := decode(r, c); err != nil {
		return answer{}, err
	}
	if c.ID == "" {
		c.ID = uuid.NewString()
	}
	if c.ClientID == "" {
		c.ClientID = c.ID
	}
	if strings.ContainsFunc(c.ID, reserved) {
		return answer{}, adminFault(http.StatusBadRequest, "The ID of a client must be fit for a URL")
	}
	if err := adoptMappers(c, nil); err != nil {
		return answer{}, err
	}
	c.settle()
	name := r.PathValue("realm")
	err := s.changeRealm(r.Context(), name, func(n *realm) error {
		if n.byClientID(c.ClientID) != nil || n.byID(c.ID) != nil {
			return adminFault(http.StatusConflict, "Client "+c.ClientID+" already exists")
		}
		n.put(c)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	s.opts.Log.InfoContext(r.Context(), "client created", "realm", name, "client", c.ClientID)
	return answer{status: http.StatusCreated, location: s.opts.Hostname + "/admin/realms/" + name + "/clients/" + c.ID}, nil
}

// updateClient changes the fields that the body has and leaves the others, as Keycloak does.
func (s *Server) updateClient(r *http.Request) (answer, error) {
	if _, err := s.clientOf(r); err != nil {
		return answer{}, err
	}
	var body json.RawMessage // read before the change, so that no slow caller holds up others
	if err := decode(r, &body); err != nil {
		return answer{}, err
	}
	err := s.changeClient(r, "client updated", func(in *realm, c *client) error {
		return overlay(in, c, body)
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// maskedSecret is what Keycloak shows of a secret to those who may not see it; sent back it means "unchanged".
const maskedSecret = "**********"

// overlay sets the fields of c that the body has. Mappers are replaced as a whole when the body has any list of them.
func overlay(in *realm, c *client, body json.RawMessage) error {
	old := *c
	c.ProtocolMappers = nil
	if err := json.Unmarshal(body, c); err != nil {
		return oauthFault(http.StatusBadRequest, "invalid_request", "Cannot parse the JSON")
	}
	c.ID = old.ID
	if c.ClientID == "" {
		c.ClientID = old.ClientID
	}
	if c.Secret == maskedSecret {
		c.Secret = old.Secret
	}
	if other := in.byClientID(c.ClientID); other != nil && other.ID != c.ID {
		return adminFault(http.StatusConflict, "Client "+c.ClientID+" already exists")
	}
	if c.ProtocolMappers == nil {
		c.ProtocolMappers = old.ProtocolMappers
		return nil
	}
	return adoptMappers(c, old.ProtocolMappers)
}

func (s *Server) deleteClient(r *http.Request) (answer, error) {
	name, clientID := r.PathValue("realm"), ""
	err := s.changeRealm(r.Context(), name, func(n *realm) error {
		c := n.byID(r.PathValue("id"))
		if c == nil {
			return noClient()
		}
		if name == masterRealm && c.ClientID == adminCLI {
			return oauthFault(http.StatusBadRequest, "invalid_request", "Could not delete client")
		}
		clientID = c.ClientID
		n.remove(c.ID)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	s.opts.Log.InfoContext(r.Context(), "client deleted", "realm", name, "client", clientID)
	return answer{status: http.StatusNoContent}, nil
}

func (s *Server) getSecret(r *http.Request) (answer, error) {
	c, err := s.clientOf(r)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: credential{Type: "secret", Value: c.Secret}}, nil
}

func (s *Server) renewSecret(r *http.Request) (answer, error) {
	secret := newSecret()
	err := s.changeClient(r, "client secret renewed", func(_ *realm, c *client) error {
		c.Secret = secret
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: credential{Type: "secret", Value: secret}}, nil
}

package issuer

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// realmRepresentation is the part of Keycloak's RealmRepresentation that means something here:
// https://www.keycloak.org/docs-api/26.0.7/rest-api/index.html#RealmRepresentation.
type realmRepresentation struct {
	ID                  string `json:"id"`
	Realm               string `json:"realm"`
	DisplayName         string `json:"displayName,omitempty"`
	NotBefore           int    `json:"notBefore"`
	SignatureAlgorithm  string `json:"defaultSignatureAlgorithm"`
	AccessTokenLifespan int    `json:"accessTokenLifespan"`
	Enabled             bool   `json:"enabled"`
	SSLRequired         string `json:"sslRequired"`
}

func (r *realm) representation() realmRepresentation {
	return realmRepresentation{
		ID: r.ID, Realm: r.Name, DisplayName: r.DisplayName, SignatureAlgorithm: "RS256",
		AccessTokenLifespan: r.AccessTokenLifespan, Enabled: r.Enabled, SSLRequired: "external",
	}
}

// adminRealmOf returns the realm that an admin path names; the words differ from those of the public paths.
func (s *Server) adminRealmOf(r *http.Request) (*realm, error) {
	if found := s.current.Load().realms[r.PathValue("realm")]; found != nil {
		return found, nil
	}
	return nil, plainFault(http.StatusNotFound, "Realm not found.")
}

func (s *Server) listRealms(*http.Request) (answer, error) {
	st := s.current.Load()
	list := make([]realmRepresentation, 0, len(st.realms))
	for _, name := range slices.Sorted(maps.Keys(st.realms)) {
		list = append(list, st.realms[name].representation())
	}
	return answer{status: http.StatusOK, body: list}, nil
}

func (s *Server) getRealm(r *http.Request) (answer, error) {
	found, err := s.adminRealmOf(r)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: found.representation()}, nil
}

func (s *Server) createRealm(r *http.Request) (answer, error) {
	rep := realmRepresentation{AccessTokenLifespan: defaultLifespan}
	if err := decode(r, &rep); err != nil {
		return answer{}, err
	}
	if err := checkRealm(rep); err != nil {
		return answer{}, err
	}
	err := s.change(r.Context(), func(st *state) error { //nolint:contextcheck // it uses that of r as well
		if st.realms[rep.Realm] != nil {
			return adminFault(http.StatusConflict, "Realm "+rep.Realm+" already exists")
		}
		key, err := s.nextKey(r.Context())
		if err != nil {
			return err
		}
		st.realms[rep.Realm] = &realm{
			ID: uuid.NewString(), Name: rep.Realm, DisplayName: rep.DisplayName, Enabled: rep.Enabled,
			AccessTokenLifespan: rep.AccessTokenLifespan, key: key,
		}
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	s.opts.Log.InfoContext(r.Context(), "realm created", "realm", rep.Realm)
	return answer{status: http.StatusCreated, location: s.opts.Hostname + "/admin/realms/" + rep.Realm}, nil
}

// nextKey returns the key that was made ahead, or makes one. It runs within change and gives no key twice, so a create
// that fails afterwards costs the next one the time of making a key.
func (s *Server) nextKey(ctx context.Context) (*futureKey, error) {
	key := s.spare
	s.spare = nil
	if key == nil {
		key = generateKey()
	}
	if _, err := key.wait(ctx); err != nil {
		return nil, err
	}
	return key, nil
}

func (s *Server) updateRealm(r *http.Request) (answer, error) {
	found, err := s.adminRealmOf(r)
	if err != nil {
		return answer{}, err
	}
	rep := found.representation()
	if err := decode(r, &rep); err != nil {
		return answer{}, err
	}
	if rep.Realm != found.Name {
		return answer{}, adminFault(http.StatusBadRequest, "Renaming a realm is not supported")
	}
	if err := checkRealm(rep); err != nil {
		return answer{}, err
	}
	err = s.changeRealm(r.Context(), found.Name, func(n *realm) error {
		n.DisplayName, n.Enabled, n.AccessTokenLifespan = rep.DisplayName, rep.Enabled, rep.AccessTokenLifespan
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	s.opts.Log.InfoContext(r.Context(), "realm updated", "realm", found.Name)
	return answer{status: http.StatusNoContent}, nil
}

func (s *Server) deleteRealm(r *http.Request) (answer, error) {
	name := r.PathValue("realm")
	if name == masterRealm {
		return answer{}, adminFault(http.StatusBadRequest, "Can't remove master realm")
	}
	err := s.change(r.Context(), func(st *state) error {
		if st.realms[name] == nil {
			return plainFault(http.StatusNotFound, "Realm not found.")
		}
		delete(st.realms, name)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	s.opts.Log.InfoContext(r.Context(), "realm deleted", "realm", name)
	return answer{status: http.StatusNoContent}, nil
}

func checkRealm(rep realmRepresentation) error {
	if rep.Realm == "" {
		return adminFault(http.StatusBadRequest, "Realm name cannot be empty")
	}
	if i := strings.IndexFunc(rep.Realm, reserved); i >= 0 {
		char, _ := utf8.DecodeRuneInString(rep.Realm[i:])
		return plainFault(http.StatusBadRequest, fmt.Sprintf("Character '%c' not allowed.", char))
	}
	if rep.Realm == "." || rep.Realm == ".." {
		return plainFault(http.StatusBadRequest, "Character '.' not allowed.")
	}
	if rep.AccessTokenLifespan <= 0 {
		return adminFault(http.StatusBadRequest, "The access token lifespan must be positive")
	}
	return nil
}

// reserved says which characters must not be in a realm's name, because the name is a part of URLs.
func reserved(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`:/?#[]@!$&'()*+,;=%<>"\`, r)
}

package keycloak

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/Nerzal/gocloak/v13"
)

// snapshot is what Keycloak has of a realm.
type snapshot struct {
	realm   *gocloak.RealmRepresentation // nil when the realm is absent
	clients map[string]*gocloak.Client   // by clientId
}

// Observe compares Keycloak with the desired realm and writes nothing. It takes two requests, side by side, and a
// login when there is none.
func (a *Admin) Observe(ctx context.Context, want Realm) (Diff, error) {
	p, err := a.plan(ctx, want)
	if err != nil {
		return Diff{}, fmt.Errorf("observe realm %s: %w", want.Name, err)
	}
	return p.diff(), nil
}

func (a *Admin) plan(ctx context.Context, want Realm) (plan, error) {
	if err := want.validate(); err != nil {
		return plan{}, err
	}
	have, err := a.read(ctx, want.Name)
	if err != nil {
		return plan{}, err
	}
	return a.compare(have, want), nil
}

// read gets the realm and all its clients; the list holds secrets and mappers, so that no client needs a request of its own.
func (a *Admin) read(ctx context.Context, name string) (snapshot, error) {
	var (
		have           = snapshot{clients: map[string]*gocloak.Client{}}
		list           []*gocloak.Client
		realm, clients error
		wg             sync.WaitGroup
	)
	if _, err := a.login(ctx, ""); err != nil { // once, before two requests need it
		return snapshot{}, err
	}
	wg.Go(func() {
		realm = a.call(ctx, "read realm "+name, func(token string) (err error) {
			have.realm, err = a.api.GetRealm(ctx, token, name)
			return ignoreAbsent(err)
		})
	})
	wg.Go(func() {
		clients = a.call(ctx, "list clients of realm "+name, func(token string) (err error) {
			list, err = a.api.GetClients(ctx, token, name, gocloak.GetClientsParams{})
			return ignoreAbsent(err)
		})
	})
	wg.Wait()
	switch {
	case realm != nil:
		return snapshot{}, realm
	case clients != nil:
		return snapshot{}, clients
	case have.realm != nil && gocloak.PString(have.realm.Realm) != name:
		return snapshot{}, fmt.Errorf("read realm %s: %w: HTTP %d without a realm", name, ErrNotKeycloak, http.StatusOK)
	}
	for _, c := range list {
		have.clients[gocloak.PString(c.ClientID)] = c
	}
	return have, nil
}

// Found is a client that a realm has.
type Found struct {
	// ID is the clientId.
	ID string
	// Enabled says that it gets tokens.
	Enabled bool
	// Audience is what the mapper audience-aip-gateway adds to its tokens; empty when it has no such mapper.
	Audience string
}

// Clients returns the clients of a realm, those of Keycloak itself too, sorted by their ID. A realm that is not there
// has none.
func (a *Admin) Clients(ctx context.Context, realm string) ([]Found, error) {
	have, err := a.read(ctx, realm)
	if err != nil {
		return nil, err
	}
	found := make([]Found, 0, len(have.clients))
	for _, id := range slices.Sorted(maps.Keys(have.clients)) {
		c := have.clients[id]
		f := Found{ID: id, Enabled: gocloak.PBool(c.Enabled)}
		if mapper := findMapper(c); mapper != nil && mapper.Config != nil {
			f.Audience = (*mapper.Config)[customAudience]
		}
		found = append(found, f)
	}
	return found, nil
}

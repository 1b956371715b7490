package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Store keeps the issuer's state as one value. Save replaces it as a whole and is never called twice at a time.
type Store interface {
	// Load returns what was saved last, or nil when nothing was.
	Load(ctx context.Context) ([]byte, error)
	// Save keeps state, which holds private keys and client secrets. It must not keep the slice after it returns.
	Save(ctx context.Context, state []byte) error
}

// ErrNewerState is returned by New when the store was written by a newer version of the program.
var ErrNewerState = errors.New("the issuer's state was written by a newer version of this program")

// MemoryStore is a Store that lives as long as the process; the zero value is empty and ready.
type MemoryStore struct {
	mu    sync.Mutex
	state []byte
}

// Load returns a copy of the value that was saved last.
func (m *MemoryStore) Load(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.state), nil
}

// Save keeps a copy of state.
func (m *MemoryStore) Save(_ context.Context, state []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = slices.Clone(state)
	return nil
}

// stateVersion grows when an older program could no longer read what is written.
const stateVersion = 1

type savedState struct {
	Version int          `json:"version"`
	Realms  []savedRealm `json:"realms"`
}

type savedRealm struct {
	ID                  string        `json:"id"`
	Name                string        `json:"realm"`
	DisplayName         string        `json:"displayName,omitempty"`
	Enabled             bool          `json:"enabled"`
	AccessTokenLifespan int           `json:"accessTokenLifespan"`
	Key                 []byte        `json:"key"` // PKCS#8 DER
	Clients             []savedClient `json:"clients"`
	Users               []savedUser   `json:"users,omitempty"`
}

type savedClient struct {
	client
	ServiceAccount string `json:"serviceAccount,omitempty"`
}

type savedUser struct {
	user

	Password *passwordHash `json:"password,omitempty"`
}

func (s *state) encode(ctx context.Context) ([]byte, error) {
	saved := savedState{Version: stateVersion}
	for _, name := range slices.Sorted(maps.Keys(s.realms)) {
		r := s.realms[name]
		key, err := r.key.wait(ctx)
		if err != nil {
			return nil, err
		}
		sr := savedRealm{
			ID: r.ID, Name: r.Name, DisplayName: r.DisplayName, Enabled: r.Enabled,
			AccessTokenLifespan: r.AccessTokenLifespan, Key: key.der, Clients: make([]savedClient, 0, len(r.clients)),
		}
		for _, c := range r.clients {
			sr.Clients = append(sr.Clients, savedClient{client: *c, ServiceAccount: c.serviceAccount})
		}
		for _, u := range r.users {
			sr.Users = append(sr.Users, savedUser{user: *u, Password: u.password})
		}
		saved.Realms = append(saved.Realms, sr)
	}
	blob, err := json.Marshal(saved)
	if err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	return blob, nil
}

// decodeState reads what encode wrote. Its errors never quote the blob.
func decodeState(blob []byte) (*state, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(blob, &head); err != nil {
		return nil, errors.New("read state: it is not JSON")
	}
	if head.Version > stateVersion {
		return nil, fmt.Errorf("read state: found version %d, expected at most %d: %w", head.Version, stateVersion, ErrNewerState)
	}
	if head.Version < 1 {
		return nil, fmt.Errorf("read state: found version %d, expected 1 to %d", head.Version, stateVersion)
	}
	var saved savedState
	if err := json.Unmarshal(blob, &saved); err != nil {
		return nil, errors.New("read state: its fields are not those of version 1")
	}
	s := &state{realms: make(map[string]*realm, len(saved.Realms))}
	for _, sr := range saved.Realms {
		r, err := sr.realm()
		if err != nil {
			return nil, fmt.Errorf("read state: realm %q: %w", sr.Name, err)
		}
		s.realms[r.Name] = r
	}
	return s, nil
}

func (sr savedRealm) realm() (*realm, error) {
	key, err := parseSigningKey(sr.Key)
	if err != nil {
		return nil, err
	}
	r := &realm{
		ID: sr.ID, Name: sr.Name, DisplayName: sr.DisplayName, Enabled: sr.Enabled,
		AccessTokenLifespan: sr.AccessTokenLifespan, key: readyKey(key), clients: make([]*client, 0, len(sr.Clients)),
	}
	for _, sc := range sr.Clients {
		c := sc.client
		c.serviceAccount = sc.ServiceAccount
		r.clients = append(r.clients, &c)
	}
	for _, su := range sr.Users {
		u := su.user
		u.password = su.Password
		r.users = append(r.users, &u)
	}
	slices.SortFunc(r.clients, func(a, b *client) int { return strings.Compare(a.ClientID, b.ClientID) })
	return r, nil
}

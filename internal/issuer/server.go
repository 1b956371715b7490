package issuer

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// saveTimeout bounds a save, which goes on when its caller hangs up: a half-known outcome would be worse.
const saveTimeout = 10 * time.Second

// Server is an issuer. Requests read an immutable state without locks; changes are made one at a time.
type Server struct {
	opts    Options
	current atomic.Pointer[state]

	writing sync.Mutex
	spare   *futureKey // key of the next realm, made ahead; guarded by writing

	devices devices
}

// New returns an issuer with the state of its store, or with realm master alone. It starts making the keys that are
// missing and returns without waiting for them; they are saved with the first change, before which nothing depends on
// them for longer than a minute. A store of a newer version is refused with ErrNewerState.
func New(ctx context.Context, opts Options) (*Server, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	blob, err := opts.Store.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("issuer: load state: %w", err)
	}
	st := &state{realms: map[string]*realm{}}
	if len(blob) > 0 {
		if st, err = decodeState(blob); err != nil {
			return nil, fmt.Errorf("issuer: %w", err)
		}
	}
	s := &Server{opts: opts}
	if st.realms[masterRealm] == nil {
		st.realms[masterRealm] = newMaster()
	}
	if len(st.realms) == 1 {
		s.spare = generateKey()
	}
	s.current.Store(st)
	return s, nil
}

// change applies edit to a copy of the state, saves the copy and only then makes it the state that requests see.
// When edit or the save fails, nothing has changed.
func (s *Server) change(ctx context.Context, edit func(*state) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	next := s.current.Load().clone()
	if err := edit(next); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	blob, err := next.encode(ctx)
	if err != nil {
		return err
	}
	if err := s.opts.Store.Save(ctx, blob); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	s.current.Store(next)
	return nil
}

// changeRealm is change for one realm, which must exist.
func (s *Server) changeRealm(ctx context.Context, name string, edit func(*realm) error) error {
	return s.change(ctx, func(st *state) error {
		r := st.edit(name)
		if r == nil {
			return plainFault(http.StatusNotFound, "Realm not found.")
		}
		return edit(r)
	})
}

// Handler serves all paths of the issuer. It is safe for concurrent use.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	public := func(pattern string, fn func(*http.Request) (answer, error)) { mux.Handle(pattern, s.handle(fn)) }
	admin := func(pattern string, fn func(*http.Request) (answer, error)) {
		mux.Handle(pattern, s.handle(s.asAdmin(fn)))
	}

	public("GET /{$}", s.welcome)
	public("GET /realms/{realm}", s.realmInfo)
	public("GET /realms/{realm}/.well-known/openid-configuration", s.discovery)
	public("GET /realms/{realm}/protocol/openid-connect/certs", s.certs)
	mux.Handle("POST /realms/{realm}/protocol/openid-connect/token", noStore(s.handle(s.token)))
	public("/realms/{realm}/protocol/openid-connect/token", s.wrongMethod)
	mux.Handle("POST /realms/{realm}/protocol/openid-connect/auth/device", noStore(s.handle(s.beginDevice)))
	mux.Handle("GET /realms/{realm}/device", noStore(http.HandlerFunc(s.showDevice)))
	mux.Handle("POST /realms/{realm}/device", noStore(http.HandlerFunc(s.decideDevice)))
	public("/", s.unknownPath)

	const clients, models = "/admin/realms/{realm}/clients", "/admin/realms/{realm}/clients/{id}/protocol-mappers/models"
	for _, collection := range []string{"/admin/realms", "/admin/realms/{$}"} { // gocloak asks with the slash
		admin("GET "+collection, s.listRealms)
		admin("POST "+collection, s.createRealm)
	}
	admin("GET /admin/realms/{realm}", s.getRealm)
	admin("PUT /admin/realms/{realm}", s.updateRealm)
	admin("DELETE /admin/realms/{realm}", s.deleteRealm)
	admin("GET "+clients, s.listClients)
	admin("POST "+clients, s.createClient)
	admin("GET "+clients+"/{id}", s.getClient)
	admin("PUT "+clients+"/{id}", s.updateClient)
	admin("DELETE "+clients+"/{id}", s.deleteClient)
	admin("GET "+clients+"/{id}/client-secret", s.getSecret)
	admin("POST "+clients+"/{id}/client-secret", s.renewSecret)
	admin("GET "+models, s.listMappers)
	admin("POST "+models, s.createMapper)
	admin("GET "+models+"/{mapper}", s.getMapper)
	admin("PUT "+models+"/{mapper}", s.updateMapper)
	admin("DELETE "+models+"/{mapper}", s.deleteMapper)
	const users = "/admin/realms/{realm}/users"
	admin("GET "+users, s.listUsers)
	admin("POST "+users, s.createUser)
	admin("GET "+users+"/{id}", s.getUser)
	admin("PUT "+users+"/{id}", s.updateUser)
	admin("DELETE "+users+"/{id}", s.deleteUser)
	admin("PUT "+users+"/{id}/reset-password", s.resetPassword)
	admin("/admin/realms/", s.unknownAdminPath)
	return securityHeaders(mux)
}

// securityHeaders adds the headers that Keycloak gives to every answer, but for those that concern TLS and search engines.
func securityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "SAMEORIGIN")
		next.ServeHTTP(w, r)
	})
}

// noStore marks answers that hold tokens, and refusals of them (RFC 6749 section 5.1).
func noStore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Pragma", "no-cache")
		next.ServeHTTP(w, r)
	})
}

package issuer

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// user is a UserRepresentation as far as it is kept:
// https://www.keycloak.org/docs-api/26.0.7/rest-api/index.html#UserRepresentation.
type user struct {
	ID            string `json:"id"`
	Username      string `json:"username"`
	Enabled       bool   `json:"enabled"`
	Email         string `json:"email,omitempty"`
	EmailVerified bool   `json:"emailVerified"`
	FirstName     string `json:"firstName,omitempty"`
	LastName      string `json:"lastName,omitempty"`

	// password is nil as long as nobody set one; then nobody logs in.
	password *passwordHash
}

// passwordHash is what is kept of a password.
type passwordHash struct {
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
	Hash       []byte `json:"hash"`
}

// hashIterations is what Keycloak and OWASP take for PBKDF2 with SHA-256:
// https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#pbkdf2.
const hashIterations = 600_000

func hashPassword(password string, salt []byte, iterations int) ([]byte, error) {
	return pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
}

func newPasswordHash(password string) (*passwordHash, error) {
	h := &passwordHash{Salt: []byte(rand.Text()), Iterations: hashIterations}
	var err error
	h.Hash, err = hashPassword(password, h.Salt, h.Iterations)
	return h, err
}

// is reports whether this is the password.
func (h *passwordHash) is(password string) bool {
	if h == nil {
		return false
	}
	hash, err := hashPassword(password, h.Salt, h.Iterations)
	return err == nil && subtle.ConstantTimeCompare(hash, h.Hash) == 1
}

// login returns the user of this name and password, or the refusal of a grant.
func (r *realm) login(name, password string) (*user, error) {
	u := r.userNamed(name)
	switch {
	case u == nil || !u.password.is(password):
		return nil, wrongLogin()
	case !u.Enabled:
		return nil, oauthFault(http.StatusBadRequest, "invalid_grant", "Account disabled")
	default:
		return u, nil
	}
}

func wrongLogin() error {
	return oauthFault(http.StatusBadRequest, "invalid_grant", "Invalid user credentials")
}

// userNamed returns the user of a name, whatever its case; nil when there is none.
func (r *realm) userNamed(name string) *user {
	return r.userWhere(func(u *user) bool { return strings.EqualFold(u.Username, name) })
}

func (r *realm) userWhere(is func(*user) bool) *user {
	if i := slices.IndexFunc(r.users, is); i >= 0 {
		return r.users[i]
	}
	return nil
}

// userCredential is a CredentialRepresentation with a password.
type userCredential struct {
	Type      string `json:"type"`
	Value     string `json:"value"`
	Temporary bool   `json:"temporary"`
}

// hash returns what is kept of a credential.
func (c userCredential) hash() (*passwordHash, error) {
	switch {
	case c.Type != "" && c.Type != "password":
		return nil, adminFault(http.StatusBadRequest, "Only credentials of type password are served")
	case c.Temporary:
		return nil, adminFault(http.StatusBadRequest, "Temporary passwords are not served")
	case c.Value == "":
		return nil, adminFault(http.StatusBadRequest, "Missing password value")
	}
	return newPasswordHash(c.Value)
}

func noUser() error { return plainFault(http.StatusNotFound, "User not found") }

// listUsers answers with the users whose names contain the parameter username or, with exact=true, are it.
func (s *Server) listUsers(r *http.Request) (answer, error) {
	found, err := s.adminRealmOf(r)
	if err != nil {
		return answer{}, err
	}
	query := r.URL.Query()
	wanted, exact := strings.ToLower(query.Get("username")), query.Get("exact") == "true"
	list := []*user{}
	for _, u := range found.users {
		if exact && u.Username == wanted || !exact && strings.Contains(u.Username, wanted) {
			list = append(list, u)
		}
	}
	return answer{status: http.StatusOK, body: list}, nil
}

func (s *Server) getUser(r *http.Request) (answer, error) {
	found, err := s.adminRealmOf(r)
	if err != nil {
		return answer{}, err
	}
	if u := found.userWhere(func(u *user) bool { return u.ID == r.PathValue("id") }); u != nil {
		return answer{status: http.StatusOK, body: u}, nil
	}
	return answer{}, noUser()
}

func (s *Server) createUser(r *http.Request) (answer, error) {
	if _, err := s.adminRealmOf(r); err != nil {
		return answer{}, err
	}
	var body struct {
		user
		Credentials []userCredential `json:"credentials"`
	}
	if err := decode(r, &body); err != nil {
		return answer{}, err
	}
	u := body.user
	u.ID, u.Username = uuid.NewString(), strings.ToLower(strings.TrimSpace(u.Username))
	if u.Username == "" {
		return answer{}, adminFault(http.StatusBadRequest, "User name is missing")
	}
	for _, c := range body.Credentials {
		var err error
		if u.password, err = c.hash(); err != nil {
			return answer{}, err
		}
	}
	name := r.PathValue("realm")
	err := s.changeRealm(r.Context(), name, func(in *realm) error {
		if in.userNamed(u.Username) != nil {
			return adminFault(http.StatusConflict, "User exists with same username")
		}
		in.users = append(in.users, &u)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	s.opts.Log.InfoContext(r.Context(), "user created", "realm", name, "user", u.Username)
	return answer{status: http.StatusCreated, location: s.opts.Hostname + "/admin/realms/" + name + "/users/" + u.ID}, nil
}

// changeUser replaces the user that the path names by what edit makes of a copy; nil removes it.
func (s *Server) changeUser(r *http.Request, action string, edit func(user) (*user, error)) (answer, error) {
	name, who := r.PathValue("realm"), ""
	err := s.changeRealm(r.Context(), name, func(in *realm) error {
		i := slices.IndexFunc(in.users, func(u *user) bool { return u.ID == r.PathValue("id") })
		if i < 0 {
			return noUser()
		}
		who = in.users[i].Username
		u, err := edit(*in.users[i])
		switch {
		case err != nil:
			return err
		case u == nil:
			in.users = slices.Delete(in.users, i, i+1)
		default:
			in.users[i] = u
		}
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	s.opts.Log.InfoContext(r.Context(), action, "realm", name, "user", who)
	return answer{status: http.StatusNoContent}, nil
}

// updateUser changes what the body has; the name of a user stays.
func (s *Server) updateUser(r *http.Request) (answer, error) {
	var body json.RawMessage // read before the change, so that no slow caller holds up others
	if err := decode(r, &body); err != nil {
		return answer{}, err
	}
	return s.changeUser(r, "user changed", func(u user) (*user, error) {
		id, name := u.ID, u.Username
		if err := json.Unmarshal(body, &u); err != nil {
			return nil, oauthFault(http.StatusBadRequest, "invalid_request", "Cannot parse the JSON")
		}
		u.ID, u.Username = id, name
		return &u, nil
	})
}

func (s *Server) resetPassword(r *http.Request) (answer, error) {
	var c userCredential
	if err := decode(r, &c); err != nil {
		return answer{}, err
	}
	hash, err := c.hash()
	if err != nil {
		return answer{}, err
	}
	return s.changeUser(r, "password set", func(u user) (*user, error) {
		u.password = hash
		return &u, nil
	})
}

func (s *Server) deleteUser(r *http.Request) (answer, error) {
	return s.changeUser(r, "user deleted", func(user) (*user, error) { return nil, nil })
}

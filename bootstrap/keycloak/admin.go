package keycloak

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Nerzal/gocloak/v13"
)

const (
	masterRealm = "master"
	// loginMargin is how long before its end an administrator's token is replaced; it lives for 60 seconds by default.
	loginMargin = 15 * time.Second
)

// Admin talks to one Keycloak as its administrator. It is safe for concurrent use and keeps its login for as long as
// the login is valid.
type Admin struct {
	base, user, password string
	api                  *gocloak.GoCloak
	now                  func() time.Time

	mu     sync.Mutex
	token  string
	expiry time.Time
}

// New returns an Admin for the Keycloak at base, such as http://localhost:8090, with an account of realm master. Of h
// it uses transport and time limit, h may be nil; redirects are not followed. now may be nil for time.Now.
func New(base, user, password string, h *http.Client, now func() time.Time) *Admin {
	if h == nil {
		h = &http.Client{}
	}
	if now == nil {
		now = time.Now
	}
	transport := h.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	api := gocloak.NewClient(base)
	rest := api.RestyClient()
	rest.SetTransport(transport).SetTimeout(h.Timeout).SetLogger(silent{}).SetDisableWarn(true)
	rest.GetClient().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Admin{base: strings.TrimRight(base, "/"), user: user, password: password, api: api, now: now}
}

// silent is a logger of gocloak's HTTP client, which would write to stderr.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}

// String names Keycloak and the account.
func (a *Admin) String() string { return a.user + " of " + a.base }

// Format writes String for every fmt verb, so that neither password nor token is printed.
func (a *Admin) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(a.String())) } // a fmt.State reports its own errors

// call runs fn with an administrator's token, and once more with a new one when the token was refused before its time,
// as after a restart of a Keycloak that keeps nothing. Its errors are of this package's classes.
func (a *Admin) call(ctx context.Context, action string, fn func(token string) error, secrets ...string) error {
	token, err := a.login(ctx, "")
	if err != nil {
		return err
	}
	err = fn(token)
	if statusOf(err) == http.StatusUnauthorized {
		if token, err = a.login(ctx, token); err != nil {
			return err
		}
		err = fn(token)
	}
	var api *gocloak.APIError
	if errors.As(err, &api) {
		return explain(ctx, action, classOf(api.Code), err, append(secrets, a.password, token)...)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return nil
}

// login returns the token at hand, or a new one when that is the refused one or near its end.
func (a *Admin) login(ctx context.Context, refused string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token != "" && a.token != refused && a.now().Add(loginMargin).Before(a.expiry) {
		return a.token, nil
	}
	asked := a.now()
	jwt, err := a.api.LoginAdmin(ctx, a.user, a.password, masterRealm)
	action := "log in to Keycloak at " + a.base
	switch status := statusOf(err); {
	case err != nil && status == http.StatusNotFound:
		return "", explain(ctx, action, ErrNotKeycloak, err)
	case err != nil && status == http.StatusBadRequest: // of invalid_grant in later versions of 26; 401 in 26.0
		return "", explain(ctx, action, ErrCredentials, err, a.password)
	case err != nil:
		return "", explain(ctx, action, classOf(status), err, a.password)
	case jwt.AccessToken == "":
		return "", fmt.Errorf("%s: %w: the answer holds no token", action, ErrNotKeycloak)
	}
	a.token, a.expiry = jwt.AccessToken, asked.Add(time.Duration(jwt.ExpiresIn)*time.Second)
	return a.token, nil
}

// RemoveClient deletes a client with its mappers. A client or realm that is not there is no error.
func (a *Admin) RemoveClient(ctx context.Context, realm, clientID string) error {
	if fault := (Realm{Name: realm}).validate(); fault != nil || clientID == "" {
		return errors.Join(errors.New("remove client: a realm and a client are required"), fault)
	}
	return a.call(ctx, "remove client "+clientID, func(token string) error {
		found, err := a.api.GetClients(ctx, token, realm, gocloak.GetClientsParams{ClientID: &clientID})
		if err != nil {
			return ignoreAbsent(err)
		}
		for _, c := range found {
			if gocloak.PString(c.ClientID) != clientID { // the filter is a search in some versions
				continue
			}
			if err := a.api.DeleteClient(ctx, token, realm, gocloak.PString(c.ID)); err != nil {
				return ignoreAbsent(err)
			}
		}
		return nil
	})
}

func ignoreAbsent(err error) error {
	if statusOf(err) == http.StatusNotFound {
		return nil
	}
	return err
}

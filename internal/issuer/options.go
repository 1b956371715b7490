package issuer

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Options say under which name the issuer answers, who may configure it and where it keeps its state.
type Options struct {
	// Hostname is the public base URL, such as http://localhost:8090, without a slash at the end. It alone decides the
	// "iss" of tokens and the URLs in the discovery document; the Host header of a request never does. It is what
	// KC_HOSTNAME is to Keycloak (https://www.keycloak.org/server/hostname).
	Hostname string
	// AdminUser and AdminPassword are the one account of realm master, like KC_BOOTSTRAP_ADMIN_USERNAME and
	// KC_BOOTSTRAP_ADMIN_PASSWORD. Both are required.
	AdminUser, AdminPassword string
	// Store keeps realms, clients and keys across restarts; required.
	Store Store
	// Now is the clock of all times in tokens; time.Now when nil.
	Now func() time.Time
	// Log receives one line for each change and each internal error, without secrets; discarded when nil.
	Log *slog.Logger
}

// LogValue keeps the password out of logs.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }

// Format keeps the password out of every fmt verb.
func (o Options) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(o.String())) } // a fmt.State reports its own errors

// String names the issuer and its administrator.
func (o Options) String() string { return "issuer " + o.Hostname + " administered by " + o.AdminUser }

func (o Options) complete() (Options, error) {
	if err := checkHostname(o.Hostname); err != nil {
		return o, err
	}
	if o.AdminUser == "" || o.AdminPassword == "" {
		return o, errors.New("issuer: the administrator's name and password are required")
	}
	if o.Store == nil {
		return o, errors.New("issuer: a store is required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func checkHostname(hostname string) error {
	u, err := url.Parse(hostname)
	if err != nil {
		return fmt.Errorf("issuer: read the host name: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("issuer: host name %q: expected a base URL such as http://localhost:8090", u.Redacted())
	}
	if strings.HasSuffix(hostname, "/") {
		return fmt.Errorf("issuer: host name %q: expected no slash at the end", hostname)
	}
	return nil
}

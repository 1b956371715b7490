package issuer

import (
	"crypto/rand"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The device authorization grant: https://www.rfc-editor.org/rfc/rfc8628. Lives and intervals are Keycloak's defaults.
const (
	deviceLife     = 10 * time.Minute
	deviceInterval = 5 * time.Second
	// deviceAttribute of a client lets it use the grant.
	deviceAttribute = "oauth2.device.authorization.grant.enabled"
	// maxDevices bounds what waits at a time; each is over after deviceLife.
	maxDevices = 1000
)

// device is one that waits for a person, or was let in and has not asked since.
type device struct {
	realm, client, scope string
	openID               bool
	code, userCode       string
	until, askAfter      time.Time
	// by is the user that let it in, "" as long as nobody did; denied says that somebody refused.
	by     string
	denied bool
}

// devices are those that wait. They end with the process: a person begins again.
type devices struct {
	mu  sync.Mutex
	all []*device
}

// change looks for a device at a time, in a realm, and calls do with it while nobody else changes it; nil when there is none. When
// do returns true, the device is forgotten.
func (d *devices) change(now time.Time, realm string, is func(*device) bool, do func(*device) (over bool)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, each := range d.all {
		if each.realm == realm && now.Before(each.until) && is(each) {
			if do(each) {
				d.all = append(d.all[:i], d.all[i+1:]...)
			}
			return
		}
	}
	do(nil)
}

// add lets a device wait, and reports whether there is room.
func (d *devices) add(now time.Time, fresh *device) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := d.all[:0]
	for _, each := range d.all {
		if now.Before(each.until.Add(deviceLife)) { // so that one that asks late hears that it was too late
			kept = append(kept, each)
		}
	}
	d.all = kept
	if len(d.all) >= maxDevices {
		return false
	}
	d.all = append(d.all, fresh)
	return true
}

type deviceAnswer struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URL        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int    `json:"expires_in"`
	Interval   int    `json:"interval"`
}

// beginDevice is the device authorization endpoint, RFC 8628 section 3.1.
func (s *Server) beginDevice(r *http.Request) (answer, error) {
	found, err := s.formOf(r)
	if err != nil {
		return answer{}, err
	}
	c, err := clientOf(found, r)
	if err != nil {
		return answer{}, err
	}
	if c.Attributes[deviceAttribute] != "true" {
		return answer{}, notForDevices()
	}
	scope, openID, err := grantedScope(r)
	if err != nil {
		return answer{}, err
	}
	now := s.opts.Now()
	d := &device{
		realm: found.Name, client: c.ClientID, scope: scope, openID: openID, code: rand.Text(), userCode: newUserCode(), until: now.Add(deviceLife), askAfter: now,
	}
	if !s.devices.add(now, d) {
		return answer{}, oauthFault(http.StatusServiceUnavailable, "temporarily_unavailable", "Too many devices wait")
	}
	page := s.realmURL(found.Name) + "/device"
	return answer{status: http.StatusOK, body: deviceAnswer{
		DeviceCode: d.code, UserCode: d.userCode, URL: page, Complete: page + "?user_code=" + d.userCode,
		ExpiresIn: int(deviceLife / time.Second), Interval: int(deviceInterval / time.Second),
	}}, nil
}

func notForDevices() error {
	return oauthFault(http.StatusBadRequest, "unauthorized_client",
		"Client is not allowed to initiate OAuth 2.0 Device Authorization Grant. The flow is disabled for the client.")
}

// newUserCode returns eight letters that nobody confuses and that make no words, which are about 34 bits: RFC 8628 section 6.1.
func newUserCode() string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	var b strings.Builder
	for i := range 8 {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
		if err != nil {
			panic(err) // crypto/rand never fails
		}
		if i == 4 {
			b.WriteByte('-')
		}
		b.WriteByte(letters[n.Int64()])
	}
	return b.String()
}

// sameUserCode reads what a person typed: RFC 8628 section 6.1 wants case and dashes ignored.
func sameUserCode(typed, code string) bool {
	clean := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == '-' || r == ' ' {
				return -1
			}
			return r
		}, strings.ToUpper(s))
	}
	return same(clean(typed), clean(code))
}

// deviceGrant answers a device that asks whether it was let in, RFC 8628 section 3.5.
func (s *Server) deviceGrant(r *http.Request, in *realm, c *client) (answer, error) {
	if c.Attributes[deviceAttribute] != "true" {
		return answer{}, notForDevices()
	}
	code, now := r.PostForm.Get("device_code"), s.opts.Now()
	var let device
	var refused error
	refuse := func(code, words string) { refused = oauthFault(http.StatusBadRequest, code, words) }
	s.devices.change(time.Time{}, in.Name, func(d *device) bool { return same(code, d.code) }, func(d *device) (over bool) {
		switch {
		case d == nil || d.client != c.ClientID:
			refuse("invalid_grant", "Device code not valid")
		case !now.Before(d.until):
			refuse("expired_token", "Device code is expired")
			return true
		case now.Before(d.askAfter):
			refuse("slow_down", "Slow down")
		case d.denied:
			refuse("access_denied", "The end user denied the authorization request")
			return true
		case d.by == "":
			d.askAfter = now.Add(deviceInterval)
			refuse("authorization_pending", "The authorization request is still pending")
		default:
			let = *d
			return true
		}
		return false
	})
	if refused != nil {
		return answer{}, refused
	}
	u := in.userWhere(func(u *user) bool { return u.ID == let.by })
	if u == nil || !u.Enabled {
		return answer{}, oauthFault(http.StatusBadRequest, "invalid_grant", "User disabled")
	}
	return s.issue(r.Context(), in, c, let.scope, let.openID, person(u))
}

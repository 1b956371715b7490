package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// ErrNotOffered says that an issuer offers no such grant.
var ErrNotOffered = errors.New("the issuer does not offer this grant")

// Grants is what an issuer offers, by its description of itself.
type Grants struct {
	TokenURL  string   `json:"token_endpoint"`
	DeviceURL string   `json:"device_authorization_endpoint"`
	Types     []string `json:"grant_types_supported"`
}

// FetchGrants reads what an issuer offers.
func FetchGrants(ctx context.Context, h *http.Client, issuerURL string) (Grants, error) {
	document, err := get(ctx, h, IssuerOf(issuerURL)+wellKnown)
	if err != nil {
		return Grants{}, err
	}
	var g Grants
	if err := json.Unmarshal(document, &g); err != nil || g.TokenURL == "" {
		return Grants{}, fmt.Errorf("%w: %s names no token_endpoint", ErrNoEndpoint, issuerURL)
	}
	return g, nil
}

// MintFor asks for a token of a person by user name and password (RFC 6749 section 4.3), where an issuer still offers that.
func MintFor(ctx context.Context, h *http.Client, r Request, user, password string) (Token, error) {
	form := url.Values{"grant_type": {"password"}, "username": {user}, "password": {password}}
	if r.Scope != "" {
		form.Set("scope", r.Scope)
	}
	return exchange(ctx, h, r, form)
}

// Prompt is what a person does in a browser to let a device in.
type Prompt struct {
	// URL is where to go, and Code what to type there. Complete, when not empty, is a URL that has the code in it.
	URL      string `json:"verification_uri"`
	Code     string `json:"user_code"`
	Complete string `json:"verification_uri_complete"`
}

// deviceAnswer is that of a device authorization endpoint (RFC 8628 section 3.2).
type deviceAnswer struct {
	Prompt

	Device    string `json:"device_code"`
	ExpiresIn int    `json:"expires_in"`
	Interval  int    `json:"interval"`
}

// Device asks for a token of a person who agrees in a browser, on any machine (RFC 8628). show tells them where; then the
// issuer is asked every so often until they have agreed or refused, or the time is over. second is how long a second is, and
// 0 means a second.
func Device(ctx context.Context, h *http.Client, r Request, g Grants, show func(Prompt) error, second time.Duration) (Token, error) {
	if g.DeviceURL == "" {
		return Token{}, fmt.Errorf("%w: its description has no device_authorization_endpoint", ErrNotOffered)
	}
	if second == 0 {
		second = time.Second
	}
	begin, form := r, url.Values{}
	begin.TokenURL = g.DeviceURL
	if r.Scope != "" {
		form.Set("scope", r.Scope)
	}
	answer, err := askDevice(ctx, h, begin, form)
	if err != nil {
		return Token{}, err
	}
	if err := show(answer.Prompt); err != nil {
		return Token{}, err
	}
	return poll(ctx, h, r, answer, second)
}

// Waiting times of RFC 8628, section 3.2 and 3.5, in seconds.
const usualInterval, usualLife, slower = 5, 600, 5

// poll asks whether the person has agreed, as often as the issuer lets it.
func poll(ctx context.Context, h *http.Client, r Request, answer deviceAnswer, second time.Duration) (Token, error) {
	interval, life := answer.Interval, answer.ExpiresIn
	if interval <= 0 {
		interval = usualInterval
	}
	if life <= 0 {
		life = usualLife
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(life)*second)
	defer cancel()
	for {
		timer := time.NewTimer(time.Duration(interval) * second)
		select {
		case <-ctx.Done():
			timer.Stop()
			return Token{}, fmt.Errorf("wait for the agreement: %w", ctx.Err())
		case <-timer.C:
		}
		t, err := exchange(ctx, h, r, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {answer.Device}})
		var e *Error
		switch {
		case errors.As(err, &e) && e.Code == "authorization_pending":
		case errors.As(err, &e) && e.Code == "slow_down":
			interval += slower
		default:
			return t, err
		}
	}
}

// askDevice gets the codes of a device.
func askDevice(ctx context.Context, h *http.Client, r Request, form url.Values) (deviceAnswer, error) {
	var answer deviceAnswer
	res, err := post(ctx, h, r, form)
	if err != nil {
		return answer, fmt.Errorf("ask for a device code: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // it was only read from
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return answer, fmt.Errorf("ask for a device code: %w: %w", ErrUnreachable, err)
	}
	var refused response
	if json.Unmarshal(body, &refused) == nil && refused.Code != "" {
		e := &Error{Status: res.StatusCode, Code: printable(refused.Code, r.ClientSecret), Description: printable(refused.Description, r.ClientSecret)}
		e.class = classify(e.Status, e.Code)
		return answer, fmt.Errorf("ask for a device code: %w", e)
	}
	if json.Unmarshal(body, &answer) != nil || answer.Device == "" || answer.URL == "" {
		return answer, fmt.Errorf("ask for a device code: %w: %s", ErrNoEndpoint, unexpected(res))
	}
	return answer, nil
}

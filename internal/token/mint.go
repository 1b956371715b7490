package token

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxAnswer = 1 << 20
	// maxLifetime bounds what an issuer may claim, far above any real lifetime and far below what overflows.
	maxLifetime = 10 * 365 * 24 * time.Hour
)

// Request asks a token endpoint for a token by client credentials (RFC 6749 section 4.4). It prints without its secret.
type Request struct {
	// TokenURL is the endpoint, .../protocol/openid-connect/token with Keycloak.
	TokenURL string
	// ClientID and ClientSecret identify the client; they go into the form (client_secret_post), as in the guide.
	ClientID, ClientSecret string
	// Scope is sent when it is not empty; "openid" in the guide.
	Scope string
	// Audience is sent when it is not empty, for issuers that have to be told what a token is for.
	Audience string
	// Now is the clock from which Expiry is counted; time.Now when nil.
	Now func() time.Time
}

// String names the client and the endpoint.
func (r Request) String() string { return "token for " + r.ClientID + " from " + r.TokenURL }

// Format writes String for every verb.
func (r Request) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(r.String())) } // a fmt.State reports its own errors

// LogValue is what slog handlers write.
func (r Request) LogValue() slog.Value { return slog.StringValue(r.String()) }

// response is a successful answer (RFC 6749 section 5.1) or an error (5.2).
type response struct {
	AccessToken string          `json:"access_token"`
	ExpiresIn   json.RawMessage `json:"expires_in"` // a number; some issuers write a string
	Code        string          `json:"error"`
	Description string          `json:"error_description"`
}

// Mint asks for a token. What the issuer refuses is an *Error of the class ErrUnknownClient, ErrClientRefused,
// ErrRefused, ErrNoEndpoint or ErrIssuerFailed; without an answer the error is ErrUnreachable. Redirects are not
// followed, because they would carry the secret elsewhere. h may be nil; its time limit and that of ctx both hold.
func Mint(ctx context.Context, h *http.Client, r Request) (Token, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if r.Scope != "" {
		form.Set("scope", r.Scope)
	}
	if r.Audience != "" {
		form.Set("audience", r.Audience)
	}
	return exchange(ctx, h, r, form)
}

// exchange sends a grant to the token endpoint.
func exchange(ctx context.Context, h *http.Client, r Request, form url.Values) (Token, error) {
	asked := clockOf(r.Now)()
	res, err := post(ctx, h, r, form)
	if err != nil {
		return Token{}, fmt.Errorf("get a token for %s: %w", r.ClientID, err)
	}
	defer func() { _ = res.Body.Close() }() // read to its limit; closing can lose nothing
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return Token{}, fmt.Errorf("get a token for %s: %w: read the answer: %w", r.ClientID, ErrUnreachable, err)
	}
	var answer response
	parsed := json.Unmarshal(body, &answer) == nil
	if res.StatusCode == http.StatusOK && parsed && answer.AccessToken != "" {
		return Token{Raw: answer.AccessToken, Expiry: expiry(answer, asked)}, nil
	}
	e := &Error{Status: res.StatusCode, Code: printable(answer.Code, r.ClientSecret), Description: printable(answer.Description, r.ClientSecret)}
	switch {
	case !parsed || answer.Code == "":
		e.Code, e.Description = "", unexpected(res)
	case strings.ContainsAny(answer.Code, " ."): // prose in the place of a code, as Keycloak answers for an unknown realm
		e.Code, e.Description = "", e.Code
	}
	e.class = classify(e.Status, e.Code)
	return Token{}, fmt.Errorf("get a token for %s from %s: %w", r.ClientID, r.TokenURL, e)
}

// post sends a form to an endpoint, with the client's id and, when it has one, its secret.
func post(ctx context.Context, h *http.Client, r Request, form url.Values) (*http.Response, error) {
	form.Set("client_id", r.ClientID)
	if r.ClientSecret != "" {
		form.Set("client_secret", r.ClientSecret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoEndpoint, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	client := http.Client{}
	if h != nil {
		client = *h
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return res, nil
}

// unexpected says what came instead of the JSON of a token endpoint.
func unexpected(res *http.Response) string {
	if location := res.Header.Get("Location"); location != "" {
		return printable("redirected to "+location, "")
	}
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		kind = "an unknown content type"
	}
	return printable("answered "+kind+" without a token, expected JSON with access_token", "")
}

func clockOf(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

// expiry counts expires_in from the moment of asking, or reads the token's own claim when the issuer did not send it.
func expiry(answer response, asked time.Time) time.Time {
	seconds, err := strconv.ParseFloat(strings.Trim(string(answer.ExpiresIn), `"`), 64)
	if err == nil && !math.IsNaN(seconds) && seconds > 0 {
		return asked.Add(time.Duration(min(seconds, maxLifetime.Seconds()) * float64(time.Second)))
	}
	if d, err := Decode(answer.AccessToken); err == nil {
		return d.Expiry
	}
	return time.Time{}
}

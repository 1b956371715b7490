package exchange

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

const (
	exchangeTimeout = 10 * time.Second
	// maxAnswer bounds the answer of the issuer.
	maxAnswer = 64 << 10
)

// exchange asks the issuer for a token in exchange for the agent's.
// Source: https://www.rfc-editor.org/rfc/rfc8693#section-2
func (x *Exchanger) exchange(ctx context.Context, k *v1alpha1.KubernetesOIDC, holder Holder) (Token, error) {
	switch {
	case !sameOrigin(k.TokenExchangeURL, x.options.IssuerURL):
		return Token{}, &UnsupportedError{
			Asked:     fmt.Sprintf("a tokenExchangeURL at %s", originOf(k.TokenExchangeURL)),
			Supported: fmt.Sprintf("those of the agents' own issuer, %s: nobody else gets their tokens", x.options.IssuerURL),
		}
	case x.options.ClientID == "":
		return Token{}, &UnsupportedError{
			Asked:     "a token exchange without a client of the gateway's own",
			Supported: "it with OIDC_CLIENT_ID and OIDC_CLIENT_SECRET in its environment (the chart's gateway.oidcExchange)",
		}
	}
	form := url.Values{
		"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token":        {holder.Token},
		"subject_token_type":   {"urn:ietf:params:oauth:token-type:access_token"},
		"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
	}
	if k.Audience != "" {
		form.Set("audience", k.Audience)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, k.TokenExchangeURL, strings.NewReader(form.Encode()))
	if err != nil {
		return Token{}, fmt.Errorf("token exchange: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.SetBasicAuth(url.QueryEscape(x.options.ClientID), url.QueryEscape(x.options.ClientSecret))
	answer, err := x.http.Do(r)
	if err != nil {
		return Token{}, fmt.Errorf("token exchange: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	return x.read(answer)
}

// read reads the answer of the issuer. What it says of an error is told; what a token might be is not.
func (x *Exchanger) read(answer *http.Response) (Token, error) {
	var body struct {
		Token     string `json:"access_token"`
		ExpiresIn int64  `json:"expires_in"`
		Error     string `json:"error"`
	}
	err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(&body)
	switch {
	case answer.StatusCode == http.StatusOK && err == nil && body.Token != "":
		out := Token{Value: body.Token}
		if body.ExpiresIn > 0 {
			out.Expiry = x.options.Now().Add(time.Duration(body.ExpiresIn) * time.Second)
		}
		return out, nil
	case answer.StatusCode == http.StatusOK:
		return Token{}, &RefusedError{"the issuer answered the token exchange without an access_token"}
	default:
		return Token{}, &RefusedError{fmt.Sprintf("the issuer refused the token exchange: %d %s", answer.StatusCode, code(body.Error))}
	}
}

// code returns an error code of OAuth, or nothing: https://www.rfc-editor.org/rfc/rfc6749#section-5.2.
func code(s string) string {
	if len(s) > 64 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return s
}

func originOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "an unreadable address"
	}
	return u.Scheme + "://" + u.Host
}

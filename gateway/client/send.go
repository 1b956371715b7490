package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// errNoSuchToken stops what could not be a token, such as one that was pasted with a line break, before it is sent.
var errNoSuchToken = errors.New("the token is empty, or has characters that no token has")

// outgoing is a request that can be sent more than once.
type outgoing struct {
	method, path, address, accept string
	body                          []byte // nil when there is none
}

// call sends one request with in as JSON body (none when nil) and decodes the answer into out.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	answer, err := c.send(ctx, method, path, query, in, "application/json")
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // nothing was written
	body, err := io.ReadAll(io.LimitReader(answer.Body, c.maxAnswer+1))
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("read the answer to %s %s: %w", method, path, ctx.Err())
	case err != nil:
		return &unreachable{fmt.Errorf("read the answer to %s %s: %w", method, path, err)}
	case int64(len(body)) > c.maxAnswer:
		return fmt.Errorf("the answer to %s %s is larger than %d bytes: ask for less", method, path, c.maxAnswer)
	}
	if out == nil {
		return nil // the answer says nothing that matters
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("decode the answer to %s %s: %w", method, path, err)
	}
	return nil
}

// send sends one request and returns the answer when it is a success; the caller closes its body. A refused token is
// replaced once: the gateway has not looked at the request then, so nothing is done twice.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, in any, accept string) (*http.Response, error) {
	out := outgoing{method: method, path: path, accept: accept}
	if in != nil {
		var err error
		if out.body, err = json.Marshal(in); err != nil {
			return nil, fmt.Errorf("encode the body of %s %s: %w", method, path, err)
		}
	}
	// path is escaped already, so it is joined as text and not as a URL path.
	out.address = strings.TrimRight(c.base.Scheme+"://"+c.base.Host+c.base.EscapedPath(), "/") + path
	if len(query) > 0 {
		out.address += "?" + query.Encode()
	}
	token, err := c.token(ctx)
	if err != nil {
		return nil, fmt.Errorf("get a token: %w", err)
	}
	answer, err := c.once(ctx, out, token)
	if !errors.Is(err, ErrUnauthorized) {
		return answer, err
	}
	fresh, failed := c.renewed(ctx)
	switch {
	case failed != nil:
		return nil, errors.Join(err, failed)
	case fresh == token:
		return nil, err
	default:
		return c.once(ctx, out, fresh)
	}
}

// renewed returns the token to use instead of a refused one, which may be the same.
func (c *Client) renewed(ctx context.Context) (string, error) {
	if c.forget != nil {
		if err := c.forget(); err != nil {
			return "", fmt.Errorf("drop the refused token: %w", err)
		}
	}
	token, err := c.token(ctx)
	if err != nil {
		return "", fmt.Errorf("get another token: %w", err)
	}
	return token, nil
}

// once sends a request with a token.
func (c *Client) once(ctx context.Context, out outgoing, token string) (*http.Response, error) {
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errNoSuchToken
	}
	var body io.Reader
	if out.body != nil {
		body = bytes.NewReader(out.body)
	}
	request, err := http.NewRequestWithContext(ctx, out.method, out.address, body)
	if err != nil {
		return nil, fmt.Errorf("prepare %s %s: %w", out.method, out.path, err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", out.accept)
	if out.body != nil {
		// The reference gateway reads the body of a review under this exact value only.
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(request)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("%s %s: %w", out.method, out.path, ctx.Err())
	case err != nil:
		return nil, &unreachable{withoutURL(err)}
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		defer func() { _ = answer.Body.Close() }() // nothing was written
		return nil, statusError(answer)
	default:
		return answer, nil
	}
}

// withoutURL takes the method and address off an error of net/http; what is left says why.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

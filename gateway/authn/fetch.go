package authn

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/time/rate"
)

const (
	// fetchTimeout bounds one request to the provider when the HTTP client sets no bound.
	fetchTimeout = 10 * time.Second
	// maxDocumentBytes is the size that a discovery document or a key set may have, maxComplaintBytes that of the
	// answer that goes into an error.
	maxDocumentBytes  = 256 << 10
	maxComplaintBytes = 512
	// keysBurst and keysPerSecond bound the fetches that tokens with unknown keys can cause.
	keysBurst     = 10
	keysPerSecond = 1
)

// transport returns one that trusts authorities besides the system's; nil when there are none.
func transport(authorities string) (http.RoundTripper, error) {
	if authorities == "" {
		return nil, nil //nolint:nilnil // the default of an http.Client
	}
	trusted, err := x509.SystemCertPool()
	if err != nil {
		trusted = x509.NewCertPool()
	}
	if !trusted.AppendCertsFromPEM([]byte(authorities)) {
		return nil, errors.New("the authority of the issuer holds no certificate: expected PEM, -----BEGIN CERTIFICATE-----")
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
	}, nil
}

// bounded cuts the answers of the provider to a size that memory and log lines can hold. It refuses redirects, which
// would lead to another place than the configured one, perhaps over a less protected way. Each request has a connection of
// its own: one that was kept stays with the pod that it once led to, even when another one answers for the provider since.
// Source: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationResponse
type bounded struct{ base http.RoundTripper }

// RoundTrip passes the request on and limits what can be read of the answer.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Close = true
	resp, err := b.base.RoundTrip(req)
	if err != nil {
		return nil, err //nolint:wrapcheck // a transport hands on the error of the transport below it
	}
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		_ = resp.Body.Close() // nothing of it is used
		return nil, fmt.Errorf("%s redirects to %s: expected the document itself", req.URL.Redacted(), quote(to.Redacted()))
	}
	most := int64(maxDocumentBytes)
	if resp.StatusCode != http.StatusOK {
		most = maxComplaintBytes
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, most), resp.Body}
	return resp, nil
}

// keyFetcher is the transport of key requests. It bounds their number, turns every failure into ErrKeysUnreachable,
// and remembers the published key ids.
type keyFetcher struct {
	base http.RoundTripper
	// timeout bounds one fetch. It is not that of the HTTP client above, whose error would hide ErrKeysUnreachable.
	timeout time.Duration
	limit   *rate.Limiter
	now     func() time.Time

	mu   sync.Mutex
	body []byte
	kids map[string]bool
	// fetches counts the key sets that came.
	fetches uint64
}

func newKeyFetcher(base http.RoundTripper, timeout time.Duration, now func() time.Time) *keyFetcher {
	return &keyFetcher{base: base, timeout: timeout, limit: rate.NewLimiter(keysPerSecond, keysBurst), now: now}
}

// knows reports whether the last fetched key set has a key with this id.
func (f *keyFetcher) knows(kid string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kids[kid]
}

// count returns how many key sets have come. Verified with another number, a token is verified with other keys.
func (f *keyFetcher) count() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fetches
}

// RoundTrip answers with the provider's key set, or with the last one when it was asked for too often.
func (f *keyFetcher) RoundTrip(req *http.Request) (*http.Response, error) {
	if f.limit.AllowN(f.now(), 1) {
		body, kids, err := f.get(req)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKeysUnreachable, err)
		}
		f.mu.Lock()
		f.body, f.kids = body, kids
		f.fetches++
		f.mu.Unlock()
		return answer(req, body), nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.body == nil {
		return nil, fmt.Errorf("%w: too many attempts, waiting", ErrKeysUnreachable)
	}
	return answer(req, f.body), nil
}

// get fetches the keys that sign, and their ids.
func (f *keyFetcher) get(req *http.Request) (body []byte, kids map[string]bool, err error) {
	ctx, cancel := context.WithTimeout(req.Context(), f.timeout)
	defer cancel()
	resp, err := f.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, nil, fmt.Errorf("fetch: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read from
	body, err = io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("read answer: %w", err)
	case resp.StatusCode != http.StatusOK:
		return nil, nil, fmt.Errorf("answer %s", resp.Status)
	}
	return signing(body)
}

// signing returns a published key set without the keys that no token may be signed with: those for encryption, private
// and symmetric ones, which whoever reads the set could sign with, and those that nobody can read. One of them must
// not make the others useless.
func signing(published []byte) (body []byte, kids map[string]bool, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(published, &set); err != nil {
		return nil, nil, fmt.Errorf("decode answer: %w", err)
	}
	if set.Keys == nil {
		return nil, nil, errors.New("decode answer: expected a member keys with an array")
	}
	kids = make(map[string]bool, len(set.Keys))
	set.Keys = slices.DeleteFunc(set.Keys, func(raw json.RawMessage) bool {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) != nil || !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
			return true
		}
		kids[key.KeyID] = true
		return false
	})
	if body, err = json.Marshal(set); err != nil {
		return nil, nil, fmt.Errorf("encode keys: %w", err)
	}
	return body, kids, nil
}

// answer returns a response to req that holds a JSON document.
func answer(req *http.Request, body []byte) *http.Response {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)), Request: req,
	}
}

package authn

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// keysMaxAge is after how long keys are fetched anew although all tokens verify, so that a key which the provider
	// withdrew stops counting.
	keysMaxAge = 10 * time.Minute
	// keysRetry is how long to go on with the known keys after such a fetch failed.
	keysRetry = 30 * time.Second
)

// keySet verifies signatures with the provider's published keys. go-oidc's RemoteKeySet fetches keys when it meets a
// signature that it cannot verify; keySet adds an age limit and remembers why a signature was refused.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time

	mu     sync.Mutex
	remote *oidc.RemoteKeySet
	next   time.Time
}

func newKeySet(ctx context.Context, client *http.Client, url string, now func() time.Time) *keySet {
	k := &keySet{url: url, client: client, now: now, next: now().Add(keysMaxAge)}
	k.remote = k.empty(ctx)
	return k
}

// empty returns a set that fetches its keys when it is first asked. Of ctx it keeps the values only.
func (k *keySet) empty(ctx context.Context) *oidc.RemoteKeySet {
	return oidc.NewRemoteKeySet(oidc.ClientContext(ctx, k.client), k.url)
}

// refusal carries the reason of a refused signature past go-oidc, which keeps only its text.
type refusal struct{ err error }

type refusalKey struct{}

// VerifySignature is called by go-oidc's verifier. It returns the payload of a token whose signature is right.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.verify(ctx, token)
	if r, ok := ctx.Value(refusalKey{}).(*refusal); ok {
		r.err = err
	}
	return payload, err
}

func (k *keySet) verify(ctx context.Context, token string) ([]byte, error) {
	current, fresh := k.sets(ctx)
	if fresh == nil {
		return current.VerifySignature(ctx, token)
	}
	// A caller that hangs up must not end the fetch: whoever keeps hanging up could keep withdrawn keys in use.
	payload, err := fresh.VerifySignature(context.WithoutCancel(ctx), token)
	if errors.Is(err, ErrKeysUnreachable) {
		return current.VerifySignature(ctx, token)
	}
	k.install(fresh)
	return payload, err
}

// sets returns the keys in use and, to one caller whenever it is time, a set to fetch anew.
func (k *keySet) sets(ctx context.Context) (current, fresh *oidc.RemoteKeySet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if now.Before(k.next) {
		return k.remote, nil
	}
	k.next = now.Add(keysRetry)
	return k.remote, k.empty(ctx)
}

// due reports whether it is time to fetch the keys anew.
func (k *keySet) due() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.now().Before(k.next)
}

func (k *keySet) install(fresh *oidc.RemoteKeySet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remote, k.next = fresh, k.now().Add(keysMaxAge)
}

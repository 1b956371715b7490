package token

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aip-dev/aip-dev/internal/token/kept"
)

// Token is an access token. It prints and marshals without its value; only a use of Raw reveals it.
type Token = kept.Token

// MintFunc gets a new token, such as a call of Mint or of kept.FileCache.Wrap.
type MintFunc func(ctx context.Context) (Token, error)

// Source keeps one token and replaces it 30 seconds before it expires. It is safe for concurrent use, and however many
// callers find the token stale, one of them asks for a new one while the others wait.
type Source struct {
	mint    MintFunc
	now     func() time.Time
	current atomic.Pointer[Token]
	minting chan struct{} // holds one value while a caller mints
}

// NewSource returns a Source that has no token yet. now may be nil for time.Now.
func NewSource(mint MintFunc, now func() time.Time) *Source {
	return &Source{mint: mint, now: clockOf(now), minting: make(chan struct{}, 1)}
}

// Token returns the raw token, minting it when there is none that is fresh.
func (s *Source) Token(ctx context.Context) (string, error) {
	if t, ok := s.Current(); ok {
		return t.Raw, nil
	}
	select {
	case s.minting <- struct{}{}:
		defer func() { <-s.minting }()
	case <-ctx.Done():
		return "", fmt.Errorf("wait for a token: %w", ctx.Err())
	}
	if t, ok := s.Current(); ok { // another caller was faster
		return t.Raw, nil
	}
	t, err := s.mint(ctx)
	if err != nil {
		return "", err
	}
	s.current.Store(&t)
	return t.Raw, nil
}

// Current returns the token at hand, if it is fresh, without asking anybody.
func (s *Source) Current() (Token, bool) {
	t := s.current.Load()
	if t == nil || !t.Fresh(s.now()) {
		return Token{}, false
	}
	return *t, true
}

// Forget drops the token, so that the next caller gets a new one; for a token that was refused before its time.
func (s *Source) Forget() { s.current.Store(nil) }

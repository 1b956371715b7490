package authn

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxSeen is how many verified tokens are remembered. An agent has one or two at a time.
const maxSeen = 1024

// seen remembers whom verified tokens speak for: an agent sends one token with many requests, and to verify it takes three
// times as long as its signature alone. What is remembered counts only while verifying again would say the same: until
// the token expires, and while the provider's keys are those of the fetch that it was verified with. Kubernetes remembers
// tokens too, for ten seconds.
type seen struct {
	mu    sync.Mutex
	fetch uint64
	of    map[[sha256.Size]byte]Identity
}

// find returns whom a token speaks for that was verified with the keys of this fetch and counts now.
func (s *seen) find(raw string, fetch uint64, now time.Time) (Identity, bool) {
	key := sha256.Sum256([]byte(raw))
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.of[key]
	return found, ok && s.fetch == fetch && now.Before(found.Expiry)
}

// add remembers a token that was verified with the keys of this fetch. A full memory starts anew.
func (s *seen) add(raw string, fetch uint64, whom Identity) {
	key := sha256.Sum256([]byte(raw))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetch != fetch || len(s.of) >= maxSeen || s.of == nil {
		s.fetch, s.of = fetch, map[[sha256.Size]byte]Identity{}
	}
	s.of[key] = whom
}

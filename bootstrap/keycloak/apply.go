package keycloak

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// attempts is how often Apply looks again after another writer got in between.
const attempts = 3

// Apply makes Keycloak agree with the desired realm and returns the number of writes; none when it agreed already. It
// never deletes. note is told of each write once it is done, one call at a time, without secrets; it may be nil. After
// an error, what was written stays, and another Apply goes on from there.
func (a *Admin) Apply(ctx context.Context, want Realm, note func(string)) (writes int, err error) {
	for range attempts {
		var p plan
		if p, err = a.plan(ctx, want); err != nil {
			break
		}
		var n int
		n, err = a.execute(ctx, p, want, note)
		writes += n
		if !errors.Is(err, ErrConflict) {
			break
		}
	}
	if err != nil {
		return writes, fmt.Errorf("apply realm %s: %w", want.Name, err)
	}
	return writes, nil
}

func (a *Admin) execute(ctx context.Context, p plan, want Realm, note func(string)) (int, error) {
	run := writer{admin: a, note: note}
	for _, c := range want.Clients {
		run.secrets = append(run.secrets, c.Secret)
	}
	if err := run.all(ctx, p.realm); err != nil {
		return run.writes, err
	}
	failures := make([]error, len(p.clients))
	var wg sync.WaitGroup
	for i, changes := range p.clients {
		wg.Go(func() { failures[i] = run.all(ctx, changes) })
	}
	wg.Wait()
	return run.writes, errors.Join(failures...)
}

// writer makes changes, counts them and tells of them; clients use it side by side.
type writer struct {
	admin   *Admin
	note    func(string)
	secrets []string

	mu     sync.Mutex
	writes int
}

// all makes changes one after the other, up to the first that fails.
func (w *writer) all(ctx context.Context, changes []change) error {
	for _, c := range changes {
		if err := w.admin.call(ctx, c.action(), func(token string) error { return c.write(ctx, token) }, w.secrets...); err != nil {
			return err
		}
		w.wrote(c.done())
	}
	return nil
}

func (w *writer) wrote(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes++
	if w.note != nil {
		w.note(text)
	}
}

package feed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

const (
	// silence is how long a new stream may say nothing before the gateway counts as unable to stream.
	silence = 2 * time.Second
	// pollEvery is the time between two questions while polling, watchAgain the time after which streaming is tried anew.
	pollEvery  = 2 * time.Second
	watchAgain = 30 * time.Second
	// probeEvery is how often a quiet stream is proved to be alive; the answer also tells when a role changed.
	probeEvery = 10 * time.Second
	// callTimeout ends a single question.
	callTimeout = 5 * time.Second
	// shortestRetry and longestRetry bound the wait before the next attempt, which doubles with each failure. A gateway
	// that comes back is found within three seconds, however long it was away.
	shortestRetry = 250 * time.Millisecond
	longestRetry  = 2500 * time.Millisecond
)

var (
	errSilent = errors.New("the gateway accepted the watch and sent nothing")
	errEnded  = errors.New("the gateway ended the watch")
)

// everything is the question asked: all requests that this identity may see.
func everything() client.ListOptions { return client.ListOptions{AllNamespaces: true} }

// Run follows the gateway until ctx ends. It gives up on nothing.
func (f *Feed) Run(ctx context.Context) {
	wait := shortestRetry
	for {
		connected, err := f.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if connected {
			wait = shortestRetry
			f.change(func(s *state) { s.shown.Mode = Connecting })
		} else {
			retryAt := f.now().Add(wait)
			refused := errors.Is(err, client.ErrUnauthorized) || errors.Is(err, client.ErrForbidden)
			f.change(func(s *state) { s.away(f.now(), retryAt, err, refused) })
		}
		if !sleep(ctx, wait) {
			return
		}
		wait = min(2*wait, longestRetry)
	}
}

// connect follows the gateway for as long as it answers. It reports whether it ever did.
func (f *Feed) connect(ctx context.Context) (connected bool, err error) {
	if err := f.identify(ctx); err != nil {
		return false, err
	}
	synced, err := f.watch(ctx)
	if synced {
		return true, err
	}
	return f.poll(ctx)
}

// identify asks who we are.
func (f *Feed) identify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	who, err := f.source.Whoami(ctx)
	if err != nil {
		return fmt.Errorf("ask who we are: %w", err)
	}
	if !f.knows(who) {
		f.change(func(s *state) { s.shown.Who = &who })
	}
	return nil
}

// watch follows the stream until it ends, and reports whether it ever was complete.
func (f *Feed) watch(ctx context.Context) (synced bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var probe sync.WaitGroup
	defer probe.Wait()
	defer cancel(nil)

	quiet := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer quiet.Stop()
	f.change(func(s *state) { s.begin() })
	err = f.source.Watch(ctx, everything(), func(e wire.Event) error {
		if e.Type == wire.EventSynced && !synced {
			synced = true
			quiet.Stop()
			f.change(func(s *state) { s.complete(Live) })
			probe.Go(func() { f.probe(ctx, cancel) })
			return nil
		}
		if !synced {
			quiet.Reset(silence)
		}
		f.change(func(s *state) { s.apply(e) })
		return nil
	})
	switch cause := context.Cause(ctx); {
	case cause != nil:
		err = cause
	case err == nil:
		err = errEnded
	}
	return synced, fmt.Errorf("watch agent requests: %w", err)
}

// probe asks the gateway from time to time while a stream is open, and ends the stream when it does not answer: a
// connection that broke without a word looks just like one on which nothing happens.
func (f *Feed) probe(ctx context.Context, end context.CancelCauseFunc) {
	for sleep(ctx, probeEvery) {
		if err := f.identify(ctx); err != nil {
			end(err)
			return
		}
	}
}

// poll asks for everything again and again, until the gateway does not answer or a stream was open in between.
func (f *Feed) poll(ctx context.Context) (connected bool, err error) {
	for left := watchAgain; ; left -= pollEvery {
		if left <= 0 {
			left = watchAgain
			if synced, err := f.watch(ctx); synced {
				return true, err
			}
		}
		if err := f.list(ctx); err != nil {
			return connected, err
		}
		connected = true
		if !sleep(ctx, pollEvery) {
			return connected, ctx.Err()
		}
		if err := f.identify(ctx); err != nil {
			return connected, err
		}
	}
}

// list asks for everything once.
func (f *Feed) list(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	requests, err := f.source.List(ctx, everything())
	if err != nil {
		return fmt.Errorf("list agent requests: %w", err)
	}
	f.change(func(s *state) {
		s.begin()
		for i := range requests {
			s.apply(wire.Event{Type: wire.EventAdded, Object: &requests[i]})
		}
		s.complete(Polling)
	})
	return nil
}

// sleep waits for d and reports whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// lastAnswers says in each answer that no other follows on its connection, once the server has begun to end.
func (s *Server) lastAnswers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-s.draining:
			w.Header().Set("Connection", "close")
		default:
		}
		next.ServeHTTP(w, r)
	})
}

// linger waits until clients have closed their connections, for a while.
func (s *Server) linger() {
	timer := time.NewTimer(lingerTimeout)
	defer timer.Stop()
	select {
	case <-s.open.none():
	case <-timer.C:
	}
}

// connections counts the open connections of a server.
type connections struct {
	mu    sync.Mutex
	count int
	ended []chan struct{}
}

// changed is the ConnState of a http.Server.
func (c *connections) changed(_ net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.count++
	case http.StateClosed, http.StateHijacked:
		c.count--
	case http.StateActive, http.StateIdle:
	}
	c.tell()
}

// none returns a channel that is closed once no connection is open.
func (c *connections) none() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	ended := make(chan struct{})
	c.ended = append(c.ended, ended)
	c.tell()
	return ended
}

func (c *connections) tell() {
	if c.count > 0 {
		return
	}
	for _, ended := range c.ended {
		close(ended)
	}
	c.ended = nil
}

// shutdown closes the listener and waits for requests under way; those that take too long are cut off.
func shutdown(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if err != nil {
		return fmt.Errorf("stop serving: %w", err)
	}
	return nil
}

// Package forward carries connections to ports of this machine into a cluster, each to a ready pod behind a Service,
// over the API server, as kubectl port-forward does for one pod. It goes on over rollouts, restarts and sleeps of
// either side. `aip-dev serve --only forward` runs it.
package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	// patience is how long an accepted connection waits for a pod to take it.
	patience = 10 * time.Second
	// retryEvery is how often one that waits tries again.
	retryEvery = 100 * time.Millisecond
	// acceptPause is how long to wait after a connection could not be accepted, such as without a free descriptor.
	acceptPause = 50 * time.Millisecond
)

// ErrNoPod says that no pod behind a Service is ready.
var ErrNoPod = errors.New("no pod behind the Service is ready")

// Target is a Service and the listeners whose connections go to it.
type Target struct {
	// Listeners are closed when Run ends.
	Listeners []net.Listener
	Namespace string
	Service   string
	// Port is a port of the Service.
	Port int32
}

// Options are what Run works with. All fields are required.
type Options struct {
	Config  *rest.Config
	Targets []Target
	Log     *slog.Logger
}

// Run carries connections until ctx ends, then cuts them off. The API server need not answer yet, nor the Services be
// there: a connection waits a while for a ready pod, then it is closed.
func Run(ctx context.Context, o Options) error {
	client, err := kubernetes.NewForConfig(o.Config)
	if err != nil {
		return fmt.Errorf("make a Kubernetes client: %w", err)
	}
	var all sync.WaitGroup
	for _, t := range o.Targets {
		carrier := &carrier{
			log:  o.Log.With("service", t.Namespace+"/"+t.Service),
			pods: newPods(client, t), dial: dialer(o.Config, client, t.Namespace),
		}
		all.Go(func() { carrier.pods.watch(ctx) })
		for _, l := range t.Listeners {
			all.Go(func() { carrier.accept(ctx, l) })
			context.AfterFunc(ctx, func() { _ = l.Close() }) // accept reports what matters
		}
	}
	all.Wait()
	return nil
}

// carrier carries the connections of one target. Each has a connection of its own to the API server, so that one whose
// client does not read holds up no other.
type carrier struct {
	log  *slog.Logger
	pods *pods
	dial func(ctx context.Context, pod pod) (*stream, error)
}

func (c *carrier) accept(ctx context.Context, l net.Listener) {
	var carried sync.WaitGroup
	defer carried.Wait()
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			carried.Go(func() { c.carry(ctx, conn) })
		case ctx.Err() != nil, errors.Is(err, net.ErrClosed):
			return
		default:
			c.log.WarnContext(ctx, "connection not accepted", "error", err)
			if !pause(ctx, acceptPause) {
				return
			}
		}
	}
}

// carry joins conn to a pod and returns when both have said all they had to say.
func (c *carrier) carry(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }() // nothing is left to say
	remote, err := c.reach(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.log.WarnContext(ctx, "connection not carried", "error", err)
		}
		return
	}
	stop := context.AfterFunc(ctx, func() {
		_ = conn.Close() // ends join
		remote.close()
	})
	defer stop()
	defer remote.close()
	if err := join(conn, remote); err != nil && ctx.Err() == nil {
		c.log.InfoContext(ctx, "connection cut off", "error", err)
	}
}

// reach opens a stream to a ready pod. Nothing was read from the client yet, so that another pod may be tried.
func (c *carrier) reach(ctx context.Context) (*stream, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		s, err := c.open(limited)
		if err == nil {
			return s, nil
		}
		if !pause(limited, retryEvery) {
			return nil, err
		}
	}
}

// open opens a stream to the next ready pod.
func (c *carrier) open(ctx context.Context) (*stream, error) {
	pod, err := c.pods.next(ctx)
	if err != nil {
		return nil, err
	}
	s, err := c.dial(ctx, pod)
	if err != nil {
		return nil, fmt.Errorf("pod %s: %w", pod.name, err)
	}
	return s, nil
}

// pause waits for d and returns true, or false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package endpoint

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"k8s.io/cri-streaming/pkg/streaming"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
)

// portForward takes the connection over and serves forwarded streams on it until either side ends it.
func (n *node) portForward(w http.ResponseWriter, r *http.Request) {
	options, err := portforward.NewV4Options(r)
	if err != nil {
		say(w, http.StatusBadRequest, err.Error())
		return
	}
	n.forwards.Add(1)
	defer n.forwards.Done()
	ctx, namespace, pod := r.Context(), r.PathValue("namespace"), r.PathValue("pod")
	dial := func(port int32, stream io.ReadWriter) error {
		conn, err := n.Pods.Dial(ctx, namespace, pod, port)
		if err != nil {
			return err
		}
		return relay(ctx, stream, conn)
	}
	config := streaming.DefaultConfig
	end := func(conn net.Conn) { context.AfterFunc(ctx, func() { _ = conn.Close() }) }
	portforward.ServePortForward(taken{ResponseWriter: w, end: end}, r, forwarder(dial), pod, "", options,
		config.StreamIdleTimeout, config.StreamCreationTimeout, config.SupportedPortForwardProtocols)
}

// forwarder serves one forwarded stream.
type forwarder func(port int32, stream io.ReadWriter) error

// PortForward implements portforward.PortForwarder. Its context is never cancelled; the request's is used instead.
func (f forwarder) PortForward(_ context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	return f(port, stream)
}

// relay copies both ways until the pod has said all it had to say, or ctx ends.
func relay(ctx context.Context, stream io.ReadWriter, conn net.Conn) error {
	hangUp := func() { _ = conn.Close() } // ends the copies below, which report what matters
	defer hangUp()
	defer context.AfterFunc(ctx, hangUp)()
	go func() {
		_, err := io.Copy(conn, stream)
		half, ok := conn.(interface{ CloseWrite() error })
		if err != nil || !ok || half.CloseWrite() != nil {
			hangUp()
		}
	}()
	_, err := io.Copy(stream, conn)
	if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
		return fmt.Errorf("relay: %w", err)
	}
	return nil
}

// taken is a response whose connection is closed when its request ends: after it is taken over, the server knows
// nothing of it.
type taken struct {
	http.ResponseWriter
	end func(net.Conn)
}

// Hijack implements http.Hijacker.
func (t taken) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	t.end(conn)
	return conn, buffer, nil
}

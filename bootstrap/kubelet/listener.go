package kubelet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
)

const (
	// backlog is how many connections wait to be accepted, as the queue of a TCP listener.
	backlog = 256
	// firstEphemeral is where a pod's listeners without a port of their own begin. Source: ip(7), ip_local_port_range.
	firstEphemeral = 32768
)

// network is a pod's network: its address and the listeners of its containers, all in memory.
type network struct {
	ip netip.Addr

	mu    sync.Mutex
	ports map[uint16]*listener
}

// listen opens a listener for one run of a container.
func (n *network) listen(protocol, address string) (*listener, error) {
	refuse := func(err error) (*listener, error) {
		return nil, &net.OpError{Op: "listen", Net: protocol, Addr: text(address), Err: err}
	}
	switch protocol {
	case "tcp", "tcp4", "tcp6":
	default:
		return refuse(net.UnknownNetworkError(protocol))
	}
	_, name, err := net.SplitHostPort(address)
	if err != nil {
		return refuse(err)
	}
	port, err := strconv.ParseUint(name, 10, 16)
	if err != nil {
		return refuse(fmt.Errorf("read the port: %w", err))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	number := uint16(port)
	if number == 0 {
		for number = firstEphemeral; n.ports[number] != nil; number++ {
		}
	}
	if n.ports[number] != nil {
		return refuse(os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	l := newListener(net.TCPAddrFromAddrPort(netip.AddrPortFrom(n.ip, number)), func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.ports, number)
	})
	n.ports[number] = l
	return l, nil
}

// deliver gives an accepted connection to the listener at port. Back receives it again when that listener closes
// before it was accepted. It reports whether somebody listens.
func (n *network) deliver(port uint16, c net.Conn, back func(net.Conn)) bool {
	n.mu.Lock()
	l := n.ports[port]
	n.mu.Unlock()
	return l != nil && l.deliver(arrival{c, back})
}

// dial connects to the listener at port.
func (n *network) dial(ctx context.Context, port uint16) (net.Conn, error) {
	to := net.TCPAddrFromAddrPort(netip.AddrPortFrom(n.ip, port))
	refuse := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: to, Err: err}
	}
	if err := ctx.Err(); err != nil {
		return refuse(err)
	}
	from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0))
	near, far := net.Pipe()
	if !n.deliver(port, &pipe{Conn: far, local: to, remote: from}, nil) {
		return refuse(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	return &pipe{Conn: near, local: from, remote: to}, nil
}

// pipe is one end of a net.Pipe with the addresses of the connection that it stands for.
type pipe struct {
	net.Conn
	local, remote net.Addr
}

func (p *pipe) LocalAddr() net.Addr  { return p.local }
func (p *pipe) RemoteAddr() net.Addr { return p.remote }

// text is an address as it was asked for.
type text string

func (text) Network() string  { return "tcp" }
func (t text) String() string { return string(t) }

// arrival is a connection that waits to be accepted. Back, if any, takes it when nobody will.
type arrival struct {
	conn net.Conn
	back func(net.Conn)
}

// listener is a net.Listener whose connections are handed to it.
type listener struct {
	address net.Addr
	queue   chan arrival
	closed  chan struct{}
	release func()

	mu    sync.Mutex
	ended bool
	cut   bool
	open  map[*conn]struct{}
}

// newListener returns an open listener; Close calls release once.
func newListener(address net.Addr, release func()) *listener {
	return &listener{
		address: address, release: release,
		queue: make(chan arrival, backlog), closed: make(chan struct{}), open: map[*conn]struct{}{},
	}
}

func (l *listener) deliver(a arrival) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	select {
	case l.queue <- a:
		return true
	default: // the queue is full: refused, as a TCP listener does
		return false
	}
}

// Accept returns the next connection that was delivered.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.queue:
		return l.track(a.conn), nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.address, Err: net.ErrClosed}
	}
}

// Close ends the listener. Connections that were accepted live on, those that wait go back to where they came from.
func (l *listener) Close() error {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return nil
	}
	l.ended = true
	close(l.closed)
	l.mu.Unlock()
	l.release()
	for {
		select {
		case a := <-l.queue:
			if a.back != nil {
				a.back(a.conn)
			} else {
				_ = a.conn.Close() // nothing was exchanged
			}
		default:
			return nil
		}
	}
}

// Addr returns the pod's address with the port.
func (l *listener) Addr() net.Addr { return l.address }

// sever closes the listener and every connection that it accepted.
func (l *listener) sever() {
	_ = l.Close() // it cannot fail
	l.mu.Lock()
	l.cut = true
	open := l.open
	l.open = nil
	l.mu.Unlock()
	for c := range open {
		_ = c.Conn.Close() // its reader and writer learn of it
	}
}

func (l *listener) track(inner net.Conn) net.Conn {
	c := &conn{Conn: inner, from: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		_ = inner.Close() // the container has ended
		return c
	}
	l.open[c] = struct{}{}
	return c
}

// conn is an accepted connection that its listener can close.
type conn struct {
	net.Conn
	from *listener
}

// Close closes the connection and forgets it.
func (c *conn) Close() error {
	c.from.mu.Lock()
	delete(c.from.open, c)
	c.from.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite ends what this side sends. net/http uses it so that a client still reads the last answer.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// sockets are the listeners that one run of a container opened.
type sockets struct {
	network *network

	mu    sync.Mutex
	ended bool
	open  []*listener
}

func (s *sockets) listen(protocol, address string) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, &net.OpError{Op: "listen", Net: protocol, Addr: text(address), Err: net.ErrClosed}
	}
	l, err := s.network.listen(protocol, address)
	if err != nil {
		return nil, err
	}
	s.open = append(s.open, l)
	return l, nil
}

// sever closes all listeners with their connections, for good.
func (s *sockets) sever() {
	s.mu.Lock()
	s.ended = true
	open := s.open
	s.open = nil
	s.mu.Unlock()
	for _, l := range open {
		l.sever()
	}
}

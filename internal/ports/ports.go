// Package ports finds free TCP ports on loopback and names who holds a taken one. Steps and checks call it.
package ports

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
)

// tries is how many ports above the wanted one Next looks at.
const tries = 100

// TakenError says that a port is taken, and by whom as far as that can be seen.
type TakenError struct {
	Port  int
	Owner string
}

// Error names the port and its owner.
func (e *TakenError) Error() string { return fmt.Sprintf("port %d is taken by %s", e.Port, e.Owner) }

// Check returns a TakenError when port cannot be listened on at 127.0.0.1 or, where that exists, at ::1. Both count,
// because a client that asks for localhost may be led to either.
func Check(ctx context.Context, port int) error {
	listeners, err := Listen(ctx, port)
	closeAll(listeners)
	return err
}

// Listen listens on port at every loopback address of this machine. Port 0 takes a free one at 127.0.0.1 alone. The
// error is a *TakenError when the port is in use.
func Listen(ctx context.Context, port int) ([]net.Listener, error) {
	listeners, err := listen(ctx, port)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &TakenError{Port: port, Owner: owner(ctx, port)}
	}
	return listeners, err
}

// listen is Listen, without asking who holds a port that is in use.
func listen(ctx context.Context, port int) ([]net.Listener, error) {
	addresses := [][2]string{{"tcp4", "127.0.0.1"}, {"tcp6", "::1"}}
	if port == 0 || !hasIPv6Loopback() {
		addresses = addresses[:1]
	}
	var open []net.Listener
	for _, a := range addresses {
		l, err := new(net.ListenConfig).Listen(ctx, a[0], net.JoinHostPort(a[1], strconv.Itoa(port)))
		if err != nil {
			closeAll(open)
			return nil, fmt.Errorf("listen on port %d of loopback: %w", port, err)
		}
		open = append(open, l)
	}
	return open, nil
}

// closeAll closes listeners that were opened to see whether they can be.
func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // nothing was accepted, so nothing can be lost
	}
}

// Next returns the first free port from port on.
func Next(ctx context.Context, port int) (int, error) {
	for candidate := port; candidate < port+tries && candidate <= 65535; candidate++ {
		if listeners, err := listen(ctx, candidate); err == nil {
			closeAll(listeners)
			return candidate, nil
		}
	}
	return 0, fmt.Errorf("no free port from %d to %d", port, min(port+tries-1, 65535))
}

func hasIPv6Loopback() bool {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(net.IPv6loopback) {
			return true
		}
	}
	return false
}

// owner names the process that listens on port, or says that it cannot be seen.
func owner(ctx context.Context, port int) string {
	const unseen = "another process"
	connections, err := psnet.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return unseen
	}
	for _, c := range connections {
		if int(c.Laddr.Port) != port || c.Status != "LISTEN" || c.Pid == 0 {
			continue
		}
		p, err := process.NewProcessWithContext(ctx, c.Pid)
		if err != nil {
			return fmt.Sprintf("process %d", c.Pid)
		}
		name, err := p.NameWithContext(ctx)
		if err != nil {
			return fmt.Sprintf("process %d", c.Pid)
		}
		return fmt.Sprintf("%s (process %d)", name, c.Pid)
	}
	return unseen
}

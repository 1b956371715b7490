package ports

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

// take listens at address on a free port and returns the port.
func take(t *testing.T, network, address string) int {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	if err != nil {
		t.Skipf("this machine has no %s: %v", address, err)
	}
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	})
	tcp, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("%T is not a TCP address", listener.Addr())
	}
	return tcp.Port
}

func TestTakenPortsNameTheirOwner(t *testing.T) {
	t.Parallel()
	for name, listen := range map[string][2]string{
		"127.0.0.1": {"tcp4", "127.0.0.1:0"}, "every IPv4 address": {"tcp4", "0.0.0.0:0"}, "::1 alone": {"tcp6", "[::1]:0"}, "every address": {"tcp", ":0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := take(t, listen[0], listen[1])
			err := Check(t.Context(), port)
			var taken *TakenError
			if !errors.As(err, &taken) || taken.Port != port {
				t.Fatalf("got %v, expected that %d is taken", err, port)
			}
			if want := fmt.Sprintf("(process %d)", os.Getpid()); !strings.Contains(taken.Owner, want) || strings.HasPrefix(taken.Owner, "(") {
				t.Errorf("owner %q, expected a name and %s", taken.Owner, want)
			}
			if want := fmt.Sprintf("port %d is taken by %s", port, taken.Owner); err.Error() != want {
				t.Errorf("got %q, expected %q", err, want)
			}
			listeners, err := Listen(t.Context(), port)
			if !errors.As(err, &taken) || listeners != nil {
				t.Errorf("Listen: %v, %v", listeners, err)
			}
		})
	}
}

// A port that was looked at is free afterwards, and what Listen opens answers at each address that localhost may mean.
func TestFreePort(t *testing.T) {
	t.Parallel()
	port, err := Next(t.Context(), 20000+os.Getpid()%20000)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Check(t.Context(), port); err != nil {
			t.Fatal(err)
		}
	}
	listeners, err := Listen(t.Context(), port)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range listeners {
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Errorf("%s: %v", l.Addr(), err)
			continue
		}
		if err := connection.Close(); err != nil {
			t.Error(err)
		}
	}
	if hasIPv6Loopback() && len(listeners) != 2 {
		t.Errorf("%d listeners, expected one at 127.0.0.1 and one at ::1", len(listeners))
	}
	for _, l := range listeners {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := Check(t.Context(), port); err != nil {
		t.Errorf("after all were closed: %v", err)
	}
}

func TestPortZeroTakesAFreeOne(t *testing.T) {
	t.Parallel()
	listeners, err := Listen(t.Context(), 0)
	if err != nil || len(listeners) != 1 {
		t.Fatalf("%d listeners, %v", len(listeners), err)
	}
	defer closeAll(listeners)
	if host, port, err := net.SplitHostPort(listeners[0].Addr().String()); err != nil || host != "127.0.0.1" || port == "0" {
		t.Errorf("listens at %s", listeners[0].Addr())
	}
}

// Whichever address a port is taken at, Next passes over it.
func TestNextPassesOverTakenPorts(t *testing.T) {
	t.Parallel()
	for _, listen := range [][2]string{{"tcp4", "127.0.0.1:0"}, {"tcp6", "[::1]:0"}} {
		port := take(t, listen[0], listen[1])
		got, err := Next(t.Context(), port)
		if err != nil || got <= port || got >= port+tries {
			t.Errorf("taken at %s: next after %d is %d, %v", listen[1], port, got, err)
		}
	}
}

func TestNextEndsAtTheLastPort(t *testing.T) {
	t.Parallel()
	const last = 65535
	first := take(t, "tcp4", "127.0.0.1:"+strconv.Itoa(last))
	if _, err := Next(t.Context(), first); err == nil || !strings.Contains(err.Error(), "from 65535 to 65535") {
		t.Errorf("got %v", err)
	}
}

// What keeps a port from being listened on is not always another process.
func TestOtherErrorsAreNotTaken(t *testing.T) {
	t.Parallel()
	var taken *TakenError
	if err := Check(t.Context(), 70000); err == nil || errors.As(err, &taken) || !strings.Contains(err.Error(), "70000") {
		t.Errorf("no port: %v", err)
	}
}

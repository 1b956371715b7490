package kubelet

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

func newNetwork() *network {
	return &network{ip: netip.MustParseAddr("10.244.0.9"), ports: map[uint16]*listener{}}
}

func TestListenAndDial(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	open := &sockets{network: n}
	l, err := open.listen("tcp", "0.0.0.0:8080")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		network, address string
		want             error
	}{
		{"tcp", ":8080", syscall.EADDRINUSE}, {"udp", ":1", net.UnknownNetworkError("udp")}, {"tcp", "8080", nil}, {"tcp", ":http", nil},
	} {
		_, err := open.listen(test.network, test.address)
		if err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("listen %s %s: %v, expected %v", test.network, test.address, err, test.want)
		}
	}
	if free, err := open.listen("tcp", ":0"); err != nil || free.Addr().String() != "10.244.0.9:32768" {
		t.Errorf("listen without a port: %v %v", free, err)
	}
	near, err := n.dial(t.Context(), 8080)
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if far.LocalAddr().String() != "10.244.0.9:8080" || near.RemoteAddr().String() != "10.244.0.9:8080" || far.RemoteAddr().String() != "127.0.0.1:0" {
		t.Errorf("addresses: %v %v %v", far.LocalAddr(), near.RemoteAddr(), far.RemoteAddr())
	}
	go func() { _, _ = near.Write([]byte("hi")) }()
	got := make([]byte, 2)
	if _, err := far.Read(got); err != nil || !bytes.Equal(got, []byte("hi")) {
		t.Errorf("read: %q %v", got, err)
	}
	if _, err := n.dial(t.Context(), 9); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial where nobody listens: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.dial(ended, 8080); !errors.Is(err, context.Canceled) {
		t.Errorf("dial after the end: %v", err)
	}
	open.sever()
	if _, err := near.Read(got); err == nil {
		t.Error("a connection outlives its container")
	}
	if _, err := open.listen("tcp", ":1"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("listen after the end: %v", err)
	}
	if again, err := (&sockets{network: n}).listen("tcp", ":8080"); err != nil {
		t.Errorf("the next run cannot listen: %v %v", again, err)
	}
}

func TestClosedListenerGivesBackWhatWaits(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	l, err := n.listen("tcp", ":8080")
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	given := make(chan net.Conn, 1)
	if !n.deliver(8080, far, func(c net.Conn) { given <- c }) {
		t.Fatal("not delivered")
	}
	waiting, err := n.dial(t.Context(), 8080)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Errorf("close twice: %v", err)
	}
	if c := <-given; c != far {
		t.Error("another connection came back")
	}
	if _, err := waiting.Read(make([]byte, 1)); err == nil {
		t.Error("a dialled connection that nobody accepts stays open")
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
	if n.deliver(8080, near, nil) {
		t.Error("delivered to a closed listener")
	}
}

func TestFullQueueRefuses(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	if _, err := n.listen("tcp", ":1"); err != nil {
		t.Fatal(err)
	}
	for range backlog {
		if _, err := n.dial(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.dial(t.Context(), 1); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial a full queue: %v", err)
	}
}

func TestImpatience(t *testing.T) {
	t.Parallel()
	var i impatience
	var told []int
	took := time.Duration(0)
	for attempt := 1; attempt <= 120; attempt++ {
		text := "same"
		if attempt >= 100 {
			text = "new " + string(rune('a'+attempt%26)) // another one each time
		}
		if i.tell(text) {
			told = append(told, attempt)
		}
		took += i.pause()
	}
	if len(told) != 4 || told[0] != patience || told[1] != 100 || told[2] != 100+restless {
		t.Errorf("told at attempts %v", told)
	}
	if want := 79*quickPause + 41*slowPause; took != want {
		t.Errorf("120 attempts took %s, expected %s", took, want)
	}
}

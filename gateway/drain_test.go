package gateway

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/testkit"
)

// Whoever keeps a connection open is told to open another one before the server closes it, and loses no request.
func TestEndTellsKeptConnections(t *testing.T) {
	t.Parallel()
	w := launch(t, testkit.NewIssuer(t))
	transport := &http.Transport{MaxIdleConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	ask := func() (last bool) {
		t.Helper()
		answer, err := (&http.Client{Transport: transport}).Get(w.url + "/healthz")
		check(t, err)
		defer func() { check(t, answer.Body.Close()) }()
		_, err = io.Copy(io.Discard, answer.Body)
		check(t, err)
		if answer.StatusCode != http.StatusOK {
			t.Errorf("got %s, want 200", answer.Status)
		}
		return answer.Close
	}
	if ask() {
		t.Error("the connection ends while the server does not")
	}
	ended := make(chan error, 1)
	go func() { ended <- w.end() }()
	eventually(t, ask)
	began := time.Now()
	check(t, <-ended)
	if took := time.Since(began); took > lingerTimeout/2 {
		t.Errorf("it took %s to end after the last connection", took)
	}
}

// A connection on which nobody asks for anything does not keep the server from ending.
func TestEndWithAQuietConnection(t *testing.T) {
	t.Parallel()
	w := launch(t, testkit.NewIssuer(t))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get(w.url + "/healthz")
	check(t, err)
	_, err = io.Copy(io.Discard, answer.Body)
	check(t, err)
	check(t, answer.Body.Close())
	began := time.Now()
	check(t, w.end())
	if took := time.Since(began); took < lingerTimeout || took > drainTimeout {
		t.Errorf("it took %s to end, want a little more than %s", took, lingerTimeout)
	}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	var c connections
	is := func(done <-chan struct{}) bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
	if !is(c.none()) {
		t.Error("there are connections before the first")
	}
	for _, state := range []http.ConnState{http.StateNew, http.StateNew, http.StateActive, http.StateIdle, http.StateClosed} {
		c.changed(nil, state)
	}
	first, second := c.none(), c.none()
	if is(first) || is(second) {
		t.Error("one connection is open, and none was said to be")
	}
	c.changed(nil, http.StateHijacked)
	if !is(first) || !is(second) {
		t.Error("no connection is open, and nobody was told")
	}
}

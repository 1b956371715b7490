package client

import (
	"net/http"
	"net/http/httptest"
	"time"
)

// Limited returns a client like c with smaller limits.
func (c *Client) Limited(maxAnswer int64, silence time.Duration) *Client {
	out := *c
	out.maxAnswer, out.silence = maxAnswer, silence
	return &out
}

// MaxEvent is the size of the largest event.
const MaxEvent = maxEvent

// Through returns a client like c that asks h instead of a server.
func (c *Client) Through(h http.HandlerFunc) *Client {
	out := *c
	out.http = &http.Client{Transport: recorded(h)}
	return &out
}

type recorded http.HandlerFunc

func (h recorded) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h(w, r)
	return w.Result(), nil
}

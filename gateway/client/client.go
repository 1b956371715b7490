package client

import (
	"context"
	"net/http"
)

// TokenSource returns the bearer token for the next request. It is asked before each request, so it should cache.
type TokenSource func(ctx context.Context) (string, error)

// Client talks to one gateway as one identity.
type Client struct {
	base  string
	token TokenSource
	http  *http.Client
}

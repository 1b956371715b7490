package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// maxAnswer bounds an answer that is not a stream: a list of ten thousand requests fits.
const maxAnswer = 256 << 20

// heartbeatLimit is how long a stream may be silent; the gateway sends a heartbeat every 15 s.
const heartbeatLimit = 45 * time.Second

// TokenSource returns the bearer token for the next request. It is asked before each request, so it should cache, and
// once more when the gateway refuses the token; the request is repeated if it then returns another one.
type TokenSource func(ctx context.Context) (string, error)

// Client talks to one gateway as one identity. It is safe for concurrent use.
type Client struct {
	base   *url.URL
	token  TokenSource
	forget func() error
	http   *http.Client
	// maxAnswer and silence are the limits below, which tests make smaller.
	maxAnswer int64
	silence   time.Duration
}

// New returns a client of the gateway at base, for example http://localhost:8080. A nil h means http.DefaultTransport.
// Redirects are never followed: the token belongs to base alone. h must not limit the time of a whole request, because
// a stream lasts; the context does that.
func New(base string, token TokenSource, h *http.Client) (*Client, error) {
	u, err := url.Parse(base)
	switch {
	case token == nil:
		return nil, errors.New("gateway client without a token source")
	case err != nil: // the text of err holds the whole URL, and so a password in it
		return nil, errors.New("gateway URL cannot be read: expected http(s)://host[:port]")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil:
		return nil, fmt.Errorf("gateway URL %q: expected http(s)://host[:port]", u.Redacted())
	}
	client := &http.Client{}
	if h != nil {
		*client = *h
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base: u, token: token, http: client, maxAnswer: maxAnswer, silence: heartbeatLimit}, nil
}

// Renewing returns a client like c that calls forget before it asks its token source for another token, because the
// gateway refused the one that the source keeps. A nil forget changes nothing.
func (c *Client) Renewing(forget func() error) *Client {
	out := *c
	out.forget = forget
	return &out
}

// ListOptions choose requests. The zero value means those of namespace default.
type ListOptions struct {
	Namespace     string
	AllNamespaces bool
	// Phases keeps requests in one of these phases; none means all.
	Phases []v1alpha1.Phase
	// Agent keeps requests of this agent identity; empty means all.
	Agent string
}

func (o ListOptions) query() url.Values {
	q := url.Values{}
	if o.AllNamespaces {
		q.Set("allNamespaces", "true")
	} else if o.Namespace != "" {
		q.Set("namespace", o.Namespace)
	}
	if len(o.Phases) > 0 {
		phases := make([]string, len(o.Phases))
		for i, p := range o.Phases {
			phases[i] = string(p)
		}
		q.Set("phase", strings.Join(phases, ","))
	}
	if o.Agent != "" {
		q.Set("agentIdentity", o.Agent)
	}
	return q
}

// Whoami returns the identity and the roles that the gateway sees in the token.
func (c *Client) Whoami(ctx context.Context) (wire.Whoami, error) {
	var out wire.Whoami
	return out, c.call(ctx, http.MethodGet, "/whoami", nil, nil, &out)
}

// Submit asks for an action and returns what became of it: decided by policy, or Pending with RequiresApproval.
func (c *Client) Submit(ctx context.Context, s wire.Submission) (wire.RequestState, error) {
	var out wire.RequestState
	return out, c.call(ctx, http.MethodPost, "/agent-requests", nil, s, &out)
}

// Get returns the state of one request.
func (c *Client) Get(ctx context.Context, namespace, name string) (wire.RequestState, error) {
	var out wire.RequestState
	return out, c.call(ctx, http.MethodGet, requestPath(name, ""), inNamespace(namespace), nil, &out)
}

// List returns whole AgentRequests, newest first.
func (c *Client) List(ctx context.Context, o ListOptions) ([]v1alpha1.AgentRequest, error) {
	var out []v1alpha1.AgentRequest
	return out, c.call(ctx, http.MethodGet, "/agent-requests", o.query(), nil, &out)
}

// Approve approves a request and returns its phase after the decision took effect.
func (c *Client) Approve(ctx context.Context, namespace, name string, r wire.Review) (wire.Reviewed, error) {
	return c.review(ctx, namespace, name, "approve", r)
}

// Deny denies a request and returns its phase after the decision took effect.
func (c *Client) Deny(ctx context.Context, namespace, name string, r wire.Review) (wire.Reviewed, error) {
	return c.review(ctx, namespace, name, "deny", r)
}

func (c *Client) review(ctx context.Context, namespace, name, verb string, r wire.Review) (wire.Reviewed, error) {
	var out wire.Reviewed
	return out, c.call(ctx, http.MethodPost, requestPath(name, verb), inNamespace(namespace), r, &out)
}

func requestPath(name, verb string) string {
	path := "/agent-requests/" + url.PathEscape(name)
	if verb != "" {
		path += "/" + verb
	}
	return path
}

func inNamespace(namespace string) url.Values {
	if namespace == "" {
		return nil
	}
	return url.Values{"namespace": {namespace}}
}

// Package session opens an environment: from its facts it makes what commands and the terminal queue work with,
// tokens of its clients, a client of its gateway, and access to its Kubernetes API.
package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/internal/token"
	"github.com/aip-dev/aip-dev/internal/token/kept"
)

// UnknownClientError says that the environment has no client of this id.
type UnknownClientError struct {
	ID    string
	Known []string
}

// Error names the client and those that are there.
func (e *UnknownClientError) Error() string {
	return fmt.Sprintf("client %q is not in this environment, which has %s", e.ID, strings.Join(e.Known, ", "))
}

// ErrNoSecret says that the Kubernetes Secret of a client is not there or is empty.
var ErrNoSecret = errors.New("the client's secret is not there")

// ErrUntold says that nobody told the secret of a client of an external provider.
var ErrUntold = errors.New("the client's secret was not told")

// ErrNoGrant says that an external provider gives no tokens for client credentials.
var ErrNoGrant = errors.New("the provider gives no tokens for client credentials")

// ErrNoGateway says that no Deployment runs a gateway.
var ErrNoGateway = errors.New("there is no Deployment of a gateway")

// ErrKubeUnreachable says that the Kubernetes API, which keeps the client secrets, does not answer.
var ErrKubeUnreachable = errors.New("the Kubernetes API does not answer")

// Options say what a Session works with. Facts is required.
type Options struct {
	Facts bootstrap.Facts
	// Tokens is the folder where tokens are kept between runs. Empty keeps them in memory alone.
	Tokens string
	// HTTP is used for the issuer and the gateway; nil means a client of its own.
	HTTP *http.Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Session is an opened environment. It is safe for concurrent use.
type Session struct {
	Facts bootstrap.Facts

	options Options
	cache   *kept.FileCache
	mu      sync.Mutex
	sources map[string]*token.Source
}

// New returns a Session that has not talked to anybody yet.
func New(o Options) *Session {
	if o.HTTP == nil {
		o.HTTP = &http.Client{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Session{Facts: o.Facts, options: o, sources: map[string]*token.Source{}}
	if o.Tokens != "" {
		s.cache = kept.NewFileCache(o.Tokens, o.Now)
	}
	return s
}

// First returns the id of the first client with one of roles, in the order of roles, or "".
func (s *Session) First(roles ...string) string {
	for _, role := range roles {
		for _, c := range s.Facts.Identity.Clients {
			if c.Role == role {
				return c.ID
			}
		}
	}
	return ""
}

// Clients returns the ids of the environment's clients.
func (s *Session) Clients() []string {
	ids := make([]string, 0, len(s.Facts.Identity.Clients))
	for _, c := range s.Facts.Identity.Clients {
		ids = append(ids, c.ID)
	}
	return ids
}

// Mints reports whether tokens of a client can be had without being told its secret.
func (s *Session) Mints(id string) bool {
	if s.Facts.Identity.External && s.Facts.Identity.Endpoint == "" {
		return false
	}
	return slices.ContainsFunc(s.Facts.Identity.Clients, func(c bootstrap.ClientFacts) bool { return c.ID == id && c.Secret != "" })
}

// TokenURL is the issuer's token endpoint at the address at which it is reached from this machine, "" when an external
// provider gives no tokens for client credentials.
func (s *Session) TokenURL() string {
	if s.Facts.Identity.External {
		return s.Facts.Identity.Endpoint
	}
	return s.Facts.Identity.Address + "/realms/" + s.Facts.Identity.Realm + "/protocol/openid-connect/token"
}

// Source returns the token source of a client. All callers share it.
func (s *Session) Source(id string) *token.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	source, ok := s.sources[id]
	if !ok {
		mint := func(ctx context.Context) (token.Token, error) { return s.Mint(ctx, id) }
		if s.cache != nil {
			mint = s.cache.Wrap(s.Facts.Name, id, mint)
		}
		source = token.NewSource(mint, s.options.Now)
		s.sources[id] = source
	}
	return source
}

// Mint gets a new token for a client, with the secret that Kubernetes keeps.
func (s *Session) Mint(ctx context.Context, id string) (token.Token, error) {
	secret, err := s.secret(ctx, id)
	if err != nil {
		return token.Token{}, err
	}
	return s.MintWith(ctx, id, secret)
}

// MintWith gets a new token for a client with a secret that the caller knows.
func (s *Session) MintWith(ctx context.Context, id, secret string) (token.Token, error) {
	scope := "openid"
	if s.Facts.Identity.External {
		if s.Facts.Identity.Endpoint == "" {
			return token.Token{}, fmt.Errorf("%w: %s", ErrNoGrant, s.Facts.Identity.IssuerURL)
		}
		scope = s.Facts.Identity.Scope
	}
	return token.Mint(ctx, s.options.HTTP, token.Request{
		TokenURL: s.TokenURL(), ClientID: id, ClientSecret: secret, Scope: scope, Audience: s.Facts.Identity.Resource, Now: s.options.Now,
	})
}

// Forget drops the kept token of a client; for one that was refused before its time.
func (s *Session) Forget(id string) error {
	s.Source(id).Forget()
	if s.cache == nil {
		return nil
	}
	return s.cache.Remove(s.Facts.Name, id)
}

// Secret returns the secret of a client of the environment, from the Kubernetes Secret that keeps it. It is empty for a client that
// the environment does not know, or whose secret nobody told.
func (s *Session) Secret(ctx context.Context, id string) (string, error) {
	secret, err := s.secret(ctx, id)
	var unknown *UnknownClientError
	if errors.As(err, &unknown) || errors.Is(err, ErrUntold) {
		return "", nil
	}
	return secret, err
}

// secret reads the client secret from the Kubernetes Secret that the facts name.
func (s *Session) secret(ctx context.Context, id string) (string, error) {
	i := slices.IndexFunc(s.Facts.Identity.Clients, func(c bootstrap.ClientFacts) bool { return c.ID == id })
	if i < 0 {
		return "", &UnknownClientError{ID: id, Known: s.Clients()}
	}
	if s.Facts.Identity.Clients[i].Secret == "" {
		return "", fmt.Errorf("%w: client %s of %s", ErrUntold, id, s.Facts.Identity.IssuerURL)
	}
	config, err := s.Kube()
	if err != nil {
		return "", err
	}
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return "", fmt.Errorf("make a Kubernetes client: %w", err)
	}
	name := s.Facts.Identity.Clients[i].Secret
	object, err := core.Secrets(s.Facts.Gateway.Namespace).Get(ctx, name, metav1.GetOptions{})
	var refused apierrors.APIStatus
	switch {
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("%w: Secret %s/%s", ErrNoSecret, s.Facts.Gateway.Namespace, name)
	case errors.As(err, &refused):
		return "", fmt.Errorf("read Secret %s: %w", name, err)
	case ctx.Err() != nil:
		return "", fmt.Errorf("read Secret %s: %w", name, ctx.Err())
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrKubeUnreachable, err)
	}
	if len(object.Data[bootstrap.ClientSecretKey]) == 0 {
		return "", fmt.Errorf("%w: Secret %s/%s has no key %s", ErrNoSecret, s.Facts.Gateway.Namespace, name, bootstrap.ClientSecretKey)
	}
	return string(object.Data[bootstrap.ClientSecretKey]), nil
}

// Kube returns the administrator's access to the environment's Kubernetes API.
func (s *Session) Kube() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.Facts.Cluster.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the environment's kubeconfig: %w", err)
	}
	return config, nil
}

// GatewayRun is how an environment's gateway is to run, as its Deployment says.
type GatewayRun struct {
	// Deployment is its name, in the gateway's namespace.
	Deployment string
	// Args are the arguments of the gateway.
	Args []string
	// Paused says that pods keep running as they did before, whatever the Deployment says since.
	Paused bool
}

// GatewayRun returns how the environment's gateway is to run.
func (s *Session) GatewayRun(ctx context.Context) (GatewayRun, error) {
	config, err := s.Kube()
	if err != nil {
		return GatewayRun{}, err
	}
	apps, err := appsv1client.NewForConfig(config)
	if err != nil {
		return GatewayRun{}, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	list, err := apps.Deployments(s.Facts.Gateway.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + s.Facts.Gateway.Release})
	if err != nil {
		return GatewayRun{}, fmt.Errorf("look at the gateway's Deployment: %w", err)
	}
	for i := range list.Items {
		for _, c := range list.Items[i].Spec.Template.Spec.Containers {
			if len(c.Args) > 0 && c.Args[0] == "gateway" {
				return GatewayRun{Deployment: list.Items[i].Name, Args: c.Args, Paused: list.Items[i].Spec.Paused}, nil
			}
		}
	}
	return GatewayRun{}, fmt.Errorf("%w in namespace %s", ErrNoGateway, s.Facts.Gateway.Namespace)
}

// Gateway returns a client of the gateway that speaks as the client with this id.
func (s *Session) Gateway(id string) (*client.Client, error) {
	return client.New(s.Facts.Gateway.URL, s.Source(id).Token, s.options.HTTP)
}

// Do calls the gateway as the client with this id. A token that was kept from an earlier run may have outlived its
// issuer's key; when the gateway refuses it, call runs once more with a new one.
func (s *Session) Do(ctx context.Context, id string, call func(context.Context, *client.Client) error) error {
	c, err := s.Gateway(id)
	if err != nil {
		return err
	}
	if err = call(ctx, c); !errors.Is(err, client.ErrUnauthorized) || s.cache == nil {
		return err
	}
	if forget := s.Forget(id); forget != nil {
		return errors.Join(err, forget)
	}
	return call(ctx, c)
}

// Package exchange gets the tokens of an agent for services outside of the gateway, as the external identities of its
// AgentRegistration say.
package exchange

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/ptr"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// leastExpiration is the least that Kubernetes grants.
const leastExpiration = 10 * 60

// Options are what an Exchanger works with.
type Options struct {
	// Kube makes the tokens of ServiceAccounts.
	Kube corev1.ServiceAccountsGetter
	// ServiceAccounts are those whose tokens may be given out, each as NAMESPACE/NAME.
	ServiceAccounts []string
	// IssuerURL is the issuer of the agents' tokens. Only its host gets them in exchange for others.
	IssuerURL string
	// ClientID and ClientSecret are the gateway's own at that issuer.
	ClientID, ClientSecret string
	// HTTPClient talks to the issuer. Nil means a client with a bound of ten seconds per request.
	HTTPClient *http.Client
	Now        func() time.Time
}

// Exchanger gets tokens. It keeps none.
type Exchanger struct {
	options Options
	http    *http.Client
}

// Token is a token of somebody else's.
type Token struct {
	Value string
	// Expiry is when it ends; zero when its issuer did not say.
	Expiry time.Time
}

// Holder is the agent that asks.
type Holder struct {
	// Token is the bearer token that it came with, Audiences and Expiry are what that says.
	Token     string
	Audiences []string
	Expiry    time.Time
}

// New returns an Exchanger.
func New(o Options) *Exchanger {
	client := &http.Client{}
	if o.HTTPClient != nil {
		*client = *o.HTTPClient
	}
	if client.Timeout == 0 {
		client.Timeout = exchangeTimeout
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Exchanger{options: o, http: client}
}

// UnsupportedError says that this gateway does not get a token in the way that a registration says.
type UnsupportedError struct{ Asked, Supported string }

func (e *UnsupportedError) Error() string {
	return e.Asked + " is not supported by this gateway, which supports " + e.Supported
}

// RefusedError says that whoever gives the token out did not.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return e.Text }

// Get returns a token for a service. Its errors are *UnsupportedError, *RefusedError, or those of Kubernetes and the network; none
// holds a token.
func (x *Exchanger) Get(ctx context.Context, e v1alpha1.ExternalIdentity, holder Holder) (Token, error) {
	switch {
	case e.Type == v1alpha1.ExternalKubernetesTokenRequest && e.KubernetesTokenRequest != nil:
		return x.serviceAccount(ctx, e.KubernetesTokenRequest)
	case e.Type == v1alpha1.ExternalKubernetesOIDC && e.KubernetesOIDC != nil:
		return x.oidc(ctx, e.KubernetesOIDC, holder)
	default:
		return Token{}, &UnsupportedError{
			Asked:     fmt.Sprintf("an external identity of type %s (service %q)", e.Type, e.Service),
			Supported: v1alpha1.ExternalKubernetesTokenRequest + " and " + v1alpha1.ExternalKubernetesOIDC + "; a service without an external identity gets a token that the gateway signs itself",
		}
	}
}

// serviceAccount makes a token of a ServiceAccount.
func (x *Exchanger) serviceAccount(ctx context.Context, r *v1alpha1.KubernetesTokenRequest) (Token, error) {
	name := r.ServiceAccountNamespace + "/" + r.ServiceAccountName
	if !slices.Contains(x.options.ServiceAccounts, name) {
		return Token{}, &RefusedError{fmt.Sprintf("ServiceAccount %s is not among --token-request-service-accounts (the chart's gateway.tokenRequest.serviceAccounts)", name)}
	}
	made, err := x.options.Kube.ServiceAccounts(r.ServiceAccountNamespace).CreateToken(ctx, r.ServiceAccountName, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: r.Audiences, ExpirationSeconds: ptr.To(max(r.ExpirationSeconds, leastExpiration))},
	}, metav1.CreateOptions{})
	if err != nil {
		return Token{}, fmt.Errorf("token of ServiceAccount %s: %w", name, err)
	}
	return Token{Value: made.Status.Token, Expiry: made.Status.ExpirationTimestamp.Time}, nil
}

// oidc returns the agent's own token, or what the issuer gives in exchange for it.
func (x *Exchanger) oidc(ctx context.Context, k *v1alpha1.KubernetesOIDC, holder Holder) (Token, error) {
	switch {
	case holder.Token == "":
		return Token{}, &UnsupportedError{Asked: "KubernetesOIDC behind a proxy that names the caller", Supported: "it for agents that come with a token"}
	case k.TokenExchangeURL != "":
		return x.exchange(ctx, k, holder)
	case k.Audience != "" && !slices.Contains(holder.Audiences, k.Audience):
		return Token{}, &UnsupportedError{
			Asked: fmt.Sprintf("KubernetesOIDC with audience %q, which the agent's own token does not have,", k.Audience), Supported: "that with a tokenExchangeURL",
		}
	default:
		return Token{Value: holder.Token, Expiry: holder.Expiry}, nil
	}
}

// sameOrigin reports whether two URLs lead to the same server in the same way.
func sameOrigin(a, b string) bool {
	x, err := url.Parse(a)
	if err != nil {
		return false
	}
	y, err := url.Parse(b)
	return err == nil && x.Host != "" && x.Scheme == y.Scheme && x.Host == y.Host && x.User == nil
}

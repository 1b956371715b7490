package kubelet

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/oauth2"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

const (
	// tokenLifetime is what a kubelet asks for, tokenWait how long it may take to get a token.
	tokenLifetime = int64(3600)
	tokenWait     = 10 * time.Second
)

// access returns the API server's address with the service account of pod as the user. Its tokens are bound to the
// pod, so that they end with it, and are never written anywhere.
// Source: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
func access(ctx context.Context, server *rest.Config, client kubernetes.Interface, pod *corev1.Pod) *rest.Config {
	config := rest.AnonymousClientConfig(server)
	// A process that is told to end may still need its token.
	ctx = context.WithoutCancel(ctx)
	source := tokenSource(func() (*oauth2.Token, error) { return requestToken(ctx, client, pod) })
	config.Wrap(transport.ResettableTokenSourceWrapTransport(transport.NewCachedTokenSource(source)))
	return config
}

type tokenSource func() (*oauth2.Token, error)

// Token asks for a new token.
func (f tokenSource) Token() (*oauth2.Token, error) { return f() }

// requestToken returns a token that counts as expired after four fifths of its life, when a kubelet renews it.
func requestToken(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod) (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenWait)
	defer cancel()
	lifetime := tokenLifetime
	answer, err := client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			ExpirationSeconds: &lifetime,
			BoundObjectRef:    &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
		}}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("get a token for service account %s/%s: %w", pod.Namespace, pod.Spec.ServiceAccountName, err)
	}
	spare := time.Duration(lifetime) * time.Second / 5
	return &oauth2.Token{AccessToken: answer.Status.Token, Expiry: answer.Status.ExpirationTimestamp.Add(-spare)}, nil
}

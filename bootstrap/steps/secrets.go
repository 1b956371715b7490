package steps

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/bootstrap"
)

// withSecrets returns clients with a secret each: the one of the description, else the one that Kubernetes holds,
// else a random one.
func withSecrets(ctx context.Context, config *rest.Config, clients []bootstrap.Client) ([]bootstrap.Client, error) {
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client of the API server: %w", err)
	}
	clients = slices.Clone(clients)
	for i := range clients {
		if clients[i].Secret != "" {
			continue
		}
		kept, err := core.Secrets(Namespace).Get(ctx, SecretName(clients[i].ID), metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("read the secret of client %s: %w", clients[i].ID, err)
		}
		if clients[i].Secret = string(kept.Data[bootstrap.ClientSecretKey]); clients[i].Secret == "" {
			clients[i].Secret = rand.Text()
		}
	}
	return clients, nil
}

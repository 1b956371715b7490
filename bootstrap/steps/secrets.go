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
		kept, err := keptSecret(ctx, core, Namespace, SecretName(clients[i].ID), bootstrap.ClientSecretKey)
		if err != nil {
			return nil, fmt.Errorf("read the secret of client %s: %w", clients[i].ID, err)
		}
		if clients[i].Secret = kept; kept == "" {
			clients[i].Secret = rand.Text()
		}
	}
	return clients, nil
}

// keptSecret returns what a Kubernetes Secret holds under key, "" when it is not there.
func keptSecret(ctx context.Context, core corev1client.CoreV1Interface, namespace, name, key string) (string, error) {
	kept, err := core.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return string(kept.Data[key]), nil
}

// keptOrRandom is keptSecret, with a random value in the place of none.
func keptOrRandom(ctx context.Context, config *rest.Config, namespace, name, key string) (string, error) {
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return "", fmt.Errorf("make a client of the API server: %w", err)
	}
	kept, err := keptSecret(ctx, core, namespace, name, key)
	if err != nil {
		return "", fmt.Errorf("read Secret %s/%s: %w", namespace, name, err)
	}
	if kept == "" {
		kept = rand.Text()
	}
	return kept, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/bootstrap/kubelet"
	"github.com/aip-dev/aip-dev/bootstrap/objects"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/internal/issuer"
)

// The images whose programs this binary holds, without their tags.
const (
	imageGateway  = "ghcr.io/aip-dev/aip-dev"
	imageKeycloak = "quay.io/keycloak/keycloak"
)

// unknownImage is what a pod with another image is told.
const unknownImage = "an embedded cluster runs no containers: it knows the images " + imageGateway + " and " + imageKeycloak +
	"; for others use `aip-dev up --cluster kind`"

// programs returns the programs of an embedded cluster. admin is the administrator's access to it.
func programs(admin *rest.Config) func(image string) (kubelet.Process, bool) {
	known := map[string]kubelet.Process{
		imageGateway:  runGatewayContainer,
		imageKeycloak: issuerContainer{admin: admin}.run,
	}
	return func(image string) (kubelet.Process, bool) {
		process, ok := known[repository(image)]
		return process, ok
	}
}

// repository returns an image's name without its tag and digest.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndexByte(image, ':'); colon > strings.LastIndexByte(image, '/') {
		image = image[:colon]
	}
	return image
}

// runGatewayContainer is the entry point of the gateway's image: `aip-dev gateway` with the arguments of the chart.
func runGatewayContainer(ctx context.Context, c *kubelet.Container) error {
	if len(c.Args) == 0 || c.Args[0] != "gateway" {
		return fmt.Errorf("the gateway image got the arguments %q, expected gateway first", c.Args)
	}
	command := newGateway(c.Output, func(name string) string { return c.Env[name] }, func(o *gateway.Options) error { //nolint:contextcheck // the command is run with it below
		if c.Kube == nil {
			return errors.New("the pod has no service account token, and the gateway needs one")
		}
		o.Listen, o.Kube = c.Listen, c.Kube
		return nil
	})
	command.SetArgs(c.Args[1:])
	command.SetOut(c.Output)
	command.SetErr(c.Output)
	command.SilenceErrors, command.SilenceUsage = true, true
	return command.ExecuteContext(ctx)
}

// issuerContainer is the entry point of Keycloak's image: the built-in issuer, configured by the variables that
// Keycloak reads. Source: https://www.keycloak.org/server/all-config
type issuerContainer struct{ admin *rest.Config }

// inClusterIssuer is the address of the provider inside a cluster; tokens carry it unless KC_HOSTNAME says otherwise.
const inClusterIssuer = "http://keycloak.keycloak.svc.cluster.local:8080"

func (i issuerContainer) run(ctx context.Context, c *kubelet.Container) error {
	env := func(fallback string, names ...string) string {
		for _, name := range names {
			if c.Env[name] != "" {
				return c.Env[name]
			}
		}
		return fallback
	}
	store, err := newSecretStore(i.admin, steps.IdentityNamespace)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(c.Output, nil))
	server, err := issuer.New(ctx, issuer.Options{
		Hostname:      strings.TrimSuffix(env(inClusterIssuer, "KC_HOSTNAME"), "/"),
		AdminUser:     env("", "KC_BOOTSTRAP_ADMIN_USERNAME", "KEYCLOAK_ADMIN"),
		AdminPassword: env("", "KC_BOOTSTRAP_ADMIN_PASSWORD", "KEYCLOAK_ADMIN_PASSWORD"),
		Store:         store, Log: log,
	})
	if err != nil {
		return err
	}
	listener, err := c.Listen("tcp", ":"+env("8080", "KC_HTTP_PORT"))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	log.InfoContext(ctx, "Listening", "issuer", env(inClusterIssuer, "KC_HOSTNAME"))
	return serveHTTP(ctx, listener, server.Handler(), log)
}

// serveHTTP serves until ctx ends, then lets requests under way finish.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	const headerTimeout, drainTimeout = 10 * time.Second, 2 * time.Second
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := server.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-ended //nolint:errcheck // it says that the server was closed
	return err
}

// issuerState is the Secret that holds the issuer's realms, clients and keys; the cluster encrypts it at rest.
const issuerState = "issuer-state"

// secretStore keeps the issuer's state in a Kubernetes Secret.
type secretStore struct{ secrets corev1client.SecretInterface }

func newSecretStore(config *rest.Config, namespace string) (secretStore, error) {
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return secretStore{}, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	return secretStore{core.Secrets(namespace)}, nil
}

// Load returns the state, or nil when there is none.
func (s secretStore) Load(ctx context.Context) ([]byte, error) {
	secret, err := s.secrets.Get(ctx, issuerState, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %s: %w", issuerState, err)
	}
	return secret.Data["state"], nil
}

// Save replaces the state.
func (s secretStore) Save(ctx context.Context, blob []byte) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: issuerState, Labels: map[string]string{objects.LabelManagedBy: objects.FieldManager}}, Data: map[string][]byte{"state": blob}}
	_, err := s.secrets.Update(ctx, secret, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = s.secrets.Create(ctx, secret, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("write Secret %s: %w", issuerState, err)
	}
	return nil
}

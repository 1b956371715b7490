package apiserver

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	// usablePath leaves out the two start hooks that begin with a fixed wait of one second.
	usablePath = "/readyz?exclude=poststarthook/rbac/bootstrap-roles&exclude=poststarthook/scheduling/bootstrap-system-priority-classes"
	pollEvery  = 15 * time.Millisecond
)

// waitUsable returns when the API server answers usablePath with 200, or with an error when it ended before.
func (s *Server) waitUsable(ctx context.Context) error {
	transport, err := rest.TransportFor(s.Config)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	client := &http.Client{Transport: transport, Timeout: 2 * time.Second}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if answersOK(ctx, client, s.Config.Host+usablePath) {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.done:
			return fmt.Errorf("the API server ended while it started")
		case <-ctx.Done():
			return fmt.Errorf("wait for the API server: %w", ctx.Err())
		}
	}
}

func answersOK(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = answer.Body.Close() }() // nothing was written
	_, _ = io.Copy(io.Discard, answer.Body)    // drained so that the connection is used again
	return answer.StatusCode == http.StatusOK
}

// adminConfig returns the administrator's client configuration with its certificates inline.
func (p pki) adminConfig(port int) (*rest.Config, error) {
	config := &rest.Config{Host: fmt.Sprintf("https://127.0.0.1:%d", port), QPS: -1}
	for _, f := range []struct {
		path string
		data *[]byte
	}{
		{p.ca.cert, &config.CAData}, {p.admin.cert, &config.CertData}, {p.admin.key, &config.KeyData},
	} {
		data, err := os.ReadFile(f.path)
		if err != nil {
			return nil, fmt.Errorf("read the administrator's certificate: %w", err)
		}
		*f.data = data
	}
	return config, nil
}

// WriteKubeconfig writes a kubeconfig (0600) for the administrator of the cluster at config, with name as cluster,
// user and current context. The write is atomic: a reader sees the old file or the new one.
func WriteKubeconfig(path, name string, config *rest.Config) error {
	kube := clientcmdapi.NewConfig()
	kube.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	kube.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	kube.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: "default"}
	kube.CurrentContext = name
	data, err := clientcmd.Write(*kube)
	if err != nil {
		return fmt.Errorf("encode the kubeconfig: %w", err)
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	return os.Rename(temporary, path)
}

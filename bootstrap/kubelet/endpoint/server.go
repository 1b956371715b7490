package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// apiServer is the common name of the only client that is answered.
	// Source: https://kubernetes.io/docs/setup/best-practices/certificates/
	apiServer = "kube-apiserver-kubelet-client"

	headerTimeout = 10 * time.Second
	grace         = 2 * time.Second
)

// Pods is what the endpoint has to know of the node. Namespace, pod and container are valid Kubernetes names.
type Pods interface {
	// Dial connects to a port of a running pod. The connection's CloseWrite is used when it has one.
	Dial(ctx context.Context, namespace, pod string, port int32) (net.Conn, error)
	// LogFile returns the file of CRI log lines of a container's current run, or of the run before it. The error is
	// fs.ErrNotExist (wrapped) when there is no such pod, container or run; another one says why there is no log yet.
	// Each run has a file of its own, so that another path tells those who follow a log that the run has ended.
	LogFile(namespace, pod, container string, previous bool) (path string, err error)
}

// Options say what is served to whom. Listener, Cert, ClientCA, Pods, Log and Now are required.
type Options struct {
	// Listener is a bound TCP listener; Serve closes it.
	Listener net.Listener
	// Cert is what the endpoint shows; kube-apiserver checks it against --kubelet-certificate-authority.
	Cert tls.Certificate
	// ClientCA signs kube-apiserver's --kubelet-client-certificate.
	ClientCA *x509.CertPool
	Pods     Pods
	// Running says whether a container's current run goes on; those who follow its log are let go when it does not.
	// Without it, a run ends only when LogFile names another file or none.
	Running func(namespace, pod, container string) bool
	Log     *slog.Logger
	// Now is the clock against which sinceSeconds counts.
	Now func() time.Time
}

func (o Options) validate() error {
	switch {
	case o.Listener == nil:
		return errors.New("no listener")
	case o.ClientCA == nil: // crypto/tls would fall back to the authorities of the system
		return errors.New("no authority for client certificates")
	case o.Pods == nil, o.Log == nil, o.Now == nil:
		return errors.New("pods, log and clock are required")
	}
	return nil
}

// Serve answers until ctx ends, lets go of all streams, and returns nil; an error says why it could not serve.
func Serve(ctx context.Context, o Options) error {
	if err := o.validate(); err != nil {
		return fmt.Errorf("serve the node's endpoint: %w", err)
	}
	// One protocol: connections are taken over for port-forward, which HTTP/2 does not allow.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	n := &node{Options: o}
	server := &http.Server{
		Handler:           n.onlyAPIServer(n.routes()),
		ReadHeaderTimeout: headerTimeout,
		Protocols:         &protocols,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		TLSConfig: &tls.Config{
			MinVersion:   tls.VersionTLS13,
			Certificates: []tls.Certificate{o.Cert},
			ClientAuth:   tls.RequireAndVerifyClientCert,
			ClientCAs:    o.ClientCA,
		},
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(o.Listener, "", "") }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the node's endpoint: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		_ = server.Close() // the grace is over; nothing is left to say to those who are cut off
	}
	n.forwards.Wait()
	return nil
}

// node answers requests.
type node struct {
	Options
	forwards sync.WaitGroup // connections that were taken over, which http.Server does not wait for
}

// routes are those of a kubelet that kube-apiserver uses.
// Source: https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/kubelet/server/server.go
func (n *node) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", named(n.containerLogs))
	mux.HandleFunc("GET /portForward/{namespace}/{pod}", named(n.portForward))
	mux.HandleFunc("POST /portForward/{namespace}/{pod}", named(n.portForward))
	for _, verb := range []string{"exec", "attach", "run"} {
		mux.HandleFunc("/"+verb+"/", func(w http.ResponseWriter, _ *http.Request) {
			say(w, http.StatusNotImplemented, verb+" is not possible: a pod of an embedded cluster is a part of the aip-dev "+
				"process and has no shell; use kubectl logs, or a cluster of containers: aip-dev up --cluster kind")
		})
	}
	return mux
}

// onlyAPIServer refuses all other bearers of a certificate of the cluster: they reach pods through the API server,
// which knows their rights.
func (n *node) onlyAPIServer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := r.TLS.PeerCertificates[0].Subject.CommonName; name != apiServer {
			n.Log.Warn("client refused", "name", name, "path", r.URL.Path)
			say(w, http.StatusForbidden, fmt.Sprintf("client certificate is for %q, expected %q", name, apiServer))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// named passes on requests whose path is made of valid names, so that none can point out of a folder.
func named(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		faults := validation.IsDNS1123Label(r.PathValue("namespace"))
		faults = append(faults, validation.IsDNS1123Subdomain(r.PathValue("pod"))...)
		if container := r.PathValue("container"); container != "" {
			faults = append(faults, validation.IsDNS1123Label(container)...)
		}
		if len(faults) > 0 {
			say(w, http.StatusBadRequest, fmt.Sprintf("%s: %s", r.URL.Path, faults[0]))
			return
		}
		next(w, r)
	}
}

// say answers with one line of text; kube-apiserver passes it on to kubectl.
func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = fmt.Fprintln(w, text) //nolint:gosec // plain text, as its header says; the client may be gone
}

package apiserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-base/version"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// Options say where the cluster keeps its data and where it listens.
type Options struct {
	// Dir holds keys, certificates and etcd's data. It is made (0700) when absent.
	Dir string
	// Listener is a bound TCP listener on loopback; the server owns it from here on.
	Listener *net.TCPListener
	// Log receives what etcd has to say; kube-apiserver speaks through klog, which belongs to the process.
	Log *zap.Logger
	// Now is the clock for certificates.
	Now func() time.Time
}

// Server is a running API server with its etcd.
type Server struct {
	// Config is the client configuration of the cluster's administrator, with certificates inline.
	Config *rest.Config
	// KubeletCert and KubeletClientCA are for the node's HTTPS endpoint.
	KubeletCert     tls.Certificate
	KubeletClientCA *x509.CertPool

	etcd *embed.Etcd
	stop context.CancelFunc
	done chan struct{}
	err  error // why kube-apiserver ended; read after done is closed
}

// ErrUnversioned says that the program was linked without the version of the Kubernetes in it, which charts ask for.
var ErrUnversioned = errors.New("this program was built without the version of the Kubernetes in it")

// unversioned begins the version that Kubernetes has when nobody links another into it.
const unversioned = "v0.0.0-"

// Start runs etcd and kube-apiserver and returns when the API server is usable: it answers, and stores what it is
// given. Two start hooks that begin with a fixed wait of a second may still run; see Ready.
func Start(ctx context.Context, o Options) (*Server, error) {
	if found := version.Get().GitVersion; strings.HasPrefix(found, unversioned) {
		return nil, fmt.Errorf("%w: found %s; build it with `make build`", ErrUnversioned, found)
	}
	p, err := ensurePKI(filepath.Join(o.Dir, "pki"), o.Now())
	if err != nil {
		return nil, err
	}
	address, ok := o.Listener.Addr().(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("listen for the API server: %v is not a TCP address", o.Listener.Addr())
	}
	s := &Server{done: make(chan struct{})}
	if s.KubeletCert, s.KubeletClientCA, err = p.kubeletTLS(); err != nil {
		return nil, err
	}
	if s.Config, err = p.adminConfig(address.Port); err != nil {
		return nil, err
	}
	endpoint := ""
	if s.etcd, endpoint, err = startEtcd(ctx, filepath.Join(o.Dir, "etcd"), o.Log); err != nil {
		return nil, err
	}
	// The server outlives the call's context only until Stop: values are inherited, its end is not.
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = cancel
	go func() {
		defer close(s.done)
		s.err = serve(run, p, endpoint, o.Listener, address.Port)
	}()
	if err := s.waitUsable(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// serve runs kube-apiserver until ctx ends.
func serve(ctx context.Context, p pki, etcd string, listener *net.TCPListener, port int) error {
	s := serverOptions(p, etcd, listener, port)
	if err := s.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return fmt.Errorf("set feature gates: %w", err)
	}
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(featureGates()); err != nil {
		return fmt.Errorf("set feature gates: %w", err)
	}
	// app.Run registers a process-wide name and keeps it; a second server in this process would fail on it.
	name, err := cache.NewInformerName("aip-dev-apiserver")
	if err != nil {
		return fmt.Errorf("name the informers: %w", err)
	}
	defer name.Release()
	s.InformerName = name
	completed, err := s.Complete(ctx)
	if err != nil {
		return fmt.Errorf("complete the API server's options: %w", err)
	}
	if faults := completed.Validate(); len(faults) > 0 {
		return fmt.Errorf("check the API server's options: %w", utilerrors.NewAggregate(faults))
	}
	return app.Run(ctx, completed)
}

// Done is closed when kube-apiserver has ended, on Stop or by a failure of its own.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop ends kube-apiserver and then etcd, and returns why kube-apiserver ended if that was a failure.
func (s *Server) Stop() error {
	s.stop()
	<-s.done
	s.etcd.Close()
	if s.err != nil {
		return fmt.Errorf("kube-apiserver ended: %w", s.err)
	}
	return nil
}

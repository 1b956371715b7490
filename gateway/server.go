package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/aip-dev/aip-dev/gateway/collector"
	"github.com/aip-dev/aip-dev/gateway/exchange"
	"github.com/aip-dev/aip-dev/gateway/github"
	"github.com/aip-dev/aip-dev/gateway/reconcile"
	"github.com/aip-dev/aip-dev/gateway/registry"
	"github.com/aip-dev/aip-dev/gateway/signer"
	"github.com/aip-dev/aip-dev/gateway/store"
)

const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
	// lingerTimeout is how long connections that are kept open are served on when the server is told to end, so that
	// their next answer tells the client to open another one. A request that meets its connection's end is lost.
	lingerTimeout = time.Second
	// drainTimeout is how long requests that are under way may take when the server is told to end.
	drainTimeout = 10 * time.Second
	// heartbeatEvery is how often a quiet stream shows that it is alive.
	heartbeatEvery = 15 * time.Second
	// queuePatience is how long the answer to a submission waits for a target that another request holds. It is below the
	// five seconds after which some agents give up.
	queuePatience = 3 * time.Second
)

// Server is a gateway that can be run once.
type Server struct {
	options  Options
	log      *slog.Logger
	gate     *gate
	store    *store.Store
	registry *registry.Registry
	manager  manager.Manager
	verifier *reconcile.Verifier
	handler  http.Handler
	probe    *probe
	measures *measures
	// refusals and tokens bound what one agent can cause.
	refusals, tokens perAgent
	// signer is nil without a key.
	signer    *signer.Signer
	exchanger *exchange.Exchanger
	// openAPI is the document of the API.
	openAPI   []byte
	heartbeat time.Duration
	patience  time.Duration
	// draining is closed when the server begins to end.
	draining chan struct{}
	open     connections
}

// New returns a Server that has not talked to anybody yet. It reports every fault of the options at once.
func New(o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("gateway options: %w", err)
	}
	gate, err := newGate(&o)
	if err != nil {
		return nil, fmt.Errorf("gateway options: %w", err)
	}
	s := &Server{options: o, log: o.Log, gate: gate, measures: newMeasures(), heartbeat: heartbeatEvery, patience: queuePatience, draining: make(chan struct{})}
	if s.signer, err = signer.New(signer.Options{Path: o.SigningKeyPath, PEM: o.SigningKey, Now: o.Now, Log: o.Log}); err != nil {
		return nil, fmt.Errorf("gateway options: %w", err)
	}
	if err := s.connect(); err != nil {
		return nil, err
	}
	s.probe = newProbe(s.store.Ping, o.Now)
	if s.openAPI, err = openAPI(s.routes()); err != nil {
		return nil, fmt.Errorf("gateway routes: %w", err)
	}
	if s.handler, err = s.newMux(s.routes()); err != nil {
		return nil, fmt.Errorf("gateway routes: %w", err)
	}
	return s, nil
}

// connect makes what talks to Kubernetes.
func (s *Server) connect() error {
	config := store.ClientConfig(s.options.Kube)
	m, err := reconcile.NewManager(config, reconcile.ManagerOptions{
		LeaderElection: s.options.LeaderElection, LeaderElectionNamespace: s.options.LeaderElectionNamespace,
		LockNamespace: s.options.LockNamespace, Log: s.log,
	})
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	live, err := client.New(config, client.Options{HTTPClient: m.GetHTTPClient(), Scheme: m.GetScheme(), Mapper: m.GetRESTMapper()})
	if err != nil {
		return fmt.Errorf("gateway: kubernetes client: %w", err)
	}
	live = client.WithFieldValidation(live, metav1.FieldValidationIgnore) // nobody would read the warnings
	s.manager = m
	s.store = store.New(store.Options{Cache: m.GetCache(), Live: live, LockNamespace: s.options.LockNamespace, DedupWindow: s.options.DedupWindow, Now: s.options.Now})
	s.registry = registry.New(m.GetCache())
	if err := errors.Join(m.Add(s.store), m.Add(s.registry)); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	asks, err := github.New(s.options.GitHub)
	if err != nil {
		return fmt.Errorf("gateway options: %w", err)
	}
	o := reconcile.Options{
		Store: s.store, DefaultAction: s.options.DefaultAction, LockDuration: s.options.LockDuration,
		LockWait: s.options.LockWait, ApprovedTimeout: s.options.ApprovedTimeout, GitHub: asks, Measures: s.measures.registry, Log: s.log, Now: s.options.Now,
	}
	s.verifier = reconcile.NewVerifier(o)
	if s.exchanger, err = s.newExchanger(config, m.GetHTTPClient()); err != nil {
		return err
	}
	if s.options.APIOnly {
		return nil
	}
	if s.options.Collector.Enabled {
		gc := collector.New(collector.Options{Settings: s.options.Collector, Store: s.store, Measures: s.measures.registry, Log: s.log, Now: s.options.Now})
		if err := m.Add(gc); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
	}
	return reconcile.Add(m, o)
}

// newExchanger makes what gets tokens from others.
func (s *Server) newExchanger(config *rest.Config, over *http.Client) (*exchange.Exchanger, error) {
	accounts, err := corev1.NewForConfigAndClient(config, over)
	if err != nil {
		return nil, fmt.Errorf("gateway: kubernetes client: %w", err)
	}
	return exchange.New(exchange.Options{
		Kube: accounts, ServiceAccounts: s.options.TokenAccounts, IssuerURL: s.options.OIDC.IssuerURL, HTTPClient: s.options.OIDC.HTTPClient,
		ClientID: s.options.ExchangeClientID, ClientSecret: s.options.ExchangeClientSecret, Now: s.options.Now,
	}), nil
}

// Run listens and serves until ctx ends, then lets requests that are under way finish. It returns nil after an orderly
// end, else what ended it.
func (s *Server) Run(ctx context.Context) error {
	listener, err := s.options.Listen("tcp", s.options.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.options.Addr, err)
	}
	// What requests need goes on while they finish, so it ends after ctx, not with it.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	server := s.httpServer(background)
	asides, err := s.asides(background)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	ended := make(chan error, 2+len(asides))
	var running sync.WaitGroup
	running.Go(func() { ended <- s.runManager(background) })
	running.Go(func() { ended <- s.serveHTTP(server, listener, s.options.TLSCert != "") })
	for _, a := range asides {
		running.Go(func() { ended <- s.serveAside(background, a) })
	}
	running.Go(func() { s.setUp(background) })

	var cause error
	select {
	case <-ctx.Done():
		s.log.InfoContext(background, "Stopping: no new requests, those under way may finish")
	case cause = <-ended:
	}
	close(s.draining)
	if cause == nil {
		s.linger()
	}
	cause = errors.Join(cause, shutdown(background, server))
	stop()
	running.Wait()
	close(ended)
	for err := range ended {
		cause = errors.Join(cause, err)
	}
	return cause
}

func (s *Server) httpServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler: s.lastAnswers(s.handler), ConnState: s.open.changed, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
}

func (s *Server) runManager(ctx context.Context) error {
	if err := s.manager.Start(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("kubernetes: %w", err)
	}
	return nil
}

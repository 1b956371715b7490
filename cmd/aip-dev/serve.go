package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/apiserver"
	"github.com/aip-dev/aip-dev/bootstrap/controllers"
	"github.com/aip-dev/aip-dev/bootstrap/daemon"
	"github.com/aip-dev/aip-dev/bootstrap/kubelet"
	"github.com/aip-dev/aip-dev/bootstrap/kubelet/endpoint"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/ports"
)

// onlyAPIServer serves kube-apiserver and etcd and nothing else.
const onlyAPIServer = "apiserver"

// onlyForward carries connections to the gateway and the issuer of a cluster that is somewhere else.
const onlyForward = "forward"

// serveOptions are the flags of serve. Ports are on loopback; 0 takes a free one.
type serveOptions struct {
	state, only, name, of string
	ports                 steps.Ports
}

func newServe(errOut io.Writer) *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:    "serve",
		Short:  "Run an embedded cluster in this process until it is told to end",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			return o.run(c.Context(), errOut)
		},
	}
	c.Flags().StringVar(&o.state, "state", "", "folder of the cluster's data")
	c.Flags().StringVar(&o.only, "only", "", "what to serve: apiserver, forward, or a whole cluster when empty")
	c.Flags().StringVar(&o.name, "context", bootstrap.DefaultName, "name of the context in the kubeconfig")
	c.Flags().StringVar(&o.of, "of", "", "what the status says that this process was started for")
	c.Flags().IntVar(&o.ports.API, "api-port", 0, "port of the API server; 0 takes a free one")
	c.Flags().IntVar(&o.ports.Gateway, "gateway-port", bootstrap.DefaultGatewayPort, "port of the gateway")
	c.Flags().IntVar(&o.ports.Issuer, "issuer-port", bootstrap.DefaultIssuerPort, "port of the issuer")
	return c
}

// arguments returns the command line that makes newServe run with o.
func (o serveOptions) arguments() []string {
	port := func(p int) string { return fmt.Sprint(p) }
	return []string{
		"serve", "--state", o.state, "--context", o.name, "--api-port", port(o.ports.API),
		"--gateway-port", port(o.ports.Gateway), "--issuer-port", port(o.ports.Issuer),
	}
}

func (o serveOptions) validate() error {
	next := []string{"aip-dev serve --state DIR"}
	if o.state == "" {
		return failure.New(failure.Usage, next, "--state is empty, expected a folder for the cluster's data")
	}
	if o.only != onlyAPIServer && o.only != onlyForward && o.only != "" {
		return failure.New(failure.Usage, next, "--only is %q, expected %q, %q or nothing", o.only, onlyAPIServer, onlyForward)
	}
	return nil
}

// run serves until ctx ends or a part fails.
func (o serveOptions) run(ctx context.Context, log io.Writer) (err error) {
	klog.LogToStderr(false)
	klog.SetOutput(log)
	dir, err := filepath.Abs(o.state)
	if err != nil {
		return fmt.Errorf("find the state folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	lease, err := daemon.Hold(dir)
	if err != nil {
		return fmt.Errorf("serve %s: %w", dir, err)
	}
	c := cluster{options: o, dir: dir, log: log, status: daemon.Status{PID: os.Getpid(), Since: time.Now(), Of: o.of}}
	told := context.AfterFunc(ctx, c.stopping(lease, c.status))
	defer told()
	serve := c.serve
	if o.only == onlyForward {
		serve = c.forward
	}
	err = serve(ctx, lease)
	if err != nil && ctx.Err() == nil {
		c.status.State, c.status.Failure = daemon.Failed, err.Error()
		err = errors.Join(err, lease.Say(c.status))
	}
	return errors.Join(err, lease.Release())
}

// stopping says at once that the process was told to end, which takes a moment: who starts the environment then waits for it.
func (c *cluster) stopping(lease *daemon.Lease, s daemon.Status) func() {
	return func() {
		if err := lease.Stopping(s); err != nil {
			slog.New(slog.NewTextHandler(c.log, nil)).Warn("nobody is told that this process is about to end", "cause", err)
		}
	}
}

// cluster is an embedded cluster being served.
type cluster struct {
	options serveOptions
	dir     string
	log     io.Writer
	status  daemon.Status
}

// listeners are opened before anything starts, so that a taken port leaves nothing behind.
type listeners struct {
	api, node       net.Listener
	gateway, issuer []net.Listener
}

func (c *cluster) listen(ctx context.Context) (l listeners, err error) {
	one := func(port int) net.Listener {
		if err != nil {
			return nil
		}
		var listener net.Listener
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		return listener
	}
	l.api = one(c.options.ports.API)
	if err != nil || c.options.only == onlyAPIServer {
		return l, err
	}
	l.node = one(0)
	both := func(port int) (open []net.Listener) {
		if err == nil {
			open, err = ports.Listen(ctx, port)
		}
		return open
	}
	l.gateway, l.issuer = both(c.options.ports.Gateway), both(c.options.ports.Issuer)
	return l, err
}

// serve runs the cluster and tells lease once the API server is usable; the rest starts right after.
func (c *cluster) serve(ctx context.Context, lease *daemon.Lease) (err error) {
	l, err := c.listen(ctx)
	if err != nil {
		return fmt.Errorf("open the ports on loopback: %w", err)
	}
	api, ok := l.api.(*net.TCPListener)
	if !ok {
		return fmt.Errorf("listen for the API server: %T is not a TCP listener", l.api)
	}
	server, err := apiserver.Start(ctx, apiserver.Options{Dir: c.dir, Listener: api, Log: etcdLog(c.log), Now: time.Now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if err := apiserver.WriteKubeconfig(filepath.Join(c.dir, "kubeconfig"), c.options.name, server.Config); err != nil {
		return err
	}
	c.status.State, c.status.APIPort = daemon.Usable, portOf(l.api)
	if c.options.only == "" {
		c.status.GatewayPort, c.status.IssuerPort = portOf(l.gateway[0]), portOf(l.issuer[0])
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error {
		select {
		case <-running.Done():
			return nil
		case <-server.Done():
			return errors.New("kube-apiserver ended by itself")
		}
	})
	if c.options.only == "" {
		if err := c.workloads(running, group, server, l); err != nil {
			return err
		}
	}
	if err := lease.Say(c.status); err != nil {
		return err
	}
	return group.Wait()
}

// workloads starts what turns objects into running programs: the controllers and the node.
func (c *cluster) workloads(ctx context.Context, group *errgroup.Group, server *apiserver.Server, l listeners) error {
	log := slog.New(slog.NewTextHandler(c.log, nil))
	node, err := kubelet.New(kubelet.Options{
		Config: server.Config, NodeName: "aip-dev", EndpointPort: int32(portOf(l.node)), //nolint:gosec // a port fits
		Images: programs(server.Config), UnknownImage: unknownImage,
		Fronts: []kubelet.Front{
			{Listeners: l.gateway, Namespace: steps.Namespace, Service: steps.GatewayDeployment, Port: gatewayServicePort},
			{Listeners: l.issuer, Namespace: steps.IdentityNamespace, Service: steps.IdentityName, Port: issuerServicePort},
		},
		Logs: filepath.Join(c.dir, "logs"), Log: log, Now: time.Now,
	})
	if err != nil {
		return fmt.Errorf("make the node: %w", err)
	}
	// They stay whatever goes, and there are more of them than of anything else.
	auditRecords := v1alpha1.GroupVersion().WithResource("auditrecords").GroupResource()
	group.Go(func() error { return controllers.Run(ctx, server.Config, auditRecords) })
	group.Go(func() error { return node.Run(ctx) })
	group.Go(func() error {
		return endpoint.Serve(ctx, endpoint.Options{
			Listener: l.node, Cert: server.KubeletCert, ClientCA: server.KubeletClientCA, Pods: node, Running: node.Running,
			Log: log, Now: time.Now,
		})
	})
	// Until then pods that an earlier run left behind may still say that they are ready.
	select {
	case <-node.Synced():
	case <-ctx.Done():
	}
	return nil
}

// Ports of the Services in front of the gateway and the issuer.
const (
	gatewayServicePort = 8080
	issuerServicePort  = 8080
)

func portOf(l net.Listener) int {
	if address, ok := l.Addr().(*net.TCPAddr); ok {
		return address.Port
	}
	return 0
}

func etcdLog(w io.Writer) *zap.Logger {
	encoder := zapcore.NewConsoleEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(w), zapcore.ErrorLevel))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"

	"github.com/aip-dev/aip-dev/bootstrap/apiserver"
	"github.com/aip-dev/aip-dev/bootstrap/daemon"
	"github.com/aip-dev/aip-dev/internal/failure"
)

// onlyAPIServer serves kube-apiserver and etcd and nothing else.
const onlyAPIServer = "apiserver"

type serveOptions struct {
	state string
	only  string
	port  int
}

func newServe(errOut io.Writer, _ func(string) string) *cobra.Command {
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
	c.Flags().StringVar(&o.only, "only", "", "what to serve: apiserver")
	c.Flags().IntVar(&o.port, "api-port", 0, "port of the API server on loopback; 0 takes a free one")
	return c
}

func (o serveOptions) validate() error {
	next := []string{"aip-dev serve --only apiserver --state DIR"}
	if o.state == "" {
		return failure.New(failure.Usage, next, "--state is empty, expected a folder for the cluster's data")
	}
	if o.only != onlyAPIServer {
		return failure.New(failure.Usage, next, "--only is %q, expected %q", o.only, onlyAPIServer)
	}
	return nil
}

// run serves until ctx ends or the API server fails.
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
	defer func() { err = errors.Join(err, lease.Release()) }()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: o.port})
	if err != nil {
		return fmt.Errorf("listen for the API server: %w", err)
	}
	server, err := apiserver.Start(ctx, apiserver.Options{Dir: dir, Listener: listener, Log: etcdLog(log), Now: time.Now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if err := apiserver.WriteKubeconfig(filepath.Join(dir, "kubeconfig"), "aip-dev", server.Config); err != nil {
		return err
	}
	status := daemon.Status{PID: os.Getpid(), State: daemon.Usable, Since: time.Now()}
	if address, ok := listener.Addr().(*net.TCPAddr); ok {
		status.APIPort = address.Port
	}
	if err := lease.Say(status); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-server.Done():
	}
	return nil
}

func etcdLog(w io.Writer) *zap.Logger {
	encoder := zapcore.NewConsoleEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(w), zapcore.ErrorLevel))
}

package main

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/aip-dev/aip-dev/gateway"
)

// newGateway is the command that the gateway's image runs. Its log goes to log; env reads its environment. adjust, when not nil,
// has the last word on the options; without it the Kubernetes configuration comes from --kubeconfig or the pod.
func newGateway(log io.Writer, env func(string) string, adjust func(*gateway.Options) error) *cobra.Command {
	var o gateway.Options
	var kubeconfig string
	c := &cobra.Command{
		Use:   "gateway",
		Short: "Run the AIP gateway in this process; what the gateway's image runs",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Log = gateway.NewLoggerFrom(log, o.LogLevel)
			o.ExchangeClientID, o.ExchangeClientSecret = env("OIDC_CLIENT_ID"), env("OIDC_CLIENT_SECRET")
			if adjust == nil {
				collectOften(env)
				adjust = func(o *gateway.Options) (err error) {
					if o.Kube, err = clientcmd.BuildConfigFromFlags("", kubeconfig); err != nil {
						return fmt.Errorf("find the Kubernetes API: %w", err)
					}
					return nil
				}
			}
			if err := adjust(&o); err != nil {
				return err
			}
			server, err := gateway.New(o)
			if err != nil {
				return err
			}
			return server.Run(c.Context())
		},
	}
	c.AddCommand(newGatewayCheck())
	gateway.BindFlags(c.Flags(), &o)
	c.Flags().StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig file; empty means the pod's own access")
	return c
}

// collectOften lets the collector run when half as much was made as is in use: this process keeps every request and record
// in memory. $GOGC says otherwise.
func collectOften(env func(string) string) {
	const half = 50
	if env("GOGC") == "" {
		debug.SetGCPercent(half)
	}
}

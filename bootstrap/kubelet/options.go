package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// Process is what an image stands for: it runs one container until ctx ends or it fails. Nil is exit code 0, an error
// exit code 1 and the last line of the container's log, a panic exit code 2. It is given at most 2 seconds after ctx
// has ended; then its listeners and connections are closed under it.
type Process func(ctx context.Context, c *Container) error

// Container is what a Process may use. Nothing in it reaches another pod.
type Container struct {
	// Name and Image are those of the pod's spec.
	Name, Image string
	// Args are those of the spec, with $(NAME) expanded from Env.
	Args []string
	// Env has literal values, field references, ConfigMaps and Secrets resolved.
	Env map[string]string
	// Output is the container's log.
	Output io.Writer
	// Listen opens a listener of the pod for an address such as ":8080". No port of the host is opened; the host part
	// of the address is ignored.
	Listen func(network, address string) (net.Listener, error)
	// Kube is access as the pod's service account, with a token of its own that is renewed and kept in memory. It is
	// nil when the pod mounts no service account token.
	Kube *rest.Config
}

// Front hands the connections of loopback listeners to the newest ready pod behind a Service: it is the Service's
// address for programs outside the cluster.
type Front struct {
	// Listeners belong to the Node, which closes them when Run ends.
	Listeners []net.Listener
	// Namespace, Service and Port name a port of a Service.
	Namespace, Service string
	Port               int32
}

// Options are what a Node works with. Config, NodeName, Images and Logs are required.
type Options struct {
	// Config is the node's own access to the API server.
	Config *rest.Config
	// NodeName is the name of the Node object.
	NodeName string
	// SchedulerName is the spec.schedulerName of the pods that this node takes when they are not bound yet. Empty means
	// "default-scheduler", which is what pods have that do not say.
	SchedulerName string
	// Images returns what an image runs, or false for an image that this node does not know. It must be safe for
	// concurrent use.
	Images func(image string) (Process, bool)
	// UnknownImage tells the owner of a pod with an unknown image what this node runs.
	UnknownImage string
	// Fronts are served for as long as the Node runs.
	Fronts []Front
	// EndpointPort is the port of the node's HTTPS endpoint (logs, port-forward) on 127.0.0.1; 0 publishes none.
	EndpointPort int32
	// Logs is the folder of the container logs. It is made (0700) when absent.
	Logs string
	// Log receives what no pod's status can tell. Nil means that nothing is logged.
	Log *slog.Logger
	// Now is the clock of all times in statuses and logs. Nil means time.Now.
	Now func() time.Time
}

// complete fills in what may be left out and reports every fault at once.
func (o *Options) complete() error {
	var faults []error
	for _, required := range []struct {
		name string
		set  bool
	}{
		{"Config", o.Config != nil}, {"NodeName", o.NodeName != ""}, {"Images", o.Images != nil}, {"Logs", o.Logs != ""},
	} {
		if !required.set {
			faults = append(faults, fmt.Errorf("%s is required", required.name))
		}
	}
	if o.UnknownImage == "" {
		o.UnknownImage = "this node runs no containers, and its image is not one that it knows"
	}
	if o.SchedulerName == "" {
		o.SchedulerName = corev1.DefaultSchedulerName
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return errors.Join(faults...)
}

package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// maxComplaint is how much a node may say about a connection that it could not carry.
const maxComplaint = 4 << 10

// stream is a connection to a port of a pod.
type stream struct {
	connection  httpstream.Connection
	data, fault httpstream.Stream
}

// close cuts the connection off. Calls after the first do nothing.
func (s *stream) close() {
	_ = s.data.Reset()       // what was not sent is not wanted any more
	_ = s.connection.Close() // nothing is left to say
}

// dialer returns a function that connects to a pod of namespace.
// Source: https://kubernetes.io/docs/reference/using-api/api-concepts/ and createDialer of kubectl port-forward
func dialer(config *rest.Config, client kubernetes.Interface, namespace string) func(context.Context, pod) (*stream, error) {
	return func(ctx context.Context, p pod) (*stream, error) {
		url := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(p.name).SubResource("portforward").URL()
		transport, upgrader, err := spdy.RoundTripperFor(config)
		if err != nil {
			return nil, fmt.Errorf("make a connection: %w", err)
		}
		plain := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
		web, err := portforward.NewSPDYOverWebsocketDialerForStreaming(url, config)
		if err != nil {
			return nil, fmt.Errorf("make a connection: %w", err)
		}
		// Old API servers and some proxies know the older protocol alone.
		both := portforward.NewFallbackDialerForStreaming(web, plain, func(err error) bool {
			return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
		})
		return connect(ctx, both, p.port)
	}
}

// connect dials and opens the two streams of a forwarded connection. The dialer knows no context, so one that comes too
// late is closed.
func connect(ctx context.Context, d httpstream.Dialer, port int32) (*stream, error) {
	type outcome struct {
		stream *stream
		err    error
	}
	dialled := make(chan outcome, 1)
	go func() {
		s, err := dial(d, port)
		dialled <- outcome{s, err}
	}()
	select {
	case o := <-dialled:
		return o.stream, o.err
	case <-ctx.Done():
		go func() {
			if o := <-dialled; o.stream != nil {
				o.stream.close()
			}
		}()
		return nil, ctx.Err()
	}
}

func dial(d httpstream.Dialer, port int32) (*stream, error) {
	connection, protocol, err := d.Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, fmt.Errorf("connect over the API server: %w", err)
	}
	if protocol != portforward.PortForwardProtocolV1Name {
		return nil, errors.Join(fmt.Errorf("the API server speaks %q, expected %q", protocol, portforward.PortForwardProtocolV1Name), connection.Close())
	}
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(int(port)))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	fault, err := connection.CreateStream(headers)
	if err == nil {
		err = fault.Close() // nothing is written to it
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a stream for errors: %w", err), connection.Close())
	}
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := connection.CreateStream(headers)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a stream: %w", err), connection.Close())
	}
	return &stream{connection: connection, data: data, fault: fault}, nil
}

// join copies both ways until the pod has said all it had to say, or either side fails.
func join(conn net.Conn, s *stream) error {
	failed := make(chan error, 2)
	go func() {
		_, err := io.Copy(s.data, conn)
		if err != nil {
			failed <- fmt.Errorf("from the client: %w", err)
			return
		}
		_ = s.data.Close() // the client has said all; the answer may still come
	}()
	go func() {
		_, err := io.Copy(conn, s.data)
		if err != nil {
			err = fmt.Errorf("from the pod: %w", err)
		}
		failed <- err
	}()
	complained := make(chan error, 1)
	go func() {
		said, _ := io.ReadAll(io.LimitReader(s.fault, maxComplaint)) // it ends with the connection
		if len(said) > 0 {
			complained <- errors.New(string(said))
		}
	}()
	select {
	case err := <-failed:
		select {
		case complaint := <-complained:
			return complaint
		default:
			return err
		}
	case err := <-complained:
		return err
	case <-s.connection.CloseChan():
		return io.ErrUnexpectedEOF
	}
}

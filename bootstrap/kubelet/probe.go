package kubelet

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/aip-dev/aip-dev/internal/safetext"
)

const (
	// Until a container is ready it is asked often: quickly for the first two seconds, then four times a second.
	quickPause    = 25 * time.Millisecond
	quickAttempts = 80
	slowPause     = 250 * time.Millisecond
	// A failure is worth telling when it has lasted half a second, and its words at most every two seconds.
	patience = 20
	restless = 8
	// maxBody is how much of an answer goes into a message.
	maxBody = 200
)

// check asks once. Nil is a pass.
type check func(ctx context.Context) *complaint

// complaint says why a probe failed.
type complaint struct {
	what   string // stays the same for the same failure: "GET /readyz answered 503"
	detail string // may change with each attempt
}

func (c *complaint) String() string {
	if c.detail == "" {
		return c.what
	}
	return c.what + ": " + c.detail
}

// impatience decides how soon to ask again while a container is not ready, and what of its complaints to tell.
type impatience struct {
	attempt, told int
	text          string
}

func (i *impatience) pause() time.Duration {
	if i.attempt < quickAttempts {
		return quickPause
	}
	return slowPause
}

// tell counts an attempt that failed and reports whether its text is news.
func (i *impatience) tell(text string) bool {
	i.attempt++
	if i.attempt < patience || text == i.text || i.text != "" && i.attempt-i.told < restless {
		return false
	}
	i.text, i.told = text, i.attempt
	return true
}

// probes watches over one run of a container. Failed startup and liveness probes end the run through kill.
func (c *container) probes(ctx context.Context, spec *corev1.Container, kill context.CancelCauseFunc) {
	if p := spec.StartupProbe; p != nil {
		if why := c.awaitStart(ctx, p, c.checkFor(spec, p)); why != nil {
			c.event(corev1.EventTypeWarning, "Unhealthy", "Startup probe failed: %s", why)
			kill(&unhealthyError{probe: "startup", complaint: why})
			return
		}
		c.set(func() { c.started, c.ready, c.unready = true, spec.ReadinessProbe == nil, "" })
	}
	var both sync.WaitGroup
	defer both.Wait()
	if p := spec.ReadinessProbe; p != nil {
		both.Go(func() { c.watchReadiness(ctx, p, c.checkFor(spec, p)) })
	}
	if p := spec.LivenessProbe; p != nil {
		both.Go(func() { c.watchLiveness(ctx, p, c.checkFor(spec, p), kill) })
	}
}

// awaitStart asks until the first pass, the end of ctx or that of the time that the probe grants.
func (c *container) awaitStart(ctx context.Context, p *corev1.Probe, ask check) *complaint {
	limited, cancel := context.WithTimeout(ctx, seconds(p.InitialDelaySeconds)+seconds(p.FailureThreshold)*time.Duration(p.PeriodSeconds))
	defer cancel()
	var pace impatience
	for {
		why := ask(limited)
		if why == nil || ctx.Err() != nil {
			return nil
		}
		if limited.Err() != nil {
			return why
		}
		if pace.tell(why.String()) {
			c.set(func() { c.unready = "startup probe: " + why.String() })
		}
		if !sleep(limited, pace.pause()) && ctx.Err() == nil {
			return why
		}
	}
}

// watchReadiness asks until ctx ends: soon again while the container is not ready, else once a period.
func (c *container) watchReadiness(ctx context.Context, p *corev1.Probe, ask check) {
	var pace impatience
	var last string
	passes, failures, ready := int32(0), int32(0), false
	for {
		why := ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if why == nil {
			passes, failures = passes+1, 0
			if !ready && passes >= p.SuccessThreshold {
				ready, last = true, ""
				c.set(func() { c.ready, c.unready = true, "" })
			}
		} else {
			passes, failures = 0, failures+1
			if ready && failures >= p.FailureThreshold {
				ready, pace = false, impatience{attempt: quickAttempts}
			}
			if !ready && pace.tell(why.String()) {
				c.set(func() { c.ready, c.unready = false, "readiness probe: "+why.String() })
				if why.what != last {
					c.event(corev1.EventTypeWarning, "Unhealthy", "Readiness probe failed: %s", why)
				}
				last = why.what
			}
		}
		pause := seconds(p.PeriodSeconds)
		if !ready {
			pause = pace.pause()
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// watchLiveness asks once a period and ends the run after as many failures in a row as the probe allows.
func (c *container) watchLiveness(ctx context.Context, p *corev1.Probe, ask check, kill context.CancelCauseFunc) {
	failures := int32(0)
	for pause := seconds(p.InitialDelaySeconds) + seconds(p.PeriodSeconds); sleep(ctx, pause); pause = seconds(p.PeriodSeconds) {
		why := ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if why == nil {
			failures = 0
			continue
		}
		if failures++; failures == 1 {
			c.event(corev1.EventTypeWarning, "Unhealthy", "Liveness probe failed: %s", why)
		}
		if failures >= p.FailureThreshold {
			kill(&unhealthyError{probe: "liveness", complaint: why})
			return
		}
	}
}

// unhealthyError is why a probe ended a run.
type unhealthyError struct {
	probe     string
	complaint *complaint
}

func (e *unhealthyError) Error() string { return e.probe + " probe failed: " + e.complaint.String() }

// checkFor returns the question that p asks over the pod's own network.
func (c *container) checkFor(spec *corev1.Container, p *corev1.Probe) check {
	var ask check
	if p.HTTPGet != nil {
		ask = httpCheck(c.pod.network, spec, p.HTTPGet)
	} else {
		ask = tcpCheck(c.pod.network, spec, p.TCPSocket)
	}
	return func(ctx context.Context) *complaint {
		ctx, cancel := context.WithTimeout(ctx, max(seconds(p.TimeoutSeconds), time.Second))
		defer cancel()
		return ask(ctx)
	}
}

func tcpCheck(n *network, spec *corev1.Container, action *corev1.TCPSocketAction) check {
	return func(ctx context.Context) *complaint {
		port, why := portOf(spec, action.Port)
		if why != nil {
			return why
		}
		conn, err := n.dial(ctx, port)
		if err != nil {
			return &complaint{what: fmt.Sprintf("port %d: nothing listens", port)}
		}
		_ = conn.Close() // nothing was sent
		return nil
	}
}

// httpCheck passes on a status from 200 to 399, as a kubelet's.
// Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-probes
func httpCheck(n *network, spec *corev1.Container, action *corev1.HTTPGetAction) check {
	return func(ctx context.Context) *complaint {
		port, why := portOf(spec, action.Port)
		if why != nil {
			return why
		}
		request, err := probeRequest(ctx, n, port, action)
		if err != nil {
			return &complaint{what: "the probe is no HTTP request", detail: err.Error()}
		}
		client := &http.Client{
			Transport: &http.Transport{
				DisableKeepAlives: true,
				DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return n.dial(ctx, port) },
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		what := "GET " + safetext.Line(action.Path)
		answer, err := client.Do(request)
		if err != nil {
			return &complaint{what: what + " got no answer", detail: safetext.Line(err.Error())}
		}
		defer func() { _ = answer.Body.Close() }() // only read from
		if answer.StatusCode >= http.StatusOK && answer.StatusCode < http.StatusBadRequest {
			return nil
		}
		body, _ := io.ReadAll(io.LimitReader(answer.Body, maxBody)) // what was read until then tells most
		return &complaint{what: fmt.Sprintf("%s answered %d", what, answer.StatusCode), detail: oneLine(string(body))}
	}
}

func probeRequest(ctx context.Context, n *network, port uint16, action *corev1.HTTPGetAction) (*http.Request, error) {
	to, err := url.Parse(action.Path)
	if err != nil {
		return nil, err
	}
	to.Scheme, to.Host = "http", net.JoinHostPort(n.ip.String(), strconv.Itoa(int(port)))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "kube-probe/aip-dev")
	for _, h := range action.HTTPHeaders {
		if http.CanonicalHeaderKey(h.Name) == "Host" {
			request.Host = h.Value
			continue
		}
		request.Header.Set(h.Name, h.Value)
	}
	return request, nil
}

// portOf returns the number of a port that is given by number or by name.
func portOf(spec *corev1.Container, port intstr.IntOrString) (uint16, *complaint) {
	if port.Type == intstr.Int {
		return uint16(port.IntVal), nil //nolint:gosec // the API server takes 1 to 65535 only
	}
	if number, ok := namedPort(spec, port.StrVal); ok {
		return number, nil
	}
	return 0, &complaint{what: fmt.Sprintf("the container has no port named %q", port.StrVal)}
}

func namedPort(spec *corev1.Container, name string) (uint16, bool) {
	for _, p := range spec.Ports {
		if p.Name == name {
			return uint16(p.ContainerPort), true //nolint:gosec // the API server takes 1 to 65535 only
		}
	}
	return 0, false
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// sleep waits for d and reports whether ctx lasted as long.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

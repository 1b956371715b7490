package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/aip-dev/aip-dev/gateway/wire"
)

const (
	notSynced  = "the requests are still being loaded from the Kubernetes API"
	noRegistry = "the AgentRegistrations are still being loaded from the Kubernetes API; does it have the chart's CustomResourceDefinitions (kubectl get crd agentregistrations.governance.aip.io)?"
	// pingTimeout bounds the question whether the API server answers; the answer counts for pingAge, because anybody
	// may ask.
	pingTimeout = 2 * time.Second
	pingAge     = time.Second
)

func readNothing(*http.Request) (struct{}, error) { return struct{}{}, nil }

// whoami answers GET /whoami.
func (s *Server) whoami(_ context.Context, who caller, _ struct{}) (wire.Whoami, error) {
	out := wire.Whoami{Identity: who.Subject, Role: who.Roles.Highest(), Agents: who.Registered}
	for _, role := range who.Roles {
		out.Roles = append(out.Roles, string(role))
	}
	return out, nil
}

// healthz answers GET /healthz.
func (s *Server) healthz(context.Context) (int, string) { return http.StatusOK, "ok" }

// readyz answers GET /readyz.
func (s *Server) readyz(ctx context.Context) (int, string) {
	select {
	case <-s.draining:
		return http.StatusServiceUnavailable, "the gateway is stopping"
	default:
	}
	if why := s.gate.unready(); why != "" {
		return http.StatusServiceUnavailable, why
	}
	if why := s.unsynced(); why != "" {
		return http.StatusServiceUnavailable, why
	}
	if err := s.probe.ask(ctx); err != nil {
		s.log.WarnContext(ctx, "not ready", "cause", err)
		return http.StatusServiceUnavailable, "k8s api unavailable"
	}
	return http.StatusOK, "ok"
}

// unsynced returns what is not loaded from the Kubernetes API yet, or "".
func (s *Server) unsynced() string {
	switch {
	case !s.store.Ready():
		return notSynced
	case !s.registry.Ready():
		return noRegistry
	default:
		return ""
	}
}

// probe asks a question at most once in pingAge and repeats its answer in between.
type probe struct {
	question func(context.Context) error
	now      func() time.Time

	mu     sync.Mutex
	asked  time.Time
	answer error
}

func newProbe(question func(context.Context) error, now func() time.Time) *probe {
	return &probe{question: question, now: now}
}

func (p *probe) ask(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.asked.IsZero() && p.now().Sub(p.asked) < pingAge {
		return p.answer
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
	defer cancel()
	p.answer = p.question(ctx)
	p.asked = p.now()
	return p.answer
}

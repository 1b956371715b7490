package gateway

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
)

// route is one endpoint.
type route struct {
	Method, Path string
	// Needs is the role that a caller must have before anything of the request is looked at. The zero Need is no
	// need at all and fails New, so that nobody can forget it.
	Needs authz.Need
	Serve serve
	// Does says in one line what the endpoint is for.
	Does string
}

// pattern returns the route as http.ServeMux and the logs know it.
func (r route) pattern() string { return r.Method + " " + r.Path }

// routes is every endpoint of the gateway.
func (s *Server) routes() []route {
	return []route{
		{http.MethodGet, "/healthz", authz.None, plain(s.healthz), "the process answers"},
		{http.MethodGet, "/readyz", authz.None, plain(s.readyz), "requests can be served, or why not"},
		{http.MethodGet, "/whoami", authz.Authenticated, handle(s, readNothing, s.whoami), "identity and roles of the token"},

		{http.MethodPost, "/agent-requests", authz.Agent, handle(s, readSubmission, s.submit), "submit a request and wait for its decision"},
		{http.MethodGet, "/agent-requests", authz.AnyRole, s.listOrStream, "list requests, or with watch=true stream their changes"},
		{http.MethodGet, "/agent-requests/{name}", authz.AnyRole, handle(s, readObject, s.get), "state of one request"},
		{http.MethodGet, "/agent-requests/{name}/watch", authz.AnyRole, s.streamOne, "stream the state of one request until its decision"},
		{http.MethodPost, "/agent-requests/{name}/approve", authz.Reviewer, handle(s, readReview, s.review(v1alpha1.DecisionApproved)), "approve a request that waits for a reviewer"},
		{http.MethodPost, "/agent-requests/{name}/deny", authz.Reviewer, handle(s, readReview, s.review(v1alpha1.DecisionDenied)), "deny a request that waits for a reviewer"},
	}
}

// newMux returns the routes as a handler. It refuses a table in which a route does not say what it needs.
func (s *Server) newMux(routes []route) (http.Handler, error) {
	var faults []error
	mux := http.NewServeMux()
	for _, r := range routes {
		if r.Needs == 0 {
			faults = append(faults, fmt.Errorf("route %s does not say which role it needs", r.pattern()))
			continue
		}
		mux.HandleFunc(r.pattern(), s.guard(r))
	}
	return s.observe(mux), errors.Join(faults...)
}

// guard lets a request through to its route when its caller has the role and the gateway is able to serve.
func (s *Server) guard(to route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		infoOf(r.Context()).route = to.pattern()
		var who caller
		if to.Needs != authz.None {
			var err error
			if who, err = s.gate.admit(r, to.Needs); err != nil {
				s.fail(w, r, err)
				return
			}
			if !s.store.Ready() {
				s.fail(w, r, refuse(http.StatusServiceUnavailable, notSynced))
				return
			}
		}
		if err := to.Serve(w, r, who); err != nil {
			s.fail(w, r, err)
		}
	}
}

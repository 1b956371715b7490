package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/wire"
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
	// API is what the document of the API says about it.
	API api
}

// pattern returns the route as http.ServeMux and the logs know it.
func (r route) pattern() string { return r.Method + " " + r.Path }

// routes is every endpoint of the gateway.
func (s *Server) routes() []route {
	return slices.Concat(s.systemRoutes(), s.requestRoutes(), s.reviewRoutes(), s.reportRoutes(), s.accuracyRoutes(), s.safetyPolicies(), s.governedResources(),
		s.graduationPolicies(), s.registrations(), s.tokenRoutes())
}

func (s *Server) systemRoutes() []route {
	return []route{
		{http.MethodGet, "/healthz", authz.None, plain(s.healthz), "the process answers", api{Answers: answers{200: text}}},
		{http.MethodGet, "/readyz", authz.None, plain(s.readyz), "requests can be served, or why not", api{Answers: answers{200: text, 503: text}}},
		{http.MethodGet, "/metrics", authz.None, s.metrics, "measures for Prometheus", api{Answers: answers{200: text}}},
		{http.MethodGet, "/openapi.json", authz.None, s.document, "this document", api{Answers: answers{200: anything{}}}},
		{
			http.MethodGet, "/whoami", authz.Authenticated, handle(s, readNothing, s.whoami), "identity and roles of the caller",
			api{Answers: answers{200: wire.Whoami{}}},
		},
	}
}

func (s *Server) requestRoutes() []route {
	return []route{
		{
			http.MethodPost, "/agent-requests", authz.Agent, s.submitOrStream, "submit a request and wait for its decision",
			api{
				Body: wire.Submission{}, Answers: answers{201: wire.RequestState{}, 200: wire.RequestState{}},
				Events: true, Refuses: []int{400, 409, 413, 504},
			},
		},
		{
			http.MethodGet, "/agent-requests", authz.AnyRole, s.listOrStream, "list requests, newest first, or with watch=true stream their changes",
			api{Query: listParameters(), Answers: answers{200: oneOf{[]v1alpha1.AgentRequest{}, page{}}}, Events: true, Refuses: []int{400}},
		},
		{
			http.MethodGet, "/agent-requests/{name}", authz.AnyRole, handle(s, readObject, s.get), "state of one request, and the events of its trail",
			api{Query: []parameter{namespaceParameter()}, Answers: answers{200: wire.RequestState{}}, Refuses: []int{400, 404}},
		},
		{
			http.MethodGet, "/agent-requests/{name}/watch", authz.AnyRole, s.streamOne, "stream the state of one request until its decision",
			api{Query: []parameter{namespaceParameter(), lastEventParameter()}, Events: true, Refuses: []int{400, 404}},
		},
		{
			http.MethodGet, "/audit-records", authz.AnyRole, handle(s, readAuditQuery, s.auditRecords), "list audit records, newest first",
			api{Query: auditParameters(), Answers: answers{200: oneOf{[]v1alpha1.AuditRecord{}, auditPage{}}}, Refuses: []int{400}},
		},
	}
}

func (s *Server) reviewRoutes() []route {
	decision := api{
		Query: []parameter{namespaceParameter()}, Body: wire.Review{}, Optional: true, Answers: answers{200: wire.Reviewed{}},
		Refuses: []int{400, 404, 409, 413},
	}
	return []route{
		{
			http.MethodPost, "/agent-requests/{name}/approve", authz.Reviewer, handle(s, readReview, s.review(v1alpha1.DecisionApproved)),
			"approve a request that waits for a reviewer", decision,
		},
		{
			http.MethodPost, "/agent-requests/{name}/deny", authz.Reviewer, handle(s, readReview, s.review(v1alpha1.DecisionDenied)),
			"deny a request that waits for a reviewer", decision,
		},
		{
			http.MethodGet, "/agent-requests/{name}/target", authz.Reviewer, handle(s, readObject, s.target),
			"look at the target as it is now, beside what was recorded when the policies were asked",
			api{Query: []parameter{namespaceParameter()}, Answers: answers{200: wire.Target{}}, Refuses: []int{400, 404}},
		},
		{
			http.MethodPatch, "/agent-requests/{name}/verdict", authz.Reviewer, handle(s, readVerdict, s.verdict),
			"grade a request that was not executed",
			api{
				Query: []parameter{namespaceParameter()}, Body: wire.Verdict{}, Answers: answers{200: wire.Reported{}},
				Refuses: []int{400, 404, 409, 413},
			},
		},
	}
}

func (s *Server) reportRoutes() []route {
	report := api{
		Query: []parameter{namespaceParameter()}, Body: wire.Failure{}, Optional: true, Answers: answers{200: wire.Reported{}},
		Refuses: []int{400, 404, 409, 413},
	}
	return []route{
		{
			http.MethodPost, "/agent-requests/{name}/verify", authz.Agent, handle(s, readVerification, s.verify),
			"ask whether what was approved is still as it was, right before it is executed",
			api{
				Query: []parameter{namespaceParameter()}, Body: wire.Verification{}, Answers: answers{200: wire.Verified{}},
				Refuses: []int{400, 404, 409, 413},
			},
		},
		{
			http.MethodPost, "/agent-requests/{name}/executing", authz.Agent, handle(s, readReport, s.report(executing())),
			"report that an approved action has begun", report,
		},
		{
			http.MethodPost, "/agent-requests/{name}/heartbeat", authz.Agent, handle(s, readObject, s.heartbeatOf),
			"report that it is still going on, so that the target stays held",
			api{Query: []parameter{namespaceParameter()}, Answers: answers{200: wire.Reported{}}, Refuses: []int{400, 404, 409}},
		},
		{
			http.MethodPost, "/agent-requests/{name}/completed", authz.Agent, handle(s, readReport, s.report(completed())),
			"report that it succeeded", report,
		},
		{
			http.MethodPost, "/agent-requests/{name}/failed", authz.Agent, handle(s, readReport, s.report(failed())),
			"report that it failed", report,
		},
		{
			http.MethodPut, "/agent-requests/{name}/result", authz.Agent, handle(s, readResult, s.result), "record what came out of it",
			api{
				Query: []parameter{namespaceParameter()}, Body: v1alpha1.Result{}, Answers: answers{200: wire.Recorded{}},
				Refuses: []int{400, 404, 409, 413},
			},
		},
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
			if why := s.unsynced(); why != "" {
				s.fail(w, r, refuse(http.StatusServiceUnavailable, "%s", why))
				return
			}
			who = s.standing(who)
		}
		if err := to.Serve(w, r, who); err != nil {
			s.fail(w, r, err)
		}
	}
}

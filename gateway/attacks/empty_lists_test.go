package attacks

import (
	"net/http"
	"testing"

	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/gateway/authz"
)

// Hole (W-01): a gateway that checks tokens but has no list of who may do what takes everybody for everything.
// Attack: a stranger with a valid token of the same provider asks as agent, reviewer and administrator.
// Proof: empty lists give their role to nobody; the stranger learns who it is, and no more.
func TestEmptyLists(t *testing.T) { //nolint:paralleltest // see own
	w := own(t, func(o *gateway.Options) {
		o.APIOnly = true
		o.Roles = authz.Config{AgentSubjects: []string{}, ReviewerGroups: []string{""}}
	})
	everyone := func(c map[string]any) { c["groups"] = []string{"", "agents", "system:masters"} }
	for _, call := range []struct{ method, path, text string }{
		{http.MethodPost, "/agent-requests", "agent role required"},
		{http.MethodGet, "/agent-requests", "agent, reviewer, or admin role required"},
		{http.MethodGet, "/agent-requests/x", "agent, reviewer, or admin role required"},
		{http.MethodGet, "/audit-records", "agent, reviewer, or admin role required"},
		{http.MethodPost, "/agent-requests/x/approve", "reviewer role required"},
		{http.MethodPatch, "/agent-requests/x/verdict", "reviewer role required"},
		{http.MethodPost, "/safety-policies", "admin role required"},
		{http.MethodDelete, "/governed-resources/x", "admin role required"},
	} {
		w.send(t, w.Token(t, nobody, everyone), call.method, call.path, "{}").is(t, http.StatusForbidden, call.text)
	}
	w.as(t, nobody, http.MethodGet, "/whoami", "").is(t, http.StatusOK, `"role":"unknown"`)
}

package authz_test

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
)

func TestRolesOf(t *testing.T) {
	t.Parallel()
	lists := authz.Config{
		AgentSubjects: []string{"a", "both", ""}, ReviewerSubjects: []string{"r", "both"}, AdminSubjects: []string{"root"},
		AgentGroups: []string{"agents", ""}, ReviewerGroups: []string{"reviewers"}, AdminGroups: []string{"admins"},
	}
	for name, c := range map[string]struct {
		config  authz.Config
		subject string
		groups  []string
		want    authz.Roles
		highest string
	}{
		"empty lists give nobody a role": {authz.Config{}, "a", []string{"agents"}, nil, "unknown"},
		"agent":                          {lists, "a", nil, authz.Roles{authz.RoleAgent}, "agent"},
		"two roles, highest first":       {lists, "both", nil, authz.Roles{authz.RoleReviewer, authz.RoleAgent}, "reviewer"},
		"by group":                       {lists, "x", []string{"admins", "agents"}, authz.Roles{authz.RoleAdmin, authz.RoleAgent}, "admin"},
		"stranger":                       {lists, "x", []string{"others"}, nil, "unknown"},
		"empty subject":                  {lists, "", []string{"admins"}, nil, "unknown"},
		"empty group":                    {lists, "x", []string{""}, nil, "unknown"},
		"case matters":                   {lists, "A", nil, nil, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := c.config.RolesOf(c.subject, c.groups)
			if !slices.Equal(got, c.want) || got.Highest() != c.highest {
				t.Errorf("found %v (%s), expected %v (%s)", got, got.Highest(), c.want, c.highest)
			}
		})
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	roles := map[string]authz.Roles{
		"none": nil, "agent": {authz.RoleAgent}, "reviewer": {authz.RoleReviewer}, "admin": {authz.RoleAdmin},
	}
	for _, c := range []struct {
		need   authz.Need
		serves []string
		reason string
	}{
		{authz.Need(0), nil, "this route serves nobody"},
		{authz.None, []string{"none", "agent", "reviewer", "admin"}, ""},
		{authz.Authenticated, []string{"none", "agent", "reviewer", "admin"}, ""},
		{authz.Agent, []string{"agent"}, "agent role required"},
		{authz.Reviewer, []string{"reviewer"}, "reviewer role required"},
		{authz.Admin, []string{"admin"}, "admin role required"},
		{authz.AdminOrReviewer, []string{"reviewer", "admin"}, "admin or reviewer role required"},
		{authz.AnyRole, []string{"agent", "reviewer", "admin"}, "agent, reviewer, or admin role required"},
		{authz.Need(99), nil, "this route serves nobody"},
	} {
		for name, held := range roles {
			want := authz.Verdict{Allowed: true}
			if !slices.Contains(c.serves, name) {
				want = authz.Verdict{Reason: c.reason}
			}
			if got := authz.Allow(c.need, held); got != want {
				t.Errorf("need %d, roles %s: found %+v, expected %+v", c.need, name, got, want)
			}
		}
	}
}

func request(agent, submitter string) *v1alpha1.AgentRequest {
	r := &v1alpha1.AgentRequest{ObjectMeta: metav1.ObjectMeta{}, Spec: v1alpha1.AgentRequestSpec{AgentIdentity: agent}}
	if submitter != "" {
		r.Annotations = map[string]string{v1alpha1.AnnotationSubmittedBy: submitter}
	}
	return r
}

func TestMayDecide(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		subject string
		request *v1alpha1.AgentRequest
		want    bool
	}{
		"another":              {"reviewer", request("agent", "agent"), true},
		"the asking identity":  {"agent", request("agent", ""), false},
		"the submitting token": {"broker", request("agent", "broker"), false},
		"nobody":               {"", request("agent", "agent"), false},
		"nobody, no submitter": {"", request("", ""), false},
	} {
		if got := authz.MayDecide(c.subject, c.request); got.Allowed != c.want || got.Allowed == (got.Reason != "") {
			t.Errorf("%s: found %+v, expected allowed=%t", name, got, c.want)
		}
	}
	if got := authz.MayDecide("reviewer", request("agent", "broker"), "agent"); got.Allowed {
		t.Error("who may act as an agent decides about its request")
	}
}

func TestMayRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		subject string
		agents  []string
		roles   authz.Roles
		want    bool
	}{
		"submitted":       {"agent", nil, authz.Roles{authz.RoleAgent}, true},
		"may act as it":   {"other", []string{"x", "agent"}, authz.Roles{authz.RoleAgent}, true},
		"own, no role":    {"agent", []string{"agent"}, nil, false},
		"another agent's": {"other", []string{"other"}, authz.Roles{authz.RoleAgent}, false},
		"nobody":          {"", []string{"agent"}, authz.Roles{authz.RoleAgent}, false},
		"reviewer":        {"r", nil, authz.Roles{authz.RoleReviewer}, true},
		"admin":           {"r", nil, authz.Roles{authz.RoleAdmin}, true},
		"no role":         {"r", nil, nil, false},
	} {
		if got := authz.MayRead(c.subject, c.agents, c.roles, request("agent", "agent")); got.Allowed != c.want {
			t.Errorf("%s: found %+v, expected allowed=%t", name, got, c.want)
		}
	}
}

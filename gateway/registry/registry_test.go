package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authn"
)

const issuer = "https://issuer"

// made counts the registrations of a test, so that each is younger than the one before.
var made int

// registration returns one that an administrator declared.
func registration(agent string, edit ...func(*v1alpha1.AgentRegistration)) *v1alpha1.AgentRegistration {
	made++
	r := &v1alpha1.AgentRegistration{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: fmt.Sprintf("r-%d", made), UID: types.UID(fmt.Sprint(made)),
			CreationTimestamp: metav1.NewTime(time.Unix(int64(made), 0)),
		},
		Spec: v1alpha1.AgentRegistrationSpec{AgentIdentity: agent},
	}
	for _, e := range edit {
		e(r)
	}
	return r
}

func of(claim string, subjects ...string) func(*v1alpha1.AgentRegistration) {
	return func(r *v1alpha1.AgentRegistration) {
		r.Spec.OIDC = &v1alpha1.RegistrationOIDC{Issuer: issuer, SubjectClaim: claim, AllowedSubjects: subjects}
	}
}

func phase(p v1alpha1.RegistrationPhase) func(*v1alpha1.AgentRegistration) {
	return func(r *v1alpha1.AgentRegistration) { r.Status.Phase = p }
}

// back makes it as old as the one before.
func back(r *v1alpha1.AgentRegistration) {
	r.CreationTimestamp = metav1.NewTime(r.CreationTimestamp.Add(-time.Second))
}

func itself(r *v1alpha1.AgentRegistration) {
	r.Annotations = map[string]string{v1alpha1.AnnotationSelfRegistered: r.Spec.AgentIdentity}
}

func TestAgents(t *testing.T) { //nolint:paralleltest // registrations are counted
	for name, c := range map[string]struct {
		stored []*v1alpha1.AgentRegistration
		who    authn.Identity
		want   string
	}{
		"nobody is registered":          {nil, authn.Identity{Subject: "a"}, ""},
		"by its name":                   {[]*v1alpha1.AgentRegistration{registration("a")}, authn.Identity{Subject: "a"}, "a"},
		"by another's name":             {[]*v1alpha1.AgentRegistration{registration("a")}, authn.Identity{Subject: "b"}, ""},
		"by a subject":                  {[]*v1alpha1.AgentRegistration{registration("a", of("", "s", "t"))}, authn.Identity{Subject: "t", Issuer: issuer}, "a"},
		"its name is no subject":        {[]*v1alpha1.AgentRegistration{registration("a", of("", "s"))}, authn.Identity{Subject: "a", Issuer: issuer}, ""},
		"of another issuer":             {[]*v1alpha1.AgentRegistration{registration("a", of("", "s"))}, authn.Identity{Subject: "s", Issuer: "https://other"}, ""},
		"without a token":               {[]*v1alpha1.AgentRegistration{registration("a", of(""))}, authn.Identity{Subject: "a"}, ""},
		"by a claim that it lacks":      {[]*v1alpha1.AgentRegistration{registration("a", of("sub"))}, authn.Identity{Subject: "a", Issuer: issuer}, ""},
		"as two":                        {[]*v1alpha1.AgentRegistration{registration("b", of("", "s")), registration("a", of("", "s"))}, authn.Identity{Subject: "s", Issuer: issuer}, "a,b"},
		"approved":                      {[]*v1alpha1.AgentRegistration{registration("a", itself, phase("Approved"))}, authn.Identity{Subject: "a"}, "a"},
		"asked for":                     {[]*v1alpha1.AgentRegistration{registration("a", itself)}, authn.Identity{Subject: "a"}, ""},
		"pending":                       {[]*v1alpha1.AgentRegistration{registration("a", phase("Pending"))}, authn.Identity{Subject: "a"}, ""},
		"denied":                        {[]*v1alpha1.AgentRegistration{registration("a", phase("Denied"))}, authn.Identity{Subject: "a"}, ""},
		"the older of two":              {[]*v1alpha1.AgentRegistration{registration("a", of("", "s")), registration("a", of("", "evil"))}, authn.Identity{Subject: "evil", Issuer: issuer}, ""},
		"the older, of one second":      {[]*v1alpha1.AgentRegistration{registration("a", of("", "s")), registration("a", of("", "evil"), back)}, authn.Identity{Subject: "s", Issuer: issuer}, ""},
		"the younger, of one second":    {[]*v1alpha1.AgentRegistration{registration("a", of("", "s")), registration("a", of("", "evil"), back)}, authn.Identity{Subject: "evil", Issuer: issuer}, ""},
		"both of one second":            {[]*v1alpha1.AgentRegistration{registration("a", of("", "s")), registration("a", of("", "s"), back)}, authn.Identity{Subject: "s", Issuer: issuer}, "a"},
		"the younger, as one is denied": {[]*v1alpha1.AgentRegistration{registration("a", phase("Denied")), registration("a")}, authn.Identity{Subject: "a"}, "a"},
	} {
		r := New(nil)
		for _, reg := range c.stored {
			r.OnAdd(reg, true)
		}
		if got := strings.Join(r.Agents(c.who), ","); got != c.want {
			t.Errorf("%s: found %q, expected %q", name, got, c.want)
		}
	}
}

// TestChanges: what is changed or removed counts no more, and leaves nothing behind.
func TestChanges(t *testing.T) { //nolint:paralleltest // registrations are counted
	r := New(nil)
	before := registration("a", of("", "s", "t"))
	r.OnAdd(before, false)
	after := before.DeepCopy()
	after.Spec.OIDC.AllowedSubjects = []string{"t", "u"}
	r.OnUpdate(before, after)
	for value, want := range map[string]bool{"s": false, "t": true, "u": true} {
		if got := slices.Contains(r.Agents(authn.Identity{Subject: value, Issuer: issuer}), "a"); got != want {
			t.Errorf("%s may act as a: %t", value, got)
		}
	}
	denied := after.DeepCopy()
	denied.Status.Phase = v1alpha1.RegistrationDenied
	r.OnUpdate(after, denied)
	if len(r.InForce("a")) != 0 || r.Latest("a") == nil || len(r.Agents(authn.Identity{Subject: "t", Issuer: issuer})) != 0 {
		t.Error("a denied registration counts")
	}
	r.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: denied})
	if r.Latest("a") != nil || len(r.of)+len(r.by)+len(r.claims) != 0 {
		t.Errorf("left behind: %v %v %v", r.of, r.by, r.claims)
	}
}

func TestRefusal(t *testing.T) { //nolint:paralleltest // registrations are counted
	reg := registration("a", of("", "s"))
	for want, who := range map[string]authn.Identity{
		`it is registered for tokens of issuer "https://issuer", this one is of "https://other"`: {Subject: "s", Issuer: "https://other"},
		`it is registered for other subjects than "x", which is its identity`:                    {Subject: "x", Issuer: issuer},
	} {
		if got := refusal(reg, who); !strings.HasPrefix(got, want) {
			t.Errorf("found %q, expected %q", got, want)
		}
	}
}

package steps

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
)

// way is what lies between a token and a decision, as the proof meets it.
type way struct {
	roles  map[string]string
	broken error
	proven int
	// before is how many times the pod that was replaced still answers.
	before int
}

func (w *way) prove(_ context.Context, _ bootstrap.Facts, note func(string)) error {
	note("asking for a token")
	if w.broken != nil {
		return w.broken
	}
	if w.before > 0 {
		w.before--
		return &RoleError{Client: "aip-agent-2", Found: "unknown", Expected: "agent"}
	}
	w.proven++
	return nil
}

func (w *way) whoami(_ context.Context, _ bootstrap.Facts, client string) (string, error) {
	return w.roles[client], w.broken
}

func newProof(w *way) proof {
	w.roles = map[string]string{}
	for _, c := range bootstrap.Default().Clients {
		w.roles[c.ID] = c.Role
	}
	later := func() time.Time { return time.Now().Add(time.Hour) } // the kinds are settled
	return proof{env: bootstrap.Default(), deps: Deps{Prove: w.prove, Whoami: w.whoami, Now: later}}
}

// After a rollout the pod of before may answer once more; what it says of a new client is not the last word.
func TestProofAfterARollout(t *testing.T) {
	t.Parallel()
	w := &way{before: 2}
	facts, _ := applied(t, newProof(w), onServer(t))
	if w.before != 0 || w.proven != 1 || facts.Proof.Of == "" {
		t.Errorf("%d answers of before are left, proven %d times: %+v", w.before, w.proven, facts.Proof)
	}
}

func TestProof(t *testing.T) {
	t.Parallel()
	w := &way{}
	step := newProof(w)
	facts := onServer(t)
	if seen := observed(t, step, facts); seen.State != bootstrap.Absent {
		t.Errorf("never proven: %+v", seen)
	}
	facts, r := applied(t, step, facts)
	if w.proven != 1 || facts.Proof.Of == "" || facts.Proof.At.IsZero() || r.last() != "token → gateway → request → decision" {
		t.Errorf("proven %d times, %+v, said %q", w.proven, facts.Proof, r.notes)
	}
	if seen := observed(t, step, facts); seen.State != bootstrap.Ready || w.proven != 1 {
		t.Errorf("proven: %+v", seen)
	}
	for name, change := range map[string]func(*bootstrap.Facts){
		"issuer":  func(f *bootstrap.Facts) { f.Identity.IssuerURL = "http://other" },
		"chart":   func(f *bootstrap.Facts) { f.Gateway.Chart = "aip-k8s 9" },
		"cluster": func(f *bootstrap.Facts) { f.Cluster.Version = "v2" },
	} {
		changed := facts
		change(&changed)
		if seen := observed(t, step, changed); seen.State != bootstrap.Absent {
			t.Errorf("another %s: %+v, expected that the proof does not hold", name, seen)
		}
	}
	other := step
	other.env.Audience = "another"
	if seen := observed(t, other, facts); seen.State != bootstrap.Absent {
		t.Errorf("another audience: %+v", seen)
	}
	w.roles["aip-agent-1"] = "reviewer"
	if seen := observed(t, step, facts); seen.State != bootstrap.Differs || seen.Detail != "aip-agent-1 is reviewer, expected agent" {
		t.Errorf("another role: %+v", seen)
	}
	w.broken = errors.New("401 invalid token")
	if seen := observed(t, step, facts); seen.State != bootstrap.Differs || seen.Detail != "401 invalid token" {
		t.Errorf("the gateway refuses: %+v", seen)
	}
}

// A way that does not hold is an error, and nothing counts as proven.
func TestProofThatFails(t *testing.T) {
	t.Parallel()
	w := &way{broken: errors.New("403 Forbidden")}
	step := newProof(w)
	facts, err := step.Apply(t.Context(), onServer(t), &report{})
	if !errors.Is(err, w.broken) || facts.Proof.Of != "" {
		t.Errorf("%+v, %v", facts.Proof, err)
	}
}

func TestGatewayValues(t *testing.T) {
	t.Parallel()
	env := bootstrap.Default()
	env.Clients = append(env.Clients, bootstrap.Client{ID: "aip-agent-2", Role: bootstrap.RoleAgent})
	facts := bootstrap.Facts{Identity: bootstrap.IdentityFacts{IssuerURL: "http://localhost:1/realms/aip"}, Cluster: bootstrap.ClusterFacts{GatewayPort: 7}}
	spec := gateway{env: env}.spec(facts)
	value := func(values map[string]any, path string) any {
		var at any = values
		for key := range strings.SplitSeq(path, ".") {
			next, ok := at.(map[string]any)
			if !ok {
				return nil
			}
			at = next[key]
		}
		return at
	}
	for path, want := range map[string]any{"gateway.auth.oidcIssuerURL": "http://localhost:1/realms/aip", "gateway.auth.oidcAudience": "aip-gateway", "gateway.tls.secretName": ""} {
		if got := value(spec.Values, path); got != want {
			t.Errorf("held: %s is %v, expected %v", path, got, want)
		}
	}
	if got := value(spec.Defaults, "gateway.dedupWindow"); got != "0s" {
		t.Errorf("proposed: gateway.dedupWindow is %v, expected 0s", got)
	}
	want := map[string][]string{
		"gateway.auth.agentSubjects": {"aip-agent-1", "aip-agent-2"}, "gateway.auth.reviewerSubjects": {"aip-reviewer-1"},
		"gateway.auth.adminSubjects": {"aip-admin-1"},
	}
	for _, list := range spec.Names {
		if !slices.Equal(list.Proposed, want[list.String()]) || list.In != nil || list.Out != nil {
			t.Errorf("proposed: %+v, expected %v", list, want[list.String()])
		}
		delete(want, list.String())
		if got := value(spec.Values, list.String()); got != nil {
			t.Errorf("%s is held to %v; people change it by helm upgrade", list, got)
		}
	}
	if len(want) > 0 {
		t.Errorf("nothing was proposed for %v", want)
	}
}

func TestObserveGatewayBeforeItIsThere(t *testing.T) {
	t.Parallel()
	seen := observed(t, gateway{env: bootstrap.Default(), deps: Deps{Now: time.Now}}, onServer(t))
	if seen.State != bootstrap.Differs || seen.Facts.Gateway.URL != "http://localhost:18080" || seen.Facts.Gateway.Release != Release {
		t.Errorf("%+v", seen)
	}
}

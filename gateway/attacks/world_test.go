package attacks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// Identities of the tests and their roles.
const (
	agent    = "agent"
	rival    = "rival" // another agent
	reviewer = "reviewer"
	second   = "second-reviewer"
	admin    = "admin"
	both     = "agent-and-reviewer"
	nobody   = "nobody" // a valid token and no role
)

// world is a running gateway.
type world struct {
	*testkit.Issuer
	address string
	live    client.Client
	logs    *testkit.Log
	// ended is closed when the gateway has ended.
	ended chan struct{}
	// ns is a namespace of the test's own.
	ns string
}

// launched are the gateway that most tests share and the error of its start. Tests use actions of their own, because
// policies count for the requests of all namespaces.
var launched struct { // one process, one gateway
	once  sync.Once
	world *world
	err   error
}

// shared returns the shared gateway with a namespace of the test's own.
func shared(t *testing.T) *world {
	t.Helper()
	kube := testkit.Kube(t)
	launched.once.Do(func() {
		kube.Wrap(func(base http.RoundTripper) http.RoundTripper { return faulty{base} })
		launched.world, launched.err = launch(context.Background(), t, gateway.Options{Kube: kube})
	})
	check(t, launched.err)
	w := *launched.world
	w.ns = testkit.Namespace(t, w.live)
	return &w
}

// own returns a gateway of the test's own, which ends with it. Tests with one do not run beside others: every gateway drives
// all requests forward.
func own(t *testing.T, edit func(*gateway.Options)) *world {
	t.Helper()
	o := gateway.Options{Kube: testkit.Kube(t)}
	edit(&o)
	ctx, cancel := context.WithCancel(context.Background())
	w, err := launch(ctx, t, o)
	t.Cleanup(func() {
		cancel()
		if w != nil {
			<-w.ended // or it would go on with the requests of the tests that follow
		}
	})
	check(t, err)
	w.ns = testkit.Namespace(t, w.live)
	return w
}

// launch runs a gateway until ctx ends and waits until it serves.
func launch(ctx context.Context, t *testing.T, o gateway.Options) (*world, error) {
	w := &world{Issuer: testkit.NewIssuer(t), logs: &testkit.Log{}, live: testkit.Client(t)}
	o.OIDC = authn.Options{IssuerURL: w.URL, Audience: "aip-gateway"}
	o.Log, o.WaitTimeout = gateway.NewLogger(w.logs), 30*time.Second
	if o.Roles.AgentSubjects == nil {
		o.Roles = authz.Config{
			AgentSubjects: []string{agent, rival, both}, ReviewerSubjects: []string{reviewer, second, both}, AdminSubjects: []string{admin},
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.address = listener.Addr().String()
	o.Listen = func(string, string) (net.Listener, error) { return listener, nil }
	s, err := gateway.New(o)
	if err != nil {
		return nil, err
	}
	w.ended = make(chan struct{})
	go func() {
		defer close(w.ended)
		_ = s.Run(ctx) // its log tells
	}()
	return w, w.ready(ctx)
}

func (w *world) ready(ctx context.Context) error {
	for end := time.After(30 * time.Second); ; {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.address+"/readyz", nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(r); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-end:
			return fmt.Errorf("not ready within 30 s:\n%s", w.logs)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(30 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: it did not happen within 30 s", what)
		}
	}
}

// reply is an answer of the gateway.
type reply struct {
	status int
	body   string
	header http.Header
}

// is fails the test unless the answer has a status and contains a text.
func (r reply) is(t testing.TB, status int, text string) reply {
	t.Helper()
	if r.status != status || !strings.Contains(r.body, text) {
		t.Errorf("got %d %.600s, expected %d with %q", r.status, strings.TrimSpace(r.body), status, text)
	}
	return r
}

func (r reply) state(t testing.TB) wire.RequestState {
	t.Helper()
	var out wire.RequestState
	check(t, json.Unmarshal([]byte(r.body), &out))
	return out
}

// as sends a request as subject.
func (w *world) as(t testing.TB, subject, method, path, body string) reply {
	t.Helper()
	return w.send(t, w.Token(t, subject), method, path, body)
}

// send sends a request with a token, none when it is empty.
func (w *world) send(t testing.TB, token, method, path, body string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+w.address+path, strings.NewReader(body))
	check(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	check(t, err)
	defer func() { check(t, answer.Body.Close()) }()
	text, err := io.ReadAll(answer.Body)
	check(t, err)
	return reply{status: answer.StatusCode, body: string(text), header: answer.Header}
}

// path returns the path of a request in the test's namespace.
func (w *world) path(name, rest string) string {
	return "/agent-requests/" + name + rest + "?namespace=" + w.ns
}

// submission returns a body with a target of its own.
func (w *world) submission(action string) string {
	return fmt.Sprintf(`{"namespace":%q,"action":%q,"targetURI":"test://%s/%s","reason":"because"}`, w.ns, action, w.ns, action)
}

// submit submits as subject and returns the state.
func (w *world) submit(t testing.TB, subject, action string) wire.RequestState {
	t.Helper()
	return w.as(t, subject, http.MethodPost, "/agent-requests", w.submission(action)).is(t, http.StatusCreated, `"name"`).state(t)
}

// policy stores a policy with one rule and waits until it is in force.
func (w *world) policy(t testing.TB, rule v1alpha1.Rule) {
	t.Helper()
	if rule.Type == "" {
		rule.Type = v1alpha1.RuleStateEvaluation
	}
	if rule.Name == "" {
		rule.Name = "rule"
	}
	p := &v1alpha1.SafetyPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "policy-"}, Spec: v1alpha1.SafetyPolicySpec{Rules: []v1alpha1.Rule{rule}},
	}
	check(t, w.live.Create(t.Context(), p))
	eventually(t, "policy in force", func() bool {
		check(t, w.live.Get(t.Context(), client.ObjectKeyFromObject(p), p))
		return meta.IsStatusConditionTrue(p.Status.Conditions, "Valid")
	})
}

// holds stores a policy that asks for a reviewer for one action.
func (w *world) holds(t testing.TB, action string) {
	t.Helper()
	w.policy(t, v1alpha1.Rule{Action: v1alpha1.ActionRequireApproval, Expression: fmt.Sprintf("request.spec.action == %q", action)})
}

// stored returns a request as the API server has it.
func (w *world) stored(t testing.TB, name string) *v1alpha1.AgentRequest {
	t.Helper()
	var r v1alpha1.AgentRequest
	check(t, w.live.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, &r))
	return &r
}

// phase waits until a request is in a phase.
func (w *world) phase(t testing.TB, name string, want v1alpha1.Phase) *v1alpha1.AgentRequest {
	t.Helper()
	var r *v1alpha1.AgentRequest
	eventually(t, name+" is "+string(want), func() bool {
		r = w.stored(t, name)
		return r.Status.Phase == want
	})
	return r
}

// unreachable is a name that the API server fails to look up.
const unreachable = "unreachable"

func inNamespace(ns string) client.ListOption { return client.InNamespace(ns) }

// faulty answers lookups of the deployment unreachable with an error, and passes the rest on.
type faulty struct{ base http.RoundTripper }

func (f faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/deployments/"+unreachable) {
		return f.base.RoundTrip(r)
	}
	return &http.Response{
		StatusCode: http.StatusInternalServerError, Status: "500 Internal Server Error", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"InternalError","code":500}`)),
	}, nil
}

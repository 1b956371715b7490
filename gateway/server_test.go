package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// Identities of the tests and their roles.
const (
	agent1    = "aip-agent-1"
	agent2    = "aip-agent-2"
	reviewer1 = "aip-reviewer-1"
	reviewer2 = "aip-reviewer-2"
	admin1    = "aip-admin-1"
	both      = "aip-agent-and-reviewer"
	nobody    = "aip-nobody"
)

// world is a running gateway with its issuer, and a namespace of its own.
type world struct {
	*testkit.Issuer
	server *Server
	url    string
	ns     string
	live   client.Client
	logs   *testkit.Log
	// end stops the gateway and returns what Run returned.
	end func() error
}

// options returns the options of a gateway that trusts i.
func options(t testing.TB, i *testkit.Issuer, logs io.Writer) Options {
	return Options{
		Kube: testkit.Kube(t), WaitTimeout: 20 * time.Second, Log: NewLogger(logs),
		OIDC: authn.Options{IssuerURL: i.URL, Audience: "aip-gateway", GroupsClaim: "groups"},
		Roles: authz.Config{
			AgentSubjects: []string{agent1, agent2, both}, ReviewerSubjects: []string{reviewer1, reviewer2, both},
			AdminSubjects: []string{admin1},
		},
	}
}

// start runs a gateway and waits until it serves. Gateways drive the requests of all namespaces forward, each by the
// policies that it has seen, so tests that run one do not run beside each other; their parts do.
func start(t testing.TB, edit ...func(*Options)) *world {
	t.Helper()
	w := launch(t, testkit.NewIssuer(t), edit...)
	eventually(t, func() bool { return w.do(t, "GET", "/readyz", "", "").status == http.StatusOK })
	return w
}

// launch runs a gateway and waits for nothing but its listener.
func launch(t testing.TB, i *testkit.Issuer, edit ...func(*Options)) *world {
	t.Helper()
	w := &world{Issuer: i, logs: &testkit.Log{}, live: testkit.Client(t)}
	o := options(t, i, w.logs)
	address := make(chan string, 1)
	o.Listen = func(network, _ string) (net.Listener, error) {
		l, err := net.Listen(network, "127.0.0.1:0")
		if err == nil {
			address <- l.Addr().String()
		}
		return l, err
	}
	for _, e := range edit {
		e(&o)
	}
	w.ns = testkit.Namespace(t, w.live)

	var err error
	w.server, err = New(o)
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.server.Run(ctx) }()
	w.end = sync.OnceValue(func() error {
		http.DefaultClient.CloseIdleConnections() // else the gateway waits until they are closed
		cancel()
		return <-ended
	})
	t.Cleanup(func() { check(t, w.end()) })
	w.url = "http://" + <-address
	return w
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(20 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it did not happen within 20 s")
		}
	}
}

// reply is an answer of the gateway.
type reply struct {
	status int
	header http.Header
	body   string
}

// into decodes the answer.
func (r reply) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
}

// as sends a request with a token of subject.
func (w *world) as(t testing.TB, subject, method, path, body string) reply {
	t.Helper()
	return w.do(t, method, path, w.Token(t, subject), body)
}

// do sends a request with a token, unless it is empty.
func (w *world) do(t testing.TB, method, path, token, body string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	check(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return send(t, req)
}

// send sends a request and compares the answer with the document of the API.
func send(t testing.TB, req *http.Request) reply {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	check(t, err)
	defer func() { check(t, resp.Body.Close()) }()
	data, err := io.ReadAll(resp.Body)
	check(t, err)
	got := reply{status: resp.StatusCode, header: resp.Header, body: string(data)}
	c, err := theContract()
	check(t, err)
	if fault := c.check(req.Method, req.URL.Path, got); fault != "" {
		t.Errorf("%s %s: %s: %.500s", req.Method, req.URL.Path, fault, got.body)
	}
	return got
}

// want fails the test unless the answer has a status and contains a text.
func (r reply) want(t testing.TB, status int, text string) reply {
	t.Helper()
	if r.status != status || !strings.Contains(r.body, text) {
		t.Errorf("got %d %s, want %d with %q", r.status, strings.TrimSpace(r.body), status, text)
	}
	return r
}

// submission returns a body in the world's namespace, about a target of its own.
func (w *world) submission(action string) string {
	return fmt.Sprintf(`{"namespace":%q,"action":%q,"targetURI":%q,"reason":"because"}`, w.ns, action, target())
}

// targets counts the targets of the tests: one target is held by one request at a time.
var targets atomic.Int64

// target returns the URI of a target that no other request asks about.
func target() string { return fmt.Sprintf("test://target/%d", targets.Add(1)) }

// submit submits as subject and returns the state.
func (w *world) submit(t testing.TB, subject, action string) wire.RequestState {
	t.Helper()
	r := w.as(t, subject, "POST", "/agent-requests", w.submission(action)).want(t, http.StatusCreated, `"name"`)
	var state wire.RequestState
	r.into(t, &state)
	return state
}

// path returns the path of a request, with what follows its name.
func (w *world) path(name, rest string) string {
	return "/agent-requests/" + name + rest + "?namespace=" + w.ns
}

// holds stores a policy that asks for a reviewer for one action, and waits until it is in force.
func (w *world) holds(t testing.TB, action string) {
	t.Helper()
	w.policy(t, action, v1alpha1.ActionRequireApproval)
}

func (w *world) policy(t testing.TB, action, then string) {
	t.Helper()
	p := &v1alpha1.SafetyPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "policy-"},
		Spec: v1alpha1.SafetyPolicySpec{Rules: []v1alpha1.Rule{{
			Name: "rule", Type: v1alpha1.RuleStateEvaluation, Action: then,
			Expression: `request.spec.action == "` + action + `"`, Message: then + " for " + action,
		}}},
	}
	check(t, w.live.Create(t.Context(), p))
	eventually(t, func() bool {
		check(t, w.live.Get(t.Context(), client.ObjectKeyFromObject(p), p))
		return meta.IsStatusConditionTrue(p.Status.Conditions, "Valid")
	})
}

// stored returns a request as the API server has it.
func (w *world) stored(t testing.TB, name string) *v1alpha1.AgentRequest {
	t.Helper()
	var r v1alpha1.AgentRequest
	check(t, w.live.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, &r))
	return &r
}

// names returns the names of the requests in the world's namespace.
func (w *world) names(t testing.TB) []string {
	t.Helper()
	var list v1alpha1.AgentRequestList
	check(t, w.live.List(t.Context(), &list, client.InNamespace(w.ns)))
	var out []string
	for i := range list.Items {
		out = append(out, list.Items[i].Name)
	}
	return out
}

func phaseOf(t testing.TB, r reply) v1alpha1.Phase {
	t.Helper()
	var out wire.Reviewed
	r.into(t, &out)
	return out.Phase
}

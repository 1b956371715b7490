package attacks

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/gateway/signer"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// signingKey returns a key for a gateway, and the same in PEM.
func signingKey(t *testing.T) (ed25519.PrivateKey, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	check(t, err)
	return private, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// active asks the gateway whether a token of its own counts.
func (w *world) active(t *testing.T, token string) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.address+"/introspect", strings.NewReader(url.Values{"token": {token}}.Encode()))
	check(t, err)
	r.Header.Set("Authorization", "Bearer "+w.Token(t, nobody))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(r)
	check(t, err)
	defer func() { check(t, answer.Body.Close()) }()
	var out wire.Introspection
	check(t, json.NewDecoder(answer.Body).Decode(&out))
	if !out.Active && out != (wire.Introspection{}) {
		t.Errorf("of a token that does not count it tells %+v", out)
	}
	return out.Active
}

// Hole (W-08, W-09): whoever names an approved request gets the token of its agent; the token is made before the decision
// is stored, does not say which parameters were approved, and counts when the request is long over.
// Attack: another agent, a reviewer and a registered impostor ask for the token; the agent asks before the decision, after the
// start and after the end; an old token is used after the end and after the request was deleted and made again; an approval whose
// request is denied after all; tokens signed by others, with the algorithm none, and by the gateway's key for another issuer.
// Proof: nobody but the agent gets one, and only while the request is approved; no token outlives its request.
func TestStolenAndReplayedTokens(t *testing.T) { //nolint:paralleltest // see own
	private, key := signingKey(t)
	w := own(t, func(o *gateway.Options) { o.SigningKey = key })
	for _, name := range []string{agent, rival} {
		r := &v1alpha1.AgentRegistration{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "reg-"},
			Spec:       v1alpha1.AgentRegistrationSpec{AgentIdentity: name, RequestedServices: []string{"ci"}},
		}
		check(t, w.live.Create(t.Context(), r))
		t.Cleanup(func() { _ = w.live.Delete(t.Context(), r) }) // the API server ends with the tests
	}
	w.holds(t, "guarded")
	held := w.submit(t, agent, "guarded")
	ask := func(subject, body string) reply {
		return w.as(t, subject, http.MethodPost, w.path(held.Name, "/token"), body)
	}
	const ci = `{"service":"ci"}`
	ask(agent, ci).is(t, http.StatusConflict, "not in Approved state") // nobody has decided yet
	w.as(t, reviewer, http.MethodPost, w.path(held.Name, "/approve"), "").is(t, http.StatusOK, `"token":"`)
	ask(rival, ci).is(t, http.StatusForbidden, "caller does not own this AgentRequest")
	ask(rival, `{"service":"ci","agentIdentity":"agent"}`).is(t, http.StatusForbidden, "caller does not own this AgentRequest")
	ask(reviewer, ci).is(t, http.StatusForbidden, "agent role required")
	ask(agent, `{"service":"vault"}`).is(t, http.StatusNotFound, "no credential binding")
	w.send(t, "", http.MethodPost, w.path(held.Name, "/token"), ci).is(t, http.StatusUnauthorized, "missing Bearer token")

	var got wire.Token
	eventually(t, "the registration counts", func() bool { return strings.Contains(w.as(t, agent, http.MethodGet, "/whoami", "").body, `"agents"`) })
	check(t, json.Unmarshal([]byte(ask(agent, ci).is(t, http.StatusOK, `"token":"`).body), &got))
	if !w.active(t, got.Token) {
		t.Fatal("the token of an approved request does not count")
	}
	w.as(t, agent, http.MethodGet, "/whoami", "").is(t, http.StatusOK, agent)
	w.send(t, got.Token, http.MethodGet, "/whoami", "").is(t, http.StatusUnauthorized, "invalid token") // it is no identity at the gateway

	// Forged tokens.
	parts := strings.Split(got.Token, ".")
	encode := base64.RawURLEncoding.EncodeToString
	sign := func(key ed25519.PrivateKey, edit func(*signer.Claims)) string {
		var claims signer.Claims
		raw, err := base64.RawURLEncoding.DecodeString(parts[1])
		check(t, err)
		check(t, json.Unmarshal(raw, &claims))
		edit(&claims)
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, nil)
		check(t, err)
		out, err := jwt.Signed(s).Claims(claims).Serialize()
		check(t, err)
		return out
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	for name, token := range map[string]string{
		"alg none": encode([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", "another key": sign(other, func(*signer.Claims) {}),
		"another issuer": sign(private, func(c *signer.Claims) { c.Issuer = w.URL }), "an agent's own token": w.Token(t, agent),
		"another request's uid": sign(private, func(c *signer.Claims) { c.UID = "other" }), "a request that is not there": sign(private, func(c *signer.Claims) { c.Request = "gone" }),
	} {
		if w.active(t, token) {
			t.Errorf("%s: it counts", name)
		}
	}

	// The end of the request is that of its tokens.
	w.as(t, agent, http.MethodPost, w.path(held.Name, "/executing"), "").is(t, http.StatusOK, "Executing")
	ask(agent, ci).is(t, http.StatusConflict, "not in Approved state")
	w.as(t, agent, http.MethodPost, w.path(held.Name, "/failed"), "").is(t, http.StatusOK, "Failed")
	ask(agent, ci).is(t, http.StatusConflict, "not in Approved state")
	if w.active(t, got.Token) {
		t.Error("a token counts after the end of its request")
	}
	check(t, w.live.Delete(t.Context(), w.stored(t, held.Name)))
	again := &v1alpha1.AgentRequest{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: held.Name}, Spec: v1alpha1.AgentRequestSpec{
		AgentIdentity: agent, Action: "harmless", Reason: "r", Target: v1alpha1.Target{URI: "test://" + w.ns + "/again"},
	}}
	check(t, w.live.Create(t.Context(), again))
	w.phase(t, held.Name, v1alpha1.PhaseApproved)
	if w.active(t, got.Token) {
		t.Error("a token counts for another request of the same name")
	}

	if log := w.logs.String(); strings.Contains(log, parts[2]) || strings.Contains(log, parts[1]) || strings.Contains(log, "PRIVATE KEY") || !strings.Contains(log, "token issued") {
		t.Error("the log holds a token or a key, or does not tell that a token was given out")
	}
	var records v1alpha1.AuditRecordList
	check(t, w.live.List(t.Context(), &records, inNamespace(w.ns)))
	text, err := json.Marshal(records)
	check(t, err)
	if strings.Contains(string(text), parts[2]) || strings.Count(string(text), `"token.issued"`) != 2 {
		t.Errorf("the trail holds a token, or tells of %d, expected that of the approval and that of the agent", strings.Count(string(text), `"token.issued"`))
	}
}

// Hole: an agent that asks for tokens without end fills the store with records of them.
// Attack: it asks a hundred times.
// Proof: after the first few it is refused.
func TestTokensWithoutEnd(t *testing.T) { //nolint:paralleltest // see own
	_, key := signingKey(t)
	w := own(t, func(o *gateway.Options) { o.SigningKey = key })
	name := w.submit(t, agent, "greedy").Name
	refused := 0
	for range 100 {
		if w.as(t, agent, http.MethodPost, w.path(name, "/token"), `{"service":"ci"}`).status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 50 {
		t.Errorf("refused %d times", refused)
	}
}

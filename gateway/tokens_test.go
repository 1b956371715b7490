package gateway

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/signer"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// withKey gives a gateway a key of its own.
func withKey(t *testing.T) func(*Options) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	check(t, err)
	return func(o *Options) {
		o.SigningKey = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
}

// introspected asks what a token says.
func (w *world) introspected(t *testing.T, as, token string) wire.Introspection {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/introspect", strings.NewReader(url.Values{"token": {token}}.Encode()))
	check(t, err)
	r.Header.Set("Authorization", "Bearer "+w.Token(t, as))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var out wire.Introspection
	send(t, r).want(t, http.StatusOK, "").into(t, &out)
	return out
}

// approvedAs submits as a registered agent and returns the name of the approved request.
func (w *world) approvedAs(t *testing.T, subject string) string {
	t.Helper()
	var state wire.RequestState
	body := strings.Replace(w.submission("token"), "{", `{"parameters":{"replicas":0,"a":1},`, 1)
	w.as(t, subject, "POST", "/agent-requests", body).want(t, http.StatusCreated, `"phase":"Approved"`).into(t, &state)
	return state.Name
}

// TestOwnTokens: an approved request gets tokens that say what was approved, which anybody can verify, and which count as long
// as the request is under way.
func TestOwnTokens(t *testing.T) { //nolint:paralleltest // see start
	w := startStrict(t, withKey(t))
	w.register(t, known, v1alpha1.AgentRegistrationSpec{OIDC: &v1alpha1.RegistrationOIDC{Issuer: w.URL}, RequestedServices: []string{"ci"}})
	w.register(t, broker, v1alpha1.AgentRegistrationSpec{RequestedServices: []string{"ci"}})
	name := w.approvedAs(t, known)
	ask := func(subject, service string) reply {
		return w.as(t, subject, "POST", w.path(name, "/token"), `{"service":"`+service+`"}`)
	}
	ask(known, "").want(t, http.StatusBadRequest, "service is required")
	ask(broker, "ci").want(t, http.StatusForbidden, `{"error":"caller does not own this AgentRequest"}`)
	ask(reviewer1, "ci").want(t, http.StatusForbidden, "agent role required")
	ask(known, "vault").want(t, http.StatusNotFound, `no credential binding for service \"vault\"`).want(t, http.StatusNotFound, "grants ci")
	w.as(t, known, "POST", w.path("no-such-request", "/token"), `{"service":"ci"}`).want(t, http.StatusNotFound, "AgentRequest not found")

	var got wire.Token
	ask(known, "ci").want(t, http.StatusOK, `"service":"ci"`).into(t, &got)
	if left := time.Until(got.ExpiresAt.Time); left > signer.Lifetime || left < signer.Lifetime-time.Minute {
		t.Errorf("it counts for %s", left)
	}
	// Whoever knows the published keys can verify it.
	var keys jose.JSONWebKeySet
	w.do(t, "GET", "/.well-known/jwks.json", "", "").want(t, http.StatusOK, `"crv":"Ed25519"`).into(t, &keys)
	token, err := jwt.ParseSigned(got.Token, []jose.SignatureAlgorithm{jose.EdDSA})
	check(t, err)
	var claims map[string]any
	check(t, token.Claims(keys, &claims))
	r := w.stored(t, name)
	for claim, want := range map[string]any{
		"iss": "aip-gateway", "sub": known, "aud": "ci", "action": "token", "resource": r.Spec.Target.URI, "request": name, "namespace": w.ns, "request_uid": string(r.UID),
		"parameters_sha256": fmt.Sprintf("%x", sha256.Sum256([]byte(`{"a":1,"replicas":0}`))),
	} {
		if claims[claim] != want {
			t.Errorf("%s is %v, expected %v", claim, claims[claim], want)
		}
	}

	if in := w.introspected(t, reviewer1, got.Token); !in.Active || in.Subject != known || in.Audience != "ci" || in.ID != claims["jti"] || in.Phase != v1alpha1.PhaseApproved {
		t.Errorf("introspection %+v", in)
	}
	w.as(t, known, "POST", w.path(name, "/executing"), "").want(t, http.StatusOK, "Executing")
	if in := w.introspected(t, nobody, got.Token); !in.Active || in.Phase != v1alpha1.PhaseExecuting {
		t.Errorf("introspection %+v", in)
	}
	ask(known, "ci").want(t, http.StatusConflict, `{"error":"AgentRequest is not in Approved state"}`)
	w.as(t, known, "POST", w.path(name, "/completed"), "").want(t, http.StatusOK, "Completed")
	if in := w.introspected(t, reviewer1, got.Token); in != (wire.Introspection{}) {
		t.Errorf("after the end: %+v", in)
	}
	w.as(t, known, "GET", w.path(name, ""), "").want(t, http.StatusOK, `"token.issued"`)
	w.issuedOnce(t, name, known, claims["jti"].(string), got.Token)
}

// issuedOnce: the trail tells of the token, once, and nothing holds the token itself.
func (w *world) issuedOnce(t *testing.T, name, to, id, token string) {
	t.Helper()
	body := w.as(t, admin1, "GET", "/audit-records?namespace="+w.ns+"&agentRequest="+name, "").want(t, http.StatusOK, "").body
	var records []v1alpha1.AuditRecord
	check(t, json.Unmarshal([]byte(body), &records))
	found := 0
	for _, r := range records {
		if r.Spec.Event == v1alpha1.AuditTokenIssued && r.Spec.Annotations[v1alpha1.AuditTokenID] == id {
			found++
			if r.Spec.Annotations[v1alpha1.AuditTokenTo] != to || r.Spec.Annotations[v1alpha1.AuditTokenExpiry] == "" || r.Spec.AgentRequestRef != name {
				t.Errorf("record %+v", r.Spec)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d records of the token", found)
	}
	signature := token[strings.LastIndex(token, ".")+1:]
	for where, text := range map[string]string{"the trail": body, "the log": w.logs.String()} {
		if strings.Contains(text, signature) || strings.Contains(text, token[:40]) {
			t.Errorf("%s holds the token", where)
		}
	}
}

// TestTokenWithApproval: with a key the answer to an approval that took effect has a token for the agent.
func TestTokenWithApproval(t *testing.T) { //nolint:paralleltest // see start
	w := start(t, withKey(t))
	w.holds(t, "held-token")
	held := w.submit(t, agent1, "held-token")
	var out wire.Reviewed
	w.as(t, reviewer1, "POST", w.path(held.Name, "/approve"), `{"reason":"r"}`).want(t, http.StatusOK, `"token_expires_at":"`).into(t, &out)
	in := w.introspected(t, reviewer1, out.Token)
	if !in.Active || in.Subject != agent1 || in.Audience != "" || in.Action != "held-token" || in.Request != held.Name {
		t.Errorf("introspection %+v", in)
	}
	w.issuedOnce(t, held.Name, reviewer1, in.ID, out.Token)
	denied := w.submit(t, agent1, "held-token")
	if body := w.as(t, reviewer1, "POST", w.path(denied.Name, "/deny"), "").want(t, http.StatusOK, "Denied").body; strings.Contains(body, "token") {
		t.Errorf("a denial with a token: %s", body)
	}
	w.as(t, agent1, "POST", w.path(held.Name, "/token"), `{"service":"ci"}`).want(t, http.StatusNotFound, `no AgentRegistration found for agent \"aip-agent-1\"`)
}

// TestNoKey: without a key nothing is signed, and nothing counts.
func TestNoKey(t *testing.T) { //nolint:paralleltest // see start
	w := startStrict(t)
	w.register(t, known, v1alpha1.AgentRegistrationSpec{RequestedServices: []string{"ci"}})
	name := w.approvedAs(t, known)
	w.as(t, known, "POST", w.path(name, "/token"), `{"service":"ci"}`).want(t, http.StatusNotFound, "the gateway has no key of its own (--jwt-key-path)")
	w.do(t, "GET", "/.well-known/jwks.json", "", "").want(t, http.StatusOK, `{"keys":[]}`)
	if in := w.introspected(t, reviewer1, "a.b.c"); in.Active {
		t.Errorf("introspection %+v", in)
	}
}

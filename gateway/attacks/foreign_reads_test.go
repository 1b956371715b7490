package attacks

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// Hole (W-07): whoever has a valid token reads every request, with its parameters and what reviewers wrote.
// Attack: another agent, and a token without a role, read one request, the list, its stream and the trail.
// Proof: agents see their own, a token without a role sees nothing.
func TestForeignReads(t *testing.T) {
	t.Parallel()
	w := shared(t)
	body := strings.Replace(w.submission("private"), "{", `{"parameters":{"note":"for-my-eyes"},`, 1)
	name := w.as(t, agent, http.MethodPost, "/agent-requests", body).is(t, http.StatusCreated, "").state(t).Name
	in := "?namespace=" + w.ns
	w.as(t, rival, http.MethodGet, w.path(name, ""), "").is(t, http.StatusForbidden, "agents see their own")
	w.as(t, nobody, http.MethodGet, w.path(name, ""), "").is(t, http.StatusForbidden, "role required")
	w.as(t, rival, http.MethodGet, "/agent-requests"+in, "").is(t, http.StatusOK, "[]")
	w.as(t, rival, http.MethodGet, "/agent-requests"+in+"&agentIdentity="+agent, "").is(t, http.StatusOK, "[]")
	w.as(t, rival, http.MethodGet, "/agent-requests?allNamespaces=true&limit=1000", "").is(t, http.StatusOK, `"items":`)
	if got := w.as(t, rival, http.MethodGet, "/agent-requests?allNamespaces=true", ""); strings.Contains(got.body, "for-my-eyes") {
		t.Error("the list of all namespaces holds the request of another agent")
	}
	w.as(t, agent, http.MethodGet, "/agent-requests"+in, "").is(t, http.StatusOK, "for-my-eyes")
	eventually(t, "the trail is there", func() bool {
		return strings.Contains(w.as(t, agent, http.MethodGet, "/audit-records"+in, "").body, name)
	})
	w.as(t, rival, http.MethodGet, "/audit-records"+in+"&agentRequest="+name, "").is(t, http.StatusOK, "[]")
	w.as(t, nobody, http.MethodGet, "/audit-records"+in, "").is(t, http.StatusForbidden, "role required")

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.address+"/agent-requests?watch=true&namespace="+w.ns, nil)
	check(t, err)
	r.Header.Set("Authorization", "Bearer "+w.Token(t, rival))
	r.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultClient.Do(r)
	check(t, err)
	defer func() { _ = answer.Body.Close() }()
	for lines := bufio.NewScanner(answer.Body); lines.Scan() && lines.Text() != "event: synced"; {
		if strings.Contains(lines.Text(), "for-my-eyes") {
			t.Fatal("the stream holds the request of another agent")
		}
	}
}

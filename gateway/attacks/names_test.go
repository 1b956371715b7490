package attacks

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Hole: one body says two things, and whoever checks it reads the one while whoever acts reads the other.
// Attack: a field twice, the same field in another case, a field that is not there.
// Proof: 400 for the first; the others are ignored and told, and what was decided is what was stored.
func TestDuplicateKeys(t *testing.T) {
	t.Parallel()
	w := shared(t)
	w.policy(t, v1alpha1.Rule{Action: v1alpha1.ActionDeny, Expression: `request.spec.action == "wipe"`})
	ask := func(body string) reply { return w.as(t, agent, http.MethodPost, "/agent-requests", body) }
	body := w.submission("harmless")
	ask(strings.Replace(body, "{", `{"action":"wipe",`, 1)).is(t, http.StatusBadRequest, `duplicate field \"action\"`)
	ask(strings.TrimSuffix(body, "}")+`,"action":"wipe"}`).is(t, http.StatusBadRequest, `duplicate field \"action\"`)
	for n, other := range []string{"Action", "ACTION", "act\u0131on", "action "} {
		state := ask(strings.TrimSuffix(w.submission(fmt.Sprintf("harmless-%d", n)), "}")+`,"`+other+`":"wipe"}`).is(t, http.StatusCreated, "was ignored").state(t)
		if action := w.stored(t, state.Name).Spec.Action; strings.Contains(action, "wipe") {
			t.Errorf("%q counted as action", other)
		}
	}
	// An escaped name is the same name.
	ask(strings.TrimSuffix(body, "}")+`,"\u0061ction":"wipe"}`).is(t, http.StatusBadRequest, "duplicate field")
	ask(strings.Replace(body, `"harmless"`, `"wi\u0070e"`, 1)).is(t, http.StatusCreated, "Denied")
}

// Hole: names that look like others, turn the line around or break out of it.
// Attack: direction marks, line breaks and look-alikes in identities, namespaces, names, actions and reasons.
// Proof: identities are refused, names of objects are not found, and no such character reaches the log or an error as it is.
func TestBidiNames(t *testing.T) {
	t.Parallel()
	w := shared(t)
	for _, subject := range []string{"agent\u202e", "agent\u200b", "age\u00adnt", "agent\nlevel=ERROR", "\u2066agent", "agent\x00"} {
		w.as(t, subject, http.MethodGet, "/whoami", "").is(t, http.StatusUnauthorized, "token missing identity claim")
	}
	w.as(t, "\u0430gent", http.MethodGet, "/agent-requests", "").is(t, http.StatusForbidden, "role required") // a Cyrillic a
	w.as(t, "Agent", http.MethodGet, "/agent-requests", "").is(t, http.StatusForbidden, "role required")
	w.as(t, " agent", http.MethodGet, "/agent-requests", "").is(t, http.StatusForbidden, "role required")

	for _, name := range []string{"../../secrets/x", "a\u202eb", "a%00b", "a\nb", strings.Repeat("a", 5000), "..", "a/b"} {
		got := w.as(t, reviewer, http.MethodGet, "/agent-requests/"+url.PathEscape(name)+"?namespace="+w.ns, "")
		if got.status != http.StatusNotFound && got.status != http.StatusTemporaryRedirect && got.status != http.StatusMovedPermanently {
			t.Errorf("%q: %d %.200s", name, got.status, got.body)
		}
	}
	for _, ns := range []string{"kube-system/../" + w.ns, "a\u202eb", w.ns + "\n", "-", strings.Repeat("n", 300)} {
		got := w.as(t, reviewer, http.MethodGet, "/agent-requests?namespace="+url.QueryEscape(ns), "").is(t, http.StatusBadRequest, "invalid namespace")
		if strings.Contains(got.body, "\u202e") {
			t.Errorf("the error turns around: %s", got.body)
		}
	}
	body := strings.Replace(w.submission("bidi"), `"bidi"`, `"\u202eetelpmoc\nlevel=ERROR msg=\"faked\""`, 1)
	body = strings.Replace(body, "because", `\u001b[2J\u202e`, 1)
	w.as(t, agent, http.MethodPost, "/agent-requests", body).is(t, http.StatusCreated, "")
	eventually(t, "the log tells of it", func() bool { return strings.Contains(w.logs.String(), "etelpmoc") })
	log := w.logs.String()
	for _, bad := range []string{"\u202e", "\u001b", "\nlevel=ERROR msg=\"faked\""} {
		if strings.Contains(log, bad) {
			t.Errorf("%q is in the log", bad)
		}
	}
}

package doctor

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/token/why"
)

// said is what a gateway answered.
type said struct {
	status int
	body   string
	// at is what time its host believes it is, zero when it did not say.
	at  time.Time
	err error
}

// waitsForIssuer returns why a gateway did not find its issuer, in its own words, and what it said when it was asked whether it is
// ready. The words are empty when it found its issuer, is not ready for another reason, or is not there to answer. Where no pod is
// ready nothing leads to one: then it is not asked, and the words are those that Kubernetes has of its newest pod.
func waitsForIssuer(ctx context.Context, url string, rollout steps.Rollout) (answer said, waits string) {
	const about = "OIDC"
	if strings.Contains(rollout.Reason, about) {
		waits = rollout.Reason
	}
	if waits != "" && !rollout.Serves {
		return said{}, waits
	}
	answer = fetch(ctx, url+"/readyz", "")
	if answer.err == nil && answer.status != http.StatusOK && strings.Contains(answer.body, about) {
		waits = strings.TrimSpace(answer.body)
	}
	return answer, waits
}

// seenBy shows a token to a gateway and returns what it says.
func seenBy(ctx context.Context, url, raw string) why.Seen {
	answer := fetch(ctx, url+"/whoami", raw)
	if answer.err != nil {
		return why.Seen{Text: "nothing answers at " + url}
	}
	seen := why.Seen{Status: answer.status}
	if answer.status == http.StatusOK {
		var who wire.Whoami
		if json.Unmarshal([]byte(answer.body), &who) != nil {
			return why.Seen{Text: url + " is no gateway"}
		}
		seen.Identity, seen.Roles = who.Identity, who.Roles
		return seen
	}
	var told struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(answer.body), &told) == nil {
		seen.Text = told.Error
	}
	return seen
}

// once is a client with a connection of its own for each call: one that was kept would lead to the pod of before a rollout.
// It follows no redirects, which would carry a token elsewhere.
func once() *http.Client {
	return &http.Client{
		Timeout: issuerLimit, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch gets a short document, with a bearer token when there is one.
func fetch(ctx context.Context, url, bearer string) said {
	const most = 64 << 10
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return said{err: err}
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	answer, err := once().Do(request)
	if err != nil {
		return said{err: err}
	}
	defer func() { _ = answer.Body.Close() }() // it was only read from
	data, err := io.ReadAll(io.LimitReader(answer.Body, most))
	at, undated := http.ParseTime(answer.Header.Get("Date"))
	if undated != nil {
		at = time.Time{}
	}
	return said{status: answer.StatusCode, body: string(data), at: at, err: err}
}

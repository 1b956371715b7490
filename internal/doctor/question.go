package doctor

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/token/why"
)

// Reach returns a client that reaches an environment's issuer from this machine, whatever name it has in the cluster.
func Reach(identity bootstrap.IdentityFacts) *http.Client {
	address := identity.Address
	if identity.External {
		address = ""
	}
	return why.Reach(identity.IssuerURL, address, issuerLimit)
}

// Ask returns the question why the environment's gateway would refuse raw, with the flags that the gateway runs with. client is
// the one that raw is of, "" when it is of somebody else. command returns a command line of this program for the environment.
func Ask(ctx context.Context, s *session.Session, raw, client string, command func(string) string) (why.Question, error) {
	q := why.Question{Raw: raw}
	if s.Facts.Gateway.URL == "" {
		return q, errNoGateway
	}
	args, err := s.GatewayArgs(ctx)
	if err != nil {
		return q, err
	}
	if q.Gateway, err = gateway.FromArgs(args); err != nil {
		return q, err
	}
	identity, url := s.Facts.Identity, s.Facts.Gateway.URL
	q.HTTP, q.Fixes = Reach(identity), fixes(s, client, command)
	if q.Gateway.OIDC.IssuerURL != identity.IssuerURL { // the gateway has another issuer than the environment's
		q.HTTP = why.Reach(q.Gateway.OIDC.IssuerURL, "", issuerLimit)
	}
	q.Ready = func(ctx context.Context) string { return unready(ctx, url) }
	q.Whoami = func(ctx context.Context, raw string) why.Seen { return seenBy(ctx, url, raw) }
	q.GatewayTime = clockAt(ctx, url+"/healthz")
	return q, nil
}

// fixes are the commands for the environment at hand.
func fixes(s *session.Session, client string, command func(string) string) why.Fixes {
	if client == "" {
		client = s.First(bootstrap.RoleAgent, bootstrap.RoleReviewer, bootstrap.RoleAdmin)
	}
	up := check.Fix{Command: command("up") + " && " + command("token "+client+" --fresh"), Repair: check.RepairUp}
	other := check.Fix{Command: command("agent add NAME --role reviewer")}
	for _, c := range s.Facts.Identity.Clients {
		if c.Role == bootstrap.RoleReviewer && c.ID != client {
			other.Command = command("request approve NAME --as " + c.ID)
			break
		}
	}
	return why.Fixes{
		Mint:   check.Fix{Command: command("token " + client + " --fresh"), Repair: check.RepairTokens},
		Issuer: up, Configure: up, Other: other,
		Govern: func(name, patch string) check.Fix { return govern(s, name, patch) },
		Claim:  func(claim string) check.Fix { return setClaim(s, claim) },
		Role: func(id, role string) check.Fix {
			return check.Fix{Command: command("agent add " + id + " --role " + role)}
		},
		Restart: check.Fix{Command: "kubectl rollout restart deployment -n " + s.Facts.Gateway.Namespace + " -l app.kubernetes.io/component=gateway"},
		Keep:    check.Fix{Command: command("proxy --as "+client) + "  # adds and renews the token"},
		Clock:   check.Fix{Command: "sudo timedatectl set-ntp true  # on the machine whose clock is wrong"},
	}
}

// setClaim is the command, in the form of the guide, that makes a claim the one that says who calls.
func setClaim(s *session.Session, claim string) check.Fix {
	return check.Fix{Command: "helm upgrade " + s.Facts.Gateway.Release + " charts/aip-k8s -n " + s.Facts.Gateway.Namespace +
		" --kubeconfig " + s.Facts.Cluster.Kubeconfig + " --reuse-values --set gateway.auth.oidcIdentityClaim=" + claim}
}

// govern is the command that changes or shows a GovernedResource.
func govern(s *session.Session, name, patch string) check.Fix {
	kubectl := "kubectl --kubeconfig " + s.Facts.Cluster.Kubeconfig
	if name == "" || patch == "" {
		return check.Fix{Command: kubectl + " get governedresources -o custom-columns=NAME:.metadata.name,PATTERN:.spec.uriPattern"}
	}
	return check.Fix{Command: kubectl + " patch governedresource " + name + " --type=json -p '" + patch + "'"}
}

// unready asks the gateway why it is not ready, in its own words; "" when it is, or is not there to answer.
func unready(ctx context.Context, url string) string {
	status, body, err := fetch(ctx, url+"/readyz", "")
	if err != nil || status == http.StatusOK {
		return ""
	}
	return strings.TrimSpace(body)
}

// seenBy shows a token to a gateway and returns what it says.
func seenBy(ctx context.Context, url, raw string) why.Seen {
	status, body, err := fetch(ctx, url+"/whoami", raw)
	if err != nil {
		return why.Seen{Text: "nothing answers at " + url}
	}
	seen := why.Seen{Status: status}
	if status == http.StatusOK {
		var who wire.Whoami
		if json.Unmarshal([]byte(body), &who) != nil {
			return why.Seen{Text: url + " is no gateway"}
		}
		seen.Identity, seen.Roles = who.Identity, who.Roles
		return seen
	}
	var told struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(body), &told) == nil {
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
func fetch(ctx context.Context, url, bearer string) (status int, body string, err error) {
	const most = 64 << 10
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	answer, err := once().Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read from
	data, err := io.ReadAll(io.LimitReader(answer.Body, most))
	return answer.StatusCode, string(data), err
}

// clockAt returns what time a server believes it is, zero when it does not say.
func clockAt(ctx context.Context, url string) time.Time {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return time.Time{}
	}
	answer, err := once().Do(request)
	if err != nil {
		return time.Time{}
	}
	_ = answer.Body.Close() // a HEAD has none
	at, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}

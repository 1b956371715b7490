package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/token/why"
)

// gateway asks the chart, the gateway and its lists.
func (d *doctor) gateway() []check.Check {
	return []check.Check{
		{ID: "chart", Group: groupGateway, Question: "is the chart installed as described", Needs: []string{"kinds"}, Ask: d.chart},
		{ID: "gateway", Group: groupGateway, Question: "does the gateway run", Needs: []string{"images", "chart"}, Ask: d.gatewayRuns},
		{ID: "gateway-issuer", Group: groupGateway, Question: "did the gateway find its issuer", Needs: []string{"chart", "realm", "issuer-name", "dns"}, Ask: d.gatewayIssuer},
		{ID: "gateway-reach", Group: groupGateway, Question: "does the gateway answer this machine", Needs: []string{"gateway", "gateway-issuer"}, Ask: d.gatewayAnswers},
		{ID: "subjects", Group: groupGateway, Question: "do the gateway's lists name the clients", Needs: []string{"chart"}, Ask: d.subjects},
		{ID: "identity-claim", Group: groupGateway, Question: "does the gateway take the identity from the right claim", Needs: []string{"chart"}, Ask: d.identityClaim},
		{ID: "policies", Group: groupGateway, Question: "are the sample policies as described", Needs: []string{"kinds"}, Ask: func(ctx context.Context) check.Answer {
			return d.same("as described", "a sample policy is not as described", d.inspect.Policies)(ctx)
		}},
	}
}

// identityClaim asks which claim the gateway reads, where the environment knows the right one.
func (d *doctor) identityClaim(ctx context.Context) check.Answer {
	run, err := d.session.GatewayRun(ctx)
	if err != nil {
		return check.Failed(d.up(), "%v", err)
	}
	options, err := gateway.FromArgs(run.Args)
	if err != nil {
		return check.Failed(d.up(), "%v", err)
	}
	has, want := options.OIDC.IdentityClaim, authn.DefaultIdentityClaim
	if d.external() {
		return check.OK("%s", has) // what a provider of others puts into its tokens, they say
	}
	if has != want {
		return check.Differ(setValue(d.session, "auth.oidcIdentityClaim", want), want, has, "the gateway takes the identity from %s, and the lists name clients by %s", has, want)
	}
	return check.OK("%s", has)
}

func (d *doctor) chart(ctx context.Context) check.Answer {
	drift, chart, err := d.inspect.ChartDrift(ctx)
	switch {
	case err != nil:
		return check.Failed(d.up(), "%v", err)
	case drift != "":
		return check.Failed(d.up(), "it was changed: %s", drift)
	default:
		return check.OK("%s", chart)
	}
}

func (d *doctor) gatewayRuns(ctx context.Context) check.Answer {
	r, err := d.rollout(ctx)
	switch {
	case err != nil:
		return check.Failed(d.up(), "%v", err)
	case r.Absent:
		return check.Failed(d.up(), "its Deployment is gone")
	case r.Stopped:
		return check.Failed(d.kubectl("scale deployment/"+steps.GatewayDeployment+" --replicas=1 -n "+steps.Namespace), "%s", r.Reason)
	case r.Paused:
		return check.Failed(d.kubectl("rollout resume deployment/"+steps.GatewayDeployment+" -n "+steps.Namespace), "its Deployment is paused, and its pods run with flags of before")
	case !r.Available && strings.Contains(r.Reason, "OIDC"):
		return check.OK("it waits for its issuer") // gateway-issuer says why
	case r.Underway:
		return check.Warned(d.kubectl("rollout status deployment/"+steps.GatewayDeployment+" -n "+steps.Namespace), "its rollout is under way, and pods of before serve")
	case !r.Available:
		return check.Failed(d.up(), "it is not available: %s", r.Reason)
	default:
		return check.OK("available")
	}
}

// readiness is what the gateway says at /readyz, and in words why it did not find its issuer, as far as that is the reason.
type readiness struct {
	said
	waits string
}

// askReady asks the gateway whether it is ready.
func (d *doctor) askReady(ctx context.Context) (readiness, error) {
	rollout, err := d.rollout(ctx)
	if err != nil {
		return readiness{}, err
	}
	answer, waits := waitsForIssuer(ctx, d.facts.Gateway.URL, rollout)
	return readiness{answer, waits}, nil
}

// gatewayIssuer is the first entry of the guide's troubleshooting: "OIDC setup failed".
func (d *doctor) gatewayIssuer(ctx context.Context) check.Answer {
	r, err := d.ready(ctx)
	switch {
	case err != nil:
		return check.Failed(d.up(), "%v", err)
	case r.waits == "" && r.err != nil:
		return check.Skipped("nothing answers that could say")
	case r.waits == "":
		return check.OK("yes")
	case strings.Contains(r.waits, "x509:"):
		return check.Failed(trust(d.session, true), "%s", r.waits)
	default:
		return check.Failed(check.Fix{Command: d.Command("logs gateway")}, "%s", r.waits)
	}
}

func (d *doctor) gatewayAnswers(ctx context.Context) check.Answer {
	switch r, err := d.ready(ctx); {
	case err != nil:
		return check.Failed(d.up(), "%v", err)
	case r.err != nil && d.kind() == bootstrap.ClusterExisting && d.facts.Cluster.Served():
		return check.Failed(check.Fix{Command: d.Command("stop") + " && " + d.Command("start")}, "nothing answers at %s: the process that leads there hangs", d.facts.Gateway.URL)
	case r.err != nil:
		return check.Failed(d.up(), "nothing answers at %s", d.facts.Gateway.URL)
	case r.status != http.StatusOK:
		return check.Failed(check.Fix{Command: d.Command("logs gateway")}, "%s says it is not ready: %s", d.facts.Gateway.URL, strings.TrimSpace(r.body))
	default:
		return check.OK("%s", d.facts.Gateway.URL)
	}
}

func (d *doctor) subjects(ctx context.Context) check.Answer {
	absent, err := d.inspect.Absent(ctx)
	if err != nil {
		return check.Failed(d.up(), "%v", err)
	}
	if len(absent) == 0 {
		return check.OK("all of them")
	}
	var names []string
	for _, c := range absent {
		names = append(names, fmt.Sprintf("%s (gateway.auth.%sSubjects)", c.ID, c.Role))
	}
	c := absent[0]
	return check.Differ(check.Fix{Command: d.Command("agent add " + c.ID + " --role " + c.Role)}, "every client in the list of its role", "without "+strings.Join(names, ", "),
		"a list of the chart's values does not name %s", strings.Join(names, ", "))
}

// tokens sends a token of every client the whole way. Every cause that is known is a check of its own before.
func (d *doctor) tokens() check.Check {
	c := check.Check{ID: "tokens", Group: groupGateway, Question: "does the gateway take the clients' tokens"}
	c.Needs = []string{"client-credentials", "audience-mapper", "keys", "clock", "gateway-reach", "subjects", "identity-claim"}
	c.Ask = func(ctx context.Context) check.Answer {
		switch r, err := d.rollout(ctx); {
		case err != nil:
			return check.Failed(d.up(), "%v", err)
		case r.Underway:
			return check.Skipped("pods of before and new ones answer until the gateway's rollout is through")
		}
		var clients []string
		for _, id := range d.session.Clients() {
			if d.session.Mints(id) && !d.facts.Proof.Unminted {
				clients = append(clients, id)
			}
		}
		if len(clients) == 0 {
			return check.Skipped("the provider gives no tokens that can be tried")
		}
		answers := make([]check.Answer, len(clients))
		var all sync.WaitGroup
		for i, id := range clients {
			all.Go(func() { answers[i] = d.tokenOf(ctx, id) })
		}
		all.Wait()
		if i := slices.IndexFunc(answers, func(a check.Answer) bool { return a.Verdict != check.Pass }); i >= 0 {
			return answers[i]
		}
		return check.OK("of %d clients, with their roles", len(clients))
	}
	return c
}

// tokenOf asks why the gateway would refuse a token of one client.
func (d *doctor) tokenOf(ctx context.Context, id string) check.Answer {
	raw, err := d.session.Source(id).Token(ctx)
	if err != nil {
		return check.Failed(d.up(), "%s gets no token: %v", id, err)
	}
	q, err := Ask(ctx, d.session, raw, id, d.Command)
	if err != nil {
		return check.Failed(d.up(), "%v", err)
	}
	q.Now = d.Now
	for _, row := range why.Ask(ctx, q).Rows {
		if row.Bad() {
			a := row.Answer
			a.Reason = fmt.Sprintf("%s of %s: %s", row.ID, id, a.Reason)
			return a
		}
	}
	return check.OK("")
}

// errNoGateway is what is told of an environment that was never completely up.
var errNoGateway = errors.New("the environment was never completely up")

package doctor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/keycloak"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/token"
	"github.com/aip-dev/aip-dev/internal/token/kept"
	"github.com/aip-dev/aip-dev/internal/token/why"
)

// issuerLimit bounds one question to an issuer or a gateway.
const issuerLimit = soon

// How far clocks may be apart: from mindClock on it is told, from failClock on tokens fail that should not.
const (
	mindClock = 5 * time.Second
	failClock = 30 * time.Second
)

// issuerAnswer is what the issuer says to this machine.
type issuerAnswer struct {
	trouble *why.Trouble
	// ahead is how far its clock is ahead of this machine's.
	ahead time.Duration
	keys  token.Keys
	err   error
}

// askIssuer asks for the issuer's description and its keys.
func (d *doctor) askIssuer(ctx context.Context) issuerAnswer {
	client := d.reach()
	began := d.Now()
	trouble, at := why.Issuer(ctx, client, d.facts.Identity.IssuerURL)
	a := issuerAnswer{trouble: trouble, ahead: why.Apart(at, began, d.Now())}
	if trouble == nil {
		a.keys, a.err = token.FetchKeys(ctx, client, d.facts.Identity.IssuerURL)
	}
	return a
}

func (d *doctor) reach() *http.Client { return Reach(d.session.Facts.Identity) }

// identity asks the provider, its realm and its clients.
func (d *doctor) identity() []check.Check {
	group := groupIdentity
	return []check.Check{
		{ID: "issuer", Group: group, Question: "does the identity provider run", Needs: []string{"api", "images"}, Ask: d.providerRuns},
		{ID: "issuer-reach", Group: group, Question: "does the issuer answer this machine", Needs: []string{"issuer"}, Ask: d.issuerAnswers},
		{ID: "realm", Group: group, Question: "is the realm there", Needs: []string{"issuer-reach"}, Ask: d.realmIsThere},
		{ID: "issuer-name", Group: group, Question: "does the issuer call itself what tokens have to say", Needs: []string{"realm"}, Ask: d.issuerName},
		{ID: "clock", Group: group, Question: "do the clocks agree", Needs: []string{"issuer-reach"}, Ask: func(ctx context.Context) check.Answer { return clocks(d.issuer(ctx).ahead) }},
		{ID: "client-secrets", Group: group, Question: "does Kubernetes hold the clients' secrets", Needs: []string{"api"}, Ask: d.secrets},
		{ID: "clients", Group: group, Question: "does the realm have the clients, enabled", Needs: []string{"realm", "client-secrets"}, Ask: d.part(keycloak.PartClient, "as described")},
		{ID: "client-credentials", Group: group, Question: "are their secrets those of the realm", Needs: []string{"clients"}, Ask: d.part(keycloak.PartSecret, "the same")},
		{ID: "audience-mapper", Group: group, Question: "do their tokens name the gateway in aud", Needs: []string{"clients"}, Ask: d.part(keycloak.PartMapper, "aud has "+d.env.Audience)},
		{ID: "keys", Group: group, Question: "are kept tokens signed by keys that the issuer publishes", Needs: []string{"issuer-name"}, Ask: d.keptTokens},
	}
}

// providerRuns asks for the Deployment of an environment's own provider.
func (d *doctor) providerRuns(ctx context.Context) check.Answer {
	if d.external() {
		return check.Skipped("the provider is not part of the environment")
	}
	r, err := d.inspect.Provider(ctx)
	switch {
	case err != nil:
		return check.Failed(d.up(), "%v", err)
	case r.Absent:
		return check.Failed(d.up(), "Deployment keycloak is gone")
	case r.Stopped:
		return check.Failed(d.scaleProvider(), "%s", r.Reason)
	case !r.Available:
		return check.Failed(d.up(), "it is not available: %s", r.Reason)
	default:
		return check.OK("available")
	}
}

// scaleProvider is the fix that gives the provider its pod again. One whose database is in its pod has forgotten the realm, which
// `up` makes anew.
func (d *doctor) scaleProvider() check.Fix {
	fix := d.kubectl("scale deployment/" + steps.IdentityName + " --replicas=1 -n " + steps.IdentityNamespace)
	if d.containers() && d.env.Keycloak.Database != bootstrap.DatabasePostgres {
		fix.Command += " && " + d.Command("up")
	}
	return fix
}

func (d *doctor) issuerAnswers(ctx context.Context) check.Answer {
	switch a := d.issuer(ctx); {
	case a.trouble == nil || a.trouble.NoRealm:
		return check.OK("%s answers", d.facts.Identity.IssuerURL)
	case a.trouble.Untrusted:
		return a.trouble.Answer(trust(d.session, false))
	default:
		return a.trouble.Answer(d.mendIssuer())
	}
}

func (d *doctor) realmIsThere(ctx context.Context) check.Answer {
	if a := d.issuer(ctx); a.trouble != nil {
		return check.Differ(d.mendIssuer(), a.trouble.Expected, a.trouble.Found, "the issuer knows no realm %s: it was deleted, or forgotten with its pod", d.facts.Identity.Realm)
	}
	if d.external() {
		return check.Skipped("the provider is not part of the environment")
	}
	return d.part(keycloak.PartRealm, "realm "+d.facts.Identity.Realm)(ctx)
}

func (d *doctor) issuerName(ctx context.Context) check.Answer {
	switch a := d.issuer(ctx); {
	case a.keys.Issuer == "":
		return check.Failed(d.mendIssuer(), "%v", a.err)
	case a.keys.Issuer != d.facts.Identity.IssuerURL:
		return check.Differ(rename(d.session, a.keys.Issuer, d.Command), d.facts.Identity.IssuerURL, a.keys.Issuer, "the issuer calls itself by another name, which its tokens have as iss")
	default:
		return check.OK("%s", a.keys.Issuer)
	}
}

// clocks judges how far the issuer's clock is ahead of this machine's.
func clocks(ahead time.Duration) check.Answer {
	side := "behind"
	if ahead < 0 {
		side = "ahead of"
	}
	fix := check.Fix{Command: "sudo timedatectl set-ntp true  # where the clock is wrong; on a laptop that slept, restart the engine"}
	switch away := ahead.Abs().Round(time.Second); {
	case away >= failClock:
		return check.Differ(fix, "clocks that agree", fmt.Sprintf("%s apart", away), "the clock of this machine is %s %s that of the issuer", away, side)
	case away >= mindClock:
		return check.Warned(fix, "the clock of this machine is %s %s that of the issuer", away, side)
	default:
		return check.OK("they agree")
	}
}

// part judges one part of the realm.
func (d *doctor) part(part keycloak.Part, fine string) func(context.Context) check.Answer {
	return func(ctx context.Context) check.Answer {
		if d.external() {
			return check.Skipped("the provider is not part of the environment")
		}
		diff, err := d.realm(ctx)
		if err != nil {
			return check.Failed(d.up(), "%v", err)
		}
		if wrong := diff.Of(part); len(wrong) > 0 {
			return check.Failed(d.up(), "%s", strings.Join(wrong, "; "))
		}
		return check.OK("%s", fine)
	}
}

func (d *doctor) secrets(ctx context.Context) check.Answer {
	missing, err := d.inspect.Secrets(ctx)
	switch {
	case err != nil:
		return check.Failed(d.up(), "%v", err)
	case len(missing) > 0:
		return check.Failed(d.up(), "the Secret of %s is gone or empty", strings.Join(missing, ", "))
	default:
		return check.OK("those of %d clients", len(d.facts.Identity.Clients))
	}
}

// keptTokens asks whether tokens that are kept would still be taken.
func (d *doctor) keptTokens(ctx context.Context) check.Answer {
	a := d.issuer(ctx)
	if a.err != nil {
		return check.Failed(d.mendIssuer(), "%v", a.err)
	}
	cache := kept.NewFileCache(d.Folder.Tokens(), d.Now)
	var stale []string
	for _, c := range d.facts.Identity.Clients {
		if t, ok := cache.Get(d.facts.Name, c.ID); ok && a.keys.Verify(t.Raw) != nil {
			stale = append(stale, c.ID)
		}
	}
	if len(stale) == 0 {
		return check.OK("yes")
	}
	slices.Sort(stale)
	return check.Differ(check.Fix{Command: d.Command("doctor --fix --yes") + "  # drops them", Repair: check.RepairTokens}, "tokens of a published key", "tokens of a key of before for "+strings.Join(stale, ", "),
		"the issuer's keys changed, and tokens of before are kept")
}

package why

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/trust"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/token"
)

// keysKept is for how long a gateway goes on with keys that the issuer withdrew.
const keysKept = 10 * time.Minute

// afterwards compares with the gateway itself, and asks what is no check of the gateway's and surprises people.
func (r *replay) afterwards(ctx context.Context, raw string, header error, found refusal) {
	r.compare(ctx, raw, header, found)
	r.add(RowRegistry, r.registration(found))
	r.add(RowResource, r.resource(found))
	if found.row != "" && found.row != RowRole {
		r.add(RowLife, check.Skipped("not asked (the token was refused at %s)", found.row))
		r.add(RowSelf, check.Skipped("not asked (the token was refused at %s)", found.row))
		return
	}
	r.add(RowLife, r.life())
	r.add(RowSelf, r.self())
}

// compare asks the gateway. Where it refuses as well, its text is that of the same class.
func (r *replay) compare(ctx context.Context, raw string, header error, found refusal) {
	if r.Whoami == nil || header != nil || found.text == setUpFailed || found.row == RowIssuer || found.row == RowTLS {
		r.add(RowGateway, check.Skipped("the gateway was not asked"))
		return
	}
	seen := r.Whoami(ctx, raw)
	r.report.Gateway = &seen
	answer := r.agreement(seen, found)
	if seen.Status == http.StatusOK && answer.Verdict == check.Fail && found.row != "" && found.row != RowRole {
		r.overrule(found.row)
	}
	r.add(RowGateway, answer)
}

// overrule makes a warning of the row at which the configuration refuses what the gateway takes: that they differ is the cause.
func (r *replay) overrule(id string) {
	i := slices.IndexFunc(r.report.Rows, func(row check.Result) bool { return row.ID == id })
	r.report.Rows[i].Verdict = check.Warn
	r.report.Refused, r.report.Answer = RowGateway, ""
}

// agreement says whether the gateway did what its configuration says.
func (r *replay) agreement(seen Seen, found refusal) check.Answer {
	accepts := seen.Status == http.StatusOK
	lawful := found.row == "" || found.row == RowRole // /whoami asks for no role
	switch {
	case seen.Status == 0:
		return check.Failed(r.Fixes.look(), "the gateway does not answer: %s", seen.Text)
	case seen.Status >= http.StatusInternalServerError:
		return check.Failed(r.Fixes.look(), "the gateway gives no verdict: %d %s", seen.Status, seen.Text)
	case accepts && !lawful && found.row == RowKey:
		return check.Warned(r.Fixes.Restart, "the gateway still takes it: it keeps the keys it knows for up to %s", keysKept)
	case accepts != lawful:
		return check.Differ(r.Fixes.Restart, "the same verdict as by its configuration: "+verdictWord(lawful, found.text), verdictWord(accepts, seen.Text),
			"the gateway disagrees with its own configuration: it runs with flags of before, or is another program")
	case accepts && (seen.Identity != r.report.Identity || !sameRoles(seen.Roles, r.report.Roles)):
		return check.Differ(r.Fixes.Restart, who(r.report.Identity, r.report.Roles), who(seen.Identity, seen.Roles),
			"the gateway sees another identity or other roles than its configuration gives: it runs with flags of before")
	case accepts:
		return check.OK("/whoami says the same: %s", who(seen.Identity, seen.Roles))
	default:
		return check.OK("/whoami says the same: %d %s", seen.Status, seen.Text)
	}
}

func verdictWord(accepts bool, text string) string {
	if accepts {
		return "accepted"
	}
	return "refused: " + text
}

func who(identity string, roles []string) string {
	if len(roles) == 0 {
		return identity + ", without a role"
	}
	return identity + ", " + strings.Join(roles, " and ")
}

func sameRoles(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// resource asks whether the caller may ask for the intent at all, by the gateway's own code.
func (r *replay) resource(found refusal) check.Answer {
	switch {
	case r.Intent == nil:
		return check.Skipped("no intent was named (--action and --target)")
	case found.row != "":
		return check.Skipped("not asked (the token was refused at %s)", found.row)
	}
	govern := r.Fixes.Govern
	if govern == nil {
		govern = func(string, string) check.Fix { return r.Fixes.Configure }
	}
	agent := r.agent()
	admission := authz.Admit(r.Resources, r.Gateway.RequireGovernedResource, agent, r.Intent.Action, r.Intent.Target)
	g := admission.Resource
	refuse := func(reason, expected, has, patch string) check.Answer {
		if r.report.Refused == "" {
			r.report.Refused, r.report.Accepted, r.report.Answer = RowResource, false, reason
		}
		name := ""
		if g != nil {
			name = g.Name
		}
		return check.Differ(govern(name, patch), expected, has, "%s", reason)
	}
	add := func(list, value string) string {
		return fmt.Sprintf(`[{"op":"add","path":"/spec/%s/-","value":%q}]`, list, value)
	}
	var gate trust.Gate
	if trust.Asks(g) {
		gate = trust.Through(g, r.Graduation, agent, r.Levels[agent])
	}
	switch {
	case !admission.Allowed && g == nil:
		return refuse(admission.Reason, "a GovernedResource whose uriPattern matches the target", r.Intent.Target, "")
	case !admission.Allowed && admission.Code == v1alpha1.DenialIdentityInvalid:
		return refuse(admission.Reason, "one of permittedAgents: "+strings.Join(g.Spec.PermittedAgents, ", "), agent, add("permittedAgents", agent))
	case !admission.Allowed:
		return refuse(admission.Reason, "one of permittedActions: "+strings.Join(g.Spec.PermittedActions, ", "), r.Intent.Action, add("permittedActions", r.Intent.Action))
	case gate.Refused != "":
		return refuse(gate.Refused, g.Spec.TrustRequirements.MinTrustLevel, gate.Level, `[{"op":"remove","path":"/spec/trustRequirements"}]`)
	case g == nil:
		return check.OK("no GovernedResource is there, and none is required")
	default:
		return check.OK("permitted by GovernedResource %s", g.Name)
	}
}

// life compares how long the token counts with how long it is used.
func (r *replay) life() check.Answer {
	left := r.decoded.Expiry.Sub(r.now.Add(r.ahead()))
	if r.For > 0 && left < r.For {
		return check.Differ(r.Fixes.Keep, "at least "+r.For.String(), left.Round(time.Second).String(), "it ends before the work does")
	}
	if wait := r.Gateway.WaitTimeout; r.For == 0 && left < wait {
		a := check.Warned(r.Fixes.Keep, "it ends %s, and a submission may wait for %s", token.Relative(left), wait)
		return a
	}
	return check.OK("it ends %s", token.Relative(left))
}

// self says whether the caller would decide about a request of its own.
func (r *replay) self() check.Answer {
	if r.Request == nil {
		return check.Skipped("no request was named (--request)")
	}
	var agents []string
	if r.Registrations != nil {
		_, agents = r.Registrations.ActsAs(r.identity)
	}
	if verdict := authz.MayDecide(r.report.Identity, r.Request, agents...); !verdict.Allowed {
		if r.report.Refused == "" {
			r.report.Refused, r.report.Accepted, r.report.Answer = RowSelf, false, verdict.Reason
		}
		return check.Differ(r.Fixes.other(r.Request.Name), "a reviewer other than "+r.Request.Spec.AgentIdentity, r.report.Identity, "%s", fmt.Sprintf("request %s is the caller's own: %s", r.Request.Name, verdict.Reason))
	}
	return check.OK("request %s is of %s", r.Request.Name, r.Request.Spec.AgentIdentity)
}

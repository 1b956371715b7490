package why

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/token"
)

// question returns what a row asks.
func question(id string) string {
	return map[string]string{
		RowMint: "does the issuer give this client a token", RowIssuer: "is the issuer reached, from here and from the gateway",
		RowTLS: "is the issuer's certificate trusted", RowHeader: "is there one token in the header, and nothing else",
		RowShape: "is it a signed access token", RowAlgorithm: "is it signed by an algorithm that counts", RowName: "is iss the gateway's issuer",
		RowAudience: "does aud name the gateway", RowTimes: "does it count now", RowKey: "does the issuer publish the key that signed it",
		RowSignature: "is the signature right", RowIdentity: "is the claim there that says who calls", RowRole: "has the caller the role",
		RowGateway: "does the gateway itself say the same", RowRegistry: "is the agent registered", RowResource: "may the agent do this to the target",
		RowLife: "does it live as long as it is used", RowSelf: "is the request somebody else's",
	}[id]
}

// explain returns the row at which the gateway's verifier refused, and why.
func (r *replay) explain(err error) (string, check.Answer) {
	expected, found := authn.Compare(err)
	fixes := r.Fixes
	switch {
	case errors.Is(err, authn.ErrIssuer):
		return RowName, check.Differ(fixes.Mint, expected, found, "iss is not the gateway's issuer: %s", difference(unquote(expected), unquote(found)))
	case errors.Is(err, authn.ErrTokenType):
		return RowShape, check.Differ(fixes.Mint, expected, found, "it is not an access token; of the issuer's answer the access_token is the one to send")
	case errors.Is(err, authn.ErrAlgorithm):
		return RowAlgorithm, check.Differ(fixes.Mint, expected, found, "%s", r.algorithm(found))
	case errors.Is(err, authn.ErrAudience):
		return RowAudience, check.Differ(r.audienceFix(), expected, found, "aud does not name the gateway: %s", r.audienceAdvice())
	case errors.Is(err, authn.ErrExpired), errors.Is(err, authn.ErrNotYetValid), errors.Is(err, authn.ErrNoExpiry):
		return RowTimes, r.times(err)
	case errors.Is(err, authn.ErrKeyUnknown):
		return RowKey, check.Differ(fixes.Mint, "a key that the issuer publishes", r.keyID(), "signed with a key that the issuer does not publish: the realm was made anew, the key was changed, or another issuer of the same name made it")
	case errors.Is(err, authn.ErrKeysUnreachable):
		return RowIssuer, check.Failed(fixes.Issuer, "the keys of the issuer cannot be fetched")
	case errors.Is(err, authn.ErrSignature):
		return RowSignature, check.Failed(fixes.Mint, "the signature is not that of the issuer's key over these claims: the token was changed or cut off, or made by somebody else")
	case errors.Is(err, authn.ErrNoIdentityClaim), errors.Is(err, authn.ErrEmailUnverified):
		return RowIdentity, r.noIdentity(err)
	default:
		return RowShape, r.shape()
	}
}

// algorithm explains one that does not count. The gateway looks at it before it looks at the issuer, which may be what is wrong.
func (r *replay) algorithm(found string) string {
	switch {
	case strings.Contains(found, `"none"`):
		return "it is not signed"
	case r.decoded != nil && r.decoded.Issuer != r.Gateway.OIDC.IssuerURL:
		return "signed by an algorithm that the gateway's issuer does not announce: the token is of another issuer, " + strconv.Quote(r.decoded.Issuer)
	default:
		return "signed by an algorithm that the issuer does not announce, or that needs a shared secret"
	}
}

// shape explains what is no signed token.
func (r *replay) shape() check.Answer {
	_, err := token.Decode(r.Raw)
	switch {
	case errors.Is(err, token.ErrEncrypted):
		return check.Differ(r.Fixes.Mint, "a signed token (JWS) of 3 parts", "an encrypted one (JWE) of 5 parts", "the token is encrypted, so that the gateway cannot read it: ask the issuer for a signed one")
	case errors.Is(err, token.ErrNotJWT):
		return check.Differ(r.Fixes.Mint, "a signed JWT of 3 parts", parts(strings.Count(r.clean, ".")+1), "%s", firstLine(err.Error()))
	case err != nil:
		return check.Failed(r.Fixes.Mint, "%s", firstLine(err.Error()))
	default:
		return check.Failed(r.Fixes.Mint, "the token cannot be read: %s", cmp.Or(r.decoded.Odd(), "its header or its claims have the wrong kinds of values"))
	}
}

func parts(n int) string {
	if n == 1 {
		return "1 part"
	}
	return fmt.Sprintf("%d parts", n)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// times explains exp, nbf and the clocks.
func (r *replay) times(err error) check.Answer {
	at := r.now.Add(r.ahead())
	behind := skew(r.ahead(), "gateway")
	if behind == "" {
		behind = skew(r.issuerAhead, "issuer")
	}
	fix := r.Fixes.Mint
	if behind != "" {
		behind = "; " + behind
		fix = r.Fixes.Clock
	}
	switch {
	case errors.Is(err, authn.ErrNoExpiry):
		return check.Differ(r.Fixes.Mint, "an exp claim", "none", "there is no exp claim, so it would count for ever")
	case errors.Is(err, authn.ErrExpired):
		return check.Differ(fix, "a time after "+at.UTC().Format(time.RFC3339), "exp "+r.decoded.Expiry.UTC().Format(time.RFC3339),
			"it ended %s%s", token.Relative(r.decoded.Expiry.Sub(at)), behind)
	default:
		return check.Differ(fix, "nbf at most 5 minutes after "+at.UTC().Format(time.RFC3339), "nbf "+r.claim("nbf"), "it does not count yet%s", behind)
	}
}

func (r *replay) claim(name string) string {
	if r.decoded == nil || r.decoded.Claims[name] == nil {
		return "none"
	}
	return fmt.Sprint(r.decoded.Claims[name])
}

func (r *replay) keyID() string {
	if r.decoded == nil {
		return "another"
	}
	kid, _ := r.decoded.Header["kid"].(string)
	return "kid " + strconv.Quote(kid)
}

// noIdentity explains a claim that does not say who calls, and shows which one would.
func (r *replay) noIdentity(err error) check.Answer {
	claim := r.Gateway.OIDC.IdentityClaim
	found := "none"
	if r.decoded != nil {
		if value, ok := r.decoded.Claims[claim]; ok {
			found = fmt.Sprint(value)
		}
	}
	hint := ""
	if p := r.report.Provider; p.Claim != "" && p.Claim != claim {
		hint = fmt.Sprintf("; %s is %q, so the gateway wants --oidc-identity-claim=%s", p.Claim, p.Identity, p.Claim)
	}
	if errors.Is(err, authn.ErrEmailUnverified) {
		return check.Differ(r.Fixes.Configure, "email_verified true", "email_verified "+r.claim("email_verified"), "the issuer does not vouch for the email address")
	}
	fix := r.Fixes.Configure
	if claim := r.report.Provider.Claim; claim != "" {
		fix = r.Fixes.set("auth.oidcIdentityClaim", claim)
	}
	return check.Differ(fix, "a claim "+strconv.Quote(claim)+" with a name in it", claim+" "+found, "no claim %q says who calls%s; no other claim stands in for it", claim, hint)
}

// noRole explains which list does not name the caller.
func (r *replay) noRole(need authz.Need, who authn.Identity, roles authz.Roles) check.Answer {
	wanted := map[authz.Need]string{authz.Agent: "agent", authz.Reviewer: "reviewer", authz.Admin: "admin", authz.AdminOrReviewer: "reviewer"}[need]
	if wanted == "" {
		wanted = "agent"
	}
	fix := r.Fixes.role(who.Subject, wanted)
	lists := map[string][]string{
		"agent": r.Gateway.Roles.AgentSubjects, "reviewer": r.Gateway.Roles.ReviewerSubjects, "admin": r.Gateway.Roles.AdminSubjects,
	}
	var near string
	for _, name := range lists[wanted] {
		if strings.EqualFold(name, who.Subject) || strings.TrimSpace(name) != name {
			near = fmt.Sprintf("; the list has %q, which differs in case or spaces", name)
		}
	}
	found := fmt.Sprintf("%q, which has no role", who.Subject)
	if len(roles) > 0 {
		found = fmt.Sprintf("%q, which is %s", who.Subject, roles.Highest())
	}
	return check.Differ(fix, fmt.Sprintf("one of --%s-subjects=%s%s", wanted, strings.Join(lists[wanted], ","), r.groupsExpected(wanted)), found+r.groupsFound(who),
		"the caller has not the %s role%s", wanted, near)
}

func (r *replay) groupsExpected(role string) string {
	groups := map[string][]string{"agent": r.Gateway.Roles.AgentGroups, "reviewer": r.Gateway.Roles.ReviewerGroups, "admin": r.Gateway.Roles.AdminGroups}[role]
	if len(groups) == 0 {
		return ""
	}
	return fmt.Sprintf(", or in a group of --%s-groups=%s", role, strings.Join(groups, ","))
}

// groupsFound says what the groups claim holds, where groups can give a role at all.
func (r *replay) groupsFound(who authn.Identity) string {
	roles := r.Gateway.Roles
	if len(roles.AgentGroups)+len(roles.ReviewerGroups)+len(roles.AdminGroups) == 0 {
		return ""
	}
	name := r.Gateway.OIDC.GroupsClaim
	switch value, there := r.decoded.Claims[name]; {
	case len(who.Groups) > 0:
		return fmt.Sprintf("; %s is %s", name, strings.Join(who.Groups, ", "))
	case there:
		return fmt.Sprintf("; %s is %v, expected an array of strings", name, value)
	default:
		return fmt.Sprintf("; there is no claim %s", name)
	}
}

// difference says where two texts differ, for names that look alike.
func difference(expected, found string) string {
	switch {
	case found == "":
		return "it is empty"
	case strings.TrimSuffix(expected, "/") == strings.TrimSuffix(found, "/"):
		return "the slash at the end"
	case strings.EqualFold(expected, found):
		return "upper and lower case"
	}
	es, er, _ := strings.Cut(expected, "://")
	fs, fr, _ := strings.Cut(found, "://")
	eh, ep, _ := strings.Cut(er, "/")
	fh, fp, _ := strings.Cut(fr, "/")
	var parts []string
	compare := func(what, e, f string) {
		if e != f {
			parts = append(parts, fmt.Sprintf("the %s (%s in place of %s)", what, orNone(f), orNone(e)))
		}
	}
	compare("scheme", es, fs)
	ehost, eport, _ := strings.Cut(eh, ":")
	fhost, fport, _ := strings.Cut(fh, ":")
	compare("host", ehost, fhost)
	compare("port", eport, fport)
	compare("path", "/"+ep, "/"+fp)
	if len(parts) == 0 {
		return "in characters that look alike"
	}
	return strings.Join(parts, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return strconv.Quote(s)
}

// unquote takes away the quotes that authn puts around values.
func unquote(s string) string {
	if plain, err := strconv.Unquote(s); err == nil {
		return plain
	}
	return s
}

// passes says what a row found that did not refuse.
func (r *replay) passes(id string) check.Answer {
	d, options := r.decoded, r.Gateway.OIDC
	if d == nil {
		d = &token.Decoded{}
	}
	switch id {
	case RowIssuer:
		return check.OK("%s answers", options.IssuerURL)
	case RowTLS:
		if strings.HasPrefix(options.IssuerURL, "http:") {
			return check.Skipped("no TLS: the issuer is an http URL")
		}
		return check.OK("the certificate is trusted")
	case RowHeader:
		return check.OK("one token of %d bytes", len(r.clean))
	case RowShape:
		return check.OK("a signed access token")
	case RowAlgorithm:
		return check.OK("signed by %v", cmp.Or[any](d.Header["alg"], "one that counts"))
	case RowName:
		return check.OK("iss is %s", d.Issuer)
	case RowAudience:
		return check.OK("aud has %s", options.Audience)
	case RowTimes:
		return check.OK("it ends %s", token.Relative(d.Expiry.Sub(r.now.Add(r.ahead()))))
	case RowKey:
		return check.OK("%s is published", r.keyID())
	case RowSignature:
		return check.OK("verified with the issuer's key")
	case RowIdentity:
		return check.OK("%s is %s", options.IdentityClaim, r.report.Identity)
	default:
		return check.OK("%s is %s", r.report.Identity, strings.Join(slices.Clone(r.report.Roles), ", "))
	}
}

package why

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/registry"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/token"
)

// Rows of the answer, by the ids that the documentation has for them, in the order in which a gateway meets them.
const (
	RowMint      = "T18"
	RowIssuer    = "T03"
	RowTLS       = "T04"
	RowHeader    = "T01"
	RowShape     = "T02"
	RowAlgorithm = "T07"
	RowName      = "T05"
	RowAudience  = "T09"
	RowTimes     = "T10"
	RowKey       = "T06"
	RowSignature = "T08"
	RowIdentity  = "T11"
	RowRole      = "T12"
	RowGateway   = "T13"
	RowRegistry  = "T14"
	RowResource  = "T15"
	RowLife      = "T16"
	RowSelf      = "T17"
)

// Seen is what the gateway itself did with the token.
type Seen struct {
	// Status is that of its answer to GET /whoami, 0 when it gave none.
	Status int `json:"status"`
	// Text is its error, or why there was no answer.
	Text string `json:"text,omitempty"`
	// Identity and Roles are those that it sees.
	Identity string   `json:"identity,omitempty"`
	Roles    []string `json:"roles,omitempty"`
}

// Question is a token and the gateway that it is for.
type Question struct {
	// Raw is the token as it was given, with all that came along.
	Raw string
	// Gateway are the flags that the gateway runs with.
	Gateway gateway.Options
	// HTTP reaches the issuer from this machine.
	HTTP *http.Client
	// Need is what the token is to be used for; 0 means any role.
	Need authz.Need
	// For is how long it is to be used; 0 means for the time that the gateway lets a submission wait, and is a warning alone.
	For time.Duration
	// Request, when not nil, is the one that is to be decided with it.
	Request *v1alpha1.AgentRequest
	// Intent, when not nil, is what is to be asked for with it, and Resources are those that govern targets.
	Intent    *Intent
	Resources []v1alpha1.GovernedResource
	// Graduation is the policy of trust of the intent's namespace, nil when there is none, and Levels how far each agent is trusted
	// there; those that are missing are not.
	Graduation *v1alpha1.AgentGraduationPolicy
	Levels     map[string]string
	// Registrations are those that the gateway has; nil when that is not known.
	Registrations *registry.Registry
	// Unready is why the gateway did not find its issuer, in its own words; empty when it did, or when nobody asked.
	Unready string
	// Whoami shows the token to the gateway. Nil shows it to nobody.
	Whoami func(ctx context.Context, raw string) Seen
	// GatewayTime is the time that the gateway's host believes it is, zero when unknown.
	GatewayTime time.Time
	// Fixes say what to type; those that are empty are told in words.
	Fixes Fixes
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Intent is an action on a target.
type Intent struct{ Action, Target string }

// Report is what became of a token.
type Report struct {
	// Accepted says that the gateway takes it, by the gateway's own code.
	Accepted bool `json:"accepted"`
	// Refused is the row of the first refusal; empty when there is none.
	Refused string `json:"refused,omitempty"`
	// Answer is what the gateway answers, by the gateway's own code.
	Answer string         `json:"answer,omitempty"`
	Rows   []check.Result `json:"rows"`
	// Identity and Roles are those that the token gives.
	Identity string   `json:"identity,omitempty"`
	Roles    []string `json:"roles,omitempty"`
	// Gateway is what the gateway itself said; nil when it was not asked.
	Gateway *Seen `json:"gateway,omitempty"`
	// Decoded is what the token says of itself, which is not verified; nil when it cannot be read.
	Decoded *token.Decoded `json:"-"`
	// Provider is whose token it looks like.
	Provider token.Provider `json:"-"`
}

// replay is a question on its way through the rows.
type replay struct {
	Question
	now     time.Time
	clean   string
	decoded *token.Decoded
	report  Report
	// identity is the caller, as the gateway's verifier read it; empty when the token was refused.
	identity authn.Identity
	// issuerAhead is how far the issuer's clock is ahead of this machine's, 0 when they agree as far as that can be told.
	issuerAhead time.Duration
}

// Ask sends a token through the checks of a gateway. It shows the token to the gateway alone, by Whoami.
func Ask(ctx context.Context, q Question) Report {
	if q.Now == nil {
		q.Now = time.Now
	}
	r := &replay{Question: q, now: q.Now(), clean: token.Clean(q.Raw)}
	if d, err := token.Decode(q.Raw); err == nil {
		r.decoded, r.report.Decoded, r.report.Provider = &d, &d, token.Recognise(d)
	}
	raw, header := r.header()
	verdict := r.verify(ctx, raw, header)
	r.afterwards(ctx, raw, header, verdict)
	return r.report
}

// header reads the token as the gateway reads it from a request that was made of what was given.
func (r *replay) header() (raw string, err error) {
	given := strings.TrimSuffix(strings.TrimSuffix(r.Raw, "\n"), "\r") // a shell takes that away
	if strings.ContainsFunc(given, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "", errLineBreak
	}
	raw, err = authn.BearerToken(http.Header{"Authorization": {"Bearer " + given}})
	return raw, err
}

// errLineBreak is what no client and no gateway lets through: a header of several lines.
var errLineBreak = errors.New("line breaks or control characters, which no header can hold")

// refusal is the row at which a token ends, and what the gateway answers.
type refusal struct {
	row    string
	answer check.Answer
	text   string
	// late says that the row was asked for after the issuer: the kind of a token is, and its form is not.
	late bool
}

// verify goes through the gateway's own checks and returns the first refusal, with an empty row when there is none.
func (r *replay) verify(ctx context.Context, raw string, header error) refusal {
	found := r.refuse(ctx, raw, header)
	order := []string{RowIssuer, RowTLS, RowHeader, RowShape, RowAlgorithm, RowName, RowAudience, RowTimes, RowKey, RowSignature, RowIdentity, RowRole}
	if found.late {
		order[3], order[4], order[5] = RowAlgorithm, RowName, RowShape
	}
	refused := false
	for _, id := range order {
		answer := r.passes(id)
		switch {
		case refused:
			answer = check.Skipped("not asked (the token was refused at %s)", found.row)
		case id == found.row:
			answer, refused = found.answer, true
		}
		r.add(id, answer)
	}
	r.report.Refused, r.report.Accepted, r.report.Answer = found.row, !refused, found.text
	return found
}

func (r *replay) add(id string, a check.Answer) {
	r.report.Rows = append(r.report.Rows, check.Result{ID: id, Question: question(id), Answer: a})
}

// refuse asks the gateway's code.
func (r *replay) refuse(ctx context.Context, raw string, header error) refusal {
	options := r.Gateway.OIDC
	options.HTTPClient = r.HTTP
	options.Now = func() time.Time { return r.Now().Add(r.ahead()) }
	verifier, err := authn.New(options)
	if err != nil {
		return refusal{row: RowIssuer, answer: check.Failed(r.Fixes.Configure, "the gateway's flags name no issuer that can be used: %v", err), text: "authentication is not configured"}
	}
	if found, bad := r.unreached(ctx, verifier); bad {
		return found
	}
	if header != nil {
		return refusal{row: RowHeader, answer: r.misshapen(header), text: authn.Explain(header)}
	}
	identity, err := verifier.Verify(ctx, raw)
	if err != nil {
		row, answer := r.explain(err)
		return refusal{row: row, answer: answer, text: authn.Explain(err), late: errors.Is(err, authn.ErrTokenType)}
	}
	roles := r.Gateway.Roles.RolesOf(identity.Subject, identity.Groups)
	r.identity, r.report.Identity = identity, identity.Subject
	for _, role := range roles {
		r.report.Roles = append(r.report.Roles, string(role))
	}
	need := r.Need
	if need == 0 {
		need = authz.AnyRole
	}
	if verdict := authz.Allow(need, roles); !verdict.Allowed {
		return refusal{row: RowRole, answer: r.noRole(need, identity, roles), text: verdict.Reason}
	}
	return refusal{}
}

// ahead is how far the gateway's clock is ahead of this machine's, 0 when they agree as far as that can be told.
func (r *replay) ahead() time.Duration {
	if r.GatewayTime.IsZero() {
		return 0
	}
	if d := r.GatewayTime.Sub(r.now); d > leastSkew || d < -leastSkew {
		return d
	}
	return 0
}

// setUpFailed is what a gateway says that is started while it does not reach its issuer, or finds another. One that runs already goes
// on as before.
const setUpFailed = "OIDC setup failed"

// unreached says which side does not reach the issuer: this machine, or the gateway. Whether the issuer is reached is judged by
// the gateway's own code; what is in the way is asked for at the same time, because an issuer that hangs takes the whole limit.
func (r *replay) unreached(ctx context.Context, verifier *authn.Verifier) (refusal, bool) {
	var trouble *Trouble
	var asking sync.WaitGroup
	asking.Go(func() {
		began := r.Now()
		var at time.Time
		trouble, at = Issuer(ctx, r.HTTP, r.Gateway.OIDC.IssuerURL)
		r.issuerAhead = Apart(at, began, r.Now())
	})
	err := verifier.Discover(ctx)
	asking.Wait()
	switch {
	case err != nil && trouble != nil:
		row, fix := RowIssuer, r.Fixes.Issuer
		if trouble.TLS {
			row = RowTLS
		}
		if trouble.Untrusted {
			fix = r.Fixes.trust(false)
		}
		answer := trouble.Answer(fix)
		answer.Reason = "from this machine: " + answer.Reason
		return refusal{row: row, answer: answer, text: setUpFailed}, true
	case err != nil:
		if expected, found := authn.Compare(err); expected != "" {
			return refusal{row: RowName, answer: check.Differ(r.Fixes.name(unquote(found)), expected, found, "the issuer calls itself by another name than --oidc-issuer-url: %s", difference(unquote(expected), unquote(found))), text: setUpFailed}, true
		}
		return refusal{row: RowIssuer, answer: check.Failed(r.Fixes.Issuer, "from this machine: %v", err), text: setUpFailed}, true
	case strings.Contains(r.Unready, "x509:") || strings.Contains(r.Unready, "certificate"):
		return refusal{row: RowTLS, answer: check.Failed(r.Fixes.trust(true), "from the gateway, and not from this machine: %s", r.Unready), text: r.Unready}, true
	case r.Unready != "":
		return refusal{row: RowIssuer, answer: check.Failed(r.Fixes.Issuer, "from the gateway, and not from this machine: %s", r.Unready), text: r.Unready}, true
	default:
		return refusal{}, false
	}
}

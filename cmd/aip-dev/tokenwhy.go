package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/doctor"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/token"
	"github.com/aip-dev/aip-dev/internal/token/why"
)

// Values of --to.
const (
	toAnything = "anything"
	toSubmit   = "submit"
	toDecide   = "decide"
)

// whyOptions are the flags of token why.
type whyOptions struct {
	file, to, request, namespace string
	// action and target are what is to be asked for.
	action, target string
	lasts          time.Duration
	fresh          bool
	// gateway are flags of a gateway that is not that of the environment.
	gateway []string
}

func newTokenWhy(a *app) *cobra.Command {
	o := whyOptions{to: toAnything}
	c := &cobra.Command{
		Use:   "why [CLIENT|-] [-- GATEWAY-FLAGS]",
		Short: "Say why the gateway refuses a token, or that it does not, and what helps",
		Long: "Replay the gateway's checks on a token, in the gateway's order and by the gateway's own code, with the flags that the\n" +
			"environment's gateway runs with. It stops at the first refusal, says what was expected and what was found, and gives\n" +
			"one command that helps; then it compares with what the gateway itself says at /whoami.\n\n" +
			"The token is read from the standard input, from --file, or got for a client of the environment. For a gateway that is\n" +
			"somewhere else, its flags follow after --. Exit status 0 means that the gateway takes the token, 3 that it does not.",
		Example: "  aip-dev token why aip-agent-1\n  aip-dev token why --to decide --request NAME < token.txt\n" +
			"  aip-dev token why --file token.txt -- --oidc-issuer-url=https://t.auth0.com/ --oidc-audience=api://gw --oidc-preset=auth0",
		Args: cobra.ArbitraryArgs,
	}
	format := outputFlag(c, formatTable, formatJSON)
	f := c.Flags()
	f.StringVar(&o.file, "file", "", "file that holds the token; - reads the standard input")
	f.Var(&choice{&o.to, []string{toAnything, toSubmit, toDecide}}, "to", "what the token is to be used for")
	f.StringVar(&o.request, "request", "", "request that is to be decided with it")
	f.StringVarP(&o.namespace, "namespace", "n", "default", "namespace of --request, and of what --action asks for")
	f.StringVar(&o.action, "action", "", "action that is to be asked for, with --target")
	f.StringVar(&o.target, "target", "", "target of --action, a URI")
	c.MarkFlagsRequiredTogether("action", "target")
	f.DurationVar(&o.lasts, "for", 0, "how long it is to be used")
	f.BoolVar(&o.fresh, "fresh", false, "get a new token for the client")
	c.RunE = func(c *cobra.Command, args []string) error {
		if at := c.ArgsLenAtDash(); at >= 0 {
			args, o.gateway = args[:at], args[at:]
		}
		if len(args) > 1 {
			return failure.New(failure.Usage, []string{c.CommandPath() + " --help"}, "found %d arguments, expected at most one: a client of the environment", len(args))
		}
		if o.lasts < 0 {
			return failure.New(failure.Usage, nil, "--for is %s, expected a duration such as 5m", o.lasts)
		}
		g, err := a.givenToken(c, args, o.file, o.fresh)
		if err != nil {
			return err
		}
		report, err := a.explainToken(c.Context(), g, o)
		if err != nil {
			return err
		}
		return a.tellWhy(g, report, *format)
	}
	return c
}

// explainToken asks why the gateway takes or refuses a token.
func (a *app) explainToken(ctx context.Context, g given, o whyOptions) (why.Report, error) {
	if g.refused != nil {
		return a.refusedMint(g), nil //nolint:nilerr // the report is about the refusal
	}
	q, err := a.question(ctx, g, o.gateway)
	if err != nil {
		return why.Report{}, err
	}
	if (o.action != "" || o.request != "") && g.session == nil {
		return why.Report{}, g.closed // it is the environment that knows requests and what governs a target
	}
	q.For = o.lasts
	q.Need = map[string]authz.Need{toSubmit: authz.Agent, toDecide: authz.Reviewer}[o.to]
	if o.action != "" {
		q.Need = authz.Agent
		if err := intend(ctx, g.session, o, &q); err != nil {
			return why.Report{}, err
		}
	}
	if o.request != "" {
		if q.Request, err = readRequest(ctx, g.session, o.namespace, o.request); err != nil {
			return why.Report{}, err
		}
	}
	return why.Ask(ctx, q), nil
}

// refusedMint is the report about a client to which the issuer gives no token.
func (a *app) refusedMint(g given) why.Report {
	told := a.explain(g.refused)
	fix := check.Fix{Command: a.command("doctor")}
	if next := failure.Next(told); len(next) > 0 {
		fix.Command = next[0]
	}
	answer := check.Failed(fix, "%v", g.refused)
	var e *token.Error
	switch {
	case errors.As(g.refused, &e) && strings.Contains(e.Description, "Realm not enabled"):
		answer.Reason = fmt.Sprintf("the issuer gives %s no token: its realm is disabled (%v)", g.client, e)
		answer.Fix = check.Fix{Command: a.command("up"), Repair: check.RepairUp}
	case errors.As(g.refused, &e) && errors.Is(g.refused, token.ErrUnknownClient):
		answer.Reason = fmt.Sprintf("the issuer knows no enabled client %s: it was deleted, disabled, or locked (%v)", g.client, e)
	case errors.As(g.refused, &e) && errors.Is(g.refused, token.ErrClientRefused) && strings.Contains(e.Description, "service account"):
		answer.Reason = fmt.Sprintf("the issuer gives %s no token: its service account is off (%v)", g.client, e)
	case errors.As(g.refused, &e) && errors.Is(g.refused, token.ErrClientRefused):
		answer.Reason = fmt.Sprintf("the issuer refuses the secret of %s, or the grant: the secret was changed (%v)", g.client, e)
	}
	row := check.Result{ID: why.RowMint, Question: "does the issuer give this client a token", Answer: answer}
	return why.Report{Refused: why.RowMint, Rows: []check.Result{row}}
}

// question returns what is known of the gateway that a token is for: that of the environment, unless flags name another.
func (a *app) question(ctx context.Context, g given, flags []string) (why.Question, error) {
	if len(flags) > 0 {
		options, err := foreignGateway(flags)
		if err != nil {
			return why.Question{}, err
		}
		return why.Question{
			Raw: g.raw, Gateway: options, HTTP: why.Reach(options.OIDC.IssuerURL, "", issuerLimit), Fixes: foreignFixes(options), Now: a.now,
		}, nil
	}
	if g.session == nil {
		return why.Question{}, g.closed
	}
	q, err := doctor.Ask(ctx, g.session, g.raw, g.client, a.command)
	q.Now = a.now
	return q, err
}

// readRequest returns a request as Kubernetes keeps it.
func readRequest(ctx context.Context, s *session.Session, namespace, name string) (*v1alpha1.AgentRequest, error) {
	config, err := s.Kube()
	if err != nil {
		return nil, err
	}
	kube, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	found, err := kube.Resource(v1alpha1.GroupVersion().WithResource("agentrequests")).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, failure.Wrap(err, failure.NotFound, []string{"aip-dev request list --all-namespaces"}, "")
	}
	var request v1alpha1.AgentRequest
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(found.Object, &request); err != nil {
		return nil, fmt.Errorf("read request %s: %w", name, err)
	}
	return &request, nil
}

// tellWhy prints a report; its error says at which row the token was refused.
func (a *app) tellWhy(g given, r why.Report, format string) error {
	show := func() error { return a.print(whyText(g, r)) }
	if format == formatJSON {
		show = func() error { return a.printJSON(whyJSON(g, r)) }
	}
	if err := show(); err != nil {
		return err
	}
	for _, row := range r.Rows {
		if row.Bad() {
			return failure.New(failure.Refused, []string{row.Fix.Command}, "%s: %s", row.ID, row.Reason)
		}
	}
	return nil
}

// whyText shows the rows that were asked, what the gateway said, and for a token of another issuer the flags it needs.
func whyText(g given, r why.Report) string {
	var asked []check.Result
	for _, row := range r.Rows {
		if row.Verdict != check.Skip {
			asked = append(asked, row)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "token from %s", safetext.Line(g.from))
	if r.Provider.Title != "" {
		fmt.Fprintf(&b, " · looks like one of %s", r.Provider.Title)
	}
	fmt.Fprintf(&b, "\n\n%s", check.Text(asked))
	switch {
	case r.Accepted:
		fmt.Fprintf(&b, "\nThe gateway takes it: %s, %s.\n", safetext.Line(r.Identity), strings.Join(r.Roles, " and "))
	case r.Answer != "":
		fmt.Fprintf(&b, "\nThe gateway answers: %s\n", safetext.Line(r.Answer))
	}
	if flags := neededFlags(r); len(flags) > 0 {
		note := ""
		if r.Provider.Note != "" {
			note = " (" + r.Provider.Note + ")"
		}
		fmt.Fprintf(&b, "\nFor tokens of %s%s a gateway needs:\n", cmp.Or(r.Provider.Title, "this issuer"), note)
		for _, flag := range flags {
			fmt.Fprintf(&b, "  %s\n", safetext.Line(shellescape.Quote(flag))) // nobody vouches for the values, and people copy them
		}
	}
	return b.String()
}

// neededFlags returns the flags of a gateway that would take a token, when it is refused for what flags say.
func neededFlags(r why.Report) []string {
	d := r.Decoded
	own := r.Provider.Name == "" || r.Provider.Name == "keycloak" // whose audience is the realm's to set
	if d == nil || r.Provider.Claim == "" || r.Refused != why.RowName && r.Refused != why.RowIdentity && (own || r.Refused != why.RowAudience) {
		return nil
	}
	flags := []string{"--oidc-issuer-url=" + d.Issuer}
	if len(d.Audience) > 0 {
		flags = append(flags, "--oidc-audience="+d.Audience[0])
	}
	return append(flags, "--oidc-identity-claim="+r.Provider.Claim, "--agent-subjects="+r.Provider.Identity)
}

// whyJSON is the report for programs.
func whyJSON(g given, r why.Report) map[string]any {
	out := map[string]any{
		"v": 1, "from": g.from, "accepted": r.Accepted, "refused": r.Refused, "answer": r.Answer, "rows": r.Rows,
		"identity": r.Identity, "roles": r.Roles, "gateway": r.Gateway, "provider": r.Provider.Name, "flags": neededFlags(r),
	}
	if r.Decoded != nil {
		out["header"], out["claims"] = r.Decoded.Header, r.Decoded.Claims
	}
	return out
}

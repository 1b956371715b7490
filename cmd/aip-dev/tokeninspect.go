package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/doctor"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/token"
	"github.com/aip-dev/aip-dev/internal/token/why"
)

// issuerLimit bounds one question to an issuer.
const issuerLimit = 3 * time.Second

// source is where the keys come from that a token is verified with.
type source struct {
	// issuer is a URL, keys a file; both empty means the issuer of session.
	issuer, keys string
	// audience has to be among those of the token; empty asks for none.
	audience string
	session  *session.Session
}

func (s *source) bind(c *cobra.Command) {
	c.Flags().StringVar(&s.issuer, "issuer-url", "", "issuer whose keys to verify with, or the URL of its description (default: the environment's)")
	c.Flags().StringVar(&s.keys, "jwks", "", "file with the keys to verify with (JSON Web Key Set)")
	c.MarkFlagsMutuallyExclusive("issuer-url", "jwks")
}

// inspected is what inspect and verify tell.
type inspected struct {
	// Verified says that the signature is that of a key of VerifiedBy. Everything else the token says of itself.
	Verified   bool   `json:"verified"`
	VerifiedBy string `json:"verifiedBy,omitempty"`
	// NotVerified says why Verified is false.
	NotVerified string         `json:"notVerified,omitempty"`
	Header      map[string]any `json:"header"`
	Claims      map[string]any `json:"claims"`
	Provider    string         `json:"provider,omitempty"`
	// Faults are what is wrong with it apart from the signature.
	Faults []string `json:"faults,omitempty"`

	decoded token.Decoded
	given   given
}

func newTokenInspect(a *app) *cobra.Command {
	return a.examining(&cobra.Command{
		Use:   "inspect [CLIENT|-]",
		Short: "Explain each claim of a token in words, and say whether it is verified",
		Long: "Explain each claim of a token in words. The token is read from the standard input, from --file, or got for a client\n" +
			"of the environment. Exit status 2 means that nobody vouches for what it says: it is not signed, or its issuer's keys\n" +
			"are not at hand. Nothing is asked of an issuer that only the token names.",
	}, &source{}, a.tellInspected)
}

// examining completes a command that examines the token that its command line names, by the keys of from, and tells the outcome.
func (a *app) examining(c *cobra.Command, from *source, tell func(seen inspected, format string) error) *cobra.Command {
	var file string
	c.Args = cobra.MaximumNArgs(1)
	format := outputFlag(c, formatTable, formatJSON)
	c.Flags().StringVar(&file, "file", "", "file that holds the token; - reads the standard input")
	from.bind(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		g, err := a.givenToken(c, args, file, false)
		if err == nil {
			err = g.refused
		}
		if err != nil {
			return err
		}
		from.session = g.session
		seen, err := a.examined(c.Context(), g, *from)
		if err != nil {
			return err
		}
		return tell(seen, *format)
	}
	return c
}

// tellInspected explains a token. Its error has the status Usage when nobody vouches for it.
func (a *app) tellInspected(seen inspected, format string) error {
	show := a.printInspected
	if format == formatJSON {
		show = func(i inspected) error { return a.printJSON(i) }
	}
	if err := show(seen); err != nil || seen.Verified {
		return err
	}
	next := []string{a.sameToken(seen.given, "token why")}
	if !strings.HasPrefix(seen.NotVerified, token.ErrUnsigned.Error()) {
		next = append(next, a.sameToken(seen.given, "token verify --issuer-url URL")+"  # when you know whose keys count")
	}
	return failure.New(failure.Usage, next, "NOT VERIFIED: %s", seen.NotVerified)
}

// unreadable gives the errors of token.Decode the status of wrong input.
func (a *app) unreadable(err error, g given) error {
	for _, class := range []error{token.ErrEmpty, token.ErrNotJWT, token.ErrEncrypted, token.ErrMalformed} {
		if errors.Is(err, class) {
			return failure.Wrap(err, failure.Usage, []string{a.sameToken(g, "token why")}, "")
		}
	}
	return err
}

// examined decodes a token and verifies its signature as far as there are keys for that.
func (a *app) examined(ctx context.Context, g given, from source) (inspected, error) {
	d, err := token.Decode(g.raw)
	if err != nil {
		return inspected{}, a.unreadable(err, g)
	}
	i := inspected{given: g, Header: d.Header, Claims: d.Claims, Provider: token.Recognise(d).Title, decoded: d}
	raw := token.Clean(g.raw)
	keys, err := a.keysOf(ctx, d, from)
	if errors.As(err, new(*failure.Error)) {
		return inspected{}, err // what the command line names cannot be used
	}
	if unsigned := token.Signed(raw); unsigned != nil {
		err = unsigned // whatever keys there are
	}
	if err == nil {
		err = keys.Verify(raw)
	}
	if err != nil {
		i.NotVerified = err.Error()
	} else {
		i.Verified, i.VerifiedBy = true, keys.From
	}
	i.Faults = a.faults(d, keys, from)
	return i, nil
}

// keysOf returns the keys to verify with. An issuer that only the token names is never asked.
func (a *app) keysOf(ctx context.Context, d token.Decoded, from source) (token.Keys, error) {
	client := &http.Client{Timeout: issuerLimit}
	switch {
	case from.keys != "":
		data, err := a.readFile(from.keys, "--jwks", maxGiven)
		if err != nil {
			return token.Keys{}, err
		}
		return token.ReadKeys(data, from.keys)
	case from.issuer != "":
		if u, err := url.Parse(from.issuer); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return token.Keys{}, failure.New(failure.Usage, nil, "--issuer-url is %q, expected http(s)://HOST/PATH, as in the token's iss claim", from.issuer)
		}
		if from.session != nil && ofEnvironment(from.session.Facts.Identity, from.issuer) {
			client = doctor.Reach(from.session.Facts.Identity)
		}
		return fetchKeys(ctx, client, from.issuer)
	case from.session == nil:
		return token.Keys{}, errors.New("there is no environment that is up, and neither --issuer-url nor --jwks says whose keys count")
	}
	identity := from.session.Facts.Identity
	if d.Issuer != identity.IssuerURL {
		return token.Keys{}, fmt.Errorf("its iss is not the environment's issuer (%s), and neither --issuer-url nor --jwks says whose keys count", identity.IssuerURL)
	}
	return fetchKeys(ctx, doctor.Reach(identity), identity.IssuerURL)
}

// ofEnvironment reports whether a URL is that of the environment's issuer, by its name or by the address on this machine. What it says
// of itself may have names that only the cluster knows.
func ofEnvironment(identity bootstrap.IdentityFacts, issuerURL string) bool {
	issuerURL = token.IssuerOf(issuerURL)
	return issuerURL == identity.IssuerURL || issuerURL == identity.Address+"/realms/"+identity.Realm
}

// fetchKeys reads an issuer's keys, and says in words what is wrong with an issuer that has none.
func fetchKeys(ctx context.Context, client *http.Client, issuerURL string) (token.Keys, error) {
	issuerURL = token.IssuerOf(issuerURL)
	trouble, _ := why.Issuer(ctx, client, issuerURL)
	switch {
	case trouble == nil:
		return token.FetchKeys(ctx, client, issuerURL)
	case trouble.Found != "":
		return token.Keys{}, fmt.Errorf("%w: %s: found %s, expected %s", token.ErrNoKeys, trouble.Reason, trouble.Found, trouble.Expected)
	default:
		return token.Keys{}, fmt.Errorf("%w: %s", token.ErrNoKeys, trouble.Reason)
	}
}

// faults says what is wrong with a token apart from its signature.
func (a *app) faults(d token.Decoded, keys token.Keys, from source) []string {
	var faults []string
	now := a.now()
	switch nbf := timeOf(d, "nbf"); {
	case d.Odd() != "":
		faults = append(faults, d.Odd())
	case d.Expiry.IsZero():
		faults = append(faults, "it has no exp, so it would count for ever")
	case !now.Before(d.Expiry):
		faults = append(faults, "it ended "+token.Relative(d.Expiry.Sub(now)))
	case nbf.After(now):
		faults = append(faults, "it counts "+token.Relative(nbf.Sub(now)))
	}
	if keys.Issuer != "" && keys.Issuer != d.Issuer {
		faults = append(faults, fmt.Sprintf("its iss is %q, and the issuer calls itself %q", d.Issuer, keys.Issuer))
	}
	if from.audience != "" && !contains(d.Audience, from.audience) {
		faults = append(faults, fmt.Sprintf("its aud is %q, expected %q among them", d.Audience, from.audience))
	}
	return faults
}

func contains(list []string, s string) bool {
	for _, each := range list {
		if each == s {
			return true
		}
	}
	return false
}

// timeOf reads a claim that is a time.
func timeOf(d token.Decoded, name string) time.Time {
	n, ok := d.Claims[name].(interface{ Float64() (float64, error) })
	if !ok {
		return time.Time{}
	}
	seconds, err := n.Float64()
	if err != nil {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

func (a *app) printInspected(i inspected) error {
	var b strings.Builder
	if i.Verified {
		fmt.Fprintf(&b, "VERIFIED: signed by a key of %s\n", safetext.Line(i.VerifiedBy))
	} else {
		fmt.Fprintf(&b, "NOT VERIFIED, decoded alone: %s\n", safetext.Line(i.NotVerified))
	}
	for _, f := range i.Faults {
		fmt.Fprintf(&b, "and %s\n", safetext.Line(f))
	}
	fmt.Fprintf(&b, "\n  header  %s\n", safetext.Line(headerText(i.decoded)))
	if i.Provider != "" {
		fmt.Fprintf(&b, "  looks like a token of %s\n", i.Provider)
	}
	b.WriteByte('\n')
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range i.decoded.Words(a.now()) {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", safetext.Line(c.Name), safetext.Line(c.Value), safetext.Line(c.Says))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("lay out the table: %w", err)
	}
	return a.print(b.String())
}

func newTokenVerify(a *app) *cobra.Command {
	var from source
	c := a.examining(&cobra.Command{
		Use:   "verify [CLIENT|-]",
		Short: "Verify a token with the keys of the environment, of an issuer, or of a file",
		Long: "Verify a token: its signature with the keys of the environment's issuer, of --issuer-url or of the file --jwks, its\n" +
			"issuer, its times and, with --audience, whom it is for. Exit status 0 means that all holds, 3 that something does not,\n" +
			"2 that it cannot be read, and 1 that the keys cannot be had.",
	}, &from, func(seen inspected, format string) error { return a.tellVerified(seen, from, format) })
	c.Flags().StringVar(&from.audience, "audience", "", "value that aud must contain")
	return c
}

func (a *app) tellVerified(seen inspected, from source, format string) error {
	if format == formatJSON {
		if err := a.printJSON(seen); err != nil {
			return err
		}
	}
	next := []string{a.sameToken(seen.given, "token why") + "  # what the gateway says to it, and what helps"}
	switch {
	case !seen.Verified && strings.HasPrefix(seen.NotVerified, token.ErrNoKeys.Error()):
		if from.issuer != "" {
			next = []string{"curl -v " + shellescape.Quote(token.IssuerOf(from.issuer)+"/.well-known/openid-configuration")}
		}
		return failure.New(failure.Failed, next, "not verified: %s", seen.NotVerified)
	case !seen.Verified:
		next = append(next, a.sameToken(seen.given, "token verify --issuer-url URL")+"  # when you know whose keys count")
		return failure.New(failure.Refused, next, "not verified: %s", seen.NotVerified)
	case len(seen.Faults) > 0:
		return failure.New(failure.Refused, next, "the signature is right, but %s", strings.Join(seen.Faults, ", and "))
	case format == formatJSON:
		return nil
	}
	return a.print(fmt.Sprintf("verified: signed by a key of %s, and it ends %s\n", safetext.Line(seen.VerifiedBy), token.Relative(seen.decoded.Expiry.Sub(a.now()))))
}

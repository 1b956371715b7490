package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauthentication "k8s.io/client-go/pkg/apis/clientauthentication/v1"

	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/token"
)

// Output formats of token.
const (
	formatJWT    = "jwt"
	formatHeader = "header"
	formatEnv    = "env"
	formatClaims = "claims"
	formatExec   = "exec-credential"
)

// tokenVariable is what `token --env` sets.
const tokenVariable = "AIP_TOKEN"

// tokenOptions are the flags of token.
type tokenOptions struct {
	format, shell, secretFile, watch string
	header, env, decode, copy, fresh bool
	// user and passwordFile, or device, ask for a token of a person.
	user, passwordFile string
	device             bool
}

func newToken(a *app) *cobra.Command {
	o := tokenOptions{format: formatJWT, shell: shellPOSIX}
	c := &cobra.Command{
		Use:   "token CLIENT",
		Short: "Print an access token of a client, explain one, or say why the gateway refuses one",
		Long: "Print an access token of a client of the environment, and nothing else.\n\n" +
			"A token is kept until shortly before it expires. The secret of a client that was made by hand is read from\n" +
			"--secret-file; it is never taken from the command line, where every process could read it.",
		Example: "  curl -H \"$(aip-dev token aip-agent-1 --header)\" $AIP_GATEWAY_URL/whoami\n" +
			"  aip-dev token aip-agent-1 --watch /run/agent/token\n  aip-dev token why < token.txt",
		Args: cobra.ExactArgs(1),
	}
	f := c.Flags()
	f.VarP(&choice{&o.format, []string{formatJWT, formatHeader, formatEnv, formatJSON, formatClaims, formatExec}}, "output", "o", "format of the result")
	f.BoolVar(&o.header, "header", false, "print it as a header: -o header")
	f.BoolVar(&o.env, "env", false, "print it as a variable of a shell: -o env")
	f.Var(&choice{&o.shell, []string{shellPOSIX, shellFish}}, "shell", "syntax of --env")
	f.BoolVar(&o.decode, "decode", false, "explain the token instead: token inspect")
	f.BoolVar(&o.copy, "copy", false, "copy it to the clipboard and print nothing")
	f.StringVar(&o.watch, "watch", "", "keep `FILE` (0600) filled with a token that counts, until interrupted")
	f.StringVar(&o.secretFile, "secret-file", "", "file that holds the client secret; - reads the standard input")
	f.BoolVar(&o.fresh, "fresh", false, "get a new token even when a kept one is still good")
	f.StringVar(&o.user, "user", "", "person to get the token for, by the password grant where the issuer offers it")
	f.StringVar(&o.passwordFile, "password-file", "-", "file that holds the password of --user; - reads the standard input")
	f.BoolVar(&o.device, "device", false, "let a person agree in a browser, by the device grant where the issuer offers it")
	c.MarkFlagsMutuallyExclusive("user", "device", "watch")
	c.MarkFlagsMutuallyExclusive("output", "header", "env", "decode", "copy", "watch")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := o.check(c); err != nil {
			return err
		}
		s, err := a.open(c.Context())
		if err != nil {
			return err
		}
		if o.watch != "" {
			return a.watchToken(c, s, args[0], o)
		}
		mint := func() (token.Token, error) { return a.mint(c, s, args[0], o.secretFile, o.fresh) }
		if o.user != "" || o.device {
			mint = func() (token.Token, error) { return a.personal(c.Context(), s, args[0], o) }
		}
		t, err := mint()
		var unknown *session.UnknownClientError
		if slip := meant(c, args[0]); errors.As(err, &unknown) && len(slip) > 0 {
			return failure.Wrap(err, failure.NotFound, append(slip, a.command("agent list")), "")
		}
		if err != nil {
			return err
		}
		return a.giveToken(c, s, args[0], t, o)
	}
	c.AddCommand(newTokenInspect(a), newTokenVerify(a), newTokenWhy(a), newTokenBreak(a), newTokenMatrix(a))
	return c
}

// check refuses flags that would change nothing: who gives them expects something of them.
func (o tokenOptions) check(c *cobra.Command) error {
	set := func(name string) bool { return c.Flags().Changed(name) }
	switch {
	case set("shell") && !o.env && o.format != formatEnv:
		return failure.New(failure.Usage, []string{c.CommandPath() + " CLIENT --env --shell " + o.shell}, "--shell is the syntax of --env, and that was not given")
	case set("password-file") && o.user == "":
		return failure.New(failure.Usage, nil, "--password-file is the password of --user, and that was not given")
	case set("user") && o.user == "":
		return failure.New(failure.Usage, nil, "--user is empty, expected the name of a person")
	default:
		return nil
	}
}

// giveToken prints a token in the form that was asked for.
func (a *app) giveToken(c *cobra.Command, s *session.Session, id string, t token.Token, o tokenOptions) error {
	switch {
	case o.header:
		o.format = formatHeader
	case o.env:
		o.format = formatEnv
	case o.copy:
		return a.copyToken(id, t)
	case o.decode:
		seen, err := a.examined(c.Context(), given{raw: t.Raw, client: id, session: s}, source{session: s})
		if err != nil {
			return err
		}
		return a.tellInspected(seen, formatTable)
	}
	switch o.format {
	case formatJSON:
		return a.printJSON(map[string]any{
			"access_token": t.Raw, "token_type": "Bearer",
			"expires_in": int(t.Expiry.Sub(a.now()) / time.Second), "client": id,
		})
	case formatHeader:
		return a.print(t.Header() + "\n")
	case formatEnv:
		return a.print(export(o.shell, variable{tokenVariable, t.Raw}))
	case formatClaims:
		d, err := token.Decode(t.Raw)
		if err != nil {
			return err
		}
		return a.printJSON(d.Claims)
	case formatExec:
		return a.printExecCredential(t)
	default:
		return a.print(t.Raw + "\n")
	}
}

// printExecCredential prints what kubectl reads from a credential plugin.
// Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
func (a *app) printExecCredential(t token.Token) error {
	credential := clientauthentication.ExecCredential{
		TypeMeta: metav1.TypeMeta{APIVersion: clientauthentication.SchemeGroupVersion.String(), Kind: "ExecCredential"},
		Status:   &clientauthentication.ExecCredentialStatus{Token: t.Raw},
	}
	if !t.Expiry.IsZero() {
		expiry := metav1.NewTime(t.Expiry)
		credential.Status.ExpirationTimestamp = &expiry
	}
	return a.printJSON(credential)
}

// mint returns a token of a client: a kept one unless fresh is asked for, or one with the secret of a file.
func (a *app) mint(c *cobra.Command, s *session.Session, id, secretFile string, fresh bool) (token.Token, error) {
	if secretFile != "" {
		secret, err := a.readSecret(secretFile)
		if err != nil {
			return token.Token{}, err
		}
		return s.MintWith(c.Context(), id, secret)
	}
	if fresh {
		if err := s.Forget(id); err != nil {
			return token.Token{}, err
		}
	}
	source := s.Source(id)
	raw, err := source.Token(c.Context())
	if err != nil {
		return token.Token{}, err
	}
	if t, ok := source.Current(); ok {
		return t, nil
	}
	d, err := token.Decode(raw) // it ends too soon to be kept, and says when
	if err != nil {
		return token.Token{Raw: raw, Expiry: a.now()}, nil //nolint:nilerr // an opaque one does not
	}
	return token.Token{Raw: raw, Expiry: d.Expiry}, nil
}

const maxSecret = 4 << 10

// readSecret returns the client secret that --secret-file names.
func (a *app) readSecret(path string) (string, error) {
	return a.readLine(path, "--secret-file", "a client secret")
}

// readLine returns the first line of a file that a flag names, or of the standard input for "-". what says what it has to be.
func (a *app) readLine(path, flag, what string) (string, error) {
	data, err := a.readFile(path, flag, maxSecret)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		from := path
		if path == "-" {
			from = "the standard input"
		}
		return "", failure.New(failure.Usage, nil, "%s is empty, expected %s on its first line", from, what)
	}
	return line, nil
}

// printable text of a token's header for people: its fields in a fixed order, unknown ones not at all.
func headerText(d token.Decoded) string {
	var parts []string
	for _, name := range []string{"alg", "kid", "typ"} {
		if v, ok := d.Header[name]; ok {
			parts = append(parts, fmt.Sprintf("%s %v", name, v))
		}
	}
	return strings.Join(parts, " · ")
}

package gateway

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/reconcile"
)

// BindFlags binds the gateway's flags to o and gives their fields the default values.
func BindFlags(fs *pflag.FlagSet, o *Options) {
	fs.StringVar(&o.Addr, "addr", defaultAddr, "address to listen on")
	fs.StringVar(&o.TLSCert, "tls-cert-file", "", "PEM file with the certificate to serve over TLS with; read anew when it changes")
	fs.StringVar(&o.TLSKey, "tls-key-file", "", "PEM file with the key of that certificate")
	fs.DurationVar(&o.DedupWindow, "dedup-window", defaultDedupWindow, "for how long the same intent is the same request; 0 switches that off")
	fs.DurationVar(&o.WaitTimeout, "wait-timeout", defaultWaitTimeout, "for how long a submission waits for its decision")
	fs.StringVar(&o.DefaultAction, "default-action", v1alpha1.ActionAllow, "what happens when no policy matches: Allow, RequireApproval or Deny")
	fs.StringVar(&o.UnregisteredAgents, "unregistered-agent-policy", unregisteredAllow, "what happens to requests of agents without an AgentRegistration: allow, warn, which marks them, or strict, which refuses them")
	fs.StringVar(&o.SigningKeyPath, "jwt-key-path", "", "PEM file with the Ed25519 key to sign the gateway's own tokens with; read anew when it changes (default: it signs none)")
	fs.StringVar(&o.SigningKey, "jwt-key", "", "the key itself, which everybody on the machine sees; --jwt-key-path keeps it to itself")
	fs.Var((*commaList)(&o.TokenAccounts), "token-request-service-accounts", "ServiceAccounts, as NAMESPACE/NAME separated by commas, whose tokens agents may get when their AgentRegistration names them")
	fs.BoolVar(&o.RequireGovernedResource, "require-governed-resource", false, "refuse requests about targets that no GovernedResource governs, even when there is none")
	controller := fs.VarPF((*inverse)(&o.APIOnly), "controller", "", "drive requests forward; false leaves that to another controller")
	controller.NoOptDefVal = "true"
	fs.BoolVar(&o.LeaderElection, "leader-elect", false, "let replicas agree on the one that drives requests forward")
	fs.StringVar(&o.LockNamespace, "lock-namespace", "", "namespace of the leases that lock targets (default: the pod's)")
	bindLimit(fs, &o.LockDuration, "ops-lock-duration", reconcile.DefaultLockDuration, "for how long a target is held without a sign of life of its agent")
	bindLimit(fs, &o.LockWait, "ops-lock-wait-timeout", reconcile.DefaultLockWait, "for how long a request waits for its target")
	bindLimit(fs, &o.ApprovedTimeout, "approved-timeout", reconcile.DefaultApprovedTimeout, "how long after its approval a request must be started")
	fs.StringVar(&o.LeaderElectionNamespace, "leader-elect-namespace", "", "namespace of the lease (default: the pod's)")
	fs.DurationVar(&o.VerifyTimeout, "verify-timeout", defaultVerifyTimeout, "for how long the look-ups of a verification may take")
	fs.StringVar(&o.GitHub.URL, "github-api-url", "", "GitHub's REST API for the context fetcher github, for example https://api.github.com; empty switches it off")
	fs.StringVar(&o.GitHub.TokenFile, "github-token-file", "", "file with the token to ask it with; read anew when it is used")

	bindCollector(fs, &o.Collector)
	bindController(fs, o)
	bindOIDC(fs, o)
	for _, role := range []struct {
		name             string
		subjects, groups *[]string
	}{
		{"agent", &o.Roles.AgentSubjects, &o.Roles.AgentGroups},
		{"reviewer", &o.Roles.ReviewerSubjects, &o.Roles.ReviewerGroups},
		{"admin", &o.Roles.AdminSubjects, &o.Roles.AdminGroups},
	} {
		fs.Var((*commaList)(role.subjects), role.name+"-subjects", "identities with the "+role.name+" role, separated by commas")
		fs.Var((*commaList)(role.groups), role.name+"-groups", "groups with the "+role.name+" role, separated by commas")
	}
}

func bindOIDC(fs *pflag.FlagSet, o *Options) {
	fs.StringVar(&o.OIDC.IssuerURL, "oidc-issuer-url", "", "issuer of the tokens, exactly as in their iss claim")
	fs.StringVar(&o.OIDC.Audience, "oidc-audience", defaultAudience, "value that the aud claim must contain")
	fs.StringVar(&o.OIDC.CA, "oidc-ca", "", "certificates, as PEM text, of authorities that the issuer's certificate may be of, besides the system's")
	fs.StringVar(&o.OIDC.Preset, "oidc-preset", "", "kind of provider, which says the claims: "+strings.Join(authn.PresetNames(), ", "))
	fs.StringVar(&o.OIDC.IdentityClaim, "oidc-identity-claim", "", "claim that says who calls, or several separated by commas, of which the first that a token has counts (default: the preset's, else "+authn.DefaultIdentityClaim+")")
	fs.StringVar(&o.OIDC.GroupsClaim, "oidc-groups-claim", "", "claim that says which groups the caller is in (default: the preset's, else "+defaultGroups+")")
	fs.Var((*commaList)(&o.TrustedProxies), "trusted-proxy-cidrs", "without an issuer: proxies that name the caller in the header X-Remote-User, as CIDRs separated by commas")
}

// limit is a flag for a time that is more than 0.
type limit time.Duration

func bindLimit(fs *pflag.FlagSet, to *time.Duration, name string, value time.Duration, usage string) {
	*to = value
	fs.Var((*limit)(to), name, usage)
}

func (l *limit) String() string { return time.Duration(*l).String() }
func (*limit) Type() string     { return "duration" }

// Set stores the duration in s.
func (l *limit) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return fmt.Errorf("found %q, expected a duration of more than 0 such as 90s", s)
	}
	*l = limit(d)
	return nil
}

// inverse is a flag that is true when the value behind it is false.
type inverse bool

func (i *inverse) String() string { return strconv.FormatBool(!bool(*i)) }
func (*inverse) Type() string     { return "bool" }

// Set stores the opposite of s.
func (i *inverse) Set(s string) error {
	on, err := strconv.ParseBool(s)
	if err != nil {
		return fmt.Errorf("found %q, expected true or false", s)
	}
	*i = inverse(!on)
	return nil
}

// commaList is a flag of values that are separated by commas. Space around a value does not count, nor do empty
// values; a repeated flag adds to the list.
type commaList []string

func (l *commaList) String() string { return strings.Join(*l, ",") }
func (*commaList) Type() string     { return "list" }

// Set adds the values in s.
func (l *commaList) Set(s string) error {
	for value := range strings.SplitSeq(s, ",") {
		if value = strings.TrimSpace(value); value != "" {
			*l = append(*l, value)
		}
	}
	return nil
}

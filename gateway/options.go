package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/collector"
	"github.com/aip-dev/aip-dev/gateway/github"
)

// What can happen to a request of an agent that is not registered.
const (
	unregisteredAllow  = "allow"
	unregisteredWarn   = "warn"
	unregisteredStrict = "strict"
)

const (
	// An agent that is about to begin waits for the answer to a verification.
	defaultVerifyTimeout = 200 * time.Millisecond

	defaultAddr        = ":8080"
	defaultAudience    = "aip-gateway"
	defaultGroups      = "groups"
	defaultDedupWindow = 24 * time.Hour
	defaultWaitTimeout = 90 * time.Second
)

// Options are what a Server works with. Kube is required; BindFlags sets the defaults of the rest that the command
// line knows.
type Options struct {
	// Addr is where to listen. Empty means :8080.
	Addr string
	// TLSCert and TLSKey are PEM files; with them the gateway serves over TLS only. They are read anew when they change.
	TLSCert, TLSKey string
	// Listen opens the listener. Nil means net.Listen.
	Listen func(network, address string) (net.Listener, error)
	// Kube leads to the API server that keeps the requests.
	Kube *rest.Config
	// OIDC says which tokens count. Without an issuer URL no token does.
	OIDC authn.Options
	// TrustedProxies are the addresses of proxies, as CIDRs. Without an issuer URL, a proxy among them names the caller in
	// the header X-Remote-User or X-Forwarded-User.
	TrustedProxies []string
	// Roles say who may do what.
	Roles authz.Config
	// UnregisteredAgents is what happens to a request of an agent without an AgentRegistration that counts: allow it, warn,
	// which marks it, or strict, which refuses it. Empty means allow. Registrations that count are kept to in any case.
	UnregisteredAgents string
	// DedupWindow is for how long the same intent counts as the same request; 0 makes every submission a new one.
	DedupWindow time.Duration
	// WaitTimeout is for how long a submission waits for its decision. 0 or less means 90 seconds.
	WaitTimeout time.Duration
	// SigningKeyPath is the file with the Ed25519 key (PEM, PKCS #8) that the gateway signs tokens of its own with, read anew when
	// it changes; SigningKey is the key itself. Without a key it signs none.
	SigningKeyPath, SigningKey string
	// TokenAccounts are the ServiceAccounts, as NAMESPACE/NAME, whose tokens agents may get when their registration names them.
	TokenAccounts []string
	// ExchangeClientID and ExchangeClientSecret are the gateway's own client at the issuer, for the exchange of tokens.
	ExchangeClientID, ExchangeClientSecret string
	// RequireGovernedResource refuses requests about targets that no GovernedResource governs, even when there is none.
	RequireGovernedResource bool
	// DefaultAction is what happens to a request that no policy matches: Allow, RequireApproval or Deny. Empty means
	// Allow.
	DefaultAction string
	// APIOnly leaves it to another controller to drive requests forward; this gateway answers calls only.
	APIOnly bool
	// LeaderElection makes replicas agree on the one that drives requests forward. All of them serve.
	LeaderElection bool
	// LeaderElectionNamespace holds the Lease. Empty means the namespace of the pod.
	LeaderElectionNamespace string
	// LockNamespace holds the Leases that are the locks on targets, whatever the namespaces of the requests. Empty means
	// the namespace of the pod or, outside of a pod, default.
	LockNamespace string
	// LockDuration is for how long a target is held without a sign of life of its agent, LockWait for how long a request
	// waits for its target, and ApprovedTimeout how long after its approval it must be started. 0 means five minutes, one
	// minute and five minutes; the command line refuses 0.
	LockDuration, LockWait, ApprovedTimeout time.Duration
	// VerifyTimeout is how long the look-ups of a verification may take. 0 or less means 200 ms.
	VerifyTimeout time.Duration
	// GitHub is where the context fetcher github asks. Without a URL it is off.
	GitHub github.Options
	// Collector says which old requests and records are removed; the zero value removes none.
	Collector collector.Settings
	// MetricsAddr and ProbeAddr are further addresses for /metrics and for /healthz and /readyz; empty or 0 is none. With
	// MetricsSecure the former is served over TLS.
	MetricsAddr, ProbeAddr string
	MetricsSecure          bool
	// Unused says which flags were given that count for nothing; it is logged.
	Unused []string
	// LogLevel is from where on the logger that the command line makes logs.
	LogLevel slog.Level
	// Log receives one record per event. Nil means that nothing is logged; NewLogger writes what people grep for.
	Log *slog.Logger
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// complete fills in what may be left out and reports every fault at once.
func (o *Options) complete() error {
	if o.Addr == "" {
		o.Addr = defaultAddr
	}
	if o.Listen == nil {
		o.Listen = net.Listen
	}
	if o.WaitTimeout <= 0 {
		o.WaitTimeout = defaultWaitTimeout
	}
	if o.VerifyTimeout <= 0 {
		o.VerifyTimeout = defaultVerifyTimeout
	}
	if o.DefaultAction == "" {
		o.DefaultAction = v1alpha1.ActionAllow
	}
	if o.LockNamespace = cmp.Or(o.LockNamespace, o.LeaderElectionNamespace); o.LockNamespace == "" {
		o.LockNamespace = podNamespace()
	}
	if o.UnregisteredAgents == "" {
		o.UnregisteredAgents = unregisteredAllow
	}
	if o.OIDC.Preset == "" && o.OIDC.GroupsClaim == "" {
		o.OIDC.GroupsClaim = defaultGroups
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.OIDC.Now = o.Now
	return o.faults()
}

// podNamespace returns the namespace of the pod that this process runs in, or default.
// Source: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
func podNamespace() string {
	text, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	if err != nil {
		return defaultNamespace
	}
	return cmp.Or(strings.TrimSpace(string(text)), defaultNamespace)
}

// faults reports what cannot be worked with.
func (o *Options) faults() error {
	var faults []error
	if o.Kube == nil {
		faults = append(faults, errors.New("no Kubernetes configuration"))
	}
	if o.DedupWindow < 0 {
		faults = append(faults, fmt.Errorf("--dedup-window is %s, expected 0 or more", o.DedupWindow))
	}
	for _, flag := range []struct {
		name  string
		value time.Duration
	}{{"ops-lock-duration", o.LockDuration}, {"ops-lock-wait-timeout", o.LockWait}, {"approved-timeout", o.ApprovedTimeout}} {
		if flag.value < 0 {
			faults = append(faults, fmt.Errorf("--%s is %s, expected more than 0", flag.name, flag.value))
		}
	}
	if !slices.Contains([]string{v1alpha1.ActionAllow, v1alpha1.ActionRequireApproval, v1alpha1.ActionDeny}, o.DefaultAction) {
		faults = append(faults, fmt.Errorf("--default-action is %q, expected Allow, RequireApproval or Deny", o.DefaultAction))
	}
	if !slices.Contains([]string{unregisteredAllow, unregisteredWarn, unregisteredStrict}, o.UnregisteredAgents) {
		faults = append(faults, fmt.Errorf("--unregistered-agent-policy is %q, expected allow, warn or strict", o.UnregisteredAgents))
	}
	for _, account := range o.TokenAccounts {
		if namespace, name, _ := strings.Cut(account, "/"); namespace == "" || name == "" || strings.Contains(name, "/") {
			faults = append(faults, fmt.Errorf("--token-request-service-accounts holds %q, expected NAMESPACE/NAME", account))
		}
	}
	return errors.Join(append(faults, o.Collector.Faults(), o.rolesFault(), o.tlsFaults())...)
}

// rolesFault reports roles that nobody can have, because nobody says who calls.
func (o *Options) rolesFault() error {
	r := o.Roles
	lists := slices.Concat(r.AgentSubjects, r.AgentGroups, r.ReviewerSubjects, r.ReviewerGroups, r.AdminSubjects, r.AdminGroups)
	if len(lists) > 0 && o.OIDC.IssuerURL == "" && len(o.TrustedProxies) == 0 {
		return fmt.Errorf("%q has a role, but nothing says who calls: expected --oidc-issuer-url or --trusted-proxy-cidrs", lists[0])
	}
	return nil
}

// tlsFaults reports what is missing to serve over TLS.
func (o *Options) tlsFaults() error {
	switch {
	case (o.TLSCert == "") != (o.TLSKey == ""):
		return errors.New("of --tls-cert-file and --tls-key-file one is given, expected both or none")
	case o.MetricsAddr != "" && o.MetricsAddr != off && o.MetricsSecure && o.TLSCert == "":
		return errors.New("--metrics-bind-address serves over TLS: expected --tls-cert-file and --tls-key-file, or --metrics-secure=false")
	default:
		return nil
	}
}

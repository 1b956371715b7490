package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/authz"
)

const (
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
	// Listen opens the listener. Nil means net.Listen.
	Listen func(network, address string) (net.Listener, error)
	// Kube leads to the API server that keeps the requests.
	Kube *rest.Config
	// OIDC says which tokens count. Without an issuer URL no token does.
	OIDC authn.Options
	// Roles say who may do what.
	Roles authz.Config
	// DedupWindow is for how long the same intent counts as the same request; 0 makes every submission a new one.
	DedupWindow time.Duration
	// WaitTimeout is for how long a submission waits for its decision. 0 or less means 90 seconds.
	WaitTimeout time.Duration
	// DefaultAction is what happens to a request that no policy matches: Allow, RequireApproval or Deny. Empty means
	// Allow.
	DefaultAction string
	// LeaderElection makes replicas agree on the one that drives requests forward. All of them serve.
	LeaderElection bool
	// LeaderElectionNamespace holds the Lease. Empty means the namespace of the pod.
	LeaderElectionNamespace string
	// Log receives one record per event. Nil means that nothing is logged; NewLogger writes what people grep for.
	Log *slog.Logger
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// BindFlags binds the gateway's flags to o and gives their fields the default values.
func BindFlags(fs *pflag.FlagSet, o *Options) {
	fs.StringVar(&o.Addr, "addr", defaultAddr, "address to listen on")
	fs.DurationVar(&o.DedupWindow, "dedup-window", defaultDedupWindow, "for how long the same intent is the same request; 0 switches that off")
	fs.DurationVar(&o.WaitTimeout, "wait-timeout", defaultWaitTimeout, "for how long a submission waits for its decision")
	fs.StringVar(&o.DefaultAction, "default-action", v1alpha1.ActionAllow, "what happens when no policy matches: Allow, RequireApproval or Deny")
	fs.BoolVar(&o.LeaderElection, "leader-elect", false, "let replicas agree on the one that drives requests forward")
	fs.StringVar(&o.LeaderElectionNamespace, "leader-elect-namespace", "", "namespace of the lease (default: the pod's)")

	fs.StringVar(&o.OIDC.IssuerURL, "oidc-issuer-url", "", "issuer of the tokens, exactly as in their iss claim")
	fs.StringVar(&o.OIDC.Audience, "oidc-audience", defaultAudience, "value that the aud claim must contain")
	fs.StringVar(&o.OIDC.IdentityClaim, "oidc-identity-claim", authn.DefaultIdentityClaim, "claim that says who calls")
	fs.StringVar(&o.OIDC.GroupsClaim, "oidc-groups-claim", defaultGroups, "claim that says which groups the caller is in")

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
	if o.DefaultAction == "" {
		o.DefaultAction = v1alpha1.ActionAllow
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.OIDC.Now = o.Now
	var faults []error
	if o.Kube == nil {
		faults = append(faults, errors.New("no Kubernetes configuration"))
	}
	if o.DedupWindow < 0 {
		faults = append(faults, fmt.Errorf("--dedup-window is %s, expected 0 or more", o.DedupWindow))
	}
	switch o.DefaultAction {
	case v1alpha1.ActionAllow, v1alpha1.ActionRequireApproval, v1alpha1.ActionDeny:
	default:
		faults = append(faults, fmt.Errorf("--default-action is %q, expected Allow, RequireApproval or Deny", o.DefaultAction))
	}
	return errors.Join(faults...)
}

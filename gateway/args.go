package gateway

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/authz"
)

// FromArgs returns the options of a gateway that runs with these arguments elsewhere, for those who explain what it does. Words
// that are no flag of this version are left out.
func FromArgs(args []string) (Options, error) {
	var o Options
	flags := pflag.NewFlagSet("gateway", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	BindFlags(flags, &o)
	if err := flags.Parse(args); err != nil {
		return o, fmt.Errorf("read the gateway's flags: %w", err)
	}
	_ = o.complete() // fills in the defaults; that it has no Kubernetes here is no fault
	claims, err := authn.Effective(o.OIDC)
	if err != nil {
		return o, fmt.Errorf("read the gateway's flags: %w", err)
	}
	o.OIDC = claims
	return o, nil
}

// Endpoint is one route of the gateway, for those who document it or try it out.
type Endpoint struct {
	Method, Path string
	Needs        authz.Need
	// Does says in one line what it is for.
	Does string
}

// Endpoints returns every route of the gateway, in the order of its table.
func Endpoints() []Endpoint {
	var out []Endpoint
	for _, r := range (&Server{}).routes() {
		out = append(out, Endpoint{r.Method, r.Path, r.Needs, r.Does})
	}
	return out
}

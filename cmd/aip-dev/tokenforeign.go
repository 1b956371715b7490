package main

import (
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/pflag"

	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/token/why"
)

// foreignGateway reads the flags of a gateway that is no part of an environment. A person types them: one that is misspelt is
// refused, because without it the verdict would be about another gateway.
func foreignGateway(flags []string) (gateway.Options, error) {
	help := []string{"aip-dev gateway --help"}
	typed := pflag.NewFlagSet("gateway", pflag.ContinueOnError)
	gateway.BindFlags(typed, new(gateway.Options))
	if err := typed.Parse(flags); err != nil {
		return gateway.Options{}, failure.Wrap(err, failure.Usage, help, "after --")
	}
	if word := typed.Arg(0); word != "" && word != "gateway" { // as in the arguments of its container
		return gateway.Options{}, failure.New(failure.Usage, help, "found %s after --, expected flags of a gateway", safeName(word))
	}
	options, err := gateway.FromArgs(flags)
	switch {
	case err != nil:
		return options, failure.Wrap(err, failure.Usage, help, "")
	case options.OIDC.IssuerURL == "":
		return options, failure.New(failure.Usage, help, "the flags after -- name no issuer, expected --oidc-issuer-url=URL among them")
	}
	return options, nil
}

// foreignFixes are the commands for a gateway that runs with o and is no part of an environment.
func foreignFixes(o gateway.Options) why.Fixes {
	const upgrade = "helm upgrade aip-k8s charts/aip-k8s --reuse-values "
	set := func(value, to string) check.Fix { return check.Fix{Command: upgrade + why.SetOption(value, to)} }
	listed := map[string][]string{
		string(authz.RoleAgent): o.Roles.AgentSubjects, string(authz.RoleReviewer): o.Roles.ReviewerSubjects, string(authz.RoleAdmin): o.Roles.AdminSubjects,
	}
	description := shellescape.Quote(strings.TrimSuffix(o.OIDC.IssuerURL, "/") + "/.well-known/openid-configuration")
	return why.Fixes{
		Mint: check.Fix{Command: `curl -s "$(curl -s ` + description + ` | sed 's/.*"token_endpoint" *: *"\([^"]*\)".*/\1/')" ` +
			"-d grant_type=client_credentials -d client_id=ID --data-urlencode client_secret@FILE  # get another token"},
		Trust: func(gateway bool) check.Fix {
			if gateway {
				return check.Fix{Command: upgrade + "--set-file gateway.auth.oidcCA=issuer-ca.pem"}
			}
			return why.TrustHere()
		},
		Issuer: check.Fix{Command: "curl -v " + description}, Foreign: true, Set: set, Configure: check.Fix{Command: "helm get values aip-k8s --all"},
		Name: func(found string) check.Fix { return set("auth.oidcIssuerURL", found) },
		Role: func(id, role string) check.Fix { // the list is set whole
			return set("auth."+role+"Subjects", strings.Join(append(slices.Clone(listed[role]), id), ","))
		},
		Restart: check.Fix{Command: "kubectl rollout restart deployment/aip-k8s-gateway -n aip-k8s-system"},
		Clock:   check.Fix{Command: "sudo timedatectl set-ntp true"},
	}
}

package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/token/why"
)

// Reach returns a client that reaches an environment's issuer from this machine, whatever name it has in the cluster.
func Reach(identity bootstrap.IdentityFacts) *http.Client {
	address := identity.Address
	if identity.External {
		address = ""
	}
	return why.Reach(identity.IssuerURL, address, issuerLimit)
}

// Ask returns the question why the environment's gateway would refuse raw, with the flags that the gateway runs with. client is
// the one that raw is of, "" when it is of somebody else. command returns a command line of this program for the environment.
func Ask(ctx context.Context, s *session.Session, raw, client string, command func(string) string) (why.Question, error) {
	q := why.Question{Raw: raw}
	if s.Facts.Gateway.URL == "" {
		return q, errNoGateway
	}
	run, err := s.GatewayRun(ctx)
	if err != nil {
		return q, err
	}
	if q.Gateway, err = gateway.FromArgs(run.Args); err != nil {
		return q, err
	}
	identity, url := s.Facts.Identity, s.Facts.Gateway.URL
	q.HTTP, q.Fixes = Reach(identity), fixes(s, client, command)
	if q.Gateway.OIDC.IssuerURL != identity.IssuerURL { // the gateway has another issuer than the environment's
		q.HTTP = why.Reach(q.Gateway.OIDC.IssuerURL, "", issuerLimit)
	}
	if q.Registrations, err = registrations(ctx, s); err != nil {
		return q, err
	}
	rollout, err := steps.NewInspector(bootstrap.Environment{}, steps.Deps{}, s.Facts).Gateway(ctx)
	if err != nil {
		return q, err
	}
	switch of := "deployment/" + run.Deployment + " -n " + s.Facts.Gateway.Namespace; {
	case run.Paused:
		q.Fixes.Restart = kubectl(s, "rollout resume "+of)
	case rollout.Underway: // pods of before answer, as they should
		q.Fixes.Restart = kubectl(s, "rollout status "+of)
	}
	said, waits := waitsForIssuer(ctx, url, rollout)
	if said.status == http.StatusOK { // pods of before serve
		waits = ""
	}
	q.GatewayTime = said.at
	q.Unready = waits
	q.Whoami = func(ctx context.Context, raw string) why.Seen {
		if said.err != nil {
			return why.Seen{Text: "nothing answers at " + url}
		}
		return seenBy(ctx, url, raw)
	}
	return q, nil
}

// fixes are the commands for the environment at hand.
func fixes(s *session.Session, client string, command func(string) string) why.Fixes {
	if client == "" {
		client = s.First(bootstrap.RoleAgent, bootstrap.RoleReviewer, bootstrap.RoleAdmin)
	}
	up := check.Fix{Command: command("up") + " && " + command("token "+client+" --fresh"), Repair: check.RepairUp}
	issuer := up
	if s.Facts.Identity.External {
		issuer = askIssuerYourself(s)
	}
	return why.Fixes{
		Mint:   check.Fix{Command: command("token " + client + " --fresh"), Repair: check.RepairTokens},
		Issuer: issuer, Foreign: s.Facts.Identity.External, Configure: up, Other: func(request string) check.Fix { return otherReviewer(s, client, request, command) },
		Trust: func(gateway bool) check.Fix { return trust(s, gateway) },
		Name: func(found string) check.Fix {
			fix := rename(s, found, command)
			if !s.Facts.Identity.External { // the kept token has the name of before
				fix.Command += " && " + command("token "+client+" --fresh")
			}
			return fix
		},
		Govern: func(name, patch string) check.Fix { return govern(s, name, patch) },
		Set:    func(value, to string) check.Fix { return setValue(s, value, to) },
		Role: func(id, role string) check.Fix {
			return check.Fix{Command: command("agent add " + shellescape.Quote(id) + " --role " + role)}
		},
		Register: func(reg *v1alpha1.AgentRegistration, patch string) check.Fix {
			return kubectl(s, "patch agentregistration "+reg.Name+" -n "+reg.Namespace+" --type=merge -p "+shellescape.Quote(patch))
		},
		Approve: func(reg *v1alpha1.AgentRegistration) check.Fix { return approve(s, reg, command) },
		Again: func(reg *v1alpha1.AgentRegistration) check.Fix {
			fix := kubectl(s, "delete agentregistration "+reg.Name+" -n "+reg.Namespace)
			fix.Command += " && " + command("agent add "+shellescape.Quote(reg.Spec.AgentIdentity))
			return fix
		},
		Restart: kubectl(s, "rollout restart deployment -n "+s.Facts.Gateway.Namespace+" -l app.kubernetes.io/component=gateway"),
		Look:    check.Fix{Command: command("doctor --fix")},
		Keep:    check.Fix{Command: command("proxy --as "+client) + "  # adds and renews the token"},
		Clock:   check.Fix{Command: "sudo timedatectl set-ntp true  # on the machine whose clock is wrong"},
	}
}

// otherReviewer decides a request as a reviewer that is not client, and makes one when there is none.
func otherReviewer(s *session.Session, client, request string, command func(string) string) check.Fix {
	for _, c := range s.Facts.Identity.Clients {
		if c.Role == bootstrap.RoleReviewer && c.ID != client {
			return check.Fix{Command: command("request approve " + shellescape.Quote(request) + " --as " + c.ID)}
		}
	}
	return check.Fix{Command: command("agent add NAME --role reviewer")}
}

// approve lets a registration count, as a reviewer of the environment.
func approve(s *session.Session, reg *v1alpha1.AgentRegistration, command func(string) string) check.Fix {
	as := s.First(bootstrap.RoleReviewer, bootstrap.RoleAdmin)
	return check.Fix{Command: command(fmt.Sprintf("registration approve %s -n %s --as %s", reg.Name, reg.Namespace, as))}
}

// askIssuerYourself is all that can be done here about a provider that somebody else runs.
func askIssuerYourself(s *session.Session) check.Fix {
	return check.Fix{Command: "curl -v " + shellescape.Quote(strings.TrimSuffix(s.Facts.Identity.IssuerURL, "/")+"/.well-known/openid-configuration") + "  # and tell those who run it"}
}

// trust is the command that makes this machine, or the gateway, trust the authority of the issuer's certificate.
func trust(s *session.Session, gateway bool) check.Fix {
	if gateway {
		return check.Fix{Command: upgrade(s) + " --set-file gateway.auth.oidcCA=issuer-ca.pem  # the authority of its certificate, from those who run the issuer"}
	}
	return why.TrustHere()
}

// rename is the command after which the issuer and the gateway call it by the same name. found is how it calls itself.
func rename(s *session.Session, found string, command func(string) string) check.Fix {
	identity := s.Facts.Identity
	base, ours := strings.CutSuffix(identity.IssuerURL, "/realms/"+identity.Realm)
	switch {
	case identity.External:
		return setValue(s, "auth.oidcIssuerURL", found)
	case s.Facts.Cluster.Kind == bootstrap.ClusterEmbedded && ours: // docs/adr/0003
		return roll(s, "set env deployment/"+steps.IdentityName+" KC_HOSTNAME="+base, steps.IdentityName, steps.IdentityNamespace)
	default: // the realm says it, docs/adr/0006
		return check.Fix{Command: command("up"), Repair: check.RepairUp}
	}
}

// kubectl is a fix that is a command of kubectl in an environment's cluster.
func kubectl(s *session.Session, line string) check.Fix {
	return check.Fix{Command: "kubectl --kubeconfig " + shellescape.Quote(s.Facts.Cluster.Kubeconfig) + " " + line}
}

// roll is the fix that does something to a Deployment with kubectl and waits until it has come about.
func roll(s *session.Session, line, deployment, namespace string) check.Fix {
	fix := kubectl(s, line+" -n "+namespace)
	fix.Command += " && " + kubectl(s, "rollout status deployment/"+deployment+" -n "+namespace).Command
	return fix
}

// upgrade is the command, in the form of the guide, that changes values of the gateway's chart.
func upgrade(s *session.Session) string {
	return "helm upgrade " + s.Facts.Gateway.Release + " charts/aip-k8s -n " + s.Facts.Gateway.Namespace +
		" --kubeconfig " + shellescape.Quote(s.Facts.Cluster.Kubeconfig) + " --reuse-values"
}

// setValue is the command that sets a value of the gateway's chart below gateway.
func setValue(s *session.Session, value, to string) check.Fix {
	return check.Fix{Command: upgrade(s) + " " + why.SetOption(value, to)}
}

// govern is the command that changes or shows a GovernedResource.
func govern(s *session.Session, name, patch string) check.Fix {
	if name == "" || patch == "" {
		return kubectl(s, "get governedresources -o custom-columns=NAME:.metadata.name,PATTERN:.spec.uriPattern")
	}
	return kubectl(s, "patch governedresource "+name+" --type=json -p "+shellescape.Quote(patch))
}

package why

import (
	"strings"

	"al.essio.dev/pkg/shellescape"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/check"
)

// Fixes are the commands that mend what the rows find, for the environment at hand. ID in one stands for the identity.
type Fixes struct {
	// Mint gets another token.
	Mint check.Fix
	// Issuer brings the issuer, its realm and its clients back.
	Issuer check.Fix
	// Foreign says that the issuer is somebody else's, so that Issuer does not change what its tokens say.
	Foreign bool
	// Trust makes this machine, or the gateway, trust the authority of the issuer's certificate; nil stands for Issuer.
	Trust func(gateway bool) check.Fix
	// Role gives an identity the role.
	Role func(identity, role string) check.Fix
	// Set sets a value of the gateway's chart below gateway, such as auth.oidcIdentityClaim; nil stands for Configure.
	Set func(value, to string) check.Fix
	// Name makes the issuer and the gateway call it by the same name, when it calls itself found; nil stands for Configure.
	Name func(found string) check.Fix
	// Configure shows or sets the gateway's flags.
	Configure check.Fix
	// Restart starts the gateway anew.
	Restart check.Fix
	// Look finds out what is wrong with a gateway that does not answer; empty stands for Restart.
	Look check.Fix
	// Keep gives out tokens that do not end.
	Keep check.Fix
	// Other decides a request as somebody else.
	Other func(request string) check.Fix
	// Govern changes or shows a GovernedResource: what is a JSON patch of it, "" to show it.
	Govern func(name, patch string) check.Fix
	// Register changes an AgentRegistration by a JSON merge patch; Approve lets one count that waits for it, and Again makes one that
	// was denied anew. Nil stands for Configure.
	Register       func(reg *v1alpha1.AgentRegistration, patch string) check.Fix
	Approve, Again func(reg *v1alpha1.AgentRegistration) check.Fix
	// Clock sets the clock.
	Clock check.Fix
}

// SetOption is the option of `helm upgrade` that sets a value of the gateway's chart below gateway, as words of a shell.
// Source: https://helm.sh/docs/intro/using_helm/#the-format-and-limitations-of---set
func SetOption(value, to string) string {
	return "--set " + shellescape.Quote("gateway."+value+"="+strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(to))
}

// set is the command that sets a value of the gateway's chart.
func (f Fixes) set(value, to string) check.Fix {
	if f.Set == nil {
		return f.Configure
	}
	return f.Set(value, to)
}

// trust is the command that makes this machine, or the gateway, trust the issuer's authority.
func (f Fixes) trust(gateway bool) check.Fix {
	if f.Trust == nil {
		return f.Issuer
	}
	return f.Trust(gateway)
}

// name is the command after which the issuer and the gateway call it by the same name.
func (f Fixes) name(found string) check.Fix {
	if f.Name == nil {
		return f.Configure
	}
	return f.Name(found)
}

// other is the command that decides a request as somebody else.
func (f Fixes) other(request string) check.Fix {
	if f.Other == nil {
		return f.Configure
	}
	return f.Other(request)
}

// look is the command that finds out what is wrong with a gateway that does not answer.
func (f Fixes) look() check.Fix {
	if f.Look.Command == "" {
		return f.Restart
	}
	return f.Look
}

// role is the command that gives an identity a role, and with it all that the gateway asks of who has it.
func (f Fixes) role(identity, role string) check.Fix {
	if f.Role == nil {
		return f.Configure
	}
	return f.Role(identity, role)
}

// registration is the command that changes fields of what a registration says of tokens.
func (f Fixes) registration(reg *v1alpha1.AgentRegistration, fields map[string]any) check.Fix {
	if f.Register == nil {
		return f.Configure
	}
	return f.Register(reg, oidcPatch(fields))
}

// approve is the command that lets a registration count.
func (f Fixes) approve(reg *v1alpha1.AgentRegistration) check.Fix {
	if f.Approve == nil {
		return f.Configure
	}
	return f.Approve(reg)
}

// again is the command that makes a registration anew.
func (f Fixes) again(reg *v1alpha1.AgentRegistration) check.Fix {
	if f.Again == nil {
		return f.Configure
	}
	return f.Again(reg)
}

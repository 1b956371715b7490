package why

import "github.com/aip-dev/aip-dev/internal/check"

// Fixes are the commands that mend what the rows find, for the environment at hand. ID in one stands for the identity.
type Fixes struct {
	// Mint gets another token.
	Mint check.Fix
	// Issuer brings the issuer, its realm and its clients back.
	Issuer check.Fix
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
	// Keep gives out tokens that do not end.
	Keep check.Fix
	// Other decides a request as somebody else.
	Other func(request string) check.Fix
	// Govern changes or shows a GovernedResource: what is a JSON patch of it, "" to show it.
	Govern func(name, patch string) check.Fix
	// Clock sets the clock.
	Clock check.Fix
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

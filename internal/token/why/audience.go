package why

import (
	"strings"

	"al.essio.dev/pkg/shellescape"

	"github.com/aip-dev/aip-dev/internal/check"
)

// audienceAdvice says what puts the audience into tokens of the provider at hand.
func (r *replay) audienceAdvice() string {
	switch r.report.Provider.Name {
	case "keycloak":
		return "the client lacks the audience mapper"
	case "":
		return "tell the issuer whom its tokens are for, or the gateway by --oidc-audience"
	default:
		return "with " + r.report.Provider.Title + " it is set where the API is registered; the gateway is told by --oidc-audience"
	}
}

// audienceFix is the command after which tokens name the gateway, or the gateway takes the name that they have.
// Source: https://www.keycloak.org/docs/latest/server_admin/#_audience_hardcoded
func (r *replay) audienceFix() check.Fix {
	if !r.Fixes.Foreign || r.decoded == nil {
		return r.Fixes.Issuer
	}
	_, realm, keycloak := strings.Cut(r.decoded.Issuer, "/realms/")
	switch {
	case keycloak && r.decoded.AuthorizedParty != "":
		in := " -r " + shellescape.Quote(realm) + " "
		return check.Fix{Command: "kcadm.sh create clients/$(kcadm.sh get clients" + in + "-q " + shellescape.Quote("clientId="+r.decoded.AuthorizedParty) +
			" --fields id --format csv --noquotes)/protocol-mappers/models" + in + "-s name=audience-aip-gateway -s protocol=openid-connect" +
			" -s protocolMapper=oidc-audience-mapper -s " + shellescape.Quote(`config."included.custom.audience"=`+r.Gateway.OIDC.Audience) + ` -s 'config."access.token.claim"=true'`}
	case !keycloak && len(r.decoded.Audience) > 0:
		return r.Fixes.set("auth.oidcAudience", r.decoded.Audience[0])
	default:
		return r.Fixes.Issuer
	}
}

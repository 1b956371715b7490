package wire

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// RegistrationWish is the body of POST /agent-registrations/self, by which an agent asks for its registration.
type RegistrationWish struct {
	// Mode is Standing or Governed; empty means Standing.
	Mode string `json:"mode,omitempty"`
	// RequestedServices are the services that the agent asks tokens for.
	RequestedServices []string `json:"requestedServices,omitempty"`
}

// RegistrationReview is the body of POST /agent-registrations/{name}/approve and .../deny. The body may be left out.
type RegistrationReview struct {
	Reason string `json:"reason,omitempty"`
	// ResourceVersion, if sent, binds the decision to what the reviewer read.
	ResourceVersion string `json:"resourceVersion,omitempty"`
	// Services are those that an approval grants, of those that the registration names; nothing means all of them.
	Services []string `json:"services,omitempty"`
}

// TokenWish is the body of POST /agent-requests/{name}/token.
type TokenWish struct {
	// Service is the one that the token is for, as the agent's AgentRegistration names it.
	Service string `json:"service"`
}

// Token is the answer to it.
type Token struct {
	Token     string       `json:"token"`
	Service   string       `json:"service"`
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
	// Warnings say what of the body was ignored.
	Warnings []string `json:"warnings,omitempty"`
}

// Introspected is the form of POST /introspect: a token of the gateway's own.
type Introspected struct {
	Token string `json:"token"`
}

// Introspection is the answer to it: whether the token counts now and, if so, what it says. Of a token that does not count it
// tells nothing else. Source: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
type Introspection struct {
	Active    bool   `json:"active"`
	TokenType string `json:"token_type,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	// Subject is the agent; whoever presents the token has to be it.
	Subject string `json:"sub,omitempty"`
	// Audience is the service that the token is for; a token from the answer to an approval has none.
	Audience string `json:"aud,omitempty"`
	ID       string `json:"jti,omitempty"`
	IssuedAt int64  `json:"iat,omitempty"`
	Expiry   int64  `json:"exp,omitempty"`
	// Action, Resource and Parameters, as a SHA-256, are what was approved.
	Action     string `json:"action,omitempty"`
	Resource   string `json:"resource,omitempty"`
	Parameters string `json:"parameters_sha256,omitempty"`
	Request    string `json:"request,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
	// Phase is that of the request now: Approved or Executing.
	Phase v1alpha1.Phase `json:"phase,omitempty"`
}

package authn

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// claimSet is the verified payload of a token, decoded one level deep.
type claimSet map[string]json.RawMessage

// find returns the claim of this name. A name with dots first means a claim that is spelled so (Auth0's claims are
// URLs), else a member of an object: realm_access.roles is roles in realm_access.
func (c claimSet) find(name string) (json.RawMessage, bool) {
	if value, ok := c[name]; ok {
		return value, true
	}
	head, rest, nested := strings.Cut(name, ".")
	if !nested {
		return nil, false
	}
	var inner claimSet
	if err := json.Unmarshal(c[head], &inner); err != nil {
		return nil, false // absent, or not an object
	}
	return inner.find(rest)
}

// emailClaim is an identity claim that users of some providers can set to any address they like.
const emailClaim = "email"

// identity returns the string that the named claim holds. No other claim stands in for it. An email address counts
// only when the provider says that it belongs to the user.
// Source: https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability
func (c claimSet) identity(name string) (string, error) {
	value, ok := c.find(name)
	if !ok {
		return "", fmt.Errorf("%w: no %q", ErrNoIdentityClaim, name)
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return "", fmt.Errorf("%w: %q is not a string", ErrNoIdentityClaim, name)
	}
	if strings.TrimSpace(s) == "" {
		return "", fmt.Errorf("%w: %q is empty", ErrNoIdentityClaim, name)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", fmt.Errorf("%w: %q has characters that cannot be shown", ErrNoIdentityClaim, name)
	}
	if name == emailClaim && !c.isTrue("email_verified") {
		return "", ErrEmailUnverified
	}
	return s, nil
}

// isTrue reports whether a claim is true; some providers write that as a string.
func (c claimSet) isTrue(name string) bool {
	value := string(c[name])
	return value == "true" || value == `"true"`
}

// groups returns what the named claim lists: an array of strings, or one string. A claim of any other shape lists
// nothing, so that it can grant nothing.
func (c claimSet) groups(name string) []string {
	value, ok := c.find(name)
	if name == "" || !ok {
		return nil
	}
	var one string
	if json.Unmarshal(value, &one) == nil && one != "" {
		return []string{one}
	}
	var list []string
	if json.Unmarshal(value, &list) != nil {
		return nil
	}
	return list
}

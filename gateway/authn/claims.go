package authn

import (
	"encoding/json"
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

// identity returns the string that the first of the named claims holds which the token has. No other claim stands in for
// it. An email address counts only when the provider says that it belongs to the user.
// Source: https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability
func (c claimSet) identity(names string) (string, error) {
	var wanted []string
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		if value, ok := c.find(name); ok {
			return c.identityIn(name, value)
		}
		wanted = append(wanted, quote(name))
	}
	return "", &mismatch{ErrNoIdentityClaim, strings.Join(wanted, " or "), c.candidates()}
}

func (c claimSet) identityIn(name string, value json.RawMessage) (string, error) {
	var s string
	if err := json.Unmarshal(value, &s); err != nil || string(value) == "null" {
		return "", &mismatch{ErrNoIdentityClaim, quote(name) + " to be a string", "another value"}
	}
	if strings.TrimSpace(s) == "" {
		return "", &mismatch{ErrNoIdentityClaim, quote(name) + " to be a string", "an empty one"}
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", &mismatch{ErrNoIdentityClaim, quote(name) + " to be a string", "characters that cannot be shown"}
	}
	if name == emailClaim && !c.isTrue("email_verified") {
		return "", ErrEmailUnverified
	}
	return s, nil
}

// candidates names the claims of the token in which providers say who calls, so that whoever configured the wrong one sees
// which others there are. It tells no value.
func (c claimSet) candidates() string {
	var found []string
	for _, name := range []string{"azp", "sub", "client_id", "appid", "cid", emailClaim} {
		if _, ok := c[name]; ok {
			found = append(found, quote(name))
		}
	}
	if found == nil {
		return "no claim that could carry one"
	}
	return strings.Join(found, ", ")
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

package token

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Claim is one field of a token, for people. Value comes from the token and is not made harmless for a terminal.
type Claim struct {
	Name, Value string
	// Says explains it in words; empty for a claim that is not known.
	Says string
}

// claimWords says what the claims mean that providers use, in the order in which people look for them. The first nine are of
// RFC 7519 and RFC 9068, the rest of OpenID Connect Core and of the providers that the guide names.
func claimWords() [][2]string {
	return [][2]string{
		{"iss", "who issued it"},
		{"aud", "whom it is for"},
		{"azp", "the client that it was issued to"},
		{"appid", "the client that it was issued to (Azure AD)"},
		{"client_id", "the client that it was issued to"},
		{"sub", "whom it speaks for, by the issuer's own id"},
		{"email", "whom it speaks for, by email address"},
		{"email_verified", "whether the issuer vouches for the email address"},
		{"preferred_username", "whom it speaks for, by name"},
		{"exp", "counts no more from"},
		{"nbf", "counts from"},
		{"iat", "issued at"},
		{"auth_time", "signed in at"},
		{"typ", "kind of token"},
		{"scope", "what it was asked for"},
		{"scp", "what it was asked for"},
		{"groups", "groups of the caller"},
		{"roles", "roles of the caller"},
		{"realm_access", "roles in the realm (Keycloak)"},
		{"resource_access", "roles in other clients (Keycloak)"},
		{"jti", "id of this token"},
		{"sid", "id of the session"},
		{"tid", "tenant (Azure AD)"},
		{"acr", "how strongly the caller was authenticated"},
		{"clientHost", "where it was asked for from (Keycloak)"},
		{"clientAddress", "where it was asked for from (Keycloak)"},
		{"allowed-origins", "origins of web pages that may use it"},
	}
}

// Words returns every claim of d with what it means: known ones first, in the order in which people look for them, then the
// rest by name. Times are given in the time zone of now, in UTC and relative to now.
func (d Decoded) Words(now time.Time) []Claim {
	var claims []Claim
	seen := map[string]bool{}
	for _, w := range claimWords() {
		if value, ok := d.Claims[w[0]]; ok {
			seen[w[0]] = true
			claims = append(claims, describe(w[0], w[1], value, now))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Claims)) {
		if !seen[name] {
			claims = append(claims, Claim{Name: name, Value: plain(d.Claims[name])})
		}
	}
	return claims
}

func describe(name, says string, value any, now time.Time) Claim {
	c := Claim{Name: name, Value: plain(value), Says: says}
	switch name {
	case "exp", "nbf", "iat", "auth_time":
		at := date(value)
		if at.IsZero() {
			c.Says += ": not a time, expected a number of seconds since 1970"
			return c
		}
		c.Says += " " + Moment(at, now)
	case "aud":
		if list := texts(value); len(list) > 1 {
			c.Says += fmt.Sprintf(" (%d receivers)", len(list))
		}
	case "typ":
		if kind := foreignKind(value); kind != "" {
			c.Says += ": " + kind
		}
	}
	return c
}

// foreignKind says what a typ claim of Keycloak means that is not that of an access token.
func foreignKind(value any) string {
	switch kind, _ := value.(string); strings.ToLower(kind) {
	case "id", "serialized-id":
		return "an ID token, which tells a client about its user and opens no API"
	case "refresh", "offline":
		return "a refresh token, which gets new tokens and opens no API"
	case "bearer":
		return "an access token"
	default:
		return ""
	}
}

// plain returns a claim's value as text: a string as it is, all else as JSON.
func plain(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	blob, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(blob)
}

// Moment returns a time as people read it: in the zone of now, in UTC, and how far away it is.
func Moment(at, now time.Time) string {
	local := at.In(now.Location())
	text := local.Format("2006-01-02 15:04:05 MST")
	if name, _ := local.Zone(); name != "UTC" {
		text += ", " + at.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	return text + ", " + Relative(at.Sub(now))
}

// Relative says how far away something is, such as "in 4 min 12 s" or "3 h ago".
func Relative(d time.Duration) string {
	switch {
	case d >= time.Second:
		return "in " + span(d)
	case d <= -time.Second:
		return span(-d) + " ago"
	default:
		return "now"
	}
}

// span names a duration by its two largest units.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	units := []struct {
		of   time.Duration
		name string
	}{{365 * day, "years"}, {day, "days"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	var parts []string
	for _, u := range units {
		if n := int64(math.Floor(float64(d) / float64(u.of))); n > 0 || len(parts) == 1 {
			d -= time.Duration(n) * u.of
			if n > 0 {
				parts = append(parts, strconv.FormatInt(n, 10)+" "+u.name)
			}
			if len(parts) == 2 || n == 0 {
				break
			}
		}
	}
	return strings.Join(parts, " ")
}

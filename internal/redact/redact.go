// Package redact takes secrets, tokens and signatures out of texts that leave the machine, such as a support bundle. It knows
// the shapes that secrets have, and the values that it was told.
package redact

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// Mark stands where something was taken out.
const Mark = "[redacted]"

// least is the length from which a known value is a secret and no common word.
const least = 8

// Redactor takes out what it was told and what looks like a secret. The zero value knows shapes alone.
type Redactor struct{ known *strings.Replacer }

// New returns a Redactor that knows values; those of less than eight characters are too common to be taken out.
func New(values []string) Redactor {
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return len(v) < least })
	// Longer ones first, so that a value that holds another is taken out whole.
	slices.SortFunc(values, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var pairs []string
	for _, v := range slices.Compact(values) {
		pairs = append(pairs, v, Mark)
	}
	return Redactor{known: strings.NewReplacer(pairs...)}
}

// names are what fields are called whose values are secret.
const names = `(?:password|passwd|secret|token|api[_-]?key|private[_-]?key|client-key-data|client-certificate-data|cookie)`

// The shapes of secrets. They are compiled once and never written again.
var (
	// A JSON Web Token or a part of one: its header and payload are JSON objects in base64url, which begin with eyJ.
	jwt = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}(\.[A-Za-z0-9_-]*){0,4}`)
	// What follows the scheme of an Authorization header.
	bearer = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`)
	// A block of PEM with a private key.
	pem = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\z)`)
	// A field of JSON, YAML, a form or a flag whose name says that its value is secret.
	// In prose a colon says nothing: there the name has to be quoted, or begin the line.
	field = regexp.MustCompile(`(?im)((?:[\w.-]*` + names + `[ \t]*=[ \t]*)|(?:"[\w.-]*` + names + `"[ \t]*:[ \t]*)|(?:^[ \t-]*[\w.-]*` + names + `[ \t]*:[ \t]+))("(?:[^"\\]|\\.)*"|[^\s,;&}\]"]+)`)
	// User and password in a URL.
	userinfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s:@"']*:[^/\s@"']*@`)
)

// Text returns s without secrets.
func (r Redactor) Text(s string) string {
	s = pem.ReplaceAllString(s, Mark)
	s = jwt.ReplaceAllString(s, Mark)
	s = bearer.ReplaceAllString(s, "$1 "+Mark)
	s = userinfo.ReplaceAllString(s, "${1}"+Mark+"@")
	s = field.ReplaceAllStringFunc(s, hide)
	if r.known != nil {
		s = r.known.Replace(s)
	}
	return s
}

// hide replaces the value of a field, unless that is the name of a thing, a number or a truth value, which people need.
func hide(match string) string {
	parts := field.FindStringSubmatch(match)
	value := strings.Trim(parts[2], `"`)
	switch value {
	case "", "true", "false", "null", "{", "[", "|", ">":
		return match
	}
	if strings.HasPrefix(value, "oidc-client-") || strings.HasPrefix(value, "/") || strings.HasPrefix(value, "$") || strings.HasPrefix(value, Mark[:1]) {
		return match // the name of a Secret, a path, a variable
	}
	if strings.HasPrefix(parts[2], `"`) {
		return parts[1] + `"` + Mark + `"`
	}
	return parts[1] + Mark
}

// secretName tells from a name that a value is secret.
var secretName = regexp.MustCompile(`(?i)(password|passwd|secret|token|api_?key|private_?key)`)

// Object takes out of a decoded object what its names say is secret: values of environment variables, and what only machines
// read. The object is changed.
func Object(v any) {
	switch v := v.(type) {
	case map[string]any:
		if name, ok := v["name"].(string); ok && secretName.MatchString(name) {
			if _, there := v["value"].(string); there {
				v["value"] = Mark
			}
		}
		delete(v, "managedFields")
		if annotations, ok := v["annotations"].(map[string]any); ok {
			delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
		}
		for _, each := range v {
			Object(each)
		}
	case []any:
		for _, each := range v {
			Object(each)
		}
	}
}

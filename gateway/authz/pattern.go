package authz

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxPattern is how long a pattern may be, in bytes.
const maxPattern = 4096

// What is wrong with a pattern.
var (
	errLongPattern = fmt.Errorf("longer than %d bytes", maxPattern)
	errNotText     = errors.New("not UTF-8")
	errOpenClass   = errors.New("[ without ], or nothing between them")
	errOpenChoice  = errors.New("{ without }, or } without {")
	errSlash       = errors.New("[...] takes in a slash, expected characters within a segment")
	errOpenEscape  = errors.New(`\ at the end`)
)

// Pattern compiles a pattern over URIs, in the language of the public AIP gateway: * is any text without a slash, ** any
// text, ? one character but a slash, [abc], [a-z] and [!abc] one of some characters but a slash, {a,b} one of some patterns,
// and a backslash takes its meaning from what follows. The time that a match takes is in proportion to the length of the
// URI, whoever chose it; the usual libraries take exponential time.
// Source: https://pkg.go.dev/github.com/gobwas/glob#Compile
func Pattern(pattern string) (*regexp.Regexp, error) {
	text, err := translate(pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern %.200q: %w", pattern, err)
	}
	out, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("pattern %.200q: %w", pattern, err)
	}
	return out, nil
}

// translate returns a pattern as a regular expression.
func translate(pattern string) (string, error) {
	switch {
	case len(pattern) > maxPattern:
		return "", errLongPattern
	case !utf8.ValidString(pattern):
		return "", errNotText
	}
	var out strings.Builder
	out.WriteString(`(?s)\A(?:`)
	depth := 0
	for rest := pattern; rest != ""; {
		var part string
		var err error
		if part, rest, err = translateOne(rest, &depth); err != nil {
			return "", err
		}
		out.WriteString(part)
	}
	if depth != 0 {
		return "", errOpenChoice
	}
	out.WriteString(`)\z`)
	return out.String(), nil
}

// translateOne returns the first part of a pattern as a regular expression, and the rest of the pattern. depth counts the
// choices that are open.
func translateOne(pattern string, depth *int) (part, rest string, err error) {
	first, size := utf8.DecodeRuneInString(pattern)
	rest = pattern[size:]
	switch {
	case strings.HasPrefix(pattern, "**"):
		return ".*", strings.TrimLeft(pattern, "*"), nil
	case first == '*':
		return "[^/]*", rest, nil
	case first == '?':
		return "[^/]", rest, nil
	case first == '[':
		return class(rest)
	case first == '{':
		*depth++
		return "(?:", rest, nil
	case first == '}':
		if *depth--; *depth < 0 {
			return "", "", errOpenChoice
		}
		return ")", rest, nil
	case first == ',' && *depth > 0:
		return "|", rest, nil
	case first == '\\' && rest == "":
		return "", "", errOpenEscape
	case first == '\\':
		escaped, size := utf8.DecodeRuneInString(rest)
		return regexp.QuoteMeta(string(escaped)), rest[size:], nil
	default:
		return regexp.QuoteMeta(string(first)), rest, nil
	}
}

// class returns what stands between brackets; pattern begins after the first. A slash cannot be one of the characters.
func class(pattern string) (part, rest string, err error) {
	inside, rest, closed := strings.Cut(pattern, "]")
	members, negated := strings.CutPrefix(inside, "!")
	if !closed || members == "" {
		return "", "", errOpenClass
	}
	quoted := strings.NewReplacer(`\`, `\\`, `[`, `\[`, `^`, `\^`, `&`, `\&`, `~`, `\~`).Replace(members)
	if negated {
		return "[^/" + quoted + "]", rest, nil
	}
	part = "[" + quoted + "]"
	one, err := regexp.Compile(part)
	if err != nil {
		return "", "", fmt.Errorf("[%.200s]: %w", inside, err)
	}
	if one.MatchString("/") {
		return "", "", errSlash
	}
	return part, rest, nil
}

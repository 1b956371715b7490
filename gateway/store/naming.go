package store

import (
	"strings"
)

const (
	// maxLabel is the length of a label value.
	// Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
	maxLabel = 63
	// maxSlug leaves room for a hyphen and eight digits in a label value.
	maxSlug = 54
	// maxGeneratedSlug leaves room for a hyphen and the five characters that the API server appends.
	maxGeneratedSlug = 57
)

// LabelValue makes s fit for a label: characters outside of A-Z, a-z, 0-9, '-', '_' and '.' become hyphens. Different
// strings can yield the same label, so labels serve to find objects, never to decide about them.
func LabelValue(s string) string {
	s = strings.Map(func(r rune) rune {
		if isLower(r) || isDigit(r) || r >= 'A' && r <= 'Z' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, s)
	return strings.Trim(cut(s, maxLabel), "-_.")
}

// slug makes identity fit for the beginning of an object's name.
func slug(identity string, most int) string { return slugOr(identity, most, "agent") }

// slugOr is slug with another name for an identity of which nothing is left.
func slugOr(identity string, most int, empty string) string {
	s := strings.Map(func(r rune) rune {
		if isLower(r) || isDigit(r) || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(identity))
	if s = strings.Trim(cut(s, most), "-"); s == "" {
		return empty
	}
	return s
}

// Classification brings "Category/Sub Category" to the form that the schema asks for, category/sub-category. What has
// no slash is returned as it came, for the API server to refuse.
func Classification(s string) string {
	category, sub, ok := strings.Cut(s, "/")
	if !ok {
		return s
	}
	return classificationPart(category) + "/" + classificationPart(sub)
}

func classificationPart(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !isLower(r) && !isDigit(r) })
	out := strings.Join(words, "-")
	if out != "" && !isLower(rune(out[0])) {
		return "x-" + out
	}
	return out
}

func isLower(r rune) bool { return r >= 'a' && r <= 'z' }
func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// cut returns the first most bytes of s.
func cut(s string, most int) string {
	if len(s) > most {
		return s[:most]
	}
	return s
}

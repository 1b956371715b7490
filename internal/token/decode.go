package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// maxToken is far above what fits into a request header.
const maxToken = 1 << 20

// What kept Decode from reading a token. The errors say which part is wrong and never quote it.
var (
	// ErrEmpty is nothing but spaces, quotes and "Bearer".
	ErrEmpty = errors.New("there is no token")
	// ErrNotJWT is a text that is not three parts separated by dots: an opaque token, two tokens, a part of one.
	ErrNotJWT = errors.New("this is not a JWT")
	// ErrEncrypted is a JWE, whose five parts only its receiver can read (RFC 7516).
	ErrEncrypted = errors.New("this token is encrypted (JWE)")
	// ErrMalformed is three parts of which one is not base64url or does not hold a JSON object.
	ErrMalformed = errors.New("this JWT is malformed")
)

// Decoded is what a token says about itself. Nothing of it was verified.
type Decoded struct {
	// Header and Claims hold every field, numbers as json.Number.
	Header, Claims map[string]any
	// Issuer, Subject and AuthorizedParty are "iss", "sub" and "azp"; empty when absent or not a string.
	Issuer, Subject, AuthorizedParty string
	// Audience is "aud", whether it was a string or an array.
	Audience []string
	// IssuedAt and Expiry are "iat" and "exp"; zero when absent.
	IssuedAt, Expiry time.Time
}

// Clean takes away what comes along when a token is copied: white space and line breaks, quotes, the word Bearer, also
// twice, and the name of the header.
func Clean(raw string) string {
	words := strings.FieldsFunc(raw, func(r rune) bool { return r <= ' ' || strings.ContainsRune("\"'`,;\u00a0\ufeff", r) })
	for len(words) > 0 && (strings.EqualFold(words[0], "Bearer") || strings.EqualFold(words[0], "Authorization:")) {
		words = words[1:]
	}
	joined := strings.Join(words, "")
	if len(words) > 1 && strings.Count(joined, ".") != strings.Count(words[0], ".") && strings.Count(words[0], ".") >= 2 {
		return strings.Join(words, " ") // several tokens; joined they would look like another kind of token
	}
	return joined
}

// Decode reads a token of any issuer without verifying it, after Clean. The error is one of ErrEmpty, ErrNotJWT,
// ErrEncrypted and ErrMalformed, with what was found and what was expected.
func Decode(raw string) (Decoded, error) {
	text := Clean(raw)
	switch parts := strings.Count(text, ".") + 1; {
	case text == "":
		return Decoded{}, ErrEmpty
	case !utf8.ValidString(raw):
		return Decoded{}, fmt.Errorf("%w: found %s", ErrNotJWT, NoText(raw))
	case strings.HasPrefix(text, "{"):
		return Decoded{}, fmt.Errorf("%w: found JSON, expected the value of its access_token alone", ErrNotJWT)
	case len(text) > maxToken:
		return Decoded{}, fmt.Errorf("%w: found %d bytes, expected at most %d", ErrNotJWT, len(text), maxToken)
	case strings.Contains(text, " "):
		return Decoded{}, fmt.Errorf("%w: found %d words, expected one", ErrNotJWT, strings.Count(text, " ")+1)
	case parts == 5:
		return Decoded{}, fmt.Errorf("%w: found 5 parts, expected 3; ask the issuer for a signed token", ErrEncrypted)
	case parts == 1:
		return Decoded{}, fmt.Errorf("%w: found no dots, expected 3 parts separated by dots; an opaque token can only be read by its issuer", ErrNotJWT)
	case parts != 3:
		return Decoded{}, fmt.Errorf("%w: found %d parts separated by dots, expected 3", ErrNotJWT, parts)
	}
	parts := strings.Split(text, ".")
	header, err := object("header", parts[0])
	if err != nil {
		return Decoded{}, err
	}
	claims, err := object("payload", parts[1])
	if err != nil {
		return Decoded{}, err
	}
	if _, err := bytesOf("signature", parts[2]); err != nil {
		return Decoded{}, err
	}
	d := Decoded{Header: header, Claims: claims, Audience: texts(claims["aud"]), IssuedAt: date(claims["iat"]), Expiry: date(claims["exp"])}
	d.Issuer, _ = claims["iss"].(string)
	d.Subject, _ = claims["sub"].(string)
	d.AuthorizedParty, _ = claims["azp"].(string)
	return d, nil
}

func bytesOf(name, part string) ([]byte, error) {
	if len(part)%4 == 1 { // no number of bytes has this length
		return nil, fmt.Errorf("%w: the %s has %d characters, which is one too many or too few; it may be cut off", ErrMalformed, name, len(part))
	}
	blob, err := base64.RawURLEncoding.DecodeString(part)
	var at base64.CorruptInputError
	switch {
	case errors.As(err, &at):
		return nil, fmt.Errorf("%w: character %d of the %s is not base64url, expected A-Z a-z 0-9 - _ without padding", ErrMalformed, int64(at)+1, name)
	case err != nil:
		return nil, fmt.Errorf("%w: the %s is not base64url", ErrMalformed, name)
	}
	return blob, nil
}

func object(name, part string) (map[string]any, error) {
	blob, err := bytesOf(name, part)
	switch {
	case err != nil:
		return nil, err
	case len(blob) == 0:
		return nil, fmt.Errorf("%w: the %s is empty", ErrMalformed, name)
	case !utf8.Valid(blob):
		return nil, fmt.Errorf("%w: the %s is not UTF-8 text", ErrMalformed, name)
	}
	decoder := json.NewDecoder(bytes.NewReader(blob))
	decoder.UseNumber()
	m, twice, err := fields(decoder)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: the %s is not a JSON object", ErrMalformed, name)
	case twice != "":
		return nil, fmt.Errorf("%w: the %s has %q twice", ErrMalformed, name, twice)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows the JSON object of the %s", ErrMalformed, name)
	}
	return m, nil
}

// fields reads a JSON object and names a field that is there twice: whoever reads such a token may take the one or the other.
func fields(decoder *json.Decoder) (m map[string]any, twice string, err error) {
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		return nil, "", errors.Join(ErrMalformed, err)
	}
	m = map[string]any{}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, "", err //nolint:wrapcheck // the caller says which part it is
		}
		name, _ := key.(string) // keys are
		var value any
		if err := decoder.Decode(&value); err != nil {
			return nil, "", err //nolint:wrapcheck // the caller says which part it is
		}
		if _, there := m[name]; there {
			twice = name
		}
		m[name] = value
	}
	_, err = decoder.Token() // its end
	return m, twice, err     //nolint:wrapcheck // the caller says which part it is
}

// NoText says what bytes are that are no UTF-8 text. Windows PowerShell writes UTF-16 into files.
func NoText(raw string) string {
	if strings.HasPrefix(raw, "\xff\xfe") || strings.HasPrefix(raw, "\xfe\xff") {
		return "UTF-16, which Windows PowerShell writes into files, and no UTF-8 text"
	}
	return "bytes that are no UTF-8 text"
}

// Odd says which of the claims that RFC 7519 section 4.1 describes has another kind of value than it says, "" when none has.
func (d Decoded) Odd() string {
	for _, name := range []string{"iss", "sub", "jti"} {
		if v := d.Claims[name]; v != nil && !is[string](v) {
			return fmt.Sprintf("its %s is %s, expected a string", name, kindOf(v))
		}
	}
	if list, several := d.Claims["aud"].([]any); several && len(texts(list)) < len(list) {
		return "its aud is an array with something else than strings in it"
	} else if v := d.Claims["aud"]; v != nil && !several && !is[string](v) {
		return fmt.Sprintf("its aud is %s, expected a string or an array of strings", kindOf(v))
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		if v := d.Claims[name]; v != nil && date(v).IsZero() {
			return fmt.Sprintf("its %s is %s that is no time, expected a number of seconds since 1970", name, kindOf(v))
		}
	}
	return ""
}

func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

// kindOf names the kind of a value of JSON.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a truth value"
	case []any:
		return "an array"
	default:
		return "an object"
	}
}

// texts reads a string or an array of strings.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		list := make([]string, 0, len(v))
		for _, one := range v {
			if s, ok := one.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}

// date reads a NumericDate (RFC 7519 section 2), which may have a fraction.
func date(v any) time.Time {
	const year9999 = 253402300799
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > year9999 {
		return time.Time{}
	}
	seconds, fraction := math.Modf(f)
	return time.Unix(int64(seconds), int64(fraction*1e9))
}

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
	var m map[string]any
	decoder := json.NewDecoder(bytes.NewReader(blob))
	decoder.UseNumber()
	if err := decoder.Decode(&m); err != nil || m == nil {
		return nil, fmt.Errorf("%w: the %s is not a JSON object", ErrMalformed, name)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows the JSON object of the %s", ErrMalformed, name)
	}
	return m, nil
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

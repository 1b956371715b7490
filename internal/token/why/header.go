package why

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/token"
)

// hugeToken is the length that the gateway's BearerToken accepts.
const hugeToken = 16 << 10

// What people put in the place of a token: the name of a variable that no shell replaced, and a line that sets one.
var (
	variable   = regexp.MustCompile(`^\$(\w{1,40}|\{\w{1,40}\})$`)
	assignment = regexp.MustCompile(`^(?:export +)?[A-Za-z_]\w*=`)
)

// misshapen explains what is wrong with a header. It never shows the token.
func (r *replay) misshapen(err error) check.Answer {
	if len(r.clean) > hugeToken && utf8.ValidString(r.Raw) && !errors.Is(err, errLineBreak) {
		return check.Differ(r.Fixes.Mint, fmt.Sprintf("at most %d bytes", hugeToken), fmt.Sprintf("%d bytes", len(r.clean)), "the token is too large for a header")
	}
	return check.Differ(r.Fixes.Mint, "Authorization: Bearer TOKEN, on one line", r.inTheWay(err), "the header does not hold one token")
}

// inTheWay says what the header holds that is no token, or besides it.
func (r *replay) inTheWay(err error) string {
	given := strings.TrimSpace(r.Raw)
	lower := strings.ToLower(given)
	switch {
	case r.clean == "":
		return "it is empty"
	case !utf8.ValidString(r.Raw):
		return token.NoText(r.Raw)
	case strings.HasPrefix(given, "\ufeff"):
		return "a byte order mark before the token, as some editors write it"
	case strings.HasPrefix(given, "{"):
		return "JSON, such as the whole answer of a token endpoint: the token is the value of its access_token"
	case errors.Is(err, errLineBreak):
		return err.Error()
	case variable.MatchString(given):
		return given + " itself: the shell did not put the variable in, as between single quotes"
	case strings.Contains(given, "=."):
		return "padding: = at the end of its parts, which no JWT has"
	case assignment.MatchString(given):
		return "the name of a variable before the token"
	case strings.ContainsAny(given, "\"'`"):
		return "quotes around the token"
	case strings.HasPrefix(lower, "authorization:"):
		return "the name of the header before the token"
	case strings.HasPrefix(lower, "bearer"):
		return "the word Bearer before the token, so that it is there twice"
	case strings.Contains(lower, "%2e"):
		return "the token as it stands in a URL: %2E in the place of its dots"
	default:
		return "characters that no token has"
	}
}

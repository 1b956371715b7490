package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/aip-dev/aip-dev/gateway/authn"
)

// proxies are the addresses of those who may say who calls.
type proxies []netip.Prefix

// readProxies reads CIDRs, such as 10.0.0.0/8.
func readProxies(list []string) (proxies, error) {
	var out proxies
	var faults []error
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("--trusted-proxy-cidrs holds %q, expected a CIDR such as 10.0.0.0/8", text))
			continue
		}
		out = append(out, prefix.Masked())
	}
	return out, errors.Join(faults...)
}

// trusts reports whether a connection comes from one of the proxies. Headers about the way of a request do not count:
// whoever sends it writes them.
func (p proxies) trusts(remote string) bool {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	address := from.Addr().Unmap()
	return slices.ContainsFunc(p, func(prefix netip.Prefix) bool { return prefix.Contains(address) })
}

// identify returns whom a trusted proxy names. There is one header with one name, else nobody.
func (p proxies) identify(r *http.Request) (authn.Identity, error) {
	unknown := &problem{status: http.StatusUnauthorized, text: "caller identity required", challenge: realm}
	if !p.trusts(r.RemoteAddr) {
		return authn.Identity{}, unknown
	}
	named := r.Header.Values("X-Remote-User")
	if len(named) == 0 {
		named = r.Header.Values("X-Forwarded-User")
	}
	if len(named) != 1 || strings.TrimSpace(named[0]) == "" || strings.ContainsFunc(named[0], func(r rune) bool { return !unicode.IsPrint(r) }) {
		return authn.Identity{}, unknown
	}
	return authn.Identity{Subject: strings.TrimSpace(named[0])}, nil
}

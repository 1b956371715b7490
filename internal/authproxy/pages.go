package authproxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
)

// maxPage is more than a page of an issuer takes.
const maxPage = 4 << 20

// Pages are those of an issuer that calls itself by a name which a browser on this machine does not know, as Keycloak does in a
// cluster (https://www.keycloak.org/server/hostname). All fields are required.
type Pages struct {
	// Issuer is scheme, host and port of what the issuer calls itself.
	Issuer *url.URL
	// Transport reaches it by that name.
	Transport http.RoundTripper
	// Port is the one that the door listens on; requests have to name it, with a name of loopback.
	Port int
}

// At returns the address that leads through the door to address, one of the issuer's own. What is of another place stays.
func (p Pages) At(address string) string { return string(p.moved([]byte(address))) }

// moved returns text with the issuer's name for itself replaced by that of the door.
func (p Pages) moved(text []byte) []byte {
	return bytes.ReplaceAll(text, []byte(p.Issuer.Scheme+"://"+p.Issuer.Host), []byte("http://localhost:"+strconv.Itoa(p.Port)))
}

// Handler returns the door. The issuer is asked by its own name, so its cookies and what it issues are as they would be there;
// redirects and links of its pages lead through the door again. Requests under another host name are refused (DNS rebinding).
func (p Pages) Handler() (http.Handler, error) {
	if p.Issuer == nil || p.Transport == nil || p.Port == 0 {
		return nil, errors.New("pages of an issuer: its name, a transport and a port are required")
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: p.Issuer.Scheme, Host: p.Issuer.Host})
			r.Out.Host = p.Issuer.Host
			for _, name := range []string{"Origin", "Referer", "Accept-Encoding"} { // the door's own name, and bodies that cannot be read
				r.Out.Header.Del(name)
			}
		},
		Transport:      p.Transport,
		ModifyResponse: p.move,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			answer(w, http.StatusBadGateway, "the issuer does not answer")
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.Host, p.Port) {
			refuseName(w, p.Port)
			return
		}
		proxy.ServeHTTP(w, r)
	}), nil
}

// move lets what an answer leads to lead through the door.
func (p Pages) move(r *http.Response) error {
	if to := r.Header.Get("Location"); to != "" {
		r.Header.Set("Location", p.At(to))
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "text/html" {
		return nil //nolint:nilerr // what is no page is passed on as it is
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPage+1))
	switch {
	case err != nil:
		return fmt.Errorf("read a page of the issuer: %w", err)
	case len(body) > maxPage:
		return fmt.Errorf("a page of the issuer is larger than %d bytes", maxPage)
	}
	if err := r.Body.Close(); err != nil {
		return fmt.Errorf("read a page of the issuer: %w", err)
	}
	body = p.moved(body)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

package why

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/internal/check"
)

// discoveryPath is where an issuer describes itself.
// Source: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationRequest
const discoveryPath = "/.well-known/openid-configuration"

// Trouble is what kept an issuer's description of itself from being read.
type Trouble struct {
	// TLS says that the connection failed because of a certificate or of TLS itself.
	TLS bool
	// Untrusted says that the certificate is of an authority that this machine does not know; all else about it may be right.
	Untrusted bool
	// NoRealm says that the host answers and knows nothing at this path.
	NoRealm bool
	Reason  string
	// Expected and Found are the two sides of what differs; empty when nothing is compared.
	Expected, Found string
}

// Answer returns t as the answer to a check.
func (t Trouble) Answer(fix check.Fix) check.Answer {
	return check.Differ(fix, t.Expected, t.Found, "%s", t.Reason)
}

// TrustHere is what makes this machine trust the authority of an issuer's certificate.
func TrustHere() check.Fix {
	return check.Fix{Command: "export SSL_CERT_FILE=$PWD/issuer-ca.pem  # the authority of its certificate, from those who run the issuer"}
}

// Issuer asks an issuer for its description and returns what is wrong, nil when it is there, and the time that the issuer's
// host believes it is, zero when it did not say. It compares nothing but the kind of the answer.
func Issuer(ctx context.Context, client *http.Client, issuerURL string) (*Trouble, time.Time) {
	address := strings.TrimSuffix(issuerURL, "/") + discoveryPath
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return &Trouble{Reason: "the issuer URL cannot be read"}, time.Time{}
	}
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := direct.Do(request)
	if err != nil {
		return noAnswer(err, issuerURL), time.Time{}
	}
	defer func() { _ = answer.Body.Close() }() // it was only read from
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxDescription))
	if err != nil {
		return noAnswer(err, issuerURL), time.Time{}
	}
	at, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		at = time.Time{}
	}
	return oddAnswer(answer, body, address), at
}

// maxDescription is more than any issuer says of itself.
const maxDescription = 1 << 20

// noAnswer names why there was none.
func noAnswer(err error, issuerURL string) *Trouble {
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &authority):
		return &Trouble{TLS: true, Untrusted: true, Reason: "the certificate of " + issuerURL + " is of an authority that this machine does not trust", Expected: "an authority of the system's store, or of the file that SSL_CERT_FILE names", Found: authorityOf(authority)}
	case errors.As(err, &hostname):
		return &Trouble{TLS: true, Reason: "the certificate of " + issuerURL + " is for another name", Expected: hostname.Host, Found: strings.Join(hostname.Certificate.DNSNames, ", ")}
	case errors.As(err, &invalid):
		return &Trouble{TLS: true, Reason: "the certificate of " + issuerURL + " does not count: " + invalid.Error()}
	case errors.As(err, &certificate):
		return &Trouble{TLS: true, Reason: "the certificate of " + issuerURL + " is not trusted"}
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return &Trouble{TLS: true, Reason: issuerURL + " does not speak TLS", Expected: "https", Found: "http"}
	case errors.As(err, &dns):
		return &Trouble{Reason: "the name " + dns.Name + " cannot be found", Expected: "a name that this machine resolves", Found: "no such host"}
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return &Trouble{Reason: issuerURL + " does not answer in time"}
	default:
		return &Trouble{Reason: "nothing answers at " + issuerURL}
	}
}

func authorityOf(e x509.UnknownAuthorityError) string {
	if e.Cert == nil {
		return "an unknown authority"
	}
	if name := e.Cert.Issuer.String(); name != "" {
		return name
	}
	return "a certificate without an issuer"
}

// oddAnswer names what an answer is that is no description of an issuer.
func oddAnswer(answer *http.Response, body []byte, address string) *Trouble {
	const other = "something else answers in the issuer's place, such as a login page or a proxy"
	var said struct {
		Issuer string `json:"issuer"`
	}
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil {
		kind = "nothing that says what it is"
	}
	switch {
	case answer.StatusCode/100 == 3:
		return &Trouble{Reason: "the issuer redirects", Expected: "the document itself at " + address, Found: "a redirect to " + answer.Header.Get("Location")}
	case answer.StatusCode == http.StatusNotFound:
		return &Trouble{NoRealm: true, Reason: "the issuer's host answers, and has no issuer at this path: the realm does not exist", Expected: "a description of the issuer at " + address, Found: "404 Not Found"}
	case answer.StatusCode != http.StatusOK:
		return &Trouble{Reason: "the issuer fails", Expected: "200 OK from " + address, Found: answer.Status}
	case kind != "application/json":
		return &Trouble{Reason: other, Expected: "application/json from " + address, Found: kind}
	case json.Unmarshal(body, &said) != nil || said.Issuer == "":
		return &Trouble{Reason: other, Expected: "a description of the issuer at " + address, Found: "something that names no issuer"}
	default:
		return nil
	}
}

// Apart returns how far another clock is ahead of this machine's, when it said at in an answer to a question that was asked at
// began and answered at ended. The HTTP date has full seconds, and an answer takes its time: what these explain is no difference.
func Apart(at, began, ended time.Time) time.Duration {
	switch {
	case at.IsZero():
		return 0
	case at.After(ended):
		return at.Sub(ended)
	case at.Add(time.Second).Before(began):
		return at.Add(time.Second).Sub(began)
	default:
		return 0
	}
}

// skew says in words how far this machine's clock is from another, which is ahead by d; the HTTP date has full seconds, so less
// than two say nothing.
func skew(d time.Duration, whose string) string {
	switch {
	case d > leastSkew:
		return fmt.Sprintf("the clock of this machine is %s behind that of the %s", d.Round(time.Second), whose)
	case d < -leastSkew:
		return fmt.Sprintf("the clock of this machine is %s ahead of that of the %s", (-d).Round(time.Second), whose)
	default:
		return ""
	}
}

const leastSkew = 2 * time.Second

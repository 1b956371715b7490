package conformance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/issuer"
)

// keycloakVariable names a real Keycloak that answers at an address of this machine, with the administrator admin/admin
// and without a realm named conformance. `make e2e` starts one.
const keycloakVariable = "AIP_KEYCLOAK"

// recorded is where the answers of a Keycloak are kept. AIP_KEYCLOAK=... RECORD=1 writes them anew.
var recorded = filepath.Join("testdata", "issuer.json")

// line is one call and what counts of its answer.
type line struct {
	Call   string         `json:"call"`
	Status int            `json:"status"`
	Body   any            `json:"body,omitempty"`
	Claims map[string]any `json:"claims,omitempty"`
	// Location is the path of what was created, without its id.
	Location string `json:"location,omitempty"`
}

func TestBuiltInIssuer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + l.Addr().String()
	server, err := issuer.New(t.Context(), issuer.Options{
		Hostname: base, AdminUser: "admin", AdminPassword: "admin", Store: &issuer.MemoryStore{},
	})
	if err != nil {
		t.Fatal(err)
	}
	site := &httptest.Server{Listener: l, Config: &http.Server{Handler: server.Handler(), ReadHeaderTimeout: time.Second}}
	site.Start()
	t.Cleanup(site.Close)
	compare(t, transcript(t, base))
}

// TestKeycloak is the other half. Without a Keycloak the record stands for it, which is said.
func TestKeycloak(t *testing.T) {
	t.Parallel()
	base := os.Getenv(keycloakVariable)
	if base == "" {
		t.Logf("%s names no Keycloak: the built-in issuer is held against the record of one alone", keycloakVariable)
		return
	}
	got := transcript(t, base)
	if os.Getenv("RECORD") != "" {
		data, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(recorded, append(data, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	compare(t, got)
}

// compare holds what was answered against the record, call by call.
func compare(t *testing.T, got []line) {
	t.Helper()
	data, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	var want []line
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d calls, %d in the record: record it anew", len(got), len(want))
	}
	for i := range got {
		if found, expected := encode(t, got[i]), encode(t, want[i]); found != expected {
			t.Errorf("%s:\n   found %s\nexpected %s", got[i].Call, found, expected)
		}
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// talk is a conversation with one issuer.
type talk struct {
	t    *testing.T
	base string
}

func transcript(t *testing.T, base string) []line {
	t.Helper()
	k := talk{t, strings.TrimSuffix(base, "/")}
	var lines []line
	for _, c := range calls() {
		lines = append(lines, k.make(c))
	}
	return lines
}

// make makes one call.
func (k talk) make(c call) line {
	k.t.Helper()
	path := k.fill(c.path)
	body, kind := c.json, "application/json"
	if c.form != nil {
		body, kind = c.form.Encode(), "application/x-www-form-urlencoded"
	}
	bearer := ""
	switch {
	case c.bearer == "none":
	case c.bearer != "":
		bearer = c.bearer
	case c.json != "" || c.admin:
		bearer = k.administrator()
	}
	status, header, answer := k.send(c.method, path, kind, body, bearer)
	out := line{Call: c.name, Status: status, Location: k.plain(header.Get("Location"))}
	var decoded any
	if answer == "" {
		return out
	}
	if err := json.Unmarshal([]byte(answer), &decoded); err != nil {
		k.t.Fatalf("%s: %d %s: %v", c.name, status, answer, err)
	}
	if object, ok := decoded.(map[string]any); ok && c.claims != nil && status == http.StatusOK {
		raw, _ := object["access_token"].(string)
		out.Claims = pick(k.claims(raw), c.claims)
		if scope, ok := out.Claims["scope"].(string); ok {
			out.Claims["scope"] = words(scope)
		}
	}
	out.Body = k.only(decoded, c.keep)
	return k.withoutBase(out)
}

// words sorts what has no order.
func words(text string) []string {
	found := strings.Fields(text)
	slices.Sort(found)
	return found
}

// only leaves the fields that count, of an object or of each object of a list.
func (k talk) only(decoded any, keep []string) any {
	if keep == nil {
		return decoded
	}
	switch v := decoded.(type) {
	case map[string]any:
		picked := pick(v, keep)
		if scope, ok := picked["scope"].(string); ok {
			picked["scope"] = words(scope)
		}
		if left, ok := picked["expires_in"].(float64); ok {
			// Keycloak counts from the second in which the request came, so one may have passed.
			picked["expires_in"] = math.Ceil(left/10) * 10 //nolint:mnd // every lifespan here is a multiple
		}
		return picked
	case []any:
		for i := range v {
			v[i] = k.only(v[i], keep)
		}
		return v
	default:
		return decoded
	}
}

func pick(from map[string]any, keys []string) map[string]any {
	out := map[string]any{}
	for _, key := range keys {
		if value, ok := from[key]; ok {
			out[key] = value
		}
	}
	return out
}

// withoutBase takes the address out of an answer: it differs from one issuer to the next.
func (k talk) withoutBase(l line) line {
	data := strings.ReplaceAll(encode(k.t, l), k.base, "{base}")
	var out line
	if err := json.Unmarshal([]byte(data), &out); err != nil {
		k.t.Fatal(err)
	}
	return out
}

// identifier is the id that an object got.
var identifier = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func (k talk) plain(location string) string {
	return identifier.ReplaceAllString(strings.TrimPrefix(location, k.base), "{id}")
}

// fill puts the id of a client in its place.
func (k talk) fill(path string) string {
	before, rest, found := strings.Cut(path, "{id:")
	if !found {
		return path
	}
	client, after, _ := strings.Cut(rest, "}")
	_, _, answer := k.send(http.MethodGet, clients+"?clientId="+client, "", "", k.administrator())
	var list []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(answer), &list); err != nil || len(list) != 1 {
		k.t.Fatalf("look client %s up: %v: %s", client, err, answer)
	}
	return before + list[0].ID + after
}

// administrator logs in.
func (k talk) administrator() string {
	_, _, answer := k.send(http.MethodPost, master, "application/x-www-form-urlencoded", login("admin", "admin").Encode(), "")
	var said struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(answer), &said); err != nil || said.Token == "" {
		k.t.Fatalf("log in: %v", err)
	}
	return said.Token
}

func (k talk) claims(raw string) map[string]any {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		k.t.Fatalf("a token of %d parts", len(parts))
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		k.t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		k.t.Fatal(err)
	}
	return out
}

func (k talk) send(method, path, kind, body, bearer string) (status int, header http.Header, answer string) {
	request, err := http.NewRequestWithContext(k.t.Context(), method, k.base+path, strings.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", kind)
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	got, err := http.DefaultClient.Do(request)
	if err != nil {
		k.t.Fatal(fmt.Errorf("%s %s: %w", method, path, err))
	}
	defer func() { _ = got.Body.Close() }() // it is read to its end
	data, err := io.ReadAll(got.Body)
	if err != nil {
		k.t.Fatal(err)
	}
	return got.StatusCode, got.Header, string(data)
}

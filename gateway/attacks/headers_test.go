package attacks

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends bytes as they are and returns the status line and the rest of the answer.
func (w *world) raw(t testing.TB, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", w.address)
	check(t, err)
	defer func() { _ = c.Close() }()
	check(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	_, _ = io.WriteString(c, text) // the gateway may end a connection in the middle
	if half, ok := c.(*net.TCPConn); ok {
		_ = half.CloseWrite() // nothing else comes
	}
	answer, _ := io.ReadAll(c) // a connection that is reset has said what it had to say
	return string(answer)
}

// Hole: a proxy and the gateway each take another of two headers for the caller's, or a header ends where the sender says.
// Attack: two Authorization headers in either order, a token in the query and in the body, names with a line break, a
// request inside another.
// Proof: 401 or 400, for whatever the first header says.
func TestTwoAuthorizations(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good := "Authorization: Bearer " + w.Token(t, reviewer) + "\r\n"
	for name, headers := range map[string]string{
		"two the same":        good + good,
		"the good first":      good + "Authorization: Bearer x\r\n",
		"the good second":     "Authorization: Basic eDp5\r\n" + good,
		"in another case":     good + "AUTHORIZATION: Bearer x\r\n",
		"joined":              "Authorization: Bearer x, Bearer " + w.Token(t, reviewer) + "\r\n",
		"another scheme":      "Authorization: Token " + w.Token(t, reviewer) + "\r\n",
		"space in the name":   "Authorization : Bearer " + w.Token(t, reviewer) + "\r\n",
		"named by a proxy":    "X-Remote-User: " + reviewer + "\r\nX-Forwarded-User: " + reviewer + "\r\n",
		"length and chunked":  "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		"two lengths":         "Content-Length: 5\r\nContent-Length: 6\r\n",
		"in a cookie":         "Cookie: token=" + w.Token(t, reviewer) + "\r\n",
		"of WebSocket":        "Sec-WebSocket-Protocol: Bearer, " + w.Token(t, reviewer) + "\r\n",
		"method of its own":   "X-HTTP-Method-Override: DELETE\r\n",
		"in front of another": "\r\nGET /agent-requests HTTP/1.1\r\nHost: x\r\n",
	} {
		got := w.raw(t, "GET /agent-requests HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+headers+"\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 401 ") && !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("%s: %.200s", name, got)
		}
		if strings.Contains(got, "[]") || strings.Contains(got, `"items"`) {
			t.Errorf("%s: a list was answered", name)
		}
	}
	w.send(t, "", http.MethodGet, "/agent-requests?access_token="+w.Token(t, reviewer), "").is(t, http.StatusUnauthorized, "missing Bearer token")
	w.send(t, "", http.MethodPost, "/agent-requests", "access_token="+w.Token(t, agent)).is(t, http.StatusUnauthorized, "missing Bearer token")
}

// Hole: a server that waits for the rest of a header for ever runs out of connections.
// Attack: connections that send a part of a header and then nothing, beside one that sends a very large one.
// Proof: others are served meanwhile, and the gateway ends them.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	w := shared(t)
	var slow []net.Conn
	for range 200 {
		c, err := net.Dial("tcp", w.address)
		check(t, err)
		defer func() { _ = c.Close() }()
		_, err = io.WriteString(c, "GET /agent-requests HTTP/1.1\r\nHost: x\r\nX-Wait: ")
		check(t, err)
		slow = append(slow, c)
	}
	w.as(t, reviewer, http.MethodGet, "/whoami", "").is(t, http.StatusOK, reviewer)
	if got := w.raw(t, "GET /whoami HTTP/1.1\r\nHost: x\r\nX-Large: "+strings.Repeat("x", 1<<20)+"\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 431 ") && got != "" {
		t.Errorf("a header of a megabyte: %.100s", got)
	}
	for _, c := range slow {
		check(t, c.SetReadDeadline(time.Now().Add(40*time.Second)))
		// The end of the connection, with or without a word.
		if _, err := io.Copy(io.Discard, bufio.NewReader(c)); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatal("a connection that sends nothing is kept")
		}
	}
}

// Hole: what is read whole or deep before it is checked costs memory and stack.
// Attack: bodies beyond the limit by length, by chunks and by what they claim; objects in objects; a number and a string
// without end.
// Proof: 413 and 400, and the gateway serves on.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	w := shared(t)
	token := w.Token(t, agent)
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	deepest := strings.Repeat("[", 500_000)
	for name, c := range map[string]struct {
		body   string
		status int
		text   string
	}{
		"too long":          {`{"reason":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "request body is larger than"},
		"deep parameters":   {strings.Replace(w.submission("deep"), "{", `{"parameters":`+deep+`,`, 1), 400, "more than 64 objects and lists in one another"},
		"only brackets":     {deepest, 400, "invalid request body"},
		"brackets in text":  {strings.Replace(w.submission("brackets"), "because", strings.Repeat("[{", 1000), 1), 201, "Approved"},
		"a long target":     {strings.Replace(w.submission("long"), "test://", "test://"+strings.Repeat("x", 300_000), 1), 201, "Approved"}, // names a lock
		"an endless number": {`{"priority":1` + strings.Repeat("0", 100_000) + `,"action":"a","targetURI":"t","reason":"r"}`, 400, "invalid request body"},
		"not UTF-8":         {"{\"action\":\"\xff\xfe\",\"targetURI\":\"t\",\"reason\":\"r\"}", 201, ""},
	} {
		got := w.send(t, token, http.MethodPost, "/agent-requests", c.body)
		if got.status != c.status || !strings.Contains(got.body, c.text) {
			t.Errorf("%s: %d %.200s, expected %d with %q", name, got.status, got.body, c.status, c.text)
		}
	}
	chunk := strings.Repeat("x", 64<<10)
	var chunks strings.Builder
	for range 32 {
		fmt.Fprintf(&chunks, "%x\r\n%s\r\n", len(chunk), chunk)
	}
	got := w.raw(t, "POST /agent-requests HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "+token+"\r\nTransfer-Encoding: chunked\r\n\r\n"+chunks.String()+"0\r\n\r\n")
	if got != "" && !strings.HasPrefix(got, "HTTP/1.1 413 ") && !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("chunks beyond the limit: %.200s", got)
	}
	w.as(t, agent, http.MethodGet, "/whoami", "").is(t, http.StatusOK, agent)
}

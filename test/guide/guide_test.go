// Package guide runs guide.sh, which types the commands of the guide against an environment of its own and compares
// each answer with what the guide promises.
package guide

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestGuide is the whole guide with the built binary.
func TestGuide(t *testing.T) {
	t.Parallel()
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(bin, "aip-dev")); err != nil {
		t.Fatalf("%v: run make build", err)
	}
	for _, tool := range []string{"kubectl", "helm"} {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(bin, "tools", tool)); err != nil {
			t.Fatalf("%s is neither on PATH nor in bin/tools: run make tools", tool)
		}
	}
	script := exec.CommandContext(t.Context(), "./guide.sh")
	// Ports that no environment takes by itself: at its end the guide asks whether its own are closed.
	script.Env = append(os.Environ(), fmt.Sprintf("AIP_UP=--gateway-port %d --issuer-port %d", freePort(t, 7000), freePort(t, 7500)))
	script.Cancel = func() error { return script.Process.Signal(syscall.SIGTERM) } // it takes the environment down
	script.WaitDelay = time.Minute
	output, err := script.CombinedOutput()
	if err != nil || !strings.Contains(string(output), " passed, 0 failed\n") {
		t.Errorf("guide.sh: %v\n%s", err, output)
	}
}

// freePort returns the first port from first on that is free.
func freePort(t *testing.T, first int) int {
	t.Helper()
	for port := first; port < first+100; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue // taken
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatalf("no port from %d to %d is free", first, first+99)
	return 0
}

// TestChecksCanFail holds each kind of expectation against an answer that meets it and one that does not.
func TestChecksCanFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ command, expectations, want string }{
		"nothing but success":     {`true`, ``, "ok"},
		"failure":                 {`false`, ``, "FAIL"},
		"failure asked for":       {`false`, `'exit fail'`, "ok"},
		"success against failure": {`true`, `'exit fail'`, "FAIL"},
		"status":                  {`(exit 7)`, `'exit 7'`, "ok"},
		"another status":          {`(exit 6)`, `'exit 7'`, "FAIL"},
		"failure in a pipe":       {`false | cat`, ``, "FAIL"},
		"text":                    {`echo one two`, `'has one two'`, "ok"},
		"no text":                 {`echo one`, `'has two'`, "FAIL"},
		"text on stderr":          {`echo one >&2`, `'has one'`, "ok"},
		"text and failure":        {`echo one; false`, `'has one'`, "FAIL"},
		"unwanted text":           {`echo one`, `'hasnot one'`, "FAIL"},
		"any":                     {`echo one`, `any`, "ok"},
		"nothing":                 {`true`, `any`, "FAIL"},
		"code":                    {`printf '{}\nHTTP 201'`, `'http 201'`, "ok"},
		"another code":            {`printf '{}\nHTTP 200'`, `'http 201'`, "FAIL"},
		"code in the body":        {`printf 'HTTP 201\nHTTP 401'`, `'http 201'`, "FAIL"},
		"field":                   {`printf '{"a":[1]}\nHTTP 201'`, `'json d["a"] == [1]'`, "ok"},
		"another field":           {`printf '{"a":[2]}\nHTTP 201'`, `'json d["a"] == [1]'`, "FAIL"},
		"field that is not there": {`echo '{}'`, `'json d["a"] == 1'`, "FAIL"},
		"no JSON":                 {`echo one`, `'json True'`, "FAIL"},
		"one of two":              {`echo one`, `'has one' 'has two'`, "FAIL"},
		"no such expectation":     {`echo one`, `'hass one'`, "FAIL"},
		"in place of a pod":       {`kubectl run -it --rm x --image=curlimages/curl:latest -- curl -s file:///dev/null`, ``, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shell := exec.CommandContext(t.Context(), "bash", "-c", `set -uo pipefail; . ./lib.sh; work=$1; check "$2" `+c.expectations+`; closing`,
				"bash", t.TempDir(), c.command)
			output, err := shell.CombinedOutput()
			var exit *exec.ExitError
			failed := errors.As(err, &exit) && exit.ExitCode() == 1
			if !strings.HasPrefix(string(output), c.want) || failed != (c.want == "FAIL") {
				t.Errorf("got %v, want %s\n%s", err, c.want, output)
			}
		})
	}
}

// TestTokensAreNotPrinted looks at what a failing check shows of an answer.
func TestTokensAreNotPrinted(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
	shell := exec.CommandContext(t.Context(), "bash", "-c", `set -uo pipefail; . ./lib.sh; work=$1; T=$2; check 'echo "$T"' 'has nothing'`,
		"bash", t.TempDir(), token)
	output, err := shell.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "found:    eyJ...") || strings.Contains(string(output), "c2ln") {
		t.Errorf("got %v\n%s", err, output)
	}
}

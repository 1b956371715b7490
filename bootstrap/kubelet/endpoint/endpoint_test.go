package endpoint_test

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap/kubelet/endpoint"
)

const apiServer = "kube-apiserver-kubelet-client"

// get returns the status and the body of an answer.
func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	return response.StatusCode, string(body)
}

func TestOnlyTheAPIServerIsAnswered(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	address, _ := serve(t, &pods{dir: t.TempDir()}, ours.issue(t, "node"), ours.pool)
	url := "https://" + address + "/healthz"

	if code, body := get(t, ours.client(ours.issue(t, apiServer)), url); code != http.StatusOK || body != "ok\n" {
		t.Errorf("the API server got %d %q", code, body)
	}
	if code, body := get(t, ours.client(ours.issue(t, "kubernetes-admin")), url); code != http.StatusForbidden ||
		!strings.Contains(body, `"kubernetes-admin", expected "`+apiServer) {
		t.Errorf("another client of the cluster got %d %q", code, body)
	}
	for name, client := range map[string]*http.Client{
		"no certificate": ours.client(), "a certificate of another authority": ours.client(theirs.issue(t, apiServer)),
	} {
		if response, err := client.Get(url); err == nil {
			_ = response.Body.Close()
			t.Errorf("%s: answered with %s", name, response.Status)
		}
	}
}

func TestServeWantsAnAuthority(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	err = endpoint.Serve(t.Context(), endpoint.Options{
		Listener: listener, Pods: &pods{}, Log: slog.New(slog.DiscardHandler), Now: stamp,
	})
	if err == nil || !strings.Contains(err.Error(), "no authority") {
		t.Errorf("Serve without an authority: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	p := &pods{dir: t.TempDir(), run: 1}
	p.write(t, 0, stamp().Add(-time.Hour), "old run\n")
	p.write(t, 1, stamp().Add(-time.Minute), "one\ntwo\n")
	p.write(t, 1, stamp(), "three\n")
	a := newAuthority(t)
	address, _ := serve(t, p, a.issue(t, "node"), a.pool)
	client := a.client(a.issue(t, apiServer))

	const log = "/containerLogs/shop/web/app"
	for path, want := range map[string]struct {
		code int
		body string
	}{
		log:                                          {200, "one\ntwo\nthree\n"},
		log + "?tailLines=2":                         {200, "two\nthree\n"},
		log + "?tailLines=0":                         {200, ""},
		log + "?limitBytes=5":                        {200, "one\nt"},
		log + "?sinceSeconds=30":                     {200, "three\n"},
		log + "?previous=true":                       {200, "old run\n"},
		log + "?stream=Stderr":                       {200, ""},
		log + "?stream=Stdout&follow=":               {200, "one\ntwo\nthree\n"},
		log + "?sinceTime=2026-01-02T15:04:05Z":      {200, "three\n"},
		log + "?timestamps=true&tailLines=1":         {200, "2026-01-02T15:04:05.000000000Z three\n"},
		log + "?previous=true&follow=true":           {200, "old run\n"},
		log + "?tailLines=x":                         {400, "parameter tailLines: strconv.ParseInt: parsing \"x\": invalid syntax\n"},
		log + "?tailLines=-1":                        {400, "parameter tailLines: -1, expected at least 0\n"},
		log + "?follow=maybe":                        {400, "parameter follow: strconv.ParseBool: parsing \"maybe\": invalid syntax\n"},
		log + "?stream=Stdin":                        {400, "parameter stream: \"Stdin\", expected All, Stdout or Stderr\n"},
		"/containerLogs/shop/web/none":               {404, "no log of container \"none\" of pod \"web\" in namespace \"shop\"\n"},
		"/containerLogs/shop/gone/app":               {404, "no log of container \"app\" of pod \"gone\" in namespace \"shop\"\n"},
		"/containerLogs/shop/web/waiting":            {400, "container \"waiting\" in pod \"web\" is waiting to start\n"},
		"/containerLogs/shop/..%2f..%2fetc/passwd":   {400, ""},
		"/containerLogs/shop/web/..%2fapp":           {400, ""},
		"/portForward/shop/..%2fweb":                 {400, ""},
		"/portForward/shop/web":                      {400, ""}, // no upgrade asked for
		"/exec/shop/web/app?command=sh":              {501, ""},
		"/attach/shop/web/app":                       {501, ""},
		"/run/shop/web/app":                          {501, ""},
		"/configz":                                   {404, "404 page not found\n"},
		log + "?sinceTime=yesterday":                 {400, ""},
		log + "?sinceSeconds=0":                      {400, "parameter sinceSeconds: 0, expected at least 1\n"},
		log + "?timestamps=false&previous=&follow=0": {200, "one\ntwo\nthree\n"},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			code, body := get(t, client, "https://"+address+path)
			if code != want.code || want.body != "" && body != want.body {
				t.Errorf("got %d %q, want %d %q", code, body, want.code, want.body)
			}
			if code == http.StatusNotImplemented && !strings.Contains(body, "kubectl logs") {
				t.Errorf("the answer %q names no other command", body)
			}
		})
	}
}

// follow opens a followed log and returns its lines; it is closed when the log ends.
func follow(t *testing.T, client *http.Client, url string) <-chan string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request) //nolint:bodyclose // where it is read to its end
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		defer func() { _ = response.Body.Close() }()
		for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	return lines
}

// next returns the next line, or "" at the end of the log.
func next(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case line := <-lines:
		return line
	case <-time.After(10 * time.Second):
		t.Fatal("no line and no end of the log within 10 s")
		return ""
	}
}

func TestFollowEndsWithTheRun(t *testing.T) {
	t.Parallel()
	p := &pods{dir: t.TempDir()}
	p.write(t, 0, stamp(), "")
	a := newAuthority(t)
	address, _ := serve(t, p, a.issue(t, "node"), a.pool)
	lines := follow(t, a.client(a.issue(t, apiServer)), "https://"+address+"/containerLogs/shop/web/app?follow=true")
	for _, text := range []string{"one", "two"} {
		p.write(t, 0, stamp(), text+"\n")
		if got := next(t, lines); got != text {
			t.Fatalf("got %q, want %q", got, text)
		}
	}
	p.restart()
	p.write(t, 0, stamp(), "last words\n")
	if got := next(t, lines); got != "last words" {
		t.Fatalf("got %q, want the last line", got)
	}
	if got := next(t, lines); got != "" {
		t.Errorf("got %q after the run had ended", got)
	}
}

func TestFollowEndsWithTheEndpoint(t *testing.T) {
	t.Parallel()
	p := &pods{dir: t.TempDir()}
	p.write(t, 0, stamp(), "one\n")
	a := newAuthority(t)
	address, stop := serve(t, p, a.issue(t, "node"), a.pool)
	lines := follow(t, a.client(a.issue(t, apiServer)), "https://"+address+"/containerLogs/shop/web/app?follow=true")
	if got := next(t, lines); got != "one" {
		t.Fatalf("got %q", got)
	}
	stop()
	if got := next(t, lines); got != "" {
		t.Errorf("got %q after the end", got)
	}
}

package testkit

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// GitHub is a server that answers about one repository, acme/shop with the branches main and a/b, as GitHub documents it.
// Source: https://docs.github.com/en/rest
type GitHub struct {
	// URL is where its API is.
	URL string

	mu     sync.Mutex
	answer map[string]any
	open   int
	slow   string
	delay  time.Duration
	asked  []*http.Request
}

// GitHubToken is the token that the server expects.
const GitHubToken = "github_pat_for_tests"

// NewGitHub starts a server in which CI of both branches succeeded and two pull requests into main are open.
func NewGitHub(t testing.TB) *GitHub {
	t.Helper()
	g := &GitHub{open: 2, answer: map[string]any{
		"repos/acme/shop": map[string]any{"name": "shop", "full_name": "acme/shop", "private": true, "default_branch": "main"},
		// The content is in lines of 60 characters, each with its end.
		"repos/acme/shop/contents/deploy/a b.yaml": map[string]any{
			"type": "file", "encoding": "base64", "size": 12, "name": "a b.yaml", "path": "deploy/a b.yaml", "content": "cmVwbGljYXM6\nIDMK\n",
		},
		"repos/acme/shop/contents/deploy": []any{map[string]any{"type": "file", "name": "a b.yaml", "path": "deploy/a b.yaml", "size": 12}},
		"repos/acme/shop/contents/large": map[string]any{
			"type": "file", "encoding": "none", "size": 2 << 20, "name": "large", "path": "large", "content": "",
		},
	}}
	for _, branch := range []string{"main", "a/b"} {
		g.answer["repos/acme/shop/branches/"+branch] = map[string]any{"name": branch, "commit": map[string]any{"sha": "c5b97d5a"}, "protected": false}
	}
	g.Statuses("pending") // that is what GitHub says of a commit without any
	g.CheckRuns("success", "skipped", "neutral")
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.URL = server.URL
	return g
}

// ServeHTTP answers one question.
func (g *GitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.asked = append(g.asked, r)
	var delay time.Duration
	if strings.HasPrefix(strings.TrimPrefix(r.URL.Path, "/"), g.slow) {
		delay = g.delay
	}
	g.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	path, query := strings.TrimPrefix(r.URL.Path, "/"), r.URL.Query()
	answer, ok := g.answer[path]
	switch status, isStatus := answer.(int); {
	case r.Header.Get("Authorization") != "Bearer "+GitHubToken:
		reply(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials", "status": "401"})
	case isStatus:
		if status == http.StatusForbidden {
			w.Header().Set("X-Ratelimit-Remaining", "0")
			w.Header().Set("X-Ratelimit-Reset", "1700000000")
		}
		reply(w, status, map[string]any{"message": http.StatusText(status)})
	case path == "repos/acme/shop/pulls" && query.Get("state") == "open" && query.Get("per_page") == "1":
		g.pulls(w, r, query.Get("base"))
	case !ok:
		reply(w, http.StatusNotFound, map[string]any{"message": "Not Found", "status": "404"})
	case strings.HasSuffix(path, "/check-runs") && query.Get("page") != "1":
		runs, _ := answer.(map[string]any)
		reply(w, http.StatusOK, map[string]any{"total_count": runs["total_count"], "check_runs": []any{}})
	default:
		reply(w, http.StatusOK, answer)
	}
}

// pulls lists pull requests, one on a page.
func (g *GitHub) pulls(w http.ResponseWriter, r *http.Request, base string) {
	open := g.open
	if base != "main" {
		open = 0
	}
	if open > 1 {
		w.Header().Set("Link", fmt.Sprintf(`<http://%[1]s/repositories/1/pulls?page=2>; rel="next", <http://%[1]s/repositories/1/pulls?page=%[2]d>; rel="last"`, r.Host, open))
	}
	list := []any{}
	if open > 0 {
		list = append(list, map[string]any{"number": 1, "state": "open"})
	}
	reply(w, http.StatusOK, list)
}

func reply(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the one who asked may be gone
}

// Answer makes the server answer a path below its API with a status, or with a body.
func (g *GitHub) Answer(path string, answer any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer[path] = answer
}

// OpenPulls says how many pull requests into main are open.
func (g *GitHub) OpenPulls(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = n
}

// Delay makes answers about paths with this beginning take so long.
func (g *GitHub) Delay(path string, d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slow, g.delay = path, d
}

// Statuses says how the statuses of the newest commits sum up, and which there are.
func (g *GitHub) Statuses(state string, statuses ...string) {
	list := []any{}
	for i, s := range statuses {
		list = append(list, map[string]any{"state": s, "context": fmt.Sprintf("ci/%d", i)})
	}
	for _, branch := range []string{"main", "a/b"} {
		g.Answer("repos/acme/shop/commits/"+branch+"/status", map[string]any{"state": state, "total_count": len(list), "statuses": list})
	}
}

// CheckRuns says how the check runs of the newest commits ended; an empty conclusion is one that runs.
func (g *GitHub) CheckRuns(conclusions ...string) {
	list := []any{}
	for i, c := range conclusions {
		run := map[string]any{"id": i, "status": "completed", "conclusion": c}
		if c == "" {
			run["status"], run["conclusion"] = "in_progress", nil
		}
		list = append(list, run)
	}
	for _, branch := range []string{"main", "a/b"} {
		g.Answer("repos/acme/shop/commits/"+branch+"/check-runs", map[string]any{"total_count": len(list), "check_runs": list})
	}
}

// Asked returns the questions so far.
func (g *GitHub) Asked() []*http.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]*http.Request(nil), g.asked...)
}

// Package github asks GitHub's REST API about the targets of requests. It reads only, and knows nothing of requests.
package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
)

const (
	// apiVersion is the version of the API whose documentation the code follows.
	// Source: https://docs.github.com/en/rest/about-the-rest-api/api-versions
	apiVersion = "2022-11-28"
	// maxAnswer bounds an answer, in bytes: a page of check runs takes about half of it.
	maxAnswer = 2 << 20
	// maxText is how much of an answer's message is told.
	maxText = 200
)

var errOff = errors.New("the context fetcher github is off: start the gateway with --github-api-url")

// Options are what a Client works with.
type Options struct {
	// URL is where the API is: https://api.github.com, or https://HOST/api/v3 of a GitHub Enterprise Server.
	URL string
	// TokenFile holds the token to ask with, read anew for every question; empty means without a token, which GitHub allows
	// for public repositories, a few times an hour.
	TokenFile string
	// HTTP sends the questions. Nil means http.DefaultClient.
	HTTP *http.Client
}

// Client asks. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	tokenFile string
	http      *http.Client
}

// New returns a Client, or nil without a URL. It refuses to send a token in the clear to another machine.
func New(o Options) (*Client, error) {
	if o.URL == "" {
		if o.TokenFile != "" {
			return nil, errors.New("--github-token-file is given without --github-api-url, for example https://api.github.com")
		}
		return nil, nil //nolint:nilnil // a nil Client is off
	}
	base, err := url.Parse(strings.TrimSuffix(o.URL, "/"))
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" ||
		base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("--github-api-url is %q, expected a URL such as https://api.github.com", o.URL)
	}
	if ip := net.ParseIP(base.Hostname()); base.Scheme == "http" && o.TokenFile != "" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("--github-api-url is %q, expected https: the token of --github-token-file would go in the clear", o.URL)
	}
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	return &Client{base: base, tokenFile: o.TokenFile, http: o.HTTP}, nil
}

// apiError is an answer that is no success.
type apiError struct {
	status        int
	path, message string
	// wait is what the answer says about its limit of questions, empty when there is none left to say.
	wait string
}

func (e *apiError) Error() string {
	text := fmt.Sprintf("GitHub answers %d to GET /%s: %q", e.status, e.path, e.message)
	switch {
	case e.wait != "":
		return text + ", its limit of questions is used up until " + e.wait
	case e.status == http.StatusUnauthorized:
		return text + ", it does not accept the token of --github-token-file"
	case e.absent():
		return text + ", so it does not exist or the token may not see it"
	default:
		return text
	}
}

func (e *apiError) absent() bool { return e.status == http.StatusNotFound }

// get asks for a path below the API and decodes the answer.
func (c *Client) get(ctx context.Context, path string, query url.Values, to any) error {
	_, err := c.pages(ctx, path, query, to)
	return err
}

// lastPage is the link to the last page of a list.
// Source: https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api
var lastPage = regexp.MustCompile(`<([^>]*)>;\s*rel="last"`)

// pages is get, and returns the number of the last page when there are more than this one, else 0.
func (c *Client) pages(ctx context.Context, path string, query url.Values, to any) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+"/"+path+"?"+query.Encode(), nil)
	if err != nil {
		return 0, fmt.Errorf("ask GitHub: %w", err)
	}
	r.Header.Set("Accept", "application/vnd.github+json")
	r.Header.Set("X-GitHub-Api-Version", apiVersion)
	r.Header.Set("User-Agent", "aip-gateway")
	if c.tokenFile != "" {
		token, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return 0, fmt.Errorf("read the token for GitHub: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return 0, fmt.Errorf("ask GitHub: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, fmt.Errorf("read GitHub's answer to GET /%s: %w", path, err)
	case len(text) > maxAnswer:
		return 0, fmt.Errorf("GitHub's answer to GET /%s is larger than %d bytes", path, maxAnswer)
	case answer.StatusCode != http.StatusOK:
		return 0, refusal(answer, path, text)
	}
	if err := json.Unmarshal(text, to); err != nil {
		return 0, fmt.Errorf("decode GitHub's answer to GET /%s: %w", path, err)
	}
	return lastOf(answer.Header.Get("Link")), nil
}

func lastOf(link string) int {
	found := lastPage.FindStringSubmatch(link)
	if found == nil {
		return 0
	}
	last, err := url.Parse(found[1])
	if err != nil {
		return 0
	}
	page, _ := strconv.Atoi(last.Query().Get("page"))
	return page
}

// refusal reads an answer that is no success.
// Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
func refusal(answer *http.Response, path string, text []byte) error {
	var body struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(text, &body) // a proxy in between answers something else
	if len(body.Message) > maxText {
		body.Message = body.Message[:maxText]
	}
	out := &apiError{status: answer.StatusCode, path: path, message: body.Message}
	if answer.Header.Get("X-RateLimit-Remaining") == "0" {
		out.wait = "X-RateLimit-Reset " + answer.Header.Get("X-RateLimit-Reset")
	}
	return out
}

package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
)

// Scheme begins the URI of a target on GitHub: github://OWNER/REPO, with a branch github://OWNER/REPO/BRANCH and with a
// file github://OWNER/REPO/BRANCH/PATH. A slash in the name of a branch is written %2F.
const Scheme = "github://"

// maxFile is how large a file may be to be told, in bytes: it becomes part of a status.
const maxFile = 64 << 10

var errForm = errors.New("expected github://OWNER/REPO, github://OWNER/REPO/BRANCH or github://OWNER/REPO/BRANCH/PATH")

// place is what a URI names. An empty branch means the default one, an empty path no file.
type place struct{ owner, repo, branch, path string }

func parse(uri string) (place, error) {
	var out place
	rest, ok := strings.CutPrefix(uri, Scheme)
	parts := strings.SplitN(rest, "/", 4)
	if !ok || len(parts) < 2 {
		return out, fmt.Errorf("%q: %w", uri, errForm)
	}
	for i, to := range []*string{&out.owner, &out.repo, &out.branch, &out.path} {
		if i >= len(parts) {
			break
		}
		part, err := url.PathUnescape(parts[i])
		if err != nil || part == "" || !utf8.ValidString(part) || strings.ContainsFunc(part, isControl) {
			return out, fmt.Errorf("%q: %w", uri, errForm)
		}
		*to = part
	}
	for _, segment := range strings.Split(strings.Join([]string{out.owner, out.repo, out.branch, out.path}, "/"), "/") {
		if segment == "." || segment == ".." {
			return out, fmt.Errorf("%q: %w", uri, errForm)
		}
	}
	if strings.Contains(out.owner+out.repo, "/") {
		return out, fmt.Errorf("%q: %w", uri, errForm)
	}
	return out, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// Context returns what GitHub tells of a target: owner, repo, branch, openPRCount (the open pull requests into the
// branch), ciStatus (success, failure or pending, by the check runs and statuses of its newest commit; not there without
// any), filePath and fileContent (not there when the file does not exist, is larger than 64 KiB or no text). Whatever
// cannot be asked is an error: what is missing in the answer is known to be missing. A nil Client answers that it is off.
func (c *Client) Context(ctx context.Context, uri string) (map[string]any, error) {
	if c == nil {
		return nil, errOff
	}
	at, err := parse(uri)
	if err != nil {
		return nil, err
	}
	if at.branch, err = c.branch(ctx, at); err != nil {
		return nil, err
	}
	out := map[string]any{"owner": at.owner, "repo": at.repo, "branch": at.branch}
	group, ctx := errgroup.WithContext(ctx)
	var open int
	group.Go(func() (err error) { open, err = c.openPullRequests(ctx, at); return err })
	var status string
	group.Go(func() (err error) { status, err = c.ciStatus(ctx, at); return err })
	var content *string
	if at.path != "" {
		out["filePath"] = at.path
		group.Go(func() (err error) { content, err = c.file(ctx, at); return err })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out["openPRCount"] = int64(open)
	if status != "" {
		out["ciStatus"] = status
	}
	if content != nil {
		out["fileContent"] = *content
	}
	return out, nil
}

// repository is the path of a repository's part of the API.
func (p place) repository(parts ...string) string {
	escaped := []string{"repos", url.PathEscape(p.owner), url.PathEscape(p.repo)}
	for _, part := range parts {
		escaped = append(escaped, url.PathEscape(part))
	}
	return strings.Join(escaped, "/")
}

// branch returns the branch that is meant, which exists.
// Source: https://docs.github.com/en/rest/repos/repos#get-a-repository and
// https://docs.github.com/en/rest/branches/branches#get-a-branch
func (c *Client) branch(ctx context.Context, at place) (string, error) {
	if at.branch == "" {
		var repository struct {
			DefaultBranch string `json:"default_branch"`
		}
		if err := c.get(ctx, at.repository(), nil, &repository); err != nil {
			return "", err
		}
		if at.branch = repository.DefaultBranch; at.branch == "" {
			return "", fmt.Errorf("GitHub names no default branch of %s/%s", at.owner, at.repo)
		}
	}
	return at.branch, c.get(ctx, at.repository("branches", at.branch), nil, &struct{}{})
}

// openPullRequests counts the open pull requests into the branch. With one on each page, the number of the last page is
// how many there are.
// Source: https://docs.github.com/en/rest/pulls/pulls#list-pull-requests and
// https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api
func (c *Client) openPullRequests(ctx context.Context, at place) (int, error) {
	var page []struct{}
	query := url.Values{"state": {"open"}, "base": {at.branch}, "per_page": {"1"}}
	last, err := c.pages(ctx, at.repository("pulls"), query, &page)
	if err != nil || last > 0 {
		return last, err
	}
	return len(page), nil
}

const (
	success = "success"
	failure = "failure"
	pending = "pending"
)

// ciStatus sums up the check runs and the statuses of the branch's newest commit; "" when there are none.
// Source: https://docs.github.com/en/rest/checks/runs#list-check-runs-for-a-git-reference and
// https://docs.github.com/en/rest/commits/statuses#get-the-combined-status-for-a-specific-reference
func (c *Client) ciStatus(ctx context.Context, at place) (string, error) {
	var combined struct {
		State string `json:"state"`
		Total int    `json:"total_count"`
	}
	if err := c.get(ctx, at.repository("commits", at.branch, "status"), url.Values{"per_page": {"1"}}, &combined); err != nil {
		return "", err
	}
	seen := map[string]bool{}
	if combined.Total > 0 {
		seen[verdict("completed", combined.State)] = true
	}
	for page, read, total := 1, 0, 1; read < total; page++ {
		var runs struct {
			Total int `json:"total_count"`
			Runs  []struct {
				Status     string `json:"status"`
				Conclusion string `json:"conclusion"`
			} `json:"check_runs"`
		}
		query := url.Values{"per_page": {"100"}, "page": {fmt.Sprint(page)}}
		if err := c.get(ctx, at.repository("commits", at.branch, "check-runs"), query, &runs); err != nil {
			return "", err
		}
		if total = runs.Total; len(runs.Runs) == 0 && read < total {
			return "", fmt.Errorf("GitHub sent %d of %d check runs", read, total)
		}
		for _, r := range runs.Runs {
			seen[verdict(r.Status, r.Conclusion)] = true
		}
		read += len(runs.Runs)
	}
	for _, worst := range []string{failure, pending, success} {
		if seen[worst] {
			return worst, nil
		}
	}
	return "", nil
}

// verdict says what one check run or status means. Everything that is not known to be good counts as failure.
func verdict(status, conclusion string) string {
	switch {
	case status != "completed", conclusion == pending:
		return pending
	case conclusion == success, conclusion == "neutral", conclusion == "skipped":
		return success
	default:
		return failure
	}
}

// file returns the content of a text file; nil when there is none, or it is too large.
// Source: https://docs.github.com/en/rest/repos/contents#get-repository-content
func (c *Client) file(ctx context.Context, at place) (*string, error) {
	var entry struct {
		Type    string `json:"type"`
		Size    int64  `json:"size"`
		Content []byte `json:"content"`
	}
	err := c.get(ctx, at.repository(append([]string{"contents"}, strings.Split(at.path, "/")...)...), url.Values{"ref": {at.branch}}, &entry)
	var refused *apiError
	var list *json.UnmarshalTypeError
	switch {
	case errors.As(err, &refused) && refused.absent():
		return nil, nil //nolint:nilnil // the branch was found, so the file is known not to be there
	case errors.As(err, &list) && list.Value == "array":
		return nil, nil //nolint:nilnil // of a folder, what is in it is listed
	case err != nil:
		return nil, err
	case entry.Type != "file" || entry.Size > maxFile || !utf8.Valid(entry.Content):
		return nil, nil //nolint:nilnil // see the doc of Context
	}
	content := string(entry.Content)
	return &content, nil
}

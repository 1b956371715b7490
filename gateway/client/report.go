package client

import (
	"context"
	"net/http"
	"strconv"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// Executing reports that the agent has begun what was approved.
func (c *Client) Executing(ctx context.Context, namespace, name string) (wire.Reported, error) {
	return c.report(ctx, namespace, name, "executing", nil)
}

// Verify asks whether an approved request is still what was decided about; generation is the evaluationGeneration that
// the agent knows.
func (c *Client) Verify(ctx context.Context, namespace, name string, generation int64) (wire.Verified, error) {
	var out wire.Verified
	body := wire.Verification{ForGeneration: &generation}
	return out, c.call(ctx, http.MethodPost, requestPath(name, "verify"), inNamespace(namespace), body, &out)
}

// Heartbeat reports that the agent is still at it, so that nobody else gets the target.
func (c *Client) Heartbeat(ctx context.Context, namespace, name string) (wire.Reported, error) {
	return c.report(ctx, namespace, name, "heartbeat", nil)
}

// Completed reports that it succeeded.
func (c *Client) Completed(ctx context.Context, namespace, name string) (wire.Reported, error) {
	return c.report(ctx, namespace, name, "completed", nil)
}

// Failed reports that it failed, and why.
func (c *Client) Failed(ctx context.Context, namespace, name string, f wire.Failure) (wire.Reported, error) {
	return c.report(ctx, namespace, name, "failed", f)
}

func (c *Client) report(ctx context.Context, namespace, name, what string, body any) (wire.Reported, error) {
	var out wire.Reported
	return out, c.call(ctx, http.MethodPost, requestPath(name, what), inNamespace(namespace), body, &out)
}

// Result records what came out of a request that executes or is completed.
func (c *Client) Result(ctx context.Context, namespace, name string, r v1alpha1.Result) (wire.Recorded, error) {
	var out wire.Recorded
	return out, c.call(ctx, http.MethodPut, requestPath(name, "result"), inNamespace(namespace), r, &out)
}

// Grade gives a verdict about a request that was not executed.
func (c *Client) Grade(ctx context.Context, namespace, name string, v wire.Verdict) (wire.Reported, error) {
	var out wire.Reported
	return out, c.call(ctx, http.MethodPatch, requestPath(name, "verdict"), inNamespace(namespace), v, &out)
}

// AuditOptions choose audit records. The zero value means those of namespace default.
type AuditOptions struct {
	Namespace     string
	AllNamespaces bool
	// Request keeps the records of requests of this name; empty means all.
	Request string
	// Limit is how many of the newest are wanted; 0 means all.
	Limit int
}

// AuditRecords returns audit records, newest first.
func (c *Client) AuditRecords(ctx context.Context, o AuditOptions) ([]v1alpha1.AuditRecord, error) {
	q := ListOptions{Namespace: o.Namespace, AllNamespaces: o.AllNamespaces}.query()
	if o.Request != "" {
		q.Set("agentRequest", o.Request)
	}
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
		var page struct {
			Items []v1alpha1.AuditRecord `json:"items"`
		}
		err := c.call(ctx, http.MethodGet, "/audit-records", q, nil, &page)
		return page.Items, err
	}
	var out []v1alpha1.AuditRecord
	err := c.call(ctx, http.MethodGet, "/audit-records", q, nil, &out)
	return out, err
}

// Page returns at most limit requests, newest first, and what asks for the next ones: "" after the last. An empty after
// asks for the first.
func (c *Client) Page(ctx context.Context, o ListOptions, limit int, after string) (items []v1alpha1.AgentRequest, next string, err error) {
	q := o.query()
	q.Set("limit", strconv.Itoa(limit))
	if after != "" {
		q.Set("continue", after)
	}
	var out struct {
		Items    []v1alpha1.AgentRequest `json:"items"`
		Continue string                  `json:"continue"`
	}
	err = c.call(ctx, http.MethodGet, "/agent-requests", q, nil, &out)
	return out.Items, out.Continue, err
}

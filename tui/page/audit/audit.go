// Package audit is the page of the trail: who asked, decided and did what, when and why, newest first. The trail
// outlives the requests, so it also answers about those that are gone.
package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/browse"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Source has the trail. *client.Client satisfies it.
type Source interface {
	AuditRecords(ctx context.Context, o client.AuditOptions) ([]v1alpha1.AuditRecord, error)
}

// shown is how many records are read; every is how often.
const (
	shown = 2000
	every = 5 * time.Second
)

// New returns the page.
func New(look theme.Theme, source Source, do page.Do, zone *time.Location) *browse.Page {
	return browse.New(browse.Options{
		Title: "Audit trail", Look: look, Do: do, Every: every, Limit: shown, Empty: "nothing happened yet",
		Columns: []browse.Column{
			{Title: "TIME", Width: 8, From: 64}, {Title: "EVENT", Width: 20}, {Title: "WHO", Width: 16}, {Title: "REQUEST", Width: 26, From: 110},
			{Title: "WHAT", Path: true},
		},
		Load: func(ctx context.Context) ([]browse.Row, error) {
			records, err := source.AuditRecords(ctx, client.AuditOptions{AllNamespaces: true, Limit: shown})
			if err != nil {
				return nil, fmt.Errorf("read the trail: %w", err)
			}
			rows := make([]browse.Row, len(records))
			for i := range records {
				rows[i] = row(&records[i], zone)
			}
			return rows, nil
		},
	})
}

// who did what the record tells: the reviewer where there is one, the gateway where it decided by itself, else the agent.
func who(r *v1alpha1.AuditRecord) string {
	for _, k := range []string{v1alpha1.AuditApprovedBy, v1alpha1.AuditVerdictBy} {
		if by := r.Spec.Annotations[k]; by != "" {
			return by
		}
	}
	switch r.Spec.Event {
	case v1alpha1.AuditRequestApproved, v1alpha1.AuditRequestDenied, v1alpha1.AuditPolicyEvaluated:
		return "gateway"
	default:
		return r.Spec.AgentIdentity
	}
}

// words names an annotation as people do.
func words(annotation string) string {
	switch annotation {
	case v1alpha1.AuditApprovedBy, v1alpha1.AuditVerdictBy:
		return "decided by"
	case v1alpha1.AuditApprovalReason:
		return "reason given"
	default:
		return annotation
	}
}

func row(r *v1alpha1.AuditRecord, zone *time.Location) browse.Row {
	s := r.Spec
	level := page.Info
	if s.Event == v1alpha1.AuditRequestFailed || s.Event == v1alpha1.AuditLockExpired || s.Event == v1alpha1.AuditHeartbeatTimeout {
		level = page.Alert
	}
	detail := []browse.Line{
		{Title: string(s.Event)},
		{Name: "time", Value: s.Timestamp.In(zone).Format("2006-01-02 15:04:05 MST")},
		{Name: "who", Value: who(r)},
		{Name: "agent", Value: s.AgentIdentity},
		{Name: "request", Value: r.Namespace + "/" + s.AgentRequestRef},
		{Name: "action", Value: s.Action},
		{Name: "target", Value: s.TargetURI},
	}
	if t := s.PhaseTransition; t != nil {
		detail = append(detail, browse.Line{Name: "phase", Value: string(t.From) + " to " + string(t.To)})
	}
	if s.Reason != "" {
		detail = append(detail, browse.Line{Title: "THE AGENT'S REASON", Value: s.Reason})
	}
	if len(s.Annotations) > 0 {
		detail = append(detail, browse.Line{Title: "FURTHER"})
		keys := make([]string, 0, len(s.Annotations))
		for k := range s.Annotations {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			detail = append(detail, browse.Line{Name: words(k), Value: s.Annotations[k]})
		}
	}
	if len(s.PolicyEvaluations) > 0 {
		detail = append(detail, browse.Line{Title: "POLICIES"})
	}
	for _, p := range s.PolicyEvaluations {
		detail = append(detail, browse.Line{Name: p.PolicyName, Value: strings.TrimSpace(p.RuleName + ": " + p.Result + " " + p.Reason)})
	}
	if l := s.LockStatus; l != nil {
		detail = append(detail, browse.Line{Name: "lock", Value: l.Event + " " + l.LeaseName})
	}
	if s.Details != nil && len(s.Details.Raw) > 0 {
		detail = append(detail, browse.Line{Title: "DETAILS", Value: string(s.Details.Raw)})
	}
	return browse.Row{
		ID: string(r.UID), Level: level, Detail: detail,
		Cells: []string{s.Timestamp.In(zone).Format(time.TimeOnly), string(s.Event), who(r), s.AgentRequestRef, s.Action + " " + strings.TrimPrefix(s.TargetURI, "k8s://")},
	}
}

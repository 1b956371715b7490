package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// auditQuery is what audit records are asked for.
type auditQuery struct {
	// namespace is empty for all namespaces, request for those of all requests.
	namespace, request string
	paged              bool
	limit              int
	after              *v1alpha1.AuditRecord
}

// readAuditQuery reads the filters of GET /audit-records.
func readAuditQuery(r *http.Request) (auditQuery, error) {
	values := r.URL.Query()
	out := auditQuery{request: values.Get("agentRequest")}
	var after string
	var err error
	if out.namespace, err = readNamespaces(values); err != nil {
		return out, err
	}
	if out.limit, after, out.paged, err = readPage(values); err != nil || after == "" {
		return out, err
	}
	if out.after, err = readRecordCursor(after); err != nil {
		return out, badCursor()
	}
	return out, nil
}

// auditPage is the answer to GET /audit-records with limit or continue.
type auditPage struct {
	Items []v1alpha1.AuditRecord `json:"items"`
	// Continue asks for the next page; it is empty on the last.
	Continue string `json:"continue"`
}

// auditRecords answers GET /audit-records: an array, or a page when the caller asks for one. The newest come first.
// Agents see the records of their own requests.
func (s *Server) auditRecords(ctx context.Context, who caller, in auditQuery) (any, error) {
	found, err := s.recordsFound(ctx, in, func(r *v1alpha1.AuditRecord) bool {
		return (in.after == nil || store.CompareRecords(r, in.after) < 0) && mayReadRecord(who, r)
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	out := auditPage{Items: make([]v1alpha1.AuditRecord, 0, len(found))}
	for _, r := range found {
		if in.limit > 0 && len(out.Items) == in.limit {
			out.Continue = recordCursor(&out.Items[in.limit-1])
			break
		}
		record := *r
		record.APIVersion, record.Kind = v1alpha1.GroupVersion().String(), "AuditRecord"
		out.Items = append(out.Items, record)
	}
	if in.paged {
		return out, nil
	}
	return out.Items, nil
}

// recordsFound returns the records of a query, one more than its page has, if there are.
func (s *Server) recordsFound(ctx context.Context, in auditQuery, match func(*v1alpha1.AuditRecord) bool) ([]*v1alpha1.AuditRecord, error) {
	if in.request != "" {
		return s.store.RecordsOf(ctx, in.namespace, in.request, match)
	}
	return s.store.Records(ctx, in.namespace, oneMore(in.limit), match)
}

func mayReadRecord(who caller, r *v1alpha1.AuditRecord) bool {
	return who.Roles.Has(authz.RoleReviewer) || who.Roles.Has(authz.RoleAdmin) ||
		who.Roles.Has(authz.RoleAgent) && slices.Contains(who.Agents, r.Spec.AgentIdentity)
}

// recordPlace is where a record stands in the order of all records.
type recordPlace struct {
	At        time.Time           `json:"at"`
	Namespace string              `json:"namespace"`
	Name      string              `json:"name"`
	Request   string              `json:"request"`
	Event     v1alpha1.AuditEvent `json:"event"`
}

// recordCursor returns the place of a record as clients hand it back.
func recordCursor(r *v1alpha1.AuditRecord) string {
	text, _ := json.Marshal(recordPlace{r.Spec.Timestamp.UTC(), r.Namespace, r.Name, r.Spec.AgentRequestRef, r.Spec.Event}) // strings and a time
	return base64.RawURLEncoding.EncodeToString(text)
}

func readRecordCursor(text string) (*v1alpha1.AuditRecord, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("decode cursor: %w", err)
	}
	var place recordPlace
	if err := json.Unmarshal(raw, &place); err != nil {
		return nil, fmt.Errorf("decode cursor: %w", err)
	}
	return &v1alpha1.AuditRecord{
		ObjectMeta: metav1.ObjectMeta{Namespace: place.Namespace, Name: place.Name},
		Spec: v1alpha1.AuditRecordSpec{
			Timestamp: metav1.NewTime(place.At), AgentRequestRef: place.Request, Event: place.Event,
		},
	}, nil
}

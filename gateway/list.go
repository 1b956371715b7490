package gateway

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// query is what a list or a stream of requests is asked for.
type query struct {
	// namespace is empty for all namespaces.
	namespace string
	phases    []v1alpha1.Phase
	// The rest are label values; empty ones match everything.
	agent, correlation, classification string

	// paged says that the answer has pages of limit requests; after is where the last page ended.
	paged bool
	limit int
	after *cursor
}

// readQuery reads the filters of GET /agent-requests.
func readQuery(r *http.Request) (query, error) {
	values := r.URL.Query()
	out := query{
		agent:          store.LabelValue(values.Get("agentIdentity")),
		correlation:    store.LabelValue(values.Get("correlationID")),
		classification: store.LabelValue(values.Get("classification")),
	}
	var err error
	if out.namespace, err = readNamespaces(values); err != nil {
		return out, err
	}
	if out.phases, err = readPhases(values.Get("phase")); err != nil {
		return out, err
	}
	return out, out.readPage(values)
}

// readNamespaces reads the namespace that a list is about; it is empty for all namespaces.
func readNamespaces(values url.Values) (string, error) {
	namespace := cmp.Or(values.Get("namespace"), defaultNamespace)
	if err := checkNamespace(namespace); err != nil {
		return "", err
	}
	all, err := readBool(values, "allNamespaces")
	if all {
		namespace = ""
	}
	return namespace, err
}

func readBool(values url.Values, name string) (bool, error) {
	text := values.Get(name)
	if text == "" {
		return false, nil
	}
	out, err := strconv.ParseBool(text)
	if err != nil {
		return false, refuse(http.StatusBadRequest, "invalid %s %q: must be true or false", name, text)
	}
	return out, nil
}

func readPhases(list string) ([]v1alpha1.Phase, error) {
	var out []v1alpha1.Phase
	for text := range strings.SplitSeq(list, ",") {
		phase := v1alpha1.Phase(strings.TrimSpace(text))
		switch {
		case phase == "":
		case slices.Contains(v1alpha1.Phases(), phase):
			out = append(out, phase)
		default:
			return nil, refuse(http.StatusBadRequest, "invalid phase %q: must be one of %s", phase, joined(v1alpha1.Phases()))
		}
	}
	return out, nil
}

func joined(list []v1alpha1.Phase) string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = string(p)
	}
	return strings.Join(texts, ", ")
}

func (q *query) readPage(values url.Values) error {
	var after string
	var err error
	if q.limit, after, q.paged, err = readPage(values); err != nil || after == "" {
		return err
	}
	if q.after, err = readCursor(after); err != nil {
		return badCursor()
	}
	return nil
}

// readPage reads limit, 0 for none, and continue. An answer has pages when one of them is given.
func readPage(values url.Values) (limit int, after string, paged bool, err error) {
	text, after := values.Get("limit"), values.Get("continue")
	if text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			return 0, "", false, refuse(http.StatusBadRequest, "invalid limit: must be a positive integer")
		}
	}
	return limit, after, text != "" || after != "", nil
}

func badCursor() error {
	return refuse(http.StatusBadRequest, "invalid continue: it must be the value of an earlier answer")
}

// matches reports whether a request passes the filters.
func (q *query) matches(r *v1alpha1.AgentRequest) bool {
	return (q.namespace == "" || q.namespace == r.Namespace) &&
		(len(q.phases) == 0 || slices.Contains(q.phases, r.Status.Phase)) &&
		(q.agent == "" || q.agent == store.LabelValue(r.Spec.AgentIdentity)) &&
		(q.correlation == "" || q.correlation == r.Labels[v1alpha1.LabelCorrelationID]) &&
		(q.classification == "" || q.classification == r.Labels[v1alpha1.LabelClassification])
}

// visible returns the test whether a request passes the filters and the caller may read it.
func (q *query) visible(who caller) func(*v1alpha1.AgentRequest) bool {
	return func(r *v1alpha1.AgentRequest) bool {
		return q.matches(r) && authz.MayRead(who.Subject, who.Agents, who.Roles, r).Allowed
	}
}

// page is the answer to a list with limit or continue.
type page struct {
	Items []v1alpha1.AgentRequest `json:"items"`
	// Continue asks for the next page; it is empty on the last.
	Continue string `json:"continue"`
}

// list answers GET /agent-requests: an array, or a page when the caller asks for one. The newest come first.
func (s *Server) list(ctx context.Context, who caller, in query) (any, error) {
	visible := in.visible(who)
	found, err := s.store.Newest(ctx, in.namespace, oneMore(in.limit), func(r *v1alpha1.AgentRequest) bool {
		return (in.after == nil || in.after.before(r)) && visible(r)
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	out := page{Items: make([]v1alpha1.AgentRequest, 0, len(found))}
	for _, r := range found {
		if in.limit > 0 && len(out.Items) == in.limit {
			out.Continue = cursorAt(&out.Items[in.limit-1]).String()
			break
		}
		out.Items = append(out.Items, withKind(r))
	}
	if in.paged {
		return out, nil
	}
	return out.Items, nil
}

// oneMore returns how many objects to look for to see whether any come after a page; 0 stays no limit.
func oneMore(limit int) int {
	if limit == 0 || limit == math.MaxInt {
		return 0
	}
	return limit + 1
}

// withKind returns r with the kind and version that objects of a cache go without.
func withKind(r *v1alpha1.AgentRequest) v1alpha1.AgentRequest {
	out := *r
	out.APIVersion, out.Kind = v1alpha1.GroupVersion().String(), "AgentRequest"
	return out
}

// cursor is a place in the order of a list. Requests that were made or removed meanwhile do not move it.
type cursor struct {
	created time.Time
	name    string // namespace/name
}

func cursorAt(r *v1alpha1.AgentRequest) *cursor {
	return &cursor{created: r.CreationTimestamp.Time, name: r.Namespace + "/" + r.Name}
}

// before reports whether r comes after the cursor.
func (c *cursor) before(r *v1alpha1.AgentRequest) bool {
	if order := c.created.Compare(r.CreationTimestamp.Time); order != 0 {
		return order > 0
	}
	return c.name < r.Namespace+"/"+r.Name
}

// String returns the cursor as clients hand it back.
func (c *cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", c.created.Unix(), c.name))
}

func readCursor(text string) (*cursor, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("decode cursor: %w", err)
	}
	created, name, _ := strings.Cut(string(raw), " ")
	seconds, err := strconv.ParseInt(created, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("decode cursor: %w", err)
	}
	return &cursor{created: time.Unix(seconds, 0), name: name}, nil
}

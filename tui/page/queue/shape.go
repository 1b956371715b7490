package queue

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/record"
)

// shape is a form in which a request is shown.
type shape int

const (
	asRecord shape = iota
	asYAML
	asJSON
	// asDifference shows what differs from another request: the one that is marked, if one other is, else the one that the same
	// agent made before.
	asDifference
	shapes
)

// shaped writes a request in another form than the record.
func (q *Queue) shaped(item feed.Item, e edition) []string {
	if e.shape == asDifference {
		return q.difference(item, e.width)
	}
	title, write := "YAML", record.YAML
	if e.shape == asJSON {
		title, write = "JSON", record.JSON
	}
	body, err := write(item.AgentRequest)
	if err != nil {
		body = err.Error()
	}
	lines := []string{q.Look.Title.Render(text.Cut(fmt.Sprintf("%s  %d bytes, %s goes on", title, len(body), shown(q.keys.shape)), e.width, q.Look.Cut))}
	for _, l := range safetext.Block(body) {
		if q.Look.ASCII {
			l = safetext.ASCII(l)
		}
		lines = append(lines, text.Wrap(l, e.width)...)
	}
	return lines
}

// difference compares a request with the other.
func (q *Queue) difference(item feed.Item, width int) []string {
	other, which := q.other(item)
	if other == nil {
		return []string{q.Look.Title.Render("DIFFERENCE"), "", "  this agent asked for nothing before"}
	}
	lines := []string{q.Look.Title.Render(text.Cut("DIFFERENCE to "+which+": "+safetext.ID(other.Name), width, q.Look.Cut))}
	changes := record.Differences(other, item.AgentRequest)
	if len(changes) == 0 {
		return append(lines, "", "  none: it asks for the same")
	}
	return append(lines, record.ChangeLines(changes, q.Look, width, 0)...)
}

// other returns the request with which one is compared, nil when there is none, and which that is.
func (q *Queue) other(item feed.Item) (r *v1alpha1.AgentRequest, which string) {
	if marked := q.theOtherMark(); marked != "" {
		return q.marks[marked].AgentRequest, "the marked one"
	}
	return q.before(item), "the one before"
}

// theOtherMark is the one marked request that is not under the cursor; empty when there is none, or more than one.
func (q *Queue) theOtherMark() types.UID {
	var one types.UID
	for key := range q.marks {
		switch {
		case key == q.cursor.key:
		case one != "":
			return ""
		default:
			one = key
		}
	}
	return one
}

// before returns the newest request of the same agent that is older than item, one of the same action if there is any, or nil.
func (q *Queue) before(item feed.Item) *v1alpha1.AgentRequest {
	var last *v1alpha1.AgentRequest
	for at := len(q.snapshot.Items) - 1; at >= 0; at-- {
		other := q.snapshot.Items[at]
		if feed.Compare(other, item) >= 0 || other.Spec.AgentIdentity != item.Spec.AgentIdentity {
			continue
		}
		if other.Spec.Action == item.Spec.Action {
			return other.AgentRequest
		}
		if last == nil {
			last = other.AgentRequest
		}
	}
	return last
}

package queue

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/part/pager"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/record"
)

// preview shows the whole request under the cursor.
type preview struct {
	pager pager.Pager
	// shown is what the lines of the pager were made of.
	shown edition
	// read holds, for each request whose record was shown to its end, the version that was.
	read map[types.UID]*v1alpha1.AgentRequest
	// left are the decided requests that were decided from here or read.
	left map[types.UID]*departed
	// shape is the form in which the request is shown.
	shape shape
}

// edition is one version of a request, written for one width and time zone.
type edition struct {
	key     types.UID
	version string
	width   int
	zone    *time.Location
	rivals  string
	shape   shape
	rules   int
	look    int
	gone    bool
	// marked is the request to which a difference is shown, if it is a marked one.
	marked types.UID
}

// rivals are the other requests about the target of the one under the cursor that are not over.
type rivals struct {
	of       types.UID
	revision uint64
	list     []*v1alpha1.AgentRequest
	// words tell one list from another.
	words string
}

// findRivals looks for them, when the cursor or the requests changed.
func (q *Queue) findRivals() {
	if q.rivals.of == q.cursor.key && q.rivals.revision == q.snapshot.Revision {
		return
	}
	q.rivals = rivals{of: q.cursor.key, revision: q.snapshot.Revision}
	var words strings.Builder
	for _, item := range q.snapshot.Items {
		if record.Rival(q.cursor.item.AgentRequest, item.AgentRequest) {
			q.rivals.list = append(q.rivals.list, item.AgentRequest)
			words.WriteString(item.Name + string(item.Status.Phase) + " ")
		}
	}
	q.rivals.words = words.String()
}

// display brings the preview up to date with the cursor. The lines are made when something changed, not when they are
// drawn.
func (q *Queue) display() {
	if q.cursor.key == "" {
		q.preview.pager.SetLines(nil)
		q.preview.shown = edition{}
		return
	}
	item := q.cursor.item
	q.findRivals()
	want := edition{
		key: q.cursor.key, version: item.ResourceVersion, width: q.layout.textWidth, zone: q.now.Location(), rivals: q.rivals.words,
		shape: q.preview.shape, rules: q.rules.revision, gone: q.cursor.gone,
	}
	last, seen := q.sightOf(item)
	if seen {
		want.look = last.number
	}
	if want.shape == asDifference {
		want.marked = q.theOtherMark()
	}
	if want == q.preview.shown {
		return
	}
	if want.key != q.preview.shown.key || want.shape != q.preview.shown.shape {
		q.preview.pager.Home()
	}
	if want.shape != asRecord {
		q.preview.pager.SetLines(q.shaped(item, want))
		q.preview.shown = want
		return
	}
	options := record.Options{
		Look: q.Look, Zone: want.zone, Width: want.width, Ends: q.Limits.Of(item.AgentRequest), Rivals: q.rivals.list,
		Why: record.Explain(item.AgentRequest, q.rules.policies),
	}
	if seen {
		options.Live = &last.Live
	}
	lines := record.Lines(item.AgentRequest, options)
	q.preview.pager.SetLines(append(q.sinceRead(item, want.width), lines...))
	q.preview.shown = want
}

// sinceRead says above the record of a request that it was deleted, or what changed since it was read to its end.
func (q *Queue) sinceRead(item feed.Item, width int) []string {
	if q.cursor.gone {
		return []string{q.Look.Soon.Render(text.Cut("DELETED, this is what it was", width, q.Look.Cut)), ""}
	}
	read, ok := q.preview.read[item.Key()]
	if !ok || read.ResourceVersion == item.ResourceVersion {
		return nil
	}
	changes := record.Changes(read, item.AgentRequest)
	if len(changes) == 0 {
		return nil
	}
	lines := []string{q.Look.Soon.Render(text.Cut("CHANGED SINCE YOU READ IT", width, q.Look.Cut))}
	return append(append(lines, record.ChangeLines(changes, q.Look, width, 0)...), "")
}

// noteRead remembers that the end of the record is on the screen. It is called when a key comes, because only then the
// page surely was on the screen before.
func (q *Queue) noteRead() {
	if q.cursor.key != "" && q.preview.shape == asRecord && q.preview.pager.AtEnd() && q.cursor.key == q.preview.shown.key {
		q.preview.read[q.cursor.key] = q.cursor.item.AgentRequest
		if _, decided := q.preview.left[q.cursor.key]; decided || q.cursor.item.Spec.HumanApproval != nil {
			q.preview.left[q.cursor.key] = depart(q.cursor.item, q.cursor.item.Status.Phase)
		}
	}
}

// wholeWasShown reports whether the end of this version of item is or was on the screen.
func (q *Queue) wholeWasShown(item feed.Item) bool {
	p := q.preview
	if p.shape == asRecord && p.pager.AtEnd() && p.shown.key == item.Key() && p.shown.version == item.ResourceVersion {
		return true
	}
	read, ok := p.read[item.Key()]
	return ok && read.ResourceVersion == item.ResourceVersion
}

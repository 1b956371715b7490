package journal

import (
	"cmp"
	"slices"
	"time"
)

// Statistics is how one reviewer decided. The counts are of decisions made by hand, but for ByGrant.
type Statistics struct {
	Reviewer string `json:"reviewer"`
	// Decisions counts all that were sent, whatever became of them; Approved, Denied and Graded those that the gateway took.
	Decisions int `json:"decisions"`
	Approved  int `json:"approved"`
	Denied    int `json:"denied"`
	Graded    int `json:"graded"`
	// Lost counts those before which somebody else decided, Late those whose request had ended by itself before they came.
	Lost int `json:"lost"`
	Late int `json:"late"`
	// Unread counts the approvals of requests that had not been shown to their end, InUse those of targets with live
	// endpoints.
	Unread int `json:"unread"`
	InUse  int `json:"inUse"`
	// ByGrant counts what grants decided in the reviewer's name.
	ByGrant int `json:"byGrant"`
	// Median and Slow are the times in seconds from the request to its approval or denial that half of them, and nine in
	// ten, did not exceed; 0 where there are none.
	Median float64 `json:"medianSeconds"`
	Slow   float64 `json:"p90Seconds"`

	took []time.Duration
}

// StatisticsOf counts decisions by reviewer, in the order of their names.
func StatisticsOf(records []Record) []Statistics {
	all := map[string]*Statistics{}
	for i := range records {
		r := &records[i]
		s, known := all[r.By]
		if !known {
			s = &Statistics{Reviewer: r.By}
			all[r.By] = s
		}
		s.count(r)
	}
	out := make([]Statistics, 0, len(all))
	for _, s := range all {
		slices.Sort(s.took)
		s.Median, s.Slow = rank(s.took, 50), rank(s.took, 90)
		s.took = nil
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Statistics) int { return cmp.Compare(a.Reviewer, b.Reviewer) })
	return out
}

// count adds one decision.
func (s *Statistics) count(r *Record) {
	if r.Grant != "" {
		s.ByGrant++
		return
	}
	s.Decisions++
	switch r.Result {
	case Confirmed, Stored:
		s.taken(r)
	case Lost:
		s.Lost++
	case Refused:
		if over(r.Phase) {
			s.Late++
		}
	}
}

// taken counts a decision that the gateway took, and how long after the request it was, where that is known.
func (s *Statistics) taken(r *Record) {
	switch r.Verb {
	case Grade:
		s.Graded++
		return
	case Deny:
		s.Denied++
	default:
		s.Approved++
		if r.Seen != SeenFull {
			s.Unread++
		}
		if r.LiveEndpoints {
			s.InUse++
		}
	}
	if r.Asked != nil {
		s.took = append(s.took, max(r.At.Sub(*r.Asked), 0))
	}
}

// over reports whether a request in a phase does not wait for a reviewer any more; it does as far as nothing is known.
func over(phase string) bool {
	return !slices.Contains([]string{"", "Pending", "AwaitingVerdict"}, phase)
}

// rank returns the value, in seconds, that percent of the sorted values do not exceed (nearest rank).
func rank(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1].Seconds()
}

package check

import (
	"time"
)

// ReportVersion is the version of the format of Report; docs/doctor.schema.json describes it.
const ReportVersion = 2

// Report is all that a run of checks found, as programs read it.
type Report struct {
	Version     int       `json:"v"`
	Program     string    `json:"program"`
	At          time.Time `json:"at"`
	Environment string    `json:"environment"`
	// Cluster is where the environment lives; empty when there is none.
	Cluster string `json:"cluster"`
	// Seconds is how long all took.
	Seconds float64  `json:"seconds"`
	Counts  Counts   `json:"counts"`
	Checks  []Result `json:"checks"`
	// Worst is the most relevant failure; absent when nothing failed.
	Worst *Result `json:"worst,omitempty"`
}

// Counts are the numbers of each verdict.
type Counts struct {
	Pass int `json:"pass"`
	Warn int `json:"warn"`
	Fail int `json:"fail"`
	Skip int `json:"skip"`
}

// Summarize fills in what follows from the results.
func (r *Report) Summarize() {
	r.Version, r.Counts, r.Worst = ReportVersion, Counts{}, nil
	if r.Checks == nil {
		r.Checks = []Result{}
	}
	for i := range r.Checks {
		switch c := &r.Checks[i]; {
		case c.Bad():
			r.Counts.Fail++
		case c.Verdict == Warn:
			r.Counts.Warn++
		case c.Verdict == Skip:
			r.Counts.Skip++
		default:
			r.Counts.Pass++
		}
	}
	r.Worst = Worst(r.Checks)
}

// Failures returns the checks that failed, in order.
func (r *Report) Failures() []Result {
	var out []Result
	for _, c := range r.Checks {
		if c.Bad() {
			out = append(out, c)
		}
	}
	return out
}

// Worst returns the failure that explains most: the one because of which most other checks were not asked, the first of
// them when several explain as much. It is nil when nothing failed.
func Worst(results []Result) *Result {
	explains := map[string]int{}
	for _, r := range results {
		for _, id := range r.Because {
			explains[id]++
		}
	}
	var worst *Result
	for i := range results {
		if r := &results[i]; r.Bad() && (worst == nil || explains[r.ID] > explains[worst.ID]) {
			worst = r
		}
	}
	if worst == nil {
		return nil
	}
	found := *worst
	return &found
}

package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // time zones must not depend on what the image or the machine has

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// timeWindow is the config of a TimeWindow rule, which applies only at certain times:
//
//	config: {timezone: Europe/Berlin, days: [Mon, Tue, Wed, Thu, Fri], start: "09:00", end: "17:00", match: outside}
//
// All fields may be left out: timezone is UTC, days are all, start is 00:00, end is 24:00. A window whose end is not
// after its start ends on the next day; days then name the day on which it starts. With match inside (the default) the
// rule applies within the window, with match outside at all other times.
type timeWindow struct {
	Timezone string   `json:"timezone"`
	Days     []string `json:"days"`
	Start    string   `json:"start"`
	End      string   `json:"end"`
	Match    string   `json:"match"`

	zone       *time.Location
	days       [7]bool
	start, end time.Duration
}

const (
	day         = 24 * time.Hour
	matchIn     = "inside"
	matchOut    = "outside"
	dayNames    = "Sun Mon Tue Wed Thu Fri Sat"
	dayNameSize = 4
)

// readTimeWindow reads the config of a TimeWindow. Without one it returns nil: the rule applies at all times.
func readTimeWindow(config *apiextensionsv1.JSON) (*timeWindow, error) {
	if config == nil {
		return nil, nil //nolint:nilnil // no config is no window
	}
	w := &timeWindow{Timezone: "UTC", Start: "00:00", End: "24:00", Match: matchIn}
	if err := decodeStrictly(config, w); err != nil {
		return nil, err
	}
	if err := w.readDays(); err != nil {
		return nil, err
	}
	var err error
	if w.zone, err = time.LoadLocation(w.Timezone); err != nil || w.Timezone == "Local" {
		return nil, fmt.Errorf("config.timezone is %q, expected a name such as UTC or Europe/Berlin", w.Timezone)
	}
	if w.start, err = clock("start", w.Start); err != nil {
		return nil, err
	}
	if w.end, err = clock("end", w.End); err != nil {
		return nil, err
	}
	if w.Match != matchIn && w.Match != matchOut {
		return nil, fmt.Errorf("config.match is %q, expected %s or %s", w.Match, matchIn, matchOut)
	}
	return w, nil
}

func (w *timeWindow) readDays() error {
	for _, name := range w.Days {
		at := strings.Index(dayNames, name)
		if len(name) != dayNameSize-1 || at < 0 || at%dayNameSize != 0 {
			return fmt.Errorf("config.days has %q, expected some of %s", name, dayNames)
		}
		w.days[at/dayNameSize] = true
	}
	if len(w.Days) == 0 {
		w.days = [7]bool{true, true, true, true, true, true, true}
	}
	return nil
}

// clock reads a time of day, 00:00 to 24:00.
func clock(field, text string) (time.Duration, error) {
	if text == "24:00" {
		return day, nil
	}
	at, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("config.%s is %q, expected a time such as 09:00", field, text)
	}
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute, nil
}

// applies reports whether the rule applies at a time. It goes by the clock on the wall: on days that change to or from
// summer time the window is longer or shorter.
func (w *timeWindow) applies(at time.Time) bool {
	at = at.In(w.zone)
	since := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute + time.Duration(at.Second())*time.Second
	today, yesterday := w.days[at.Weekday()], w.days[(at.Weekday()+6)%7]
	inside := today && since >= w.start && since < w.end
	if w.end <= w.start {
		inside = today && since >= w.start || yesterday && since < w.end
	}
	return inside == (w.Match == matchIn)
}

// rateLimit is the config of a RateLimit rule, which applies once as many requests came before within a time:
//
//	config: {limit: 3, windowSeconds: 3600, scope: [agent, action]}
//
// The requests of one scope are counted together: those of the same agent, action and target as far as scope names them.
// Without scope it is the agent; an empty list counts all requests. Requests that a rate limit denied do not count.
type rateLimit struct {
	Limit         int       `json:"limit"`
	WindowSeconds int       `json:"windowSeconds"`
	Scope         *[]string `json:"scope"`
}

// maxWindow is the longest window of a rate limit, in seconds: a week.
const maxWindow = 7 * 24 * 3600

// readRateLimit reads the config of a RateLimit. Without one it returns nil: the expression alone decides.
func readRateLimit(config *apiextensionsv1.JSON) (*rateLimit, error) {
	if config == nil {
		return nil, nil //nolint:nilnil // no config is no limit
	}
	r := &rateLimit{Limit: -1}
	if err := decodeStrictly(config, r); err != nil {
		return nil, err
	}
	if r.Limit < 0 {
		return nil, errors.New("config.limit is missing or negative, expected how many requests may come before")
	}
	if r.WindowSeconds < 1 || r.WindowSeconds > maxWindow {
		return nil, fmt.Errorf("config.windowSeconds is %d, expected 1 to %d", r.WindowSeconds, maxWindow)
	}
	if r.Scope == nil {
		r.Scope = &[]string{scopeAgent}
	}
	for _, name := range *r.Scope {
		if name != scopeAgent && name != scopeAction && name != scopeTarget {
			return nil, fmt.Errorf("config.scope has %q, expected some of %s, %s, %s", name, scopeAgent, scopeAction, scopeTarget)
		}
	}
	return r, nil
}

const (
	scopeAgent  = "agent"
	scopeAction = "action"
	scopeTarget = "target"
)

// decodeStrictly decodes a config and refuses fields that it does not have.
func decodeStrictly(config *apiextensionsv1.JSON, to any) error {
	decoder := json.NewDecoder(bytes.NewReader(config.Raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(to); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return nil
}

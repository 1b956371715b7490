package plain

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/decide"
	"github.com/aip-dev/aip-dev/internal/journal"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/filter"
	"github.com/aip-dev/aip-dev/tui/record"
)

// lineWidth is where the record is wrapped.
const lineWidth = 100

// take reads the number of a request from the beginning of rest.
func (d *desk) take(rest string) (r *v1alpha1.AgentRequest, more string, ok bool) {
	word, more, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > len(d.rows) {
		d.say("Say a number of the last list, from 1 to %d.", len(d.rows))
		return nil, "", false
	}
	return &d.rows[n-1], strings.TrimSpace(more), true
}

// fresh returns the newest version of a request; nil, after it said so, when it is gone.
func (d *desk) fresh(ctx context.Context, r *v1alpha1.AgentRequest) *v1alpha1.AgentRequest {
	r, _ = d.freshAmong(ctx, r)
	return r
}

// freshAmong returns the newest version of a request, or nil as fresh does, and all requests.
func (d *desk) freshAmong(ctx context.Context, r *v1alpha1.AgentRequest) (*v1alpha1.AgentRequest, []v1alpha1.AgentRequest) {
	all, err := d.Gateway.List(ctx, client.ListOptions{AllNamespaces: true})
	if err != nil {
		d.failed("read "+safetext.ID(r.Name), err)
		return nil, nil
	}
	at := slices.IndexFunc(all, func(other v1alpha1.AgentRequest) bool { return other.UID == r.UID })
	if at < 0 {
		d.say("%s was deleted.", safetext.ID(r.Name))
		return nil, nil
	}
	return &all[at], all
}

func (d *desk) show(ctx context.Context, rest string) {
	r, _, ok := d.take(rest)
	if !ok {
		return
	}
	r, all := d.freshAmong(ctx, r)
	if r == nil {
		return
	}
	o := record.Options{Look: d.look, Zone: d.Now().Location(), Width: lineWidth, Ends: limits().Of(r)}
	for i := range all {
		if record.Rival(r, &all[i]) {
			o.Rivals = append(o.Rivals, &all[i])
		}
	}
	if d.Policies != nil {
		if all, err := d.Policies(ctx); err == nil {
			o.Why = record.Explain(r, all)
		}
	}
	for _, l := range record.Lines(r, o) {
		d.print(strings.TrimRight(l, " ") + "\n")
	}
	d.say("That is all of %s.", safetext.ID(r.Name))
	d.shown[r.UID] = r
}

func (d *desk) next(ctx context.Context, _ string) {
	d.list(ctx, "is:waiting")
	for i := range d.rows {
		if d.shown[d.rows[i].UID] == nil {
			d.show(ctx, strconv.Itoa(i+1))
			return
		}
	}
	d.say("There is nothing that you have not seen.")
}

func (d *desk) approve(ctx context.Context, rest string)       { d.decideEach(ctx, rest, true, false) }
func (d *desk) approveUnread(ctx context.Context, rest string) { d.decideEach(ctx, rest, true, true) }
func (d *desk) deny(ctx context.Context, rest string)          { d.decideEach(ctx, rest, false, true) }

// decide sends a decision about the version that was shown or, where none was, the one of the last list. It reports whether
// the gateway took it.
func (d *desk) decide(ctx context.Context, r *v1alpha1.AgentRequest, reason string, approve, unread bool) bool {
	read := d.shown[r.UID]
	if read == nil {
		read = r
	}
	if why := d.refusal(read, reason, approve, unread); why != "" {
		d.say("Not sent: %s.", why)
		return false
	}
	now := d.fresh(ctx, read)
	if now == nil {
		return false
	}
	if now.ResourceVersion != read.ResourceVersion {
		d.say("Not sent: this request is not what you read. Since you read it:")
		for _, l := range record.ChangeLines(record.Changes(read, now), d.look, lineWidth, 0) {
			d.print(strings.TrimRight(l, " ") + "\n")
		}
		d.say("Show it again, then decide.")
		return false
	}
	if approve && d.changedSince(ctx, read, reason) {
		return false
	}
	verb, did := journal.Deny, "Denied"
	if approve {
		verb, did = journal.Approve, "Approved"
	}
	out := d.order(verb, read)
	out.Review = wire.Review{Reason: reason, ResourceVersion: read.ResourceVersion}
	return d.send(ctx, out, did)
}

// order is a decision about the version of a request that was shown or, where none was, the one of the last list.
func (d *desk) order(verb string, read *v1alpha1.AgentRequest) decide.Order {
	o := decide.Order{Changed: d.told[read.UID], Verb: verb, By: d.who.Identity, Request: read, Seen: journal.SeenPartial, Shown: record.Digest(read)}
	if d.shown[read.UID] == read {
		o.Seen = journal.SeenFull
	}
	return o
}

// send sends a decision, says what became of it, and reports whether the gateway took it.
func (d *desk) send(ctx context.Context, o decide.Order, did string) bool {
	a := d.out.Send(ctx, o)
	switch h := a.State.HumanApproval; {
	case a.Err != nil && h != nil:
		d.say("Not sent: already %s by %s. You lost the race.", safetext.ID(h.Decision), safetext.ID(h.ApprovedBy))
	case a.Err != nil:
		d.failed(strings.ToLower(did), a.Err)
	case a.Instead() != "":
		d.say("%s by you, but the phase is %s: %s.", did, safetext.ID(string(a.Phase)), strings.TrimSuffix(safetext.Line(a.Instead()), "."))
	default:
		d.say("%s by you, phase %s.", did, safetext.ID(string(a.Phase)))
	}
	if a.Unkept != nil {
		d.failed("write down in the journal what became of it", a.Unkept)
	}
	return a.Err == nil
}

// refusal says why a decision is not even sent; it is empty when it is.
func (d *desk) refusal(r *v1alpha1.AgentRequest, reason string, approve, unread bool) string {
	switch why := d.decidable(r); {
	case why != "":
		return why
	case approve && !unread && d.shown[r.UID] == nil:
		return "it was not shown, say show first or approve-unread"
	default:
		return reasonNeeded(r, reason, approve)
	}
}

// decidable says why a request cannot be decided whatever is said about it; it is empty when it can.
func (d *desk) decidable(r *v1alpha1.AgentRequest) string {
	switch {
	case d.ReadOnly:
		return "read-only"
	case !slices.Contains(d.who.Roles, "reviewer") && d.who.Role != "reviewer":
		return "role " + safetext.ID(d.who.Role) + " may not, reviewer may"
	case !filter.Waits(r):
		return "it does not wait for a decision"
	case d.own(r):
		return "own request, use another reviewer"
	default:
		return ""
	}
}

// own reports whether the reviewer asked for r.
func (d *desk) own(r *v1alpha1.AgentRequest) bool {
	return r.Spec.AgentIdentity == d.who.Identity || r.Annotations[v1alpha1.AnnotationSubmittedBy] == d.who.Identity
}

// reasonNeeded says why a decision needs a reason that is not there.
func reasonNeeded(r *v1alpha1.AgentRequest, reason string, approve bool) string {
	v := r.Status.ControlPlaneVerification
	switch {
	case !approve && reason == "":
		return "a reason is needed, the agent reads it"
	case approve && reason == "" && v != nil && v.HasActiveEndpoints:
		return "a reason is needed, it has live endpoints"
	default:
		return ""
	}
}

func (d *desk) grade(ctx context.Context, rest string) {
	r, more, ok := d.take(rest)
	if !ok {
		return
	}
	if d.ReadOnly {
		d.say("Not sent: read-only.")
		return
	}
	words := strings.Fields(more)
	v := wire.Verdict{}
	if len(words) > 0 {
		v.Verdict = words[0]
		words = words[1:]
	}
	if v.Verdict != v1alpha1.VerdictCorrect && len(words) > 0 {
		v.ReasonCode = words[0]
		words = words[1:]
	}
	v.Note = strings.Join(words, " ")
	if read := d.shown[r.UID]; read != nil {
		r = read
	}
	out := d.order(journal.Grade, r)
	out.Verdict = v
	d.send(ctx, out, "Graded "+safetext.ID(v.Verdict))
}

func (d *desk) whoami(ctx context.Context, _ string) {
	who, err := d.Gateway.Whoami(ctx)
	if err != nil {
		d.failed("ask", err)
		return
	}
	d.who = who
	d.say("You are %s (%s).", safetext.ID(who.Identity), safetext.ID(who.Role))
}

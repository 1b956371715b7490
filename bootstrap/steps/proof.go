package steps

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
)

// proof sends a request the whole way, so that `up` never reports success on hope.
type proof struct {
	env  bootstrap.Environment
	deps Deps
}

func (proof) Name() string { return "proof" }

// digest names what a proof holds for: the parts of the facts and of the description that could break the way.
func (p proof) digest(facts bootstrap.Facts) (string, error) {
	// Times stay out; everything else that a token, the gateway and a decision meet is in.
	data, err := json.Marshal([]any{facts.Cluster, facts.Identity, facts.Gateway, p.env.Audience, p.env.SamplePolicies})
	if err != nil {
		return "", fmt.Errorf("encode what is proven: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// Observe asks the gateway who each client is. That and an unchanged digest is proof enough that the way still holds,
// without a write.
func (p proof) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	digest, err := p.digest(facts)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if facts.Proof.Of != digest {
		return bootstrap.Observation{State: bootstrap.Absent, Facts: facts}, nil
	}
	clients := p.env.Clients
	if facts.Identity.External {
		told, _ := provable(facts)
		clients = slices.DeleteFunc(slices.Clone(clients), func(c bootstrap.Client) bool {
			return !slices.ContainsFunc(told, func(f bootstrap.ClientFacts) bool { return f.ID == c.ID })
		})
	}
	if facts.Identity.External && (len(clients) == 0 || facts.Proof.Unminted) {
		if err := p.deps.Reach(ctx, facts); err != nil {
			return bootstrap.Observation{State: bootstrap.Differs, Detail: err.Error(), Facts: facts}, nil //nolint:nilerr // the proof will tell
		}
	}
	if facts.Proof.Unminted {
		clients = nil
	}
	for _, c := range clients {
		role, err := p.deps.Whoami(ctx, facts, c.ID)
		if err != nil {
			return bootstrap.Observation{State: bootstrap.Differs, Detail: err.Error(), Facts: facts}, nil //nolint:nilerr // the proof will tell
		}
		if role != c.Role {
			return bootstrap.Observation{
				State: bootstrap.Differs, Detail: fmt.Sprintf("%s is %s, expected %s", c.ID, role, c.Role), Facts: facts,
			}, nil
		}
	}
	detail := "token → gateway holds"
	if facts.Proof.Missing != "" {
		detail = "what could be proven holds"
	}
	return bootstrap.Observation{State: bootstrap.Ready, Detail: detail, Facts: facts}, nil
}

// provable returns the clients of an external provider of which tokens can be had, and says in words what cannot be proven without the others.
func provable(facts bootstrap.Facts) (clients []bootstrap.ClientFacts, missing []string) {
	roles := map[string]bool{}
	for _, c := range facts.Identity.Clients {
		switch {
		case facts.Identity.Endpoint == "":
			missing = append(missing, fmt.Sprintf("that the gateway takes tokens of %s: the provider gives none for client credentials", c.ID))
		case c.Secret == "":
			missing = append(missing, fmt.Sprintf("that the gateway takes tokens of %s: its secret was not told", c.ID))
		default:
			clients = append(clients, c)
			roles[c.Role] = true
		}
	}
	return clients, append(missing, withoutDecision(roles)...)
}

// withoutDecision says that no request is sent when there is nobody to send or decide it.
func withoutDecision(roles map[string]bool) []string {
	if roles[bootstrap.RoleAgent] && roles[bootstrap.RoleReviewer] {
		return nil
	}
	return []string{"that a request is decided: that takes an agent and a reviewer whose tokens can be had"}
}

// reach asks the gateway whether it is ready, which it is when it found its issuer.
func (p proof) reach(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) error {
	return p.deps.onceReached(ctx, facts.Gateway.URL, is(p.deps.Unreachable), report, func() error { return p.deps.Reach(ctx, facts) })
}

func (p proof) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	config, err := kube(facts)
	if err != nil {
		return facts, err
	}
	if err := settled(ctx, config, p.deps.Now); err != nil {
		return facts, err
	}
	missing, unminted, err := p.prove(ctx, facts, report)
	if err != nil {
		return facts, err
	}
	digest, err := p.digest(facts)
	if err != nil {
		return facts, err
	}
	facts.Proof = bootstrap.ProofFacts{Of: digest, At: p.deps.Now(), Missing: strings.Join(missing, "\n"), Unminted: unminted}
	for _, what := range missing {
		report.Warn("not proven: %s", what)
	}
	if len(missing) > 0 {
		report.Note("not everything could be proven")
		return facts, nil
	}
	report.Note("token → gateway → request → decision")
	return facts, nil
}

// replaced is for how long the pod of before, which knows the lists of before, may still be the one that answers. A rollout that
// this run began was waited for (handedOver); one that somebody else began, with helm upgrade, may have ended just now.
const replaced = 10 * time.Second

// prove goes as far as the tokens lead and says what is left. unminted says that the provider gave none.
func (p proof) prove(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (missing []string, unminted bool, err error) {
	if facts.Identity.External {
		if facts.Identity.Clients, missing = provable(facts); len(facts.Identity.Clients) == 0 {
			return missing, false, p.reach(ctx, facts, report)
		}
	}
	began := p.deps.Now()
	passes := func(err error) bool {
		var role *RoleError
		return is(p.deps.Unreachable)(err) || errors.As(err, &role) && p.deps.Now().Sub(began) < replaced
	}
	err = p.deps.onceReached(ctx, facts.Gateway.URL, passes, report, func() error {
		return p.deps.Prove(ctx, facts, func(text string) { report.Note("%s", text) })
	})
	if err != nil && facts.Identity.External && p.deps.Unminted != nil && errors.Is(err, p.deps.Unminted) {
		missing = append(missing, fmt.Sprintf("that the gateway takes tokens: the provider gave none (%v)", err))
		return missing, true, p.reach(ctx, facts, report)
	}
	return missing, false, err
}

package steps

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

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
	for _, c := range p.env.Clients {
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
	return bootstrap.Observation{State: bootstrap.Ready, Detail: "token → gateway holds", Facts: facts}, nil
}

func (p proof) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	config, err := kube(facts)
	if err != nil {
		return facts, err
	}
	if err := settled(ctx, config, p.deps.Now); err != nil {
		return facts, err
	}
	err = p.deps.onceReached(ctx, facts.Gateway.URL, p.deps.Unreachable, report, func() error {
		return p.deps.Prove(ctx, facts, func(text string) { report.Note("%s", text) })
	})
	if err != nil {
		return facts, err
	}
	digest, err := p.digest(facts)
	if err != nil {
		return facts, err
	}
	facts.Proof = bootstrap.ProofFacts{Of: digest, At: p.deps.Now()}
	report.Note("token → gateway → request → decision")
	return facts, nil
}

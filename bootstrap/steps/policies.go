package steps

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/manifests"
)

// policyNamespace is where the sample policies live.
const policyNamespace = "default"

// policies are the sample SafetyPolicies. Once they are there they belong to the user: a changed one stays changed.
type policies struct {
	wanted bool
	now    func() time.Time
}

func (policies) Name() string { return "policies" }

func (p policies) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	if !p.wanted {
		return bootstrap.Observation{State: bootstrap.Ready, Detail: "none wanted", Facts: facts}, nil
	}
	config, err := kube(facts)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	// Looking asks the server for a dry run, which it holds back as it does a creation.
	if err := settled(ctx, config, p.now); err != nil {
		return bootstrap.Observation{}, err
	}
	manifest, err := samples()
	if err != nil {
		return bootstrap.Observation{}, err
	}
	differences, err := ownerOf(facts).CompareManifests(ctx, config, manifest, policyNamespace)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	for _, d := range differences {
		if !d.Kept && d.Foreign == nil {
			return bootstrap.Observation{State: bootstrap.Differs, Detail: d.String(), Facts: facts}, nil
		}
	}
	return bootstrap.Observation{State: bootstrap.Ready, Detail: "up to date", Facts: facts}, nil
}

func (p policies) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	config, err := kube(facts)
	if err != nil {
		return facts, err
	}
	manifest, err := samples()
	if err != nil {
		return facts, err
	}
	owner := ownerOf(facts)
	owner.PassOver = true
	result, err := owner.ApplyManifests(ctx, config, manifest, policyNamespace)
	if err != nil {
		return facts, fmt.Errorf("apply the sample policies: %w", err)
	}
	for _, kept := range result.Kept {
		report.Warn("%s was changed by hand and is left as it is", kept)
	}
	for _, foreign := range result.Foreign {
		report.Warn("%s belongs to others and is left as it is", foreign)
	}
	report.Note("%d sample policies", len(result.Changed))
	return facts, nil
}

func samples() ([]byte, error) {
	var all [][]byte
	err := fs.WalkDir(manifests.Policies(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(manifests.Policies(), path)
		all = append(all, data)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the sample policies: %w", err)
	}
	return bytes.Join(all, []byte("\n---\n")), nil
}

package bootstrap_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/bootstrap"
)

// seen is a step that finds one thing, keeps which facts it was asked with and must never be applied.
type seen struct {
	t     *testing.T
	name  string
	found bootstrap.Observation
	err   error
	asked *[]string
}

func (s seen) Name() string { return s.name }

func (s seen) Observe(_ context.Context, f bootstrap.Facts) (bootstrap.Observation, error) {
	*s.asked = append(*s.asked, s.name+"@"+f.Cluster.Version)
	return s.found, s.err
}

func (s seen) Apply(context.Context, bootstrap.Facts, bootstrap.Reporter) (bootstrap.Facts, error) {
	s.t.Errorf("%s was applied", s.name)
	return bootstrap.Facts{}, nil
}

func TestLook(t *testing.T) {
	t.Parallel()
	known := bootstrap.Facts{Cluster: bootstrap.ClusterFacts{Version: "v1"}}
	ready := bootstrap.Observation{State: bootstrap.Ready, Facts: known}
	for name, c := range map[string]struct {
		second bootstrap.Observation
		err    error
		want   string
		asked  string
	}{
		"all ready":      {ready, nil, "first ready, second ready, third ready", "first@, second@v1, third@v1"},
		"one differs":    {bootstrap.Observation{State: bootstrap.Differs}, nil, "first ready, second not, third not asked", "first@, second@v1"},
		"one is absent":  {bootstrap.Observation{State: bootstrap.Absent}, nil, "first ready, second not, third not asked", "first@, second@v1"},
		"one is unknown": {bootstrap.Observation{}, nil, "first ready, second not, third not asked", "first@, second@v1"},
		"one cannot":     {ready, errors.New("no"), "first ready, second not, third not asked", "first@, second@v1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked, got []string
			step := func(name string, o bootstrap.Observation, err error) bootstrap.Stage {
				return bootstrap.Then(seen{t, name, o, err, &asked})
			}
			plan := bootstrap.Plan{step("first", ready, nil), step("second", c.second, c.err), step("third", ready, nil)}
			for _, l := range bootstrap.Look(t.Context(), plan, bootstrap.Facts{}) {
				switch {
				case !l.Asked:
					got = append(got, l.Step+" not asked")
				case l.Ready():
					got = append(got, l.Step+" ready")
				default:
					got = append(got, l.Step+" not")
				}
			}
			if found := strings.Join(got, ", "); found != c.want {
				t.Errorf("found %s, expected %s", found, c.want)
			}
			if found := strings.Join(asked, ", "); found != c.asked {
				t.Errorf("asked %s, expected %s", found, c.asked)
			}
		})
	}
}

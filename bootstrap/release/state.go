package release

import (
	"bytes"
	"fmt"
	"strings"

	helm "helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/resource"
)

// Phase is what there is of a release.
type Phase int

// What Observe can find. The zero value is Unknown, which counts as not there.
const (
	Unknown Phase = iota
	// Absent means that there is no such release.
	Absent
	// Differs means that there is one that is not as described; State.Detail says what.
	Differs
	// Ready means that the release is as described. It says nothing about its pods.
	Ready
)

// State is a release as the cluster holds it.
type State struct {
	Phase Phase
	// Detail says what differs, in a few words; empty when Ready.
	Detail string
	// Revision counts installs and upgrades from 1; 0 when absent.
	Revision int
	// Chart and ChartVersion name the chart of this revision.
	Chart, ChartVersion string
	// Values are the values that were given for this revision, without the chart's defaults.
	Values map[string]any
	// Kept are the paths of Spec.Defaults that were changed by hand and stay so, sorted; then the lists of Spec.Names
	// that somebody took names out of, such as "gateway.auth.agentSubjects without aip-agent-1".
	Kept []string
	// Labels are those of Spec.Labels that the release has, with the values that it has. Only Observe tells them.
	Labels map[string]string
}

func stateOf(rel *helm.Release) State {
	s := State{Revision: rel.Version, Values: rel.Config}
	if rel.Chart != nil && rel.Chart.Metadata != nil {
		s.Chart, s.ChartVersion = rel.Chart.Metadata.Name, rel.Chart.Metadata.Version
	}
	return s
}

// because returns s with the phase that the reasons against it ask for.
func (s State) because(reasons []string) State {
	s.Phase, s.Detail = Ready, ""
	if len(reasons) > 0 {
		s.Phase, s.Detail = Differs, strings.Join(reasons, "; ")
	}
	return s
}

// missing names the objects of the release that somebody deleted.
func (m *Manager) missing(rel *helm.Release) ([]string, error) {
	list, err := m.cfg.KubeClient.Build(bytes.NewBufferString(rel.Manifest), false)
	if err != nil {
		return nil, fmt.Errorf("read the manifest of release %s: %w", rel.Name, err)
	}
	var missing []string
	err = list.Visit(func(info *resource.Info, err error) error {
		if err != nil {
			return err
		}
		_, err = resource.NewHelper(info.Client, info.Mapping).Get(info.Namespace, info.Name)
		if apierrors.IsNotFound(err) {
			missing = append(missing, fmt.Sprintf("%s %s is missing", info.Mapping.GroupVersionKind.Kind, info.Name))
			return nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for the objects of release %s: %w", rel.Name, err)
	}
	return missing, nil
}

// Package policies is the page of the SafetyPolicies: their rules as their authors wrote them, and whether they are
// valid.
package policies

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/browse"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Source has the policies. *client.Client satisfies it.
type Source interface {
	AllSafetyPolicies(ctx context.Context) ([]v1alpha1.SafetyPolicy, error)
}

// Options are what the page is made of.
type Options struct {
	Look   theme.Theme
	Source Source
	Do     page.Do
	// Identity is who applies and removes policies; empty leaves it to the command.
	Identity string
	// Changes says that policies can be checked, applied and removed from here, by the commands of the program.
	Changes  bool
	ReadOnly bool
}

const every = 10 * time.Second

// New returns the page.
func New(o Options) *browse.Page {
	return browse.New(browse.Options{
		Title: "Policies", Look: o.Look, Do: o.Do, Every: every, Actions: o.actions(),
		Empty:   "no policy: what no rule matches is decided by the gateway's --default-action",
		Columns: []browse.Column{{Title: "NAMESPACE", Width: 10}, {Title: "NAME", Width: 22}, {Title: "VALID", Width: 7}, {Title: "FIRST RULE"}},
		Load: func(ctx context.Context) ([]browse.Row, error) {
			all, err := o.Source.AllSafetyPolicies(ctx)
			if err != nil {
				return nil, fmt.Errorf("read the policies: %w", err)
			}
			rows := make([]browse.Row, len(all))
			for i := range all {
				rows[i] = row(&all[i])
			}
			return rows, nil
		},
	})
}

func row(p *v1alpha1.SafetyPolicy) browse.Row {
	valid, level := "unknown", page.Info
	detail := []browse.Line{
		{Title: p.Name}, {Name: "namespace", Value: p.Namespace}, {Name: "failure mode", Value: p.Spec.FailureMode},
		{Name: "generation", Value: fmt.Sprint(p.Generation)},
	}
	if c := meta.FindStatusCondition(p.Status.Conditions, "Valid"); c != nil {
		valid = "yes"
		if c.Status != metav1.ConditionTrue {
			valid, level = "no", page.Alert
		}
		detail = append(detail, browse.Line{Name: "valid", Value: valid + ", " + c.Message})
	}
	if p.Spec.ContextType != "" {
		detail = append(detail, browse.Line{Name: "context", Value: p.Spec.ContextType})
	}
	if p.Spec.GovernedResourceSelector != nil {
		detail = append(detail, browse.Line{Name: "selects", Value: metav1.FormatLabelSelector(p.Spec.GovernedResourceSelector)})
	}
	rules := ""
	for i, r := range p.Spec.Rules {
		if i == 0 {
			rules = r.Action + " " + r.Name
		}
		detail = append(detail, browse.Line{Title: r.Action + "  " + r.Name}, browse.Line{Name: r.Type, Value: r.Expression})
		if r.Message != "" {
			detail = append(detail, browse.Line{Name: "says", Value: r.Message})
		}
	}
	if more := len(p.Spec.Rules) - 1; more > 0 {
		rules += fmt.Sprintf(", %d more", more)
	}
	if text, err := yaml.Marshal(p.Spec); err == nil {
		detail = append(detail, browse.Line{Title: "YAML", Value: string(text)})
	}
	return browse.Row{ID: string(p.UID), Level: level, Detail: detail, Cells: []string{p.Namespace, p.Name, valid, rules}}
}

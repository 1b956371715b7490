package policy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
	strictyaml "sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// KindTest is the kind of a document of examples.
const KindTest = "PolicyTest"

// Test is a document of examples: requests with the decisions that are expected about them.
type Test struct {
	metav1.TypeMeta `json:",inline"`
	// Policies are files with the SafetyPolicies to ask, relative to the document's. Those in the same file count too.
	Policies []string `json:"policies,omitempty"`
	// DefaultAction is what happens when no policy matches; empty means Allow.
	DefaultAction string    `json:"defaultAction,omitempty"`
	Examples      []Example `json:"examples"`
}

// Example is a request and the decision that is expected about it.
type Example struct {
	Name string `json:"name"`
	// Request is the spec of an AgentRequest; agentIdentity and reason may be left out.
	Request v1alpha1.AgentRequestSpec `json:"request"`
	// ResourceLabels are those of the GovernedResource that governs the target; absent means that none does.
	ResourceLabels map[string]string `json:"resourceLabels,omitempty"`
	// State is what is known of the target.
	State State `json:"state,omitempty"`
	// Affected is what is known of the targets of the cascade model, in its order.
	Affected []State `json:"affected,omitempty"`
	// Now is the time of the decision; absent means noon of 1 January 2026, UTC, a Thursday.
	Now *metav1.Time `json:"now,omitempty"`
	// Recent are the requests of the same scope that came before: how long ago, for example 90s.
	Recent []metav1.Duration `json:"recent,omitempty"`
	Expect Expectation       `json:"expect"`
}

// State is what is known of a target.
type State struct {
	// Target are the fields of the variable target; those that are left out have their empty value.
	Target map[string]any `json:"target,omitempty"`
	// Context are the fields of the variable context.
	Context map[string]any `json:"context,omitempty"`
	// Unavailable, when it is set, says why nothing could be found out.
	Unavailable string `json:"unavailable,omitempty"`
}

// Expectation is a decision as far as an example cares for it.
type Expectation struct {
	// Outcome is Allow, Log, RequireApproval or Deny.
	Outcome Outcome `json:"outcome"`
	// Code is the denial code; empty means any.
	Code string `json:"code,omitempty"`
	// Message is part of the message; empty means any.
	Message string `json:"message,omitempty"`
	// Rules are the rules that spoke with something else than Allow; absent means any.
	Rules []string `json:"rules,omitempty"`
}

// File is what a file of policies holds.
type File struct {
	Policies []v1alpha1.SafetyPolicy
	// Resources are GovernedResources. Policies with a contextType are compiled against their schemas.
	Resources []v1alpha1.GovernedResource
	Tests     []Test
}

// Read reads a file of SafetyPolicies, GovernedResources and documents of examples. It refuses fields that these do not
// have, other kinds, and what the Kubernetes API or the gateway would refuse.
func Read(text []byte) (File, error) {
	var out File
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for n := 1; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err == nil {
			err = out.add(document)
		}
		if err != nil {
			return File{}, fmt.Errorf("document %d: %w", n, err)
		}
	}
}

// add reads one document.
func (f *File) add(document []byte) error {
	var kind metav1.TypeMeta
	if err := strictyaml.Unmarshal(document, &kind); err != nil {
		return err
	}
	switch kind.Kind {
	case "":
		if len(bytes.TrimSpace(withoutComments(document))) == 0 {
			return nil
		}
		return fmt.Errorf("it has no kind, expected SafetyPolicy, GovernedResource or %s", KindTest)
	case "SafetyPolicy":
		var p v1alpha1.SafetyPolicy
		if err := decodeYAML(document, &p); err != nil {
			return err
		}
		f.Policies = append(f.Policies, p)
		return wellFormed(&p)
	case "GovernedResource":
		var g v1alpha1.GovernedResource
		if err := decodeYAML(document, &g); err != nil {
			return err
		}
		f.Resources = append(f.Resources, g)
		_, err := ReadSchema(g.Spec.ContextSchema)
		return err
	case KindTest:
		var t Test
		err := decodeYAML(document, &t)
		f.Tests = append(f.Tests, t)
		return err
	default:
		return fmt.Errorf("its kind is %q, expected SafetyPolicy, GovernedResource or %s", kind.Kind, KindTest)
	}
}

// decodeYAML decodes as the Kubernetes API does, which tells capitals from small letters, and refuses unknown fields.
func decodeYAML(text []byte, to any) error {
	raw, err := strictyaml.YAMLToJSONStrict(text)
	if err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	faults, err := json.UnmarshalStrict(raw, to)
	if err := errors.Join(append(faults, err)...); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return nil
}

func withoutComments(text []byte) []byte {
	var out [][]byte
	for line := range bytes.Lines(text) {
		if trimmed := bytes.TrimSpace(line); !bytes.HasPrefix(trimmed, []byte("#")) && !bytes.Equal(trimmed, []byte("---")) {
			out = append(out, line)
		}
	}
	return bytes.Join(out, nil)
}

// wellFormed reports what the schema of the API would refuse.
func wellFormed(p *v1alpha1.SafetyPolicy) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if p.Name == "" {
		fault("metadata.name is missing")
	}
	if len(p.Spec.Rules) == 0 {
		fault("spec.rules is empty")
	}
	if mode := p.Spec.FailureMode; mode != "" && mode != v1alpha1.FailClosed && mode != v1alpha1.FailOpen {
		fault("spec.failureMode is %q, expected %s or %s", mode, v1alpha1.FailClosed, v1alpha1.FailOpen)
	}
	actions := []string{v1alpha1.ActionAllow, v1alpha1.ActionLog, v1alpha1.ActionRequireApproval, v1alpha1.ActionDeny}
	for i, r := range p.Spec.Rules {
		if r.Name == "" || r.Expression == "" {
			fault("spec.rules[%d] lacks a name or an expression", i)
		}
		if !slices.Contains(actions, r.Action) {
			fault("spec.rules[%d].action is %q, expected one of %s", i, r.Action, strings.Join(actions, ", "))
		}
	}
	return errors.Join(faults...)
}

// Run decides about the example's request and returns the decision, and how it differs from what is expected, "" when it
// does not.
func (e *Example) Run(decide func(Input) Decision) (Decision, string) {
	d := decide(e.input())
	var found, wanted []string
	if e.Expect.Outcome != d.Outcome {
		found, wanted = append(found, string(d.Outcome)), append(wanted, string(e.Expect.Outcome))
	}
	if e.Expect.Code != "" && e.Expect.Code != d.Code {
		found, wanted = append(found, "code "+d.Code), append(wanted, "code "+e.Expect.Code)
	}
	if !strings.Contains(d.Message, e.Expect.Message) {
		found, wanted = append(found, fmt.Sprintf("message %q", d.Message)), append(wanted, fmt.Sprintf("%q in it", e.Expect.Message))
	}
	if rules := spoke(d); e.Expect.Rules != nil && !slices.Equal(rules, e.Expect.Rules) {
		found, wanted = append(found, fmt.Sprintf("rules %q", rules)), append(wanted, fmt.Sprintf("rules %q", e.Expect.Rules))
	}
	if len(wanted) == 0 {
		return d, ""
	}
	return d, fmt.Sprintf("found %s, expected %s (%s)", strings.Join(found, ", "), strings.Join(wanted, ", "), d.Message)
}

func spoke(d Decision) []string {
	out := []string{}
	for _, r := range d.Results {
		out = append(out, r.RuleName)
	}
	return out
}

func (e *Example) input() Input {
	in := Input{
		Request: &v1alpha1.AgentRequest{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "example"}, Spec: e.Request},
		Target:  e.State.target(), Now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC),
	}
	spec := &in.Request.Spec
	if spec.AgentIdentity == "" {
		spec.AgentIdentity = "agent"
	}
	if spec.Reason == "" {
		spec.Reason = "example"
	}
	if e.ResourceLabels != nil {
		in.Resource = &v1alpha1.GovernedResource{ObjectMeta: metav1.ObjectMeta{Labels: e.ResourceLabels}}
	}
	for _, a := range e.Affected {
		in.Affected = append(in.Affected, a.target())
	}
	for e.Request.CascadeModel != nil && len(in.Affected) < len(e.Request.CascadeModel.AffectedTargets) {
		in.Affected = append(in.Affected, UnknownTarget())
	}
	if e.Now != nil {
		in.Now = e.Now.Time
	}
	in.Recent = func(_ Scope, since time.Time) []time.Time {
		var out []time.Time
		for _, ago := range e.Recent {
			if at := in.Now.Add(-ago.Duration); at.After(since) {
				out = append(out, at)
			}
		}
		slices.SortFunc(out, time.Time.Compare)
		return out
	}
	return in
}

func (s State) target() Target {
	if s.Unavailable != "" {
		return Target{Err: errors.New(s.Unavailable)}
	}
	t := UnknownTarget()
	for key, value := range s.Target {
		t.Facts[key] = wholeNumbers(value)
	}
	if s.Context != nil {
		t.Context = map[string]any{}
		for key, value := range s.Context {
			t.Context[key] = wholeNumbers(value)
		}
	}
	return t
}

package body

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aip-dev/aip-dev/gateway/wire"
)

// FuzzDecode: whatever the bytes, a body is refused or means what every careful reader of JSON reads in it.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"action":"a","targetURI":"t","reason":"r"}`, `{"action":"a","action":"b"}`, `{"Action":"b","action":"a"}`, `{"\u0061ction":"a"}`,
		`{"parameters":{"a":[{}]},"cascadeModel":{"affectedTargets":[{"uri":"u","effectType":"deleted"}]}} trailing`, `[]`, `null`, `{`, ``, "\xff",
		`{"parameters":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`, `{"priority":1e400}`, `{"reasoningTrace":{"confidenceScore":0.5}}`,
		`{"action":"a\ud800b"}`, `{"attributes":{"a":"1","a":"2"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var in wire.Submission
		warnings, err := Decode(strings.NewReader(string(text)), &in, false)
		if err != nil {
			return
		}
		if len(warnings) > maxWarnings+2 {
			t.Errorf("%d warnings", len(warnings))
		}
		for _, w := range warnings {
			if len(w) > maxWarning+100 {
				t.Errorf("a warning of %d bytes", len(w))
			}
		}
		if !utf8.Valid([]byte(in.Action)) || !utf8.Valid([]byte(in.TargetURI)) {
			t.Errorf("text that is no UTF-8: %q", in.Action)
		}
		fields := map[string]json.RawMessage{}
		if json.NewDecoder(strings.NewReader(string(text))).Decode(&fields) != nil {
			return // null, which says nothing
		}
		for name, got := range map[string]string{"action": in.Action, "targetURI": in.TargetURI, "reason": in.Reason, "namespace": in.Namespace, "agentIdentity": in.AgentIdentity} {
			var want *string
			if raw, ok := fields[name]; ok && json.Unmarshal(raw, &want) != nil {
				t.Errorf("%s was accepted as %s", name, raw)
			}
			if want == nil {
				want = new(string)
			}
			if got != *want {
				t.Errorf("%s is %q, another reader finds %q", name, got, *want)
			}
		}
	})
}
